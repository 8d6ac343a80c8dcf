use std::{collections::BTreeMap, io};

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};
use mauntic_core::{
    Actor, AuditEntryId, PageSize, Permission, Principal,
    identity::{AuditEntry, AuditFilter, IdentityError, IdentityService},
};
use poem::{Body, IntoResponse as _, Request, Response, Result, handler, http::header, web::Query};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{columns, page};
use crate::ui::{
    component::{
        action::{Weight, button, button_link},
        form::{Field, input, select},
        show,
        table::table,
    },
    failure,
    visitor::{Visitor, app},
    words,
};

const HERE: &str = "/app/organization/audit";
const TITLE: &str = "Audit log";
/// Entries that the export reads at once.
const BATCH: usize = 1_000;

/// What to look at.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Asked {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    since: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    until: String,
    #[serde(skip_serializing)]
    after: Option<uuid::Uuid>,
}

impl Asked {
    fn filter(&self) -> std::result::Result<AuditFilter, &'static str> {
        let by = match self.by.trim() {
            "" => None,
            text => Some(text.parse::<Principal>().map_err(|_| "by")?),
        };
        let action = Some(self.action.trim()).filter(|text| !text.is_empty());
        Ok(AuditFilter {
            by,
            action: action.map(str::to_owned),
            since: day(&self.since).map_err(|()| "since")?,
            until: day(&self.until)
                .map_err(|()| "until")?
                .map(|day| day + TimeDelta::days(1)),
        })
    }

    fn query(&self) -> String {
        serde_urlencoded::to_string(self).unwrap_or_default()
    }
}

fn day(text: &str) -> std::result::Result<Option<DateTime<Utc>>, ()> {
    match text.trim() {
        "" => Ok(None),
        text => {
            let day: NaiveDate = text.parse().map_err(|_| ())?;
            Ok(Some(day.and_time(NaiveTime::MIN).and_utc()))
        }
    }
}

type Names = BTreeMap<String, String>;

/// Whom to choose from: the first of the members and tokens, by name.
async fn choices(identity: &IdentityService, actor: &Actor) -> Result<Names> {
    let size = PageSize::clamped(BATCH);
    let mut names = Names::from([(Principal::System.to_string(), "the operator".to_owned())]);
    if actor.may(Permission::MembersRead) {
        let members = identity.members(actor, None, size).await;
        for member in members.map_err(failure::identity)?.items {
            let id = Principal::User { id: member.user_id };
            names.insert(id.to_string(), member.name.to_string());
        }
    }
    if actor.may(Permission::TokensManage) {
        let tokens = identity.tokens(actor, None, size).await;
        for token in tokens.map_err(failure::identity)?.items {
            let id = Principal::Token { id: token.id };
            names.insert(id.to_string(), format!("token {}", token.name));
        }
    }
    Ok(names)
}

/// What those who acted are called, as far as they are not known yet: whoever is gone keeps the id alone.
async fn add_names(
    identity: &IdentityService,
    actor: &Actor,
    entries: &[AuditEntry],
    names: &mut Names,
) -> std::result::Result<(), IdentityError> {
    for entry in entries {
        let id = entry.principal.to_string();
        if names.contains_key(&id) {
            continue;
        }
        let name = match entry.principal {
            Principal::User { id } => identity.member(actor, id).await.map(|one| one.name),
            Principal::Token { id } => identity.token(actor, id).await.map(|one| one.name),
            Principal::System => continue,
        };
        let name = match (entry.principal, name) {
            (Principal::Token { .. }, Ok(name)) => format!("token {name}"),
            (_, Ok(name)) => name.to_string(),
            (
                _,
                Err(
                    IdentityError::UserNotFound(_)
                    | IdentityError::TokenNotFound(_)
                    | IdentityError::Forbidden(_),
                ),
            ) => id.clone(),
            (_, Err(error)) => return Err(error),
        };
        names.insert(id, name);
    }
    Ok(())
}

/// Who changed what, when, and from where.
#[handler]
pub(super) async fn audit(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    let mut names = choices(identity, &visitor.actor).await?;
    let (filter, problem) = match asked.filter() {
        Ok(filter) => (filter, None),
        Err(field) => (AuditFilter::default(), Some(field)),
    };
    let before = asked.after.map(AuditEntryId::from_uuid);
    let found = identity.audit_log(&visitor.actor, &filter, before, PageSize::default());
    let found = found.await.map_err(failure::identity)?;
    let named = add_names(identity, &visitor.actor, &found.items, &mut names).await;
    named.map_err(failure::identity)?;
    let rows: Vec<_> = found.items.iter().map(|one| row(one, &names)).collect();
    let query = asked.query();
    let next = found.next.map(|next| {
        format!(
            "{HERE}?{query}{}after={next}",
            if query.is_empty() { "" } else { "&" }
        )
    });
    let heads = columns(["When", "Who", "What", "Before and after", "From"]);
    let content = html! {
        (form(&asked, &names, problem))
        @if rows.is_empty() {
            (show::empty("Nothing fits", "No change fits these conditions.", &html! {}))
        } @else {
            div class="row" { (button_link(&format!("{HERE}.csv?{query}"), "Export as CSV", Weight::Plain)) }
            (table(TITLE, &heads, &rows, next.as_deref()))
        }
    };
    Ok(page(&visitor, TITLE, HERE, &content).into_response())
}

fn form(asked: &Asked, names: &Names, problem: Option<&str>) -> Markup {
    let field = |name, label, value, hint| Field {
        name,
        label,
        value,
        hint,
        error: (problem == Some(name)).then_some("This is not understood, so nothing is left out."),
        required: false,
    };
    let mut choices = vec![("", "anybody")];
    choices.extend(names.iter().map(|(id, name)| (id.as_str(), name.as_str())));
    let action = Some("The beginning is enough, such as member. or token.created");
    html! {
        form method="get" action=(HERE) class="card" {
            div class="grid" {
                (select(&field("by", "Who", &asked.by, None), &choices))
                (input(&field("action", "What", &asked.action, action), "text"))
                (input(&field("since", "From day", &asked.since, None), "date"))
                (input(&field("until", "To day", &asked.until, None), "date"))
            }
            div class="row" { (button("Show", Weight::Primary)) a href=(HERE) { "Show all" } }
        }
    }
}

fn who(entry: &AuditEntry, names: &Names) -> String {
    if entry.principal == Principal::System && entry.address.is_some() {
        return "somebody who is not logged in".to_owned();
    }
    let id = entry.principal.to_string();
    names.get(&id).cloned().unwrap_or(id)
}

fn row(entry: &AuditEntry, names: &Names) -> Markup {
    let change = &entry.change;
    html! { tr {
        td { (words::time(entry.at)) }
        td { (who(entry, names)) }
        td { (change.action) br; span class="soft" { (change.subject.kind) " " (change.subject.id) } }
        td { (differences(&change.before, &change.after)) }
        td { @match (entry.address, entry.principal) {
            (Some(address), _) => (address),
            (None, Principal::System) => span class="soft" { "command line" },
            (None, _) => span class="soft" { "unknown" },
        } }
    } }
}

/// What is different: the values that changed, or all if there is one side alone.
fn differences(before: &Value, after: &Value) -> Markup {
    let keys = |value: &Value| {
        let map = value.as_object();
        map.map(|map| map.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let mut all = keys(before);
    all.extend(keys(after));
    all.sort();
    all.dedup();
    all.retain(|key| before.get(key) != after.get(key));
    html! {
        @if !all.is_empty() {
            details {
                summary { (all.len()) @if all.len() == 1 { " value" } @else { " values" } }
                dl class="values" { @for key in &all {
                    dt { (key) }
                    dd {
                        @if let Some(old) = before.get(key) { del { (shown(old)) } " " }
                        @if let Some(new) = after.get(key) { ins { (shown(new)) } }
                    }
                } }
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// All entries that fit, as a file, read piece by piece.
#[handler]
pub(super) async fn export(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let identity = app(request)?.identity.clone();
    let filter = asked.filter().map_err(failure::missing)?;
    // Before the answer begins: what is refused is to be a page.
    let first = identity.audit_log(&visitor.actor, &filter, None, PageSize::clamped(1));
    first.await.map_err(failure::identity)?;
    let head = "when,who,principal,from,action,subject,subject_id,before,after\r\n";
    let operator = (Principal::System.to_string(), "the operator".to_owned());
    let start = Some((None, Names::from([operator])));
    let pages = stream::try_unfold(start, move |at: Option<(Option<AuditEntryId>, Names)>| {
        let (identity, actor) = (identity.clone(), visitor.actor.clone());
        let filter = filter.clone();
        async move {
            let Some((before, mut names)) = at else {
                return Ok(None);
            };
            let size = PageSize::clamped(BATCH);
            let found = identity.audit_log(&actor, &filter, before, size).await;
            let found = found.map_err(io::Error::other)?;
            let named = add_names(&identity, &actor, &found.items, &mut names).await;
            named.map_err(io::Error::other)?;
            let lines: String = found.items.iter().map(|one| line(one, &names)).collect();
            let next = found.next.map(|next| (Some(next), names));
            Ok::<_, io::Error>(Some((lines, next)))
        }
    });
    let head = stream::once(async move { Ok::<_, io::Error>(head.to_owned()) });
    Ok(Response::builder()
        .content_type("text/csv; charset=utf-8")
        .header(
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.csv\"",
        )
        .body(Body::from_bytes_stream(head.chain(pages))))
}

fn line(entry: &AuditEntry, names: &Names) -> String {
    let change = &entry.change;
    let address = entry.address.map(|address| address.to_string());
    let value = |value: &Value| {
        if value.is_null() {
            String::new()
        } else {
            value.to_string()
        }
    };
    let cells = [
        entry.at.to_rfc3339_opts(SecondsFormat::Secs, true),
        who(entry, names),
        entry.principal.to_string(),
        address.unwrap_or_default(),
        change.action.clone(),
        change.subject.kind.clone(),
        change.subject.id.to_string(),
        value(&change.before),
        value(&change.after),
    ];
    let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
    cells.join(",") + "\r\n"
}

/// A cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn no_cell_is_a_formula_or_ends_early() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(cell("plain"), "\"plain\"");
    }
}
