//! Who left which mailing lists.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};
use mauntic_core::{PageSize, Permission, SegmentId};
use mauntic_crm::segment::SegmentFilter;
use mauntic_messaging::suppression::{ListExit, ListExitCursor, ListExitFilter};
use poem::{Request, Response, Result, handler, web::Query};
use serde::Deserialize;
use uuid::Uuid;

use super::{EXITS, PLACE, top};
use crate::ui::{
    Done,
    component::{
        action::{Weight, ask_first, button_link, confirmation},
        live, show as shown,
        table::{Column, table},
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// How many a page lists.
const ROWS: usize = 50;

/// Which part of the list to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Listing {
    #[serde(default)]
    q: String,
    /// Begins behind this one.
    after: Option<DateTime<Utc>>,
    behind: Option<String>,
    of: Option<Uuid>,
    done: Option<Done>,
}

impl Listing {
    fn cursor(&self) -> Option<ListExitCursor> {
        Some(ListExitCursor {
            at: self.after?,
            address_hash: self.behind.clone()?,
            segment_id: SegmentId::from_uuid(self.of?),
        })
    }
}

/// What the segments are called, as far as the visitor may know.
async fn names(request: &Request, visitor: &Visitor) -> Result<HashMap<SegmentId, String>> {
    let mut names = HashMap::new();
    if !visitor.may(Permission::SegmentsRead) {
        return Ok(names);
    }
    let segments = &app(request)?.segments;
    let mut after: Option<String> = None;
    loop {
        let size = PageSize::clamped(1_000);
        let any = SegmentFilter::default();
        let page = segments.list(&visitor.actor, &any, after.as_deref(), size);
        let page = page.await.map_err(failure::crm)?;
        let named = page.items.into_iter();
        names.extend(named.map(|segment| (segment.id, segment.name.as_str().to_owned())));
        after = page.next;
        if after.is_none() {
            return Ok(names);
        }
    }
}

/// Shows them, the last one first.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(listing): Query<Listing>,
) -> Result<Markup> {
    let asked = listing.q.trim();
    let filter = ListExitFilter {
        search: Some(asked.to_owned()),
        segment: None,
    };
    let addresses = &app(request)?.suppressions;
    let (cursor, size) = (listing.cursor(), PageSize::clamped(ROWS));
    let page = addresses.list_exits(&visitor.actor, &filter, cursor.as_ref(), size);
    let page = page.await.map_err(failure::messaging)?;
    let names = if page.items.is_empty() {
        HashMap::new()
    } else {
        names(request, &visitor).await?
    };
    let writes = visitor.may(Permission::SuppressionsWrite);
    let row = |exit| row(exit, &names, writes);
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let next = page.next.map(|next| {
        let at = next.at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let of = next.segment_id.to_string();
        let query = [
            ("q", asked),
            ("after", &at),
            ("behind", &next.address_hash),
            ("of", &of),
        ];
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        format!("{EXITS}?{query}")
    });
    let columns = ["Address", "Left the list", "Since", ""].map(Column::plain);
    let content = html! {
        (top(EXITS))
        @if let Some(done) = listing.done { (done.toast()) }
        p class="soft" { "Who leaves a mailing list, by the link in a mail, gets nothing more that is sent to its segment, and everything else." }
        (live::filters(EXITS, "exits", &html! {
            div { label for="q" { "Address" } input id="q" name="q" type="search" value=(asked); }
            button type="submit" class="button plain" { "Find" }
        }))
        div id="exits" class="stack" {
            @if rows.is_empty() && asked.is_empty() {
                (shown::empty("Nobody left a mailing list", "A segment becomes a mailing list by a name that its readers know it by.", &button_link("/app/segments", "Go to the segments", Weight::Plain)))
            } @else if rows.is_empty() { p { "There is no such address." } } @else { (table("Who left a list", &columns, &rows, next.as_deref())) }
        }
    };
    Ok(shell(&visitor, "Left lists", PLACE, &content))
}

const UNKNOWN: &str = "(not kept)";

fn list_name(names: &HashMap<SegmentId, String>, segment: SegmentId) -> &str {
    names
        .get(&segment)
        .map_or("(a segment that is gone)", String::as_str)
}

fn row(exit: &ListExit, names: &HashMap<SegmentId, String>, writes: bool) -> Markup {
    let segment = exit.segment_id.to_string();
    let query = [
        ("address", exit.address_hash.as_str()),
        ("segment", segment.as_str()),
        ("known", exit.address_key.as_deref().unwrap_or_default()),
    ];
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    let href = format!("{EXITS}/remove?{query}");
    html! { tr {
        td { (exit.address_key.as_deref().unwrap_or(UNKNOWN)) }
        td { (list_name(names, exit.segment_id)) }
        td { (words::time(exit.at)) }
        td { @if writes { (ask_first(&href, "Let it back")) } }
    } }
}

/// Which one.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    /// The hash of the address.
    #[serde(default)]
    address: String,
    segment: Uuid,
    /// The address, for people to read.
    #[serde(default)]
    known: String,
}

/// Asks before mail of a list goes to somebody who left it.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Query(which): Query<Which>,
) -> Result<Markup> {
    visitor.needs(Permission::SuppressionsWrite)?;
    let names = names(request, &visitor).await?;
    let left = list_name(&names, SegmentId::from_uuid(which.segment));
    let known = Some(which.known.as_str()).filter(|known| !known.is_empty());
    let lost = [
        format!(
            "That {} left the list {left}",
            known.unwrap_or("this address")
        ),
        "What its owner wanted: mail to it may be reported as spam".to_owned(),
    ];
    let question = "Send mail of this list to this address again?";
    let token = html! {
        (visitor.csrf())
        input type="hidden" name="address" value=(which.address);
        input type="hidden" name="segment" value=(which.segment);
    };
    let content = html! {
        p { "Its contact is out of the segment, too; put it into the segment by hand if it is to get the mail." }
        (confirmation(question, &lost, "Let it back", EXITS, &token))
    };
    Ok(shell(&visitor, question, PLACE, &content))
}

/// Lets mail of a list go to somebody who left it.
#[handler]
pub(super) async fn remove(request: &Request, posted: Posted) -> Result<Response> {
    posted.visitor.needs(Permission::SuppressionsWrite)?;
    let segment = posted.fields.text("segment").trim().parse();
    let segment = segment.map_err(|_| failure::missing("segment"))?;
    let hash = posted.fields.text("address");
    let addresses = &app(request)?.suppressions;
    let segment = SegmentId::from_uuid(segment);
    let removed = addresses.remove_exit(&posted.visitor.actor, hash, segment);
    removed.await.map_err(failure::messaging)?;
    Ok(redirect(&Done::Saved.at(EXITS)))
}
