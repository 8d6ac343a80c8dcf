//! `/api/crm`: contacts, their fields, tags and saved views, segments, changes of many, imports and exports.

pub(crate) mod bulk;
mod contact_body;
pub(crate) mod contacts;
mod errors;
pub(crate) mod fields;
mod import_body;
pub(crate) mod imports;
mod segment_body;
pub(crate) mod segments;
pub(crate) mod tags;
pub(crate) mod views;
