use std::{collections::HashSet, sync::Arc};

use mauntic_core::{Access, Actor, Clock, IdSource, Permission, StoreError, UseCase};
use serde_json::{Value as Json, json};

use super::consent::plain_text;
use crate::{
    CrmError, CrmStore, CrmUnitOfWork, Field, FieldAlias, FieldGroup, FieldOption, FieldProblem,
    FieldSet, FieldType, ParseContext, Value, audit,
};

/// Most custom fields of an organisation.
const MAX_FIELDS: usize = 500;
/// Most options of a field.
const MAX_OPTIONS: usize = 1_000;
/// Most fields of an organisation with an index.
const MAX_INDEXED: usize = 64;

/// Defines a custom field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateField {
    /// What people read.
    pub label: String,
    /// Its name, or one made from the label.
    pub alias: Option<FieldAlias>,
    /// The kind of its values.
    pub field_type: FieldType,
    /// The choices, for a select or multiselect.
    pub options: Vec<FieldOption>,
    /// A contact cannot be saved without it.
    pub required: bool,
    /// No two contacts have the same value.
    pub unique: bool,
    /// Rules on it are to be fast.
    pub indexed: bool,
    /// What a new contact gets if nothing is given.
    pub default: Option<Json>,
    /// Where it stands.
    pub group: FieldGroup,
    /// Its place; behind all others if none is given.
    pub position: Option<u32>,
}

impl CreateField {
    /// A field with nothing special about it.
    #[must_use]
    pub fn new(label: &str, field_type: FieldType) -> Self {
        Self {
            label: label.to_owned(),
            alias: None,
            field_type,
            options: Vec::new(),
            required: false,
            unique: false,
            indexed: false,
            default: None,
            group: FieldGroup::Core,
            position: None,
        }
    }
}

/// Changes the definition of a custom field; what is `None` stays. Alias, type and uniqueness never
/// change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateField {
    /// What people read.
    pub label: Option<String>,
    /// The choices. Contacts keep values that are none any more.
    pub options: Option<Vec<FieldOption>>,
    /// A contact cannot be saved without it.
    pub required: Option<bool>,
    /// Rules on it are to be fast.
    pub indexed: Option<bool>,
    /// What a new contact gets if nothing is given; `null` for nothing.
    pub default: Option<Json>,
    /// Where it stands.
    pub group: Option<FieldGroup>,
    /// Its place.
    pub position: Option<u32>,
    /// Only if it still is at this [version](Field::version).
    pub version: Option<i64>,
}

/// Defines what can be known about contacts.
#[derive(Clone)]
pub struct FieldService {
    store: Arc<dyn CrmStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl FieldService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("create", Access::Needs(Permission::FieldsManage)),
        ("delete", Access::Needs(Permission::FieldsManage)),
        ("list", Access::Needs(Permission::ContactsRead)),
        ("update", Access::Needs(Permission::FieldsManage)),
        ("uses", Access::Needs(Permission::ContactsRead)),
    ];

    /// The use cases over a store.
    #[must_use]
    pub fn new(store: Arc<dyn CrmStore>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { store, clock, ids }
    }

    /// All fields: the core fields and the organisation's own.
    pub async fn list(&self, actor: &Actor) -> Result<FieldSet, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        Ok(FieldSet::with_custom(
            self.store.fields().list_custom(organization).await?,
        ))
    }

    /// Defines a field. Contacts that are there already do not get its default.
    ///
    /// # Errors
    /// [`CrmError::Taken`] if the alias is; [`CrmError::Invalid`] or [`CrmError::InvalidFields`] if
    /// the definition makes no sense.
    pub async fn create(&self, actor: &Actor, command: CreateField) -> Result<Field, CrmError> {
        let organization = actor.require(Permission::FieldsManage)?;
        let mut uow = self.store.begin().await?;
        let set = FieldSet::with_custom(uow.fields().list_custom(organization).await?);
        if set.custom().count() >= MAX_FIELDS {
            return Err(CrmError::Invalid(format!(
                "there are {MAX_FIELDS} fields already"
            )));
        }
        let alias = self.alias_for(&command, &set)?;
        let last = set.custom().map(|field| field.position).max();
        let mut field = Field {
            alias,
            label: command.label.trim().to_owned(),
            field_type: command.field_type,
            options: command.options,
            required: command.required,
            unique: command.unique,
            indexed: command.indexed,
            default: None,
            group: command.group,
            position: command
                .position
                .unwrap_or_else(|| last.map_or(0, |last| last.saturating_add(1))),
            core: false,
        };
        check(&field, &set)?;
        field.default = read_default(&field, command.default.as_ref())?;
        uow.fields()
            .insert(organization, &field)
            .await
            .map_err(alias_taken)?;
        let change = told("field.created").to(json!(field));
        self.tell(&mut *uow, actor, change).await?;
        uow.commit().await?;
        self.index(&field).await?;
        Ok(field)
    }

    /// Changes the definition of a field.
    ///
    /// # Errors
    /// [`CrmError::CoreField`] for a core field, [`CrmError::FieldNotFound`] for an unknown one, else
    /// as [`create`](Self::create).
    pub async fn update(
        &self,
        actor: &Actor,
        alias: &FieldAlias,
        command: UpdateField,
    ) -> Result<Field, CrmError> {
        let organization = actor.require(Permission::FieldsManage)?;
        let mut uow = self.store.begin().await?;
        let set = FieldSet::with_custom(uow.fields().list_custom(organization).await?);
        let mut field = own_field(&set, alias)?.clone();
        let current = field.version();
        if command.version.is_some_and(|version| version != current) {
            return Err(CrmError::VersionMismatch { current });
        }
        let before = json!(field);
        field.label = command
            .label
            .map_or(field.label, |label| label.trim().to_owned());
        field.options = command.options.unwrap_or(field.options);
        field.required = command.required.unwrap_or(field.required);
        field.indexed = command.indexed.unwrap_or(field.indexed);
        field.group = command.group.unwrap_or(field.group);
        field.position = command.position.unwrap_or(field.position);
        check(&field, &set)?;
        field.default = match (&command.default, field.default.take()) {
            (Some(given), _) => read_default(&field, Some(given))?,
            // It may have lost its option.
            (None, Some(old)) => field
                .parse_value(&old, &ParseContext::default())
                .unwrap_or(None),
            (None, None) => None,
        };
        uow.fields().update(organization, &field).await?;
        let change = told("field.updated").between(before, json!(field));
        let change = change.and(json!({"alias": alias}));
        self.tell(&mut *uow, actor, change).await?;
        uow.commit().await?;
        self.index(&field).await?;
        Ok(field)
    }

    /// Deletes a field and its values on all contacts.
    ///
    /// # Errors
    /// [`CrmError::InUse`] with the names of the segments whose rules read it, else as
    /// [`update`](Self::update).
    pub async fn delete(&self, actor: &Actor, alias: &FieldAlias) -> Result<(), CrmError> {
        let organization = actor.require(Permission::FieldsManage)?;
        let mut uow = self.store.begin().await?;
        let set = FieldSet::with_custom(uow.fields().list_custom(organization).await?);
        let field = own_field(&set, alias)?.clone();
        let segments = uow.fields().segments_reading(organization, alias).await?;
        if !segments.is_empty() {
            return Err(CrmError::InUse {
                what: format!("the field {alias}"),
                users: format!("the rules of these segments: {}", segments.join(", ")),
            });
        }
        uow.fields().delete(organization, alias).await?;
        let change = told("field.deleted").from(json!(field));
        self.tell(&mut *uow, actor, change).await?;
        uow.commit().await?;
        self.store
            .field_indexes()
            .drop_unused(alias, field.field_type)
            .await?;
        Ok(())
    }

    /// The names of the segments whose rules read a field.
    ///
    /// # Errors
    /// [`CrmError::FieldNotFound`] if the organisation has no such field.
    pub async fn uses(&self, actor: &Actor, alias: &FieldAlias) -> Result<Vec<String>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        if self.list(actor).await?.get(alias.as_str()).is_none() {
            return Err(CrmError::FieldNotFound(alias.clone()));
        }
        Ok(self
            .store
            .fields()
            .segments_reading(organization, alias)
            .await?)
    }

    async fn tell(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        actor: &Actor,
        change: audit::Change,
    ) -> Result<(), StoreError> {
        audit::tell(uow.outbox(), actor, change, self.clock.now(), &*self.ids).await
    }

    async fn index(&self, field: &Field) -> Result<(), CrmError> {
        let indexes = self.store.field_indexes();
        if field.indexed {
            indexes.create(&field.alias, field.field_type).await?;
        } else {
            indexes.drop_unused(&field.alias, field.field_type).await?;
        }
        Ok(())
    }

    /// The alias asked for, or the first free one like the label.
    fn alias_for(&self, command: &CreateField, set: &FieldSet) -> Result<FieldAlias, CrmError> {
        if let Some(alias) = &command.alias {
            return if set.get(alias.as_str()).is_none() {
                Ok(alias.clone())
            } else {
                Err(CrmError::Taken {
                    field: "alias".to_owned(),
                })
            };
        }
        let made = FieldAlias::from_label(&command.label).or_else(|| {
            // A label without Latin letters.
            let random = self.ids.next().simple().to_string();
            format!("f_{}", &random[random.len() - 8..]).parse().ok()
        });
        let made = made.ok_or_else(|| CrmError::Invalid("the label makes no alias".to_owned()))?;
        let free = |alias: &FieldAlias| set.get(alias.as_str()).is_none();
        let numbered = (2..).map(|number| made.numbered(number));
        std::iter::once(made.clone())
            .chain(numbered)
            .find(free)
            .ok_or_else(|| CrmError::Taken {
                field: "alias".to_owned(),
            })
    }
}

/// A field has no id; what is said of it has its alias.
fn told(action: &str) -> audit::Change {
    audit::Change::new(action, audit::Subject::nameless("field"))
}

fn own_field<'a>(set: &'a FieldSet, alias: &FieldAlias) -> Result<&'a Field, CrmError> {
    match set.get(alias.as_str()) {
        None => Err(CrmError::FieldNotFound(alias.clone())),
        Some(field) if field.core => Err(CrmError::CoreField(alias.clone())),
        Some(field) => Ok(field),
    }
}

fn check(field: &Field, set: &FieldSet) -> Result<(), CrmError> {
    let invalid = |message: &str| Err(CrmError::Invalid(message.to_owned()));
    plain_text(&field.label, 191)?;
    if field.label.is_empty() {
        return invalid("a field needs a label");
    }
    if field.field_type.has_options() == field.options.is_empty() {
        return invalid("a select or multiselect needs options, and no other field has any");
    }
    if field.options.len() > MAX_OPTIONS {
        return invalid("a field may have at most 1000 options");
    }
    for option in &field.options {
        let (value, label) = (&option.value, &option.label);
        plain_text(value, 191)?;
        plain_text(label, 191)?;
        if value.is_empty() || value.trim() != value || value.contains(['|', '\n', '\r', '\t']) {
            return invalid(
                "the value of an option is not empty, has no space around it, and no bar in it",
            );
        }
    }
    let mut seen = HashSet::new();
    if !field
        .options
        .iter()
        .all(|option| seen.insert(&option.value))
    {
        return invalid("the values of options are different from each other");
    }
    let others = set
        .custom()
        .filter(|other| other.indexed && other.alias != field.alias);
    if field.indexed && others.count() >= MAX_INDEXED {
        return invalid("at most 64 fields can be indexed");
    }
    Ok(())
}

fn read_default(field: &Field, default: Option<&Json>) -> Result<Option<Value>, CrmError> {
    let Some(default) = default else {
        return Ok(None);
    };
    let value = field
        .parse_json(default, &ParseContext::default())
        .map_err(|reason| CrmError::InvalidFields(vec![FieldProblem::new("default", reason)]))?;
    if value.is_some() && field.unique {
        return Err(CrmError::Invalid(
            "a unique field cannot have a default".to_owned(),
        ));
    }
    Ok(value)
}

fn alias_taken(error: StoreError) -> CrmError {
    match error {
        StoreError::Conflict { .. } => CrmError::Taken {
            field: "alias".to_owned(),
        },
        other => other.into(),
    }
}
