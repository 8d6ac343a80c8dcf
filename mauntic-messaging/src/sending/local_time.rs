use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use mauntic_core::TimeZoneName;

/// How far the earliest clocks on earth are ahead of UTC, in hours.
const AHEAD: i64 = 14;

/// A time that everybody's own clock shows, so that each recipient gets the mail at the same hour of their day.
///
/// The send starts when the first clock on earth shows the time, 14 hours before UTC does: its audience are the members
/// at that instant. Each delivery then waits until the clock of its recipient shows the time. Where that is over when
/// the delivery is planned, it goes at once. Of a time that daylight saving skips or brings twice,
/// [`TimeZoneName::instant_of`] says which instant it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime {
    /// What the clocks show.
    pub time: NaiveDateTime,
    /// The zone of those whose own is not known.
    pub fallback: TimeZoneName,
}

impl LocalTime {
    /// When it is that time in a zone; in the fallback without one.
    #[must_use]
    pub fn instant_in(&self, zone: Option<&TimeZoneName>) -> DateTime<Utc> {
        zone.unwrap_or(&self.fallback).instant_of(self.time)
    }

    /// When the first clock on earth shows the time.
    #[must_use]
    pub fn earliest(&self) -> DateTime<Utc> {
        let utc = self.time.and_utc();
        utc.checked_sub_signed(TimeDelta::hours(AHEAD))
            .unwrap_or(utc)
    }
}

/// The text is not a time that a clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time without a zone: write it like 2027-01-31T09:00")]
pub struct InvalidLocalTime;

/// Reads a time that a clock shows, as browsers write it: `2027-01-31T09:00`, with or without seconds.
///
/// # Errors
/// [`InvalidLocalTime`] if it is none.
pub fn parse_local_time(text: &str) -> Result<NaiveDateTime, InvalidLocalTime> {
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text.trim(), format).ok())
        .ok_or(InvalidLocalTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(time: &str, fallback: &str) -> LocalTime {
        LocalTime {
            time: parse_local_time(time).unwrap(),
            fallback: fallback.parse().unwrap(),
        }
    }

    #[test]
    fn each_zone_has_its_own_instant_and_the_first_clock_starts_the_send() {
        let nine = local("2027-01-31T09:00", "Europe/Oslo");
        let at = |zone: &str| nine.instant_in(Some(&zone.parse().unwrap())).to_rfc3339();
        assert_eq!(
            nine.instant_in(None).to_rfc3339(),
            "2027-01-31T08:00:00+00:00"
        );
        assert_eq!(at("Pacific/Kiritimati"), "2027-01-30T19:00:00+00:00");
        assert_eq!(at("Asia/Kolkata"), "2027-01-31T03:30:00+00:00");
        assert_eq!(at("America/New_York"), "2027-01-31T14:00:00+00:00");
        assert_eq!(at("Etc/GMT+12"), "2027-01-31T21:00:00+00:00");
        assert_eq!(
            nine.instant_in(Some(&"Pacific/Kiritimati".parse().unwrap())),
            nine.earliest()
        );
    }

    #[test]
    fn daylight_saving_moves_a_time_that_it_skips_and_takes_the_first_of_two() {
        // In New York clocks go from 02:00 to 03:00 on 14 March 2027, and from 02:00 back to 01:00 on 7 November.
        let gap = local("2027-03-14T02:30", "America/New_York");
        assert_eq!(
            gap.instant_in(None).to_rfc3339(),
            "2027-03-14T07:30:00+00:00"
        );
        let twice = local("2027-11-07T01:30", "America/New_York");
        assert_eq!(
            twice.instant_in(None).to_rfc3339(),
            "2027-11-07T05:30:00+00:00"
        );
    }

    #[test]
    fn a_time_has_no_zone() {
        assert!(parse_local_time("2027-01-31T09:00:30").is_ok());
        for text in [
            "",
            "soon",
            "2027-01-31",
            "2027-01-31T09:00Z",
            "2027-13-31T09:00",
        ] {
            assert_eq!(parse_local_time(text), Err(InvalidLocalTime), "{text}");
        }
    }
}
