use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::name::several_lines;

/// The subject of a mail to another member: some text on one line, trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LetterSubject(String);

/// What a mail to another member says: plain text on some lines, trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LetterText(String);

/// The address of a page of this installation, such as `/app/contacts/…`: never one of another site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PageAddress(String);

/// The text cannot be the subject of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a subject: expected 1 to 150 characters on one line")]
pub struct InvalidLetterSubject;

/// The text cannot be what a mail says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message: expected 1 to 5000 characters of plain text")]
pub struct InvalidLetterText;

/// The text is not the address of a page of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a page of this installation: expected an address that begins with /app/")]
pub struct InvalidPageAddress;

impl LetterSubject {
    /// Longest subject, in characters.
    pub const MAX_CHARS: usize = 150;
}

impl LetterText {
    /// Longest text, in characters.
    pub const MAX_CHARS: usize = 5_000;
}

impl PageAddress {
    /// Longest address, in characters.
    pub const MAX_CHARS: usize = 500;
}

impl FromStr for LetterSubject {
    type Err = InvalidLetterSubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let too_long = text.chars().nth(Self::MAX_CHARS).is_some();
        if text.is_empty() || too_long || text.contains(char::is_control) {
            return Err(InvalidLetterSubject);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for LetterText {
    type Err = InvalidLetterText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        several_lines(text, Self::MAX_CHARS)
            .map(Self)
            .ok_or(InvalidLetterText)
    }
}

impl FromStr for PageAddress {
    type Err = InvalidPageAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let ours = text == "/app" || text.starts_with("/app/");
        // What mail programs and browsers read in ways of their own is in no address of ours.
        let plain = text.chars().all(|c| {
            c.is_ascii_graphic()
                && !matches!(c, '\\' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}')
        });
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let climbs = path.contains("//") || path.split('/').any(|part| matches!(part, "." | ".."));
        if !ours || !plain || climbs || text.len() > Self::MAX_CHARS {
            return Err(InvalidPageAddress);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Adds what all texts have that are parsed once.
macro_rules! text {
    ($type:ident, $error:ident) => {
        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(text: $type) -> Self {
                text.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(LetterSubject, InvalidLetterSubject);
text!(LetterText, InvalidLetterText);
text!(PageAddress, InvalidPageAddress);

/// A mail from one member of an organisation to another. `Debug` hides what it says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteToMember {
    /// Its subject.
    pub subject: LetterSubject,
    /// What it says.
    pub text: LetterText,
    /// The page that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageAddress>,
}

impl fmt::Debug for WriteToMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteToMember(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line() {
        let subject: LetterSubject = " About Ann ".parse().unwrap();
        assert_eq!(subject.as_str(), "About Ann");
        let longest = "ä".repeat(LetterSubject::MAX_CHARS);
        assert!(longest.parse::<LetterSubject>().is_ok());
        for text in [
            "",
            " ",
            "a\r\nBcc: x@example.com",
            "a\u{0}",
            &format!("{longest}x"),
        ] {
            assert_eq!(text.parse::<LetterSubject>(), Err(InvalidLetterSubject));
        }
    }

    #[test]
    fn a_text_is_plain() {
        let read: LetterText = " one\r\ntwo ".parse().unwrap();
        assert_eq!(read.as_str(), "one\ntwo");
        let longest = "ä".repeat(LetterText::MAX_CHARS);
        assert!(longest.parse::<LetterText>().is_ok());
        for text in ["", "\n", "a\u{1b}[31m", &format!("{longest}x")] {
            assert_eq!(text.parse::<LetterText>(), Err(InvalidLetterText));
        }
    }

    #[test]
    fn a_page_is_one_of_ours() {
        for text in [
            "/app",
            "/app/",
            "/app/contacts/1?tab=notes#top",
            "/app/search?q=a//b",
        ] {
            assert_eq!(text.parse::<PageAddress>().unwrap().as_str(), text);
        }
        let long = format!("/app/{}", "x".repeat(PageAddress::MAX_CHARS));
        for text in [
            "",
            "https://evil.example/app/",
            "//evil.example/app/",
            "/application",
            "/app/../evil",
            "/app//evil.example",
            "/app/\\evil.example",
            "javascript:alert(1)",
            "/app/a b",
            "/app/\r\nX: y",
            "/app/\"onclick=",
            "/app/ä",
            &long,
        ] {
            assert_eq!(
                text.parse::<PageAddress>(),
                Err(InvalidPageAddress),
                "{text}"
            );
        }
    }
}
