//! `/api/messaging`: emails, sends, tracking results, suppression, transports, domains, captured mail.

mod errors;
pub(crate) mod suppressions;
