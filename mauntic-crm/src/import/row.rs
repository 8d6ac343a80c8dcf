use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mauntic_core::{EmailAddress, UserId};

use super::{
    EmptyCells, ImportOptions, InvalidMapping, Mapping, Target,
    guard::unguarded,
    headings::{normalised, usual_target},
    reader::Values,
};
use crate::{
    Country, Field, FieldAlias, FieldSet, FieldType, InvalidTag, InvalidValue, ParseContext, Tag,
    Value,
};

/// Longest name of a stage, in characters.
const MAX_STAGE: usize = 191;

/// What one row of a file says about a contact.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::option_option,
    reason = "`None` says nothing, `Some(None)` clears"
)]
pub(crate) struct ImportRow {
    /// The number of the line that it starts on.
    pub(crate) line: u64,
    /// What tells which contact it is about: the key of the address or of another unique value.
    pub(crate) key: String,
    pub(crate) email: Option<EmailAddress>,
    /// Values by the number of the field in [`RowParser::fields`]; `None` clears, and later ones win.
    pub(crate) values: Vec<(usize, Option<Value>)>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) owner: Option<Option<UserId>>,
    pub(crate) stage: Option<Option<String>>,
    pub(crate) points: Option<i64>,
    pub(crate) last_active: Option<DateTime<Utc>>,
    pub(crate) do_not_email: Option<bool>,
    pub(crate) created_at: Option<DateTime<Utc>>,
}

impl ImportRow {
    fn new(line: u64) -> Self {
        Self {
            line,
            key: String::new(),
            email: None,
            values: Vec::new(),
            tags: Vec::new(),
            owner: None,
            stage: None,
            points: None,
            last_active: None,
            do_not_email: None,
            created_at: None,
        }
    }

    /// The value of a field, by its number.
    fn value(&self, field: usize) -> Option<&Value> {
        let (_, value) = self.values.iter().rfind(|(index, _)| *index == field)?;
        value.as_ref()
    }

    /// Lets a later row about the same contact have the last word, as if it came in another batch.
    pub(crate) fn overlay(&mut self, later: Self) {
        self.line = later.line;
        self.email = later.email.or(self.email.take());
        self.values.extend(later.values);
        self.tags.extend(later.tags);
        self.owner = later.owner.or(self.owner);
        self.stage = later.stage.or(self.stage.take());
        self.points = later.points.or(self.points);
        self.last_active = later.last_active.or(self.last_active);
        self.do_not_email = later.do_not_email.or(self.do_not_email);
        self.created_at = self.created_at.or(later.created_at);
    }
}

/// A cell that cannot be what its column says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadCell {
    /// The column.
    pub(crate) column: usize,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// Turns the values of a record into what they say about a contact.
pub(crate) struct RowParser {
    /// What each column is, in the order in which columns are read: the country comes first, since
    /// it tells what a telephone number without a country code means.
    columns: Vec<(usize, Meaning)>,
    fields: Vec<Field>,
    names: [Option<usize>; 2],
    /// Attributes of listmonk, by their normalised name.
    attributes: BTreeMap<String, usize>,
    key: KeyColumn,
    empty: EmptyCells,
    context: ParseContext,
}

#[derive(Clone)]
enum Meaning {
    Value(usize),
    Special(Target),
}

/// Which column tells which contact a row is about.
enum KeyColumn {
    Email(usize),
    Field { column: usize, field: usize },
}

impl RowParser {
    /// # Errors
    /// [`InvalidMapping`] if no column tells which contact a row is about.
    pub(crate) fn new(
        mapping: &Mapping,
        fields: &FieldSet,
        options: &ImportOptions,
    ) -> Result<Self, InvalidMapping> {
        let used: Vec<Field> = fields
            .iter()
            .filter(|field| !field.is_column())
            .cloned()
            .collect();
        let index_of = |alias: &str| used.iter().position(|field| field.alias.as_str() == alias);
        let mut columns: Vec<_> = mapping
            .targets()
            .enumerate()
            .filter_map(|(column, target)| Some((column, target?)))
            .filter_map(|(column, target)| match target {
                Target::Field(alias) => Some((column, Meaning::Value(index_of(alias.as_str())?))),
                other => Some((column, Meaning::Special(other.clone()))),
            })
            .collect();
        let country = index_of("country");
        columns.sort_by_key(|(_, meaning)| match meaning {
            Meaning::Value(field) => Some(*field) != country,
            Meaning::Special(_) => true,
        });
        let mapped = |alias: &str| {
            alias
                .parse::<FieldAlias>()
                .is_ok_and(|alias| mapping.column_of(&Target::Field(alias)).is_some())
        };
        let names =
            ["firstname", "lastname"].map(|alias| index_of(alias).filter(|_| !mapped(alias)));
        let key = key_column(mapping, &used, options)?;
        Ok(Self {
            columns,
            names,
            attributes: attributes(&used, mapping),
            key,
            fields: used,
            empty: options.empty,
            context: ParseContext {
                country: None,
                zone: options.zone.clone(),
                date_order: options.date_order,
            },
        })
    }

    /// The fields that values are numbered by.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What tells which contact a record is about, if it says so.
    pub(crate) fn key(&self, values: Values<'_>) -> Option<String> {
        match self.key {
            KeyColumn::Email(column) => {
                let email: EmailAddress = unguarded(values.get(column)).parse().ok()?;
                Some(email.key())
            }
            KeyColumn::Field { column, field } => {
                let text = unguarded(values.get(column));
                let value = self.fields[field].parse(text, &self.context).ok()??;
                Some(value.key())
            }
        }
    }

    /// What a record says.
    ///
    /// # Errors
    /// All cells that are wrong.
    pub(crate) fn parse(&self, line: u64, values: Values<'_>) -> Result<ImportRow, Vec<BadCell>> {
        let mut row = ImportRow::new(line);
        let mut bad = Vec::new();
        let mut context = None;
        for (column, meaning) in &self.columns {
            let cell = values.get(*column).trim();
            let outcome = match meaning {
                Meaning::Value(field) => {
                    let known = context.as_ref().unwrap_or(&self.context);
                    let parsed = self.value(&mut row, *field, cell, known);
                    if let Ok(Some(country)) = &parsed {
                        context = Some(ParseContext {
                            country: Some(*country),
                            ..self.context.clone()
                        });
                    }
                    parsed.map(|_| ()).map_err(|error| error.to_string())
                }
                Meaning::Special(target) => self.special(&mut row, target, cell),
            };
            if let Err(reason) = outcome {
                bad.push(BadCell {
                    column: *column,
                    reason,
                });
            }
        }
        if let Err(cell) = self.set_key(&mut row) {
            bad.push(cell);
        }
        if bad.is_empty() { Ok(row) } else { Err(bad) }
    }

    /// Reads the cell of a field; returns the country if it was one.
    fn value(
        &self,
        row: &mut ImportRow,
        index: usize,
        cell: &str,
        context: &ParseContext,
    ) -> Result<Option<Country>, InvalidValue> {
        let field = &self.fields[index];
        let value = if is_null(cell) {
            None
        } else {
            field.parse(unguarded(cell), context)?
        };
        match value {
            Some(value) => {
                let country = match field.alias.as_str() {
                    "country" => value.as_text().and_then(|code| code.parse().ok()),
                    _ => None,
                };
                row.values.push((index, Some(value)));
                return Ok(country);
            }
            None if is_null(cell) || self.empty == EmptyCells::Clear => {
                row.values.push((index, None));
            }
            None => {}
        }
        Ok(None)
    }

    fn special(&self, row: &mut ImportRow, target: &Target, cell: &str) -> Result<(), String> {
        let clears = is_null(cell) || (cell.is_empty() && self.empty == EmptyCells::Clear);
        if cell.is_empty() || is_null(cell) {
            match target {
                Target::Owner if clears => row.owner = Some(None),
                Target::Stage if clears => row.stage = Some(None),
                _ => {}
            }
            return Ok(());
        }
        let cell = unguarded(cell);
        match target {
            Target::Email => {
                row.email = Some(
                    cell.parse()
                        .map_err(say::<mauntic_core::InvalidEmailAddress>)?,
                );
            }
            Target::FullName => self.full_name(row, cell).map_err(say::<InvalidValue>)?,
            Target::Tags => row.tags = tags(cell).map_err(say::<InvalidTag>)?,
            Target::Owner => {
                row.owner = Some(Some(cell.parse().map_err(|_| "not the id of a user")?));
            }
            Target::Stage if cell.chars().count() > MAX_STAGE => {
                return Err(say(InvalidValue::TooLong { max: MAX_STAGE }));
            }
            Target::Stage => row.stage = Some(Some(cell.to_owned())),
            Target::Points => row.points = Some(points(cell)?),
            Target::LastActive => row.last_active = Some(self.instant(cell)?),
            Target::CreatedAt => row.created_at = Some(self.instant(cell)?),
            Target::DoNotEmail => row.do_not_email = Some(do_not_email(cell)?),
            Target::Attributes => self.attributes(row, cell)?,
            Target::Field(_) => {}
        }
        Ok(())
    }

    fn full_name(&self, row: &mut ImportRow, name: &str) -> Result<(), InvalidValue> {
        let (first, last) = name.rsplit_once(' ').unwrap_or((name, ""));
        for (index, part) in self.names.into_iter().zip([first, last]) {
            let Some(index) = index else { continue };
            if let Some(value) = self.fields[index].parse(part, &self.context)? {
                row.values.push((index, Some(value)));
            }
        }
        Ok(())
    }

    fn instant(&self, cell: &str) -> Result<DateTime<Utc>, String> {
        let value = FieldType::Datetime
            .parse(cell, &self.context)
            .map_err(say::<InvalidValue>)?;
        value
            .and_then(|value| value.as_datetime())
            .ok_or_else(|| say(InvalidValue::NotADatetime))
    }

    /// Takes those attributes that fields exist for.
    fn attributes(&self, row: &mut ImportRow, cell: &str) -> Result<(), String> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(cell).map_err(|_| "not a JSON object")?;
        for (name, json) in &object {
            let Some(index) = self.attributes.get(&normalised(name)) else {
                continue;
            };
            let field = &self.fields[*index];
            let value = field.parse_json(json, &self.context);
            let value = value.map_err(|error| format!("{}: {error}", field.alias))?;
            if let Some(value) = value {
                row.values.push((*index, Some(value)));
            }
        }
        Ok(())
    }

    fn set_key(&self, row: &mut ImportRow) -> Result<(), BadCell> {
        let (column, key) = match self.key {
            KeyColumn::Email(column) => (column, row.email.as_ref().map(EmailAddress::key)),
            KeyColumn::Field { column, field } => (column, row.value(field).map(Value::key)),
        };
        row.key = key.ok_or_else(|| BadCell {
            column,
            reason: "empty, so nothing tells which contact the row is about".to_owned(),
        })?;
        Ok(())
    }
}

fn key_column(
    mapping: &Mapping,
    fields: &[Field],
    options: &ImportOptions,
) -> Result<KeyColumn, InvalidMapping> {
    let alias = match &options.match_on {
        Some(alias) if alias.as_str() != "email" => alias,
        _ => {
            let column = mapping
                .column_of(&Target::Email)
                .ok_or(InvalidMapping::NoKey(Target::Email))?;
            return Ok(KeyColumn::Email(column));
        }
    };
    let field = fields
        .iter()
        .position(|field| field.alias == *alias && field.unique);
    let field = field.ok_or_else(|| InvalidMapping::NotUnique(alias.clone()))?;
    let target = Target::Field(alias.clone());
    match mapping.column_of(&target) {
        Some(column) => Ok(KeyColumn::Field { column, field }),
        None => Err(InvalidMapping::NoKey(target)),
    }
}

/// The fields that attributes may fill: those that no column fills.
fn attributes(fields: &[Field], mapping: &Mapping) -> BTreeMap<String, usize> {
    if mapping.column_of(&Target::Attributes).is_none() {
        return BTreeMap::new();
    }
    let set = FieldSet::with_custom(fields.iter().filter(|field| !field.core).cloned().collect());
    let free = |field: &Field| {
        mapping
            .column_of(&Target::Field(field.alias.clone()))
            .is_none()
    };
    let mut names = BTreeMap::new();
    for (index, field) in fields.iter().enumerate().filter(|(_, field)| free(field)) {
        names.insert(normalised(&field.label), index);
        for heading in super::headings::usual_headings() {
            if usual_target(heading, &set) == Some(Target::Field(field.alias.clone())) {
                names.entry(heading.to_owned()).or_insert(index);
            }
        }
    }
    for (index, field) in fields.iter().enumerate().filter(|(_, field)| free(field)) {
        names.insert(normalised(field.alias.as_str()), index);
    }
    names
}

fn say<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

fn is_null(cell: &str) -> bool {
    cell == "NULL"
}

/// Tags parted by `|`, or else by `;`, or else by `,`, with or without quotes around each.
fn tags(cell: &str) -> Result<Vec<Tag>, InvalidTag> {
    let separator = ['|', ';', ',']
        .into_iter()
        .find(|separator| cell.contains(*separator));
    // Mailchimp puts quotes around each of its comma-separated tags.
    let quotes: &[char] = if separator == Some(',') { &['"'] } else { &[] };
    cell.split(separator.unwrap_or('|'))
        .map(|tag| tag.trim().trim_matches(quotes).trim())
        .filter(|tag| !tag.is_empty())
        .map(str::parse)
        .collect()
}

fn points(cell: &str) -> Result<i64, String> {
    let whole = cell
        .split_once('.')
        .filter(|(_, zeros)| zeros.bytes().all(|digit| digit == b'0'));
    let digits = whole.map_or(cell, |(whole, _)| whole);
    digits.parse().map_err(|_| "not a whole number".to_owned())
}

/// Reads yes and no, and the words by which listmonk, Mailchimp and others say whether somebody may be mailed.
fn do_not_email(cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "blocklisted" | "unsubscribed" | "bounced" | "cleaned" | "disabled" => Ok(true),
        "enabled" | "subscribed" => Ok(false),
        _ => match FieldType::Boolean.parse(cell, &ParseContext::default()) {
            Ok(Some(Value::Boolean(value))) => Ok(value),
            _ => Err(say(InvalidValue::NotABoolean)),
        },
    }
}
