use std::{fmt, str::FromStr};

use super::{DisplayName, User, name::several_lines};

/// What stands under mail that a person signs: plain text on some lines, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature(String);

/// The text cannot be a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signature: expected 1 to 2000 characters of plain text")]
pub struct InvalidSignature;

impl Signature {
    /// Longest signature, in characters.
    pub const MAX_CHARS: usize = 2_000;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Signature {
    type Err = InvalidSignature;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        several_lines(text, Self::MAX_CHARS)
            .map(Self)
            .ok_or(InvalidSignature)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What users change of their own account; `None` leaves a value as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateProfile {
    /// What the person is called.
    pub name: Option<DisplayName>,
    /// What stands under mail that the person signs; `Some(None)` removes it.
    pub signature: Option<Option<Signature>>,
}

impl User {
    /// Applies a change of the person's own; returns the names of what is different now.
    #[must_use = "nothing needs saving if nothing changed"]
    pub fn update(&mut self, change: UpdateProfile) -> Vec<&'static str> {
        let before = self.clone();
        if let Some(name) = change.name {
            self.name = name;
        }
        if let Some(signature) = change.signature {
            self.signature = signature;
        }
        let differs = [
            ("name", self.name != before.name),
            ("signature", self.signature != before.signature),
        ];
        let changed = differs.into_iter().filter(|(_, differs)| *differs);
        changed.map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::UserId;

    #[test]
    fn a_signature_is_plain_text_on_some_lines() {
        let signature: Signature = " Ann Lee\r\nExample Ltd \n".parse().unwrap();
        assert_eq!(signature.as_str(), "Ann Lee\nExample Ltd");
        let longest = "ä".repeat(Signature::MAX_CHARS);
        assert!(longest.parse::<Signature>().is_ok());
        for text in ["", " \n", "a\u{0}b", "a\tb", &format!("{longest}x")] {
            assert_eq!(text.parse::<Signature>(), Err(InvalidSignature), "{text}");
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let id = UserId::from_uuid(uuid::Uuid::from_u128(1));
        let (email, now) = ("ann@example.com".parse().unwrap(), DateTime::UNIX_EPOCH);
        let mut ann = User::new(id, email, "Ann".parse().unwrap(), None, now);
        let mut change = UpdateProfile {
            name: Some("Ann".parse().unwrap()),
            signature: Some(Some("Ann Lee".parse().unwrap())),
        };
        assert_eq!(ann.update(change.clone()), ["signature"]);
        assert!(ann.update(change.clone()).is_empty());
        change.name = Some("Ann Lee".parse().unwrap());
        change.signature = Some(None);
        assert_eq!(ann.update(change), ["name", "signature"]);
        assert_eq!(
            (ann.name.as_str(), ann.signature.as_ref()),
            ("Ann Lee", None)
        );
        assert!(ann.update(UpdateProfile::default()).is_empty());
    }
}
