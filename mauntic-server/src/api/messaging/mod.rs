//! `/api/messaging`: emails, sends, tracking results, suppression, transports, domains, captured mail.

pub(crate) mod emails;
mod errors;
pub(crate) mod suppressions;
