//! Images for emails: uploading them, and their addresses.

use maud::{Markup, html};
use mauntic_core::Permission;
use poem::{Request, Response, Result, handler, http::StatusCode, web::Query};
use tokio::io::AsyncReadExt as _;

use super::PLACE;
use crate::{
    Images,
    images::ImageError,
    ui::{
        Done, Said,
        component::{
            Tone,
            action::{Weight, button},
            frame, show as shown,
        },
        failure, shell,
        visitor::{PostedFile, Visitor, app, redirect},
    },
};

/// Where they are.
const IMAGES: &str = "/app/emails/images";

/// Shows them.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Markup> {
    page(request, &visitor, said.done, None).await
}

fn refused(error: ImageError) -> poem::Error {
    match error {
        ImageError::Forbidden(reason) => failure::refused(reason),
        other => failure::internal(&other),
    }
}

async fn page(
    request: &Request,
    visitor: &Visitor,
    done: Option<Done>,
    problem: Option<&str>,
) -> Result<Markup> {
    let app = app(request)?;
    let images = app.images.list(&visitor.actor).await.map_err(refused)?;
    let base = app.settings.public_url();
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Emails")], "Images"))
        (frame::header("Images", &html! {}))
        @if let Some(done) = done { (done.toast()) }
        @if visitor.may(Permission::EmailsWrite) { (upload(visitor, problem)) }
        @if images.is_empty() {
            (shown::empty("There are no images yet", "Upload one, and put its address into an image block.", &html! {}))
        } @else {
            ul class="grid images" {
                @for image in &images {
                    li class="card" {
                        img src=(image.path()) alt="" loading="lazy";
                        label class="hidden" for=(image.name) { "Its address" }
                        input id=(image.name) type="text" readonly value=(format!("{base}{}", image.path()));
                    }
                }
            }
        }
    };
    Ok(shell(visitor, "Images", PLACE, &content))
}

fn upload(visitor: &Visitor, problem: Option<&str>) -> Markup {
    shown::card(
        "Upload an image",
        &html! {
            @if let Some(problem) = problem { (shown::toast(problem, Tone::Bad)) }
            form method="post" enctype="multipart/form-data" class="stack" {
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
    let PostedFile { visitor, file, .. } = posted;
    visitor.needs(Permission::EmailsWrite)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(Images::MAX_BYTES).unwrap_or(u64::MAX) + 1;
    let mut reader = Box::pin(file.into_async_read().take(most));
    let read = reader.read_to_end(&mut bytes).await;
    read.map_err(|_| failure::unreadable())?;
    match app(request)?.images.add(&visitor.actor, &bytes).await {
        Ok(_) => Ok(redirect(&Done::Saved.at(IMAGES))),
        Err(error @ (ImageError::NoImage | ImageError::TooLarge)) => {
            let page = page(request, &visitor, None, Some(&error.to_string())).await?;
            Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => Err(refused(error)),
    }
}
