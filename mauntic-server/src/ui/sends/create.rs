//! From an email to a send: to whom, when, and what will happen before it does.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission, SegmentId, TimeZoneName};
use mauntic_crm::segment::{Segment, SegmentFilter};
use mauntic_messaging::{
    MessagingError,
    email::SavedEmail,
    sending::{CreateSend, LocalTime, SendTime, parse_local_time},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{EMAILS, email_place, find_email, place, preflight};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, input, select},
        frame, show as shown,
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// What was chosen so far.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    segment: String,
    /// As clocks show it, as browsers write it; empty for at once.
    #[serde(default)]
    at: String,
    /// Whose clocks: `recipient` for each recipient's own, else the organisation's.
    #[serde(default)]
    clock: String,
    /// Whether to look up the records of the sender's domain, and nothing else.
    #[serde(default)]
    records: bool,
}

impl Choice {
    /// When it goes; at once if nothing was chosen.
    fn time(&self, zone: &TimeZoneName) -> std::result::Result<Option<SendTime>, String> {
        let text = self.at.trim();
        let theirs = self.clock == RECIPIENT;
        if text.is_empty() {
            return if theirs {
                Err("choose a time: at once is the same on every clock".to_owned())
            } else {
                Ok(None)
            };
        }
        let time = parse_local_time(text).map_err(|error| format!("{text} is {error}"))?;
        Ok(Some(if theirs {
            let fallback = zone.clone();
            SendTime::Local(LocalTime { time, fallback })
        } else {
            SendTime::At(zone.instant_of(time))
        }))
    }

    fn query(&self) -> String {
        let query = [
            ("segment", &self.segment),
            ("at", &self.at),
            ("clock", &self.clock),
        ];
        serde_urlencoded::to_string(query).unwrap_or_default()
    }
}

/// The choice of each recipient's own clock.
const RECIPIENT: &str = "recipient";

/// When a send goes, in words.
fn when(time: Option<&SendTime>, zone: &TimeZoneName) -> Markup {
    match time {
        None => html! { "at once" },
        Some(SendTime::At(at)) => words::time_in(zone, *at),
        Some(SendTime::Local(local)) => words::local_time(local),
    }
}

async fn zone(request: &Request, visitor: &Visitor) -> Result<TimeZoneName> {
    let zones = &app(request)?.zones;
    let zone = zones.zone_of(visitor.actor.organization_id()).await;
    zone.map_err(failure::store)
}

async fn segments(request: &Request, visitor: &Visitor) -> Result<Vec<Segment>> {
    let app = app(request)?;
    let mut segments = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let size = PageSize::clamped(1_000);
        let any = SegmentFilter::default();
        let page = app
            .segments
            .list(&visitor.actor, &any, after.as_deref(), size);
        let page = page.await.map_err(failure::crm)?;
        segments.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(segments);
        }
    }
}

/// Asks for the segment and the time.
#[handler]
pub(super) async fn choose(
    request: &Request,
    visitor: Visitor,
    Path(email): Path<Uuid>,
    Query(choice): Query<Choice>,
) -> Result<Markup> {
    visitor.needs(Permission::EmailsSend)?;
    let saved = find_email(request, &visitor, email).await?;
    choose_page(request, &visitor, &saved, &choice, None).await
}

async fn choose_page(
    request: &Request,
    visitor: &Visitor,
    saved: &SavedEmail,
    choice: &Choice,
    problem: Option<&str>,
) -> Result<Markup> {
    let segments = segments(request, visitor).await?;
    let zone = zone(request, visitor).await?;
    let here = email_place(saved.email.id);
    let choices: Vec<_> = segments
        .iter()
        .map(|segment| {
            let text = format!(
                "{} ({})",
                segment.name,
                words::counted(segment.member_count)
            );
            (segment.id.to_string(), text)
        })
        .collect();
    let choices: Vec<_> = choices
        .iter()
        .map(|(id, text)| (id.as_str(), text.as_str()))
        .collect();
    let segment = Field {
        name: "segment",
        label: "To",
        value: &choice.segment,
        hint: Some("The members at the time when it starts, whoever they are then"),
        required: true,
        ..Field::default()
    };
    let at = Field {
        name: "at",
        label: "When",
        value: &choice.at,
        hint: Some("At once if you leave it empty"),
        error: problem,
        required: false,
    };
    let ours = format!("ours, in {}", zone.as_str());
    let clock = Field {
        name: "clock",
        label: "On whose clock",
        value: &choice.clock,
        hint: Some(
            "By their own, everybody gets it at the same hour of their day: it starts when the first clock on earth shows the time, up to 14 hours before yours. Who has no time zone gets it by yours, and whose time is over gets it at once",
        ),
        required: true,
        ..Field::default()
    };
    let clocks = [("ours", ours.as_str()), (RECIPIENT, "each recipient's own")];
    let content = html! {
        (way(saved, "Send"))
        (frame::header("Send the email", &html! {}))
        @if segments.is_empty() {
            (shown::empty(
                "There are no segments yet",
                "Emails are sent to segments. Describe one first.",
                &html! { @if visitor.may(Permission::SegmentsWrite) { (button_link("/app/segments/new", "New segment", Weight::Primary)) } },
            ))
        } @else {
            (shown::card(&saved.current.source.subject, &html! {
                form method="get" action=(format!("{here}/send/summary")) class="stack" {
                    (select(&segment, &choices))
                    (input(&at, "datetime-local"))
                    (select(&clock, &clocks))
                    div class="row" {
                        (button("Go on to the summary", Weight::Primary))
                        (button_link(&here, "Back", Weight::Plain))
                    }
                }
                p class="soft" { "Nothing is sent before you have seen a summary." }
            }))
        }
    };
    Ok(shell(visitor, "Send the email", EMAILS, &content))
}

fn way(saved: &SavedEmail, here: &str) -> Markup {
    let email = email_place(saved.email.id);
    frame::breadcrumbs(
        &[(EMAILS, "Emails"), (&email, saved.email.name.as_str())],
        here,
    )
}

/// The segment that was chosen.
async fn chosen(request: &Request, visitor: &Visitor, choice: &Choice) -> Result<Segment> {
    let id: Option<Uuid> = choice.segment.trim().parse().ok();
    let id = SegmentId::from_uuid(id.ok_or_else(|| failure::missing("segment"))?);
    let segment = app(request)?.segments.find(&visitor.actor, id).await;
    segment.map_err(failure::crm)
}

/// Says what will happen, before it does.
#[handler]
pub(super) async fn summary(
    request: &Request,
    visitor: Visitor,
    Path(email): Path<Uuid>,
    Query(choice): Query<Choice>,
) -> Result<Response> {
    visitor.needs(Permission::EmailsSend)?;
    let saved = find_email(request, &visitor, email).await?;
    if choice.records {
        return records_page(request, &visitor, &saved, &choice).await;
    }
    summary_page(request, &visitor, &saved, &choice, false).await
}

/// Where the summary of a choice stands.
fn summary_place(saved: &SavedEmail, choice: &Choice) -> String {
    let here = email_place(saved.email.id);
    format!("{here}/send/summary?{}", choice.query())
}

/// The sender alone, with the records of its domain, which the summary fetches once it is shown: servers far away are asked
/// for them, and who is in the segment was looked at already.
async fn records_page(
    request: &Request,
    visitor: &Visitor,
    saved: &SavedEmail,
    choice: &Choice,
) -> Result<Response> {
    let sender = app(request)?
        .sends
        .sender(&visitor.actor, saved.email.id)
        .await
        .map_err(failure::messaging)?;
    let back = summary_place(saved, choice);
    let sender = preflight::sender(request, visitor, saved, &sender, &back, true).await?;
    let content = html! {
        (way(saved, "Sender"))
        (frame::header("Can receivers verify it?", &html! {}))
        (sender)
        div class="row" { (button_link(&back, "Back to the summary", Weight::Plain)) }
    };
    Ok(shell(visitor, "Sender", EMAILS, &content).into_response())
}

/// The summary; `changed` if the email was changed after it was looked at.
async fn summary_page(
    request: &Request,
    visitor: &Visitor,
    saved: &SavedEmail,
    choice: &Choice,
    changed: bool,
) -> Result<Response> {
    let segment = chosen(request, visitor, choice).await?;
    let zone = zone(request, visitor).await?;
    let at = match choice.time(&zone) {
        Ok(at) => at,
        Err(problem) => return choose_again(request, visitor, saved, choice, &problem).await,
    };
    let app = app(request)?;
    let email = saved.email.id;
    let flight = app.sends.preflight(&visitor.actor, email, segment.id).await;
    let flight = flight.map_err(failure::messaging)?;
    let here = email_place(email);
    let address = summary_place(saved, choice);
    let sender = preflight::sender(request, visitor, saved, &flight.sender, &address, false);
    let sender = sender.await?;
    let now = app.clock.now();
    let content = html! {
        (way(saved, "Summary"))
        (frame::header("Is this right?", &html! {}))
        @if changed { (shown::toast("Nothing was sent: the email was changed after you looked at it. This is how it is now.", Tone::Warn)) }
        @if flight.size == 0 { (shown::toast("Nobody is in this segment now.", Tone::Warn)) }
        @if matches!(at, Some(SendTime::At(at)) if at < now) { (shown::toast("That time has passed: it starts at once.", Tone::Warn)) }
        (shown::card("The send", &html! {
            (shown::values(&[
                ("Email", html! { (saved.email.name.as_str()) }),
                ("Subject", html! { (saved.current.source.subject) }),
                ("To", html! { (segment.name.as_str()) }),
                ("When", when(at.as_ref(), &zone)),
            ]))
            @if let Some(SendTime::Local(local)) = &at { (preflight::clocks(&flight, local, &zone, now)) }
            @if let Some(problem) = flight.sender.refusal() {
                (shown::toast(&format!("It cannot be sent: {problem}."), Tone::Bad))
                (button_link(&format!("{here}/send?{}", choice.query()), "Back", Weight::Plain))
            } @else {
                (confirm(visitor, saved, choice, at.is_some()))
            }
        }))
        (preflight::audience(&flight))
        (preflight::content(saved, &flight))
        (sender)
    };
    let page = shell(visitor, "Is this right?", EMAILS, &content);
    if changed {
        return Ok(failure::with_status(page, StatusCode::CONFLICT));
    }
    Ok(page.into_response())
}

/// Sends it, or goes back.
fn confirm(visitor: &Visitor, saved: &SavedEmail, choice: &Choice, later: bool) -> Markup {
    let here = email_place(saved.email.id);
    let back = format!("{here}/send?{}", choice.query());
    html! {
        form method="post" action=(format!("{here}/send")) class="row" {
            (visitor.csrf())
            input type="hidden" name="segment" value=(choice.segment);
            input type="hidden" name="at" value=(choice.at);
            input type="hidden" name="version" value=(saved.email.version);
            input type="hidden" name="clock" value=(choice.clock);
            (button(if later { "Schedule it" } else { "Send it now" }, Weight::Primary))
            (button_link(&back, "Back", Weight::Plain))
        }
    }
}

async fn choose_again(
    request: &Request,
    visitor: &Visitor,
    saved: &SavedEmail,
    choice: &Choice,
    problem: &str,
) -> Result<Response> {
    let page = choose_page(request, visitor, saved, choice, Some(problem)).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Makes the send.
#[handler]
pub(super) async fn create(
    request: &Request,
    Path(email): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::EmailsSend)?;
    let saved = find_email(request, visitor, email).await?;
    let choice = Choice {
        segment: posted.fields.text("segment").to_owned(),
        at: posted.fields.text("at").to_owned(),
        clock: posted.fields.text("clock").to_owned(),
        records: false,
    };
    let segment = chosen(request, visitor, &choice).await?;
    let at = match choice.time(&zone(request, visitor).await?) {
        Ok(at) => at,
        Err(problem) => return choose_again(request, visitor, &saved, &choice, &problem).await,
    };
    let command = CreateSend {
        email: saved.email.id,
        // Without one, nothing was looked at.
        version: Some(
            posted
                .fields
                .text("version")
                .trim()
                .parse()
                .unwrap_or_default(),
        ),
        segment: segment.id,
        at,
    };
    let made = app(request)?.sends.create(&visitor.actor, command).await;
    if let Err(MessagingError::Outdated { .. }) = made {
        return summary_page(request, visitor, &saved, &choice, true).await;
    }
    let made = made.map_err(failure::messaging)?;
    Ok(redirect(&Done::Started.at(&place(made.id))))
}
