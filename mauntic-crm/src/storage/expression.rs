use mauntic_core::storage::Dialect;

use crate::{FieldAlias, FieldType};

/// The value of a field in SQL, as rules compare it: numbers as numbers, booleans as booleans, texts
/// in lower case (A to Z). Null if there is none, or one of another kind. `fields` is the column.
///
/// Indexes of custom fields are on this very expression, so rules must use it unchanged.
pub(in crate::storage) fn field_value(
    dialect: Dialect,
    fields: &str,
    alias: &FieldAlias,
    field_type: FieldType,
) -> String {
    match field_type {
        FieldType::Number => dialect.json_number(fields, alias.as_str()),
        FieldType::Boolean => dialect.json_boolean(fields, alias.as_str()),
        _ => dialect.ascii_lower(&format!("{fields} ->> '{alias}'")),
    }
}
