use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::IdSource;

/// A version 7 UUID that remembers which kind of record it names.
///
/// Ids sort by the time they were made. Write the aliases, such as [`ContactId`].
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// Makes a new id.
    #[must_use]
    pub fn generate(source: &dyn IdSource) -> Self {
        Self::from_uuid(source.next())
    }

    /// Says that a UUID names a record of this kind.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self {
            uuid,
            kind: PhantomData,
        }
    }

    /// The UUID without its kind, for storage and wire formats.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.uuid
    }
}

/// The text is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct InvalidId;

impl<K> FromStr for Id<K> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text.trim())
            .map(Self::from_uuid)
            .map_err(|_| InvalidId)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.uuid.serialize(serializer)
    }
}

impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self::from_uuid)
    }
}

macro_rules! kinds {
    ($($kind:ident, $alias:ident, $what:literal;)*) => {
        /// What an [`Id`] can name. The kinds stand here so that one context can name another's records.
        pub mod kind {
            $(
                #[doc = concat!("Marks the ids of ", $what, "s.")]
                #[derive(Debug)]
                pub enum $kind {}
            )*
        }
        $(
            #[doc = concat!("Names one ", $what, ".")]
            pub type $alias = Id<kind::$kind>;
        )*
    };
}

kinds! {
    ApiToken, ApiTokenId, "API token";
    AuditEntry, AuditEntryId, "audit log entry";
    CapturedMail, CapturedMailId, "captured mail";
    Contact, ContactId, "contact";
    Delivery, DeliveryId, "delivery (a row of the send ledger)";
    Email, EmailId, "email";
    EmailVersion, EmailVersionId, "saved version of an email";
    Event, EventId, "event";
    Hit, HitId, "tracking hit";
    Import, ImportId, "import";
    Invitation, InvitationId, "invitation";
    Letter, LetterId, "letter to a user";
    Notification, NotificationId, "notification of a user";
    OauthClient, OauthClientId, "OAuth client";
    OauthGrant, OauthGrantId, "OAuth grant";
    Organization, OrganizationId, "organisation";
    Segment, SegmentId, "segment";
    SendJob, SendJobId, "send job";
    SendingDomain, SendingDomainId, "sending domain";
    Session, SessionId, "session";
    Transport, TransportId, "transport";
    User, UserId, "user";
    Worker, WorkerId, "worker process";
}
