use std::fmt;

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, Utc};
use mauntic_core::TimeZoneName;
use serde::{Deserialize, Serialize};

/// A unit of calendar time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A day.
    Day,
    /// A week; a calendar week starts on Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Unit {
    /// All units, the shortest first.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// The name of one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// A day or a span of days that moves on with time, counted in the organisation's zone.
///
/// Its text form, which is also its JSON form: `today`, `yesterday`, `tomorrow`, `today - 30 days`,
/// `this week`, `last month`, `next year`, `last 30 days`, `next 2 weeks`, `anniversary`,
/// `anniversary + 2 days`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Moment {
    /// The day so many units from today.
    Day {
        /// How many; negative is before today.
        offset: i32,
        /// Of what.
        unit: Unit,
    },
    /// The calendar week, month or year so many from this one: -1 is the last, 1 the next.
    Period {
        /// How many.
        offset: i32,
        /// Of what; a day is never.
        unit: Unit,
    },
    /// Today and the days back to that day so many units ago, that day included.
    Last {
        /// How many.
        count: u32,
        /// Of what.
        unit: Unit,
    },
    /// Today and the days up to that day in so many units, that day included.
    Next {
        /// How many.
        count: u32,
        /// Of what.
        unit: Unit,
    },
    /// Every year's day with the month and day of the day so many units from today. In years
    /// without a 29 February, it is kept on the 28th.
    Anniversary {
        /// How many; negative is before today.
        offset: i32,
        /// Of what.
        unit: Unit,
    },
}

impl Moment {
    /// The farthest that a moment may be from today, in its unit.
    pub const MAX_OFFSET: i32 = 100_000;

    /// Today.
    pub const TODAY: Self = Self::Day {
        offset: 0,
        unit: Unit::Day,
    };

    /// The first and the last day that are meant when a day is today. Of an anniversary, it is the
    /// day whose month and day are meant.
    #[must_use]
    pub fn days(self, today: NaiveDate) -> (NaiveDate, NaiveDate) {
        match self {
            Self::Day { offset, unit } | Self::Anniversary { offset, unit } => {
                let day = shift(today, offset, unit);
                (day, day)
            }
            Self::Period { offset, unit } => {
                let first = shift(start_of(today, unit), offset, unit);
                let next = shift(first, 1, unit);
                (first, next.pred_opt().unwrap_or(next))
            }
            Self::Last { count, unit } => (shift(today, -clamped(count), unit), today),
            Self::Next { count, unit } => (today, shift(today, clamped(count), unit)),
        }
    }

    /// Whether it is one day, and may stand behind every operator as an absolute date may.
    #[must_use]
    pub fn is_anniversary(self) -> bool {
        matches!(self, Self::Anniversary { .. })
    }
}

fn clamped(count: u32) -> i32 {
    i32::try_from(count)
        .unwrap_or(i32::MAX)
        .min(Moment::MAX_OFFSET)
}

fn start_of(date: NaiveDate, unit: Unit) -> NaiveDate {
    let start = match unit {
        Unit::Day => Some(date),
        Unit::Week => {
            date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))
        }
        Unit::Month => date.with_day(1),
        Unit::Year => date.with_ordinal(1),
    };
    start.unwrap_or(date)
}

/// Moves a date. The 31st becomes the last day of a shorter month; beyond the years 1 to 9999 it stops.
fn shift(date: NaiveDate, offset: i32, unit: Unit) -> NaiveDate {
    let count = offset.unsigned_abs();
    let moved = match unit {
        Unit::Day | Unit::Week => {
            let days = u64::from(count) * if unit == Unit::Week { 7 } else { 1 };
            if offset < 0 {
                date.checked_sub_days(Days::new(days))
            } else {
                date.checked_add_days(Days::new(days))
            }
        }
        Unit::Month | Unit::Year => {
            let months = count.saturating_mul(if unit == Unit::Year { 12 } else { 1 });
            if offset < 0 {
                date.checked_sub_months(Months::new(months))
            } else {
                date.checked_add_months(Months::new(months))
            }
        }
    };
    let (first, last) = (
        NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or(date),
        NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or(date),
    );
    let limit = if offset < 0 { first } else { last };
    moved.unwrap_or(limit).clamp(first, last)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Day { offset: 0, .. } => f.write_str("today"),
            Self::Day {
                offset: -1,
                unit: Unit::Day,
            } => f.write_str("yesterday"),
            Self::Day {
                offset: 1,
                unit: Unit::Day,
            } => f.write_str("tomorrow"),
            Self::Day { offset, unit } => write_offset(f, "today", offset, unit),
            Self::Period { offset: 0, unit } => write!(f, "this {}", unit.as_str()),
            Self::Period { offset: -1, unit } => write!(f, "last {}", unit.as_str()),
            Self::Period { offset: 1, unit } => write!(f, "next {}", unit.as_str()),
            Self::Period { offset, unit } => {
                write_offset(f, &format!("this {}", unit.as_str()), offset, unit)
            }
            Self::Last { count, unit } => {
                write!(f, "last {count} {}{}", unit.as_str(), plural(count))
            }
            Self::Next { count, unit } => {
                write!(f, "next {count} {}{}", unit.as_str(), plural(count))
            }
            Self::Anniversary { offset: 0, .. } => f.write_str("anniversary"),
            Self::Anniversary { offset, unit } => write_offset(f, "anniversary", offset, unit),
        }
    }
}

fn write_offset(f: &mut fmt::Formatter<'_>, base: &str, offset: i32, unit: Unit) -> fmt::Result {
    let (sign, count) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
    write!(
        f,
        "{base} {sign} {count} {}{}",
        unit.as_str(),
        plural(count)
    )
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

/// The text is no date that moves on with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a relative date: expected one such as today, today - 30 days, this month, last 2 weeks or anniversary"
)]
pub struct InvalidMoment;

impl TryFrom<String> for Moment {
    type Error = InvalidMoment;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The year, month and day whose anniversaries are kept on a day: itself, and on 28 February of a
/// common year the 29th too.
#[must_use]
pub(super) fn kept_on(day: NaiveDate) -> Vec<(u32, u32)> {
    let mut kept = vec![(day.month(), day.day())];
    if (day.month(), day.day()) == (2, 28) && !day.leap_year() {
        kept.push((2, 29));
    }
    kept
}

/// The instants of a span of days in a zone: from the first of them to before the second.
#[must_use]
pub(super) fn instants(
    (first, last): (NaiveDate, NaiveDate),
    zone: &TimeZoneName,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let next = last.succ_opt().unwrap_or(last);
    (zone.start_of(first), zone.start_of(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn days(moment: Moment, today: &str) -> (String, String) {
        let (first, last) = moment.days(date(today));
        (first.to_string(), last.to_string())
    }

    #[test]
    fn moments_are_spans_of_days() {
        let period = |offset, unit| Moment::Period { offset, unit };
        let day = |offset, unit| Moment::Day { offset, unit };
        for (moment, today, first, last) in [
            (Moment::TODAY, "2026-11-23", "2026-11-23", "2026-11-23"),
            (
                day(-1, Unit::Month),
                "2026-03-31",
                "2026-02-28",
                "2026-02-28",
            ),
            (
                day(-1, Unit::Year),
                "2028-02-29",
                "2027-02-28",
                "2027-02-28",
            ),
            (
                period(0, Unit::Week),
                "2026-11-22",
                "2026-11-16",
                "2026-11-22",
            ),
            (
                period(1, Unit::Week),
                "2026-11-22",
                "2026-11-23",
                "2026-11-29",
            ),
            (
                period(-1, Unit::Month),
                "2026-03-31",
                "2026-02-01",
                "2026-02-28",
            ),
            (
                period(1, Unit::Year),
                "2026-03-31",
                "2027-01-01",
                "2027-12-31",
            ),
            (
                Moment::Last {
                    count: 30,
                    unit: Unit::Day,
                },
                "2026-03-01",
                "2026-01-30",
                "2026-03-01",
            ),
            (
                Moment::Next {
                    count: 2,
                    unit: Unit::Week,
                },
                "2026-03-01",
                "2026-03-01",
                "2026-03-15",
            ),
            (
                day(i32::MIN, Unit::Year),
                "2026-03-01",
                "0001-01-01",
                "0001-01-01",
            ),
        ] {
            assert_eq!(
                days(moment, today),
                (first.to_owned(), last.to_owned()),
                "{moment}"
            );
        }
    }

    #[test]
    fn leap_day_birthdays_are_kept_on_the_28th_in_common_years() {
        assert_eq!(kept_on(date("2027-02-28")), [(2, 28), (2, 29)]);
        assert_eq!(kept_on(date("2028-02-28")), [(2, 28)]);
        assert_eq!(kept_on(date("2028-02-29")), [(2, 29)]);
    }
}
