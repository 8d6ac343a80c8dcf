//! Counters of emails by the domain of their recipients: the results by domain are read from these, never from the
//! ledger.

use std::collections::BTreeMap;

use mauntic_core::{
    EmailId, OrganizationId, StoreError,
    storage::{Column, SqlType},
};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use super::{SeaOrmMessagingStore, SeaOrmUnitOfWork, sql::Row as _};
use crate::{
    sending::{DomainRef, DomainTally},
    tracking::DomainReport,
};

const COUNTS: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("email_id", SqlType::Uuid),
    ("domain", SqlType::Text),
    ("planned", SqlType::BigInt),
    ("accepted", SqlType::BigInt),
    ("refused", SqlType::BigInt),
    ("deferred", SqlType::BigInt),
    ("opened", SqlType::BigInt),
    ("clicked", SqlType::BigInt),
];

impl SeaOrmUnitOfWork {
    /// Adds to counters. Changes with different shards do not wait for each other.
    pub(super) async fn count_domains(
        &mut self,
        shard: i16,
        counts: &BTreeMap<DomainRef, DomainTally>,
    ) -> Result<(), StoreError> {
        let changed = counts
            .iter()
            .filter(|(_, by)| **by != DomainTally::default());
        let rows: Vec<_> = changed
            .map(|(at, by)| {
                json!({
                    "organization_id": at.organization_id, "email_id": at.email_id, "domain": at.domain,
                    "planned": by.planned, "accepted": by.accepted, "refused": by.refused,
                    "deferred": by.deferred, "opened": by.opened, "clicked": by.clicked,
                })
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let sum = |name: &str| format!("{name} = domain_count.{name} + excluded.{name}");
        let sums = COUNTS[3..].iter().map(|(name, _)| sum(name));
        let sql = format!(
            "INSERT INTO domain_count (organization_id, email_id, domain, shard,
                 planned, accepted, refused, deferred, opened, clicked)
             SELECT organization_id, email_id, domain, $2,
                 planned, accepted, refused, deferred, opened, clicked
             FROM {} WHERE TRUE ORDER BY 1, 2, 3
             ON CONFLICT (organization_id, email_id, domain, shard) DO UPDATE SET {}",
            self.dialect.rows(1, "r", COUNTS),
            sums.collect::<Vec<_>>().join(", ")
        );
        let values = [Value::from(rows).to_string().into(), shard.into()];
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        Ok(())
    }
}

impl SeaOrmMessagingStore {
    /// The domains of an email that most of its messages go to.
    pub(super) async fn domains_of(
        &self,
        organization: OrganizationId,
        email: EmailId,
        limit: u16,
    ) -> Result<Vec<DomainReport>, StoreError> {
        let sums = COUNTS[3..]
            .iter()
            .map(|(name, _)| format!("CAST(SUM({name}) AS BIGINT) AS {name}"));
        let sql = format!(
            "SELECT domain, {} FROM domain_count WHERE organization_id = $1 AND email_id = $2
             GROUP BY domain HAVING SUM(planned) > 0 ORDER BY SUM(planned) DESC, domain LIMIT {limit}",
            sums.collect::<Vec<_>>().join(", ")
        );
        let values = [organization.as_uuid().into(), email.as_uuid().into()];
        let statement = self.db.dialect().statement(sql, values);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(DomainReport {
                    domain: row.text("domain")?,
                    planned: row.count("planned")?,
                    accepted: row.count("accepted")?,
                    refused: row.count("refused")?,
                    deferred: row.count("deferred")?,
                    opened: row.count("opened")?,
                    clicked: row.count("clicked")?,
                })
            })
            .collect()
    }
}
