//! Adding contacts by the thousand.
//!
//! To PostgreSQL each column goes as one text whose parts PostgreSQL takes apart itself: several times as fast as
//! an array of JSON objects, and unlike `COPY` it can be part of any transaction.

use std::fmt::Write as _;

use mauntic_core::{
    OrganizationId, StoreError,
    storage::{Dialect, to_micros},
};
use sea_orm::{Statement, Value};

use super::row::{CONTACT, contact_rows};

use crate::Contact;

/// Stands between the parts of a column; no valid address and no JSON text has it in it.
const SEPARATOR: char = '\u{1f}';
/// Stands for no value.
const NULL: char = '\u{1e}';

/// The columns but the organisation, with their types, in the order of [`columns`].
const COLUMNS: [(&str, &str); 14] = [
    ("id", "uuid"),
    ("email", "text"),
    ("email_key", "text"),
    ("fields", "jsonb"),
    ("tags", "jsonb"),
    ("owner_id", "uuid"),
    ("stage", "text"),
    ("points", "bigint"),
    ("last_active_at", "bigint"),
    ("identified_at", "bigint"),
    ("created_at", "bigint"),
    ("updated_at", "bigint"),
    ("version", "bigint"),
    ("origin", "text"),
];

/// Whether a text can be part of a column.
fn is_plain(text: &str) -> bool {
    !text.contains([SEPARATOR, NULL])
}

/// Adds contacts whose address is not taken and returns their ids.
pub(super) fn insert_statement(
    dialect: Dialect,
    organization: OrganizationId,
    contacts: &[Contact],
) -> Result<Statement, StoreError> {
    let names = COLUMNS.map(|(name, _)| name).join(", ");
    let columns = match dialect {
        Dialect::Postgres => columns(contacts)?,
        Dialect::Sqlite => None,
    };
    let (source, data): (_, Vec<Value>) = match columns {
        Some(columns) => (
            format!("unnest({}) AS r({names})", arrays()),
            columns.into_iter().map(Value::from).collect(),
        ),
        None => (
            dialect.rows(2, "r", CONTACT),
            vec![contact_rows(contacts)?.into()],
        ),
    };
    // In the order of the index, so that two batches with the same addresses wait for each other
    // instead of deadlocking. A violation would abort the transaction on PostgreSQL, hence DO NOTHING.
    let sql = format!(
        "INSERT INTO contact (organization_id, {names})
         SELECT $1, {names} FROM {source} WHERE TRUE ORDER BY email_key
         ON CONFLICT DO NOTHING RETURNING id"
    );
    let parameters = std::iter::once(organization.as_uuid().into()).chain(data);
    Ok(dialect.statement(sql, parameters))
}

fn arrays() -> String {
    let mut arrays = String::new();
    for (index, (_, sql_type)) in COLUMNS.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let number = index + 2;
        let _ = write!(
            arrays,
            "{comma}CAST(string_to_array(${number}, E'\\x1f', E'\\x1e') AS {sql_type}[])"
        );
    }
    arrays
}

fn columns(contacts: &[Contact]) -> Result<Option<[String; 14]>, StoreError> {
    let mut columns: [String; 14] = Default::default();
    for (index, contact) in contacts.iter().enumerate() {
        let parts = contact.parts();
        if !is_plain(&parts.origin) || !parts.stage.as_deref().is_none_or(is_plain) {
            return Ok(None);
        }
        if index > 0 {
            for column in &mut columns {
                column.push(SEPARATOR);
            }
        }
        let [
            id,
            email,
            email_key,
            fields,
            tags,
            owner,
            stage,
            points,
            last_active,
            identified,
            created,
            updated,
            version,
            origin,
        ] = &mut columns;
        let _ = write!(id, "{}", parts.id);
        if let Some(address) = &parts.email {
            email.push_str(address.as_str());
            email_key.push_str(&address.key());
        } else {
            email.push(NULL);
            email_key.push(NULL);
        }
        write_json(fields, &parts.fields)?;
        write_json(tags, &parts.tags)?;
        push(owner, parts.owner);
        push(stage, parts.stage.as_deref());
        push(points, Some(parts.points));
        push(last_active, parts.last_active_at.map(to_micros));
        push(identified, parts.identified_at.map(to_micros));
        push(created, Some(to_micros(parts.created_at)));
        push(updated, Some(to_micros(parts.updated_at)));
        push(version, Some(parts.version));
        origin.push_str(&parts.origin);
    }
    Ok(Some(columns))
}

fn push(column: &mut String, value: Option<impl std::fmt::Display>) {
    match value {
        Some(value) => {
            let _ = write!(column, "{value}");
        }
        None => column.push(NULL),
    }
}

fn write_json(column: &mut String, value: &impl serde::Serialize) -> Result<(), StoreError> {
    let json =
        serde_json::to_string(value).map_err(|_| StoreError::corrupt("contact", "a value"))?;
    column.push_str(&json);
    Ok(())
}
