//! What hangs on a contact goes over to another.

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId, StoreError, storage::to_micros};
use sea_orm::ConnectionTrait as _;

use crate::{segment::SegmentRepository as _, storage::unit_of_work::SeaOrmCrmUnitOfWork};

/// In order: counts before the memberships that they count.
const MOVES: &[&str] = &[
    // The one who stays comes into segments that the other was put into, and leaves those that the other was taken out of.
    "UPDATE segment SET member_count = segment.member_count + d.change
     FROM (SELECT l.segment_id, CASE WHEN w.origin IS NULL AND l.origin = 1 THEN 1
                                     WHEN w.origin = 0 AND l.origin = 2 THEN -1 ELSE 0 END AS change
           FROM segment_member l LEFT JOIN segment_member w
             ON w.organization_id = l.organization_id AND w.segment_id = l.segment_id AND w.contact_id = $3
           WHERE l.organization_id = $1 AND l.contact_id = $2 AND l.origin <> 0) AS d
     WHERE segment.organization_id = $1 AND segment.id = d.segment_id AND d.change <> 0",
    "INSERT INTO segment_member (organization_id, segment_id, contact_id, origin, added_at)
     SELECT organization_id, segment_id, $3, origin, added_at FROM segment_member
     WHERE organization_id = $1 AND contact_id = $2 AND origin <> 0
     ON CONFLICT (organization_id, segment_id, contact_id)
     DO UPDATE SET origin = excluded.origin WHERE segment_member.origin = 0",
    "INSERT INTO engagement (organization_id, contact_id, kind, subject_id, machine, day, count)
     SELECT organization_id, $3, kind, subject_id, machine, day, count FROM engagement
     WHERE organization_id = $1 AND contact_id = $2
     ON CONFLICT (organization_id, contact_id, kind, subject_id, machine, day)
     DO UPDATE SET count = engagement.count + excluded.count",
    "UPDATE contact_change SET contact_id = $3 WHERE organization_id = $1 AND contact_id = $2",
    "UPDATE contact_merge SET contact_id = $3 WHERE organization_id = $1 AND contact_id = $2",
];

impl SeaOrmCrmUnitOfWork {
    pub(super) async fn move_all(
        &mut self,
        organization: OrganizationId,
        from: ContactId,
        to: ContactId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        // The counts of segments change: with the workers that do so too, one after the other.
        self.enter_gate(organization).await?;
        let ids = || {
            [
                organization.as_uuid().into(),
                from.as_uuid().into(),
                to.as_uuid().into(),
            ]
        };
        for sql in MOVES {
            let statement = self.dialect.statement(*sql, ids());
            self.txn.execute_raw(statement).await?;
        }
        let sql = "INSERT INTO contact_merge (organization_id, merged_id, contact_id, at)
                   VALUES ($1, $2, $3, $4)";
        let values = ids().into_iter().chain([to_micros(now).into()]);
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        Ok(())
    }
}
