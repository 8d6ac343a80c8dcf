//! One import: how far it is, what became of its rows, and what went wrong.

use std::io;

use futures_util::StreamExt as _;
use maud::{Markup, html};
use mauntic_core::{ImportId, PageSize, Permission};
use mauntic_crm::import::{Import, ImportProblem, ImportState, ProblemKind};
use poem::{
    Body, Request, Response, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{PLACE, moves, place, refused, state, steps::short};
use crate::ui::{
    Steer,
    component::{
        Tone,
        action::{Weight, act, ask_first, button_link, confirmation},
        frame, live, show,
        table::{Column, table},
    },
    contacts, csv, shell,
    visitor::{Posted, Visitor, app, redirect},
    words::{self, count},
};

/// How many bad rows a page shows.
const ROWS: usize = 50;
/// What is said of a bad row.
pub(super) const PROBLEM: [&str; 4] = ["Line", "Column", "Value", "What is wrong"];

/// Behind which line the bad rows start.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    after: Option<u64>,
}

/// Shows it.
#[handler]
pub(super) async fn page(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(start): Query<Start>,
) -> Result<Markup> {
    let id = ImportId::from_uuid(id);
    let import = app(request)?.imports.find(&visitor.actor, id).await;
    let import = import.map_err(refused)?;
    let name = &import.plan.name;
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Imports")], name))
        (frame::header(&format!("Import of {name}"), &html! {}))
        (so_far(request, &visitor, &import, start.after).await?)
    };
    Ok(shell(&visitor, "Import", contacts::PLACE, &content))
}

/// What of the page changes while the import goes on.
async fn so_far(
    request: &Request,
    visitor: &Visitor,
    import: &Import,
    after: Option<u64>,
) -> Result<Markup> {
    let goes_on = moves(import.state);
    let bad = if import.counts.failed > 0 && visitor.may(Permission::ContactsImport) {
        let size = PageSize::clamped(ROWS);
        let imports = &app(request)?.imports;
        let bad = imports.problems(&visitor.actor, import.id, ProblemKind::Bad, after, size);
        Some(bad.await.map_err(refused)?)
    } else {
        None
    };
    let content = html! {
        (show::card("Progress", &progress(visitor, import, goes_on)))
        (counts(import))
        @if let Some(bad) = &bad { (show::card("Rows that could not be used", &problems(import, &bad.items, bad.next))) }
    };
    // Looked at again where it is: on the page of bad rows that is open.
    let here = place(import.id);
    let here = after.map_or_else(|| here.clone(), |after| format!("{here}?after={after}"));
    Ok(live::followed("import", &here, goes_on, &content))
}

fn progress(visitor: &Visitor, import: &Import, goes_on: bool) -> Markup {
    let now = import.progress();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1000"
    )]
    let thousandths = (now.fraction.clamp(0.0, 1.0) * 1_000.0) as u64;
    let at = place(import.id);
    html! {
        div class="row" role="status" {
            (state(import.state))
            span { (words::share(thousandths, 1_000)) " of the file, " (count(now.counts.rows)) " rows" }
            @if now.rows_per_second >= 1.0 { span class="soft" { (format!("{:.0}", now.rows_per_second)) " rows a second" } }
            @if let Some(left) = now.seconds_left.filter(|_| goes_on) { span class="soft" { "about " (seconds(left)) " left" } }
        }
        progress aria-label="How far the import is" value=(thousandths) max="1000" {}
        @if let Some(error) = &import.error { (show::toast(&format!("It stopped: {error}."), Tone::Bad)) }
        p class="soft" { "Begun " (words::time(import.created_at)) @if let Some(at) = import.finished_at { ", ended " (words::time(at)) } "." }
        div class="row" {
            @if visitor.may(Permission::ContactsImport) {
                @match import.state {
                    ImportState::Pending | ImportState::Running => { (act(&format!("{at}/pause"), "Pause", &visitor.csrf())) }
                    ImportState::Paused | ImportState::Failed => { (act(&format!("{at}/resume"), "Go on", &visitor.csrf())) }
                    ImportState::Completed | ImportState::Cancelled => {}
                }
                @if !matches!(import.state, ImportState::Completed | ImportState::Cancelled) {
                    (ask_first(&format!("{at}/cancel"), "Stop for good"))
                }
            }
            @if import.state == ImportState::Completed { (button_link(contacts::PLACE, "Show the contacts", Weight::Primary)) }
        }
    }
}

fn counts(import: &Import) -> Markup {
    let counts = &import.counts;
    html! {
        div class="grid" {
            (show::stat("New", &count(counts.created), "contacts were added"))
            (show::stat("Updated", &count(counts.updated), "contacts took values of the file"))
            (show::stat("Unchanged", &count(counts.unchanged), "rows said nothing new"))
            (show::stat("Skipped", &count(counts.failed), "rows could not be used"))
            (show::stat("Repeated", &count(counts.duplicates), "rows about a contact that a later row is about"))
        }
    }
}

/// A time to come as people say it.
fn seconds(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{:.0} seconds", seconds.max(1.0))
    } else {
        format!("{:.0} minutes", seconds / 60.0)
    }
}

fn problems(import: &Import, bad: &[ImportProblem], next: Option<u64>) -> Markup {
    let at = place(import.id);
    let next = next.map(|after| format!("{at}?after={after}"));
    let rows: Vec<_> = bad.iter().map(problem).collect();
    html! {
        p {
            "Download them, mend the cells that the last columns of the file tell of, and import the file again as it is. "
            "The columns that explain are left out by themselves; what is in already is not added twice."
        }
        div class="row" {
            a class="button" id="report" href=(format!("{at}/report")) download { "Download the bad rows" }
            a class="button" id="again" href="/app/imports/new" { "Import the repaired file" }
        }
        (table("Bad rows", &PROBLEM.map(Column::plain), &rows, next.as_deref()))
    }
}

/// A row of the table of bad rows.
pub(super) fn problem(problem: &ImportProblem) -> Markup {
    html! { tr {
        td { (problem.line) }
        td { (problem.column.as_deref().unwrap_or_default()) }
        td { (short(problem.value.as_deref().unwrap_or_default())) }
        td { (problem.reason) }
    } }
}

/// The bad rows as a file.
#[handler]
pub(super) async fn report(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let id = ImportId::from_uuid(id);
    let pieces = app(request)?.imports.report(&visitor.actor, id).await;
    let pieces = pieces.map_err(refused)?;
    let pieces = pieces.map(|piece| piece.map_err(io::Error::other));
    let name = format!("import-{id}-report.csv");
    Ok(csv::file(&name, Body::from_bytes_stream(pieces)))
}

/// Says what is lost by stopping it for good.
#[handler]
pub(super) async fn ask_to_cancel(
    request: &Request,
    visitor: Visitor,
    Path((id, step)): Path<(Uuid, Steer)>,
) -> Result<Markup> {
    visitor.needs(Permission::ContactsImport)?;
    step.asks_first()?;
    let id = ImportId::from_uuid(id);
    let import = app(request)?.imports.find(&visitor.actor, id).await;
    let import = import.map_err(refused)?;
    let name = &import.plan.name;
    let lost = [
        "The uploaded file, and with it the rows that were not dealt with yet".to_owned(),
        format!(
            "What is imported so far stays: {} rows",
            count(import.counts.rows)
        ),
    ];
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Imports"), (&place(id), name)], "Stop"))
        (frame::header("Stop an import", &html! {}))
        (confirmation(&format!("Stop the import of {name} for good?"), &lost, "Stop for good", &place(id), &visitor.csrf()))
    };
    Ok(shell(&visitor, "Stop an import", contacts::PLACE, &content))
}

/// Stops it, or lets it go on.
#[handler]
pub(super) async fn steer(
    request: &Request,
    posted: Posted,
    Path((id, step)): Path<(Uuid, Steer)>,
) -> Result<Response> {
    let (imports, actor) = (&app(request)?.imports, &posted.visitor.actor);
    let id = ImportId::from_uuid(id);
    let changed = match step {
        Steer::Pause => imports.pause(actor, id).await,
        Steer::Resume => imports.resume(actor, id).await,
        Steer::Cancel => imports.cancel(actor, id).await,
    };
    changed.map_err(refused)?;
    Ok(redirect(&place(id)))
}
