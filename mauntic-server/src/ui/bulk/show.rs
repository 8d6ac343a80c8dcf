//! How far a change of many is, and those there were.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission, Principal};
use mauntic_crm::{
    FieldSet, Tag,
    bulk::{BulkAction, BulkChange, BulkChangeId, BulkState, Whom},
};
use poem::{
    Request, Response, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{people, place, state, words};
use crate::ui::{
    Steer,
    component::{
        Tone,
        action::{Weight, act, ask_first, button_link, confirmation},
        frame, live, show,
        table::{Column, table},
    },
    contacts::{self, people::People},
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words::{count, time},
};

/// Where those are listed that there were.
pub(in crate::ui) const LIST: &str = "/app/bulk/done";
/// How many rows a page shows.
const ROWS: usize = 50;

/// Where the page starts.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    after: Option<Uuid>,
}

/// Shows one.
#[handler]
pub(super) async fn page(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    let (app, actor) = (app(request)?, &visitor.actor);
    let change = app.bulk.find(actor, BulkChangeId::from_uuid(id)).await;
    let change = change.map_err(failure::crm)?;
    let fields = app.fields.list(actor).await.map_err(failure::crm)?;
    let people = People::of(request, &visitor).await?;
    let segment = match &change.plan.action {
        BulkAction::AddToSegment { segment } | BulkAction::RemoveFromSegment { segment }
            if visitor.may(Permission::SegmentsRead) =>
        {
            // It may be gone by now.
            let found = app.segments.find(actor, *segment).await;
            found.ok().map(|segment| segment.name.as_str().to_owned())
        }
        _ => None,
    };
    let what = words(&change.plan.action);
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (LIST, "Changes of many")], &what))
        (frame::header(&what, &html! {}))
        (live::followed("change", &place(change.id), moves(change.state), &so_far(&visitor, &change)))
        (show::card("What was asked for", &asked(&change, &fields, &people, segment.as_deref())))
    };
    Ok(shell(&visitor, "Change of many", contacts::PLACE, &content))
}

/// Whether a change goes on by itself.
pub(in crate::ui) fn moves(state: BulkState) -> bool {
    matches!(state, BulkState::Pending | BulkState::Running)
}

fn so_far(visitor: &Visitor, change: &BulkChange) -> Markup {
    let (at, ended) = (place(change.id), change.state.is_final());
    // There may be more or fewer of them by now than were counted.
    let total = if change.state == BulkState::Completed {
        change.done
    } else {
        change.total.max(change.done)
    };
    show::card(
        "Progress",
        &html! {
            div class="row" role="status" { (state(change.state)) }
            (show::progress("Contacts", change.done, total))
            @if change.refused > 0 {
                (show::toast(&format!(
                    "{} could not be changed; the first: {}.", people(change.refused), change.problem.as_deref().unwrap_or_default()
                ), Tone::Warn))
            } @else if let Some(problem) = &change.problem {
                (show::toast(&format!("It stopped: {problem}."), Tone::Bad))
            }
            div class="row" {
                @if !ended && visitor.may(Permission::ContactsWrite) {
                    @if moves(change.state) { (act(&format!("{at}/pause"), "Pause", &visitor.csrf())) }
                    @else { (act(&format!("{at}/resume"), "Go on", &visitor.csrf())) }
                    (ask_first(&format!("{at}/cancel"), "Stop for good"))
                }
                @if ended { (button_link(contacts::PLACE, "Back to the contacts", Weight::Primary)) }
            }
        },
    )
}

fn asked(change: &BulkChange, fields: &FieldSet, people: &People, segment: Option<&str>) -> Markup {
    let whom = match &change.plan.whom {
        Whom::Chosen(_) => html! { "Chosen one by one" },
        Whom::All(filter) => {
            html! {
                @if filter.is_narrow() && change.plan.actor != Principal::System { "All that the list showed" } @else { "All contacts" }
                @if let Some(text) = &filter.search { ", search “" (text) "”" }
                @if let Some(tag) = filter.tag.as_ref().map(Tag::as_str) { ", tag “" (tag) "”" }
                @if filter.segment.is_some() { ", a segment" }
                @if let Some(owner) = filter.owner { ", owner " (people.name(owner)) }
                @if let Some(stage) = &filter.stage { ", stage “" (stage) "”" }
                @if let Some(channel) = filter.do_not_contact { ", " (contacts::channel_name(channel)) ": do not contact" }
                @if let Some(channel) = filter.may_contact { ", " (contacts::channel_name(channel)) ": may be contacted" }
            }
        }
    };
    let what = match &change.plan.action {
        BulkAction::AddToSegment { .. } | BulkAction::RemoveFromSegment { .. } => {
            html! { (segment.unwrap_or("A segment that is gone")) }
        }
        BulkAction::SetField { field, value } => html! {
            (fields.get(field.as_str()).map_or(field.as_str(), |field| field.label.as_str()))
            ": " @if value.is_empty() { "cleared" } @else { (value) }
        },
        BulkAction::DoNotContact { comment, .. } => html! { (comment) },
        BulkAction::SetOwner { owner: Some(owner) } => html! { (people.name(*owner)) },
        BulkAction::SetOwner { .. }
        | BulkAction::SetStage { .. }
        | BulkAction::Tags { .. }
        | BulkAction::Delete => html! {},
    };
    let mut pairs = vec![("Whom", whom)];
    if !what.0.is_empty() {
        pairs.push(("What", what));
    }
    pairs.push(("By", html! { (people.who(change.plan.actor)) }));
    pairs.push(("Begun", time(change.created_at)));
    if let Some(at) = change.finished_at {
        pairs.push(("Ended", time(at)));
    }
    show::values(&pairs)
}

/// Shows those there were.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(start): Query<Start>,
) -> Result<Markup> {
    let after = start.after.map(BulkChangeId::from_uuid);
    let size = PageSize::clamped(ROWS);
    let changes = app(request)?.bulk.list(&visitor.actor, after, size).await;
    let changes = changes.map_err(failure::crm)?;
    let people = People::of(request, &visitor).await?;
    let next = changes.next.map(|after| format!("{LIST}?after={after}"));
    let rows: Vec<_> = changes
        .items
        .iter()
        .map(|change| {
            html! { tr {
                td { a href=(place(change.id)) { (words(&change.action)) } }
                td { (state(change.state)) }
                td class="number" { (count(change.done)) }
                td class="number" { (count(change.refused)) }
                td { (people.who(change.actor)) }
                td { (time(change.created_at)) }
            } }
        })
        .collect();
    let columns = [
        Column::plain("What"),
        Column::plain("State"),
        Column::number("Contacts"),
        Column::number("Not possible"),
        Column::plain("By"),
        Column::plain("Begun"),
    ];
    let content = html! {
        (frame::header("Changes of many", &html! {}))
        (contacts::sections(LIST))
        @if rows.is_empty() && start.after.is_none() {
            (show::empty("There are none yet", "Tick contacts in the list, or take all that it shows, and change them at once.", &button_link(contacts::PLACE, "Contacts", Weight::Plain)))
        } @else {
            (table("Changes of many", &columns, &rows, next.as_deref()))
        }
    };
    Ok(shell(
        &visitor,
        "Changes of many",
        contacts::PLACE,
        &content,
    ))
}

/// Says what stopping one for good leaves undone.
#[handler]
pub(super) async fn ask_to_cancel(
    request: &Request,
    visitor: Visitor,
    Path((id, step)): Path<(Uuid, Steer)>,
) -> Result<Markup> {
    visitor.needs(Permission::ContactsWrite)?;
    step.asks_first()?;
    let id = BulkChangeId::from_uuid(id);
    let change = app(request)?.bulk.find(&visitor.actor, id).await;
    let change = change.map_err(failure::crm)?;
    let lost = [
        format!(
            "The turn of those who still wait: {}",
            people(change.total.saturating_sub(change.done))
        ),
        format!("What is changed so far stays: {}", people(change.done)),
    ];
    let what = words(&change.plan.action);
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (LIST, "Changes of many"), (&place(id), &what)], "Stop"))
        (frame::header("Stop a change", &html! {}))
        (confirmation("Stop this change for good?", &lost, "Stop for good", &place(id), &visitor.csrf()))
    };
    Ok(shell(&visitor, "Stop a change", contacts::PLACE, &content))
}

/// Stops one, or lets it go on.
#[handler]
pub(super) async fn steer(
    request: &Request,
    posted: Posted,
    Path((id, step)): Path<(Uuid, Steer)>,
) -> Result<Response> {
    let (bulk, actor) = (&app(request)?.bulk, &posted.visitor.actor);
    let id = BulkChangeId::from_uuid(id);
    let changed = match step {
        Steer::Pause => bulk.pause(actor, id).await,
        Steer::Resume => bulk.resume(actor, id).await,
        Steer::Cancel => bulk.cancel(actor, id).await,
    };
    changed.map_err(failure::crm)?;
    Ok(redirect(&place(id)))
}
