//! Emails, the send ledger, transports, tracking and suppression.
//!
//! - [`email`]: what is sent, in versions that never change once saved.
//! - [`suppression`]: addresses that an organisation must not mail, whoever they belong to.
//! - [`sending`]: sends, the ledger of deliveries, and the engine that hands them over.
//! - [`transport`]: how mail leaves, over SMTP or into captured mail.
//! - [`domain`]: domains that mail is sent from, with their DKIM keys.
//! - [`tracking`]: opens, clicks and unsubscribes, told apart by human and machine.
//! - [`mime`], [`dkim`], [`dns`]: messages as they go over the wire, their signatures, and what DNS says of them.
//! - [`token`]: what stands in tracking links and return paths.
//! - [`event`]: what other contexts learn of it.
//! - [`Audience`], [`ContactDirectory`]: what messaging asks of whoever keeps the contacts.
//! - [`MessagingStore`]: the storage port; `storage` implements it on SQLite and PostgreSQL.
//!
//! # Features
//! - `sqlite`, `postgres`: the `storage` module on that back end.
//! - `testing`: the conformance suite of the storage port.

mod audience;
pub mod audit;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod content;
pub mod dkim;
pub mod dns;
pub mod domain;
pub mod email;
mod error;
pub mod event;
pub mod mime;
pub mod sending;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod storage;
mod store;
pub mod suppression;
pub mod token;
pub mod tracking;
pub mod transport;

pub use audience::{
    Audience, AudienceMember, ContactDirectory, MailingList, OrganizationDirectory, Owner,
    Readiness, Recipient,
};
pub use error::{FieldProblem, MessagingError};
pub use store::{MessagingStore, MessagingUnitOfWork};
