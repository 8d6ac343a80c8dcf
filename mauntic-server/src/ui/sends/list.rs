//! All sends, the one made last first, or those of one email.

use std::collections::HashMap;

use maud::{Markup, html};
use mauntic_core::{EmailId, PageSize, Permission, SendJobId};
use mauntic_messaging::{MessagingError, sending::SendStatus};
use poem::{Request, Result, handler, web::Query};
use serde::Deserialize;
use uuid::Uuid;

use super::{EMAILS, email_place, place};
use crate::ui::{
    component::{
        action::{Weight, button_link},
        frame, show as shown,
        table::{Column, table},
    },
    failure, send_state, shell,
    visitor::{Visitor, app},
    words,
};

/// Where they are.
pub(crate) const PLACE: &str = "/app/sends";
/// How many sends a page lists.
const ROWS: usize = 50;

/// Which part of the list to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Listing {
    /// Only those of this email.
    email: Option<Uuid>,
    /// Begins behind this send.
    after: Option<Uuid>,
}

/// Shows them.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(listing): Query<Listing>,
) -> Result<Markup> {
    let email = listing.email.map(EmailId::from_uuid);
    let after = listing.after.map(SendJobId::from_uuid);
    let sends = &app(request)?.sends;
    let size = PageSize::clamped(ROWS);
    let page = sends.list(&visitor.actor, email, after, size).await;
    let page = page.map_err(failure::messaging)?;
    let mut names = Names::default();
    let of = match email {
        Some(email) => Some((email, names.of(request, &visitor, email).await?)),
        None => None,
    };
    let mut rows = Vec::with_capacity(page.items.len());
    for status in &page.items {
        let name = names.of(request, &visitor, status.job.email_id).await?;
        rows.push(row(status, name.as_deref()));
    }
    let next = page.next.map(|next| match email {
        Some(email) => format!("{PLACE}?email={email}&after={next}"),
        None => format!("{PLACE}?after={next}"),
    });
    let columns = [
        Column::plain("Email"),
        Column::plain("State"),
        Column::plain("Goes"),
        Column::number("Planned"),
        Column::number("Accepted"),
        Column::number("Left out"),
        Column::plain("Made"),
    ];
    let content = html! {
        (frame::breadcrumbs(&[(EMAILS, "Emails")], "Sends"))
        (frame::header("Sends", &html! {}))
        @if let Some((email, name)) = &of {
            p {
                "Only those of "
                @if let Some(name) = name { a href=(email_place(*email)) { (name) } } @else { "an email that is gone" }
                ". " a href=(PLACE) { "Show all" }
            }
        }
        @if rows.is_empty() && after.is_none() {
            (shown::empty(
                "Nothing was sent yet",
                "Open an email and send it to a segment. You see a summary before anything leaves.",
                &html! { @if visitor.may(Permission::EmailsSend) { (button_link(EMAILS, "Go to the emails", Weight::Primary)) } },
            ))
        } @else {
            (table("Sends", &columns, &rows, next.as_deref()))
        }
    };
    Ok(shell(&visitor, "Sends", EMAILS, &content))
}

fn row(status: &SendStatus, name: Option<&str>) -> Markup {
    let (job, tally) = (&status.job, &status.tally);
    html! { tr {
        td { a href=(place(job.id)) { (name.unwrap_or("(deleted)")) } }
        td { (send_state(job)) }
        td { @if let Some(local) = &job.local_time { (local.time.format("%-d %b %Y, %H:%M").to_string()) " on their clocks" } @else { (words::time(job.scheduled_at)) } }
        td class="number" { (words::counted(tally.planned)) }
        td class="number" { (words::counted(tally.accepted)) }
        td class="number" { (words::counted(tally.skipped_total())) }
        td { (words::time(job.created_at)) }
    } }
}

/// The names of emails, each asked for once.
#[derive(Default)]
struct Names(HashMap<EmailId, Option<String>>);

impl Names {
    /// The name; none if the email is gone. What was sent of it stays.
    async fn of(
        &mut self,
        request: &Request,
        visitor: &Visitor,
        email: EmailId,
    ) -> Result<Option<String>> {
        if let Some(known) = self.0.get(&email) {
            return Ok(known.clone());
        }
        let name = match app(request)?.emails.get(&visitor.actor, email).await {
            Ok(saved) => Some(saved.email.name.to_string()),
            Err(MessagingError::NotFound { .. }) => None,
            Err(error) => return Err(failure::messaging(error)),
        };
        self.0.insert(email, name.clone());
        Ok(name)
    }
}
