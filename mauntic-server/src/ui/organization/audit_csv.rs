//! The audit log as a file.

use std::io;

use chrono::SecondsFormat;
use futures_util::{StreamExt as _, stream};
use mauntic_core::{
    AuditEntryId, Change, PageSize, Subject,
    identity::{AuditEntry, AuditLog as _},
};
use poem::{Body, Request, Response, Result, handler, http::header, web::Query};
use serde_json::{Value, json};

use super::{audit::Asked, audit_row::Known, audit_who::Who};
use crate::{
    audit_words,
    ui::{
        csv, failure,
        visitor::{Visitor, app},
    },
};

/// Entries that are read at once.
const BATCH: usize = 1_000;

/// All entries that fit, as a file, read piece by piece.
#[handler]
pub(super) async fn export(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let app = app(request)?;
    let identity = app.identity.clone();
    // Of contacts nothing leaves the installation but what the log has.
    let known = Known::default();
    let by = match Who::find(&identity, &visitor.actor, &asked.by).await {
        Ok(Who::Anybody) => None,
        Ok(Who::One(principal, _)) => Some(principal),
        Ok(Who::Several(_) | Who::Nobody) => return Err(failure::missing("member")),
        Err(error) => return Err(failure::identity(error)),
    };
    let filter = asked.filter(by).map_err(failure::missing)?;
    // Before the answer begins: what is refused is to be a page.
    let first = identity.audit_log(&visitor.actor, &filter, None, PageSize::clamped(1));
    first.await.map_err(failure::identity)?;
    let change = Change::new("audit.exported", Subject::nameless("audit")).to(
        json!({"by": by.map(|by| by.to_string()), "action": asked.action, "since": asked.since, "until": asked.until}),
    );
    let told = identity.record(&visitor.actor, change).await;
    told.map_err(|error| failure::internal(&error))?;
    let head = "when,who,what,principal,from,action,subject,subject_id,before,after\r\n";
    let start = Some((None, known));
    let pages = stream::try_unfold(start, move |at: Option<(Option<AuditEntryId>, Known)>| {
        let (identity, actor) = (identity.clone(), visitor.actor.clone());
        let filter = filter.clone();
        async move {
            let Some((before, mut known)) = at else {
                return Ok(None);
            };
            let size = PageSize::clamped(BATCH);
            let found = identity.audit_log(&actor, &filter, before, size).await;
            let found = found.map_err(io::Error::other)?;
            let learnt = known.learn(&identity, &actor, &found.items).await;
            learnt.map_err(io::Error::other)?;
            let lines: String = found.items.iter().map(|one| line(one, &known)).collect();
            let next = found.next.map(|next| (Some(next), known));
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

fn line(entry: &AuditEntry, known: &Known) -> String {
    let change = &entry.change;
    let address = entry.address.map(|address| address.to_string());
    let value = |value: &Value| {
        if value.is_null() {
            String::new()
        } else {
            value.to_string()
        }
    };
    let subject = known.subject(entry).unwrap_or_default();
    let what = format!("{} {subject}", audit_words(&change.action));
    let cells = [
        entry.at.to_rfc3339_opts(SecondsFormat::Secs, true),
        known.who(entry).to_owned(),
        what.trim_end().to_owned(),
        entry.principal.to_string(),
        address.unwrap_or_default(),
        change.action.clone(),
        change.subject.kind.clone(),
        change
            .subject
            .id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        value(&change.before),
        value(&change.after),
    ];
    csv::line(&cells)
}
