//! From an email to a send: to whom, when, and what will happen before it does.

use chrono::{DateTime, NaiveDateTime, Utc};
use maud::{Markup, html};
use mauntic_core::{PageSize, Permission, SegmentId};
use mauntic_crm::segment::Segment;
use mauntic_messaging::{email::SavedEmail, sending::CreateSend};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{EMAILS, email_place, find_email, place};
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
    /// In UTC, as browsers write it; empty for at once.
    #[serde(default)]
    at: String,
}

impl Choice {
    /// When it starts; at once if nothing was chosen.
    fn time(&self) -> std::result::Result<Option<DateTime<Utc>>, String> {
        let text = self.at.trim();
        if text.is_empty() {
            return Ok(None);
        }
        ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .map(|time| Some(time.and_utc()))
            .ok_or_else(|| format!("{text} is not a time: write it like 2027-01-31T09:00"))
    }
}

fn may_send(visitor: &Visitor) -> Result<()> {
    if visitor.may(Permission::EmailsSend) {
        Ok(())
    } else {
        Err(failure::forbidden())
    }
}

async fn segments(request: &Request, visitor: &Visitor) -> Result<Vec<Segment>> {
    let app = app(request)?;
    let mut segments = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let size = PageSize::clamped(1_000);
        let page = app.segments.list(&visitor.actor, after.as_deref(), size);
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
    may_send(&visitor)?;
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
        label: "When, in UTC",
        value: &choice.at,
        hint: Some("At once if you leave it empty"),
        error: problem,
        required: false,
    };
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

/// The segment that was chosen, and the time.
async fn read(
    request: &Request,
    visitor: &Visitor,
    choice: &Choice,
) -> Result<(Segment, std::result::Result<Option<DateTime<Utc>>, String>)> {
    let id: Option<Uuid> = choice.segment.trim().parse().ok();
    let id = SegmentId::from_uuid(id.ok_or_else(|| failure::missing("segment"))?);
    let segment = app(request)?.segments.find(&visitor.actor, id).await;
    Ok((segment.map_err(failure::crm)?, choice.time()))
}

/// Says what will happen, before it does.
#[handler]
pub(super) async fn summary(
    request: &Request,
    visitor: Visitor,
    Path(email): Path<Uuid>,
    Query(choice): Query<Choice>,
) -> Result<Response> {
    may_send(&visitor)?;
    let saved = find_email(request, &visitor, email).await?;
    let (segment, at) = read(request, &visitor, &choice).await?;
    let at = match at {
        Ok(at) => at,
        Err(problem) => return choose_again(request, &visitor, &saved, &choice, &problem).await,
    };
    let here = email_place(saved.email.id);
    let back = serde_urlencoded::to_string([("segment", &choice.segment), ("at", &choice.at)]);
    let back = format!("{here}/send?{}", back.unwrap_or_default());
    let warnings = saved.current.compiled.warnings();
    let now = app(request)?.clock.now();
    let content = html! {
        (way(&saved, "Summary"))
        (frame::header("Is this right?", &html! {}))
        @if segment.member_count == 0 { (shown::toast("Nobody is in this segment now.", Tone::Warn)) }
        @if segment.build.is_some() || (segment.rule.is_some() && segment.built_at.is_none()) {
            (shown::toast("The segment is being built; its size will change.", Tone::Warn))
        }
        @if at.is_some_and(|at| at < now) { (shown::toast("That time has passed: it starts at once.", Tone::Warn)) }
        (shown::card("The send", &html! {
            (shown::values(&[
                ("Email", html! { (saved.email.name.as_str()) }),
                ("Subject", html! { (saved.current.source.subject) }),
                ("To", html! { (segment.name.as_str()) }),
                ("Size", html! { (words::counted(segment.member_count)) " now" }),
                ("When", html! { @if let Some(at) = at { (words::time(at)) } @else { "at once" } }),
            ]))
            p class="soft" { "Left out are those who do not want mail, whose address is suppressed or missing, and who got this email before." }
            @if !warnings.is_empty() {
                h3 { "Look at this first" }
                ul { @for warning in warnings { li { (warning.to_string()) } } }
            }
            form method="post" action=(format!("{here}/send")) class="row" {
                (visitor.csrf())
                input type="hidden" name="segment" value=(choice.segment);
                input type="hidden" name="at" value=(choice.at);
                (button(if at.is_some() { "Schedule it" } else { "Send it now" }, Weight::Primary))
                (button_link(&back, "Back", Weight::Plain))
            }
        }))
    };
    Ok(shell(&visitor, "Is this right?", EMAILS, &content).into_response())
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
    may_send(visitor)?;
    let saved = find_email(request, visitor, email).await?;
    let choice = Choice {
        segment: posted.fields.text("segment").to_owned(),
        at: posted.fields.text("at").to_owned(),
    };
    let (segment, at) = read(request, visitor, &choice).await?;
    let at = match at {
        Ok(at) => at,
        Err(problem) => return choose_again(request, visitor, &saved, &choice, &problem).await,
    };
    let command = CreateSend {
        email: saved.email.id,
        segment: segment.id,
        at,
    };
    let made = app(request)?.sends.create(&visitor.actor, command).await;
    let made = made.map_err(failure::messaging)?;
    Ok(redirect(&Done::Started.at(&place(made.id))))
}
