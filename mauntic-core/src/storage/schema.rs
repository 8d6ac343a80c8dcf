//! What tables a database has, in the same words for both back ends, so that tests can compare them.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait as _, QueryResult};

use super::{Db, Dialect};
use crate::StoreError;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableSchema {
    /// In their order.
    pub columns: Vec<ColumnSchema>,
    /// The primary key and all others.
    pub indexes: BTreeSet<IndexSchema>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Its name.
    pub name: String,
    /// The type that SQLite's migration declares where PostgreSQL has this one.
    pub sql_type: String,
    /// Whether it can be null.
    pub nullable: bool,
}

/// An index, whatever it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexSchema {
    /// Its columns in order; `(expression)` stands for anything else.
    pub columns: String,
    /// Whether it is a key.
    pub unique: bool,
    /// Whether it leaves rows out.
    pub partial: bool,
    /// How it is kept: as a `btree`, unless it is one of PostgreSQL's other kinds, which SQLite does not have.
    pub kind: String,
}

/// Reads the tables of the context, without the one that notes which migrations have run.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn tables(db: &Db) -> Result<BTreeMap<String, TableSchema>, StoreError> {
    let (columns, indexes) = match db.dialect() {
        Dialect::Postgres => (POSTGRES_COLUMNS, POSTGRES_INDEXES),
        Dialect::Sqlite => (SQLITE_COLUMNS, SQLITE_INDEXES),
    };
    let mut tables = BTreeMap::<String, TableSchema>::new();
    for row in rows(db, columns).await? {
        let table: String = row.try_get_by_index(0)?;
        let sql_type: String = row.try_get_by_index(2)?;
        tables.entry(table).or_default().columns.push(ColumnSchema {
            name: row.try_get_by_index(1)?,
            sql_type: in_words_of_sqlite(&sql_type).to_owned(),
            nullable: row.try_get_by_index(3)?,
        });
    }
    for row in rows(db, indexes).await? {
        let table: String = row.try_get_by_index(0)?;
        tables
            .entry(table)
            .or_default()
            .indexes
            .insert(IndexSchema {
                columns: row.try_get_by_index(1)?,
                unique: row.try_get_by_index(2)?,
                partial: row.try_get_by_index(3)?,
                kind: row.try_get_by_index(4)?,
            });
    }
    tables.remove("migrations");
    Ok(tables)
}

async fn rows(db: &Db, sql: &str) -> Result<Vec<QueryResult>, StoreError> {
    let statement = db.dialect().statement(sql, []);
    Ok(db.reader().query_all_raw(statement).await?)
}

fn in_words_of_sqlite(sql_type: &str) -> &str {
    match sql_type {
        "uuid" | "bytea" => "BLOB",
        "text" | "jsonb" => "TEXT",
        "bigint" => "BIGINT",
        "integer" => "INTEGER",
        "smallint" => "SMALLINT",
        "boolean" => "BOOLEAN",
        "double precision" => "REAL",
        other => other,
    }
}

const POSTGRES_COLUMNS: &str = "
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum";

const POSTGRES_INDEXES: &str = "
    SELECT c.relname::text,
      array_to_string(ARRAY(
        SELECT coalesce(a.attname::text, '(expression)')
        FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts ORDER BY k.place), ', '),
      i.indisunique, i.indpred IS NOT NULL, m.amname::text
    FROM pg_class c
    JOIN pg_index i ON i.indrelid = c.oid
    JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_am m ON m.oid = x.relam
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition";

const SQLITE_COLUMNS: &str = r#"
    SELECT t.name, c.name, c.type, c."notnull" = 0
    FROM sqlite_master t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
    ORDER BY t.name, c.cid"#;

/// A key that is the number of the row has no index, being one itself.
const SQLITE_INDEXES: &str = r#"
    SELECT t.name,
      (SELECT group_concat(column_name, ', ') FROM (
        SELECT coalesce(k.name, '(expression)') AS column_name FROM pragma_index_info(i.name) k ORDER BY k.seqno)),
      i."unique", i.partial, 'btree'
    FROM sqlite_master t, pragma_index_list(t.name) i
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
    UNION SELECT t.name, c.name, 1, 0, 'btree'
    FROM sqlite_master t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND c.pk = 1 AND c.type = 'INTEGER'
      AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name) i WHERE i.origin = 'pk')"#;
