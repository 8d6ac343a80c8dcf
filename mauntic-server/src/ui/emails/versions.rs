//! What an email said before, and the way back to it.

use maud::{Markup, html};
use mauntic_core::{EmailId, PageSize, Permission};
use mauntic_messaging::{
    content::Body,
    email::{EmailVersion, PreviewRecipient, UpdateEmail},
};
use poem::{
    Request, Response, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{PLACE, Tab, find, place, top};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, button},
        show as shown,
        table::{Column, table},
    },
    failure, mail, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// How many versions a page lists.
const ROWS: usize = 50;

/// Which part of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    below: Option<i64>,
}

/// Shows all versions.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(listing): Query<Listing>,
) -> Result<Markup> {
    let saved = find(request, &visitor, id).await?;
    let here = place(saved.email.id);
    let emails = &app(request)?.emails;
    let size = PageSize::clamped(ROWS);
    let page = emails.versions(&visitor.actor, saved.email.id, listing.below, size);
    let page = page.await.map_err(failure::messaging)?;
    let rows: Vec<_> = page
        .items
        .iter()
        .map(|version| {
            let href = format!("{here}/versions/{}", version.number);
            html! { tr {
                td { a href=(href) { "Version " (version.number) } }
                td { (words::time(version.created_at)) }
                td { @if version.number == saved.current.number { (shown::badge("now", Tone::Good)) } }
            } }
        })
        .collect();
    let columns = ["Version", "Saved", ""].map(Column::plain);
    let next = page
        .next
        .map(|next| format!("{here}/versions?below={next}"));
    let content = html! {
        (top(&visitor, &saved, Tab::Versions))
        (shown::card("Versions", &html! {
            p class="soft" { "Each change of what the email says is kept. A send keeps the version that it began with." }
            (table("Versions", &columns, &rows, next.as_deref()))
        }))
    };
    Ok(shell(&visitor, saved.email.name.as_str(), PLACE, &content))
}

async fn version(
    request: &Request,
    visitor: &Visitor,
    id: Uuid,
    number: i64,
) -> Result<EmailVersion> {
    let emails = &app(request)?.emails;
    let version = emails.version(&visitor.actor, EmailId::from_uuid(id), number);
    version.await.map_err(failure::messaging)
}

/// Shows one version.
#[handler]
pub(super) async fn show(
    request: &Request,
    visitor: Visitor,
    Path((id, number)): Path<(Uuid, i64)>,
) -> Result<Markup> {
    let saved = find(request, &visitor, id).await?;
    let version = version(request, &visitor, id, number).await?;
    let here = format!("{}/versions/{number}", place(saved.email.id));
    let now = version.number == saved.current.number;
    let source = version.source.body.markup();
    let what = match &version.source.body {
        Body::Html(_) => "The HTML",
        Body::Mjml(_) => "The MJML",
        Body::Blocks(_) => "The MJML that its blocks become",
    };
    let content = html! {
        (top(&visitor, &saved, Tab::Versions))
        (shown::card(&format!("Version {number}"), &html! {
            (shown::values(&[
                ("Subject", html! { (version.source.subject) }),
                ("Saved", words::time(version.created_at)),
            ]))
            @if now {
                p { "This is what the email says now." }
            } @else if visitor.may(Permission::EmailsWrite) {
                form method="post" action=(format!("{here}/restore")) class="row" {
                    (visitor.csrf())
                    input type="hidden" name="version" value=(saved.email.version);
                    (button("Bring this version back", Weight::Primary))
                    span class="soft" { "It becomes the newest; what the email says now stays as version " (saved.current.number) "." }
                }
            }
            (mail::frame("What this version looks like", &format!("{here}/html")))
            details { summary { (what) } (shown::code(&source)) }
        }))
    };
    Ok(shell(&visitor, saved.email.name.as_str(), PLACE, &content))
}

/// The HTML of a version, for the frame.
#[handler]
pub(super) async fn html(
    request: &Request,
    visitor: Visitor,
    Path((id, number)): Path<(Uuid, i64)>,
) -> Result<Response> {
    let version = version(request, &visitor, id, number).await?;
    let emails = &app(request)?.emails;
    let sample = PreviewRecipient::Sample;
    let preview = emails.preview_source(&visitor.actor, &version.source, sample);
    let preview = preview.await.map_err(failure::messaging)?;
    mail::html_of(request, &preview.html)
}

/// Makes an earlier version the newest.
#[handler]
pub(super) async fn restore(
    request: &Request,
    posted: Posted,
    Path((id, number)): Path<(Uuid, i64)>,
) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::EmailsWrite)?;
    let version = version(request, visitor, id, number).await?;
    let id = version.email_id;
    let command = UpdateEmail {
        name: None,
        source: Some(version.source),
        expected_version: posted.fields.text("version").parse().ok(),
    };
    let restored = app(request)?.emails.update(&visitor.actor, id, command);
    restored.await.map_err(failure::messaging)?;
    Ok(redirect(&Done::Saved.at(&place(id))))
}
