use std::{fmt, str::FromStr};

use async_trait::async_trait;
use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Utc};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{OrganizationId, StoreError};

/// The IANA name of a time zone, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZoneName(String);

impl TimeZoneName {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self("UTC".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rules of the zone.
    #[must_use]
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.0).unwrap_or(TimeZone::UTC)
    }

    /// The calendar date in this zone at an instant.
    #[must_use]
    pub fn date_at(&self, at: DateTime<Utc>) -> NaiveDate {
        let zoned = timestamp(at).to_zoned(self.time_zone());
        let date = zoned.date();
        NaiveDate::from_ymd_opt(
            i32::from(date.year()),
            u32::from(date.month().unsigned_abs()),
            u32::from(date.day().unsigned_abs()),
        )
        .unwrap_or(at.date_naive())
    }

    /// The first instant of a calendar date in this zone. Where midnight is skipped by daylight
    /// saving, that is the first instant after the gap.
    #[must_use]
    pub fn start_of(&self, date: NaiveDate) -> DateTime<Utc> {
        let fallback = date.and_time(chrono::NaiveTime::MIN).and_utc();
        let (Ok(year), Ok(month), Ok(day)) = (
            i16::try_from(date.year()),
            i8::try_from(date.month()),
            i8::try_from(date.day()),
        ) else {
            return fallback;
        };
        jiff::civil::Date::new(year, month, day)
            .and_then(|date| date.to_zoned(self.time_zone()))
            .and_then(|midnight| midnight.start_of_day())
            .ok()
            .and_then(|start| DateTime::from_timestamp_micros(start.timestamp().as_microsecond()))
            .unwrap_or(fallback)
    }

    /// What clocks in this zone show at an instant.
    #[must_use]
    pub fn local_at(&self, at: DateTime<Utc>) -> NaiveDateTime {
        let local = timestamp(at).to_zoned(self.time_zone()).datetime();
        local.to_string().parse().unwrap_or(at.naive_utc())
    }

    /// The instant at which clocks in this zone show a time. A time that daylight saving skips is as long after the gap
    /// as it seems; of a time that comes twice, the first counts.
    #[must_use]
    pub fn instant_of(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let text = local.format("%Y-%m-%dT%H:%M:%S").to_string();
        text.parse::<jiff::civil::DateTime>()
            .and_then(|local| local.to_zoned(self.time_zone()))
            .ok()
            .and_then(|zoned| DateTime::from_timestamp(zoned.timestamp().as_second(), 0))
            .unwrap_or(local.and_utc())
    }
}

/// A calendar day of a zone, by the hours (since 1970) that begin in it. Counters are kept by the hour, so that they add
/// up to days in any zone; where a day begins between hours, the hour belongs to the day it begins in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// The date.
    pub date: NaiveDate,
    /// Its first hour.
    pub first_hour: i64,
    /// The first hour of the next day.
    pub end_hour: i64,
}

/// The hour since 1970 that an instant is in: what counters are kept by.
#[must_use]
pub fn hour_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3_600)
}

impl TimeZoneName {
    /// The last `count` days of this zone up to the one that `now` is in, the oldest first.
    #[must_use]
    pub fn last_days(&self, now: DateTime<Utc>, count: u16) -> Vec<Day> {
        // The first hour that begins at this instant or after it.
        let hour = |at: DateTime<Utc>| hour_of(at + chrono::TimeDelta::seconds(3_599));
        let first = self.date_at(now) - chrono::Days::new(u64::from(count.saturating_sub(1)));
        first
            .iter_days()
            .take(usize::from(count))
            .map(|date| Day {
                date,
                first_hour: hour(self.start_of(date)),
                end_hour: hour(self.start_of(date + chrono::Days::new(1))),
            })
            .collect()
    }
}

fn timestamp(at: DateTime<Utc>) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.timestamp_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

impl Default for TimeZoneName {
    fn default() -> Self {
        Self::utc()
    }
}

/// The text is not a time zone known to the tz database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time zone: expected an IANA name such as Europe/Berlin")]
pub struct InvalidTimeZone;

impl FromStr for TimeZoneName {
    type Err = InvalidTimeZone;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let zone = TimeZone::get(text.trim()).map_err(|_| InvalidTimeZone)?;
        zone.iana_name()
            .map(|name| Self(name.to_owned()))
            .ok_or(InvalidTimeZone)
    }
}

impl TryFrom<String> for TimeZoneName {
    type Error = InvalidTimeZone;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TimeZoneName> for String {
    fn from(zone: TimeZoneName) -> Self {
        zone.0
    }
}

impl fmt::Display for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Knows in which zone an organisation counts its days.
#[async_trait]
pub trait Zones: Send + Sync {
    /// The zone of the organisation; UTC if the organisation is unknown.
    async fn zone_of(&self, organization: OrganizationId) -> Result<TimeZoneName, StoreError>;
}

/// The same zone for every organisation, for programs that have only one.
#[derive(Debug, Clone, Default)]
pub struct FixedZone(pub TimeZoneName);

#[async_trait]
impl Zones for FixedZone {
    async fn zone_of(&self, _: OrganizationId) -> Result<TimeZoneName, StoreError> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_starts_at_local_midnight() {
        let berlin: TimeZoneName = "Europe/Berlin".parse().unwrap();
        let date = NaiveDate::from_ymd_opt(2026, 7, 1).unwrap();
        assert_eq!(
            berlin.start_of(date).to_rfc3339(),
            "2026-06-30T22:00:00+00:00"
        );
        assert_eq!(berlin.date_at(berlin.start_of(date)), date);
    }

    #[test]
    fn a_skipped_midnight_starts_after_the_gap() {
        // Clocks went from 00:00 to 01:00 on this day.
        let santiago: TimeZoneName = "America/Santiago".parse().unwrap();
        let date = NaiveDate::from_ymd_opt(2024, 9, 8).unwrap();
        assert_eq!(
            santiago.start_of(date).to_rfc3339(),
            "2024-09-08T04:00:00+00:00"
        );
    }

    #[test]
    fn days_have_the_hours_that_begin_in_them() {
        let berlin: TimeZoneName = "Europe/Berlin".parse().unwrap();
        // The last Sunday of March, which has 23 hours there.
        let now = "2026-03-30T10:00:00Z".parse().unwrap();
        let days = berlin.last_days(now, 3);
        let hours: Vec<_> = days
            .iter()
            .map(|day| (day.date.to_string(), day.end_hour - day.first_hour))
            .collect();
        let expected = [("2026-03-28", 24), ("2026-03-29", 23), ("2026-03-30", 24)];
        let expected = expected.map(|(date, hours)| (date.to_owned(), hours));
        assert_eq!(hours, expected);
        assert_eq!(days[0].end_hour, days[1].first_hour);
        let kolkata: TimeZoneName = "Asia/Kolkata".parse().unwrap();
        let today = kolkata.last_days("2026-03-30T18:30:00Z".parse().unwrap(), 1)[0];
        assert_eq!(today.date.to_string(), "2026-03-31");
        assert_eq!(
            today.first_hour,
            hour_of("2026-03-30T19:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn what_clocks_show_becomes_an_instant() {
        let oslo: TimeZoneName = "Europe/Oslo".parse().unwrap();
        for (local, instant) in [
            ("2027-01-31T09:00:00", "2027-01-31T08:00:00+00:00"),
            ("2027-07-01T09:00:00", "2027-07-01T07:00:00+00:00"),
            // Skipped, and twice.
            ("2027-03-28T02:30:00", "2027-03-28T01:30:00+00:00"),
            ("2027-10-31T02:30:00", "2027-10-31T00:30:00+00:00"),
        ] {
            let local: NaiveDateTime = local.parse().unwrap();
            assert_eq!(oslo.instant_of(local).to_rfc3339(), instant);
        }
        let local: NaiveDateTime = "2027-07-01T09:00:00".parse().unwrap();
        assert_eq!(oslo.local_at(oslo.instant_of(local)), local);
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        assert_eq!("Mars/Olympus".parse::<TimeZoneName>(), Err(InvalidTimeZone));
    }
}
