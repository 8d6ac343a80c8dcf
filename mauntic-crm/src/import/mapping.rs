use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::headings::{normalised, target_beside, usual_target};
use crate::{Field, FieldAlias, FieldSet};

/// Columns of reports, which are not data: a repaired report is imported as it is.
pub(super) const REPORT_COLUMNS: [&str; 4] = [
    "mauntic_line",
    "mauntic_column",
    "mauntic_value",
    "mauntic_reason",
];

/// What the values of a column become.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// The address.
    Email,
    /// The value of a field.
    Field(FieldAlias),
    /// First and last name in one.
    FullName,
    /// Tags, parted by `|`, `,` or `;`.
    Tags,
    /// The address or id of the user in charge.
    Owner,
    /// The name of the stage.
    Stage,
    /// The score.
    Points,
    /// When they were last seen.
    LastActive,
    /// Whether they must not be mailed.
    DoNotEmail,
    /// Where and why they must not be written to: `email:unsubscribed|sms:manual`; or whether they must not be mailed.
    DoNotContact,
    /// When they unsubscribed elsewhere, if they did.
    UnsubscribedAt,
    /// When mail to them did not arrive any more, if so.
    BouncedAt,
    /// When the contact was added elsewhere; counts for new contacts.
    CreatedAt,
    /// A JSON object of field values, as listmonk exports it.
    Attributes,
    /// The id of the contact where the file was exported.
    Id,
}

/// What columns can become beside fields, by name.
const SPECIAL: [(&str, Target); 14] = [
    ("email", Target::Email),
    ("full_name", Target::FullName),
    ("tags", Target::Tags),
    ("owner", Target::Owner),
    ("stage", Target::Stage),
    ("points", Target::Points),
    ("last_active", Target::LastActive),
    ("do_not_email", Target::DoNotEmail),
    ("do_not_contact", Target::DoNotContact),
    ("unsubscribed_at", Target::UnsubscribedAt),
    ("bounced_at", Target::BouncedAt),
    ("created_at", Target::CreatedAt),
    ("attributes", Target::Attributes),
    (ID, Target::Id),
];

/// The column of an export with the ids of the contacts. Others call theirs `id`, so this is called after whose it is.
pub(crate) const ID: &str = "mauntic_id";

/// The text names nothing that a column can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "neither the alias of a field nor one of email, full_name, tags, owner, stage, points, last_active, do_not_email, do_not_contact, unsubscribed_at, bounced_at, created_at, attributes, mauntic_id"
)]
pub struct UnknownTarget;

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match SPECIAL.iter().find(|(name, _)| *name == text) {
            Some((_, target)) => Ok(target.clone()),
            None => text.parse().map(Self::Field).map_err(|_| UnknownTarget),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = UnknownTarget;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(alias) => alias.fmt(f),
            other => {
                let name = SPECIAL.iter().find(|(_, target)| target == other);
                f.write_str(name.map_or("", |(name, _)| name))
            }
        }
    }
}

/// A person's word on one column: `COLUMN=FIELD`, or `COLUMN=` to leave it out. The column is given
/// by its name, or by its number (from 1) if none has that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnChoice {
    /// The column.
    pub column: String,
    /// What it becomes; `None` leaves it out.
    pub target: Option<String>,
}

impl FromStr for ColumnChoice {
    type Err = InvalidMapping;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (column, target) = text.rsplit_once('=').ok_or(InvalidMapping::Malformed)?;
        let target = target.trim();
        Ok(Self {
            column: column.trim().to_owned(),
            target: (!target.is_empty()).then(|| target.to_owned()),
        })
    }
}

/// Why columns cannot become what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMapping {
    /// No `=` in it.
    #[error("expected COLUMN=FIELD, or COLUMN= to leave a column out")]
    Malformed,
    /// The file has no such column.
    #[error("the file has no column {0:?}")]
    NoSuchColumn(String),
    /// There is no such field.
    #[error("the column {column:?} cannot become {target:?}: {UnknownTarget}")]
    NoSuchField {
        /// The column.
        column: String,
        /// What it was to become.
        target: String,
    },
    /// Two columns for one field.
    #[error("the columns {first:?} and {second:?} cannot both become {target}")]
    Twice {
        /// One column.
        first: String,
        /// The other.
        second: String,
        /// What both were to become.
        target: Target,
    },
    /// Nothing tells which contact a row is about.
    #[error(
        "no column becomes {0}, which tells which contact a row is about: name it with COLUMN={0}"
    )]
    NoKey(Target),
    /// Rows cannot be matched by that field.
    #[error("rows can be matched by email or a unique field, which {0} is not")]
    NotUnique(FieldAlias),
}

/// What each column of a file becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mapping(Vec<Option<Target>>);

/// What a heading may mean.
type Guess<'a> = dyn Fn(&str, &FieldSet) -> Option<Target> + 'a;

impl Mapping {
    /// Maps columns by what a person says, else by the names, aliases and labels of fields, else by
    /// the headings that Mautic, Mailchimp, HubSpot, Salesforce and listmonk write.
    ///
    /// # Errors
    /// [`InvalidMapping`] if a choice cannot be followed.
    pub fn of(
        columns: &[String],
        fields: &FieldSet,
        choices: &[ColumnChoice],
    ) -> Result<Self, InvalidMapping> {
        let mut targets: Vec<Option<Target>> = vec![None; columns.len()];
        let mut decided = vec![false; columns.len()];
        for choice in choices {
            let index = column_index(columns, &choice.column)?;
            let target = choice
                .target
                .as_deref()
                .map(|target| chosen(&choice.column, target, fields));
            let target = target.transpose()?;
            if let Some(target) = &target {
                refuse_twice(columns, &targets, index, target)?;
            }
            targets[index] = target;
            decided[index] = true;
        }
        let names: Vec<_> = columns.iter().map(|column| normalised(column)).collect();
        let beside = |name: &str, fields: &FieldSet| target_beside(name, &names, fields);
        // What is certain comes first, so that `Mail` does not take the place of `Email`.
        let guesses: [&Guess<'_>; 4] = [&beside, &by_alias, &by_label, &usual_target];
        for guess in guesses {
            for (index, column) in columns.iter().enumerate() {
                if decided[index] || REPORT_COLUMNS.contains(&column.as_str()) {
                    continue;
                }
                let Some(target) = guess(&names[index], fields) else {
                    continue;
                };
                if !targets.contains(&Some(target.clone())) {
                    targets[index] = Some(target);
                    decided[index] = true;
                }
            }
        }
        Ok(Self(targets))
    }

    /// What the columns become, in order.
    pub fn targets(&self) -> impl Iterator<Item = Option<&Target>> {
        self.0.iter().map(Option::as_ref)
    }

    /// The column that becomes this.
    #[must_use]
    pub fn column_of(&self, target: &Target) -> Option<usize> {
        self.0
            .iter()
            .position(|mapped| mapped.as_ref() == Some(target))
    }

    /// Maps the one column to the address, for files without a header.
    pub(super) fn set_email(&mut self, column: usize) {
        self.0[column] = Some(Target::Email);
    }
}

fn column_index(columns: &[String], name: &str) -> Result<usize, InvalidMapping> {
    let by_name = columns
        .iter()
        .position(|column| column == name)
        .or_else(|| {
            let name = normalised(name);
            columns
                .iter()
                .position(|column| !name.is_empty() && normalised(column) == name)
        });
    let by_number = || {
        name.parse::<usize>()
            .ok()?
            .checked_sub(1)
            .filter(|index| *index < columns.len())
    };
    by_name
        .or_else(by_number)
        .ok_or_else(|| InvalidMapping::NoSuchColumn(name.to_owned()))
}

fn chosen(column: &str, target: &str, fields: &FieldSet) -> Result<Target, InvalidMapping> {
    let known = target.parse::<Target>().ok().filter(|target| match target {
        Target::Field(alias) => fields.get(alias.as_str()).is_some(),
        _ => true,
    });
    let known = known.or_else(|| {
        let name = normalised(target);
        by_alias(&name, fields).or_else(|| by_label(&name, fields))
    });
    known.ok_or_else(|| InvalidMapping::NoSuchField {
        column: column.to_owned(),
        target: target.to_owned(),
    })
}

fn refuse_twice(
    columns: &[String],
    targets: &[Option<Target>],
    index: usize,
    target: &Target,
) -> Result<(), InvalidMapping> {
    let other = targets
        .iter()
        .position(|mapped| mapped.as_ref() == Some(target));
    match other.filter(|other| *other != index) {
        None => Ok(()),
        Some(other) => Err(InvalidMapping::Twice {
            first: columns[other].clone(),
            second: columns[index].clone(),
            target: target.clone(),
        }),
    }
}

fn by_alias(name: &str, fields: &FieldSet) -> Option<Target> {
    let special = SPECIAL
        .iter()
        .find(|(special, _)| normalised(special) == name);
    special.map(|(_, target)| target.clone()).or_else(|| {
        let field = fields
            .iter()
            .find(|field| normalised(field.alias.as_str()) == name)?;
        Some(target_of(field))
    })
}

fn by_label(name: &str, fields: &FieldSet) -> Option<Target> {
    fields
        .iter()
        .find(|field| normalised(&field.label) == name)
        .map(target_of)
}

fn target_of(field: &Field) -> Target {
    match field.alias.as_str() {
        "email" => Target::Email,
        "points" => Target::Points,
        "last_active" => Target::LastActive,
        _ => Target::Field(field.alias.clone()),
    }
}
