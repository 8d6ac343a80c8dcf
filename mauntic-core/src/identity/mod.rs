//! Organisations, their members, API tokens and the audit log.
