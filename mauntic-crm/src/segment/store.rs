//! The storage ports of segments.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use mauntic_core::{ContactId, OrganizationId, Page, PageSize, SegmentId, StoreError, WorkerId};

use super::{Build, Condition, ContactFacts, DayCount, EngagementKind, Member, Origin, Segment};
use crate::Contact;

/// Which segments a list has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentFilter {
    /// A part of the name; capitals do not matter.
    pub search: Option<String>,
    /// Only those that are being rebuilt.
    pub building: bool,
}

/// Reads segments.
#[async_trait]
pub trait SegmentQueries: Send + Sync {
    /// The segment, if the organisation has it.
    async fn find(
        &self,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<Option<Segment>, StoreError>;

    /// One page of segments by name, behind a [key](super::SegmentName::key).
    async fn list(
        &self,
        organization: OrganizationId,
        filter: &SegmentFilter,
        after: Option<&str>,
        size: PageSize,
    ) -> Result<Page<Segment, String>, StoreError>;

    /// All segments, by id.
    async fn all(&self, organization: OrganizationId) -> Result<Vec<Segment>, StoreError>;

    /// One page of the members of a segment, by contact.
    async fn members(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        after: Option<ContactId>,
        size: PageSize,
    ) -> Result<Page<Member, ContactId>, StoreError>;

    /// What binds a contact to segments, also that it was taken out by hand; by segment.
    async fn of_contact(
        &self,
        organization: OrganizationId,
        contact: ContactId,
    ) -> Result<Vec<Member>, StoreError>;

    /// All that rules can ask about contacts; unknown ones are left out.
    async fn facts(
        &self,
        organization: OrganizationId,
        contacts: &[ContactId],
    ) -> Result<Vec<ContactFacts>, StoreError>;

    /// Whether [`SegmentRepository::claim_rebuild`] would find something.
    async fn has_due_rebuild(&self, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Whether [`SegmentRepository::dirtiest`] would find something.
    async fn has_dirty(&self) -> Result<bool, StoreError>;

    /// Whether a change of the organisation's contacts from then or before waits in the queue.
    async fn has_dirty_by(
        &self,
        organization: OrganizationId,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// How many members the segment had, for the days since then that were
    /// [noted](SegmentRepository::note_counts), and for the last one before; by day. A day on which
    /// nothing changed may be left out.
    async fn counts(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        since: NaiveDate,
    ) -> Result<Vec<DayCount>, StoreError>;

    /// How many contacts a condition holds for.
    async fn count_matching(
        &self,
        organization: OrganizationId,
        condition: &Condition,
    ) -> Result<u64, StoreError>;

    /// Up to `limit` contacts that a condition holds for, by id.
    async fn sample_matching(
        &self,
        organization: OrganizationId,
        condition: &Condition,
        limit: u64,
    ) -> Result<Vec<Contact>, StoreError>;
}

/// A part of a rebuild that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The last contact that was looked at; `None` if there are no more.
    pub cursor: Option<ContactId>,
    /// How many came in.
    pub added: i64,
    /// How many went out.
    pub removed: i64,
}

/// A segment to be rebuilt, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedRebuild {
    /// The organisation.
    pub organization: OrganizationId,
    /// The segment, with a [`Segment::build`].
    pub segment: Segment,
}

/// Contacts that changed since their segments were last checked, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dirty {
    /// The contacts, each once, by id.
    pub contacts: Vec<ContactId>,
    /// How many changes were taken from the queue.
    pub changes: u64,
}

/// Memberships that a rule gives or takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MembershipChanges {
    /// Who comes in.
    pub added: Vec<(SegmentId, ContactId)>,
    /// Who goes out.
    pub removed: Vec<(SegmentId, ContactId)>,
}

/// Changes segments.
#[async_trait]
pub trait SegmentRepository: Send {
    /// The segment, if the organisation has it; nobody else can change it until the transaction ends.
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<Option<Segment>, StoreError>;

    /// All segments, by id; rules cannot be changed by others until the transaction ends.
    async fn all_for_update(
        &mut self,
        organization: OrganizationId,
    ) -> Result<Vec<Segment>, StoreError>;

    /// Adds a segment. A taken name is [`StoreError::Conflict`]; the transaction stays usable.
    async fn insert(
        &mut self,
        organization: OrganizationId,
        segment: &Segment,
    ) -> Result<(), StoreError>;

    /// Replaces a segment but its count and lease. A taken name is [`StoreError::Conflict`], after
    /// which the transaction stays usable; an unknown one is [`StoreError::Missing`].
    async fn update(
        &mut self,
        organization: OrganizationId,
        segment: &Segment,
    ) -> Result<(), StoreError>;

    /// Deletes a segment and its memberships.
    async fn delete(
        &mut self,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<(), StoreError>;

    /// Puts contacts in ([`Origin::Added`]) or takes them out ([`Origin::Removed`]) by hand, keeps
    /// the count, and returns those whose membership changed by it, by id. Unknown contacts are left out.
    async fn set_by_hand(
        &mut self,
        organization: OrganizationId,
        segment: SegmentId,
        contacts: &[ContactId],
        origin: Origin,
        now: DateTime<Utc>,
    ) -> Result<Vec<ContactId>, StoreError>;

    /// Notes for the day how many members every segment of every organisation has.
    async fn note_counts(&mut self, day: NaiveDate) -> Result<(), StoreError>;

    /// Makes rebuilds due, unless they are earlier already.
    async fn queue_rebuilds(
        &mut self,
        organization: OrganizationId,
        segments: &[SegmentId],
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Makes the rebuilds of all segments with a rule due, unless they are earlier already.
    async fn queue_all_rebuilds(
        &mut self,
        organization: OrganizationId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Takes the rebuild that is due first, or whose worker is gone, until `lease_until`; a new one
    /// starts at `now`. Nobody else gets it before then. With `only`, no other segment's.
    async fn claim_rebuild(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        only: Option<SegmentId>,
    ) -> Result<Option<ClaimedRebuild>, StoreError>;

    /// Waits until nobody else changes memberships of the organisation by rule, and keeps others
    /// waiting until the transaction ends.
    async fn enter_gate(&mut self, organization: OrganizationId) -> Result<(), StoreError>;

    /// Renews the lease of a rebuild; `false` if it is another worker's, or not going on, by now.
    async fn renew_lease(
        &mut self,
        organization: OrganizationId,
        segment: SegmentId,
        worker: WorkerId,
        started_at: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Brings the memberships by rule of the next `size` contacts in line with a condition (with
    /// none, nobody is in by rule), and keeps the count.
    async fn rebuild_chunk(
        &mut self,
        organization: OrganizationId,
        segment: SegmentId,
        condition: Option<&Condition>,
        build: &Build,
        size: u64,
    ) -> Result<Chunk, StoreError>;

    /// Keeps how far a rebuild is or, with `None`, that it is over; then also when the rule was
    /// applied and when it is to be applied again, and nobody holds the lease.
    async fn save_build(
        &mut self,
        organization: OrganizationId,
        segment: SegmentId,
        build: Option<&Build>,
        built_at: Option<DateTime<Utc>>,
        next_rebuild_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError>;

    /// The organisation whose contacts have waited longest to be checked.
    async fn dirtiest(&mut self) -> Result<Option<OrganizationId>, StoreError>;

    /// Takes up to `limit` changes from the queue, the oldest first.
    async fn take_dirty(
        &mut self,
        organization: OrganizationId,
        limit: u64,
    ) -> Result<Dirty, StoreError>;

    /// Whether more changes than that wait in the queue.
    async fn has_more_dirty(
        &mut self,
        organization: OrganizationId,
        than: u64,
    ) -> Result<bool, StoreError>;

    /// Empties the queue.
    async fn forget_dirty(&mut self, organization: OrganizationId) -> Result<(), StoreError>;

    /// All that rules can ask about contacts, but only these kinds of engagement.
    async fn facts(
        &mut self,
        organization: OrganizationId,
        contacts: &[ContactId],
        kinds: &[EngagementKind],
    ) -> Result<Vec<ContactFacts>, StoreError>;

    /// Gives and takes memberships by rule, keeps the counts, and returns what really changed:
    /// nobody who was put in or taken out by hand.
    async fn apply(
        &mut self,
        organization: OrganizationId,
        changes: &MembershipChanges,
        now: DateTime<Utc>,
    ) -> Result<MembershipChanges, StoreError>;
}
