use std::fmt::Write as _;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId, SegmentId, StoreError, storage::to_micros};
use sea_orm::{ConnectionTrait as _, Value};
use serde_json::json;
use uuid::Uuid;

use super::{
    row::{contact_id, segment_id},
    sql::matching,
};
use crate::{
    segment::{Build, Chunk, Condition, MembershipChanges},
    storage::unit_of_work::SeaOrmCrmUnitOfWork,
};
use mauntic_core::storage::{Column, SqlType};

const MEMBERSHIP: &[Column] = &[("segment_id", SqlType::Uuid), ("contact_id", SqlType::Uuid)];

impl SeaOrmCrmUnitOfWork {
    pub(super) async fn execute(
        &self,
        sql: impl Into<String>,
        parameters: impl IntoIterator<Item = Value>,
    ) -> Result<u64, StoreError> {
        let done = self
            .txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(done.rows_affected())
    }

    /// The contact with which a chunk ends; `None` if fewer are left than a chunk has.
    async fn end_of_chunk(
        &self,
        organization: OrganizationId,
        after: Option<Uuid>,
        size: u64,
    ) -> Result<Option<Uuid>, StoreError> {
        let mut parameters = vec![organization.as_uuid().into()];
        let behind = after.map_or("", |after| {
            parameters.push(after.into());
            " AND id > $2"
        });
        let sql = format!(
            "SELECT id FROM contact WHERE organization_id = $1{behind}
             ORDER BY organization_id, id LIMIT 1 OFFSET {}",
            size.saturating_sub(1)
        );
        let row = self
            .txn
            .query_one_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(row.map(|row| row.try_get("", "id")).transpose()?)
    }

    /// Brings the memberships by rule of a range of contacts in line with a condition.
    ///
    /// Who it holds for is put into a temporary table first: that scan may use all cores, which
    /// PostgreSQL does not do for an `INSERT`, and both the delete and the insert need the result.
    pub(super) async fn chunk(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        condition: Option<&Condition>,
        build: &Build,
        size: u64,
    ) -> Result<Chunk, StoreError> {
        let after = build.cursor.map(|cursor| cursor.as_uuid());
        let up_to = self.end_of_chunk(organization, after, size).await?;
        let nobody = Condition(crate::segment::condition::Node::Any(Vec::new()));
        let found = matching(
            self.dialect,
            "c.id",
            organization.as_uuid(),
            condition.unwrap_or(&nobody),
            (after, up_to),
        );
        self.execute(
            format!("CREATE TEMPORARY TABLE matching AS {}", found.sql),
            found.parameters,
        )
        .await?;
        let mut parameters: Vec<Value> =
            vec![organization.as_uuid().into(), segment.as_uuid().into()];
        let mut members = "s.organization_id = $1 AND s.segment_id = $2".to_owned();
        for (limit, id) in [(">", after), ("<=", up_to)] {
            if let Some(id) = id {
                parameters.push(id.into());
                let _ = write!(members, " AND s.contact_id {limit} ${}", parameters.len());
            }
        }
        let delete = format!(
            "DELETE FROM segment_member AS s WHERE {members} AND s.origin = 0
             AND s.contact_id NOT IN (SELECT id FROM matching)"
        );
        let removed = self.execute(delete, parameters.clone()).await?;
        parameters.push(to_micros(build.started_at).into());
        let insert = format!(
            "INSERT INTO segment_member (organization_id, segment_id, contact_id, origin, added_at)
             SELECT $1, $2, m.id, 0, CAST(${} AS BIGINT) FROM matching m WHERE NOT EXISTS (
                SELECT 1 FROM segment_member s WHERE {members} AND s.contact_id = m.id)
             ORDER BY m.id",
            parameters.len()
        );
        let added = self.execute(insert, parameters).await?;
        self.execute("DROP TABLE matching", []).await?;
        let (added, removed) = (signed(added), signed(removed));
        self.change_counts(organization, &BTreeMap::from([(segment, added - removed)]))
            .await?;
        Ok(Chunk {
            cursor: up_to.map(ContactId::from_uuid),
            added,
            removed,
        })
    }

    /// Adds to the member counts of segments, whose rows the transaction has locked.
    pub(super) async fn change_counts(
        &self,
        organization: OrganizationId,
        changes: &BTreeMap<SegmentId, i64>,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = changes
            .iter()
            .filter(|(_, change)| **change != 0)
            .map(|(segment, change)| json!({"id": segment, "change": change}))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "UPDATE segment SET member_count = segment.member_count + r.change FROM {}
             WHERE segment.organization_id = {} AND segment.id = r.id",
            self.dialect.rows(
                2,
                "r",
                &[("id", SqlType::Uuid), ("change", SqlType::BigInt)]
            ),
            self.dialect.unseen("$1")
        );
        let rows = serde_json::Value::from(rows).to_string();
        self.execute(sql, [organization.as_uuid().into(), rows.into()])
            .await?;
        Ok(())
    }

    /// Gives and takes memberships by rule.
    pub(super) async fn apply_changes(
        &self,
        organization: OrganizationId,
        changes: &MembershipChanges,
        now: DateTime<Utc>,
    ) -> Result<MembershipChanges, StoreError> {
        let mut touched: Vec<SegmentId> = changes
            .added
            .iter()
            .chain(&changes.removed)
            .map(|(segment, _)| *segment)
            .collect();
        touched.sort_unstable();
        touched.dedup();
        if touched.is_empty() {
            return Ok(MembershipChanges::default());
        }
        // In one order for everybody, so that nobody waits for each other.
        let lock = format!(
            "SELECT id FROM segment WHERE {}
             ORDER BY id{}",
            self.dialect.own_ids("id", 2),
            self.dialect.for_update()
        );
        let parameters = [
            organization.as_uuid().into(),
            json!(touched).to_string().into(),
        ];
        self.txn
            .query_all_raw(self.dialect.statement(lock, parameters))
            .await?;
        let remove = format!(
            "DELETE FROM segment_member WHERE organization_id = {} AND origin = 0
             AND (segment_id, contact_id) IN (SELECT segment_id, contact_id FROM {})
             RETURNING segment_id, contact_id",
            self.dialect.unseen("$1"),
            self.dialect.rows(2, "r", MEMBERSHIP)
        );
        let removed = self
            .memberships(remove, organization, &changes.removed, None)
            .await?;
        let add = format!(
            "INSERT INTO segment_member (organization_id, segment_id, contact_id, origin, added_at)
             SELECT $1, segment_id, contact_id, 0, CAST($3 AS BIGINT) FROM {} WHERE TRUE
             ON CONFLICT DO NOTHING RETURNING segment_id, contact_id",
            self.dialect.rows(2, "r", MEMBERSHIP)
        );
        let added = self
            .memberships(add, organization, &changes.added, Some(now))
            .await?;
        let mut counts = BTreeMap::new();
        for (segment, _) in &added {
            *counts.entry(*segment).or_insert(0) += 1;
        }
        for (segment, _) in &removed {
            *counts.entry(*segment).or_insert(0) -= 1;
        }
        self.change_counts(organization, &counts).await?;
        Ok(MembershipChanges { added, removed })
    }

    async fn memberships(
        &self,
        sql: String,
        organization: OrganizationId,
        pairs: &[(SegmentId, ContactId)],
        now: Option<DateTime<Utc>>,
    ) -> Result<Vec<(SegmentId, ContactId)>, StoreError> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let rows = pairs
            .iter()
            .map(|(segment, contact)| json!({"segment_id": segment, "contact_id": contact}));
        let rows = serde_json::Value::Array(rows.collect()).to_string();
        let mut parameters: Vec<Value> = vec![organization.as_uuid().into(), rows.into()];
        parameters.extend(now.map(|now| Value::from(to_micros(now))));
        let rows = self
            .txn
            .query_all_raw(self.dialect.statement(sql, parameters))
            .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    segment_id(row, "segment_id")?,
                    contact_id(row, "contact_id")?,
                ))
            })
            .collect()
    }
}

fn signed(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
