use mauntic_core::{
    EmailAddress, Principal, StoreError,
    storage::{Column, SqlType, to_micros},
};
use sea_orm::{QueryResult, Value};
use serde_json::json;

use crate::{
    sending::{
        Changed, Delivery, DeliveryRef, DeliveryState, Lane, LocalTime, SendJob, SendJobRef,
        SkipReason,
    },
    storage::sql::Row as _,
};

/// A set of deliveries as a JSON parameter.
pub(super) const REFS: &[Column] = &[("organization_id", SqlType::Uuid), ("id", SqlType::Uuid)];

pub(super) fn refs(deliveries: &[DeliveryRef]) -> Value {
    let rows = deliveries
        .iter()
        .map(|delivery| json!({"organization_id": delivery.organization_id, "id": delivery.id}));
    rows.collect::<serde_json::Value>().to_string().into()
}

pub(super) fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Bulk => "bulk",
        Lane::Transactional => "transactional",
    }
}

fn lane(what: &'static str, name: &str) -> Result<Lane, StoreError> {
    match name {
        "bulk" => Ok(Lane::Bulk),
        "transactional" => Ok(Lane::Transactional),
        _ => Err(StoreError::corrupt(what, "lane")),
    }
}

pub(super) const JOB: &str = "organization_id, id, email_id, email_version_id, segment_id, lane, \
     state, scheduled_at, plan_cursor, planned, started_at, finished_at, note, created_at, local_time, local_zone, made_by";

pub(super) fn job(row: &QueryResult) -> Result<SendJob, StoreError> {
    const WHAT: &str = "send";
    let state: String = row.try_get("", "state")?;
    Ok(SendJob {
        id: row.id("id")?,
        organization_id: row.id("organization_id")?,
        email_id: row.id("email_id")?,
        email_version_id: row.id("email_version_id")?,
        segment_id: row.id("segment_id")?,
        lane: lane(WHAT, &row.try_get::<String>("", "lane")?)?,
        state: state
            .parse()
            .map_err(|error| StoreError::corrupt(WHAT, error))?,
        scheduled_at: row.instant("scheduled_at")?,
        local_time: local_time(row)?,
        plan_cursor: row.find_id("plan_cursor")?,
        planned: row.try_get("", "planned")?,
        started_at: row.find_instant("started_at")?,
        finished_at: row.find_instant("finished_at")?,
        note: row.try_get("", "note")?,
        created_at: row.instant("created_at")?,
        made_by: made_by(row)?,
    })
}

fn made_by(row: &QueryResult) -> Result<Option<Principal>, StoreError> {
    let text: Option<String> = row.try_get("", "made_by")?;
    let made_by = text.map(|text| text.parse()).transpose();
    made_by.map_err(|error| StoreError::corrupt("send", error))
}

/// What the clocks of recipients show is kept as if it were UTC.
fn local_time(row: &QueryResult) -> Result<Option<LocalTime>, StoreError> {
    let Some(time) = row.find_instant("local_time")? else {
        return Ok(None);
    };
    let fallback = row.text("local_zone")?.parse();
    Ok(Some(LocalTime {
        time: time.naive_utc(),
        fallback: fallback.map_err(|error| StoreError::corrupt("send", error))?,
    }))
}

/// The values of a send in the order of [`JOB`].
pub(super) fn job_values(job: &SendJob) -> Vec<Value> {
    let local = job.local_time.as_ref();
    vec![
        job.organization_id.as_uuid().into(),
        job.id.as_uuid().into(),
        job.email_id.as_uuid().into(),
        job.email_version_id.as_uuid().into(),
        job.segment_id.as_uuid().into(),
        lane_name(job.lane).into(),
        job.state.as_str().into(),
        to_micros(job.scheduled_at).into(),
        job.plan_cursor.map(|id| id.as_uuid()).into(),
        job.planned.into(),
        job.started_at.map(to_micros).into(),
        job.finished_at.map(to_micros).into(),
        job.note.clone().into(),
        to_micros(job.created_at).into(),
        local.map(|local| to_micros(local.time.and_utc())).into(),
        local.map(|local| local.fallback.to_string()).into(),
        job.made_by.map(|by| by.to_string()).into(),
    ]
}

pub(super) const DELIVERY: &str = "organization_id, id, job_id, email_id, email_version_id, contact_id, lane, \
     address, address_hash, state, skip_reason, deferrals, first_attempt_at, next_attempt_at, reply, updated_at";

const WHAT: &str = "delivery";

fn address(row: &QueryResult) -> Result<Option<EmailAddress>, StoreError> {
    let address: Option<String> = row.try_get("", "address")?;
    address
        .map(|address| address.parse())
        .transpose()
        .map_err(|error| StoreError::corrupt(WHAT, error))
}

fn state(row: &QueryResult) -> Result<DeliveryState, StoreError> {
    row.try_get::<String>("", "state")?
        .parse()
        .map_err(|error| StoreError::corrupt(WHAT, error))
}

fn deferrals(row: &QueryResult) -> Result<u32, StoreError> {
    u32::try_from(row.try_get::<i64>("", "deferrals")?)
        .map_err(|error| StoreError::corrupt(WHAT, error))
}

pub(super) fn delivery_ref(row: &QueryResult) -> Result<DeliveryRef, StoreError> {
    Ok(DeliveryRef {
        organization_id: row.id("organization_id")?,
        id: row.id("id")?,
    })
}

pub(super) fn delivery(row: &QueryResult) -> Result<Delivery, StoreError> {
    let reason: Option<String> = row.try_get("", "skip_reason")?;
    let DeliveryRef {
        organization_id,
        id,
    } = delivery_ref(row)?;
    Ok(Delivery {
        id,
        organization_id,
        job_id: row.id("job_id")?,
        email_id: row.id("email_id")?,
        email_version_id: row.id("email_version_id")?,
        contact_id: row.id("contact_id")?,
        address: address(row)?,
        address_hash: row.try_get("", "address_hash")?,
        lane: lane(WHAT, &row.try_get::<String>("", "lane")?)?,
        state: state(row)?,
        skip_reason: reason.as_deref().and_then(SkipReason::from_name),
        deferrals: deferrals(row)?,
        first_attempt_at: row.find_instant("first_attempt_at")?,
        next_attempt_at: row.instant("next_attempt_at")?,
        reply: row.try_get("", "reply")?,
        updated_at: row.instant("updated_at")?,
    })
}

pub(super) const CHANGED: &str = "d.organization_id, d.id, d.job_id, d.email_id, d.contact_id, d.address, d.lane, d.state, d.deferrals";

/// A delivery as it was before a change.
pub(super) fn changed(row: &QueryResult) -> Result<Changed, StoreError> {
    let delivery = delivery_ref(row)?;
    Ok(Changed {
        delivery,
        job: SendJobRef {
            organization_id: delivery.organization_id,
            id: row.id("job_id")?,
        },
        email_id: row.id("email_id")?,
        contact_id: row.id("contact_id")?,
        address: address(row)?,
        lane: lane(WHAT, &row.try_get::<String>("", "lane")?)?,
        from: state(row)?,
        deferrals: deferrals(row)?,
    })
}
