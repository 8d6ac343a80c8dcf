//! One change of many contacts: of those that were chosen, or of all that a filter lets through.
//!
//! [`BulkService`](crate::BulkService) is the way in. A [`BulkChange`] is worked on in batches by any worker; a batch and
//! the place behind it commit together, so that whatever happens no contact is left out and none is changed twice.

use std::{collections::BTreeSet, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, DomainEvent, Id, OrganizationId, Principal, SegmentId, UserId, WorkerId,
};
use serde::{Deserialize, Serialize};

use crate::{Channel, ContactFilter, FieldAlias, Tag, field::named};

/// Marks the ids of changes of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfBulkChange {}

/// Names a [`BulkChange`].
pub type BulkChangeId = Id<OfBulkChange>;

/// Whom a change is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// These.
    Chosen(BTreeSet<ContactId>),
    /// All that the filter lets through when their turn comes, but nobody who is added later.
    All(ContactFilter),
}

/// What becomes of each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BulkAction {
    /// Tags are put on and taken off.
    Tags {
        /// On; one that is in both ends up on.
        #[serde(default)]
        add: BTreeSet<Tag>,
        /// Off.
        #[serde(default)]
        remove: BTreeSet<Tag>,
    },
    /// They are put into a segment by hand.
    AddToSegment {
        /// Which.
        segment: SegmentId,
    },
    /// They are taken out of a segment by hand.
    RemoveFromSegment {
        /// Which.
        segment: SegmentId,
    },
    /// A field gets a value.
    SetField {
        /// Which; not the address.
        field: FieldAlias,
        /// A text that the field can read; an empty one clears it.
        value: String,
    },
    /// A user is put in charge of them.
    SetOwner {
        /// Who; nobody without one.
        #[serde(default)]
        owner: Option<UserId>,
    },
    /// They are moved to a stage.
    SetStage {
        /// Which; none without one.
        #[serde(default)]
        stage: Option<String>,
    },
    /// They must not be written to any more.
    DoNotContact {
        /// Where.
        channel: Channel,
        /// Anything worth knowing about it.
        #[serde(default)]
        comment: String,
    },
    /// They are deleted, and all that is known of them.
    Delete,
}

named! {
    /// How far a change of many is.
    BulkState, UnknownBulkState, "state of a change";
    /// It waits for a worker.
    Pending => "pending",
    /// A worker is at it.
    Running => "running",
    /// A person stopped it for now.
    Paused => "paused",
    /// Everybody had their turn.
    Completed => "completed",
    /// It cannot go on.
    Failed => "failed",
    /// A person stopped it for good; what was changed stays so.
    Cancelled => "cancelled",
}

impl BulkState {
    /// Whether nothing more happens.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What is to be done; it does not change once the change is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkPlan {
    /// Whom.
    pub whom: Whom,
    /// What.
    pub action: BulkAction,
    /// Who asked for it.
    pub actor: Principal,
}

/// One change of many contacts: what is to be done and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkChange {
    /// Names it.
    pub id: BulkChangeId,
    /// Whose contacts.
    pub organization_id: OrganizationId,
    /// What is to be done.
    pub plan: BulkPlan,
    /// How far it is.
    pub state: BulkState,
    /// How many there were to be, when it was asked for.
    pub total: u64,
    /// How many had their turn.
    pub done: u64,
    /// How many of those could not be changed.
    pub refused: u64,
    /// Why the first of them could not be, or why it failed.
    pub problem: Option<String>,
    /// The last contact that had its turn.
    pub cursor: Option<ContactId>,
    /// Who is at it, and until when others leave it alone.
    pub lease: Option<(WorkerId, DateTime<Utc>)>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A change of many as a list shows it: without whom it is about, who may be many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkEntry {
    /// Names it.
    pub id: BulkChangeId,
    /// What becomes of each of them.
    pub action: BulkAction,
    /// Who asked for it.
    pub actor: Principal,
    /// How far it is.
    pub state: BulkState,
    /// How many there were to be, when it was asked for.
    pub total: u64,
    /// How many had their turn.
    pub done: u64,
    /// How many of those could not be changed.
    pub refused: u64,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl BulkChange {
    /// The source of the changes that it makes.
    #[must_use]
    pub fn source(&self) -> String {
        format!("bulk:{}", self.id)
    }
}

/// A change of many ended, or stands still by itself until somebody lets it go on. What people do to one is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkChangeEnded {
    /// The change.
    pub bulk_change_id: BulkChangeId,
    /// What became of each contact.
    pub action: BulkAction,
    /// Completed, failed or paused.
    pub state: BulkState,
    /// How many had their turn.
    pub done: u64,
    /// How many of those could not be changed.
    pub refused: u64,
    /// Why the first of them could not be, or why it failed or was paused.
    pub problem: Option<String>,
    /// Who asked for it.
    pub actor: Principal,
}

impl DomainEvent for BulkChangeEnded {
    const TYPE: &'static str = "crm.bulk_change_ended.v1";
}
