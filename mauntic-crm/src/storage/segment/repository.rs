use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use mauntic_core::{
    ContactId, OrganizationId, SegmentId, StoreError, WorkerId, storage::to_micros,
};
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use super::{
    facts::facts,
    row::{COLUMNS, DUE, contact_id, parameters, segment},
};
use crate::{
    segment::{
        Build, Chunk, ClaimedRebuild, Condition, ContactFacts, Dirty, EngagementKind,
        MembershipChanges, Origin, Segment, SegmentRepository, compile::day_number,
    },
    storage::unit_of_work::SeaOrmCrmUnitOfWork,
};

const NAME_TAKEN: StoreError = StoreError::Conflict {
    field: "segment.name",
};

#[async_trait]
impl SegmentRepository for SeaOrmCrmUnitOfWork {
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<Option<Segment>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM segment WHERE organization_id = $1 AND id = $2{}",
            self.dialect.for_update()
        );
        let parameters = [organization.as_uuid().into(), id.as_uuid().into()];
        let row = self
            .txn
            .query_one_raw(self.dialect.statement(sql, parameters))
            .await?;
        row.as_ref().map(segment).transpose()
    }

    async fn all_for_update(
        &mut self,
        organization: OrganizationId,
    ) -> Result<Vec<Segment>, StoreError> {
        self.enter_gate(organization).await?;
        let sql = format!("SELECT {COLUMNS} FROM segment WHERE organization_id = $1 ORDER BY id");
        let statement = self.dialect.statement(sql, [organization.as_uuid().into()]);
        self.txn
            .query_all_raw(statement)
            .await?
            .iter()
            .map(segment)
            .collect()
    }

    async fn insert(
        &mut self,
        organization: OrganizationId,
        segment: &Segment,
    ) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO segment (organization_id, id, name, name_key, description, kind, rule,
                uses_time, version, built_at, next_rebuild_at, build_started_at, build_cursor,
                created_at, updated_at, list_name, member_count, build_added, build_removed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, 0, 0)
             ON CONFLICT DO NOTHING";
        match self.execute(sql, parameters(organization, segment)).await? {
            1 => Ok(()),
            _ => Err(NAME_TAKEN),
        }
    }

    async fn update(
        &mut self,
        organization: OrganizationId,
        segment: &Segment,
    ) -> Result<(), StoreError> {
        // A violation would abort the whole PostgreSQL transaction, hence the look first.
        let taken = "SELECT 1 AS found FROM segment WHERE organization_id = $1 AND name_key = $2 AND id <> $3";
        let look = [
            organization.as_uuid().into(),
            segment.name.key().into(),
            segment.id.as_uuid().into(),
        ];
        if self
            .txn
            .query_one_raw(self.dialect.statement(taken, look))
            .await?
            .is_some()
        {
            return Err(NAME_TAKEN);
        }
        let sql =
            "UPDATE segment SET name = $3, name_key = $4, description = $5, kind = $6, rule = $7,
                uses_time = $8, version = $9, built_at = $10, next_rebuild_at = $11,
                build_started_at = $12, build_cursor = $13, created_at = $14, updated_at = $15,
                list_name = $16
             WHERE organization_id = $1 AND id = $2";
        match self.execute(sql, parameters(organization, segment)).await? {
            1 => Ok(()),
            _ => Err(StoreError::Missing { what: "segment" }),
        }
    }

    async fn delete(
        &mut self,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<(), StoreError> {
        let parameters = || [organization.as_uuid().into(), id.as_uuid().into()];
        let deleted = self
            .execute(
                "DELETE FROM segment WHERE organization_id = $1 AND id = $2",
                parameters(),
            )
            .await?;
        if deleted == 0 {
            return Err(StoreError::Missing { what: "segment" });
        }
        for table in ["segment_member", "segment_day"] {
            let sql = format!("DELETE FROM {table} WHERE organization_id = $1 AND segment_id = $2");
            self.execute(sql, parameters()).await?;
        }
        Ok(())
    }

    async fn set_by_hand(
        &mut self,
        organization: OrganizationId,
        segment: SegmentId,
        contacts: &[ContactId],
        origin: Origin,
        now: DateTime<Utc>,
    ) -> Result<Vec<ContactId>, StoreError> {
        if self.find_for_update(organization, segment).await?.is_none() {
            return Err(StoreError::Missing { what: "segment" });
        }
        let wanted = |column| self.dialect.own_ids(column, 3);
        let parameters = [
            organization.as_uuid().into(),
            segment.as_uuid().into(),
            json!(contacts).to_string().into(),
        ];
        let mut inside = HashSet::new();
        let members = format!(
            "SELECT contact_id FROM segment_member WHERE segment_id = {} AND origin <> 2 AND {}",
            self.dialect.unseen("$2"),
            wanted("contact_id")
        );
        for row in self
            .txn
            .query_all_raw(self.dialect.statement(members, parameters.clone()))
            .await?
        {
            inside.insert(contact_id(&row, "contact_id")?);
        }
        let write = format!(
            "INSERT INTO segment_member (organization_id, segment_id, contact_id, origin, added_at)
             SELECT $1, $2, c.id, {code}, CAST($4 AS BIGINT) FROM contact c
             WHERE {}
             ON CONFLICT (organization_id, segment_id, contact_id) DO UPDATE SET origin = {code},
                added_at = CASE WHEN (segment_member.origin = 2) <> ({code} = 2)
                           THEN excluded.added_at ELSE segment_member.added_at END
             RETURNING contact_id",
            wanted("c.id"),
            code = origin.code()
        );
        let written = self
            .txn
            .query_all_raw(
                self.dialect
                    .statement(write, parameters.into_iter().chain([to_micros(now).into()])),
            )
            .await?;
        let mut changed = Vec::new();
        for row in &written {
            let id = contact_id(row, "contact_id")?;
            if inside.contains(&id) != (origin != Origin::Removed) {
                changed.push(id);
            }
        }
        changed.sort_unstable();
        let change = i64::try_from(changed.len()).unwrap_or(i64::MAX);
        let change = if origin == Origin::Removed {
            -change
        } else {
            change
        };
        self.change_counts(organization, &BTreeMap::from([(segment, change)]))
            .await?;
        Ok(changed)
    }

    async fn note_counts(&mut self, day: NaiveDate) -> Result<(), StoreError> {
        // What is as it was noted last needs no row of its own.
        let sql = "INSERT INTO segment_day (organization_id, segment_id, day, members)
             SELECT s.organization_id, s.id, CAST($1 AS INTEGER), s.member_count FROM segment s
             WHERE s.member_count IS DISTINCT FROM (
                SELECT d.members FROM segment_day d
                WHERE d.organization_id = s.organization_id AND d.segment_id = s.id
                  AND d.day <= CAST($1 AS INTEGER)
                ORDER BY d.day DESC LIMIT 1)
             -- In one order, so that two processes that note at once do not wait for each other.
             ORDER BY s.organization_id, s.id
             ON CONFLICT (organization_id, segment_id, day) DO UPDATE SET members = excluded.members";
        self.execute(sql, [day_number(day).into()]).await?;
        Ok(())
    }

    async fn queue_rebuilds(
        &mut self,
        organization: OrganizationId,
        segments: &[SegmentId],
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE segment SET next_rebuild_at = $2 WHERE {} AND rule IS NOT NULL
             AND (next_rebuild_at IS NULL OR next_rebuild_at > $2)",
            self.dialect.own_ids("id", 3)
        );
        let parameters = [
            organization.as_uuid().into(),
            to_micros(at).into(),
            json!(segments).to_string().into(),
        ];
        self.execute(sql, parameters).await?;
        Ok(())
    }

    async fn queue_all_rebuilds(
        &mut self,
        organization: OrganizationId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE segment SET next_rebuild_at = $2 WHERE organization_id = $1
             AND rule IS NOT NULL AND (next_rebuild_at IS NULL OR next_rebuild_at > $2)";
        self.execute(sql, [organization.as_uuid().into(), to_micros(at).into()])
            .await?;
        Ok(())
    }

    async fn claim_rebuild(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        only: Option<SegmentId>,
    ) -> Result<Option<ClaimedRebuild>, StoreError> {
        let now = to_micros(now);
        let mut chosen = vec![now.into()];
        let one = only.map_or("", |id| {
            chosen.push(id.as_uuid().into());
            " AND id = $2"
        });
        let pick = format!(
            "SELECT organization_id, id FROM segment
             WHERE {DUE}{one}
             ORDER BY COALESCE(build_started_at, next_rebuild_at), id LIMIT 1{}",
            self.dialect.skip_locked()
        );
        let Some(picked) = self
            .txn
            .query_one_raw(self.dialect.statement(pick, chosen))
            .await?
        else {
            return Ok(None);
        };
        let organization = OrganizationId::from_uuid(picked.try_get("", "organization_id")?);
        let id: uuid::Uuid = picked.try_get("", "id")?;
        let sql = format!(
            "UPDATE segment SET lease_owner = $3, lease_until = $4,
                next_rebuild_at = CASE WHEN build_started_at IS NULL THEN NULL ELSE next_rebuild_at END,
                build_cursor = CASE WHEN build_started_at IS NULL THEN NULL ELSE build_cursor END,
                build_added = CASE WHEN build_started_at IS NULL THEN 0 ELSE build_added END,
                build_removed = CASE WHEN build_started_at IS NULL THEN 0 ELSE build_removed END,
                build_started_at = COALESCE(build_started_at, $5)
             WHERE organization_id = $1 AND id = $2 RETURNING {COLUMNS}"
        );
        let parameters = [
            organization.as_uuid().into(),
            id.into(),
            worker.as_uuid().into(),
            to_micros(lease_until).into(),
            now.into(),
        ];
        let row = self
            .txn
            .query_one_raw(self.dialect.statement(sql, parameters))
            .await?;
        row.as_ref()
            .map(|row| {
                Ok(ClaimedRebuild {
                    organization,
                    segment: segment(row)?,
                })
            })
            .transpose()
    }

    async fn enter_gate(&mut self, organization: OrganizationId) -> Result<(), StoreError> {
        let parameters = || [organization.as_uuid().into()];
        let sql = "INSERT INTO segment_gate (organization_id) VALUES ($1) ON CONFLICT DO NOTHING";
        self.execute(sql, parameters()).await?;
        let sql = format!(
            "SELECT organization_id FROM segment_gate WHERE organization_id = $1{}",
            self.dialect.for_update()
        );
        self.txn
            .query_one_raw(self.dialect.statement(sql, parameters()))
            .await?;
        Ok(())
    }

    async fn renew_lease(
        &mut self,
        organization: OrganizationId,
        segment: SegmentId,
        worker: WorkerId,
        started_at: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE segment SET lease_until = $5 WHERE organization_id = $1 AND id = $2
                   AND lease_owner = $3 AND build_started_at = $4";
        let parameters = [
            organization.as_uuid().into(),
            segment.as_uuid().into(),
            worker.as_uuid().into(),
            to_micros(started_at).into(),
            to_micros(lease_until).into(),
        ];
        Ok(self.execute(sql, parameters).await? == 1)
    }

    async fn rebuild_chunk(
        &mut self,
        organization: OrganizationId,
        segment: SegmentId,
        condition: Option<&Condition>,
        build: &Build,
        size: u64,
    ) -> Result<Chunk, StoreError> {
        self.chunk(organization, segment, condition, build, size)
            .await
    }

    async fn save_build(
        &mut self,
        organization: OrganizationId,
        segment: SegmentId,
        build: Option<&Build>,
        built_at: Option<DateTime<Utc>>,
        next_rebuild_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        let ids = [organization.as_uuid().into(), segment.as_uuid().into()];
        let (sql, values) = match build {
            Some(build) => (
                "UPDATE segment SET build_cursor = $3, build_added = $4, build_removed = $5
                 WHERE organization_id = $1 AND id = $2",
                vec![
                    build.cursor.map(|cursor| cursor.as_uuid()).into(),
                    build.added.into(),
                    build.removed.into(),
                ],
            ),
            None => (
                "UPDATE segment SET build_started_at = NULL, build_cursor = NULL, lease_owner = NULL,
                    lease_until = NULL, built_at = COALESCE($3, built_at),
                    next_rebuild_at = COALESCE(next_rebuild_at, $4)
                 WHERE organization_id = $1 AND id = $2",
                vec![built_at.map(to_micros).into(), next_rebuild_at.map(to_micros).into()],
            ),
        };
        self.execute(sql, ids.into_iter().chain(values)).await?;
        Ok(())
    }

    async fn dirtiest(&mut self) -> Result<Option<OrganizationId>, StoreError> {
        let sql = format!(
            "SELECT organization_id FROM segment_dirty ORDER BY position LIMIT 1{}",
            self.dialect.skip_locked()
        );
        let row = self
            .txn
            .query_one_raw(self.dialect.statement(sql, []))
            .await?;
        row.map(|row| {
            Ok(OrganizationId::from_uuid(
                row.try_get("", "organization_id")?,
            ))
        })
        .transpose()
    }

    async fn take_dirty(
        &mut self,
        organization: OrganizationId,
        limit: u64,
    ) -> Result<Dirty, StoreError> {
        let sql = format!(
            "DELETE FROM segment_dirty WHERE position IN (SELECT position FROM segment_dirty
                 WHERE organization_id = $1 ORDER BY position LIMIT {limit}{})
             RETURNING contact_id",
            self.dialect.skip_locked()
        );
        let statement = self.dialect.statement(sql, [organization.as_uuid().into()]);
        let rows = self.txn.query_all_raw(statement).await?;
        let mut contacts = rows
            .iter()
            .map(|row| contact_id(row, "contact_id"))
            .collect::<Result<Vec<_>, _>>()?;
        contacts.sort_unstable();
        contacts.dedup();
        Ok(Dirty {
            contacts,
            changes: rows.len() as u64,
        })
    }

    async fn has_more_dirty(
        &mut self,
        organization: OrganizationId,
        than: u64,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT 1 AS found FROM segment_dirty WHERE organization_id = $1 LIMIT 1 OFFSET {than}"
        );
        let statement = self.dialect.statement(sql, [organization.as_uuid().into()]);
        Ok(self.txn.query_one_raw(statement).await?.is_some())
    }

    async fn forget_dirty(&mut self, organization: OrganizationId) -> Result<(), StoreError> {
        let sql = "DELETE FROM segment_dirty WHERE organization_id = $1";
        self.execute(sql, [organization.as_uuid().into()]).await?;
        Ok(())
    }

    async fn facts(
        &mut self,
        organization: OrganizationId,
        contacts: &[ContactId],
        kinds: &[EngagementKind],
    ) -> Result<Vec<ContactFacts>, StoreError> {
        facts(&*self.txn, self.dialect, organization, contacts, kinds).await
    }

    async fn apply(
        &mut self,
        organization: OrganizationId,
        changes: &MembershipChanges,
        now: DateTime<Utc>,
    ) -> Result<MembershipChanges, StoreError> {
        self.apply_changes(organization, changes, now).await
    }
}
