use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{OrganizationId, SegmentId, StoreError};

use super::{Segment, SegmentQueries};

/// How far the clocks of servers may differ that share a database. What one of them says happened that much later than
/// an instant may have happened before it by the clock of another.
const CLOCKS_DIFFER_BY: TimeDelta = TimeDelta::seconds(5);

/// Whether everybody is in a segment who belongs there as of an instant, and nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// The members are those that they should be.
    Ready,
    /// A rebuild comes first: of the segment, or of one that its rule asks for.
    AwaitsRebuild,
    /// Contacts that had changed by then are still to be checked.
    AwaitsChanges,
}

impl Readiness {
    /// How far a segment is; `None` if the organisation has no such segment. What changes after `as_of`, and the few
    /// seconds by which clocks may differ, is not waited for, so that a segment gets ready however fast contacts change.
    /// For the segments that the rule asks for, see [`Segment::awaits_rebuild`].
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn of(
        segments: &dyn SegmentQueries,
        organization: OrganizationId,
        segment: SegmentId,
        as_of: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, StoreError> {
        let as_of = as_of + CLOCKS_DIFFER_BY;
        // The changes first: a worker with too many of them turns them into rebuilds, which are seen then.
        let changes = segments.has_dirty_by(organization, as_of).await?;
        let all = segments.all(organization).await?;
        let all: BTreeMap<_, _> = all.iter().map(|segment| (segment.id, segment)).collect();
        Ok(all.get(&segment).map(|root| {
            let mut involved = with_those_asked_for(root, &all).into_iter();
            if involved.any(|segment| segment.awaits_rebuild(as_of, now)) {
                Self::AwaitsRebuild
            } else if changes && root.rule.is_some() {
                Self::AwaitsChanges
            } else {
                Self::Ready
            }
        }))
    }
}

/// The segment and those that its rule asks for, also by way of others.
fn with_those_asked_for<'a>(
    root: &'a Segment,
    all: &BTreeMap<SegmentId, &'a Segment>,
) -> Vec<&'a Segment> {
    let mut seen = BTreeSet::new();
    let mut open = vec![root];
    let mut found = Vec::new();
    while let Some(segment) = open.pop() {
        if seen.insert(segment.id) {
            found.push(segment);
            let asked = segment.rule.as_ref().map(super::Rule::segments);
            let asked = asked.unwrap_or_default();
            open.extend(asked.iter().filter_map(|id| all.get(id).copied()));
        }
    }
    found
}
