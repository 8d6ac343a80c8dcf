//! The stylesheet, the script and what `cargo xtask assets` adds: read from disk in debug builds, part of the binary in
//! release builds.

use std::fmt::Write as _;

use poem::{
    Request, Response, handler,
    http::{StatusCode, header},
    web::Path,
};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// The address of an asset. It changes with its content, so that it may be cached for ever.
pub(crate) fn href(name: &str) -> String {
    let version = Files::get(name).map(|file| version(&file));
    format!("/assets/{}/{name}", version.unwrap_or_default())
}

/// The address of a script that `cargo xtask assets` adds, if it was added: pages work without it.
pub(crate) fn added(name: &str) -> Option<String> {
    let name = format!("vendor/{name}");
    Files::get(&name).map(|file| format!("/assets/{}/{name}", version(&file)))
}

/// The start of the hash of the content.
fn version(file: &EmbeddedFile) -> String {
    let mut text = String::with_capacity(16);
    for byte in &file.metadata.sha256_hash()[..8] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Serves an asset.
#[handler]
pub(crate) fn serve(Path((asked, name)): Path<(String, String)>, request: &Request) -> Response {
    let Some(file) = Files::get(&name) else {
        return Response::builder().status(StatusCode::NOT_FOUND).finish();
    };
    let version = version(&file);
    let tag = format!("\"{version}\"");
    // A page from before an update may ask for the old version: it gets the new one, uncached.
    let caching = if asked == version {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let answer = Response::builder()
        .header(header::CACHE_CONTROL, caching)
        .header(header::ETAG, &tag);
    if request.header(header::IF_NONE_MATCH) == Some(tag.as_str()) {
        return answer.status(StatusCode::NOT_MODIFIED).finish();
    }
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        _ => "application/octet-stream",
    };
    answer.content_type(kind).body(file.data.into_owned())
}
