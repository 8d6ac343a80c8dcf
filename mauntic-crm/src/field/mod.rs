//! What is known about a contact: the core fields and those that an organisation defines itself.

mod alias;
mod core;
mod set;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::{
    alias::{FieldAlias, InvalidFieldAlias},
    core::core_fields,
    set::FieldSet,
};
use crate::Value;

macro_rules! named {
    (
        $(#[$doc:meta])* $type:ident, $error:ident, $what:literal;
        $($(#[$variant_doc:meta])* $variant:ident => $text:literal,)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in storage, rules and the API.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        #[doc = concat!("The text names no ", $what, ".")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error("not a {}: expected one of {}", $what, [$($text),*].join(", "))]
        pub struct $error;

        impl FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text.trim() {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($error),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// What kind of values a field has.
    FieldType, UnknownFieldType, "field type";
    /// One line of text.
    Text => "text",
    /// Lines of text.
    Textarea => "textarea",
    /// A finite number.
    Number => "number",
    /// True or false.
    Boolean => "boolean",
    /// A calendar date.
    Date => "date",
    /// An instant.
    Datetime => "datetime",
    /// One of the field's options.
    Select => "select",
    /// Any of the field's options.
    Multiselect => "multiselect",
    /// An email address.
    Email => "email",
    /// A web address.
    Url => "url",
    /// A telephone number.
    Phone => "phone",
    /// A country, as its ISO 3166-1 alpha-2 code.
    Country => "country",
    /// A state, province or other part of a country.
    Region => "region",
    /// A language, with a country or script if need be (BCP 47).
    Locale => "locale",
    /// An IANA time zone.
    Timezone => "timezone",
}

named! {
    /// Where a field stands in forms and on the contact's page.
    FieldGroup, UnknownFieldGroup, "field group";
    /// Who the contact is and how to reach them.
    Core => "core",
    /// Accounts elsewhere.
    Social => "social",
    /// Private life.
    Personal => "personal",
    /// Work.
    Professional => "professional",
}

impl FieldType {
    /// Whether its values come from the field's options.
    #[must_use]
    pub fn has_options(self) -> bool {
        matches!(self, Self::Select | Self::Multiselect)
    }
}

/// One choice of a select or multiselect field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldOption {
    /// What is stored.
    pub value: String,
    /// What people read.
    pub label: String,
}

impl FieldOption {
    /// An option whose label is its value.
    #[must_use]
    pub fn plain(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            label: value.to_owned(),
        }
    }
}

/// The definition of one field of a contact.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name in rules, templates, imports and the API; never changes.
    pub alias: FieldAlias,
    /// What people read.
    pub label: String,
    /// The kind of its values; never changes.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// The choices of a select or multiselect, in order.
    #[serde(default)]
    pub options: Vec<FieldOption>,
    /// A contact cannot be saved without it.
    #[serde(default)]
    pub required: bool,
    /// No two contacts have the same value.
    #[serde(default)]
    pub unique: bool,
    /// Rules on it are fast: the database keeps an index.
    #[serde(default)]
    pub indexed: bool,
    /// What a new contact gets if nothing is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Where it stands.
    pub group: FieldGroup,
    /// Its place among all fields.
    pub position: u32,
    /// Built in: cannot be changed or deleted.
    #[serde(default)]
    pub core: bool,
}

impl Field {
    /// Tells whether somebody else changed it since it was read; what `If-Match` compares.
    #[must_use]
    pub fn version(&self) -> i64 {
        mauntic_core::fingerprint(self)
    }

    /// A custom field with nothing special about it.
    #[must_use]
    pub fn custom(alias: FieldAlias, label: &str, field_type: FieldType) -> Self {
        Self {
            alias,
            label: label.to_owned(),
            field_type,
            options: Vec::new(),
            required: false,
            unique: false,
            indexed: false,
            default: None,
            group: FieldGroup::Core,
            position: 0,
            core: false,
        }
    }

    /// Whether the value has a column of its own (`email`, `points`, `last_active`) and is not among
    /// the contact's [`FieldValues`](crate::FieldValues).
    #[must_use]
    pub fn is_column(&self) -> bool {
        matches!(self.alias.as_str(), "email" | "points" | "last_active")
    }

    /// The option with that value, or else with that label; capitals do not matter.
    #[must_use]
    pub fn option(&self, text: &str) -> Option<&FieldOption> {
        let text = text.trim();
        let exact = self.options.iter().find(|option| option.value == text);
        exact
            .or_else(|| {
                self.options
                    .iter()
                    .find(|option| option.value.eq_ignore_ascii_case(text))
            })
            .or_else(|| {
                self.options
                    .iter()
                    .find(|option| option.label.eq_ignore_ascii_case(text))
            })
    }
}
