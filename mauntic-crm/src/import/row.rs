use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, EmailAddress, UserId};

use super::{
    EmptyCells, ImportOptions, InvalidMapping, Mapping, Target,
    change::consent_after,
    guard::unguarded,
    headings::{normalised, usual_target},
    reader::Values,
    tags::tags,
};
use crate::{
    Channel, Country, Field, FieldAlias, FieldSet, FieldType, InvalidOwnerName, InvalidTag,
    InvalidValue, OwnerName, ParseContext, Reason, Tag, UnknownChannel, UnknownReason, Value,
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
    /// What tells which contact it is about: the key of the address or of another unique value, or an id.
    pub(crate) key: String,
    /// The id of the contact where the file was exported.
    pub(crate) id: Option<ContactId>,
    pub(crate) email: Option<EmailAddress>,
    /// What it says of fields; what is said later wins.
    pub(crate) values: Vec<Said>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) owner: Option<Option<UserId>>,
    /// Who is to be in charge, by name, and the column that says so.
    pub(crate) owner_named: Option<(usize, OwnerName)>,
    pub(crate) stage: Option<Option<String>>,
    pub(crate) points: Option<i64>,
    pub(crate) last_active: Option<DateTime<Utc>>,
    /// Where they must not be written to and why; without a reason, where they may be.
    pub(crate) do_not_contact: BTreeMap<Channel, Option<Reason>>,
    pub(crate) created_at: Option<DateTime<Utc>>,
}

/// What a row says of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// The number of the field in [`RowParser::fields`].
    pub(crate) field: usize,
    /// `None` clears.
    pub(crate) value: Option<Value>,
    /// The cell, if it was read as another text than it is.
    cell: Option<Value>,
}

impl Said {
    fn new(field: usize, value: Option<Value>) -> Self {
        Self {
            field,
            value,
            cell: None,
        }
    }

    /// Whether it stands there as it is stored, and is only read as something else by now: a telephone number whose
    /// country became known after it was stored, say.
    pub(super) fn is_as_stored(&self, stored: Option<&Value>) -> bool {
        self.cell.is_some() && stored == self.cell.as_ref()
    }
}

impl ImportRow {
    pub(super) fn new(line: u64) -> Self {
        Self {
            line,
            key: String::new(),
            id: None,
            email: None,
            values: Vec::new(),
            tags: Vec::new(),
            owner: None,
            owner_named: None,
            stage: None,
            points: None,
            last_active: None,
            do_not_contact: BTreeMap::new(),
            created_at: None,
        }
    }

    /// The value of a field, by its number.
    fn value(&self, field: usize) -> Option<&Value> {
        let said = self.values.iter().rfind(|said| said.field == field)?;
        said.value.as_ref()
    }

    /// Notes that they must not be written to for a reason, or without one that they may. Of two columns that differ,
    /// the one that forbids counts, and what they said themselves before all.
    fn mark(&mut self, channel: Channel, reason: Option<Reason>) {
        let mark = self.do_not_contact.entry(channel).or_default();
        if reason.is_some() {
            *mark = consent_after(*mark, reason);
        }
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
        for (channel, said) in later.do_not_contact {
            let mark = self.do_not_contact.entry(channel).or_insert(said);
            *mark = consent_after(*mark, said);
        }
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
    /// The field whose value it is to be, by its number in [`RowParser::fields`].
    pub(crate) field: Option<usize>,
}

/// A row with bad cells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BadRow {
    /// All of them.
    pub(crate) cells: Vec<BadCell>,
    /// What else it says, if it says which contact it is about and all of them are values of fields: the contact may
    /// have those as they are, from before the field took others.
    pub(crate) rest: Option<Box<ImportRow>>,
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
    Field {
        column: usize,
        field: usize,
    },
    /// The id or, where it is empty, the address.
    Id {
        column: usize,
        email: Option<usize>,
    },
}

impl KeyColumn {
    fn is_in(&self, column: usize) -> bool {
        match *self {
            Self::Email(key) | Self::Field { column: key, .. } => key == column,
            Self::Id { column: key, email } => key == column || email == Some(column),
        }
    }
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
        let address = |column| {
            let email: EmailAddress = unguarded(values.get(column)).parse().ok()?;
            Some(email.key())
        };
        match self.key {
            KeyColumn::Email(column) => address(column),
            KeyColumn::Id { column, email } => match values.get(column).trim() {
                "" => address(email?),
                id => Some(id.parse::<ContactId>().ok()?.to_string()),
            },
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
    pub(crate) fn parse(&self, line: u64, values: Values<'_>) -> Result<ImportRow, BadRow> {
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
                Meaning::Special(target) => self.special(&mut row, *column, target, cell),
            };
            if let Err(reason) = outcome {
                let field = match meaning {
                    Meaning::Value(field) => Some(*field),
                    Meaning::Special(_) => None,
                };
                bad.push(BadCell {
                    column: *column,
                    reason,
                    field,
                });
            }
        }
        let keyed = self.set_key(&mut row);
        let known = keyed.is_ok();
        if let Err(cell) = keyed
            && !bad.iter().any(|bad| self.key.is_in(bad.column))
        {
            bad.push(cell);
        }
        if bad.is_empty() {
            return Ok(row);
        }
        let values_alone = bad.iter().all(|cell| cell.field.is_some());
        Err(BadRow {
            cells: bad,
            rest: (known && values_alone).then(|| Box::new(row)),
        })
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
        let text = unguarded(cell);
        let value = if is_null(cell) {
            None
        } else {
            field.parse(text, context)?
        };
        match value {
            Some(value) => {
                let country = match field.alias.as_str() {
                    "country" => value.as_text().and_then(|code| code.parse().ok()),
                    _ => None,
                };
                let other = value.as_text().is_some_and(|read| read != text);
                row.values.push(Said {
                    field: index,
                    value: Some(value),
                    cell: other.then(|| Value::Text(text.to_owned())),
                });
                return Ok(country);
            }
            None if is_null(cell) || self.empty == EmptyCells::Clear => {
                row.values.push(Said::new(index, None));
            }
            None => {}
        }
        Ok(None)
    }

    fn special(
        &self,
        row: &mut ImportRow,
        column: usize,
        target: &Target,
        cell: &str,
    ) -> Result<(), String> {
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
                let name = cell.parse().map_err(say::<InvalidOwnerName>)?;
                row.owner_named = Some((column, name));
            }
            Target::Stage if cell.chars().count() > MAX_STAGE => {
                return Err(say(InvalidValue::TooLong { max: MAX_STAGE }));
            }
            Target::Stage => row.stage = Some(Some(cell.to_owned())),
            Target::Points => row.points = Some(points(cell)?),
            Target::LastActive => row.last_active = Some(self.instant(cell)?),
            Target::CreatedAt => row.created_at = Some(self.instant(cell)?),
            Target::DoNotEmail => row.mark(Channel::Email, do_not_email(cell)?),
            Target::DoNotContact => do_not_contact(row, cell)?,
            Target::UnsubscribedAt | Target::BouncedAt => {
                self.instant(cell)?;
                let reason = match target {
                    Target::BouncedAt => Reason::Bounced,
                    _ => Reason::Unsubscribed,
                };
                row.mark(Channel::Email, Some(reason));
            }
            Target::Id => row.id = Some(cell.parse().map_err(|_| "not the id of a contact")?),
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
                row.values.push(Said::new(index, Some(value)));
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
                row.values.push(Said::new(*index, Some(value)));
            }
        }
        Ok(())
    }

    fn set_key(&self, row: &mut ImportRow) -> Result<(), BadCell> {
        let (column, key) = match self.key {
            KeyColumn::Email(column) => (column, row.email.as_ref().map(EmailAddress::key)),
            KeyColumn::Field { column, field } => (column, row.value(field).map(Value::key)),
            KeyColumn::Id { column, .. } => {
                let id = row.id.map(|id| id.to_string());
                let address = || row.email.as_ref().map(EmailAddress::key);
                (column, id.or_else(address))
            }
        };
        row.key = key.ok_or_else(|| BadCell {
            column,
            reason: "empty, so nothing tells which contact the row is about".to_owned(),
            field: None,
        })?;
        Ok(())
    }
}

fn key_column(
    mapping: &Mapping,
    fields: &[Field],
    options: &ImportOptions,
) -> Result<KeyColumn, InvalidMapping> {
    let email = mapping.column_of(&Target::Email);
    let alias = match (&options.match_on, mapping.column_of(&Target::Id)) {
        (Some(alias), _) if alias.as_str() != "email" => alias,
        (None, Some(column)) => return Ok(KeyColumn::Id { column, email }),
        _ => {
            let column = email.ok_or(InvalidMapping::NoKey(Target::Email))?;
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

fn points(cell: &str) -> Result<i64, String> {
    let whole = cell
        .split_once('.')
        .filter(|(_, zeros)| zeros.bytes().all(|digit| digit == b'0'));
    let digits = whole.map_or(cell, |(whole, _)| whole);
    digits.parse().map_err(|_| "not a whole number".to_owned())
}

/// Reads yes and no, and the words by which listmonk, Mailchimp and others say whether somebody may be mailed; returns
/// why not.
fn do_not_email(cell: &str) -> Result<Option<Reason>, String> {
    match cell.to_ascii_lowercase().as_str() {
        "unsubscribed" => Ok(Some(Reason::Unsubscribed)),
        "bounced" | "cleaned" => Ok(Some(Reason::Bounced)),
        "blocklisted" | "disabled" => Ok(Some(Reason::Manual)),
        "enabled" | "subscribed" => Ok(None),
        _ => match FieldType::Boolean.parse(cell, &ParseContext::default()) {
            Ok(Some(Value::Boolean(value))) => Ok(value.then_some(Reason::Manual)),
            _ => Err(say(InvalidValue::NotABoolean)),
        },
    }
}

/// Reads `email:unsubscribed|sms:manual`, as an export has it, or what [`do_not_email`] reads.
fn do_not_contact(row: &mut ImportRow, cell: &str) -> Result<(), String> {
    if let Ok(reason) = do_not_email(cell) {
        row.mark(Channel::Email, reason);
        return Ok(());
    }
    for mark in cell.split(['|', ';', ',']) {
        let (channel, reason) = mark.split_once(':').unwrap_or((mark, "manual"));
        let channel = channel.trim().parse().map_err(say::<UnknownChannel>)?;
        let reason = reason.trim().parse().map_err(say::<UnknownReason>)?;
        row.mark(channel, Some(reason));
    }
    Ok(())
}
