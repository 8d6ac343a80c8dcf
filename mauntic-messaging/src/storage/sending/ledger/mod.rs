//! The ledger of deliveries. Here a message goes from a lease to its outcome; how a page of the audience is planned, and what
//! becomes of deliveries to contacts that are merged or deleted, have files of their own.

mod contacts;
mod plan;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, EmailAddress, OrganizationId, StoreError, WorkerId,
    storage::{Column, SqlType, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult, Value};
use serde_json::json;

use super::rows::{CHANGED, DELIVERY, REFS, changed, delivery, delivery_ref, refs};
use crate::{
    sending::{
        Changed, Counts, Delivery, DeliveryRef, DeliveryState, Ledger, LeftOut, PlannedDelivery,
        Report, SendJob, SendJobRef, SkipReason, Withheld,
    },
    storage::SeaOrmUnitOfWork,
    suppression::address_hash,
};

const GIVEN_BACK: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("id", SqlType::Uuid),
    ("at", SqlType::BigInt),
];
const SKIPPED: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("id", SqlType::Uuid),
    ("reason", SqlType::Text),
    ("detail", SqlType::Text),
];
const SETTLED: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("id", SqlType::Uuid),
    ("state", SqlType::Text),
    ("class", SqlType::Text),
    ("reply", SqlType::Text),
    ("deferred", SqlType::BigInt),
    ("at", SqlType::BigInt),
];

/// Where a delivery waits, by whether a host refused it for now before.
const WAITING: &str = "CASE WHEN deferrals > 0 THEN 'deferred' ELSE 'planned' END";
/// A row `r` of a set is the delivery.
const IS_ROW: &str = "delivery.organization_id = r.organization_id AND delivery.id = r.id";
/// The worker `$2` has the delivery. Written so that no database looks for it by the index of what workers hold, which
/// is full of what they held before: the row is found by its key.
const IS_MINE: &str = "(delivery.worker_id = $2) IS TRUE";
/// The address of the delivery is on the suppression list.
const IS_SUPPRESSED: &str = "EXISTS (SELECT 1 FROM suppression s
     WHERE s.organization_id = delivery.organization_id AND s.address_hash = delivery.address_hash)";
/// The address of the delivery left the mailing list that the send goes to.
const LEFT_LIST: &str = "EXISTS (SELECT 1 FROM list_exit x JOIN send_job j
         ON j.organization_id = x.organization_id AND j.segment_id = x.segment_id
     WHERE x.organization_id = delivery.organization_id AND x.address_hash = delivery.address_hash
     AND j.id = delivery.job_id)";
/// The send of the delivery is running.
const IS_RUNNING: &str =
    "EXISTS (SELECT 1 FROM send_job j WHERE j.organization_id = delivery.organization_id
     AND j.id = delivery.job_id AND j.state IN ('planning', 'sending'))";

impl SeaOrmUnitOfWork {
    async fn execute<const N: usize>(
        &self,
        sql: String,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        let statement = self.dialect.statement(sql, values);
        Ok(self.txn.execute_raw(statement).await?.rows_affected())
    }

    async fn query<const N: usize>(
        &self,
        sql: String,
        values: [Value; N],
    ) -> Result<Vec<QueryResult>, StoreError> {
        let statement = self.dialect.statement(sql, values);
        Ok(self.txn.query_all_raw(statement).await?)
    }

    /// Reads deliveries that are about to change.
    async fn changing<const N: usize>(
        &self,
        sql: String,
        values: [Value; N],
    ) -> Result<Vec<Changed>, StoreError> {
        let rows = self.query(sql, values).await?;
        rows.iter().map(changed).collect()
    }

    /// Leaves deliveries out that wait, all for one reason.
    async fn leave_out(
        &self,
        deliveries: &[Changed],
        reason: SkipReason,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let names: Vec<_> = deliveries.iter().map(|changed| changed.delivery).collect();
        let reason = reason.as_str();
        let sql = format!(
            "UPDATE delivery SET state = 'skipped', skip_reason = '{reason}', updated_at = $2
             FROM {} WHERE {IS_ROW}",
            self.dialect.rows(1, "r", REFS)
        );
        self.execute(sql, [refs(&names), to_micros(now).into()])
            .await?;
        Ok(())
    }

    /// Reads deliveries of the set that the worker has in one of the states, and holds them. The
    /// order keeps two workers from waiting for each other.
    async fn hold(
        &self,
        worker: WorkerId,
        deliveries: &[DeliveryRef],
        states: &str,
    ) -> Result<Vec<Changed>, StoreError> {
        let sql = format!(
            "SELECT {CHANGED} FROM delivery d JOIN {}
                 ON d.organization_id = r.organization_id AND d.id = r.id
             WHERE d.worker_id = $2 AND d.state IN ({states}) ORDER BY d.id{}",
            self.dialect.rows(1, "r", REFS),
            self.dialect.for_update()
        );
        self.changing(sql, [refs(deliveries), worker.as_uuid().into()])
            .await
    }
}

#[async_trait]
impl Ledger for SeaOrmUnitOfWork {
    async fn plan(
        &mut self,
        job: &SendJob,
        page: &[PlannedDelivery],
        now: DateTime<Utc>,
    ) -> Result<Counts, StoreError> {
        self.write_plan(job, page, now).await
    }

    async fn lease(
        &mut self,
        job: &SendJobRef,
        worker: WorkerId,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Vec<Delivery>, StoreError> {
        // Nobody may clear up after this worker before the leases are committed.
        let alive = format!(
            "SELECT id FROM worker WHERE id = $1{}",
            self.dialect.for_key_share()
        );
        if self
            .query(alive, [worker.as_uuid().into()])
            .await?
            .is_empty()
        {
            return Ok(Vec::new());
        }
        let sql = format!(
            // Materialised: a plan that runs the selection again would lease more than the limit.
            "WITH picked AS MATERIALIZED (
                 SELECT id AS picked_id FROM delivery WHERE organization_id = $1 AND job_id = $2
                 AND state IN ('planned', 'deferred') AND next_attempt_at <= $4
                 ORDER BY next_attempt_at, id LIMIT {limit}{})
             UPDATE delivery SET state = 'leased', worker_id = $3, updated_at = $4
             WHERE organization_id = {} AND {}
             RETURNING {DELIVERY}",
            self.dialect.skip_locked(),
            self.dialect.unseen("$1"),
            self.dialect.among("id", "SELECT picked_id FROM picked")
        );
        let values = [
            job.organization_id.as_uuid().into(),
            job.id.as_uuid().into(),
            worker.as_uuid().into(),
            to_micros(now).into(),
        ];
        let rows = self.query(sql, values).await?;
        let mut leased = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
        leased.sort_by_key(|delivery| (delivery.next_attempt_at, delivery.id));
        Ok(leased)
    }

    async fn give_back(
        &mut self,
        worker: WorkerId,
        deliveries: &[(DeliveryRef, DateTime<Utc>)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let rows = deliveries.iter().map(|(delivery, at)| {
            json!({"organization_id": delivery.organization_id, "id": delivery.id,
                "at": to_micros(*at)})
        });
        let rows = rows.collect::<serde_json::Value>().to_string();
        let sql = format!(
            "UPDATE delivery SET state = {WAITING}, worker_id = NULL, next_attempt_at = r.at,
                 updated_at = $3
             FROM {} WHERE {IS_ROW} AND state = 'leased' AND {IS_MINE}",
            self.dialect.rows(1, "r", GIVEN_BACK)
        );
        let values = [rows.into(), worker.as_uuid().into(), to_micros(now).into()];
        self.execute(sql, values).await?;
        Ok(())
    }

    async fn skip(
        &mut self,
        worker: WorkerId,
        deliveries: &[LeftOut],
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        let names: Vec<_> = deliveries.iter().map(|one| one.delivery).collect();
        let held = self.hold(worker, &names, "'leased'").await?;
        let rows = deliveries.iter().map(|one| {
            json!({"organization_id": one.delivery.organization_id, "id": one.delivery.id,
                "reason": one.reason.as_str(), "detail": one.detail})
        });
        let rows = rows.collect::<serde_json::Value>().to_string();
        let sql = format!(
            "UPDATE delivery SET state = 'skipped', skip_reason = r.reason, updated_at = $3,
                 reply = COALESCE(r.detail, reply)
             FROM {} WHERE {IS_ROW} AND state = 'leased' AND {IS_MINE}",
            self.dialect.rows(1, "r", SKIPPED)
        );
        let values = [rows.into(), worker.as_uuid().into(), to_micros(now).into()];
        self.execute(sql, values).await?;
        Ok(held)
    }

    async fn readdress(
        &mut self,
        worker: WorkerId,
        delivery: DeliveryRef,
        address: &EmailAddress,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE delivery SET address = $4, address_hash = $5
             WHERE organization_id = $1 AND id = $2 AND worker_id = $3 AND state = 'leased'
             AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.organization_id = $1
                 AND o.job_id = delivery.job_id AND o.address_hash = $5
                 AND o.state <> 'skipped' AND o.id <> $2)";
        let values = [
            delivery.organization_id.as_uuid().into(),
            delivery.id.as_uuid().into(),
            worker.as_uuid().into(),
            address.as_str().into(),
            address_hash(&address.key()).into(),
        ];
        Ok(self.execute(sql.to_owned(), values).await? == 1)
    }

    async fn suppressed(
        &mut self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let rows = keys
            .iter()
            .map(|key| json!({"key": key, "hash": address_hash(key)}));
        let rows = rows.collect::<serde_json::Value>().to_string();
        let columns: &[Column] = &[("key", SqlType::Text), ("hash", SqlType::Text)];
        let sql = format!(
            "SELECT r.key FROM {} JOIN suppression s
                 ON s.organization_id = {} AND s.address_hash = r.hash",
            self.dialect.rows(1, "r", columns),
            self.dialect.unseen("$2")
        );
        let found = self
            .query(sql, [rows.into(), organization.as_uuid().into()])
            .await?;
        found
            .iter()
            .map(|row| Ok(row.try_get("", "key")?))
            .collect()
    }

    async fn grant(
        &mut self,
        worker: WorkerId,
        deliveries: &[DeliveryRef],
        now: DateTime<Utc>,
    ) -> Result<Vec<DeliveryRef>, StoreError> {
        let sql = format!(
            "UPDATE delivery SET state = 'handed_over',
                 first_attempt_at = COALESCE(first_attempt_at, $3), updated_at = $3
             FROM {} WHERE {IS_ROW} AND state = 'leased' AND {IS_MINE}
             AND {IS_RUNNING} AND NOT {IS_SUPPRESSED} AND NOT {LEFT_LIST}
             RETURNING delivery.organization_id AS organization_id, delivery.id AS id",
            self.dialect.rows(1, "r", REFS)
        );
        let values = [
            refs(deliveries),
            worker.as_uuid().into(),
            to_micros(now).into(),
        ];
        let granted = self.query(sql, values).await?;
        granted.iter().map(delivery_ref).collect()
    }

    async fn withheld(
        &mut self,
        worker: WorkerId,
        deliveries: &[DeliveryRef],
    ) -> Result<Vec<Withheld>, StoreError> {
        let sql = format!(
            "SELECT delivery.organization_id AS organization_id, delivery.id AS id,
                 {IS_SUPPRESSED} AS suppressed, {LEFT_LIST} AS left_list
             FROM delivery JOIN {} ON {IS_ROW} WHERE {IS_MINE} AND state = 'leased'",
            self.dialect.rows(1, "r", REFS)
        );
        let rows = self
            .query(sql, [refs(deliveries), worker.as_uuid().into()])
            .await?;
        rows.iter()
            .map(|row| {
                let name = delivery_ref(row)?;
                let suppressed: bool = row.try_get("", "suppressed")?;
                let left_list: bool = row.try_get("", "left_list")?;
                Ok(match (suppressed, left_list) {
                    (true, _) => Withheld::Suppressed(name),
                    (false, true) => Withheld::LeftList(name),
                    (false, false) => Withheld::Stopped(name),
                })
            })
            .collect()
    }

    async fn settle(
        &mut self,
        worker: WorkerId,
        reports: &[Report],
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        let names: Vec<_> = reports.iter().map(|report| report.delivery).collect();
        let mut held = self
            .hold(worker, &names, "'handed_over', 'unknown'")
            .await?;
        held.retain(|changed| {
            let report = reports.iter().find(|r| r.delivery == changed.delivery);
            report.is_some_and(|report| changed.from.may_become(report.outcome.state))
        });
        let rows = held.iter().filter_map(|changed| {
            let report = reports.iter().find(|r| r.delivery == changed.delivery)?;
            let outcome = &report.outcome;
            Some(json!({
                "organization_id": changed.delivery.organization_id, "id": changed.delivery.id,
                "state": waiting_as(outcome.state, changed.deferrals).as_str(),
                "class": outcome.class.map(crate::sending::BounceClass::as_str),
                "reply": outcome.reply,
                "deferred": i64::from(outcome.state == DeliveryState::Deferred),
                "at": outcome.retry_at.map_or(0, to_micros),
            }))
        });
        let rows = rows.collect::<serde_json::Value>().to_string();
        let sql = format!(
            // What never reached the mail server is not tried yet: the recipient's time does not run. What is said of
            // somebody whose address is forgotten is not kept.
            "UPDATE delivery SET state = r.state, bounce_class = r.class,
                 reply = CASE WHEN address IS NULL THEN NULL ELSE r.reply END,
                 deferrals = deferrals + r.deferred, next_attempt_at = r.at, updated_at = $2,
                 first_attempt_at = CASE WHEN r.state = 'planned' THEN NULL ELSE first_attempt_at END
             FROM {} WHERE {IS_ROW}",
            self.dialect.rows(1, "r", SETTLED)
        );
        self.execute(sql, [rows.into(), to_micros(now).into()])
            .await?;
        Ok(held)
    }

    async fn abandon(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        let values = || [worker.as_uuid().into(), to_micros(now).into()];
        let free = format!(
            "UPDATE delivery SET state = {WAITING}, worker_id = NULL, updated_at = $2
             WHERE worker_id = $1 AND state = 'leased'"
        );
        self.execute(free, values()).await?;
        let open = format!(
            "SELECT {CHANGED} FROM delivery d WHERE d.worker_id = $1 AND d.state = 'handed_over'
             ORDER BY d.id{}",
            self.dialect.for_update()
        );
        let open = self.changing(open, [worker.as_uuid().into()]).await?;
        let mark = format!(
            "UPDATE delivery SET updated_at = $2, reply = 'the worker was lost during the hand-over',
                 state = CASE WHEN lane = 'transactional' THEN {WAITING} ELSE 'unknown' END
             WHERE worker_id = $1 AND state = 'handed_over'"
        );
        self.execute(mark, values()).await?;
        Ok(open)
    }

    async fn cancel_waiting(
        &mut self,
        job: &SendJobRef,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        let pick = format!(
            "SELECT {CHANGED} FROM delivery d WHERE d.organization_id = $1 AND d.job_id = $2
             AND d.state IN ('planned', 'deferred') ORDER BY d.next_attempt_at, d.id LIMIT {limit}{}",
            self.dialect.for_update()
        );
        let values = [
            job.organization_id.as_uuid().into(),
            job.id.as_uuid().into(),
        ];
        let waiting = self.changing(pick, values).await?;
        self.leave_out(&waiting, SkipReason::Cancelled, now).await?;
        Ok(waiting)
    }

    async fn has_open(&mut self, job: &SendJobRef) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM delivery WHERE organization_id = $1 AND job_id = $2
             AND state IN ('planned', 'deferred', 'leased', 'handed_over') LIMIT 1";
        let values = [
            job.organization_id.as_uuid().into(),
            job.id.as_uuid().into(),
        ];
        Ok(!self.query(sql.to_owned(), values).await?.is_empty())
    }

    async fn retry_unknown(
        &mut self,
        job: &SendJobRef,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        let pick = format!(
            "SELECT {CHANGED} FROM delivery d WHERE d.organization_id = $1 AND d.job_id = $2
             AND d.state = 'unknown' ORDER BY d.id{}",
            self.dialect.for_update()
        );
        let values = [
            job.organization_id.as_uuid().into(),
            job.id.as_uuid().into(),
        ];
        let unknown = self.changing(pick, values).await?;
        let names: Vec<_> = unknown.iter().map(|changed| changed.delivery).collect();
        let sql = format!(
            "UPDATE delivery SET state = {WAITING}, worker_id = NULL, next_attempt_at = 0,
                 updated_at = $2
             FROM {} WHERE {IS_ROW}",
            self.dialect.rows(1, "r", REFS)
        );
        self.execute(sql, [refs(&names), to_micros(now).into()])
            .await?;
        Ok(unknown)
    }

    async fn move_to(
        &mut self,
        organization: OrganizationId,
        from: ContactId,
        to: ContactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        self.move_deliveries(organization, from, to, now).await
    }

    async fn forget(
        &mut self,
        organization: OrganizationId,
        contacts: &[ContactId],
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        self.forget_addressees(organization, contacts, now).await
    }
}

/// A delivery that is to be sent again waits as deferred if a host refused it for now before.
fn waiting_as(state: DeliveryState, deferrals: u32) -> DeliveryState {
    match state {
        DeliveryState::Planned if deferrals > 0 => DeliveryState::Deferred,
        state => state,
    }
}
