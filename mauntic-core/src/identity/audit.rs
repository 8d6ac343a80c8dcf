use std::net::IpAddr;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Actor, AuditEntryId, Change, ChangeMade, Envelope, IdSource, OrganizationId, Principal,
    StoreError,
};

/// One change that somebody made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Names the entry.
    pub id: AuditEntryId,
    /// In which organisation.
    pub organization_id: OrganizationId,
    /// Who made it.
    pub principal: Principal,
    /// From where, if it came over the network.
    pub address: Option<IpAddr>,
    /// When.
    pub at: DateTime<Utc>,
    /// What was done, to what.
    #[serde(flatten)]
    pub change: Change,
}

/// Which entries of the audit log to look at; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only what that one did.
    pub by: Option<Principal>,
    /// Only actions that begin with this, such as `token.`.
    pub action: Option<String>,
    /// Only what was done at that time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only what was done before that time.
    pub until: Option<DateTime<Utc>>,
}

impl AuditEntry {
    /// How long before or after the time of an entry its id may have been made, which tells where to look for it.
    pub const ID_WITHIN: TimeDelta = TimeDelta::hours(1);

    /// The entry of a change that an actor made now.
    #[must_use]
    pub fn new(change: Change, actor: &Actor, now: DateTime<Utc>, ids: &dyn IdSource) -> Self {
        Self {
            id: AuditEntryId::generate(ids),
            organization_id: actor.organization_id(),
            principal: actor.principal(),
            address: actor.address(),
            at: now,
            change,
        }
    }

    /// The entry of a change that an event tells of: always the same one, however often the event is delivered.
    #[must_use]
    pub fn told(envelope: &Envelope, made: ChangeMade) -> Self {
        Self {
            id: AuditEntryId::from_uuid(envelope.id.as_uuid()),
            organization_id: envelope.organization_id,
            principal: made.principal,
            address: made.address,
            at: envelope.metadata.timestamp,
            change: made.change,
        }
    }
}

/// Remembers who changed what that is in no database: a file that was uploaded, a copy that was made. It is called once
/// that is done. Use cases that write to a database tell of it in their own transaction instead, with
/// [`audit`](fn@crate::audit).
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds an entry to the log of the actor's organisation.
    async fn record(&self, actor: &Actor, change: Change) -> Result<(), StoreError>;
}
