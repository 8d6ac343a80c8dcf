//! Who changed what, when, and from where.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use maud::{Markup, html};
use mauntic_core::{AuditEntryId, PageSize, Permission, Principal, identity::AuditFilter};
use poem::{IntoResponse as _, Request, Response, Result, handler, web::Query};
use serde::{Deserialize, Serialize};

use super::{audit_row::Known, audit_words::GROUPS, columns, page};
use crate::ui::{
    component::{
        action::{Weight, button, button_link},
        form::{Field, input, select},
        show,
        table::table,
    },
    failure,
    visitor::{Visitor, app},
};

const HERE: &str = "/app/organization/audit";
const TITLE: &str = "Audit log";

/// What to look at.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Asked {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) since: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) until: String,
    #[serde(skip_serializing)]
    after: Option<uuid::Uuid>,
}

impl Asked {
    pub(super) fn filter(&self) -> std::result::Result<AuditFilter, &'static str> {
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

/// Who changed what, when, and from where.
#[handler]
pub(super) async fn audit(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let app = app(request)?;
    let (filter, problem) = match asked.filter() {
        Ok(filter) => (filter, None),
        Err(field) => (AuditFilter::default(), Some(field)),
    };
    let before = asked.after.map(AuditEntryId::from_uuid);
    let found = app
        .identity
        .audit_log(&visitor.actor, &filter, before, PageSize::default());
    let found = found.await.map_err(failure::identity)?;
    let known = Known::of(app, &visitor.actor, &found.items).await?;
    let rows: Vec<_> = found.items.iter().map(|one| known.row(one)).collect();
    let query = asked.query();
    let next = found.next.map(|next| {
        format!(
            "{HERE}?{query}{}after={next}",
            if query.is_empty() { "" } else { "&" }
        )
    });
    let heads = columns(["When", "Who", "What", "Details", "From"]);
    let content = html! {
        (form(&asked, &known, problem))
        @if rows.is_empty() {
            (show::empty("Nothing fits", "No change fits these conditions.", &html! {}))
        } @else {
            div class="row" { (button_link(&format!("{HERE}.csv?{query}"), "Export as CSV", Weight::Plain)) }
            (table(TITLE, &heads, &rows, next.as_deref()))
        }
    };
    Ok(page(&visitor, TITLE, HERE, &content).into_response())
}

/// What people changed last, for the start page; nothing if there is nothing that the visitor may see.
pub(in crate::ui) async fn latest(
    request: &Request,
    visitor: &Visitor,
    most: usize,
) -> Result<Option<Markup>> {
    if !visitor.may(Permission::AuditRead) {
        return Ok(None);
    }
    let (app, size) = (app(request)?, PageSize::default());
    let all = AuditFilter::default();
    let found = app.identity.audit_log(&visitor.actor, &all, None, size);
    let mut entries = found.await.map_err(failure::identity)?.items;
    entries.retain(|entry| entry.principal != Principal::System);
    entries.truncate(most);
    let known = Known::of(app, &visitor.actor, &entries).await?;
    let rows: Vec<_> = entries.iter().map(|one| known.row(one)).collect();
    let heads = columns(["When", "Who", "What", "Details", "From"]);
    let list = html! {
        (table("Changes made last", &heads, &rows, None))
        p { a href=(HERE) { "The whole audit log" } }
    };
    Ok((!rows.is_empty()).then_some(list))
}

fn form(asked: &Asked, known: &Known, problem: Option<&str>) -> Markup {
    let field = |name, label, value, hint| Field {
        name,
        label,
        value,
        hint,
        error: (problem == Some(name)).then_some("This is not understood, so nothing is left out."),
        required: false,
    };
    let mut people = vec![("", "anybody")];
    people.extend(known.actors());
    let mut groups = GROUPS.to_vec();
    // Addresses of this page may ask for more than the list offers.
    for (choices, asked) in [
        (&mut people, asked.by.as_str()),
        (&mut groups, asked.action.as_str()),
    ] {
        if !choices.iter().any(|(value, _)| *value == asked) {
            choices.push((asked, asked));
        }
    }
    html! {
        form method="get" action=(HERE) class="card" {
            div class="grid" {
                (select(&field("by", "Who", &asked.by, None), &people))
                (select(&field("action", "What", &asked.action, None), &groups))
                (input(&field("since", "From day", &asked.since, None), "date"))
                (input(&field("until", "To day", &asked.until, None), "date"))
            }
            div class="row" { (button("Show", Weight::Primary)) a href=(HERE) { "Show all" } }
        }
    }
}
