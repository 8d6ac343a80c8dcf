//! Segments: whom they take in, who is in, and why.

mod builder;
mod delete;
mod edit;
mod editor;
mod growth;
mod list;
mod members;
mod page;
mod reference;
mod stock;
mod tree;
mod uses;

use chrono::{DateTime, Utc};
use mauntic_crm::{Contact, segment::Segment};
use poem::{Request, Result, Route, get, post};

use super::{
    component::{
        Tone, show,
        table::{Column, table},
    },
    contacts, failure,
    visitor::{Visitor, app},
};

/// How many rows a page shows.
const ROWS: usize = 50;
/// Where the segments are.
const PLACE: &str = "/app/segments";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/segments", get(list::list))
        .at("/segments/new", get(edit::new).post(edit::create))
        .at("/segments/:id", get(page::one))
        .at("/segments/:id/edit", get(edit::edit).post(edit::update))
        .at(
            "/segments/:id/delete",
            get(delete::ask).post(delete::delete),
        )
        .at("/segments/:id/add", post(members::add))
        .at("/segments/:id/remove", post(members::remove))
        .at("/segments/:id/rebuild", post(members::rebuild))
}

/// The segment that an address names.
async fn found(request: &Request, visitor: &Visitor, id: &str) -> Result<Segment> {
    let id = id.parse().map_err(|_| failure::missing("segment"))?;
    let found = app(request)?.segments.find(&visitor.actor, id).await;
    found.map_err(failure::crm)
}

/// Some contacts.
fn sample(contacts: &[Contact]) -> maud::Markup {
    let rows: Vec<_> = contacts
        .iter()
        .map(|contact| {
            let tags = contact.parts().tags.iter();
            maud::html! { tr {
                td { (contact_link(contact)) }
                td { @for tag in tags { (show::badge(tag.as_str(), Tone::Plain)) " " } }
            } }
        })
        .collect();
    table(
        "Some of them",
        &[Column::plain("Contact"), Column::plain("Tags")],
        &rows,
        None,
    )
}

/// Leads to a contact, with its address if that is not what it is called.
fn contact_link(contact: &Contact) -> maud::Markup {
    let name = contacts::called(contact);
    let address = contact.email().map(ToString::to_string);
    let address = address.filter(|address| *address != name);
    maud::html! {
        a href=(format!("/app/contacts/{}", contact.id())) { (name) }
        @if let Some(address) = address { " " span class="soft" { (address) } }
    }
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
fn built(segment: &Segment, now: DateTime<Utc>) -> maud::Markup {
    let waits = segment.next_rebuild_at.is_some_and(|at| at <= now);
    maud::html! {
        @if let Some(build) = &segment.build {
            (show::badge("being rebuilt", Tone::Warn)) " since " (super::words::time(build.started_at))
        } @else if waits {
            (show::badge("waits to be built", Tone::Warn))
            @if let Some(at) = segment.built_at { " last: " (super::words::time(at)) }
        } @else if let Some(at) = segment.built_at {
            (super::words::time(at))
        } @else {
            span class="soft" { "not needed" }
        }
    }
}
