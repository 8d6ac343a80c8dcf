use std::fmt::Write as _;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use mauntic_core::{
    ContactId, OrganizationId, Page, PageSize, SegmentId, StoreError, storage::to_micros,
};
use sea_orm::ConnectionTrait as _;

use super::{
    facts::facts,
    row::{COLUMNS, DUE, contact_id, day_count, member, segment},
    sql::matching,
};
use crate::{
    Contact, ContactQueries as _,
    segment::{
        Condition, ContactFacts, DayCount, EngagementKind, Member, Segment, SegmentFilter,
        SegmentQueries, compile::day_number,
    },
    storage::{SeaOrmCrmStore, parameters::Parameters},
};

const MEMBER: &str = "SELECT contact_id, segment_id, origin, added_at FROM segment_member";

#[async_trait]
impl SegmentQueries for SeaOrmCrmStore {
    async fn find(
        &self,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<Option<Segment>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM segment WHERE organization_id = $1 AND id = $2");
        let parameters = [organization.as_uuid().into(), id.as_uuid().into()];
        let row = self
            .db
            .reader()
            .query_one_raw(self.db.dialect().statement(sql, parameters))
            .await?;
        row.as_ref().map(segment).transpose()
    }

    async fn list(
        &self,
        organization: OrganizationId,
        filter: &SegmentFilter,
        after: Option<&str>,
        size: PageSize,
    ) -> Result<Page<Segment, String>, StoreError> {
        let dialect = self.db.dialect();
        let mut parameters = Parameters::default();
        let mut conditions = format!(
            "organization_id = {} AND name_key > {}",
            parameters.bind(organization.as_uuid()),
            parameters.bind(after.unwrap_or_default())
        );
        if filter.building {
            conditions.push_str(" AND build_started_at IS NOT NULL");
        }
        if let Some(search) = &filter.search {
            let part = parameters.bind(search.trim().to_lowercase());
            let found = dialect.position("name_key", &part);
            let _ = write!(conditions, " AND {found} > 0");
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM segment WHERE {conditions} ORDER BY name_key LIMIT {}",
            size.overfetched()
        );
        let statement = dialect.statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let segments = rows.iter().map(segment).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(segments, size, |segment| {
            segment.name.key()
        }))
    }

    async fn all(&self, organization: OrganizationId) -> Result<Vec<Segment>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM segment WHERE organization_id = $1 ORDER BY id");
        let statement = self
            .db
            .dialect()
            .statement(sql, [organization.as_uuid().into()]);
        self.db
            .reader()
            .query_all_raw(statement)
            .await?
            .iter()
            .map(segment)
            .collect()
    }

    async fn members(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        after: Option<ContactId>,
        size: PageSize,
    ) -> Result<Page<Member, ContactId>, StoreError> {
        let mut parameters = vec![organization.as_uuid().into(), segment.as_uuid().into()];
        let behind = if let Some(after) = after {
            parameters.push(after.as_uuid().into());
            " AND contact_id > $3"
        } else {
            ""
        };
        let sql = format!(
            "{MEMBER} WHERE organization_id = $1 AND segment_id = $2{behind} AND origin <> 2
             ORDER BY organization_id, segment_id, contact_id LIMIT {}",
            size.overfetched()
        );
        let rows = self
            .db
            .reader()
            .query_all_raw(self.db.dialect().statement(sql, parameters))
            .await?;
        let members = rows.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(members, size, |member| {
            member.contact_id
        }))
    }

    async fn of_contact(
        &self,
        organization: OrganizationId,
        contact: ContactId,
    ) -> Result<Vec<Member>, StoreError> {
        let sql =
            format!("{MEMBER} WHERE organization_id = $1 AND contact_id = $2 ORDER BY segment_id");
        let parameters = [organization.as_uuid().into(), contact.as_uuid().into()];
        let rows = self
            .db
            .reader()
            .query_all_raw(self.db.dialect().statement(sql, parameters))
            .await?;
        rows.iter().map(member).collect()
    }

    async fn facts(
        &self,
        organization: OrganizationId,
        contacts: &[ContactId],
    ) -> Result<Vec<ContactFacts>, StoreError> {
        facts(
            self.db.reader(),
            self.db.dialect(),
            organization,
            contacts,
            EngagementKind::ALL,
        )
        .await
    }

    async fn has_due_rebuild(&self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 AS found FROM segment WHERE {DUE} LIMIT 1");
        let statement = self.db.dialect().statement(sql, [to_micros(now).into()]);
        Ok(self.db.reader().query_one_raw(statement).await?.is_some())
    }

    async fn has_dirty(&self) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS found FROM segment_dirty LIMIT 1";
        let statement = self.db.dialect().statement(sql, []);
        Ok(self.db.reader().query_one_raw(statement).await?.is_some())
    }

    async fn has_dirty_by(
        &self,
        organization: OrganizationId,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS found FROM segment_dirty
             WHERE organization_id = $1 AND since <= $2 LIMIT 1";
        let parameters = [organization.as_uuid().into(), to_micros(at).into()];
        let statement = self.db.dialect().statement(sql, parameters);
        Ok(self.db.reader().query_one_raw(statement).await?.is_some())
    }

    async fn counts(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        since: NaiveDate,
    ) -> Result<Vec<DayCount>, StoreError> {
        let sql = "SELECT day, members FROM segment_day
             WHERE organization_id = $1 AND segment_id = $2 AND day >= COALESCE((
                SELECT MAX(day) FROM segment_day
                WHERE organization_id = $1 AND segment_id = $2 AND day < $3), $3)
             ORDER BY day";
        let parameters = [
            organization.as_uuid().into(),
            segment.as_uuid().into(),
            day_number(since).into(),
        ];
        let statement = self.db.dialect().statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(day_count).collect()
    }

    async fn count_matching(
        &self,
        organization: OrganizationId,
        condition: &Condition,
    ) -> Result<u64, StoreError> {
        let dialect = self.db.dialect();
        let found = matching(
            dialect,
            "COUNT(*) AS found",
            organization.as_uuid(),
            condition,
            (None, None),
        );
        let row = self
            .db
            .reader()
            .query_one_raw(dialect.statement(found.sql, found.parameters))
            .await?;
        let count = row.map(|row| row.try_get::<i64>("", "found")).transpose()?;
        Ok(count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or_default())
    }

    async fn sample_matching(
        &self,
        organization: OrganizationId,
        condition: &Condition,
        limit: u64,
    ) -> Result<Vec<Contact>, StoreError> {
        let dialect = self.db.dialect();
        let found = matching(
            dialect,
            "c.id",
            organization.as_uuid(),
            condition,
            (None, None),
        );
        let sql = format!(
            "{} ORDER BY c.organization_id, c.id LIMIT {limit}",
            found.sql
        );
        let rows = self
            .db
            .reader()
            .query_all_raw(dialect.statement(sql, found.parameters))
            .await?;
        let ids = rows
            .iter()
            .map(|row| contact_id(row, "id"))
            .collect::<Result<Vec<_>, _>>()?;
        self.find_many(organization, &ids).await
    }
}
