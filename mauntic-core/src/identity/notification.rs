use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{NotificationId, OrganizationId, UserId};

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// An import.
    Import,
    /// A change of many contacts.
    BulkChange,
    /// A send.
    Send,
    /// A member of the organisation.
    Member,
    /// The organisation itself.
    Organization,
}

impl NotificationKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Import,
        Self::BulkChange,
        Self::Send,
        Self::Member,
        Self::Organization,
    ];

    /// The name in storage and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::BulkChange => "bulk_change",
            Self::Send => "send",
            Self::Member => "member",
            Self::Organization => "organization",
        }
    }
}

/// The text names no kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of notification")]
pub struct UnknownNotificationKind;

impl FromStr for NotificationKind {
    type Err = UnknownNotificationKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == text)
            .ok_or(UnknownNotificationKind)
    }
}

impl fmt::Display for NotificationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that a member of an organisation waits for, or must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Names it; later ones have later ids.
    pub id: NotificationId,
    /// In which organisation.
    pub organization_id: OrganizationId,
    /// Who is told.
    pub user_id: UserId,
    /// What it is about.
    pub kind: NotificationKind,
    /// Whether something went wrong, or waits for somebody.
    pub problem: bool,
    /// It in a few words.
    pub heading: String,
    /// More about it.
    pub message: String,
    /// The record that it is about, of that kind.
    pub about: Option<Uuid>,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// When the user had read it.
    pub read_at: Option<DateTime<Utc>>,
}

impl Notification {
    /// How long one is kept.
    pub const KEPT: TimeDelta = TimeDelta::days(90);
    /// The longest heading, in characters.
    pub const MAX_HEADING: usize = 191;
    /// The longest message, in characters.
    pub const MAX_MESSAGE: usize = 1_000;
}

/// What a notification is to say, and to whom. Texts that are too long are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub(super) user_id: UserId,
    pub(super) kind: NotificationKind,
    pub(super) problem: bool,
    pub(super) heading: String,
    pub(super) message: String,
    pub(super) about: Option<Uuid>,
    pub(super) once: Option<Once>,
}

/// That somebody is told of the same thing once from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// The hash of what tells the thing from others.
    pub hash: [u8; 32],
    /// What was told before does not count.
    pub since: DateTime<Utc>,
}

impl Notice {
    /// Tells a user something.
    #[must_use]
    pub fn new(user_id: UserId, kind: NotificationKind, heading: &str, message: &str) -> Self {
        Self {
            user_id,
            kind,
            problem: false,
            heading: one_line(heading, Notification::MAX_HEADING),
            message: one_line(message, Notification::MAX_MESSAGE),
            about: None,
            once: None,
        }
    }

    /// It is about that record.
    #[must_use]
    pub fn about(self, record: Uuid) -> Self {
        Self {
            about: Some(record),
            ..self
        }
    }

    /// Something went wrong, or waits for somebody.
    #[must_use]
    pub fn as_problem(self, problem: bool) -> Self {
        Self { problem, ..self }
    }

    /// It is not told again if the user was told of the same thing, which the key tells from others, at that time or
    /// later.
    #[must_use]
    pub fn once(self, key: &str, since: DateTime<Utc>) -> Self {
        let hash = Sha256::digest(key.as_bytes()).into();
        Self {
            once: Some(Once { hash, since }),
            ..self
        }
    }
}

/// The text without line breaks and other control characters, cut to so many characters.
fn one_line(text: &str, longest: usize) -> String {
    let text = text.replace(char::is_control, " ");
    let text = text.trim();
    match text.char_indices().nth(longest) {
        // The mark of the cut is a character too.
        Some(_) => {
            let kept: String = text.chars().take(longest - 1).collect();
            format!("{}…", kept.trim_end())
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_reads_back() {
        for kind in NotificationKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!(
            "weather".parse::<NotificationKind>(),
            Err(UnknownNotificationKind)
        );
    }

    #[test]
    fn texts_are_one_line_and_not_too_long() {
        let user = UserId::from_uuid(Uuid::from_u128(1));
        let notice = |text: &str| Notice::new(user, NotificationKind::Import, text, text);
        let short = notice(" people\r\n.csv\u{0} ");
        assert_eq!(short.heading, "people  .csv");
        let long = notice(&"ä".repeat(2_000));
        assert_eq!(long.heading.chars().count(), Notification::MAX_HEADING);
        assert_eq!(long.message.chars().count(), Notification::MAX_MESSAGE);
        assert!(long.heading.ends_with('…'), "{}", long.heading);
        let fits = "x".repeat(Notification::MAX_HEADING);
        assert_eq!(notice(&fits).heading, fits);
    }

    #[test]
    fn keys_tell_things_apart() {
        let user = UserId::from_uuid(Uuid::from_u128(1));
        let of = |key: &str| {
            let notice = Notice::new(user, NotificationKind::Send, "a", "b");
            notice.once(key, DateTime::UNIX_EPOCH).once
        };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
    }
}
