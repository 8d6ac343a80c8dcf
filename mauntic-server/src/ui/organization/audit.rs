//! Who changed what, when, and from where.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use maud::{Markup, html};
use mauntic_core::{AuditEntryId, PageSize, Permission, Principal, identity::AuditFilter};
use poem::{IntoResponse as _, Request, Response, Result, handler, web::Query};
use serde::{Deserialize, Serialize};

use super::{audit_row::Known, audit_who::Who, audit_words::GROUPS, columns, page};
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
/// How many pages are looked through for what people did among what the operator and the command line did.
const LATEST_PAGES: usize = 5;

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
    pub(super) fn filter(
        &self,
        by: Option<Principal>,
    ) -> std::result::Result<AuditFilter, &'static str> {
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

    /// The same, about that one.
    fn about(&self, by: Principal) -> Self {
        Self {
            by: by.to_string(),
            action: self.action.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
            after: None,
        }
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

/// What is wrong with a condition, and whom else it may mean.
struct Problem {
    field: &'static str,
    text: &'static str,
    offered: Vec<(Principal, String)>,
}

impl Problem {
    fn of(field: &'static str, text: &'static str) -> Self {
        Self {
            field,
            text,
            offered: Vec::new(),
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
    let who = Who::find(&app.identity, &visitor.actor, &asked.by).await;
    let (by, shown, mut problem) = match who.map_err(failure::identity)? {
        Who::Anybody => (None, None, None),
        Who::One(principal, shown) => (Some(principal), Some(shown), None),
        Who::Nobody => {
            let text = "Nobody here has this name or address, so nothing is left out.";
            (None, None, Some(Problem::of("by", text)))
        }
        Who::Several(offered) => {
            let text = "Several fit. Choose one of those below; until then nothing is left out.";
            let problem = Problem::of("by", text);
            (None, None, Some(Problem { offered, ..problem }))
        }
    };
    let filter = asked.filter(by).unwrap_or_else(|field| {
        let text = "This is not understood, so nothing is left out.";
        problem = Some(Problem::of(field, text));
        AuditFilter::default()
    });
    let before = asked.after.map(AuditEntryId::from_uuid);
    let found = app
        .identity
        .audit_log(&visitor.actor, &filter, before, PageSize::default());
    let found = found.await.map_err(failure::identity)?;
    let known = Known::of(app, &visitor.actor, &found.items).await?;
    let rows: Vec<_> = found.items.iter().map(|one| known.row(one)).collect();
    let query = by.map_or_else(|| asked.query(), |by| asked.about(by).query());
    let next = found.next.map(|next| {
        format!(
            "{HERE}?{query}{}after={next}",
            if query.is_empty() { "" } else { "&" }
        )
    });
    let shown = shown.as_deref().unwrap_or(&asked.by);
    let heads = columns(["When", "Who", "What", "Details", "From"]);
    let content = html! {
        (form(&asked, shown, problem.as_ref()))
        @if rows.is_empty() {
            (show::empty("Nothing fits", "No change fits these conditions.", &html! {}))
        } @else {
            // A file has no place for what is wrong.
            @if problem.is_none() {
                div class="row" { (button_link(&format!("{HERE}.csv?{query}"), "Export as CSV", Weight::Plain)) }
            }
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
    let (mut entries, mut before) = (Vec::new(), None);
    for _ in 0..LATEST_PAGES {
        let found = app.identity.audit_log(&visitor.actor, &all, before, size);
        let found = found.await.map_err(failure::identity)?;
        let people = found.items.into_iter();
        entries.extend(people.filter(|entry| entry.principal != Principal::System));
        before = found.next;
        if entries.len() >= most || before.is_none() {
            break;
        }
    }
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

fn form(asked: &Asked, who: &str, problem: Option<&Problem>) -> Markup {
    let field = |name, label, value, hint| Field {
        name,
        label,
        value,
        hint,
        error: problem.filter(|of| of.field == name).map(|of| of.text),
        required: false,
    };
    let mut groups = GROUPS.to_vec();
    // Addresses of this page may ask for more than the list offers.
    let action = asked.action.as_str();
    if !groups.iter().any(|(value, _)| *value == action) {
        groups.push((action, action));
    }
    let hint = Some("A name or an address, or operator");
    html! {
        form method="get" action=(HERE) class="card" {
            div class="grid" {
                (input(&field("by", "Who", who, hint), "text"))
                (select(&field("action", "What", action, None), &groups))
                (input(&field("since", "From day", &asked.since, None), "date"))
                (input(&field("until", "To day", &asked.until, None), "date"))
            }
            @if let Some(problem) = problem.filter(|problem| !problem.offered.is_empty()) {
                ul class="tree" { @for (one, name) in &problem.offered {
                    li { a href=(format!("{HERE}?{}", asked.about(*one).query())) { (name) } }
                } }
            }
            div class="row" { (button("Show", Weight::Primary)) a href=(HERE) { "Show all" } }
        }
    }
}
