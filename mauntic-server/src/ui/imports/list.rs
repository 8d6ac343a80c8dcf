//! The imports, the latest first.

use maud::{Markup, html};
use mauntic_core::{ImportId, PageSize, Permission};
use poem::{Request, Result, handler, web::Query};
use serde::Deserialize;
use uuid::Uuid;

use super::{PLACE, place, refused, state};
use crate::ui::{
    component::{
        action::{Weight, button_link},
        frame, show,
        table::{Column, table},
    },
    contacts, shell,
    visitor::{Visitor, app},
    words,
};

/// How many rows a page shows.
const ROWS: usize = 50;

/// Where the page starts.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    after: Option<Uuid>,
}

/// Shows them.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(start): Query<Start>,
) -> Result<Markup> {
    let after = start.after.map(ImportId::from_uuid);
    let size = PageSize::clamped(ROWS);
    let page = app(request)?
        .imports
        .list(&visitor.actor, after, size)
        .await;
    let page = page.map_err(refused)?;
    let next = page.next.map(|after| format!("{PLACE}?after={after}"));
    let add = html! {
        @if visitor.may(Permission::ContactsImport) { (button_link("/app/imports/new", "New import", Weight::Primary)) }
    };
    let rows: Vec<_> = page
        .items
        .iter()
        .map(|import| {
            let counts = &import.counts;
            html! { tr {
                td { a href=(place(import.id)) { (import.plan.name) } }
                td { (state(import.state)) }
                @for number in [counts.rows, counts.created, counts.updated, counts.failed] {
                    td class="number" { (words::count(number)) }
                }
                td { (words::time(import.created_at)) }
            } }
        })
        .collect();
    let columns = [
        Column::plain("File"),
        Column::plain("State"),
        Column::number("Rows"),
        Column::number("New"),
        Column::number("Updated"),
        Column::number("Skipped"),
        Column::plain("Begun"),
    ];
    let nothing = rows.is_empty() && start.after.is_none();
    let content = html! {
        (frame::header("Imports", &html! { @if !nothing { (add) } }))
        (contacts::sections(PLACE))
        @if nothing {
            (show::empty("Nothing was imported yet", "Bring contacts in from a CSV file. You see what will happen before anything does.", &add))
        } @else {
            (table("Imports", &columns, &rows, next.as_deref()))
        }
    };
    Ok(shell(&visitor, "Imports", contacts::PLACE, &content))
}
