//! What can be done with contacts, fields and tags.

mod batch;
mod consent;
mod contacts;
mod fields;
mod patch;
mod tags;

pub use self::{
    batch::MAX_BATCH,
    consent::{DoNotContactCommand, LiftDoNotContact},
    contacts::{ContactService, CreateContact, UpdateContact, UpsertContact, Upserted},
    fields::{CreateField, FieldService, UpdateField},
    patch::{Change, ContactPatch},
    tags::TagService,
};
