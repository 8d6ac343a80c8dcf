use chrono::{DateTime, TimeDelta, Utc};

/// How far ahead messages are taken for hand-over: a limit is smoothed over this time.
const HORIZON: TimeDelta = TimeDelta::seconds(1);
/// The first pause after a host asked to slow down; each further request doubles it.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(15);
const MAX_LEVEL: u32 = 7;

/// How fast messages of one transport, or for one recipient domain, may go (a GCRA).
///
/// It is a row in the database, so that all processes keep to it together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// What is limited: `transport`, or `domain:` and a domain.
    pub key: String,
    /// When the next message would be due if they came one by one.
    pub due_at: DateTime<Utc>,
    /// How often the host asked to slow down, less how often it was content again.
    pub level: u32,
    /// No further slowing down before; one wave of refusals counts once.
    pub settled_at: DateTime<Utc>,
}

impl Rate {
    /// A rate that nothing has used yet.
    #[must_use]
    pub fn new(key: String) -> Self {
        Self {
            key,
            due_at: DateTime::UNIX_EPOCH,
            level: 0,
            settled_at: DateTime::UNIX_EPOCH,
        }
    }

    /// How many messages may go now, if `per_second` is the limit; `None` if any number.
    #[must_use]
    pub fn allowance(&self, per_second: Option<f64>, now: DateTime<Utc>) -> Option<u64> {
        let interval = self.interval(per_second)?;
        let room = (now + HORIZON - self.due_at.max(now)).num_microseconds();
        let room = room.unwrap_or_default();
        if room <= 0 {
            return Some(0);
        }
        let slots = room.saturating_sub(1) / interval.num_microseconds().unwrap_or(1).max(1) + 1;
        Some(u64::try_from(slots).unwrap_or_default())
    }

    /// Uses up the room of that many messages.
    pub fn take(&mut self, messages: u64, per_second: Option<f64>, now: DateTime<Utc>) {
        if let Some(interval) = self.interval(per_second) {
            let messages = i32::try_from(messages).unwrap_or(i32::MAX);
            self.due_at = self.due_at.max(now) + interval * messages;
        }
    }

    /// When a message that finds no room should be looked at again, as the `nth` such message.
    #[must_use]
    pub fn next_look(
        &self,
        nth: u64,
        per_second: Option<f64>,
        now: DateTime<Utc>,
    ) -> DateTime<Utc> {
        let interval = self.interval(per_second).unwrap_or(TimeDelta::zero());
        let nth = i32::try_from(nth).unwrap_or(i32::MAX).min(100_000);
        // The horizon reaches one second ahead of the due instant.
        (self.due_at - HORIZON).max(now) + interval * nth + TimeDelta::milliseconds(50)
    }

    /// Slows down because the host asked for it.
    pub fn slow_down(&mut self, now: DateTime<Utc>) {
        if now < self.settled_at {
            return;
        }
        self.level = (self.level + 1).min(MAX_LEVEL);
        let pause = FIRST_PAUSE * (1 << (self.level - 1));
        self.due_at = self.due_at.max(now + HORIZON + pause);
        self.settled_at = now + HORIZON + pause;
    }

    /// Speeds up again because the host took a message.
    pub fn recover(&mut self, now: DateTime<Utc>) {
        if now >= self.settled_at && self.level > 0 {
            self.level -= 1;
            self.settled_at = now + TimeDelta::seconds(5);
        }
    }

    fn interval(&self, per_second: Option<f64>) -> Option<TimeDelta> {
        // From five messages a second at the first request to one in thirteen seconds.
        let slowed = (self.level > 0).then(|| TimeDelta::milliseconds(100) * (1 << self.level));
        let limit = per_second.filter(|rate| *rate > 0.0).map(|rate| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a limit is between one a day and a million a second"
            )]
            let micros = (1e6 / rate.clamp(1.0 / 86_400.0, 1e6)) as i64;
            TimeDelta::microseconds(micros)
        });
        slowed.max(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(1) + TimeDelta::milliseconds(millis)
    }

    #[test]
    fn ten_a_second_are_ten_in_each_second() {
        let mut rate = Rate::new("transport".to_owned());
        let mut sent = 0;
        for step in 0..40 {
            let now = at(step * 250);
            let room = rate.allowance(Some(10.0), now).unwrap();
            rate.take(room, Some(10.0), now);
            sent += room;
        }
        // Ten seconds, and the second that messages are taken ahead.
        assert!((105..=110).contains(&sent), "{sent}");
    }

    #[test]
    fn a_slow_limit_lets_one_message_through_at_a_time() {
        let mut rate = Rate::new("transport".to_owned());
        assert_eq!(rate.allowance(Some(0.5), at(0)), Some(1));
        rate.take(1, Some(0.5), at(0));
        assert_eq!(rate.allowance(Some(0.5), at(500)), Some(0));
        assert!(rate.next_look(0, Some(0.5), at(500)) > at(1_000));
        assert_eq!(rate.allowance(Some(0.5), at(2_000)), Some(1));
    }

    #[test]
    fn without_a_limit_there_is_always_room() {
        let rate = Rate::new("domain:example.com".to_owned());
        assert_eq!(rate.allowance(None, at(0)), None);
    }

    #[test]
    fn a_host_that_asks_gets_a_pause_and_then_a_trickle() {
        let mut rate = Rate::new("domain:example.com".to_owned());
        rate.slow_down(at(0));
        rate.slow_down(at(10));
        assert_eq!(rate.level, 1, "one wave counts once");
        assert_eq!(rate.allowance(None, at(5_000)), Some(0));
        let later = at(17_000);
        assert_eq!(rate.allowance(None, later), Some(5));
        rate.slow_down(later);
        assert_eq!(rate.level, 2);
        rate.recover(later + TimeDelta::minutes(2));
        rate.recover(later + TimeDelta::minutes(3));
        assert_eq!(rate.level, 0);
        assert_eq!(rate.allowance(None, later + TimeDelta::minutes(4)), None);
    }
}
