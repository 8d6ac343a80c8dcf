//! What hangs on a contact goes over to another.

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId, SegmentId, StoreError, storage::to_micros};
use sea_orm::{ConnectionTrait as _, QueryResult};

use crate::{segment::Origin, storage::unit_of_work::SeaOrmCrmUnitOfWork};

/// The segments that the one who stays ($3) comes into since the other ($2) was put into them by hand, and leaves since
/// the other was taken out of them.
const MEMBERSHIPS: &str = "
    SELECT l.segment_id, CASE WHEN w.origin IS NULL AND l.origin = 1 THEN 1
                              WHEN w.origin <> 2 AND l.origin = 2 THEN -1 ELSE 0 END AS change
    FROM segment_member l LEFT JOIN segment_member w
      ON w.organization_id = l.organization_id AND w.segment_id = l.segment_id AND w.contact_id = $3
    WHERE l.organization_id = $1 AND l.contact_id = $2 AND l.origin <> 0";

const MOVES: &[&str] = &[
    "INSERT INTO segment_member (organization_id, segment_id, contact_id, origin, added_at)
     SELECT organization_id, segment_id, $3, origin, added_at FROM segment_member
     WHERE organization_id = $1 AND contact_id = $2 AND origin <> 0
     ON CONFLICT (organization_id, segment_id, contact_id)
     DO UPDATE SET origin = excluded.origin WHERE segment_member.origin = 0 OR excluded.origin = 2",
    "INSERT INTO engagement (organization_id, contact_id, kind, subject_id, machine, day, count)
     SELECT organization_id, $3, kind, subject_id, machine, day, count FROM engagement
     WHERE organization_id = $1 AND contact_id = $2
     ON CONFLICT (organization_id, contact_id, kind, subject_id, machine, day)
     DO UPDATE SET count = engagement.count + excluded.count",
    "UPDATE contact_change SET contact_id = $3 WHERE organization_id = $1 AND contact_id = $2",
    "UPDATE contact_key SET contact_id = $3
     WHERE organization_id = $1 AND contact_id = $2 AND field = 'mauntic_id'",
    "UPDATE contact_merge SET contact_id = $3 WHERE organization_id = $1 AND contact_id = $2",
];

impl SeaOrmCrmUnitOfWork {
    pub(super) async fn move_all(
        &mut self,
        organization: OrganizationId,
        from: ContactId,
        to: ContactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<(SegmentId, Origin)>, StoreError> {
        let ids = || {
            [
                organization.as_uuid().into(),
                from.as_uuid().into(),
                to.as_uuid().into(),
            ]
        };
        let changes =
            format!("SELECT segment_id, change FROM ({MEMBERSHIPS}) AS d WHERE change <> 0");
        let changes = self.dialect.statement(changes, ids());
        let changes = self.txn.query_all_raw(changes).await?;
        // Before the memberships that they count.
        let counts = format!(
            "UPDATE segment SET member_count = segment.member_count + d.change
             FROM ({MEMBERSHIPS}) AS d
             WHERE segment.organization_id = $1 AND segment.id = d.segment_id AND d.change <> 0"
        );
        self.txn
            .execute_raw(self.dialect.statement(counts, ids()))
            .await?;
        for sql in MOVES {
            let statement = self.dialect.statement(*sql, ids());
            self.txn.execute_raw(statement).await?;
        }
        let sql = "INSERT INTO contact_merge (organization_id, merged_id, contact_id, at)
                   VALUES ($1, $2, $3, $4)";
        let values = ids().into_iter().chain([to_micros(now).into()]);
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        let change = |row: &QueryResult| -> Result<_, StoreError> {
            let came = row.try_get::<i32>("", "change")? > 0;
            let origin = if came { Origin::Added } else { Origin::Removed };
            Ok((SegmentId::from_uuid(row.try_get("", "segment_id")?), origin))
        };
        changes.iter().map(change).collect()
    }
}
