//! Writes a page of the audience.

use chrono::{DateTime, Utc};
use mauntic_core::{
    EmailAddress, StoreError,
    storage::{Column, SqlType, to_micros},
};
use serde_json::json;

use crate::{
    sending::{Counts, DomainRef, PlannedDelivery, SendJob, SendJobRef, SkipReason},
    storage::{SeaOrmUnitOfWork, sending::rows::lane_name},
    suppression::address_hash,
};

const PLAN: &[Column] = &[
    ("id", SqlType::Uuid),
    ("contact_id", SqlType::Uuid),
    ("address", SqlType::Text),
    ("address_hash", SqlType::Text),
    ("reason", SqlType::Text),
    ("not_before", SqlType::BigInt),
];

impl SeaOrmUnitOfWork {
    /// Does what [`Ledger::plan`](crate::sending::Ledger::plan) says.
    pub(super) async fn write_plan(
        &self,
        job: &SendJob,
        page: &[PlannedDelivery],
        now: DateTime<Utc>,
    ) -> Result<Counts, StoreError> {
        let rows = page.iter().map(|row| {
            json!({"id": row.id, "contact_id": row.contact_id,
                "address": row.address.as_ref().map(EmailAddress::as_str),
                "address_hash": row.address.as_ref().map(|address| address_hash(&address.key())),
                "reason": row.skip.map(SkipReason::as_str),
                "not_before": row.not_before.map_or(0, to_micros)})
        });
        let rows = rows.collect::<serde_json::Value>().to_string();
        let sql = format!(
            "INSERT INTO delivery (organization_id, id, job_id, email_id, email_version_id, contact_id,
                 channel, occurrence, lane, address, address_hash, state, skip_reason, deferrals,
                 next_attempt_at, updated_at)
             SELECT $2, q.id, $3, $4, $5, q.contact_id, 'email', '', $6, q.address, q.address_hash,
                 CASE WHEN q.reason IS NULL THEN 'planned' ELSE 'skipped' END, q.reason, 0, q.not_before, $7
             FROM (SELECT r.id, r.contact_id, r.address, r.address_hash, r.not_before, CASE
                 WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.organization_id = $2
                     AND d.contact_id = r.contact_id AND d.email_id = $4 AND d.channel = 'email'
                     AND d.occurrence = '' AND d.state <> 'skipped') THEN 'already_sent'
                 WHEN r.reason IS NOT NULL THEN r.reason
                 WHEN EXISTS (SELECT 1 FROM suppression s WHERE s.organization_id = $2
                     AND s.address_hash = r.address_hash) THEN 'suppressed'
                 WHEN EXISTS (SELECT 1 FROM list_exit x WHERE x.organization_id = $2
                     AND x.address_hash = r.address_hash AND x.segment_id = $8) THEN 'left_list'
                 WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.organization_id = $2 AND d.job_id = $3
                     AND d.address_hash = r.address_hash AND d.state <> 'skipped') THEN 'duplicate_address'
                 END AS reason FROM {}) q
             WHERE COALESCE(q.reason, '') <> 'already_sent' ORDER BY q.id
             ON CONFLICT DO NOTHING RETURNING skip_reason, address",
            self.dialect.rows(1, "r", PLAN)
        );
        let values = [
            rows.into(),
            job.organization_id.as_uuid().into(),
            job.id.as_uuid().into(),
            job.email_id.as_uuid().into(),
            job.email_version_id.as_uuid().into(),
            lane_name(job.lane).into(),
            to_micros(now).into(),
            job.segment_id.as_uuid().into(),
        ];
        let written = self.query(sql, values).await?;
        let name = SendJobRef::from(job);
        let mut counts = Counts::default();
        for row in &written {
            let reason: Option<String> = row.try_get("", "skip_reason")?;
            let address: Option<String> = row.try_get("", "address")?;
            let domain = address
                .as_deref()
                .and_then(|address| address.rsplit_once('@'));
            let at = DomainRef {
                organization_id: job.organization_id,
                email_id: job.email_id,
                domain: domain.map_or("", |(_, domain)| domain).to_owned(),
            };
            let reason = reason.as_deref().and_then(SkipReason::from_name);
            counts.plan(name, at, reason);
        }
        let unwritten = i64::try_from(page.len() - written.len()).unwrap_or(i64::MAX);
        if unwritten > 0 {
            let tally = counts.sends.entry(name).or_default();
            tally.skip(SkipReason::AlreadySent, unwritten);
        }
        Ok(counts)
    }
}
