use std::fmt::Write as _;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    CapturedMailId, OrganizationId, Page, PageSize, StoreError, storage::to_micros,
};
use sea_orm::{ConnectionTrait as _, QueryResult};

use super::{
    SeaOrmMessagingStore, SeaOrmUnitOfWork,
    sql::{Parameters, Row as _},
};
use crate::transport::capture::{CapturedMail, CapturedMailQueries, CapturedMailRepository};

const MAIL: &str = "organization_id, id, delivery_id, envelope_from, envelope_to, sender, subject, \
     size, captured_at";
/// Rows in one statement; each has ten parameters.
const ROWS: usize = 50;

fn mail(row: &QueryResult) -> Result<CapturedMail, StoreError> {
    Ok(CapturedMail {
        id: row.id("id")?,
        organization_id: row.id("organization_id")?,
        delivery_id: row.find_id("delivery_id")?,
        envelope_from: row.text("envelope_from")?,
        envelope_to: row.text("envelope_to")?,
        sender: row.text("sender")?,
        subject: row.text("subject")?,
        size: row.count("size")?,
        captured_at: row.instant("captured_at")?,
    })
}

#[async_trait]
impl CapturedMailQueries for SeaOrmMessagingStore {
    async fn list_captured(
        &self,
        organization: OrganizationId,
        to: Option<&str>,
        after: Option<CapturedMailId>,
        size: PageSize,
    ) -> Result<Page<CapturedMail, CapturedMailId>, StoreError> {
        let mut parameters = Parameters::default();
        let mut sql = format!(
            "SELECT {MAIL} FROM captured_mail WHERE organization_id = {}",
            parameters.bind(organization.as_uuid())
        );
        if let Some(to) = to {
            let to = parameters.bind(to.trim().to_ascii_lowercase());
            let column = self.db.dialect().ascii_lower("envelope_to");
            let _ = write!(sql, " AND {column} = {to}");
        }
        if let Some(after) = after {
            let _ = write!(sql, " AND id < {}", parameters.bind(after.as_uuid()));
        }
        let _ = write!(sql, " ORDER BY id DESC LIMIT {}", size.overfetched());
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let mails = rows.iter().map(mail).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(mails, size, |mail| mail.id))
    }

    async fn find_captured(
        &self,
        organization: OrganizationId,
        id: CapturedMailId,
    ) -> Result<Option<(CapturedMail, Vec<u8>)>, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "SELECT {MAIL}, source FROM captured_mail WHERE organization_id = $1 AND id = $2"
            ),
            [organization.as_uuid().into(), id.as_uuid().into()],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        row.map(|row| Ok((mail(&row)?, row.try_get("", "source")?)))
            .transpose()
    }

    async fn count_captured(&self, organization: OrganizationId) -> Result<u64, StoreError> {
        let statement = self.db.dialect().statement(
            "SELECT COUNT(*) AS n FROM captured_mail WHERE organization_id = $1",
            [organization.as_uuid().into()],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        row.map_or(Ok(0), |row| row.count("n"))
    }
}

#[async_trait]
impl CapturedMailRepository for SeaOrmUnitOfWork {
    async fn insert_captured(
        &mut self,
        mails: &[(CapturedMail, Vec<u8>)],
    ) -> Result<(), StoreError> {
        for group in mails.chunks(ROWS) {
            let mut parameters = Parameters::default();
            let rows: Vec<_> = group
                .iter()
                .map(|(mail, source)| {
                    let row = [
                        parameters.bind(mail.organization_id.as_uuid()),
                        parameters.bind(mail.id.as_uuid()),
                        parameters.bind(mail.delivery_id.map(|id| id.as_uuid())),
                        parameters.bind(mail.envelope_from.clone()),
                        parameters.bind(mail.envelope_to.clone()),
                        parameters.bind(mail.sender.clone()),
                        parameters.bind(mail.subject.clone()),
                        parameters.bind(i64::try_from(mail.size).unwrap_or(i64::MAX)),
                        parameters.bind(to_micros(mail.captured_at)),
                        parameters.bind(source.clone()),
                    ];
                    format!("({})", row.join(", "))
                })
                .collect();
            let sql = format!(
                "INSERT INTO captured_mail ({MAIL}, source) VALUES {}",
                rows.join(", ")
            );
            let statement = parameters.statement(self.dialect, sql);
            self.txn.execute_raw(statement).await?;
        }
        Ok(())
    }

    async fn delete_captured(
        &mut self,
        organization: OrganizationId,
        id: Option<CapturedMailId>,
    ) -> Result<u64, StoreError> {
        let mut parameters = Parameters::default();
        let mut sql = format!(
            "DELETE FROM captured_mail WHERE organization_id = {}",
            parameters.bind(organization.as_uuid())
        );
        if let Some(id) = id {
            let _ = write!(sql, " AND id = {}", parameters.bind(id.as_uuid()));
        }
        let statement = parameters.statement(self.dialect, sql);
        Ok(self.txn.execute_raw(statement).await?.rows_affected())
    }

    async fn forget_captured(
        &mut self,
        before: DateTime<Utc>,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let sql = format!(
            "DELETE FROM captured_mail WHERE (organization_id, id) IN
                (SELECT organization_id, id FROM captured_mail
                 WHERE captured_at < $1 ORDER BY captured_at LIMIT {limit})"
        );
        let statement = self.dialect.statement(sql, [to_micros(before).into()]);
        Ok(self.txn.execute_raw(statement).await?.rows_affected())
    }
}
