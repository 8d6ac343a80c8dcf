//! How far a change of many is, and those there were.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
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

use super::{PLACE, people, place, state, words};
use crate::ui::{
    component::{
        Tone,
        action::{Weight, button, button_link},
        frame, live, show,
        table::{Column, table},
    },
    contacts::{self, people::People},
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words::{count, time},
};

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
    let running = !change.state.is_final();
    let what = words(&change.plan.action);
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), ("/app/bulk/done", "Changes of many")], &what))
        (frame::header(&what, &html! {}))
        (live::followed("change", &place(change.id), running, &so_far(&visitor, &change)))
        (show::card("What was asked for", &asked(&change, &fields, &people, segment.as_deref())))
    };
    Ok(shell(&visitor, "Change of many", contacts::PLACE, &content))
}

fn so_far(visitor: &Visitor, change: &BulkChange) -> Markup {
    let running = !change.state.is_final();
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
                @if running && visitor.may(Permission::ContactsWrite) {
                    form method="post" action=(format!("{}/cancel", place(change.id))) {
                        (visitor.csrf()) (button("Stop; what is changed stays", Weight::Danger))
                    }
                }
                @if !running { (button_link(contacts::PLACE, "Back to the contacts", Weight::Primary)) }
            }
        },
    )
}

fn asked(change: &BulkChange, fields: &FieldSet, people: &People, segment: Option<&str>) -> Markup {
    let whom = match &change.plan.whom {
        Whom::Chosen(_) => html! { "Chosen one by one" },
        Whom::All(filter) => {
            let none = filter.search.is_none() && filter.tag.is_none() && filter.segment.is_none();
            html! {
                @if none { "All contacts" } @else { "All that the list showed" }
                @if let Some(text) = &filter.search { ", search “" (text) "”" }
                @if let Some(tag) = filter.tag.as_ref().map(Tag::as_str) { ", tag “" (tag) "”" }
                @if filter.segment.is_some() { ", a segment" }
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
        BulkAction::Tags { .. } | BulkAction::Delete => html! {},
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
    let next = changes
        .next
        .map(|after| format!("{PLACE}/done?after={after}"));
    let rows: Vec<_> = changes
        .items
        .iter()
        .map(|change| {
            html! { tr {
                td { a href=(place(change.id)) { (words(&change.plan.action)) } }
                td { (state(change.state)) }
                td class="number" { (count(change.done)) }
                td class="number" { (count(change.refused)) }
                td { (people.who(change.plan.actor)) }
                td { (time(change.created_at)) }
            } }
        })
        .collect();
    let column = |name, number| Column {
        name,
        sort: None,
        sorted: None,
        number,
    };
    let columns = [
        column("What", false),
        column("State", false),
        column("Contacts", true),
        column("Not possible", true),
        column("By", false),
        column("Begun", false),
    ];
    let content = html! {
        (frame::header("Changes of many", &html! {}))
        (contacts::sections("/app/bulk/done"))
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

/// Stops one.
#[handler]
pub(super) async fn cancel(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = BulkChangeId::from_uuid(id);
    let stopped = app(request)?.bulk.cancel(&posted.visitor.actor, id).await;
    stopped.map_err(failure::crm)?;
    Ok(redirect(&place(id)))
}
