//! What a person says about a file: how it is written, what its columns become, and what else to do.

use std::collections::BTreeMap;

use mauntic_core::{TimeZoneName, UserId};
use mauntic_crm::{
    DateOrder, FieldAlias, Tag,
    import::{
        ColumnChoice, Delimiter, EmptyCells, Existing, FormatHints, Glance, GlancedColumn,
        ImportOptions, InvalidMapping, Target, TextEncoding,
    },
};

use crate::ui::visitor::Fields;

/// What is wrong, by the name of its control; `""` is about it all.
pub(super) type Problems = BTreeMap<String, String>;

/// Encodings that are offered beside what is found.
pub(super) const ENCODINGS: [&str; 6] = [
    "UTF-8",
    "windows-1252",
    "ISO-8859-2",
    "windows-1251",
    "UTF-16LE",
    "UTF-16BE",
];

/// How the file is written, as far as the form says.
pub(super) fn hints(form: &Fields) -> FormatHints {
    FormatHints {
        encoding: form.text("encoding").parse::<TextEncoding>().ok(),
        delimiter: form.text("delimiter").parse::<Delimiter>().ok(),
        header: form.text("header").parse().ok(),
    }
}

/// The name of the control of a column.
pub(super) fn control(index: usize) -> String {
    format!("column-{}", index + 1)
}

/// What a column becomes: what the form says, else what its name says.
pub(super) fn target(form: &Fields, index: usize, column: &GlancedColumn) -> String {
    let found = || column.target.as_ref().map(Target::to_string);
    let said = form.find(&control(index)).map(str::to_owned);
    said.or_else(found).unwrap_or_default()
}

/// Reads it all.
pub(super) fn options(
    form: &Fields,
    glance: &Glance,
    zone: TimeZoneName,
    is_member: impl Fn(UserId) -> bool,
) -> Result<ImportOptions, Problems> {
    let mut problems = Problems::new();
    let mut tags = Vec::new();
    for text in form
        .text("tags")
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        match text.parse::<Tag>() {
            Ok(tag) => tags.push(tag),
            Err(error) => {
                problems.insert("tags".to_owned(), format!("“{text}” is {error}."));
            }
        }
    }
    let owner = form.text("owner").parse::<UserId>().ok();
    if owner.is_some_and(|owner| !is_member(owner)) {
        problems.insert("owner".to_owned(), "Choose a member.".to_owned());
    }
    let columns = glance.columns.iter().enumerate();
    let columns = columns.map(|(index, column)| choice(form, index, column, &glance.columns));
    let options = ImportOptions {
        format: FormatHints {
            encoding: Some(glance.format.encoding),
            delimiter: Some(glance.format.delimiter),
            header: Some(glance.format.header),
        },
        columns: columns.collect(),
        match_on: form.text("match_on").parse::<FieldAlias>().ok(),
        empty: match form.text("empty") {
            "clear" => EmptyCells::Clear,
            _ => EmptyCells::Keep,
        },
        existing: match form.text("existing") {
            "fill_blanks" => Existing::FillBlanks,
            "skip" => Existing::Skip,
            _ => Existing::Update,
        },
        tags,
        owner,
        segment: form.text("segment").parse().ok(),
        date_order: match form.text("date_order") {
            "day_first" => Some(DateOrder::DayFirst),
            "month_first" => Some(DateOrder::MonthFirst),
            _ => None,
        },
        zone,
    };
    if problems.is_empty() {
        Ok(options)
    } else {
        Err(problems)
    }
}

/// The word on a column: by its name, or by its number where another column before has the same.
fn choice(
    form: &Fields,
    index: usize,
    column: &GlancedColumn,
    all: &[GlancedColumn],
) -> ColumnChoice {
    let first = all.iter().position(|other| other.name == column.name);
    let name = if first == Some(index) {
        column.name.clone()
    } else {
        (index + 1).to_string()
    };
    let target = target(form, index, column);
    ColumnChoice {
        column: name,
        target: (!target.is_empty()).then_some(target),
    }
}

/// What is wrong with the columns, at the one that it is about.
pub(super) fn mapping_problem(error: &InvalidMapping, glance: &Glance) -> Problems {
    let at = |name: &str| {
        let found = glance
            .columns
            .iter()
            .rposition(|column| column.name == *name);
        let by_number = || name.parse::<usize>().ok()?.checked_sub(1);
        found.or_else(by_number).map(control).unwrap_or_default()
    };
    let (control, text) = match error {
        InvalidMapping::Twice { first, target, .. } => (
            "",
            format!(
                "Two columns cannot both become {target}: leave one of them out. One of them is “{first}”."
            ),
        ),
        InvalidMapping::NoKey(target) => (
            "",
            format!("Say which column becomes {target}: it tells which contact a row is about."),
        ),
        InvalidMapping::NoSuchField { column, target } => (
            &*at(column),
            format!("There is no field {target} any more."),
        ),
        InvalidMapping::NotUnique(field) => (
            "match_on",
            format!("Rows can be told apart by a unique field, which {field} is not."),
        ),
        other => ("", format!("{other}.")),
    };
    Problems::from([(control.to_owned(), text)])
}
