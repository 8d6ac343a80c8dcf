use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A mark on contacts: 1 to 191 characters without space around, told apart by capitals too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// Longest tag, in characters.
    pub const MAX_LEN: usize = 191;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text cannot be a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tag: expected 1 to 191 characters, without control characters and |")]
pub struct InvalidTag;

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // Files part tags with a bar.
        let forbidden = text.chars().any(|c| c.is_control() || c == '|');
        if text.is_empty()
            || forbidden
            || text.chars().take(Self::MAX_LEN + 1).count() > Self::MAX_LEN
        {
            return Err(InvalidTag);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Tag {
    type Error = InvalidTag;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_trimmed_and_short() {
        assert_eq!(
            " VIP ".parse::<Tag>().map(String::from).as_deref(),
            Ok("VIP")
        );
        for text in ["", "  ", "a|b", "a\nb", &"x".repeat(192)] {
            assert_eq!(text.parse::<Tag>(), Err(InvalidTag));
        }
    }
}
