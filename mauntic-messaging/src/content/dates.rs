//! Dates in templates: filters that write a date in the recipient's time zone.

use jiff::{Span, Timestamp, Zoned, civil::Date, tz::TimeZone};
use minijinja::{Error, ErrorKind, State, value::Value};

const DATE: &str = "%B %-d, %Y";
const TIME: &str = "%-I:%M %P";
const DATETIME: &str = "%b %-d, %Y %-I:%M %P %Z";

/// `| date`, `| date("%d.%m.%Y")`.
pub(super) fn date(
    state: &State<'_, '_>,
    value: &Value,
    format: Option<&str>,
) -> Result<Value, Error> {
    write(state, value, format.unwrap_or(DATE))
}

/// `| time`, `| time("%H:%M")`.
pub(super) fn time(
    state: &State<'_, '_>,
    value: &Value,
    format: Option<&str>,
) -> Result<Value, Error> {
    write(state, value, format.unwrap_or(TIME))
}

/// `| datetime`.
pub(super) fn datetime(
    state: &State<'_, '_>,
    value: &Value,
    format: Option<&str>,
) -> Result<Value, Error> {
    write(state, value, format.unwrap_or(DATETIME))
}

/// `| shift("+3 days")`: moves a date by minutes, hours, days, weeks, months or years, by the calendar of the zone.
pub(super) fn shift(state: &State<'_, '_>, value: &Value, by: &str) -> Result<Value, Error> {
    let span = span(by).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            "cannot shift by this: expected something like +3 days",
        )
    })?;
    let Some(moment) = moment(state, value) else {
        return Ok(value.clone());
    };
    let moved = moment.checked_add(span).map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            "the shifted date is out of range",
        )
    })?;
    Ok(Value::from(moved.timestamp().to_string()))
}

/// A value that is no date stays as it is, so that one odd contact does not stop a mailing.
fn write(state: &State<'_, '_>, value: &Value, format: &str) -> Result<Value, Error> {
    let Some(moment) = moment(state, value) else {
        return Ok(value.clone());
    };
    jiff::fmt::strtime::format(format, &moment)
        .map(Value::from)
        .map_err(|_| {
            Error::new(
                ErrorKind::InvalidOperation,
                "not a date format: expected something like %d.%m.%Y",
            )
        })
}

/// A date has no zone: it is the same day for everybody. An instant is told in the recipient's zone.
fn moment(state: &State<'_, '_>, value: &Value) -> Option<Zoned> {
    let text = value.as_str()?;
    let zone = state.lookup("timezone");
    let zone = zone
        .as_ref()
        .and_then(Value::as_str)
        .and_then(|name| TimeZone::get(name).ok())
        .unwrap_or(TimeZone::UTC);
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.to_zoned(zone));
    }
    text.parse::<Date>().ok()?.to_zoned(zone).ok()
}

fn span(text: &str) -> Option<Span> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let count = sign
        * text[..end]
            .parse::<i64>()
            .ok()
            .filter(|count| *count <= 1_000_000)?;
    let span = Span::new();
    match text[end..].trim().trim_end_matches('s') {
        "minute" | "min" => span.try_minutes(count),
        "hour" => span.try_hours(count),
        "day" => span.try_days(count),
        "week" => span.try_weeks(count),
        "month" => span.try_months(count),
        "year" => span.try_years(count),
        _ => return None,
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use super::super::template::environment;

    fn render(source: &str) -> String {
        let mut environment = environment();
        environment
            .add_template_owned("text", source.to_owned())
            .unwrap();
        let context = minijinja::context! {
            timezone => "Europe/Berlin",
            now => "2026-03-28T11:30:00.000000Z",
            born => "1990-02-03",
            name => "Ann",
        };
        environment
            .get_template("text")
            .unwrap()
            .render(context)
            .unwrap()
    }

    #[test]
    fn dates_are_written_in_the_recipients_zone() {
        assert_eq!(render("{{ now | date }}"), "March 28, 2026");
        assert_eq!(render("{{ now | time }}"), "12:30 pm");
        assert_eq!(render("{{ now | datetime }}"), "Mar 28, 2026 12:30 pm CET");
        assert_eq!(render("{{ born | date('%d.%m.%Y') }}"), "03.02.1990");
        assert_eq!(render("{{ name | date }}{{ missing | date }}"), "Ann");
    }

    #[test]
    fn shifting_keeps_the_hour_over_a_change_of_clocks() {
        assert_eq!(
            render("{{ now | shift('+1 day') | datetime }}"),
            "Mar 29, 2026 12:30 pm CEST"
        );
        assert_eq!(
            render("{{ born | shift('-2 weeks') | date }}"),
            "January 20, 1990"
        );
    }
}
