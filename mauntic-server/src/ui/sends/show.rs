//! One send: how far it is, and what became of each mail.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use mauntic_core::{DeliveryId, PageSize, Permission, TimeZoneName};
use mauntic_messaging::{
    MessagingError,
    sending::{DeliveryState, JobState, SendJob, SendStatus, SkipReason},
};
use poem::{
    Request, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{EMAILS, email_place, find, place};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, act, ask_first, button_link},
        frame, live, show as shown,
        table::{Column, table},
    },
    failure, send_state, shell,
    visitor::{Visitor, app},
    words,
};

/// How many deliveries a page lists.
const ROWS: usize = 50;

/// Which deliveries to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Listing {
    state: Option<String>,
    after: Option<Uuid>,
    done: Option<Done>,
}

/// Shows how far a send is. Where there is scripting, the figures are looked at again by themselves while something moves.
#[handler]
pub(super) async fn show(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(listing): Query<Listing>,
) -> Result<Markup> {
    let app = app(request)?;
    let status = find(request, &visitor, id).await?;
    let job = &status.job;
    let email = match app.emails.get(&visitor.actor, job.email_id).await {
        Ok(saved) => Some(saved.email.name.to_string()),
        Err(MessagingError::NotFound { .. }) => None,
        Err(error) => return Err(failure::messaging(error)),
    };
    let here = place(job.id);
    let deliveries = deliveries(request, &visitor, &status, &listing).await?;
    let name = email.as_deref().unwrap_or("(deleted)");
    let title = format!("Send of {name}");
    let email_at = email_place(job.email_id);
    let now = app.clock.now();
    let zone = app.zones.zone_of(visitor.actor.organization_id()).await;
    let zone = zone.map_err(failure::store)?;
    let due = job.state == JobState::Scheduled && job.scheduled_at <= now;
    let moving = job.state.is_running() || due;
    let results = html! {
        @if email.is_some() { (button_link(&format!("{email_at}/results"), "Results of the email", Weight::Plain)) }
    };
    let content = html! {
        @if email.is_some() {
            (frame::breadcrumbs(&[(EMAILS, "Emails"), (&email_at, name)], "Send"))
        } @else {
            (frame::breadcrumbs(&[(EMAILS, "Emails")], "Send"))
        }
        (frame::header(&title, &results))
        @match listing.done {
            Some(Done::Started) if job.state == JobState::Scheduled && job.scheduled_at > now => (scheduled(job, &zone)),
            Some(done) => (done.toast()),
            None => {}
        }
        (live::followed("progress", &here, moving, &progress(&visitor, &status, now)))
        (deliveries)
    };
    Ok(shell(&visitor, &title, EMAILS, &content))
}

/// Says of a send that waits for its time when that is.
fn scheduled(job: &SendJob, zone: &TimeZoneName) -> Markup {
    let when = match &job.local_time {
        Some(local) => words::local_time(local),
        None => words::time_in(zone, job.scheduled_at),
    };
    shown::told(
        &html! { "The send is scheduled: it goes on " (when) "." },
        Tone::Good,
    )
}

/// How far it is, and what can be done about it.
fn progress(visitor: &Visitor, status: &SendStatus, now: DateTime<Utc>) -> Markup {
    let job = &status.job;
    html! {
        @if let Some(note) = &job.note {
            (shown::toast(note, if job.state == JobState::Failed { Tone::Bad } else { Tone::Warn }))
        }
        (figures(visitor, status, now))
    }
}

fn actions(visitor: &Visitor, status: &SendStatus) -> Markup {
    let here = place(status.job.id);
    let state = status.job.state;
    let going = state.is_running() || state == JobState::Scheduled;
    let stopped = matches!(state, JobState::Paused | JobState::Failed);
    let post = |verb: &str, text| act(&format!("{here}/{verb}"), text, &visitor.csrf());
    html! {
        @if visitor.may(Permission::EmailsSend) {
            div class="row" {
                @if going { (post("pause", "Pause")) }
                @if stopped { (post("resume", "Resume")) }
                @if going || stopped { (ask_first(&format!("{here}/cancel"), "Stop for good")) }
                @if status.tally.unknown > 0 { a class="button" id="retry" href=(format!("{here}/retry")) { "Retry unknown" } }
            }
        }
    }
}

fn figures(visitor: &Visitor, status: &SendStatus, now: DateTime<Utc>) -> Markup {
    let later = status.waiting.filter(|waiting| waiting.next > now);
    let (job, tally) = (&status.job, &status.tally);
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let done = number(tally.accepted + tally.refused + tally.unknown);
    html! {
        (shown::card("Progress", &html! {
            div class="row" { (send_state(job)) }
            (shown::progress("Sent", done, number(tally.planned)))
            (actions(visitor, status))
            @if let Some(waiting) = later { p { "Those who wait get it when their clocks show the time: the next at " (words::time(waiting.next)) ", the last at " (words::time(waiting.last)) "." } }
            (shown::values(&[
                ("Scheduled for", html! { @if let Some(local) = &job.local_time { (words::local_time(local)) } @else { (words::time(job.scheduled_at)) } }),
                ("Begun", html! { @if let Some(at) = job.started_at { (words::time(at)) } @else { "not yet" } }),
                ("Over", html! { @if let Some(at) = job.finished_at { (words::time(at)) } @else { "not yet" } }),
                ("Each second", html! { (words::counted(status.rate_millis / 1_000)) }),
                ("Done by", html! { @if let Some(at) = status.eta { (words::time(at)) } @else { "–" } }),
            ]))
        }))
        div class="grid" {
            (shown::stat("Planned", &words::counted(tally.planned), &format!("{} wait", words::counted(tally.waiting()))))
            (shown::stat("Accepted", &words::counted(tally.accepted), "by the mail server"))
            (shown::stat("Refused", &words::counted(tally.refused), "for good"))
            (shown::stat("Deferred", &words::counted(tally.deferred), "tried again by itself"))
            (shown::stat("Unknown", &words::counted(tally.unknown), "perhaps taken, perhaps not"))
            (shown::stat("Left out", &words::counted(tally.skipped_total()), "for the reasons below"))
        }
        @if !tally.skipped.is_empty() {
            (shown::card("Left out", &html! {
                dl class="values" { @for (reason, count) in &tally.skipped { dt { (words::spaced(reason.as_str())) } dd { (words::counted(*count)) } } }
            }))
        }
    }
}

async fn deliveries(
    request: &Request,
    visitor: &Visitor,
    status: &SendStatus,
    listing: &Listing,
) -> Result<Markup> {
    let id = status.job.id;
    let here = place(id);
    let state: Option<DeliveryState> = listing.state.as_deref().and_then(|text| text.parse().ok());
    let after = listing.after.map(DeliveryId::from_uuid);
    let size = PageSize::clamped(ROWS);
    let sends = &app(request)?.sends;
    let page = sends.deliveries(&visitor.actor, id, state, after, size);
    let page = page.await.map_err(failure::messaging)?;
    let of = |state: DeliveryState| format!("{here}?state={state}");
    let tabs: Vec<_> = DeliveryState::ALL
        .iter()
        .map(|state| (of(*state), words::spaced(state.as_str())))
        .collect();
    let mut items = vec![(here.as_str(), "all")];
    items.extend(
        tabs.iter()
            .map(|(href, text)| (href.as_str(), text.as_str())),
    );
    let current = state.map_or_else(|| here.clone(), of);
    let next = page.next.map(|next| {
        let sign = if state.is_some() { '&' } else { '?' };
        format!("{current}{sign}after={next}")
    });
    let rows: Vec<_> = page
        .items
        .iter()
        .map(|delivery| {
            let address = delivery.address.as_ref().map(ToString::to_string);
            let why = delivery
                .skip_reason
                .map(|reason| words::spaced(reason.as_str()));
            let why = match (why, delivery.reply.clone()) {
                (Some(why), Some(detail))
                    if delivery.skip_reason == Some(SkipReason::NotRenderable) =>
                {
                    Some(format!("{why}: {detail}"))
                }
                (why, reply) => why.or(reply),
            };
            html! { tr {
                td { (address.as_deref().unwrap_or("(no address)")) }
                td { (words::spaced(delivery.state.as_str())) }
                td { (why.unwrap_or_default()) }
                td { (words::time(delivery.updated_at)) }
            } }
        })
        .collect();
    let columns = ["Address", "State", "Why", "Changed"].map(Column::plain);
    Ok(shown::card(
        "Deliveries",
        &html! {
            (shown::tabs("States of deliveries", &items, &current))
            @if rows.is_empty() { p { "There are none." } } @else { (table("Deliveries", &columns, &rows, next.as_deref())) }
        },
    ))
}
