//! All segments, by name.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::segment::SegmentFilter;
use poem::{Request, Result, handler, web::Query};
use serde::Deserialize;

use super::{PLACE, ROWS, built, kind, place};
use crate::ui::{
    Done,
    component::{
        action::{Weight, button_link},
        frame, live, show,
        table::{Column, table},
    },
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// Which part of the list to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Listing {
    /// Only segments with this in their name.
    #[serde(default)]
    q: String,
    /// Begins behind the segment with this key.
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
    let size = PageSize::clamped(ROWS);
    let after = listing.after.as_deref();
    let asked = listing.q.trim();
    let filter = SegmentFilter {
        search: (!asked.is_empty()).then(|| asked.to_owned()),
        building: false,
    };
    let segments = &app(request)?.segments;
    let page = segments.list(&visitor.actor, &filter, after, size).await;
    let page = page.map_err(failure::crm)?;
    let make = html! {
        @if visitor.may(Permission::SegmentsWrite) {
            (button_link("/app/segments/new", "New segment", Weight::Primary))
        }
    };
    let now = app(request)?.clock.now();
    let rows: Vec<_> = page
        .items
        .iter()
        .map(|segment| {
            html! { tr {
                td {
                    a href=(place(segment)) { (segment.name.as_str()) }
                    @if !segment.description.is_empty() { div class="soft" { (beginning(&segment.description)) } }
                }
                td { (kind(segment)) }
                td class="number" { (words::counted(segment.member_count)) }
                td { (built(segment, now)) }
            } }
        })
        .collect();
    let columns = [
        Column::plain("Name"),
        Column::plain("Kind"),
        Column::number("Members"),
        Column::plain("Built"),
    ];
    let next = page
        .next
        .map(|key| {
            let pairs = [("q", asked), ("after", key.as_str())];
            let said = pairs.into_iter().filter(|(_, text)| !text.is_empty());
            serde_urlencoded::to_string(said.collect::<Vec<_>>()).unwrap_or_default()
        })
        .map(|query| format!("{PLACE}?{query}"));
    let content = html! {
        (frame::header("Segments", &make))
        @if let Some(done) = listing.done { (done.toast()) }
        @if rows.is_empty() && after.is_none() && asked.is_empty() {
            (show::empty(
                "There are no segments yet",
                "A segment is a set of contacts: those whom a rule fits, kept up to date by itself, and those put in by hand. Emails are sent to segments.",
                &make,
            ))
        } @else {
            (live::name_filter(PLACE, "segments", asked))
            div id="segments" class="stack" {
                @if rows.is_empty() { p role="status" { "No segment has this in its name. " a href=(PLACE) { "Show all" } } }
                @else { (table("Segments", &columns, &rows, next.as_deref())) }
            }
        }
    };
    Ok(shell(&visitor, "Segments", PLACE, &content))
}

/// The beginning of a description.
fn beginning(description: &str) -> String {
    let mut text: String = description.chars().take(120).collect();
    if text.len() < description.len() {
        text.push('…');
    }
    text
}
