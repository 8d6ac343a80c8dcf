//! How many contacts there are, by the hour they were added: kept as they come and go, never counted anew.

use std::collections::BTreeMap;

use mauntic_core::{
    ContactId, Day, OrganizationId, StoreError, hour_of,
    storage::{Column, SqlType},
};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value as Json, json};

use crate::{
    Contact, ContactGrowth, DayGrowth,
    storage::{SeaOrmCrmStore, unit_of_work::SeaOrmCrmUnitOfWork},
};

const COUNTS: &[Column] = &[("hour", SqlType::BigInt), ("n", SqlType::BigInt)];
const DAYS: &[Column] = &[
    ("day", SqlType::BigInt),
    ("first_hour", SqlType::BigInt),
    ("end_hour", SqlType::BigInt),
];

/// Rows that one hour is spread over, so that batches seldom wait for each other.
const SHARDS: u8 = 8;

/// What contacts that were added at these hours change, each by one.
pub(super) fn by_hour(hours: impl Iterator<Item = i64>, by: i64) -> BTreeMap<i64, i64> {
    let mut counts = BTreeMap::new();
    for hour in hours {
        *counts.entry(hour).or_default() += by;
    }
    counts
}

pub(super) fn hour_added(contact: &Contact) -> i64 {
    hour_of(contact.parts().created_at)
}

impl SeaOrmCrmUnitOfWork {
    /// Changes the counters; `one` of the contacts chooses the shard.
    pub(super) async fn count_contacts(
        &self,
        organization: OrganizationId,
        one: ContactId,
        counts: &BTreeMap<i64, i64>,
    ) -> Result<(), StoreError> {
        let rows: Json = counts
            .iter()
            .map(|(hour, n)| json!({"hour": hour, "n": n}))
            .collect();
        let sql = format!(
            "INSERT INTO contact_hour (organization_id, hour, shard, n)
             SELECT $2, r.hour, $3, r.n FROM {} WHERE TRUE ORDER BY r.hour
             ON CONFLICT (organization_id, hour, shard) DO UPDATE SET n = contact_hour.n + excluded.n",
            self.dialect.rows(1, "r", COUNTS)
        );
        let shard = one.as_uuid().as_bytes()[15] % SHARDS;
        let values = [
            rows.to_string().into(),
            organization.as_uuid().into(),
            i16::from(shard).into(),
        ];
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        Ok(())
    }
}

impl SeaOrmCrmStore {
    pub(super) async fn contact_growth(
        &self,
        organization: OrganizationId,
        days: &[Day],
    ) -> Result<ContactGrowth, StoreError> {
        let dialect = self.db.dialect();
        let total = dialect.statement(
            "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) AS n FROM contact_hour WHERE organization_id = $1",
            [organization.as_uuid().into()],
        );
        let row = self.db.reader().query_one_raw(total).await?;
        let total: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
        let mut growth = ContactGrowth {
            total: u64::try_from(total).unwrap_or_default(),
            days: days
                .iter()
                .map(|day| DayGrowth {
                    date: day.date,
                    added: 0,
                })
                .collect(),
        };
        let rows: Json = (0_i64..)
            .zip(days)
            .map(|(number, day)| json!({"day": number, "first_hour": day.first_hour, "end_hour": day.end_hour}))
            .collect();
        let sql = format!(
            "SELECT r.day AS day, CAST(SUM(c.n) AS BIGINT) AS n FROM {} CROSS JOIN contact_hour c
             WHERE c.organization_id = $2 AND c.hour >= r.first_hour AND c.hour < r.end_hour
             GROUP BY r.day",
            dialect.rows(1, "r", DAYS)
        );
        let values = [rows.to_string().into(), organization.as_uuid().into()];
        let statement = dialect.statement(sql, values);
        for row in self.db.reader().query_all_raw(statement).await? {
            let (day, n): (i64, i64) = (row.try_get("", "day")?, row.try_get("", "n")?);
            let day = usize::try_from(day).ok();
            if let Some(day) = day.and_then(|day| growth.days.get_mut(day)) {
                day.added = u64::try_from(n).unwrap_or_default();
            }
        }
        Ok(growth)
    }
}
