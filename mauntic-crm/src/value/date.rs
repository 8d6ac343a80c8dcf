use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use jiff::tz::TimeZone;
use mauntic_core::TimeZoneName;
use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// Which comes first in `3/4/2026`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// 3 April.
    DayFirst,
    /// March 4th.
    MonthFirst,
}

/// Reads `2026-04-03`, `2026/04/03`, `3.4.2026`, and `4/3/2026` where it can be told what is meant.
/// A time behind the date is left out; with an offset, the date is that in the zone.
pub(super) fn parse_date(
    text: &str,
    order: Option<DateOrder>,
    zone: &TimeZoneName,
) -> Result<NaiveDate, InvalidValue> {
    let (date, time) = split(text);
    let date = calendar_date(date, order, InvalidValue::NotADate)?;
    match parse_time(time).ok_or(InvalidValue::NotADate)? {
        (_, None) => Ok(date),
        (time, Some(offset)) => {
            let instant = instant(date.and_time(time), &offset).ok_or(InvalidValue::NotADate)?;
            in_range(zone.date_at(instant), InvalidValue::NotADate)
        }
    }
}

/// Reads a date as [`parse_date`] does with a time behind it; without an offset, both are the zone's.
pub(super) fn parse_datetime(
    text: &str,
    order: Option<DateOrder>,
    zone: &TimeZoneName,
) -> Result<DateTime<Utc>, InvalidValue> {
    let (date, time) = split(text);
    let date = calendar_date(date, order, InvalidValue::NotADatetime)?;
    let (time, offset) = parse_time(time).ok_or(InvalidValue::NotADatetime)?;
    let at = instant(
        date.and_time(time),
        &offset.unwrap_or_else(|| zone.time_zone()),
    )
    .ok_or(InvalidValue::NotADatetime)?;
    in_range(at.date_naive(), InvalidValue::NotADatetime)?;
    Ok(at)
}

/// Years of four digits, so that later dates are greater texts.
fn in_range(date: NaiveDate, error: InvalidValue) -> Result<NaiveDate, InvalidValue> {
    use chrono::Datelike as _;
    (1..=9999)
        .contains(&date.year())
        .then_some(date)
        .ok_or(error)
}

fn split(text: &str) -> (&str, &str) {
    let cut = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, time) = text.split_at(cut);
    (date, time.trim_start_matches(['T', 't', ' ']).trim_end())
}

fn calendar_date(
    text: &str,
    order: Option<DateOrder>,
    error: InvalidValue,
) -> Result<NaiveDate, InvalidValue> {
    let separator = text
        .chars()
        .find(|c| !c.is_ascii_digit())
        .ok_or(error.clone())?;
    let parts: Vec<&str> = text.trim_end_matches(',').split(separator).collect();
    let [a, b, c] = parts[..] else {
        return Err(error);
    };
    let all_digits = parts
        .iter()
        .all(|part| matches!(part.len(), 1..=4) && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !all_digits {
        return Err(error);
    }
    let number = |part: &str| part.parse::<u32>().unwrap_or_default();
    let (year, month, day) = match (separator, a.len(), c.len()) {
        ('-' | '/' | '.', 4, 1 | 2) => (number(a), number(b), number(c)),
        ('.', 1 | 2, 4) => (number(c), number(b), number(a)),
        ('/' | '-', 1 | 2, 4) => {
            let (month, day) = month_and_day(number(a), number(b), order)?;
            (number(c), month, day)
        }
        _ => return Err(error),
    };
    let year = i32::try_from(year).map_err(|_| error.clone())?;
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or(error.clone())?;
    in_range(date, error)
}

fn month_and_day(a: u32, b: u32, order: Option<DateOrder>) -> Result<(u32, u32), InvalidValue> {
    match order {
        Some(DateOrder::DayFirst) => Ok((b, a)),
        Some(DateOrder::MonthFirst) => Ok((a, b)),
        None if a == b || b > 12 => Ok((a, b)),
        None if a > 12 => Ok((b, a)),
        None => Err(InvalidValue::AmbiguousDate),
    }
}

/// The time of day, and the offset if one is given. Nothing is midnight.
fn parse_time(text: &str) -> Option<(NaiveTime, Option<TimeZone>)> {
    if text.is_empty() {
        return Some((NaiveTime::MIN, None));
    }
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || ":.,".contains(c)))
        .unwrap_or(text.len());
    let (clock, rest) = text.split_at(end);
    let clock = clock.replace(',', ".");
    let rest = rest.trim();
    let half = rest
        .get(..2)
        .map(str::to_ascii_lowercase)
        .filter(|half| half == "am" || half == "pm");
    let rest = if half.is_some() {
        rest[2..].trim()
    } else {
        rest
    };
    let time = if let Some(half) = half {
        // Fields are not padded by everybody: 1:05 PM.
        ["%I:%M %p", "%I:%M:%S %p"]
            .iter()
            .find_map(|format| NaiveTime::parse_from_str(&format!("{clock} {half}"), format).ok())?
    } else {
        ["%H:%M", "%H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveTime::parse_from_str(&clock, format).ok())?
    };
    let time = chrono::SubsecRound::trunc_subsecs(time, 6);
    Some((
        time,
        if rest.is_empty() {
            None
        } else {
            Some(offset(rest)?)
        },
    ))
}

fn offset(text: &str) -> Option<TimeZone> {
    if matches!(text, "Z" | "z" | "UTC" | "GMT") {
        return Some(TimeZone::UTC);
    }
    let Some((sign, digits)) = text
        .strip_prefix('+')
        .map(|digits| (1, digits))
        .or_else(|| {
            let digits = text
                .strip_prefix('-')
                .or_else(|| text.strip_prefix('\u{2212}'))?;
            Some((-1, digits))
        })
    else {
        return text
            .parse::<TimeZoneName>()
            .ok()
            .map(|zone| zone.time_zone());
    };
    let digits = digits.replace(':', "");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits
        .get(2..4)
        .filter(|m| !m.is_empty())
        .map_or(Some(0), |m| m.parse().ok())?;
    if minutes > 59 {
        return None;
    }
    jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60))
        .ok()
        .map(TimeZone::fixed)
}

/// The instant of a local time. Where clocks are put forward, the same distance after the gap; where
/// they are put back, the first of the two.
fn instant(local: NaiveDateTime, zone: &TimeZone) -> Option<DateTime<Utc>> {
    let utc = local.and_utc().timestamp_micros();
    let civil = jiff::Timestamp::from_microsecond(utc)
        .ok()?
        .to_zoned(TimeZone::UTC)
        .datetime();
    let at = zone.to_timestamp(civil).ok()?;
    DateTime::from_timestamp_micros(at.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str, order: Option<DateOrder>) -> Result<String, InvalidValue> {
        parse_date(text, order, &TimeZoneName::utc()).map(|date| date.to_string())
    }

    fn berlin(text: &str) -> Result<String, InvalidValue> {
        let zone = "Europe/Berlin".parse().unwrap();
        parse_datetime(text, None, &zone).map(|at| at.to_rfc3339())
    }

    #[test]
    fn dates_are_read_in_the_usual_forms() {
        for text in [
            "2026-04-30",
            "2026/4/30",
            "30.4.2026",
            "30.04.2026",
            "4/30/2026",
            "30/04/2026",
            "2026-04-30 00:00:00",
            "2026-04-30T10:00:00Z",
        ] {
            assert_eq!(date(text, None).as_deref(), Ok("2026-04-30"), "{text}");
        }
        assert_eq!(date("3/3/2026", None).as_deref(), Ok("2026-03-03"));
        assert_eq!(date("3/4/2026", None), Err(InvalidValue::AmbiguousDate));
        assert_eq!(
            date("3/4/2026", Some(DateOrder::DayFirst)).as_deref(),
            Ok("2026-04-03")
        );
        assert_eq!(
            date("3/4/2026", Some(DateOrder::MonthFirst)).as_deref(),
            Ok("2026-03-04")
        );
        for text in [
            "",
            "today",
            "2026-02-30",
            "0000-00-00",
            "30.4.26",
            "20260430",
            "1.2.3.4",
            "2026-04-30 nonsense",
        ] {
            assert_eq!(date(text, None), Err(InvalidValue::NotADate), "{text}");
        }
    }

    #[test]
    fn local_times_are_those_of_the_zone() {
        assert_eq!(
            berlin("2026-07-01 12:00").as_deref(),
            Ok("2026-07-01T10:00:00+00:00")
        );
        assert_eq!(
            berlin("1.7.2026 12:00:30").as_deref(),
            Ok("2026-07-01T10:00:30+00:00")
        );
        assert_eq!(
            berlin("7/13/2026 1:05 PM").as_deref(),
            Ok("2026-07-13T11:05:00+00:00")
        );
        assert_eq!(
            berlin("2026-07-01").as_deref(),
            Ok("2026-06-30T22:00:00+00:00")
        );
        assert_eq!(
            berlin("2026-07-01T12:00:00+05:30").as_deref(),
            Ok("2026-07-01T06:30:00+00:00")
        );
        assert_eq!(
            berlin("2026-07-01 12:00 UTC").as_deref(),
            Ok("2026-07-01T12:00:00+00:00")
        );
        assert_eq!(
            berlin("2026-07-01T12:00:00.123456789Z").as_deref(),
            Ok("2026-07-01T12:00:00.123456+00:00")
        );
        // 02:30 does not exist on this day.
        assert_eq!(
            berlin("2026-03-29 02:30").as_deref(),
            Ok("2026-03-29T01:30:00+00:00")
        );
        for text in [
            "",
            "noon",
            "2026-07-01 25:00",
            "2026-07-01 12:00 +99:99",
            "2026-07-01 12:00 Mars",
        ] {
            assert_eq!(berlin(text), Err(InvalidValue::NotADatetime), "{text}");
        }
    }
}
