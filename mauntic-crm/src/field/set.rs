use std::collections::BTreeMap;

use super::{Field, FieldAlias, core_fields};

/// All fields of an organisation: the core fields and its own, by alias and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSet {
    fields: Vec<Field>,
    by_alias: BTreeMap<FieldAlias, usize>,
}

impl FieldSet {
    /// The core fields and these.
    #[must_use]
    pub fn with_custom(mut custom: Vec<Field>) -> Self {
        custom.sort_by(|a, b| (a.position, &a.alias).cmp(&(b.position, &b.alias)));
        let fields: Vec<_> = core_fields().into_iter().chain(custom).collect();
        let by_alias = fields
            .iter()
            .enumerate()
            .map(|(index, field)| (field.alias.clone(), index))
            .collect();
        Self { fields, by_alias }
    }

    /// The core fields only.
    #[must_use]
    pub fn core() -> Self {
        Self::with_custom(Vec::new())
    }

    /// The field with that alias.
    #[must_use]
    pub fn get(&self, alias: &str) -> Option<&Field> {
        self.by_alias.get(alias).map(|index| &self.fields[*index])
    }

    /// All of them: the core fields, then the others by position.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    /// Those that the organisation defined.
    pub fn custom(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.core)
    }
}
