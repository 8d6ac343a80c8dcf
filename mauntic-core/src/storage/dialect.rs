use std::fmt::Write as _;

use sea_orm::{DbBackend, Statement, Value};
use sea_orm_migration::SchemaManager;

/// How the two back ends differ. Nothing outside this module asks which database it is on, but for
/// hot paths that have a PostgreSQL-only statement.
///
/// Statements written by hand use `$1`, `$2`, … for parameters: both back ends know them. Ids bind
/// as `Uuid`; instants as microseconds (`i64`); JSON as text or `serde_json::Value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.38 or newer.
    Sqlite,
    /// PostgreSQL 15 or newer.
    Postgres,
}

/// The types that hand-written statements deal in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlType {
    /// `uuid`; a 16-byte blob on SQLite.
    Uuid,
    /// Text.
    Text,
    /// A 64-bit integer; also instants, as microseconds.
    BigInt,
    /// A 64-bit floating-point number.
    Double,
    /// True or false.
    Boolean,
    /// A JSON document: `jsonb`, text on SQLite.
    Json,
    /// Bytes. In a set of rows they are `\x` and hexadecimal digits.
    Bytes,
}

/// A column of a set of rows passed as one JSON parameter.
pub type Column = (&'static str, SqlType);

impl Dialect {
    /// SeaORM's name for the back end.
    #[must_use]
    pub fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
        }
    }

    /// The back end of a migration.
    #[must_use]
    pub fn of(manager: &SchemaManager) -> Self {
        match manager.get_database_backend() {
            DbBackend::Postgres => Self::Postgres,
            _ => Self::Sqlite,
        }
    }

    /// What follows the type of a column whose texts sort and compare byte by byte.
    #[must_use]
    pub fn collated_bytewise(self) -> &'static str {
        match self {
            Self::Postgres => "COLLATE \"C\"",
            Self::Sqlite => "COLLATE BINARY",
        }
    }

    /// Lets the texts of a column that is there sort and compare byte by byte, where they do not by themselves.
    #[must_use]
    pub fn collate_bytewise(self, table: &str, column: &str) -> Option<String> {
        match self {
            Self::Postgres => Some(format!(
                "ALTER TABLE {table} ALTER COLUMN {column} TYPE TEXT COLLATE \"C\""
            )),
            Self::Sqlite => None,
        }
    }

    /// The type of a primary key that the database numbers.
    #[must_use]
    pub fn numbered_key(self) -> &'static str {
        match self {
            Self::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            Self::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
        }
    }

    /// What follows a `CREATE TABLE` to set PostgreSQL's storage options, with a space before it.
    #[must_use]
    pub fn storage_options(self, options: &str) -> String {
        match self {
            Self::Postgres => format!(" WITH ({options})"),
            Self::Sqlite => String::new(),
        }
    }

    /// A statement written by hand with its parameters.
    #[must_use]
    pub fn statement(
        self,
        sql: impl Into<String>,
        parameters: impl IntoIterator<Item = Value>,
    ) -> Statement {
        Statement::from_sql_and_values(self.backend(), sql, parameters)
    }

    /// The column type in a `CREATE TABLE`.
    #[must_use]
    pub fn type_name(self, sql_type: SqlType) -> &'static str {
        match (self, sql_type) {
            (Self::Postgres, SqlType::Uuid) => "uuid",
            (Self::Sqlite, SqlType::Uuid | SqlType::Bytes) => "BLOB",
            (_, SqlType::Text) | (Self::Sqlite, SqlType::Json) => "TEXT",
            (_, SqlType::BigInt) => "BIGINT",
            (Self::Postgres, SqlType::Double) => "DOUBLE PRECISION",
            (Self::Sqlite, SqlType::Double) => "REAL",
            (_, SqlType::Boolean) => "BOOLEAN",
            (Self::Postgres, SqlType::Json) => "JSONB",
            (Self::Postgres, SqlType::Bytes) => "BYTEA",
        }
    }

    /// A row source (`FROM …`) made of a JSON array of objects bound as parameter `number`, named `alias`.
    ///
    /// On SQLite its limit of none keeps it whole: parsed once, not once for each row that it is joined to.
    /// Write `FROM rows CROSS JOIN table`, which SQLite follows in that order, by the table's index.
    ///
    /// Ids in it are UUID text, JSON columns are nested JSON; missing keys and JSON nulls are SQL nulls.
    /// Bind the array as text.
    #[must_use]
    pub fn rows(self, number: usize, alias: &str, columns: &[Column]) -> String {
        match self {
            Self::Postgres => {
                let mut list = String::new();
                for (index, (name, sql_type)) in columns.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    let _ = write!(list, "{comma}{name} {}", self.type_name(*sql_type));
                }
                format!("jsonb_to_recordset(CAST(${number} AS jsonb)) AS {alias}({list})")
            }
            Self::Sqlite => {
                let mut list = String::new();
                for (index, (name, sql_type)) in columns.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    let value = match sql_type {
                        SqlType::Uuid => format!("unhex(replace(value ->> '{name}', '-', ''))"),
                        SqlType::Bytes => format!("unhex(substr(value ->> '{name}', 3))"),
                        SqlType::Json => format!("nullif(value -> '{name}', 'null')"),
                        _ => format!("value ->> '{name}'"),
                    };
                    let _ = write!(list, "{comma}{value} AS {name}");
                }
                format!("(SELECT {list} FROM json_each(${number}) LIMIT -1) AS {alias}")
            }
        }
    }

    /// A row source of one column `id` made of a JSON array of UUID texts bound as parameter `number`.
    #[must_use]
    pub fn ids(self, number: usize, alias: &str) -> String {
        match self {
            Self::Postgres => format!(
                "(SELECT CAST(value AS uuid) AS id FROM jsonb_array_elements_text(CAST(${number} AS jsonb))) AS {alias}"
            ),
            Self::Sqlite => format!(
                "(SELECT unhex(replace(value, '-', '')) AS id FROM json_each(${number}) LIMIT -1) AS {alias}"
            ),
        }
    }

    /// The condition that a column is one of what a query of one column finds.
    #[must_use]
    pub fn among(self, column: &str, query: &str) -> String {
        match self {
            // An array is looked up in an index, one element after the other.
            Self::Postgres => format!("{column} = ANY (ARRAY({query}))"),
            Self::Sqlite => format!("{column} IN ({query})"),
        }
    }

    /// The condition that a row is of the organisation bound as parameter 1, and that a column, perhaps with the alias of
    /// its table before it, is one of a JSON array of UUID texts bound as parameter `number`.
    #[must_use]
    pub fn own_ids(self, column: &str, number: usize) -> String {
        let ids = self.ids(number, "wanted");
        self.own(column, &format!("SELECT id FROM {ids}"))
    }

    /// The same as [`own_ids`](Self::own_ids) with a JSON array of texts.
    #[must_use]
    pub fn own_texts(self, column: &str, number: usize) -> String {
        let texts = self.texts(number, "wanted");
        self.own(column, &format!("SELECT value FROM {texts}"))
    }

    fn own(self, column: &str, query: &str) -> String {
        let alias = column
            .rsplit_once('.')
            .map(|(alias, _)| format!("{alias}."));
        let (own, among) = (self.unseen("$1"), self.among(column, query));
        format!(
            "{}organization_id = {own} AND {among}",
            alias.unwrap_or_default()
        )
    }

    /// The id of an organisation or a segment, given as a placeholder, beside a set of which each is to be looked up.
    ///
    /// PostgreSQL does not see the value when it plans. If it did, and its statistics did not know it yet,
    /// it would believe that there are hardly any rows of it, read them all, and compare each with all of the set.
    #[must_use]
    pub fn unseen(self, placeholder: &str) -> String {
        match self {
            Self::Postgres => format!("(SELECT CAST({placeholder} AS uuid))"),
            Self::Sqlite => placeholder.to_owned(),
        }
    }

    /// A row source of one column `value` made of a JSON array of texts bound as parameter `number`.
    #[must_use]
    pub fn texts(self, number: usize, alias: &str) -> String {
        match self {
            Self::Postgres => format!(
                "(SELECT value FROM jsonb_array_elements_text(CAST(${number} AS jsonb))) AS {alias}"
            ),
            Self::Sqlite => format!("(SELECT value FROM json_each(${number}) LIMIT -1) AS {alias}"),
        }
    }

    /// Ends a `SELECT` of rows to claim: others skip rows that are being claimed.
    #[must_use]
    pub fn skip_locked(self) -> &'static str {
        match self {
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
            // One writer at a time: nobody else is claiming.
            Self::Sqlite => "",
        }
    }

    /// Ends a `SELECT` of rows that nobody else may change until the transaction ends.
    #[must_use]
    pub fn for_update(self) -> &'static str {
        match self {
            Self::Postgres => " FOR UPDATE",
            Self::Sqlite => "",
        }
    }

    /// Ends a `SELECT` of rows that nobody else may remove until the transaction ends, though others may
    /// change what is not their key.
    #[must_use]
    pub fn for_key_share(self) -> &'static str {
        match self {
            Self::Postgres => " FOR KEY SHARE",
            Self::Sqlite => "",
        }
    }

    /// A text in lower case, for A to Z only, which is the same on every back end and in every locale
    /// (`str::to_ascii_lowercase`).
    #[must_use]
    pub fn ascii_lower(self, text: &str) -> String {
        match self {
            Self::Postgres => format!("lower(({text}) COLLATE \"C\")"),
            Self::Sqlite => format!("lower({text})"),
        }
    }

    /// A text that compares byte by byte.
    #[must_use]
    pub fn bytewise(self, text: &str) -> String {
        match self {
            Self::Postgres => format!("(({text}) COLLATE \"C\")"),
            Self::Sqlite => format!("({text})"),
        }
    }

    /// The position (from 1) of a text within another, 0 if it is not in it.
    #[must_use]
    pub fn position(self, haystack: &str, needle: &str) -> String {
        match self {
            Self::Postgres => format!("strpos({haystack}, {needle})"),
            Self::Sqlite => format!("instr({haystack}, {needle})"),
        }
    }

    /// The number that a JSON object has under a key; null if there is none or it is no number. The
    /// key is spliced in, so it must be a plain name.
    #[must_use]
    pub fn json_number(self, object: &str, key: &str) -> String {
        match self {
            Self::Postgres => format!(
                "(CASE WHEN jsonb_typeof({object} -> '{key}') = 'number' THEN CAST({object} ->> '{key}' AS double precision) END)"
            ),
            Self::Sqlite => format!(
                "(CASE WHEN json_type({object}, '$.{key}') IN ('integer', 'real') THEN CAST({object} ->> '{key}' AS REAL) END)"
            ),
        }
    }

    /// The boolean that a JSON object has under a key; null if there is none or it is no boolean. The
    /// key is spliced in, so it must be a plain name.
    #[must_use]
    pub fn json_boolean(self, object: &str, key: &str) -> String {
        match self {
            Self::Postgres => format!(
                "(CASE jsonb_typeof({object} -> '{key}') WHEN 'boolean' THEN CAST({object} ->> '{key}' AS boolean) END)"
            ),
            Self::Sqlite => format!(
                "(CASE json_type({object}, '$.{key}') WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END)"
            ),
        }
    }

    /// Whether a JSON object has a key, which is spliced in and so must be a plain name.
    #[must_use]
    pub fn json_has_key(self, object: &str, key: &str) -> String {
        match self {
            Self::Postgres => format!("jsonb_exists({object}, '{key}')"),
            Self::Sqlite => format!("(json_type({object}, '$.{key}') IS NOT NULL)"),
        }
    }

    /// A JSON object without a key, which is spliced in and so must be a plain name.
    #[must_use]
    pub fn json_without(self, object: &str, key: &str) -> String {
        match self {
            Self::Postgres => format!("({object} - '{key}')"),
            Self::Sqlite => format!("json_remove({object}, '$.{key}')"),
        }
    }

    /// What makes an index while others write, outside a transaction.
    #[must_use]
    pub fn concurrently(self) -> &'static str {
        match self {
            Self::Postgres => "CONCURRENTLY",
            Self::Sqlite => "",
        }
    }

    /// The statements that make an index while others write, outside a transaction, whatever an attempt that was cut off
    /// has left of it. `on` is what stands behind `ON`.
    #[must_use]
    pub fn index_anew(self, name: &str, on: &str) -> [String; 2] {
        let concurrently = self.concurrently();
        [
            format!("DROP INDEX {concurrently} IF EXISTS {name}"),
            format!("CREATE INDEX {concurrently} {name} ON {on}"),
        ]
    }

    /// Whether a text is an element of a JSON array column.
    #[must_use]
    pub fn json_array_has(self, array: &str, text: &str) -> String {
        match self {
            Self::Postgres => format!("({array} @> to_jsonb(CAST({text} AS text)))"),
            Self::Sqlite => {
                format!("EXISTS (SELECT 1 FROM json_each({array}) WHERE value = {text})")
            }
        }
    }

    /// Whether the JSON array that an object has under a key has a text among its elements, which are
    /// texts, without regard to the case of A to Z; the text sought is in lower case. The key is
    /// spliced in, so it must be a plain name.
    #[must_use]
    pub fn json_array_has_ignoring_case(self, object: &str, key: &str, text: &str) -> String {
        match self {
            Self::Postgres => format!(
                "(CASE WHEN jsonb_typeof({object} -> '{key}') = 'array' THEN EXISTS (SELECT 1
                  FROM jsonb_array_elements_text({object} -> '{key}') AS element(value)
                  WHERE {} = {text}) END)",
                self.ascii_lower("element.value")
            ),
            Self::Sqlite => format!(
                "EXISTS (SELECT 1 FROM json_each({object}, '$.{key}') WHERE {} = {text})",
                self.ascii_lower("value")
            ),
        }
    }

    /// A JSON document as a literal to compare a column with.
    #[must_use]
    pub fn json_literal(self, document: &str) -> String {
        let document = document.replace('\'', "''");
        match self {
            Self::Postgres => format!("CAST('{document}' AS jsonb)"),
            Self::Sqlite => format!("'{document}'"),
        }
    }

    /// Finds the names of the tables of the context that have the column named by the parameter, in order.
    #[must_use]
    pub fn tables_with_column(self) -> &'static str {
        match self {
            Self::Postgres => {
                "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
                     AND NOT c.relispartition AND a.attname = $1 AND NOT a.attisdropped ORDER BY 1"
            }
            Self::Sqlite => {
                "SELECT t.name FROM sqlite_master t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND c.name = $1 ORDER BY 1"
            }
        }
    }

    /// Deletes some of the rows of a table for which a condition holds; of a partitioned one, that many of each part.
    #[must_use]
    pub fn delete_some(self, table: &str, condition: &str, limit: u64) -> String {
        match self {
            Self::Postgres => format!(
                "DELETE FROM \"{table}\" WHERE {condition}
                     AND ctid = ANY (ARRAY(SELECT ctid FROM \"{table}\" WHERE {condition} LIMIT {limit}))"
            ),
            Self::Sqlite => format!(
                "DELETE FROM \"{table}\" WHERE rowid IN (SELECT rowid FROM \"{table}\" WHERE {condition} LIMIT {limit})"
            ),
        }
    }

    /// What stands behind the last of a character in a text.
    #[must_use]
    pub fn after_last(self, text: &str, separator: char) -> String {
        match self {
            Self::Postgres => format!("split_part({text}, '{separator}', -1)"),
            Self::Sqlite => format!(
                "substr({text}, length(rtrim({text}, replace({text}, '{separator}', ''))) + 1)"
            ),
        }
    }

    /// The last characters of a text.
    #[must_use]
    pub fn ending(self, text: &str, characters: usize) -> String {
        match self {
            Self::Postgres => format!("right({text}, {characters})"),
            Self::Sqlite => format!("substr({text}, -{characters})"),
        }
    }

    /// Whether a regular expression is found in a text. The expression must keep to what both back
    /// ends read alike.
    #[must_use]
    pub fn matches(self, text: &str, pattern: &str) -> String {
        match self {
            Self::Postgres => format!("({text} ~ {pattern})"),
            Self::Sqlite => format!("({text} REGEXP {pattern})"),
        }
    }
}
