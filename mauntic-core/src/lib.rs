//! The shared kernel of Mauntic, and its Identity context.
//!
//! Every bounded context builds on what stands here:
//!
//! - [`Id`] and its aliases ([`ContactId`], [`EmailId`], …): ids that cannot be mixed up.
//! - [`Clock`] and [`IdSource`]: time and ids as ports, so that rules are tested without waiting.
//! - [`EmailAddress`], [`TimeZoneName`]: values that are valid once they exist.
//! - [`Actor`], [`Role`], [`Permission`]: who acts, and what they may do.
//! - [`Page`], [`PageSize`]: keyset pages.
//! - [`Standing`], [`Eraser`]: whether work is done for an organisation, and what goes when it is deleted.
//! - [`Envelope`], [`Outbox`], [`Inbox`], [`Relay`]: events that commit with the change they tell of.
//! - [`Change`], [`audit()`]: what somebody changed, for the audit log, in the transaction of the change.
//! - [`IpNetworks`], [`is_public`]: networks, and addresses that are not of the installation's own.
//! - [`SecretKey`]: keys derived from the installation's one secret.
//! - [`identity`]: organisations, users, memberships, API tokens and the audit log.
//!
//! ```
//! use mauntic_core::EmailAddress;
//!
//! let address: EmailAddress = "Ann@Example.COM".parse()?;
//! assert_eq!(address.as_str(), "Ann@example.com");
//! assert_eq!(address.key(), "ann@example.com");
//! # Ok::<(), mauntic_core::InvalidEmailAddress>(())
//! ```
//!
//! # Features
//! - `sqlite`, `postgres`: the `storage` module on that back end.
//! - `testing`: manual clocks, counting ids and the conformance suites.

mod actor;
mod audit;
mod clock;
#[cfg(feature = "testing")]
pub mod conformance;
mod email;
mod erase;
mod error;
mod event;
mod fingerprint;
mod id;
pub mod identity;
mod network;
mod outbox;
mod page;
mod relay;
mod secret;
mod standing;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod storage;
#[cfg(feature = "testing")]
pub mod testing;
mod use_case;
mod zone;

pub use actor::{
    Actor, Forbidden, Permission, Principal, Role, UnknownPermission, UnknownPrincipal, UnknownRole,
};
pub use audit::{Audited, Change, ChangeMade, Subject, audit};
pub use clock::{Clock, IdSource, SystemClock, UuidV7Source};
pub use email::{EmailAddress, InvalidEmailAddress};
pub use erase::Eraser;
pub use error::StoreError;
pub use event::{
    Cause, DomainEvent, Envelope, EventHandler, HandlerError, Metadata, MismatchedEvent,
};
pub use fingerprint::fingerprint;
pub use id::{
    ApiTokenId, AuditEntryId, CapturedMailId, ContactId, DeliveryId, EmailId, EmailVersionId,
    EventId, HitId, Id, ImportId, InvalidId, InvitationId, LetterId, NotificationId, OauthClientId,
    OauthGrantId, OrganizationId, SegmentId, SendJobId, SendingDomainId, SessionId, TransportId,
    UserId, WorkerId, kind,
};
pub use network::{InvalidIpNetwork, IpNetwork, IpNetworks, is_public};
pub use outbox::{DeadLetter, Inbox, Outbox, PendingDelivery, RelayStore};
pub use page::{Page, PageSize};
pub use relay::{Relay, RelayProgress};
pub use secret::{InvalidSecret, SecretKey};
pub use standing::{AlwaysActive, CLOSED, Standing};
pub use use_case::{Access, Operator, UseCase};
pub use zone::{Day, FixedZone, InvalidTimeZone, TimeZoneName, Zones, hour_of};
