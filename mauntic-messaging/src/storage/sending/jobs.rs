use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    OrganizationId, SendJobId, StoreError, WorkerId, hour_of,
    storage::{Column, SqlType, to_micros},
};
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use super::rows::{JOB, job, job_values};
use crate::{
    sending::{Counts, SendJob, SendJobRef, SendRepository},
    storage::{SeaOrmUnitOfWork, hours::HourCount},
};

const COUNTS: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("job_id", SqlType::Uuid),
    ("name", SqlType::Text),
    ("n", SqlType::BigInt),
];

#[async_trait]
impl SendRepository for SeaOrmUnitOfWork {
    async fn insert_job(&mut self, job: &SendJob) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO send_job ({JOB}) VALUES
             ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
        );
        let statement = self.dialect.statement(sql, job_values(job));
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn find_job_for_update(
        &mut self,
        organization: OrganizationId,
        id: SendJobId,
    ) -> Result<Option<SendJob>, StoreError> {
        let sql = format!(
            "SELECT {JOB} FROM send_job WHERE organization_id = $1 AND id = $2{}",
            self.dialect.for_update()
        );
        let values = [organization.as_uuid().into(), id.as_uuid().into()];
        let row = self
            .txn
            .query_one_raw(self.dialect.statement(sql, values))
            .await?;
        row.as_ref().map(job).transpose()
    }

    async fn update_job(&mut self, job: &SendJob) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "UPDATE send_job SET email_id = $3, email_version_id = $4, segment_id = $5, lane = $6,
                 state = $7, scheduled_at = $8, plan_cursor = $9, planned = $10, started_at = $11,
                 finished_at = $12, note = $13, created_at = $14, local_time = $15, local_zone = $16,
                 made_by = $17
             WHERE organization_id = $1 AND id = $2",
            job_values(job),
        );
        match self.txn.execute_raw(statement).await?.rows_affected() {
            0 => Err(StoreError::Missing { what: "send" }),
            _ => Ok(()),
        }
    }

    async fn claim_job_to_plan(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
    ) -> Result<Option<SendJob>, StoreError> {
        let sql = format!(
            "WITH picked AS MATERIALIZED (
                 SELECT id AS picked_id FROM send_job
                 WHERE state IN ('scheduled', 'planning') AND finished_at IS NULL AND scheduled_at <= $2
                 AND plan_at <= $2 AND (planner IS NULL OR planner = $1
                      OR NOT EXISTS (SELECT 1 FROM worker w WHERE w.id = planner AND w.expires_at > $2))
                 ORDER BY plan_at, scheduled_at, id LIMIT 1{})
             UPDATE send_job SET planner = $1, state = 'planning', plan_at = $2
             WHERE id IN (SELECT picked_id FROM picked)
             RETURNING {JOB}",
            self.dialect.skip_locked()
        );
        let values = [worker.as_uuid().into(), to_micros(now).into()];
        let row = self
            .txn
            .query_one_raw(self.dialect.statement(sql, values))
            .await?;
        row.as_ref().map(job).transpose()
    }

    async fn postpone_plan(
        &mut self,
        job: &SendJobRef,
        until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "UPDATE send_job SET plan_at = $3 WHERE organization_id = $1 AND id = $2",
            [
                job.organization_id.as_uuid().into(),
                job.id.as_uuid().into(),
                to_micros(until).into(),
            ],
        );
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn count(
        &mut self,
        shard: i16,
        by: &Counts,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let rows = by.sends.iter().flat_map(|(job, tally)| {
            let entries = tally.entries().into_iter();
            entries.map(move |(name, n)| {
                json!({"organization_id": job.organization_id, "job_id": job.id, "name": name, "n": n})
            })
        });
        let rows: Vec<_> = rows.collect();
        if !rows.is_empty() {
            let sql = format!(
                "INSERT INTO send_count (organization_id, job_id, shard, name, n)
                 SELECT r.organization_id, r.job_id, $2, r.name, r.n FROM {} WHERE TRUE ORDER BY 1, 2, 4
                 ON CONFLICT (organization_id, job_id, shard, name) DO UPDATE SET n = send_count.n + excluded.n",
                self.dialect.rows(1, "r", COUNTS)
            );
            let values = [
                serde_json::Value::from(rows).to_string().into(),
                shard.into(),
            ];
            let statement = self.dialect.statement(sql, values);
            self.txn.execute_raw(statement).await?;
        }
        let mut hours = Vec::new();
        for (job, tally) in &by.sends {
            for (name, n) in [("accepted", tally.accepted), ("refused", tally.refused)] {
                if n != 0 {
                    hours.push(HourCount {
                        organization_id: job.organization_id,
                        hour: hour_of(now),
                        name,
                        machine: false,
                        n,
                    });
                }
            }
        }
        self.count_hours(shard, hours.into_iter()).await?;
        self.count_domains(shard, &by.domains).await
    }
}
