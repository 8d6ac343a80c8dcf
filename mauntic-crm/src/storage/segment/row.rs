use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    ContactId, OrganizationId, SegmentId, StoreError,
    storage::{from_micros, to_micros},
};
use sea_orm::{QueryResult, Value};
use serde_json::json;
use uuid::Uuid;

use crate::{
    segment::{Build, DayCount, Member, Origin, Segment, SegmentName},
    storage::contacts::from_json,
};

/// The columns of a segment that a [`Segment`] has.
pub(super) const COLUMNS: &str = "id, name, description, list_name, rule, version, member_count, built_at, \
     next_rebuild_at, build_started_at, build_cursor, build_added, build_removed, created_at, updated_at";

/// Whether a rebuild is to be started, or goes on without a worker, at the instant `$1`.
pub(super) const DUE: &str = "((build_started_at IS NULL AND next_rebuild_at <= $1) OR \
     (build_started_at IS NOT NULL AND (lease_until IS NULL OR lease_until <= $1)))";

/// Reads a row of [`COLUMNS`].
pub(super) fn segment(row: &QueryResult) -> Result<Segment, StoreError> {
    let has_rule = row
        .try_get::<Option<serde_json::Value>>("", "rule")?
        .is_some();
    let build = match instant(row, "build_started_at")? {
        Some(started_at) => Some(Build {
            started_at,
            cursor: row
                .try_get::<Option<Uuid>>("", "build_cursor")?
                .map(ContactId::from_uuid),
            added: row.try_get("", "build_added")?,
            removed: row.try_get("", "build_removed")?,
        }),
        None => None,
    };
    let name: String = row.try_get("", "name")?;
    let list_name: Option<String> = row.try_get("", "list_name")?;
    Ok(Segment {
        id: segment_id(row, "id")?,
        name: name
            .parse()
            .map_err(|error| StoreError::corrupt("segment", error))?,
        description: row.try_get("", "description")?,
        list_name: list_name
            .map(|name| name.parse())
            .transpose()
            .map_err(|error| StoreError::corrupt("segment", error))?,
        rule: if has_rule {
            Some(from_json(row, "segment", "rule")?)
        } else {
            None
        },
        version: row.try_get("", "version")?,
        member_count: row.try_get("", "member_count")?,
        built_at: instant(row, "built_at")?,
        next_rebuild_at: instant(row, "next_rebuild_at")?,
        build,
        last_added: row.try_get("", "build_added")?,
        last_removed: row.try_get("", "build_removed")?,
        created_at: from_micros("segment", row.try_get("", "created_at")?)?,
        updated_at: from_micros("segment", row.try_get("", "updated_at")?)?,
    })
}

/// What an insert (`$1` to `$16`) or update of a segment binds: the organisation, the id, and then
/// in the order of the statements in `repository.rs`.
pub(super) fn parameters(organization: OrganizationId, segment: &Segment) -> Vec<Value> {
    let micros = |at: Option<DateTime<Utc>>| Value::from(at.map(to_micros));
    let build = segment.build.as_ref();
    let rule = segment.rule.as_ref();
    vec![
        organization.as_uuid().into(),
        segment.id.as_uuid().into(),
        segment.name.as_str().into(),
        segment.name.key().into(),
        segment.description.as_str().into(),
        rule.map_or("static", |_| "rule").into(),
        rule.map(|rule| json!(rule)).into(),
        rule.is_some_and(crate::segment::Rule::uses_time).into(),
        segment.version.into(),
        micros(segment.built_at),
        micros(segment.next_rebuild_at),
        micros(build.map(|build| build.started_at)),
        build
            .and_then(|build| build.cursor)
            .map(|cursor| cursor.as_uuid())
            .into(),
        to_micros(segment.created_at).into(),
        to_micros(segment.updated_at).into(),
        segment.list_name.as_ref().map(SegmentName::as_str).into(),
    ]
}

/// Reads a row of `contact_id, segment_id, origin, added_at`.
pub(super) fn member(row: &QueryResult) -> Result<Member, StoreError> {
    let origin: i16 = row.try_get("", "origin")?;
    Ok(Member {
        contact_id: contact_id(row, "contact_id")?,
        segment_id: segment_id(row, "segment_id")?,
        origin: Origin::from_code(origin)
            .ok_or_else(|| StoreError::corrupt("membership", "origin"))?,
        added_at: from_micros("membership", row.try_get("", "added_at")?)?,
    })
}

pub(super) fn contact_id(row: &QueryResult, column: &str) -> Result<ContactId, StoreError> {
    Ok(ContactId::from_uuid(row.try_get("", column)?))
}

pub(super) fn segment_id(row: &QueryResult, column: &str) -> Result<SegmentId, StoreError> {
    Ok(SegmentId::from_uuid(row.try_get("", column)?))
}

fn instant(row: &QueryResult, column: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
    let micros: Option<i64> = row.try_get("", column)?;
    micros
        .map(|micros| from_micros("segment", micros))
        .transpose()
}

/// How many members a segment had on a day.
pub(super) fn day_count(row: &QueryResult) -> Result<DayCount, StoreError> {
    let day: i32 = row.try_get("", "day")?;
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let date = epoch.checked_add_signed(TimeDelta::days(day.into()));
    Ok(DayCount {
        day: date.ok_or_else(|| StoreError::corrupt("segment_day.day", "no date"))?,
        members: row.try_get("", "members")?,
    })
}
