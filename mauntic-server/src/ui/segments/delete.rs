//! Deleting a segment, after a page that says what is lost.

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_crm::{CrmError, segment::Segment};
use poem::{Request, Response, Result, handler, http::StatusCode, web::Path};

use super::{PLACE, found, place};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, button_link, confirmation},
        frame, show,
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// Asks.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Markup> {
    if !visitor.may(Permission::SegmentsWrite) {
        return Err(failure::forbidden());
    }
    let segment = found(request, &visitor, &id).await?;
    let mut lost = vec![format!(
        "the segment “{}” and its description",
        segment.name
    )];
    if segment.rule.is_some() {
        lost.push("its rule".to_owned());
    }
    lost.push(format!(
        "that {} contacts are in it, and who was put in or taken out by hand; the contacts themselves stay",
        words::counted(segment.member_count)
    ));
    let question = format!("Delete the segment “{}”?", segment.name);
    let content = confirmation(
        &question,
        &lost,
        "Delete",
        &place(&segment),
        &visitor.csrf(),
    );
    Ok(page(&visitor, &segment, &content))
}

fn page(visitor: &Visitor, segment: &Segment, content: &Markup) -> Markup {
    let here = place(segment);
    let way = [(PLACE, "Segments"), (here.as_str(), segment.name.as_str())];
    let content = html! { (frame::breadcrumbs(&way, "Delete")) (content) };
    shell(visitor, "Delete a segment", PLACE, &content)
}

/// Deletes it, unless something needs it.
#[handler]
pub(super) async fn delete(
    request: &Request,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    let segment = found(request, visitor, &id).await?;
    let deleted = app(request)?.segments.delete(&visitor.actor, segment.id);
    match deleted.await {
        Ok(()) => Ok(redirect(&Done::Deleted.at(PLACE))),
        Err(error @ CrmError::InUse { .. }) => {
            let content = html! {
                (show::toast(&format!("Nothing was deleted: {error}. Change or delete those first."), Tone::Bad))
                p { (button_link(&place(&segment), "Back to the segment", Weight::Primary)) }
            };
            let page = page(visitor, &segment, &content);
            Ok(failure::with_status(page, StatusCode::CONFLICT))
        }
        Err(error) => Err(failure::crm(error)),
    }
}
