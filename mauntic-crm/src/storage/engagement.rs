use async_trait::async_trait;
use mauntic_core::{
    ContactId, OrganizationId, StoreError,
    storage::{Column, SqlType},
};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value as Json, json};

use super::unit_of_work::SeaOrmCrmUnitOfWork;
use crate::engagement::{EngagementRepository, EngagementRow};

const ROW: &[Column] = &[
    ("contact_id", SqlType::Uuid),
    ("kind", SqlType::Text),
    ("subject_id", SqlType::Uuid),
    ("machine", SqlType::Boolean),
    ("day", SqlType::BigInt),
    ("count", SqlType::BigInt),
];

#[async_trait]
impl EngagementRepository for SeaOrmCrmUnitOfWork {
    async fn count(
        &mut self,
        organization: OrganizationId,
        rows: &[EngagementRow],
    ) -> Result<Vec<ContactId>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows = rows.iter().map(|row| {
            json!({"contact_id": row.contact_id, "kind": row.kind, "subject_id": row.email_id,
                   "machine": row.machine, "day": row.day, "count": row.count})
        });
        let rows = Json::Array(rows.collect()).to_string();
        // In one order for everybody, so that two batches wait for each other instead of deadlocking.
        let sql = format!(
            "INSERT INTO engagement (organization_id, contact_id, kind, subject_id, machine, day, count)
             SELECT $1, r.contact_id, r.kind, r.subject_id, r.machine, r.day, r.count FROM {}
             CROSS JOIN contact c WHERE c.organization_id = {} AND c.id = r.contact_id
             ORDER BY r.contact_id, r.kind, r.subject_id, r.machine, r.day
             ON CONFLICT (organization_id, contact_id, kind, subject_id, machine, day)
             DO UPDATE SET count = engagement.count + excluded.count
             RETURNING contact_id",
            self.dialect.rows(2, "r", ROW),
            self.dialect.unseen("$1")
        );
        let parameters = [organization.as_uuid().into(), rows.into()];
        let counted = self
            .txn
            .query_all_raw(self.dialect.statement(sql, parameters))
            .await?;
        let ids = counted
            .iter()
            .map(|row| Ok(ContactId::from_uuid(row.try_get("", "contact_id")?)));
        let mut ids = ids.collect::<Result<Vec<_>, StoreError>>()?;
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}
