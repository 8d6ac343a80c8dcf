//! `/api/crm/fields`.

use mauntic_crm::{CreateField, Field, FieldAlias, FieldOption, FieldService, UpdateField};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::MaybeUndefined,
};
use serde_json::Value;

use crate::{
    App,
    api::{ApiTag, Created, Done, Versioned, expected_version, parse},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct FieldsApi {
    fields: FieldService,
}

impl FieldsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            fields: app.fields.clone(),
        }
    }
}

/// One choice of a select or multiselect field.
#[derive(Debug, Object)]
#[oai(rename = "FieldOption")]
struct OptionBody {
    /// What is stored.
    value: String,
    /// What people read; the value without it.
    label: MaybeUndefined<String>,
}

impl OptionBody {
    fn read(self) -> FieldOption {
        FieldOption {
            label: self.label.take().unwrap_or_else(|| self.value.clone()),
            value: self.value,
        }
    }
}

/// A field of contacts.
#[derive(Debug, Object)]
#[oai(rename = "Field", skip_serializing_if_is_none)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "as many as a field has properties"
)]
struct FieldBody {
    /// Its name in rules, templates, imports and the API.
    alias: String,
    label: String,
    /// text, textarea, number, boolean, date, datetime, select, multiselect, email, url, phone, country,
    /// region, locale or timezone.
    #[oai(rename = "type")]
    field_type: String,
    options: Vec<OptionBody>,
    required: bool,
    unique: bool,
    indexed: bool,
    default: Option<Value>,
    /// core, social, personal or professional.
    group: String,
    position: u32,
    /// Built in: cannot be changed or deleted.
    core: bool,
    /// For `If-Match`: it tells whether somebody else changed the field.
    version: i64,
}

impl From<Field> for FieldBody {
    fn from(field: Field) -> Self {
        let option = |option: FieldOption| OptionBody {
            value: option.value,
            label: MaybeUndefined::Value(option.label),
        };
        Self {
            version: field.version(),
            alias: field.alias.to_string(),
            label: field.label,
            field_type: field.field_type.to_string(),
            options: field.options.into_iter().map(option).collect(),
            required: field.required,
            unique: field.unique,
            indexed: field.indexed,
            default: field
                .default
                .and_then(|value| serde_json::to_value(value).ok()),
            group: field.group.to_string(),
            position: field.position,
            core: field.core,
        }
    }
}

/// A field to define.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewField {
    #[oai(validator(min_length = 1, max_length = 191))]
    label: String,
    /// Made from the label without it.
    alias: MaybeUndefined<String>,
    /// text, textarea, number, boolean, date, datetime, select, multiselect, email, url, phone, country,
    /// region, locale or timezone.
    #[oai(rename = "type")]
    field_type: String,
    /// The choices of a select or multiselect.
    #[oai(default)]
    options: Vec<OptionBody>,
    /// A contact cannot be saved without it.
    #[oai(default)]
    required: bool,
    /// No two contacts have the same value.
    #[oai(default)]
    unique: bool,
    /// Keep an index, so that rules on it are fast.
    #[oai(default)]
    indexed: bool,
    /// What a new contact gets if nothing is given.
    default: MaybeUndefined<Value>,
    /// core, social, personal or professional; core without it.
    group: MaybeUndefined<String>,
    position: MaybeUndefined<u32>,
}

/// What to change of a field; what is absent stays.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct FieldPatch {
    label: MaybeUndefined<String>,
    options: MaybeUndefined<Vec<OptionBody>>,
    required: MaybeUndefined<bool>,
    indexed: MaybeUndefined<bool>,
    /// `null` for none.
    default: MaybeUndefined<Value>,
    group: MaybeUndefined<String>,
    position: MaybeUndefined<u32>,
}

#[OpenApi(prefix_path = "/crm/fields", tag = "ApiTag::Contacts")]
impl FieldsApi {
    /// List the fields
    ///
    /// The core fields and the organisation's own.
    #[oai(path = "/", method = "get", operation_id = "listFields")]
    async fn list(&self, Token(actor): Token) -> Result<Json<Vec<FieldBody>>, ApiError> {
        let fields = self.fields.list(&actor).await?;
        Ok(Json(fields.iter().cloned().map(FieldBody::from).collect()))
    }

    /// Define a field
    #[oai(path = "/", method = "post", operation_id = "createField")]
    async fn create(
        &self,
        Token(actor): Token,
        body: Json<NewField>,
    ) -> Result<Created<FieldBody>, ApiError> {
        let body = body.0;
        let command = CreateField {
            label: body.label,
            alias: body
                .alias
                .take()
                .map(|alias| parse("/alias", &alias))
                .transpose()?,
            field_type: parse("/type", &body.field_type)?,
            options: body.options.into_iter().map(OptionBody::read).collect(),
            required: body.required,
            unique: body.unique,
            indexed: body.indexed,
            default: body.default.take(),
            group: match body.group.take() {
                Some(group) => parse("/group", &group)?,
                None => mauntic_crm::FieldGroup::Core,
            },
            position: body.position.take(),
        };
        Ok(Created::Created(Json(
            self.fields.create(&actor, command).await?.into(),
        )))
    }

    /// Change a field
    #[oai(path = "/:alias", method = "patch", operation_id = "updateField")]
    async fn update(
        &self,
        Token(actor): Token,
        alias: Path<String>,
        /// Only if it still is at this version.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<FieldPatch>,
    ) -> Result<Versioned<FieldBody>, ApiError> {
        let (alias, body) = (parse::<FieldAlias>("alias", &alias.0)?, body.0);
        let command = UpdateField {
            label: body.label.take(),
            options: body
                .options
                .take()
                .map(|options| options.into_iter().map(OptionBody::read).collect()),
            required: body.required.take(),
            indexed: body.indexed.take(),
            default: match body.default {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(Value::Null),
                MaybeUndefined::Value(value) => Some(value),
            },
            group: body
                .group
                .take()
                .map(|group| parse("/group", &group))
                .transpose()?,
            position: body.position.take(),
            version: expected_version(if_match.0.as_ref())?,
        };
        let field = self.fields.update(&actor, &alias, command).await?;
        Ok(Versioned::at(field.version(), field.into()))
    }

    /// Delete a field
    ///
    /// Its value goes from every contact. Refused while the rule of a segment reads it.
    #[oai(path = "/:alias", method = "delete", operation_id = "deleteField")]
    async fn delete(&self, Token(actor): Token, alias: Path<String>) -> Result<Done, ApiError> {
        self.fields
            .delete(&actor, &parse("alias", &alias.0)?)
            .await?;
        Ok(Done::Done)
    }
}
