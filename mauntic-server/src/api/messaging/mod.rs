//! `/api/messaging`: emails, sends, tracking results, suppression, transports, domains, captured mail.

pub(crate) mod domains;
pub(crate) mod emails;
mod errors;
pub(crate) mod inbox;
pub(crate) mod list_exits;
pub(crate) mod results;
mod send_body;
pub(crate) mod sends;
pub(crate) mod suppressions;
pub(crate) mod timeline;
pub(crate) mod transport;
