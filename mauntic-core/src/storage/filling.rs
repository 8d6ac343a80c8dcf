//! Rows made up for every table of a context, for tests of what must hold for all tables, those to come included.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait as _;
use uuid::Uuid;

use super::{
    Db, Dialect,
    schema::{ColumnSchema, TableSchema, tables},
};
use crate::{OrganizationId, StoreError, UserId};

const LEADER: &str = "organization_id";

/// Puts one row for each of the users, who have accounts, into every table of the context that is led by the
/// organisation, but for the tables that are spared. The rows mean nothing: they are there to be counted.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn fill(
    db: &Db,
    organization: OrganizationId,
    users: &[UserId],
    spared: &[&str],
) -> Result<(), StoreError> {
    let mut tables = led(db).await?;
    tables.retain(|name, _| !spared.contains(&name.as_str()));
    let txn = db.begin().await?;
    for (name, table) in tables {
        for (number, user) in (1..).zip(users) {
            let sql = insert(db.dialect(), &name, &table, organization, *user, number);
            txn.execute_unprepared(&sql).await?;
        }
    }
    txn.commit().await
}

/// How many rows an organisation has in each table of the context that is led by it.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn rows_of(
    db: &Db,
    organization: OrganizationId,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut rows = BTreeMap::new();
    for name in led(db).await?.into_keys() {
        let sql = format!("SELECT COUNT(*) FROM \"{name}\" WHERE {LEADER} = $1");
        let key = [organization.as_uuid().into()];
        let counted = db.reader().query_one_raw(db.dialect().statement(sql, key));
        if let Some(row) = counted.await? {
            rows.insert(name, row.try_get_by_index(0)?);
        }
    }
    Ok(rows)
}

async fn led(db: &Db) -> Result<BTreeMap<String, TableSchema>, StoreError> {
    let mut all = tables(db).await?;
    all.retain(|_, table| table.columns.iter().any(|column| column.name == LEADER));
    Ok(all)
}

fn insert(
    dialect: Dialect,
    name: &str,
    table: &TableSchema,
    organization: OrganizationId,
    user: UserId,
    number: u16,
) -> String {
    let values: Vec<_> = table
        .columns
        .iter()
        .filter(|column| column.name == LEADER || !column.nullable && !is_numbered(table, column))
        .map(|column| {
            let value = match column.name.as_str() {
                LEADER => bytes(dialect, organization.as_uuid()),
                "user_id" => bytes(dialect, user.as_uuid()),
                _ => value(dialect, column, number),
            };
            (column.name.as_str(), value)
        })
        .collect();
    let names: Vec<_> = values
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let values: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO \"{name}\" ({names}) VALUES ({values}) ON CONFLICT DO NOTHING")
}

/// Whether the database numbers the rows by this column: a key that is a number by itself.
fn is_numbered(table: &TableSchema, column: &ColumnSchema) -> bool {
    let number = matches!(column.sql_type.as_str(), "BIGINT" | "INTEGER");
    let mut keys = table.indexes.iter().filter(|index| index.unique);
    number && keys.any(|key| key.columns == column.name)
}

/// A literal that PostgreSQL reads as whatever the column is: an id or bytes, a text or JSON.
fn value(dialect: Dialect, column: &ColumnSchema, number: u16) -> String {
    match column.sql_type.as_str() {
        "BLOB" => bytes(dialect, random()),
        "BOOLEAN" => "FALSE".to_owned(),
        "TEXT" => format!("'{{\"n\":\"{}\"}}'", random()),
        _ => number.to_string(),
    }
}

fn bytes(dialect: Dialect, id: Uuid) -> String {
    match dialect {
        Dialect::Postgres => format!("'{id}'"),
        Dialect::Sqlite => format!("x'{}'", id.simple()),
    }
}

fn random() -> Uuid {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    Uuid::from_bytes(bytes)
}
