//! Emails: what is sent, in versions that never change once saved.

mod composer;
mod ports;
mod preview;
mod service;
mod versions;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use mauntic_core::{EmailId, EmailVersionId};
use serde::{Deserialize, Serialize};

pub use composer::{Composer, ComposerParts};
pub use ports::{EmailCursor, EmailFilter, EmailQueries, EmailRepository, EmailSort};
pub(crate) use preview::sample_recipient;
pub use preview::{Preview, PreviewRecipient};
pub use service::{CreateEmail, EmailParts, EmailService, SavedEmail, UpdateEmail};
pub use versions::EmailVersions;

use crate::content::{CompiledEmail, EmailSource};

/// What people call an email: 1 to 191 bytes, without control characters. Two emails of an
/// organisation do not share a name, whatever the case of its letters A to Z.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailName(String);

impl EmailName {
    /// Longest name, in bytes.
    pub const MAX_LEN: usize = 191;

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What no other email of the organisation may have too.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// The text is not a name for an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name: expected 1 to 191 bytes of text on one line")]
pub struct InvalidEmailName;

impl FromStr for EmailName {
    type Err = InvalidEmailName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() || text.len() > Self::MAX_LEN || text.chars().any(char::is_control) {
            return Err(InvalidEmailName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for EmailName {
    type Error = InvalidEmailName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EmailName> for String {
    fn from(name: EmailName) -> Self {
        name.0
    }
}

impl fmt::Display for EmailName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An email. Its content is in its [`EmailVersion`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Names it.
    pub id: EmailId,
    /// What people call it.
    pub name: EmailName,
    /// Counts the changes to the email, its name included.
    pub version: i64,
    /// The version that a new send takes.
    pub current_version_id: EmailVersionId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// What an email says, from one change of its content to the next. It never changes: what was sent
/// can be shown again.
#[derive(Debug, Clone, PartialEq)]
pub struct EmailVersion {
    /// Names it; part of tracking links.
    pub id: EmailVersionId,
    /// The email.
    pub email_id: EmailId,
    /// Counts the versions of the email, from 1.
    pub number: i64,
    /// What people wrote.
    pub source: EmailSource,
    /// What mails are rendered from.
    pub compiled: CompiledEmail,
    /// When it was saved.
    pub created_at: DateTime<Utc>,
}

/// A version in a list, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VersionEntry {
    /// Names it.
    pub id: EmailVersionId,
    /// Counts the versions of the email, from 1.
    pub number: i64,
    /// When it was saved.
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_text() {
        let name: EmailName = "  Welcome ÄÖ ".parse().unwrap();
        assert_eq!(
            (name.as_str(), name.key().as_str()),
            ("Welcome ÄÖ", "welcome ÄÖ")
        );
        for text in ["", "  ", "a\nb", "a\0b", &"x".repeat(192)] {
            assert_eq!(text.parse::<EmailName>(), Err(InvalidEmailName));
        }
    }
}
