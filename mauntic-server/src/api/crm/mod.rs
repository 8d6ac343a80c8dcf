//! `/api/crm`: contacts, fields, tags, segments, imports and exports.

mod contact_body;
pub(crate) mod contacts;
mod errors;
pub(crate) mod fields;
mod import_body;
pub(crate) mod imports;
mod segment_body;
pub(crate) mod segments;
pub(crate) mod tags;
