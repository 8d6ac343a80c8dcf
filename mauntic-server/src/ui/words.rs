//! Numbers and times as people read them.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use maud::{Markup, html};
use mauntic_core::TimeZoneName;
use mauntic_messaging::sending::LocalTime;

/// A number with commas: `12,408`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many people: `1 person`.
pub(crate) fn people(number: u64) -> String {
    let word = if number == 1 { "person" } else { "people" };
    format!("{} {word}", count(number))
}

/// A number that cannot be below zero but for a counter that is behind.
pub(crate) fn counted(number: i64) -> String {
    count(u64::try_from(number).unwrap_or_default())
}

/// A part of a whole: `38.2 %`; a dash if there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = part.saturating_mul(1_000) / whole;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A date, short: `3 Nov`.
pub(crate) fn date(date: NaiveDate) -> String {
    date.format("%-d %b").to_string()
}

/// The day of a time, in UTC.
pub(crate) fn day(at: DateTime<Utc>) -> Markup {
    let exact = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    html! { time datetime=(exact) { (at.format("%-d %b %Y").to_string()) } }
}

/// A time, in UTC, to the minute.
pub(crate) fn time(at: DateTime<Utc>) -> Markup {
    let exact = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    html! { time datetime=(exact) { (at.format("%-d %b %Y, %H:%M").to_string()) " UTC" } }
}

/// A time as clocks in a zone show it, to the minute.
pub(crate) fn time_in(zone: &TimeZoneName, at: DateTime<Utc>) -> Markup {
    let exact = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let local = zone.local_at(at);
    html! { time datetime=(exact) { (local.format("%-d %b %Y, %H:%M").to_string()) " " (zone.as_str()) } }
}

/// A time on each recipient's own clock.
pub(crate) fn local_time(local: &LocalTime) -> Markup {
    html! {
        (local.time.format("%-d %b %Y, %H:%M").to_string()) " on each recipient's clock"
        span class="soft" { " (" (local.fallback.as_str()) " for those without a time zone)" }
    }
}

/// A length of time, roughly: `about 3 minutes`.
pub(crate) fn duration(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..=89 => (seconds.max(1), "second"),
        90..=5_399 => (seconds.div_ceil(60), "minute"),
        5_400..=129_599 => (seconds.div_ceil(3_600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("about {} {unit}{plural}", count(number))
}

/// A stored name as people read it: `hard_bounce` is `hard bounce`.
pub(crate) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_408, "12,408"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(-3), "0");
        assert_eq!(
            (people(1).as_str(), people(2_000).as_str()),
            ("1 person", "2,000 people")
        );
        assert_eq!(share(382, 1_000), "38.2 %");
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(1, 0), "–");
        for (seconds, text) in [
            (0, "about 1 second"),
            (59, "about 59 seconds"),
            (600, "about 10 minutes"),
            (7_200, "about 2 hours"),
            (400_000, "about 5 days"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
