//! Contacts, what is known about them, whether they may be written to, and which segments they are in.
//!
//! - [`Contact`]: a person; [`DoNotContact`]: where they must not be written to; [`Tag`]s.
//! - [`Field`], [`FieldSet`]: what can be known; [`Value`]: what is known, read leniently from text
//!   by [`Field::parse`] and kept in one fixed form.
//! - [`CrmStore`], [`CrmUnitOfWork`]: the storage ports, answered by `storage::SeaOrmCrmStore`.
//!
//! ```
//! use mauntic_crm::{FieldSet, ParseContext, Value};
//!
//! let fields = FieldSet::core();
//! let country = fields.get("country").ok_or("core field")?;
//! let germany = country.parse(" Germany ", &ParseContext::default())?;
//! assert_eq!(germany, Value::text("DE"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # No value
//! A field without a value is absent from [`FieldValues`]: there is no null and no empty text, array or
//! set. Blank text and JSON `null` clear a field; a key that is not mentioned leaves it alone. In rules,
//! every positive test of a missing value is false, and each negated test (`!=`, `not in`, `not
//! contains`, …) is exactly the opposite of the positive one, so it is true: nothing is ever unknown.
//! Texts compare without regard to the case of A to Z, and sort byte by byte after that.
//!
//! # Features
//! - `sqlite`, `postgres`: the `storage` module on that back end.
//! - `testing`: the conformance suite of the storage ports.

pub mod audit;
pub mod bulk;
#[cfg(feature = "testing")]
pub mod conformance;
mod contact;
pub mod engagement;
mod error;
pub mod export;
mod field;
pub mod import;
mod owner;
pub mod segment;
mod service;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod storage;
mod store;
mod value;
pub mod view;

pub use contact::{
    ChangeSet, Channel, ConsentChanged, Contact, ContactChange, ContactCreated, ContactDeleted,
    ContactMerged, ContactParts, ContactUpdated, DoNotContact, EVENT_BATCH, InvalidTag, Likeness,
    Reason, Tag, UnknownChannel, UnknownLikeness, UnknownReason, mailbox,
};
pub use error::{CrmError, FieldProblem};
pub use field::{
    Field, FieldAlias, FieldGroup, FieldOption, FieldSet, FieldType, InvalidFieldAlias,
    UnknownFieldGroup, UnknownFieldType, core_fields,
};
pub use owner::{AnyOwner, InvalidOwnerName, OwnerName, Owners};
pub use service::{
    BulkService, Change, ContactPatch, ContactService, CreateBulkChange, CreateContact,
    CreateField, DoNotContactCommand, FieldService, LiftDoNotContact, MAX_BATCH, MergeCandidate,
    SaveView, TagService, UpdateContact, UpdateField, UpsertContact, Upserted, ViewService,
};
pub use store::*;
pub use value::{Country, DateOrder, FieldValues, InvalidValue, Number, ParseContext, Value};
