//! Dates in rows: a day, or words for a day or span that moves on with time.

use mauntic_crm::segment::{Literal, Moment, Relative, Unit};

use super::row::{Cell, Wrong};

/// How a date can be given, in the words of the page; those with a number have one before a unit.
pub(super) const WAYS: &[(&str, &str)] = &[
    ("date", "the date"),
    ("last", "the last …"),
    ("next", "the next …"),
    ("today", "today"),
    ("yesterday", "yesterday"),
    ("tomorrow", "tomorrow"),
    ("ago", "the day … ago"),
    ("ahead", "the day … from today"),
    ("this week", "this week"),
    ("last week", "last week"),
    ("next week", "next week"),
    ("this month", "this month"),
    ("last month", "last month"),
    ("next month", "next month"),
    ("this year", "this year"),
    ("last year", "last year"),
    ("next year", "next year"),
    ("anniversary", "the anniversary is today"),
    ("words", "in words"),
];

/// Whether a way has a number and a unit.
pub(super) fn has_unit(way: &str) -> bool {
    matches!(way, "last" | "next" | "ago" | "ahead")
}

/// Whether a way has a text.
pub(super) fn has_text(way: &str) -> bool {
    has_unit(way) || matches!(way, "" | "date" | "words")
}

/// What stands in the row for a date.
pub(super) fn cell(literal: &Literal) -> Option<Cell> {
    match literal {
        Literal::Text(text) => Some(Cell {
            way: "date".to_owned(),
            text: text.clone(),
            unit: String::new(),
        }),
        Literal::Relative(Relative { relative }) => Some(of_moment(*relative)),
        Literal::Boolean(_) | Literal::Number(_) => None,
    }
}

fn of_moment(moment: Moment) -> Cell {
    let plain = |way: &str| Cell {
        way: way.to_owned(),
        ..Cell::default()
    };
    let counted = |way: &str, count: u32, unit: Unit| Cell {
        way: way.to_owned(),
        text: count.to_string(),
        unit: unit.as_str().to_owned(),
    };
    let words = moment.to_string();
    if !has_text(&words) && WAYS.iter().any(|(way, _)| *way == words) {
        return plain(&words);
    }
    match moment {
        Moment::Last { count, unit } => counted("last", count, unit),
        Moment::Next { count, unit } => counted("next", count, unit),
        Moment::Day { offset, unit } if offset < 0 => counted("ago", offset.unsigned_abs(), unit),
        Moment::Day { offset, unit } => counted("ahead", offset.unsigned_abs(), unit),
        _ => Cell {
            way: "words".to_owned(),
            text: words,
            unit: String::new(),
        },
    }
}

/// The date that a row says.
pub(super) fn literal(cell: &Cell) -> Result<Literal, Wrong> {
    let text = cell.text.trim();
    let words = match cell.way.as_str() {
        "" | "date" if text.is_empty() => return Err(Wrong::missing("Choose a date.")),
        "" | "date" => return Ok(Literal::Text(text.to_owned())),
        "words" if text.is_empty() => {
            return Err(Wrong::missing("Say when, such as “this month - 3 months”."));
        }
        "words" => text.to_owned(),
        way if has_unit(way) && text.is_empty() => return Err(Wrong::missing("Fill in how many.")),
        "last" | "next" => format!("{} {text} {}s", cell.way, unit(cell)),
        "ago" => format!("today - {text} {}s", unit(cell)),
        "ahead" => format!("today + {text} {}s", unit(cell)),
        way => way.to_owned(),
    };
    let relative = words.parse::<Moment>();
    let relative = relative.map_err(|_| {
        Wrong::new(if has_unit(&cell.way) {
            format!("“{text}” is not a whole number up to {}.", Moment::MAX_OFFSET)
        } else {
            format!("“{words}” is not a date in words: write such as “today - 30 days”, “last 2 weeks” or “anniversary + 1 day”.")
        })
    })?;
    Ok(Literal::Relative(Relative { relative }))
}

fn unit(cell: &Cell) -> &str {
    let known = Unit::ALL.iter().find(|unit| unit.as_str() == cell.unit);
    known.map_or("day", |unit| unit.as_str())
}
