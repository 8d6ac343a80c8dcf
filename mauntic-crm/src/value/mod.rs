//! The values of fields, and how they are read from what people and files say.

mod country;
mod date;
mod parse;
mod phone;
#[cfg(test)]
mod tests;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use self::parse::line;
pub use self::{
    country::Country,
    date::DateOrder,
    parse::{InvalidValue, ParseContext},
};
use crate::FieldAlias;

/// A finite number. Minus zero is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(f64);

impl Number {
    /// The number, if it is finite.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        number.is_finite().then_some(Self(number + 0.0))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// The number to so many places; what is half-way between two goes to the even one.
    pub(crate) fn rounded(self, places: usize) -> Self {
        let written = format!("{:.places$}", self.0);
        written.parse().ok().and_then(Self::new).unwrap_or(self)
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl From<i32> for Number {
    fn from(number: i32) -> Self {
        Self(f64::from(number))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole numbers without `.0`, as far as a double is exact.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| serde::de::Error::custom("the number is not finite"))
    }
}

/// The value of one field of one contact. No value is the absence of one: never null, never empty.
///
/// The JSON form is also the stored one. Dates, instants, countries and so on are texts in one fixed
/// form each, so that equal values are equal texts and later dates are greater texts:
///
/// | type of field | value | JSON |
/// |---|---|---|
/// | number | [`Value::Number`] | number |
/// | boolean | [`Value::Boolean`] | `true`, `false` |
/// | multiselect | [`Value::Set`] | sorted array of strings |
/// | date | [`Value::Text`] | `"2026-06-01"` |
/// | datetime | [`Value::Text`] | `"2026-06-01T12:00:00.000000Z"` |
/// | country | [`Value::Text`] | `"DE"` |
/// | all others | [`Value::Text`] | string |
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A text, or what is written as one; never empty.
    Text(String),
    /// The chosen options; never empty.
    Set(BTreeSet<String>),
}

/// What is known about one contact, by field. A field without a value is not in it.
pub type FieldValues = BTreeMap<FieldAlias, Value>;

impl Value {
    /// A text, unless it is empty.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self::Text(text))
    }

    /// A calendar date.
    #[must_use]
    pub fn date(date: NaiveDate) -> Self {
        Self::Text(date.format("%Y-%m-%d").to_string())
    }

    /// An instant.
    #[must_use]
    pub fn datetime(instant: DateTime<Utc>) -> Self {
        Self::Text(instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.get()),
            _ => None,
        }
    }

    /// The calendar date, if it is the text of one.
    #[must_use]
    pub fn as_date(&self) -> Option<NaiveDate> {
        NaiveDate::parse_from_str(self.as_text()?, "%Y-%m-%d").ok()
    }

    /// The instant, if it is the text of one.
    #[must_use]
    pub fn as_datetime(&self) -> Option<DateTime<Utc>> {
        let text = self.as_text()?;
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|instant| instant.to_utc())
    }

    /// What tells values of a unique field apart: the printed value in lower case (A to Z).
    #[must_use]
    pub fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl fmt::Display for Value {
    /// Prints the value as exports do; [`Field::parse`](crate::Field::parse) reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Set(values) => {
                for (index, value) in values.iter().enumerate() {
                    let bar = if index == 0 { "" } else { "|" };
                    write!(f, "{bar}{value}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Value {
    /// Hides the value, which may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean(_) => "Boolean(…)",
            Self::Number(_) => "Number(…)",
            Self::Text(_) => "Text(…)",
            Self::Set(_) => "Set(…)",
        })
    }
}
