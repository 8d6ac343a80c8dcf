//! How many of a send are planned, left out, and done.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sending::SkipReason;

/// The counters of a send, or changes to them.
///
/// Everybody in the audience is either planned or skipped; everybody planned is accepted, refused,
/// deferred, unknown, or waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Deliveries to be made.
    pub planned: i64,
    /// People left out, by reason.
    pub skipped: BTreeMap<SkipReason, i64>,
    /// Messages that the next host took.
    pub accepted: i64,
    /// Messages that were refused for good.
    pub refused: i64,
    /// Messages that were refused for now and will be tried again.
    pub deferred: i64,
    /// Messages that the next host may or may not have taken.
    pub unknown: i64,
}

impl Tally {
    /// Everybody left out.
    #[must_use]
    pub fn skipped_total(&self) -> i64 {
        self.skipped.values().sum()
    }

    /// Planned deliveries that were not tried yet.
    #[must_use]
    pub fn waiting(&self) -> i64 {
        self.planned - self.accepted - self.refused - self.deferred - self.unknown
    }

    /// Adds up.
    pub fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.deferred += other.deferred;
        self.unknown += other.unknown;
        for (reason, count) in &other.skipped {
            self.skip(*reason, *count);
        }
    }

    /// Counts somebody as left out.
    pub fn skip(&mut self, reason: SkipReason, by: i64) {
        *self.skipped.entry(reason).or_default() += by;
    }

    /// The counters by name, without those that are zero.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, i64)> {
        let plain = [
            ("planned", self.planned),
            ("accepted", self.accepted),
            ("refused", self.refused),
            ("deferred", self.deferred),
            ("unknown", self.unknown),
        ];
        let skipped = self.skipped.iter();
        plain
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .chain(skipped.map(|(reason, count)| (format!("skipped:{}", reason.as_str()), *count)))
            .filter(|(_, count)| *count != 0)
            .collect()
    }

    /// Adds to the counter of that name; an unknown name does nothing.
    pub fn add(&mut self, name: &str, count: i64) {
        let counter = match name {
            "planned" => &mut self.planned,
            "accepted" => &mut self.accepted,
            "refused" => &mut self.refused,
            "deferred" => &mut self.deferred,
            "unknown" => &mut self.unknown,
            other => {
                let reason = other.strip_prefix("skipped:").unwrap_or_default();
                if let Some(reason) = SkipReason::from_name(reason) {
                    self.skip(reason, count);
                }
                return;
            }
        };
        *counter += count;
    }
}
