//! Writing an email: from blocks, in MJML or in HTML, with a preview beside it.

mod draft;
mod form;

use maud::{DOCTYPE, Markup, html};
use mauntic_core::{EmailId, PageSize, Permission};
use mauntic_messaging::{
    MessagingError,
    content::blocks::BlockId,
    email::{CreateEmail, EmailName, PreviewRecipient, SavedEmail, UpdateEmail},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    blocks::{self, Picker},
    find, images, place,
};
use crate::ui::{
    Done, Said, failure, mail,
    visitor::{Posted, Visitor, app, redirect},
};
use draft::{Draft, Wrong, label, outdated, refused, told, unnamed};
use form::{Form, page};

/// How a new email is to be written.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// `code`, or blocks.
    #[serde(default)]
    kind: String,
}

/// The form for a new email.
#[handler]
pub(super) async fn new(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup> {
    visitor.needs(Permission::EmailsWrite)?;
    let draft = Draft::starter(&asked.kind);
    show_form(request, &visitor, None, &draft, None).await
}

/// The form for an email that is there.
#[handler]
pub(super) async fn edit(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(said): Query<Said>,
) -> Result<Markup> {
    visitor.needs(Permission::EmailsWrite)?;
    let saved = find(request, &visitor, id).await?;
    let draft = Draft::of(&saved);
    let email = Some(saved.email.id);
    show_form(request, &visitor, email, &draft, said.done).await
}

async fn show_form(
    request: &Request,
    visitor: &Visitor,
    email: Option<EmailId>,
    draft: &Draft,
    done: Option<Done>,
) -> Result<Markup> {
    let form = Form {
        email,
        done,
        draft,
        wrong: &Wrong::default(),
        touched: None,
        picker: None,
        unsaved: false,
    };
    page(request, visitor, &form).await
}

/// Makes an email, or does a step on the way to it.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    posted.visitor.needs(Permission::EmailsWrite)?;
    posted_form(request, &posted, None).await
}

/// Changes an email, or does a step on the way to it.
#[handler]
pub(super) async fn update(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    posted.visitor.needs(Permission::EmailsWrite)?;
    let saved = find(request, &posted.visitor, id).await?;
    posted_form(request, &posted, Some(&saved)).await
}

async fn posted_form(
    request: &Request,
    posted: &Posted,
    saved: Option<&SavedEmail>,
) -> Result<Response> {
    let visitor = &posted.visitor;
    let mut draft = Draft::read(&posted.fields)?;
    let email = saved.map(|saved| saved.email.id);
    let step = posted.fields.text("step");
    if !matches!(step, "" | "save") {
        let (touched, picker) = match step.split_once(':') {
            Some(("pick", what)) => pick(request, visitor, what).await?,
            Some(("image", what)) => choose_image(request, visitor, &mut draft, what).await?,
            _ => (draft.step(&posted.fields, step), None),
        };
        let form = Form {
            email,
            done: None,
            draft: &draft,
            wrong: &Wrong::default(),
            touched,
            picker,
            unsaved: true,
        };
        return Ok(page(request, visitor, &form).await?.into_response());
    }
    let done = if saved.is_some() {
        Done::Saved
    } else {
        Done::Created
    };
    match save(request, visitor, &mut draft, saved).await? {
        Ok(id) => Ok(redirect(&done.at(&place(id)))),
        Err(wrong) => again(request, visitor, email, &draft, &wrong).await,
    }
}

/// What a step about an image was about, and what there is to choose from.
type Picked = (Option<BlockId>, Option<Picker>);

/// The images that a block may show.
async fn pick(request: &Request, visitor: &Visitor, what: &str) -> Result<Picked> {
    let Some((block, after)) = blocks::of_image(what) else {
        return Ok((None, None));
    };
    let (images, size) = (&app(request)?.images, PageSize::clamped(images::ROWS));
    let after = Some(after).filter(|after| !after.is_empty());
    let images = images.list(&visitor.actor, after, size).await;
    let images = images.map_err(images::refused)?;
    Ok((Some(block), Some(Picker { block, images })))
}

/// Puts the image into its block; one that is gone changes nothing.
async fn choose_image(
    request: &Request,
    visitor: &Visitor,
    draft: &mut Draft,
    what: &str,
) -> Result<Picked> {
    let Some((block, name)) = blocks::of_image(what) else {
        return Ok((None, None));
    };
    let app = app(request)?;
    let found = app.images.find(&visitor.actor, name).await;
    if let Some(image) = found.map_err(images::refused)? {
        let address = format!("{}{}", app.settings.public_url(), image.path());
        blocks::show_image(&mut draft.blocks.document, block, address);
    }
    Ok((Some(block), None))
}

/// Saves a draft; the inner error is what the form can tell.
async fn save(
    request: &Request,
    visitor: &Visitor,
    draft: &mut Draft,
    saved: Option<&SavedEmail>,
) -> Result<std::result::Result<EmailId, Wrong>> {
    if !draft.blocks.problems.is_empty() {
        return Ok(Err(Wrong::blocks(&draft.blocks)));
    }
    let name: EmailName = match draft.name.parse() {
        Ok(name) => name,
        Err(error) => return Ok(Err(unnamed(error))),
    };
    let source = draft.source();
    let emails = &app(request)?.emails;
    let changed = match saved {
        None => {
            let command = CreateEmail { name, source };
            emails.create(&visitor.actor, command).await
        }
        Some(saved) => {
            let Ok(version) = draft.version.parse::<i64>() else {
                return Ok(Err(outdated(draft, saved.email.version)));
            };
            let command = UpdateEmail {
                name: Some(name),
                source: Some(source).filter(|source| *source != saved.current.source),
                expected_version: Some(version),
            };
            emails.update(&visitor.actor, saved.email.id, command).await
        }
    };
    match changed {
        Ok(saved) => Ok(Ok(saved.email.id)),
        Err(MessagingError::Outdated { current, .. }) => Ok(Err(outdated(draft, current))),
        Err(error) => refused(error).map(Err),
    }
}

/// Shows what is written now as somebody made up would see it; nothing is saved.
#[handler]
pub(super) async fn live_preview(request: &Request, posted: Posted) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::EmailsWrite)?;
    let mut source = Draft::read(&posted.fields)?.source();
    if source.subject.trim().is_empty() {
        // It can be looked at before it has one.
        "(no subject yet)".clone_into(&mut source.subject);
    }
    let emails = &app(request)?.emails;
    let preview = emails.preview_source(&visitor.actor, &source, PreviewRecipient::Sample);
    let html = match preview.await {
        Ok(preview) => preview.html,
        Err(MessagingError::Invalid { problems }) => html! {
            (DOCTYPE)
            html lang="en" { head { title { "It cannot be shown yet" } } body {
                p { "It cannot be shown yet:" }
                ul { @for problem in &problems { li { (label(&problem.field)) ", " (told(problem)) } } }
            } }
        }
        .into_string(),
        Err(error) => return Err(failure::messaging(error)),
    };
    mail::html_of(request, &html)
}

async fn again(
    request: &Request,
    visitor: &Visitor,
    email: Option<EmailId>,
    draft: &Draft,
    wrong: &Wrong,
) -> Result<Response> {
    let status = if wrong.notice.is_some() {
        StatusCode::CONFLICT
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let form = Form {
        email,
        done: None,
        draft,
        wrong,
        touched: None,
        picker: None,
        unsaved: true,
    };
    let page = page(request, visitor, &form).await?;
    Ok(failure::with_status(page, status))
}
