//! Images for emails: uploading them, their addresses, and their end.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use poem::{
    Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::{PLACE, place};
use crate::{
    Image, Images,
    images::ImageError,
    ui::{
        Done,
        component::{
            Tone,
            action::{Weight, ask_first, button, button_link, confirmation},
            frame, show as shown,
        },
        failure, shell,
        visitor::{Posted, PostedFile, Visitor, app, redirect},
    },
};

/// Where they are.
pub(super) const IMAGES: &str = "/app/emails/images";
/// How many a page shows.
pub(super) const ROWS: usize = 24;
/// How many emails are named that show an image.
const NAMED: u16 = 20;

/// Which part of the list to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Listing {
    /// Begins behind this image.
    after: Option<String>,
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
    page(request, &visitor, &listing, None).await
}

pub(super) fn refused(error: ImageError) -> poem::Error {
    match error {
        ImageError::Forbidden(reason) => failure::refused(reason),
        other => failure::internal(&other),
    }
}

/// What an image is called, for people.
pub(super) fn called(image: &Image) -> &str {
    if image.called.is_empty() {
        &image.name
    } else {
        &image.called
    }
}

async fn page(
    request: &Request,
    visitor: &Visitor,
    listing: &Listing,
    problem: Option<&str>,
) -> Result<Markup> {
    let app = app(request)?;
    let (after, size) = (listing.after.as_deref(), PageSize::clamped(ROWS));
    let images = app.images.list(&visitor.actor, after, size).await;
    let images = images.map_err(refused)?;
    let base = app.settings.public_url();
    let writes = visitor.may(Permission::EmailsWrite);
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Emails")], "Images"))
        (frame::header("Images", &html! {}))
        @if let Some(done) = listing.done { (done.toast()) }
        @if writes { (upload(visitor, problem)) }
        @if images.items.is_empty() {
            (shown::empty("There are no images yet", "Upload one, and choose it in an image block of an email.", &html! {}))
        } @else {
            ul class="grid images" {
                @for image in &images.items {
                    li class="card" {
                        img src=(image.path()) alt="" loading="lazy";
                        p { (called(image)) }
                        label class="hidden" for=(image.name) { "Address of " (called(image)) }
                        input id=(image.name) type="text" readonly value=(format!("{base}{}", image.path()));
                        @if writes { div class="row" { (ask_first(&format!("{IMAGES}/{}/delete", image.name), "Delete")) } }
                    }
                }
            }
            @if let Some(next) = &images.next { nav class="row" aria-label="Pages" { a href=(format!("{IMAGES}?after={next}")) rel="next" class="button" { "Next page" } } }
        }
        @if listing.after.is_some() { p { a href=(IMAGES) { "Back to the first page" } } }
    };
    Ok(shell(visitor, "Images", PLACE, &content))
}

fn upload(visitor: &Visitor, problem: Option<&str>) -> Markup {
    shown::card(
        "Upload an image",
        &html! {
            @if let Some(problem) = problem { (shown::toast(problem, Tone::Bad)) }
            form method="post" action=(IMAGES) enctype="multipart/form-data" class="stack" {
                (visitor.csrf())
                div class="field" {
                    label for="file" { "File" }
                    input id="file" name="file" type="file" required accept="image/png,image/jpeg,image/gif,image/webp" aria-describedby="file-hint";
                    p class="hint" id="file-hint" { "PNG, JPEG, GIF or WebP, up to " (Images::MAX_BYTES >> 20) " MiB. Everybody who knows its address can see it." }
                }
                div class="row" { (button("Upload", Weight::Primary)) }
            }
        },
    )
}

/// Takes one.
#[handler]
pub(super) async fn take(request: &Request, posted: PostedFile) -> Result<Response> {
    let PostedFile {
        visitor,
        file,
        name,
        ..
    } = posted;
    visitor.needs(Permission::EmailsWrite)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(Images::MAX_BYTES).unwrap_or(u64::MAX) + 1;
    let mut reader = Box::pin(file.into_async_read().take(most));
    let read = reader.read_to_end(&mut bytes).await;
    read.map_err(|_| failure::unreadable())?;
    let images = &app(request)?.images;
    match images.add(&visitor.actor, &name, &bytes).await {
        Ok(_) => Ok(redirect(&Done::Saved.at(IMAGES))),
        Err(error @ (ImageError::NoImage | ImageError::TooLarge)) => {
            let listing = Listing::default();
            let page = page(request, &visitor, &listing, Some(&error.to_string())).await?;
            Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => Err(refused(error)),
    }
}

/// An image with the page that says which emails show it, if any do: then it stays.
async fn shown_by(
    request: &Request,
    visitor: &Visitor,
    name: &str,
) -> Result<(Image, Option<Markup>)> {
    visitor.needs(Permission::EmailsWrite)?;
    let app = app(request)?;
    let found = app.images.find(&visitor.actor, name).await;
    let found = found.map_err(refused)?;
    let image = found.ok_or_else(|| failure::missing("image"))?;
    let emails = &app.emails;
    let emails = emails
        .mentioning(&visitor.actor, &image.path(), NAMED)
        .await;
    let emails = emails.map_err(failure::messaging)?;
    if emails.is_empty() {
        return Ok((image, None));
    }
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Emails"), (IMAGES, "Images")], called(&image)))
        (frame::header("The image is in use", &html! {}))
        section class="card" {
            p { "These emails show " strong { (called(&image)) } ", in what they say now or in an earlier version. Mails that were sent would lose it too, so it stays." }
            ul { @for (id, email) in &emails {
                li { @if let Some(email) = email { a href=(place(*id)) { (email.as_str()) } } @else { "an email that was deleted" } }
            } }
            div class="row" { (button_link(IMAGES, "Back to the images", Weight::Primary)) }
        }
    };
    let page = shell(visitor, "The image is in use", PLACE, &content);
    Ok((image, Some(page)))
}

/// Asks before an image is deleted.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Markup> {
    let (image, in_use) = shown_by(request, &visitor, &name).await?;
    if let Some(page) = in_use {
        return Ok(page);
    }
    let lost = [format!(
        "The image {}; no email shows it, but another page may",
        called(&image)
    )];
    let question = "Delete this image?";
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Emails"), (IMAGES, "Images")], called(&image)))
        img class="thumb" src=(image.path()) alt="";
        (confirmation(question, &lost, "Delete", IMAGES, &visitor.csrf()))
    };
    Ok(shell(&visitor, question, PLACE, &content))
}

/// Deletes an image that no email shows.
#[handler]
pub(super) async fn delete(
    request: &Request,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    let (_, in_use) = shown_by(request, visitor, &name).await?;
    if let Some(page) = in_use {
        return Ok(failure::with_status(page, StatusCode::CONFLICT));
    }
    let deleted = app(request)?.images.delete(&visitor.actor, &name).await;
    deleted.map_err(refused)?;
    Ok(redirect(&Done::Deleted.at(IMAGES)))
}
