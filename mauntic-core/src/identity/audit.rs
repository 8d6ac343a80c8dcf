use std::net::IpAddr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Actor, AuditEntryId, Id, IdSource, OrganizationId, Principal, StoreError};

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

/// What somebody did to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What was done, such as `segment.renamed`.
    pub action: String,
    /// The record that was changed.
    pub subject: Subject,
    /// The changed values as they were; null for a creation.
    pub before: Value,
    /// The changed values as they are now; null for a deletion.
    pub after: Value,
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

/// A record of any context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The kind, such as `segment`.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
}

impl Subject {
    /// A record of that kind.
    #[must_use]
    pub fn new<K>(kind: &str, id: Id<K>) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.as_uuid(),
        }
    }
}

impl Change {
    /// Something was done to a record. The values come with [`from`](Self::from) and [`to`](Self::to).
    #[must_use]
    pub fn new(action: &str, subject: Subject) -> Self {
        Self {
            action: action.to_owned(),
            subject,
            before: Value::Null,
            after: Value::Null,
        }
    }

    /// The values before.
    #[must_use]
    pub fn from(self, before: Value) -> Self {
        Self { before, ..self }
    }

    /// The values after.
    #[must_use]
    pub fn to(self, after: Value) -> Self {
        Self { after, ..self }
    }

    /// The entry of this change, made by an actor now.
    #[must_use]
    pub fn made_by(self, actor: &Actor, now: DateTime<Utc>, ids: &dyn IdSource) -> AuditEntry {
        AuditEntry {
            id: AuditEntryId::generate(ids),
            organization_id: actor.organization_id(),
            principal: actor.principal(),
            address: actor.address(),
            at: now,
            change: self,
        }
    }
}

/// Remembers who changed what. Front ends call it after a change that a person, a token or the
/// operator made in any context; what workers do by themselves is told by events instead.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds an entry to the log of the actor's organisation.
    async fn record(&self, actor: &Actor, change: Change) -> Result<(), StoreError>;
}
