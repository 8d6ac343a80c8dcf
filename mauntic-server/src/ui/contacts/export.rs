//! The contacts of the list as a CSV file.

use std::io;

use futures_util::StreamExt as _;
use mauntic_core::Permission;
use poem::{Body, Request, Response, Result, handler};

use super::listing::Listing;
use crate::ui::{
    csv, failure,
    visitor::{Visitor, app},
};

/// Sends the file piece by piece.
#[handler]
pub(super) async fn export(request: &Request, visitor: Visitor) -> Result<Response> {
    let app = app(request)?;
    let listing = Listing::read(request.uri().query().unwrap_or_default());
    if let Some(segment) = listing.segment {
        let segment = app.segments.find(&visitor.actor, segment).await;
        segment.map_err(failure::crm)?;
    }
    visitor.needs(Permission::ContactsExport)?;
    let pieces = app.exports.contacts(&visitor.actor, listing.filter()).await;
    let pieces = pieces.map_err(failure::crm)?;
    let pieces = pieces.map(|piece| piece.map_err(io::Error::other));
    let pieces = Body::from_bytes_stream(pieces);
    Ok(csv::file("contacts.csv", pieces))
}
