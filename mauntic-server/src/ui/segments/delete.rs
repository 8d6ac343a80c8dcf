//! Deleting a segment, after a page that says what is lost.

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_crm::{CrmError, segment::Segment};
use poem::{Request, Response, Result, handler, http::StatusCode, web::Path};

use super::{PLACE, found, place, uses::Uses};
use crate::ui::{
    Done,
    component::{
        action::{Weight, button_link, confirmation},
        frame, show,
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// Asks; or, if a rule needs the segment, says which.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Markup> {
    visitor.needs(Permission::SegmentsWrite)?;
    let segment = found(request, &visitor, &id).await?;
    let uses = Uses::of(app(request)?, &visitor, segment.id).await?;
    if !uses.segments.is_empty() {
        let content = needed(&segment, &uses.shown());
        return Ok(page(&visitor, &segment, &content));
    }
    let question = format!("Delete the segment “{}”?", segment.name);
    let content = confirmation(
        &question,
        &lost(&segment, &uses),
        "Delete",
        &place(&segment),
        &visitor.csrf(),
    );
    Ok(page(&visitor, &segment, &content))
}

/// What goes with it.
fn lost(segment: &Segment, uses: &Uses) -> Vec<String> {
    let mut lost = vec!["its name and description".to_owned()];
    if segment.rule.is_some() {
        lost.push("its rule".to_owned());
    }
    lost.push(format!(
        "its list of members ({} now), and who was put in or taken out by hand; the contacts themselves stay",
        words::counted(segment.member_count)
    ));
    for send in &uses.sends {
        lost.push(format!(
            "the recipients of the send of {} UTC, which is {}: nobody more is added to it",
            send.scheduled_at.format("%-d %b %Y, %H:%M"),
            send.state
        ));
    }
    lost
}

/// Says that it cannot be deleted, and what to change first.
fn needed(segment: &Segment, users: &Markup) -> Markup {
    show::card(
        "This segment cannot be deleted yet",
        &html! {
            p { "Something needs it. Change or delete that first:" }
            (users)
            p { (button_link(&place(segment), "Back to the segment", Weight::Primary)) }
        },
    )
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
        Err(CrmError::InUse { .. }) => {
            let uses = Uses::of(app(request)?, visitor, segment.id).await?;
            let page = page(visitor, &segment, &needed(&segment, &uses.shown()));
            Ok(failure::with_status(page, StatusCode::CONFLICT))
        }
        Err(error) => Err(failure::crm(error)),
    }
}
