use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, EmailAddress, StoreError, UserId,
    storage::{Column, SqlType, from_micros, to_micros},
};
use sea_orm::QueryResult;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::{Channel, Contact, ContactChange, ContactParts, DoNotContact, FieldValues, Tag};

/// The columns of a contact but the organisation, in the order of [`CONTACT`].
pub(super) const COLUMNS: &str = "id, email, email_key, fields, tags, owner_id, stage, points, \
     last_active_at, identified_at, created_at, updated_at, version, origin";

pub(super) const CONTACT: &[Column] = &[
    ("id", SqlType::Uuid),
    ("email", SqlType::Text),
    ("email_key", SqlType::Text),
    ("fields", SqlType::Json),
    ("tags", SqlType::Json),
    ("owner_id", SqlType::Uuid),
    ("stage", SqlType::Text),
    ("points", SqlType::BigInt),
    ("last_active_at", SqlType::BigInt),
    ("identified_at", SqlType::BigInt),
    ("created_at", SqlType::BigInt),
    ("updated_at", SqlType::BigInt),
    ("version", SqlType::BigInt),
    ("origin", SqlType::Text),
];

pub(super) const MARK: &[Column] = &[
    ("contact_id", SqlType::Uuid),
    ("channel", SqlType::Text),
    ("reason", SqlType::Text),
    ("source", SqlType::Text),
    ("comment", SqlType::Text),
    ("created_at", SqlType::BigInt),
];

pub(super) const CHANGE: &[Column] = &[
    ("id", SqlType::Uuid),
    ("contact_id", SqlType::Uuid),
    ("at", SqlType::BigInt),
    ("actor", SqlType::Json),
    ("source", SqlType::Text),
    ("changes", SqlType::Json),
];

/// A contact as a row for `Dialect::rows`, written without a tree of JSON values between.
#[derive(Serialize)]
struct ContactRow<'a> {
    id: ContactId,
    email: Option<&'a EmailAddress>,
    email_key: Option<String>,
    fields: &'a FieldValues,
    tags: &'a BTreeSet<Tag>,
    owner_id: Option<UserId>,
    stage: Option<&'a str>,
    points: i64,
    last_active_at: Option<i64>,
    identified_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    version: i64,
    origin: &'a str,
}

/// Contacts as one parameter for `Dialect::rows`.
pub(super) fn contact_rows(contacts: &[Contact]) -> Result<String, StoreError> {
    let rows = contacts.iter().map(|contact| {
        let parts = contact.parts();
        ContactRow {
            id: parts.id,
            email: parts.email.as_ref(),
            email_key: parts.email.as_ref().map(EmailAddress::key),
            fields: &parts.fields,
            tags: &parts.tags,
            owner_id: parts.owner,
            stage: parts.stage.as_deref(),
            points: parts.points,
            last_active_at: parts.last_active_at.map(to_micros),
            identified_at: parts.identified_at.map(to_micros),
            created_at: to_micros(parts.created_at),
            updated_at: to_micros(parts.updated_at),
            version: parts.version,
            origin: &parts.origin,
        }
    });
    let rows: Vec<_> = rows.collect();
    serde_json::to_string(&rows).map_err(|_| StoreError::corrupt("contact", "a value"))
}

/// The do-not-contact marks of contacts as one parameter, if there are any.
pub(super) fn mark_rows(contacts: &[Contact]) -> Option<String> {
    let marks = contacts.iter().flat_map(|contact| {
        contact.parts().do_not_contact.values().map(|mark| {
            json!({
                "contact_id": contact.id(),
                "channel": mark.channel,
                "reason": mark.reason,
                "source": mark.source,
                "comment": mark.comment,
                "created_at": to_micros(mark.at),
            })
        })
    });
    let rows: Vec<_> = marks.collect();
    (!rows.is_empty()).then(|| Json::Array(rows).to_string())
}

pub(super) fn change_rows(changes: &[ContactChange]) -> String {
    let rows = changes.iter().map(|change| {
        json!({
            "id": change.id,
            "contact_id": change.contact_id,
            "at": to_micros(change.at),
            "actor": change.actor,
            "source": change.source,
            "changes": change.changes,
        })
    });
    Json::Array(rows.collect()).to_string()
}

pub(super) fn id_rows(ids: &[ContactId]) -> String {
    json!(ids).to_string()
}

pub(super) fn contact_id(row: &QueryResult, column: &str) -> Result<ContactId, StoreError> {
    Ok(ContactId::from_uuid(row.try_get::<Uuid>("", column)?))
}

pub(super) fn contact(row: &QueryResult) -> Result<Contact, StoreError> {
    let email: Option<String> = row.try_get("", "email")?;
    let email = email
        .map(|email| email.parse())
        .transpose()
        .map_err(|_| StoreError::corrupt("contact", "email"))?;
    Ok(Contact::from_parts(ContactParts {
        id: contact_id(row, "id")?,
        email,
        fields: from_json(row, "contact", "fields")?,
        tags: from_json::<BTreeSet<_>>(row, "contact", "tags")?,
        owner: row
            .try_get::<Option<Uuid>>("", "owner_id")?
            .map(UserId::from_uuid),
        stage: row.try_get("", "stage")?,
        points: row.try_get("", "points")?,
        last_active_at: optional_instant(row, "last_active_at")?,
        identified_at: optional_instant(row, "identified_at")?,
        created_at: from_micros("contact", row.try_get("", "created_at")?)?,
        updated_at: from_micros("contact", row.try_get("", "updated_at")?)?,
        version: row.try_get("", "version")?,
        origin: row.try_get("", "origin")?,
        do_not_contact: BTreeMap::new(),
    }))
}

pub(super) fn mark(row: &QueryResult) -> Result<DoNotContact, StoreError> {
    let channel: String = row.try_get("", "channel")?;
    let reason: String = row.try_get("", "reason")?;
    Ok(DoNotContact {
        channel: channel
            .parse::<Channel>()
            .map_err(|_| StoreError::corrupt("do-not-contact mark", "channel"))?,
        reason: reason
            .parse()
            .map_err(|_| StoreError::corrupt("do-not-contact mark", "reason"))?,
        source: row.try_get("", "source")?,
        comment: row.try_get("", "comment")?,
        at: from_micros("do-not-contact mark", row.try_get("", "created_at")?)?,
    })
}

pub(super) fn change(row: &QueryResult) -> Result<ContactChange, StoreError> {
    Ok(ContactChange {
        id: row.try_get("", "id")?,
        contact_id: contact_id(row, "contact_id")?,
        at: from_micros("contact change", row.try_get("", "at")?)?,
        actor: from_json(row, "contact change", "actor")?,
        source: row.try_get("", "source")?,
        changes: from_json(row, "contact change", "changes")?,
    })
}

fn optional_instant(row: &QueryResult, column: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
    let micros: Option<i64> = row.try_get("", column)?;
    micros
        .map(|micros| from_micros("contact", micros))
        .transpose()
}

pub(in crate::storage) fn from_json<T: DeserializeOwned>(
    row: &QueryResult,
    what: &'static str,
    column: &str,
) -> Result<T, StoreError> {
    let json: Json = row.try_get("", column)?;
    // The reason might quote the value, which is personal.
    serde_json::from_value(json).map_err(|_| StoreError::corrupt(what, column))
}
