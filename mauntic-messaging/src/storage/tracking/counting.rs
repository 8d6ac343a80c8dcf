use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    DeliveryId, OrganizationId, StoreError,
    storage::{Column, SqlType, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult};
use serde_json::{Value, json};

use super::{DELIVERIES, HIT_COLUMNS, delivery_rows, hit, insert_hits, link};
use crate::{
    sending::{DomainRef, DomainTally},
    storage::{SeaOrmUnitOfWork, hours::HourCount, sql::Row as _},
    tracking::{
        Addressee, EarlierClick, EmailCount, Engaged, Firsts, FollowedLink, Hit, HitKind,
        LinkCount, Metric, Settled, TrackingRepository,
    },
};

const SETTLED: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("delivery_id", SqlType::Uuid),
    ("id", SqlType::Uuid),
    ("machine", SqlType::Boolean),
    ("reasons", SqlType::Json),
];
const FIRSTS: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("delivery_id", SqlType::Uuid),
    ("machine_open_at", SqlType::BigInt),
    ("human_open_at", SqlType::BigInt),
    ("machine_click_at", SqlType::BigInt),
    ("human_click_at", SqlType::BigInt),
    ("unsubscribed_at", SqlType::BigInt),
];
const EMAIL_COUNT: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("email_id", SqlType::Uuid),
    ("metric", SqlType::Text),
    ("machine", SqlType::Boolean),
    ("n", SqlType::BigInt),
];
const FOLLOWED: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("delivery_id", SqlType::Uuid),
    ("link", SqlType::BigInt),
    ("machine", SqlType::Boolean),
    ("version_id", SqlType::Uuid),
    ("at", SqlType::BigInt),
];
const LINK_COUNT: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("email_id", SqlType::Uuid),
    ("version_id", SqlType::Uuid),
    ("link", SqlType::BigInt),
    ("machine", SqlType::Boolean),
    ("clicks", SqlType::BigInt),
    ("clicked", SqlType::BigInt),
];

impl SeaOrmUnitOfWork {
    /// Runs a statement over rows that it takes as its only parameter.
    async fn with_rows(&mut self, sql: String, rows: Vec<Value>) -> Result<(), StoreError> {
        if !rows.is_empty() {
            let rows = Value::from(rows).to_string();
            let statement = self.dialect.statement(sql, [rows.into()]);
            self.txn.execute_raw(statement).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl TrackingRepository for SeaOrmUnitOfWork {
    async fn append_counted(&mut self, hits: &[Hit]) -> Result<(), StoreError> {
        self.txn
            .execute_raw(insert_hits(self.dialect, hits, true))
            .await?;
        Ok(())
    }

    async fn take_uncounted(
        &mut self,
        before: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<Hit>, StoreError> {
        let sql = format!(
            "SELECT {HIT_COLUMNS} FROM hit WHERE NOT counted AND at <= $1 ORDER BY at LIMIT {limit}{}",
            self.dialect.skip_locked()
        );
        let statement = self.dialect.statement(sql, [to_micros(before).into()]);
        let rows = self.txn.query_all_raw(statement).await?;
        rows.iter().map(hit).collect()
    }

    async fn engaged(
        &mut self,
        deliveries: &[(OrganizationId, DeliveryId)],
    ) -> Result<Vec<Engaged>, StoreError> {
        let rows = self.dialect.rows(1, "r", DELIVERIES);
        // Sorted, so that two projectors never wait for each other in a circle.
        let make = format!(
            "INSERT INTO delivery_engagement (organization_id, delivery_id, email_id, contact_id)
             SELECT d.organization_id, d.id, d.email_id, d.contact_id
             FROM {rows} JOIN delivery d
             ON d.organization_id = r.organization_id AND d.id = r.delivery_id
             WHERE TRUE ORDER BY d.organization_id, d.id ON CONFLICT DO NOTHING"
        );
        let statement = self.dialect.statement(make, [delivery_rows(deliveries)]);
        self.txn.execute_raw(statement).await?;
        let lock = format!(
            "SELECT e.*, (SELECT CASE WHEN d.state = 'accepted' THEN d.updated_at
                          ELSE d.first_attempt_at END FROM delivery d
                          WHERE d.organization_id = e.organization_id AND d.id = e.delivery_id)
                AS accepted_at,
                (SELECT d.address FROM delivery d
                 WHERE d.organization_id = e.organization_id AND d.id = e.delivery_id) AS address
             FROM delivery_engagement e WHERE (e.organization_id, e.delivery_id) IN
                (SELECT r.organization_id, r.delivery_id FROM {rows})
             ORDER BY e.organization_id, e.delivery_id{}",
            self.dialect.for_update()
        );
        let statement = self.dialect.statement(lock, [delivery_rows(deliveries)]);
        let rows = self.txn.query_all_raw(statement).await?;
        rows.iter().map(engaged).collect()
    }

    async fn earlier_clicks(
        &mut self,
        deliveries: &[(OrganizationId, DeliveryId)],
    ) -> Result<Vec<EarlierClick>, StoreError> {
        let sql = format!(
            "SELECT organization_id, delivery_id, link, machine, MAX(at) AS last_at FROM (
                 SELECT h.organization_id, h.delivery_id, h.link, h.machine, h.at
                 FROM {rows} CROSS JOIN hit h
                 WHERE h.organization_id = r.organization_id AND h.delivery_id = r.delivery_id
                 AND h.counted AND h.kind = {} AND h.link IS NOT NULL
                 UNION ALL
                 SELECT f.organization_id, f.delivery_id, f.link, f.machine, f.at
                 FROM {rows} CROSS JOIN followed_link f
                 WHERE f.organization_id = r.organization_id AND f.delivery_id = r.delivery_id
             ) AS clicks GROUP BY organization_id, delivery_id, link, machine",
            HitKind::Click.code(),
            rows = self.dialect.rows(1, "r", DELIVERIES),
        );
        let statement = self.dialect.statement(sql, [delivery_rows(deliveries)]);
        let rows = self.txn.query_all_raw(statement).await?;
        rows.iter().map(earlier_click).collect()
    }

    async fn settle(&mut self, hits: &[Settled]) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE hit SET counted = TRUE, machine = r.machine, reasons = r.reasons FROM {}
             WHERE hit.organization_id = r.organization_id AND hit.delivery_id = r.delivery_id
             AND hit.id = r.id",
            self.dialect.rows(1, "r", SETTLED)
        );
        let rows = hits.iter().map(|settled| {
            json!({
                "organization_id": settled.hit.organization_id,
                "delivery_id": settled.hit.delivery_id,
                "id": settled.hit.id,
                "machine": !settled.reasons.is_empty(),
                "reasons": settled.reasons,
            })
        });
        self.with_rows(sql, rows.collect()).await
    }

    async fn update_firsts(&mut self, engaged: &[Engaged]) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE delivery_engagement SET
                machine_open_at = r.machine_open_at, human_open_at = r.human_open_at,
                machine_click_at = r.machine_click_at, human_click_at = r.human_click_at,
                unsubscribed_at = r.unsubscribed_at FROM {}
             WHERE delivery_engagement.organization_id = r.organization_id
             AND delivery_engagement.delivery_id = r.delivery_id",
            self.dialect.rows(1, "r", FIRSTS)
        );
        let rows = engaged.iter().map(|one| {
            let Firsts {
                machine_open,
                human_open,
                machine_click,
                human_click,
                unsubscribe,
            } = one.firsts;
            json!({
                "organization_id": one.organization_id,
                "delivery_id": one.delivery_id,
                "machine_open_at": machine_open.map(to_micros),
                "human_open_at": human_open.map(to_micros),
                "machine_click_at": machine_click.map(to_micros),
                "human_click_at": human_click.map(to_micros),
                "unsubscribed_at": unsubscribe.map(to_micros),
            })
        });
        self.with_rows(sql, rows.collect()).await
    }

    async fn count(&mut self, counts: &[EmailCount]) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO email_stat (organization_id, email_id, metric, machine, n)
             SELECT organization_id, email_id, metric, machine, SUM(n) FROM {} WHERE TRUE
             GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
             ON CONFLICT (organization_id, email_id, metric, machine)
             DO UPDATE SET n = email_stat.n + excluded.n",
            self.dialect.rows(1, "r", EMAIL_COUNT)
        );
        let rows = counts.iter().map(|count| {
            json!({
                "organization_id": count.organization_id,
                "email_id": count.email_id,
                "metric": count.metric.as_str(),
                "machine": count.machine,
                "n": count.n,
            })
        });
        self.with_rows(sql, rows.collect()).await?;
        let firsts = counts.iter().filter(|count| {
            matches!(
                count.metric,
                Metric::Opened | Metric::Clicked | Metric::Unsubscribed
            )
        });
        let hours = firsts.map(|count| HourCount {
            organization_id: count.organization_id,
            hour: count.hour,
            name: count.metric.as_str(),
            machine: count.machine,
            n: count.n,
        });
        // Projectors wait for each other at the emails already.
        self.count_hours(0, hours).await
    }

    async fn count_links(&mut self, counts: &[LinkCount]) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO link_stat (organization_id, email_id, version_id, link, machine, clicks, clicked)
             SELECT organization_id, email_id, version_id, link, machine, clicks, clicked
             FROM {} WHERE TRUE ORDER BY 1, 2, 3, 4, 5
             ON CONFLICT (organization_id, email_id, version_id, link, machine) DO UPDATE
             SET clicks = link_stat.clicks + excluded.clicks, clicked = link_stat.clicked + excluded.clicked",
            self.dialect.rows(1, "r", LINK_COUNT)
        );
        let rows = counts.iter().map(|count| {
            json!({
                "organization_id": count.organization_id,
                "email_id": count.email_id,
                "version_id": count.version_id,
                "link": count.link,
                "machine": count.machine,
                "clicks": count.clicks,
                "clicked": count.clicked,
            })
        });
        self.with_rows(sql, rows.collect()).await
    }

    async fn keep_followed(&mut self, followed: &[FollowedLink]) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO followed_link (organization_id, delivery_id, link, machine, version_id, at)
             SELECT organization_id, delivery_id, link, machine, version_id, at
             FROM {} WHERE TRUE ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING",
            self.dialect.rows(1, "r", FOLLOWED)
        );
        let rows = followed.iter().map(|one| {
            json!({
                "organization_id": one.organization_id,
                "delivery_id": one.delivery_id,
                "link": one.link,
                "machine": one.machine,
                "version_id": one.version_id,
                "at": to_micros(one.at),
            })
        });
        self.with_rows(sql, rows.collect()).await
    }

    async fn count_at_domains(
        &mut self,
        counts: &BTreeMap<DomainRef, DomainTally>,
    ) -> Result<(), StoreError> {
        self.count_domains(0, counts).await
    }

    async fn addressee_of(
        &mut self,
        organization: OrganizationId,
        delivery: DeliveryId,
    ) -> Result<Option<Addressee>, StoreError> {
        let statement = self.dialect.statement(
            "SELECT address, address_hash FROM delivery
             WHERE organization_id = $1 AND id = $2 AND address_hash IS NOT NULL",
            [organization.as_uuid().into(), delivery.as_uuid().into()],
        );
        let Some(row) = self.txn.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let address = row.find_text("address")?;
        Ok(Some(Addressee {
            hash: row.text("address_hash")?,
            address: address
                .map(|address| address.parse())
                .transpose()
                .map_err(|error| StoreError::corrupt("delivery", error))?,
        }))
    }
}

fn engaged(row: &QueryResult) -> Result<Engaged, StoreError> {
    let address = row.find_text("address")?.unwrap_or_default();
    Ok(Engaged {
        organization_id: row.id("organization_id")?,
        delivery_id: row.id("delivery_id")?,
        email_id: row.id("email_id")?,
        contact_id: row.id("contact_id")?,
        domain: address
            .rsplit_once('@')
            .map_or_else(String::new, |(_, domain)| domain.to_owned()),
        accepted_at: row.find_instant("accepted_at")?,
        firsts: Firsts {
            machine_open: row.find_instant("machine_open_at")?,
            human_open: row.find_instant("human_open_at")?,
            machine_click: row.find_instant("machine_click_at")?,
            human_click: row.find_instant("human_click_at")?,
            unsubscribe: row.find_instant("unsubscribed_at")?,
        },
    })
}

fn earlier_click(row: &QueryResult) -> Result<EarlierClick, StoreError> {
    Ok(EarlierClick {
        organization_id: row.id("organization_id")?,
        delivery_id: row.id("delivery_id")?,
        link: link(row)?.unwrap_or_default(),
        machine: row.try_get("", "machine")?,
        last_at: row.instant("last_at")?,
    })
}
