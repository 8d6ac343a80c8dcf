//! Segments: whom they take in, who is in, and why.

mod list;

use mauntic_crm::segment::Segment;
use poem::{Route, get};

use super::component::{Tone, show, table::Column};

/// How many rows a page shows.
const ROWS: usize = 50;
/// Where the segments are.
const PLACE: &str = "/app/segments";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route.at("/segments", get(list::list))
}

/// Where a segment is.
fn place(segment: &Segment) -> String {
    format!("{PLACE}/{}", segment.id)
}

/// Whether a segment fills itself.
fn kind(segment: &Segment) -> maud::Markup {
    let text = if segment.rule.is_some() {
        "by rule"
    } else {
        "static"
    };
    show::badge(text, Tone::Plain)
}

/// When a segment was last built, or what it waits for.
fn built(segment: &Segment) -> maud::Markup {
    maud::html! {
        @if segment.build.is_some() {
            (show::badge("being rebuilt", Tone::Warn))
        } @else if let Some(at) = segment.built_at {
            (super::words::time(at))
        } @else if segment.rule.is_some() {
            (show::badge("waits to be built", Tone::Warn))
        } @else {
            span class="soft" { "not needed" }
        }
    }
}

/// A column that does not sort.
fn column(name: &str, number: bool) -> Column<'_> {
    Column {
        name,
        sort: None,
        sorted: None,
        number,
    }
}
