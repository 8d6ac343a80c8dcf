use mauntic_core::{SegmentId, TimeZoneName, UserId};
use serde::{Deserialize, Serialize};

use super::{ColumnChoice, FormatHints};
use crate::{DateOrder, FieldAlias, Tag};

/// What an empty cell does to a contact that has a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyCells {
    /// The value stays. A cell that says `NULL` still clears it.
    #[default]
    Keep,
    /// The value goes.
    Clear,
}

/// What happens to contacts that are there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// They take the values of the file.
    #[default]
    Update,
    /// They take values for fields in which they have none.
    FillBlanks,
    /// They stay as they are.
    Skip,
}

/// How a file is imported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportOptions {
    /// How the file is written, as far as a person says.
    pub format: FormatHints,
    /// What columns become, as far as a person says.
    pub columns: Vec<ColumnChoice>,
    /// The unique field that tells which contact a row is about; the address if `None`.
    pub match_on: Option<FieldAlias>,
    /// What empty cells do.
    pub empty: EmptyCells,
    /// What happens to contacts that are there.
    pub existing: Existing,
    /// Tags for every contact of the file.
    pub tags: Vec<Tag>,
    /// The user in charge of every contact of the file, unless a column says otherwise.
    pub owner: Option<UserId>,
    /// The static segment that every contact of the file is put into.
    pub segment: Option<SegmentId>,
    /// Which of day and month comes first in dates such as `3/4/2026`.
    pub date_order: Option<DateOrder>,
    /// The zone of times without an offset.
    pub zone: TimeZoneName,
}
