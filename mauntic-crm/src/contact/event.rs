use std::collections::BTreeSet;

use mauntic_core::{ContactId, DomainEvent};
use serde::{Deserialize, Serialize};

use super::{Channel, Reason};

/// Most contacts that one event tells of; more make several events.
pub const EVENT_BATCH: usize = 1_000;

/// Contacts were added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCreated {
    /// Which.
    pub ids: Vec<ContactId>,
    /// Where they came from: `manual`, `api`, `import:<id>`, ….
    #[serde(default)]
    pub source: String,
}

impl DomainEvent for ContactCreated {
    const TYPE: &'static str = "crm.contact_created.v1";
}

/// Contacts were changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactUpdated {
    /// Which.
    pub ids: Vec<ContactId>,
    /// What was changed in any of them: aliases of fields, `tags`, `owner`, ….
    #[serde(default)]
    pub changed: BTreeSet<String>,
    /// By which way.
    #[serde(default)]
    pub source: String,
}

impl DomainEvent for ContactUpdated {
    const TYPE: &'static str = "crm.contact_updated.v1";
}

/// Contacts were deleted, and all that this context knew of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactDeleted {
    /// Which.
    pub ids: Vec<ContactId>,
}

impl DomainEvent for ContactDeleted {
    const TYPE: &'static str = "crm.contact_deleted.v1";
}

/// Two records of one person became one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactMerged {
    /// The contact that stays.
    pub id: ContactId,
    /// The one that is gone; what others know of it is the first one's now.
    pub merged_id: ContactId,
}

impl DomainEvent for ContactMerged {
    const TYPE: &'static str = "crm.contact_merged.v1";
}

/// Contacts may not be written to any more on a channel, or may again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentChanged {
    /// Which.
    pub ids: Vec<ContactId>,
    /// Where.
    pub channel: Channel,
    /// Why they must not be written to; `None` if they may be.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// Through what.
    #[serde(default)]
    pub source: String,
}

impl DomainEvent for ConsentChanged {
    const TYPE: &'static str = "crm.consent_changed.v1";
}
