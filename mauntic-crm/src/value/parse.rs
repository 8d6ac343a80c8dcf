use std::collections::BTreeSet;

use mauntic_core::{EmailAddress, TimeZoneName};
use serde_json::Value as Json;
use url::Url;

use super::{Country, DateOrder, Number, Value, date, phone};
use crate::{Field, FieldType};

/// Why a text or JSON value cannot be the value of a field. The message never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// More characters than the type allows.
    #[error("the text is too long: at most {max} characters")]
    TooLong {
        /// The most characters.
        max: usize,
    },
    /// A character that no text may have.
    #[error("the text has a control character")]
    ControlCharacter,
    /// No number, or not a finite one.
    #[error("not a number: expected digits with a point, such as 1234.5")]
    NotANumber,
    /// Neither yes nor no.
    #[error("neither true nor false: expected true, false, yes, no, on, off, 1 or 0")]
    NotABoolean,
    /// No calendar date.
    #[error("not a date: expected a form such as 2026-12-31 or 31.12.2026")]
    NotADate,
    /// It cannot be told which number is the month.
    #[error("day and month cannot be told apart: use 2026-12-31, or say which comes first")]
    AmbiguousDate,
    /// No instant.
    #[error(
        "not a date with a time: expected a form such as 2026-12-31 18:00 or 2026-12-31T18:00:00+01:00"
    )]
    NotADatetime,
    /// None of the field's options.
    #[error("not one of the field's options")]
    NotAnOption,
    /// No email address.
    #[error("not an email address: expected something like ann@example.com")]
    NotAnEmail,
    /// No web address, or not of http or https.
    #[error("not a web address: expected one that starts with http:// or https://")]
    NotAUrl,
    /// Nothing that can be dialled.
    #[error("not a telephone number: expected at least three digits, such as +49 30 123456")]
    NotAPhone,
    /// No country.
    #[error("not a country: expected an ISO 3166 code or an English name")]
    NotACountry,
    /// No locale.
    #[error("not a locale: expected a form such as en or en-GB")]
    NotALocale,
    /// No time zone.
    #[error("not a time zone: expected an IANA name such as Europe/Berlin")]
    NotATimezone,
    /// A number with a fraction, or too large, where one is counted.
    #[error("not a whole number")]
    NotAWholeNumber,
    /// There is no such field.
    #[error("there is no such field")]
    UnknownField,
    /// Nobody who works in the organisation.
    #[error("not a member of the organisation")]
    NotAMember,
    /// The field must have a value.
    #[error("a value is required")]
    Required,
    /// JSON of another kind.
    #[error("the wrong kind of JSON value: expected {expected}")]
    WrongJson {
        /// The kind that fits.
        expected: &'static str,
    },
}

/// What else is known when a value is read.
#[derive(Debug, Clone, Default)]
pub struct ParseContext {
    /// Where the contact lives, which telephone numbers without a country code are taken to be in.
    pub country: Option<Country>,
    /// The zone of times without an offset.
    pub zone: TimeZoneName,
    /// Which of day and month comes first where it cannot be told.
    pub date_order: Option<DateOrder>,
}

impl Field {
    /// Reads a value from text, such as a cell of a file. Blank text is no value.
    ///
    /// # Errors
    /// [`InvalidValue`] if the text does not suit the field.
    pub fn parse(&self, text: &str, context: &ParseContext) -> Result<Option<Value>, InvalidValue> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        match self.field_type {
            FieldType::Select => {
                let option = self.option(text).ok_or(InvalidValue::NotAnOption)?;
                Ok(Some(Value::Text(option.value.clone())))
            }
            FieldType::Multiselect => self.parse_options(text),
            other => {
                let value = other.parse(text, context)?;
                Ok(value.map(|value| match value {
                    Value::Number(number) => Value::Number(self.rounded(number)),
                    value => value,
                }))
            }
        }
    }

    /// A number as the field keeps it: an attribution is money, to two places.
    fn rounded(&self, number: Number) -> Number {
        if self.core && self.alias.as_str() == "attribution" {
            number.rounded(2)
        } else {
            number
        }
    }

    /// Reads a value from JSON: the form of [`Value`], or a text that [`parse`](Self::parse) can read.
    /// `null` is no value.
    ///
    /// # Errors
    /// [`InvalidValue`] if the JSON does not suit the field.
    pub fn parse_json(
        &self,
        json: &Json,
        context: &ParseContext,
    ) -> Result<Option<Value>, InvalidValue> {
        let wrong = |expected| Err(InvalidValue::WrongJson { expected });
        match (self.field_type, json) {
            (_, Json::Null) => Ok(None),
            (_, Json::String(text)) => self.parse(text, context),
            (FieldType::Boolean, Json::Bool(value)) => Ok(Some(Value::Boolean(*value))),
            (FieldType::Boolean, Json::Number(number)) => self.parse(&number.to_string(), context),
            (FieldType::Boolean, _) => wrong("true or false"),
            (FieldType::Number, Json::Number(number)) => {
                let number = number
                    .as_f64()
                    .and_then(Number::new)
                    .ok_or(InvalidValue::NotANumber)?;
                Ok(Some(Value::Number(self.rounded(number))))
            }
            (FieldType::Number, _) => wrong("a number"),
            (FieldType::Multiselect, Json::Array(items)) => self.options_of(items),
            (FieldType::Multiselect, _) => wrong("an array of strings"),
            (_, Json::Number(number)) => self.parse(&number.to_string(), context),
            _ => wrong("a string"),
        }
    }

    /// Reads a value again, which brings it into the form of this field.
    pub(crate) fn parse_value(
        &self,
        value: &Value,
        context: &ParseContext,
    ) -> Result<Option<Value>, InvalidValue> {
        let json = serde_json::to_value(value).map_err(|_| InvalidValue::NotANumber)?;
        self.parse_json(&json, context)
    }

    /// Whether a value certainly is in the form of this field already.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match (self.field_type, value) {
            (FieldType::Number, Value::Number(number)) => self.rounded(*number) == *number,
            (FieldType::Boolean, Value::Boolean(_)) => true,
            (FieldType::Select, Value::Text(text)) => self.has_option(text),
            (FieldType::Multiselect, Value::Set(chosen)) => {
                !chosen.is_empty() && chosen.iter().all(|value| self.has_option(value))
            }
            _ => false,
        }
    }

    fn has_option(&self, value: &str) -> bool {
        self.options.iter().any(|option| option.value == value)
    }

    fn options_of(&self, items: &[Json]) -> Result<Option<Value>, InvalidValue> {
        let chosen = items.iter().map(|item| {
            let text = item.as_str().ok_or(InvalidValue::WrongJson {
                expected: "an array of strings",
            })?;
            self.option_value(text)
        });
        let chosen = chosen.collect::<Result<BTreeSet<_>, _>>()?;
        Ok((!chosen.is_empty()).then_some(Value::Set(chosen)))
    }

    /// Options parted by `|`, or else by `;`, or else by `,`; an option that has one of these in it
    /// must stand alone or be parted by `|`.
    fn parse_options(&self, text: &str) -> Result<Option<Value>, InvalidValue> {
        let whole = self.option_value(text).map(|value| BTreeSet::from([value]));
        let separator = ['|', ';', ',']
            .into_iter()
            .find(|separator| text.contains(*separator));
        let chosen = match (whole, separator) {
            (Ok(whole), _) => whole,
            (Err(error), None) => return Err(error),
            (Err(_), Some(separator)) => text
                .split(separator)
                .filter(|part| !part.trim().is_empty())
                .map(|part| self.option_value(part))
                .collect::<Result<_, _>>()?,
        };
        Ok((!chosen.is_empty()).then_some(Value::Set(chosen)))
    }

    fn option_value(&self, text: &str) -> Result<String, InvalidValue> {
        let option = self.option(text).ok_or(InvalidValue::NotAnOption)?;
        Ok(option.value.clone())
    }
}

impl FieldType {
    /// Reads a value of a type that has no options. Blank text is no value.
    ///
    /// # Errors
    /// [`InvalidValue`] if the text does not suit the type; always for types with options, as there
    /// are none.
    pub fn parse(self, text: &str, context: &ParseContext) -> Result<Option<Value>, InvalidValue> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let written = match self {
            Self::Number => return number(text).map(|number| Some(Value::Number(number))),
            Self::Boolean => return boolean(text).map(|value| Some(Value::Boolean(value))),
            Self::Select | Self::Multiselect => return Err(InvalidValue::NotAnOption),
            Self::Date => {
                let date = date::parse_date(text, context.date_order, &context.zone)?;
                return Ok(Some(Value::date(date)));
            }
            Self::Datetime => {
                let instant = date::parse_datetime(text, context.date_order, &context.zone)?;
                return Ok(Some(Value::datetime(instant)));
            }
            Self::Text => line(text, 1_000)?,
            Self::Region => line(text, 191)?,
            Self::Textarea => lines(text, 65_535)?,
            Self::Email => text
                .parse::<EmailAddress>()
                .map_err(|_| InvalidValue::NotAnEmail)?
                .into(),
            Self::Url => web_address(text)?,
            Self::Phone => phone::parse(text, context.country)?,
            Self::Country => text.parse::<Country>()?.code().to_owned(),
            Self::Locale => locale(text)?,
            Self::Timezone => text
                .parse::<TimeZoneName>()
                .map_err(|_| InvalidValue::NotATimezone)?
                .into(),
        };
        Ok(Value::text(written))
    }
}

/// Line breaks and tabs in a one-line text are spaces: exports are full of them.
pub(crate) fn line(text: &str, max: usize) -> Result<String, InvalidValue> {
    lines(text, max).map(|text| text.replace(['\n', '\r', '\t'], " "))
}

fn lines(text: &str, max: usize) -> Result<String, InvalidValue> {
    // A byte is at least a character's part, so a short text need not be counted.
    if text.len() > max && text.chars().count() > max {
        return Err(InvalidValue::TooLong { max });
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(InvalidValue::ControlCharacter);
    }
    Ok(text.to_owned())
}

fn number(text: &str) -> Result<Number, InvalidValue> {
    let plain = text
        .bytes()
        .all(|c| c.is_ascii_digit() || b"+-.eE".contains(&c));
    let number = if plain { text.parse().ok() } else { None };
    number.and_then(Number::new).ok_or(InvalidValue::NotANumber)
}

fn boolean(text: &str) -> Result<bool, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "t" | "y" => Ok(true),
        "false" | "no" | "off" | "0" | "f" | "n" => Ok(false),
        _ => Err(InvalidValue::NotABoolean),
    }
}

/// `example.com/page` is taken to be of https, which is what people leave out.
fn web_address(text: &str) -> Result<String, InvalidValue> {
    if text.len() > 2_048 {
        return Err(InvalidValue::TooLong { max: 2_048 });
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(InvalidValue::NotAUrl);
    }
    let has_scheme = text.contains("://");
    let url = if has_scheme {
        Url::parse(text)
    } else {
        Url::parse(&format!("https://{text}"))
    };
    let url = url.map_err(|_| InvalidValue::NotAUrl)?;
    let host_is_plausible = has_scheme || url.host_str().is_some_and(|host| host.contains('.'));
    let without_scheme_is_plain = has_scheme || (url.port().is_none() && url.username().is_empty());
    if matches!(url.scheme(), "http" | "https") && host_is_plausible && without_scheme_is_plain {
        Ok(url.into())
    } else {
        Err(InvalidValue::NotAUrl)
    }
}

/// `en_gb`, `EN-GB` → `en-GB`; `zh_hant_tw` → `zh-Hant-TW`.
fn locale(text: &str) -> Result<String, InvalidValue> {
    // POSIX locales carry a character set.
    let text = text.split(['.', '@']).next().unwrap_or_default();
    let mut written = String::new();
    for (index, part) in text.split(['-', '_']).enumerate() {
        let letters = part.bytes().all(|c| c.is_ascii_alphabetic());
        let digits = part.bytes().all(|c| c.is_ascii_digit());
        let part = match (index, part.len()) {
            (0, 2 | 3) if letters => part.to_ascii_lowercase(),
            (1, 4) if letters => {
                let lower = part.to_ascii_lowercase();
                format!("{}{}", part[..1].to_ascii_uppercase(), &lower[1..])
            }
            (1 | 2, 2) if letters => part.to_ascii_uppercase(),
            (1 | 2, 3) if digits => part.to_owned(),
            _ => return Err(InvalidValue::NotALocale),
        };
        if index > 0 {
            written.push('-');
        }
        written.push_str(&part);
    }
    Ok(written)
}
