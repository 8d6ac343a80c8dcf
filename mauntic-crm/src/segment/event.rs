use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, DomainEvent, SegmentId};
use serde::{Deserialize, Serialize};

/// Contacts came into a segment, by hand, by import or since they changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactAddedToSegment {
    /// Which segment.
    pub segment_id: SegmentId,
    /// Which contacts.
    pub ids: Vec<ContactId>,
}

impl DomainEvent for ContactAddedToSegment {
    const TYPE: &'static str = "crm.contact_added_to_segment.v1";
}

/// Contacts went out of a segment, by hand or since they changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRemovedFromSegment {
    /// Which segment.
    pub segment_id: SegmentId,
    /// Which contacts.
    pub ids: Vec<ContactId>,
}

impl DomainEvent for ContactRemovedFromSegment {
    const TYPE: &'static str = "crm.contact_removed_from_segment.v1";
}

/// A segment's rule was applied to everybody. Who came in are those members with an
/// [`added_at`](super::Member::added_at) from the start on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRebuilt {
    /// Which segment.
    pub segment_id: SegmentId,
    /// When the rebuild started.
    pub started_at: DateTime<Utc>,
    /// How many came in.
    pub added: i64,
    /// How many went out.
    pub removed: i64,
}

impl DomainEvent for SegmentRebuilt {
    const TYPE: &'static str = "crm.segment_rebuilt.v1";
}
