//! All emails, the one made last first; and their end.

use maud::{Markup, html};
use mauntic_core::{EmailId, PageSize, Permission};
use mauntic_messaging::email::{Email, EmailCursor, EmailFilter};
use poem::{
    Request, Response, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{PLACE, find, place};
use crate::ui::{
    Done,
    component::{
        action::{Weight, button_link, confirmation},
        frame, live, show,
        table::{Column, table},
    },
    failure,
    sends::PLACE as SENDS,
    shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// How many emails a page lists.
const ROWS: usize = 25;

/// Which part of the list to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Listing {
    /// Only emails with this in their name.
    #[serde(default)]
    q: String,
    /// Begins behind this email.
    after: Option<Uuid>,
    /// What just happened.
    done: Option<Done>,
}

/// Shows them.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(listing): Query<Listing>,
) -> Result<Markup> {
    let emails = &app(request)?.emails;
    let after = listing.after.map(|id| EmailCursor::Created {
        id: EmailId::from_uuid(id),
    });
    let asked = listing.q.trim();
    let filter = EmailFilter {
        search: Some(asked.to_owned()),
        ..EmailFilter::default()
    };
    let size = PageSize::clamped(ROWS);
    let page = emails.list(&visitor.actor, &filter, after.as_ref(), size);
    let page = page.await.map_err(failure::messaging)?;
    let subjects = emails.subjects(&visitor.actor, &page.items).await;
    let subjects = subjects.map_err(failure::messaging)?;
    let row = |email: &Email| {
        html! { tr {
            td { a href=(place(email.id)) { (email.name.as_str()) } }
            td { (subjects.get(&email.id).map_or("", String::as_str)) }
            td { (words::time(email.updated_at)) }
        } }
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let make = html! {
        @if visitor.may(Permission::EmailsWrite) {
            (button_link("/app/emails/images", "Images", Weight::Plain))
            (button_link("/app/emails/new", "New email", Weight::Primary))
        }
    };
    let next = match &page.next {
        Some(EmailCursor::Created { id }) => {
            let query = serde_urlencoded::to_string([("q", asked), ("after", &id.to_string())]);
            Some(format!("{PLACE}?{}", query.unwrap_or_default()))
        }
        _ => None,
    };
    let columns = [
        Column::plain("Name"),
        Column::plain("Subject"),
        Column::plain("Changed"),
    ];
    let content = html! {
        (frame::header("Emails", &html! { (button_link(SENDS, "Sends", Weight::Plain)) (make) }))
        @if let Some(done) = listing.done { (done.toast()) }
        @if rows.is_empty() && after.is_none() && asked.is_empty() {
            (show::empty(
                "There are no emails yet",
                "Write an email once, look at it, send yourself a test, and send it to a segment.",
                &make,
            ))
        } @else {
            (live::name_filter(PLACE, "emails", asked))
            div id="emails" class="stack" {
                @if rows.is_empty() { p { "No email has this in its name. " a href=(PLACE) { "Show all" } } } @else { (table("Emails", &columns, &rows, next.as_deref())) }
            }
        }
    };
    Ok(shell(&visitor, "Emails", PLACE, &content))
}

/// Asks before an email is deleted.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    visitor.needs(Permission::EmailsWrite)?;
    let saved = find(request, &visitor, id).await?;
    let (app, email) = (app(request)?, saved.email);
    let report = app.tracking.report(&visitor.actor, email.id).await;
    let report = report.map_err(failure::messaging)?;
    let size = PageSize::clamped(ROWS);
    let sends = app.sends.list(&visitor.actor, Some(email.id), None, size);
    let sends = sends.await.map_err(failure::messaging)?;
    let mut lost = vec![format!(
        "The email {}, with all its versions (the newest is {})",
        email.name, saved.current.number
    )];
    if report.planned > 0 {
        lost.push(format!(
            "Its results: {} mails accepted, {} opened and {} clicked by people, {} unsubscribed",
            words::count(report.accepted),
            words::count(report.opened.human),
            words::count(report.clicked.human),
            words::count(report.unsubscribed.human + report.unsubscribed.machine),
        ));
    }
    let more = if sends.next.is_some() {
        "more than "
    } else {
        ""
    };
    let kept = match sends.items.len() {
        0 => "It was never sent.".to_owned(),
        1 => "Its send stays in the list of sends, without its name.".to_owned(),
        many => {
            format!("Its sends, {more}{many} of them, stay in the list of sends, without its name.")
        }
    };
    let back = place(email.id);
    let content = html! {
        (confirmation("Delete this email?", &lost, "Delete", &back, &visitor.csrf()))
        p class="soft" { (kept) " An email that is being sent cannot be deleted." }
    };
    Ok(shell(&visitor, "Delete an email", PLACE, &content))
}

/// Deletes an email.
#[handler]
pub(super) async fn delete(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = EmailId::from_uuid(id);
    let deleted = app(request)?.emails.delete(&posted.visitor.actor, id).await;
    deleted.map_err(failure::messaging)?;
    Ok(redirect(&Done::Deleted.at(PLACE)))
}
