//! The server as its callers see it: the API, the pages, and what nobody may do to either.
//!
//! One program for all of it, because linking the server takes longer than these tests.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod access;
mod api;
mod audit;
mod bodies;
mod bulk_api;
mod engagement;
mod erasure;
mod oauth;
mod ops;
mod outdated;
mod owners;
mod proxies;
mod public;
mod rules;
mod schema;
mod sending;
mod session_api;
mod settings;
mod support;
mod ui;

use support::{browser, bucket, files, letters, mail, page, people};
