//! All contacts as a CSV file.

use std::io;

use futures_util::StreamExt as _;
use poem::{Body, Request, Response, Result, handler, http::header};

use crate::ui::{
    failure,
    visitor::{Visitor, app},
};

/// Sends the file piece by piece.
#[handler]
pub(super) async fn export(request: &Request, visitor: Visitor) -> Result<Response> {
    let pieces = app(request)?.exports.contacts(&visitor.actor, None).await;
    let pieces = pieces.map_err(failure::crm)?;
    let pieces = pieces.map(|piece| piece.map_err(io::Error::other));
    Ok(Response::builder()
        .content_type("text/csv; charset=utf-8")
        .header(
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"contacts.csv\"",
        )
        .body(Body::from_bytes_stream(pieces)))
}
