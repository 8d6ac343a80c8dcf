//! Dates and instants in rules: every one of them stands for a span of time.

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};

use super::{
    compile::{Checked, Today, Wrong, is_order, unsuited},
    condition::{Days, InstantSource, Instants, Source, Test},
    moment::{instants, kept_on},
    rule::{FieldTest, Literal, Operator},
};
use crate::{FieldType, ParseContext, Value};

const OPERATORS: &str = "=, !=, <, <=, >, >=, in, between, is set or is empty";

/// A test of a calendar date.
pub(super) fn date(alias: String, op: Operator, test: &FieldTest, today: &Today) -> Checked<Test> {
    if op == Operator::IsSet {
        return Ok(Test::IsSet(Source::Field(alias)));
    }
    if !is_order(op) {
        return Err(unsuited(&test.name, "a date", test.op, OPERATORS));
    }
    if let Some(anniversaries) = anniversaries(op, test, today)? {
        let days = anniversaries
            .into_iter()
            .map(|(month, day)| format!("{month:02}-{day:02}"));
        return Ok(Test::MonthDays(alias, days.collect()));
    }
    let mut spans = Vec::new();
    for literal in test.value.literals() {
        spans.push(days_of(&test.name, literal, today)?);
    }
    let text = |date: NaiveDate| Some(date.format("%Y-%m-%d").to_string());
    let before = |date: NaiveDate| date.pred_opt().unwrap_or(date);
    let after = |date: NaiveDate| date.succ_opt().unwrap_or(date);
    let (first, last) = spans[0];
    let days = match op {
        Operator::Equal | Operator::In => spans
            .into_iter()
            .map(|(first, last)| Days {
                first: text(first),
                last: text(last),
            })
            .collect(),
        Operator::Less => vec![Days {
            first: None,
            last: text(before(first)),
        }],
        Operator::AtMost => vec![Days {
            first: None,
            last: text(last),
        }],
        Operator::More => vec![Days {
            first: text(after(last)),
            last: None,
        }],
        Operator::AtLeast => vec![Days {
            first: text(first),
            last: None,
        }],
        _ => vec![Days {
            first: text(first),
            last: text(spans[1].1),
        }],
    };
    Ok(Test::Days(alias, days))
}

/// A test of an instant.
pub(super) fn instant(
    source: InstantSource,
    op: Operator,
    test: &FieldTest,
    today: &Today,
) -> Checked<Test> {
    if op == Operator::IsSet {
        return Ok(Test::IsSet(match source {
            InstantSource::Field(alias) => Source::Field(alias),
            InstantSource::Column(column) => Source::Instant(column),
        }));
    }
    if !is_order(op) {
        return Err(unsuited(&test.name, "a date", test.op, OPERATORS));
    }
    if let Some(anniversaries) = anniversaries(op, test, today)? {
        return Ok(Test::Instants(source, every_year(&anniversaries, today)));
    }
    let mut spans = Vec::new();
    for literal in test.value.literals() {
        spans.push(instants_of(&test.name, literal, today)?);
    }
    let (from, to) = spans[0];
    let micros = |at: DateTime<Utc>| Some(at.timestamp_micros());
    let instants = match op {
        Operator::Equal | Operator::In => spans
            .into_iter()
            .map(|(from, to)| Instants {
                from: micros(from),
                to: micros(to),
            })
            .collect(),
        Operator::Less => vec![Instants {
            from: None,
            to: micros(from),
        }],
        Operator::AtMost => vec![Instants {
            from: None,
            to: micros(to),
        }],
        Operator::More => vec![Instants {
            from: micros(to),
            to: None,
        }],
        Operator::AtLeast => vec![Instants {
            from: micros(from),
            to: None,
        }],
        _ => vec![Instants {
            from: micros(from),
            to: micros(spans[1].1),
        }],
    };
    Ok(Test::Instants(source, instants))
}

/// The months and days that are asked for, if anniversaries are.
fn anniversaries(
    op: Operator,
    test: &FieldTest,
    today: &Today,
) -> Checked<Option<Vec<(u32, u32)>>> {
    let literals = test.value.literals();
    let asked = |literal: &Literal| matches!(literal, Literal::Relative(relative) if relative.relative.is_anniversary());
    if !literals.iter().any(asked) {
        return Ok(None);
    }
    if !matches!(op, Operator::Equal | Operator::In) || !literals.iter().all(asked) {
        return Err(Wrong::new(
            "an anniversary is compared with = or !=, on its own",
        ));
    }
    let mut kept = Vec::new();
    for literal in literals {
        if let Literal::Relative(relative) = literal {
            kept.extend(kept_on(relative.relative.days(today.date).0));
        }
    }
    Ok(Some(kept))
}

/// The spans of those days in each year that people live in.
fn every_year(days: &[(u32, u32)], today: &Today) -> Vec<Instants> {
    let years = 1900..=today.date.year().max(1970) + 100;
    let dates = years.flat_map(|year| {
        days.iter()
            .filter_map(move |(month, day)| NaiveDate::from_ymd_opt(year, *month, *day))
    });
    dates
        .map(|date| {
            let (from, to) = instants((date, date), &today.zone);
            Instants {
                from: Some(from.timestamp_micros()),
                to: Some(to.timestamp_micros()),
            }
        })
        .collect()
}

fn days_of(name: &str, literal: &Literal, today: &Today) -> Checked<(NaiveDate, NaiveDate)> {
    match literal {
        Literal::Relative(relative) => Ok(relative.relative.days(today.date)),
        Literal::Text(text) => match calendar_date(text) {
            Some(date) => Ok((date, date)),
            None => Err(no_date(name, "2026-06-01")),
        },
        _ => Err(no_date(name, "2026-06-01")),
    }
}

fn instants_of(
    name: &str,
    literal: &Literal,
    today: &Today,
) -> Checked<(DateTime<Utc>, DateTime<Utc>)> {
    let text = match literal {
        Literal::Relative(relative) => {
            return Ok(instants(relative.relative.days(today.date), &today.zone));
        }
        Literal::Text(text) => text.trim(),
        _ => return Err(no_date(name, "2026-06-01")),
    };
    if let Some(date) = calendar_date(text) {
        return Ok(instants((date, date), &today.zone));
    }
    let context = ParseContext {
        zone: today.zone.clone(),
        ..ParseContext::default()
    };
    let parsed = FieldType::Datetime.parse(text, &context).ok().flatten();
    let from = parsed.as_ref().and_then(Value::as_datetime);
    match from {
        Some(from) if calendar_date(text.get(..10).unwrap_or_default()).is_some() => {
            Ok((from, from + precision(text)))
        }
        _ => Err(no_date(name, "2026-06-01 or 2026-06-01T12:30")),
    }
}

fn no_date(name: &str, example: &str) -> Wrong {
    Wrong::new(format!("{name} is compared with dates")).help(format!(
        "write one such as {example}, `today - 30 days` or `this month`"
    ))
}

/// Reads `2026-06-01` and nothing else.
fn calendar_date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let date = (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())??;
    (1..=9999).contains(&date.year()).then_some(date)
}

/// A time with minutes stands for that minute, one with seconds for that second, and one with a
/// fraction for that microsecond.
fn precision(text: &str) -> TimeDelta {
    let time = text.get(11..).unwrap_or_default();
    let time = time.split(['Z', 'z', '+', '-']).next().unwrap_or_default();
    match (time.contains(['.', ',']), time.matches(':').count()) {
        (true, _) => TimeDelta::microseconds(1),
        (false, 2..) => TimeDelta::seconds(1),
        _ => TimeDelta::minutes(1),
    }
}
