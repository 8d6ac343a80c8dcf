//! Adding contacts by the thousand.
//!
//! To PostgreSQL each column goes as one text whose parts PostgreSQL takes apart itself: several times
//! as fast as an array of JSON objects, and unlike `COPY` it can be part of any transaction.

use std::fmt::Write as _;

use mauntic_core::{
    EmailAddress, OrganizationId, StoreError,
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
    let columns = match dialect {
        Dialect::Postgres => columns(contacts)?,
        Dialect::Sqlite => None,
    };
    let names = COLUMNS.map(|(name, _)| name).join(", ");
    let (values, source, data) = match columns {
        Some(columns) => by_columns(columns),
        None => (
            names.clone(),
            format!(
                "{} WHERE TRUE ORDER BY email_key",
                dialect.rows(2, "r", CONTACT)
            ),
            vec![contact_rows(contacts)?.into()],
        ),
    };
    // In the order of the index, so that two batches with the same addresses wait for each other
    // instead of deadlocking. A violation would abort the transaction on PostgreSQL, hence DO NOTHING.
    let sql = format!(
        "INSERT INTO contact (organization_id, {names})
         SELECT $1, {values} FROM {source}
         ON CONFLICT DO NOTHING RETURNING id"
    );
    let parameters = std::iter::once(organization.as_uuid().into()).chain(data);
    Ok(dialect.statement(sql, parameters))
}

/// What to select, from what, and the parameters from the second on. A column that is the same for
/// all contacts goes once; but for the ids, which also tell how many contacts there are.
fn by_columns(columns: [ColumnText; 14]) -> (String, String, Vec<Value>) {
    let (mut values, mut arrays, mut names, mut data) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, ((name, sql_type), column)) in COLUMNS.into_iter().zip(columns).enumerate() {
        let parameter = format!("${}", index + 2);
        if column.same && index > 0 {
            values.push(format!(
                "CAST(NULLIF({parameter}, E'\\x1e') AS {sql_type}) AS {name}"
            ));
        } else {
            values.push(format!("r.{name}"));
            names.push(name);
            arrays.push(format!(
                "CAST(string_to_array({parameter}, E'\\x1f', E'\\x1e') AS {sql_type}[])"
            ));
        }
        data.push(column.text.into());
    }
    let source = format!("unnest({}) AS r({})", arrays.join(", "), names.join(", "));
    (values.join(", "), source, data)
}

/// The values of one column, behind each other; only once while they are all the same.
#[derive(Default)]
struct ColumnText {
    text: String,
    rows: usize,
    same: bool,
    next: String,
}

impl ColumnText {
    fn push(&mut self, write: impl FnOnce(&mut String)) {
        self.next.clear();
        write(&mut self.next);
        if self.rows == 0 {
            self.text.push_str(&self.next);
            self.same = true;
        } else if !self.same || self.next != self.text {
            self.spread();
            self.text.push(SEPARATOR);
            self.text.push_str(&self.next);
        }
        self.rows += 1;
    }

    /// Writes the value that all rows so far have once for each.
    fn spread(&mut self) {
        if !self.same {
            return;
        }
        let value = self.text.clone();
        for _ in 1..self.rows {
            self.text.push(SEPARATOR);
            self.text.push_str(&value);
        }
        self.same = false;
    }

    fn push_value(&mut self, value: Option<impl std::fmt::Display>) {
        self.push(|text| match value {
            Some(value) => {
                let _ = write!(text, "{value}");
            }
            None => text.push(NULL),
        });
    }

    fn push_json(&mut self, value: &impl serde::Serialize) -> Result<(), StoreError> {
        let json =
            serde_json::to_string(value).map_err(|_| StoreError::corrupt("contact", "a value"))?;
        self.push(|text| text.push_str(&json));
        Ok(())
    }
}

/// Contacts with the keys of their addresses, in the order of these.
fn in_order(contacts: &[Contact]) -> Vec<(Option<String>, &Contact)> {
    let keyed = contacts
        .iter()
        .map(|contact| (contact.email().map(EmailAddress::key), contact));
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    keyed
}

/// The columns of contacts; `None` if they hold what this way cannot carry.
fn columns(contacts: &[Contact]) -> Result<Option<[ColumnText; 14]>, StoreError> {
    let mut columns: [ColumnText; 14] = Default::default();
    for (key, contact) in in_order(contacts) {
        let parts = contact.parts();
        if !is_plain(&parts.origin) || !parts.stage.as_deref().is_none_or(is_plain) {
            return Ok(None);
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
        id.push_value(Some(parts.id));
        email.push_value(parts.email.as_ref());
        email_key.push_value(key);
        fields.push_json(&parts.fields)?;
        tags.push_json(&parts.tags)?;
        owner.push_value(parts.owner);
        stage.push_value(parts.stage.as_deref());
        points.push_value(Some(parts.points));
        last_active.push_value(parts.last_active_at.map(to_micros));
        identified.push_value(parts.identified_at.map(to_micros));
        created.push_value(Some(to_micros(parts.created_at)));
        updated.push_value(Some(to_micros(parts.updated_at)));
        version.push_value(Some(parts.version));
        origin.push_value(Some(&parts.origin));
    }
    // An array of one is its value; a statement for it alone is not worth keeping.
    if contacts.len() == 1 {
        for column in &mut columns {
            column.same = false;
        }
    }
    Ok(Some(columns))
}
