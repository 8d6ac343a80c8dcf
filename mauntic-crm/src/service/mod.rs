//! What can be done with contacts, fields and tags.

mod apply;
mod batch;
mod bulk;
mod bulk_run;
mod candidates;
mod change;
mod consent;
mod contacts;
mod fields;
mod merge;
mod patch;
mod tags;
mod views;

pub use self::{
    batch::MAX_BATCH,
    bulk::{BulkService, CreateBulkChange},
    candidates::MergeCandidate,
    change::{CreateContact, UpdateContact, UpsertContact, Upserted},
    consent::{DoNotContactCommand, LiftDoNotContact},
    contacts::ContactService,
    fields::{CreateField, FieldService, UpdateField},
    patch::{Change, ContactPatch},
    tags::TagService,
    views::{SaveView, ViewService},
};
