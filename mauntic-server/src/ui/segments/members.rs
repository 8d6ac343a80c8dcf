//! Putting contacts in and taking them out by hand, and applying the rule anew.

use mauntic_core::{ContactId, Permission};
use poem::{Request, Response, Result, handler, http::StatusCode, web::Path};

use super::{
    found,
    page::{Told, View, content},
};
use crate::ui::{
    contacts::lookup,
    failure,
    visitor::{Posted, app, redirect},
};

/// Puts a contact in.
#[handler]
pub(super) async fn add(
    request: &Request,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response> {
    let (app, visitor) = (app(request)?, &posted.visitor);
    visitor.needs(Permission::SegmentsWrite)?;
    let segment = found(request, visitor, &id).await?;
    let typed = posted.fields.text("email");
    let contact = match lookup::find_named(request, visitor, typed).await? {
        Ok(contact) => contact.id(),
        Err(problem) => {
            let view = View::default();
            let page = content(request, visitor, &segment, &view, Some((typed, &problem)));
            return Ok(failure::with_status(
                page.await?,
                StatusCode::UNPROCESSABLE_ENTITY,
            ));
        }
    };
    let chosen = [contact];
    let added = app.segments.add(&visitor.actor, segment.id, &chosen);
    let told = if added.await.map_err(failure::crm)?.is_empty() {
        Told::Kept
    } else {
        Told::PutIn
    };
    Ok(redirect(&told.at(&segment)))
}

/// Takes a contact out.
#[handler]
pub(super) async fn remove(
    request: &Request,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::SegmentsWrite)?;
    let segment = found(request, visitor, &id).await?;
    let contact: ContactId = posted
        .fields
        .text("contact")
        .parse()
        .map_err(|_| failure::missing("contact"))?;
    let chosen = [contact];
    let removed = app(request)?
        .segments
        .remove(&visitor.actor, segment.id, &chosen);
    removed.await.map_err(failure::crm)?;
    Ok(redirect(&Told::TakenOut.at(&segment)))
}

/// Makes a rebuild due.
#[handler]
pub(super) async fn rebuild(
    request: &Request,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    let segment = found(request, visitor, &id).await?;
    let queued = app(request)?
        .segments
        .queue_rebuild(&visitor.actor, segment.id);
    let segment = queued.await.map_err(failure::crm)?;
    Ok(redirect(&Told::Queued.at(&segment)))
}
