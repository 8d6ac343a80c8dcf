use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use mauntic_core::{ContactId, SegmentId};
use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// What a segment is called: 1 to 191 characters without space around; no two segments of an
/// organisation have names that differ in capitals alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SegmentName(String);

impl SegmentName {
    /// The longest name, in characters.
    pub const MAX_LEN: usize = 191;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What tells names apart.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// The text cannot be the name of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name: expected 1 to 191 characters, without control characters, and no id")]
pub struct InvalidSegmentName;

impl FromStr for SegmentName {
    type Err = InvalidSegmentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let too_long = text.chars().take(Self::MAX_LEN + 1).count() > Self::MAX_LEN;
        // Where a name may stand, an id may too.
        let ambiguous = text.parse::<SegmentId>().is_ok();
        if text.is_empty() || too_long || ambiguous || text.chars().any(char::is_control) {
            return Err(InvalidSegmentName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for SegmentName {
    type Error = InvalidSegmentName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SegmentName> for String {
    fn from(name: SegmentName) -> Self {
        name.0
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of contacts: those put in by hand or by import and, if it has a rule, those whom it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Names the segment.
    pub id: SegmentId,
    /// What people call it.
    pub name: SegmentName,
    /// What it is for.
    pub description: String,
    /// What recipients know it as. A segment with such a name is a mailing list: recipients can leave and join it by
    /// themselves, and who unsubscribes from mail to it leaves it alone, not all mail.
    pub list_name: Option<SegmentName>,
    /// Whom it takes in by itself; a static segment has no rule.
    pub rule: Option<Rule>,
    /// Counts the changes, from 1.
    pub version: i64,
    /// How many are in.
    pub member_count: i64,
    /// When the rule, as it is now, was last applied to everybody: the beginning of that rebuild.
    pub built_at: Option<DateTime<Utc>>,
    /// When the rule is to be applied to everybody again.
    pub next_rebuild_at: Option<DateTime<Utc>>,
    /// The rebuild that is going on.
    pub build: Option<Build>,
    /// How many came in with the last rebuild, or with the one going on so far.
    pub last_added: i64,
    /// How many went out with it.
    pub last_removed: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// When it started; it takes the contacts' answers as of then.
    pub started_at: DateTime<Utc>,
    /// The last contact that it has dealt with.
    pub cursor: Option<ContactId>,
    /// How many came in.
    pub added: i64,
    /// How many went out.
    pub removed: i64,
}

impl Segment {
    /// A segment without members; if it has a rule, to be built at once.
    #[must_use]
    pub fn new(
        id: SegmentId,
        name: SegmentName,
        description: String,
        rule: Option<Rule>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            name,
            description,
            list_name: None,
            next_rebuild_at: rule.is_some().then_some(now),
            rule,
            version: 1,
            member_count: 0,
            built_at: None,
            build: None,
            last_added: 0,
            last_removed: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Replaces the rule. Members by the old rule stay until the rebuild, which is due at once; one
    /// that is going on starts anew.
    pub fn set_rule(&mut self, rule: Option<Rule>, now: DateTime<Utc>) {
        if self.rule != rule {
            self.rule = rule;
            self.build = None;
            // No rebuild has applied this rule yet.
            self.built_at = None;
            // Without a rule nobody is in by rule, which is for the rebuild to see to as well.
            self.next_rebuild_at = Some(now);
        }
    }

    /// Ends a change: counts it and notes when it was.
    pub fn touch(&mut self, now: DateTime<Utc>) {
        self.version += 1;
        self.updated_at = now;
    }

    /// Whether everybody's membership is as the rule says, or will be once changes are worked off.
    #[must_use]
    pub fn is_built(&self) -> bool {
        self.build.is_none() && (self.rule.is_none() || self.built_at.is_some())
    }

    /// How long after an instant a rebuild must begin to have seen for sure what the segments that its rule asks for were
    /// like then.
    const SETTLED_AFTER: TimeDelta = TimeDelta::minutes(10);

    /// Whether the members are as they should have been at `as_of` only after a rebuild. One that began since then has
    /// seen everything, so a later one need not be waited for. If the rule asks for other segments, whose rebuilds may
    /// have ended in between, one that is due is waited for, but no longer than until one has begun ten minutes after
    /// `as_of`: where the others change all the time, one is always due. Who came into those, or left them, by a
    /// rebuild that took longer than that may be missed.
    #[must_use]
    pub fn awaits_rebuild(&self, as_of: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let asks = self
            .rule
            .as_ref()
            .is_some_and(|rule| !rule.segments().is_empty());
        let is_due = self.next_rebuild_at.is_some_and(|at| at <= now);
        let from = if asks {
            as_of + Self::SETTLED_AFTER
        } else {
            as_of
        };
        let has_seen_all = self.built_at.is_some_and(|built_at| built_at >= from);
        (is_due || !self.is_built()) && !has_seen_all
    }
}

/// How a contact came into a segment, or out of it for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The rule fits.
    Rule,
    /// Put in by hand or by an import; stays whatever the rule says.
    Added,
    /// Taken out by hand; stays out whatever the rule says.
    Removed,
}

impl Origin {
    /// The number in storage.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::Rule => 0,
            Self::Added => 1,
            Self::Removed => 2,
        }
    }

    /// The origin with that number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Rule, Self::Added, Self::Removed]
            .into_iter()
            .find(|origin| origin.code() == code)
    }
}

/// How many members a segment had when a day (UTC) ended, or has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCount {
    /// The day.
    pub day: NaiveDate,
    /// How many.
    pub members: i64,
}

/// That a contact is in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which contact.
    pub contact_id: ContactId,
    /// Which segment.
    pub segment_id: SegmentId,
    /// How it came in.
    pub origin: Origin,
    /// When.
    pub added_at: DateTime<Utc>,
}
