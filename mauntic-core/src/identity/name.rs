use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What people call an organisation, a person or a token: some text on one line, trimmed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DisplayName(String);

impl DisplayName {
    /// Longest name, in characters.
    pub const MAX_CHARS: usize = 191;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name: expected 1 to 191 characters on one line")]
pub struct InvalidName;

impl FromStr for DisplayName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let too_long = text.chars().nth(Self::MAX_CHARS).is_some();
        if text.is_empty() || too_long || text.contains(char::is_control) {
            return Err(InvalidName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for DisplayName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DisplayName> for String {
    fn from(name: DisplayName) -> Self {
        name.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Some text on several lines, trimmed, with plain line breaks; `None` if nothing is left, or it is longer than so many
/// characters, or holds other control characters.
pub(super) fn several_lines(text: &str, longest: usize) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    let strange = text.contains(|c: char| c.is_control() && c != '\n');
    let fits = !text.is_empty() && text.chars().nth(longest).is_none() && !strange;
    fits.then(|| text.to_owned())
}

/// The short name of an organisation, or of a provider of logins, in commands and addresses: lower-case ASCII letters,
/// digits and single hyphens, at most 63 of them, such as `acme-europe`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

impl Slug {
    /// Longest slug, in characters.
    pub const MAX_LEN: usize = 63;

    /// The slug.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slug that a name suggests: `Acme (Europe)` becomes `acme-europe`.
    #[must_use]
    pub fn suggested_by(name: &DisplayName) -> Self {
        let words = name.as_str().split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        let mut text = words.join("-").to_ascii_lowercase();
        text.truncate(Self::MAX_LEN);
        match text.trim_end_matches('-') {
            "" => Self("organization".to_owned()),
            text => Self(text.to_owned()),
        }
    }

    /// The same slug with a number behind it, for when it is taken.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let kept = self.0.len().min(Self::MAX_LEN - suffix.len());
        let stem = self.0[..kept].trim_end_matches('-');
        Self(format!("{stem}{suffix}"))
    }
}

/// The text cannot be a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a short name: expected up to 63 of a-z, 0-9 and single hyphens, such as acme-europe")]
pub struct InvalidSlug;

impl FromStr for Slug {
    type Err = InvalidSlug;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let hyphens = text.starts_with('-') || text.ends_with('-') || text.contains("--");
        if text.is_empty() || text.len() > Self::MAX_LEN || hyphens || !text.chars().all(allowed) {
            return Err(InvalidSlug);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Slug {
    type Error = InvalidSlug;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_trimmed_line() {
        assert_eq!(
            " Ann Lee ".parse::<DisplayName>().unwrap().as_str(),
            "Ann Lee"
        );
        for text in ["", "  ", "a\nb", "a\u{0}b", &"x".repeat(192)] {
            assert_eq!(text.parse::<DisplayName>(), Err(InvalidName));
        }
    }

    #[test]
    fn a_slug_has_no_stray_hyphens() {
        assert_eq!("acme-2".parse::<Slug>().unwrap().as_str(), "acme-2");
        for text in [
            "",
            "Acme",
            "-acme",
            "acme-",
            "a--b",
            "a b",
            "ä",
            &"x".repeat(64),
        ] {
            assert_eq!(text.parse::<Slug>(), Err(InvalidSlug), "{text}");
        }
    }

    #[test]
    fn a_name_without_latin_letters_still_suggests_a_slug() {
        let name = "株式会社".parse().unwrap();
        assert_eq!(Slug::suggested_by(&name).as_str(), "organization");
    }

    proptest! {
        #[test]
        fn every_suggestion_is_a_slug(text in "\\PC{1,191}", number in 2_u32..) {
            if let Ok(name) = text.parse::<DisplayName>() {
                let slug = Slug::suggested_by(&name);
                prop_assert_eq!(slug.as_str().parse::<Slug>(), Ok(slug.clone()));
                let numbered = slug.numbered(number);
                prop_assert_eq!(numbered.as_str().parse::<Slug>(), Ok(numbered.clone()));
            }
        }
    }
}
