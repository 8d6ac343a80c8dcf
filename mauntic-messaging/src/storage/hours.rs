//! Counters by the hour: what a dashboard shows is added up from these, never from the ledger or from hits.

use mauntic_core::{
    Day, OrganizationId, StoreError,
    storage::{Column, SqlType},
};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use super::{SeaOrmMessagingStore, SeaOrmUnitOfWork, sql::Row as _};
use crate::tracking::DayActivity;

/// What to add to a counter.
pub(super) struct HourCount {
    pub(super) organization_id: OrganizationId,
    pub(super) hour: i64,
    pub(super) name: &'static str,
    pub(super) machine: bool,
    pub(super) n: i64,
}

const COUNTS: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("hour", SqlType::BigInt),
    ("name", SqlType::Text),
    ("machine", SqlType::Boolean),
    ("n", SqlType::BigInt),
];
const DAYS: &[Column] = &[
    ("day", SqlType::BigInt),
    ("first_hour", SqlType::BigInt),
    ("end_hour", SqlType::BigInt),
];

impl SeaOrmUnitOfWork {
    /// Adds to counters. Changes with different shards do not wait for each other.
    pub(super) async fn count_hours(
        &mut self,
        shard: i16,
        counts: impl Iterator<Item = HourCount>,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = counts
            .map(|count| {
                json!({
                    "organization_id": count.organization_id, "hour": count.hour, "name": count.name,
                    "machine": count.machine, "n": count.n,
                })
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO hour_count (organization_id, hour, name, machine, shard, n)
             SELECT organization_id, hour, name, machine, $2, SUM(n) FROM {} WHERE TRUE
             GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
             ON CONFLICT (organization_id, hour, name, machine, shard) DO UPDATE SET n = hour_count.n + excluded.n",
            self.dialect.rows(1, "r", COUNTS)
        );
        let values = [Value::from(rows).to_string().into(), shard.into()];
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        Ok(())
    }
}

impl SeaOrmMessagingStore {
    /// Adds the counters up to days.
    pub(super) async fn day_activity(
        &self,
        organization: OrganizationId,
        days: &[Day],
    ) -> Result<Vec<DayActivity>, StoreError> {
        let mut activity: Vec<_> = days
            .iter()
            .map(|day| DayActivity {
                date: day.date,
                ..DayActivity::default()
            })
            .collect();
        let rows: Value = (0_i64..)
            .zip(days)
            .map(|(number, day)| json!({"day": number, "first_hour": day.first_hour, "end_hour": day.end_hour}))
            .collect();
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT r.day AS day, c.name AS name, c.machine AS machine, CAST(SUM(c.n) AS BIGINT) AS n
             FROM {} CROSS JOIN hour_count c
             WHERE c.organization_id = $2 AND c.hour >= r.first_hour AND c.hour < r.end_hour
             GROUP BY r.day, c.name, c.machine",
            dialect.rows(1, "r", DAYS)
        );
        let values = [rows.to_string().into(), organization.as_uuid().into()];
        let statement = dialect.statement(sql, values);
        for row in self.db.reader().query_all_raw(statement).await? {
            let day: i64 = row.try_get("", "day")?;
            let Some(day) = usize::try_from(day)
                .ok()
                .and_then(|day| activity.get_mut(day))
            else {
                continue;
            };
            // What was accepted and turns out to be refused in another hour may leave less than nothing.
            let n: i64 = row.try_get("", "n")?;
            let n = u64::try_from(n).unwrap_or_default();
            let machine = row.try_get("", "machine")?;
            match row.text("name")?.as_str() {
                "accepted" => day.accepted = n,
                "refused" => day.refused = n,
                "opened" => *day.opened.side(machine) = n,
                "clicked" => *day.clicked.side(machine) = n,
                "unsubscribed" => *day.unsubscribed.side(machine) = n,
                _ => return Err(StoreError::corrupt("counter", "an unknown name")),
            }
        }
        Ok(activity)
    }
}
