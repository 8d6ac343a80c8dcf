use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Names that would read as something else in a segment rule, in an import, or in SQL written by hand.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "any",
    "asc",
    "between",
    "by",
    "clicked",
    "company_id",
    "contact_id",
    "contains",
    "created",
    "created_at",
    "dnc",
    "do_not_contact",
    "false",
    "from",
    "group",
    "id",
    "identified",
    "identified_at",
    "in",
    "is",
    "like",
    "limit",
    "mauntic_id",
    "not",
    "null",
    "opened",
    "or",
    "order",
    "origin",
    "owner",
    "owner_id",
    "segment",
    "segments",
    "select",
    "sent",
    "stage",
    "table",
    "tag",
    "tags",
    "true",
    "updated",
    "updated_at",
    "user",
    "version",
    "where",
];

/// The name of a field in rules, templates, imports and the API, such as `favourite_colour`.
///
/// It has 1 to 25 of `a`–`z`, `0`–`9` and `_`, is not only digits, and is no reserved word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldAlias(String);

/// The text cannot be the alias of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFieldAlias {
    /// Empty, too long, or with characters that are not allowed.
    #[error("not a field alias: expected 1 to 25 of a-z, 0-9 and _, and not only digits")]
    Malformed,
    /// The word has a meaning of its own.
    #[error("this alias is reserved; put f_ in front of it")]
    Reserved,
}

impl FieldAlias {
    /// Longest alias.
    pub const MAX_LEN: usize = 25;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes an alias from a label: Latin letters without their marks, in lower case, spaces as `_`,
    /// 25 characters at most, `f_` before reserved words and mere numbers. `None` if no letter or
    /// digit is left.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        let mut alias = String::new();
        for c in label.trim().chars() {
            match c {
                'a'..='z' | '0'..='9' | '_' => alias.push(c),
                'A'..='Z' => alias.push(c.to_ascii_lowercase()),
                ' ' | '-' | '.' | '/' if !alias.ends_with('_') => alias.push('_'),
                _ => alias.push_str(latin(c)),
            }
        }
        alias.truncate(Self::MAX_LEN);
        let alias = alias.trim_start_matches('_');
        let alias = alias.strip_suffix('_').unwrap_or(alias);
        if alias.is_empty() {
            return None;
        }
        alias.parse().ok().or_else(|| {
            let cut = alias.get(..alias.len().min(Self::MAX_LEN - 2))?;
            format!("f_{cut}").parse().ok()
        })
    }

    /// The same alias with a number behind it, for when it is taken.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = number.to_string();
        let keep = self.0.len().min(Self::MAX_LEN - suffix.len());
        Self(format!("{}{suffix}", &self.0[..keep]))
    }

    pub(crate) const fn trusted(alias: String) -> Self {
        Self(alias)
    }
}

/// A Latin letter without its mark; nothing for what is no Latin letter.
fn latin(c: char) -> &'static str {
    match c {
        'à'..='å' | 'À'..='Å' | 'ā' | 'ă' | 'ą' | 'Ā' | 'Ă' | 'Ą' => "a",
        'æ' | 'Æ' => "ae",
        'ç' | 'Ç' | 'ć' | 'č' | 'Ć' | 'Č' => "c",
        'ð' | 'Ð' | 'ď' | 'đ' | 'Ď' | 'Đ' => "d",
        'è'..='ë' | 'È'..='Ë' | 'ē' | 'ė' | 'ę' | 'ě' | 'Ē' | 'Ė' | 'Ę' | 'Ě' => "e",
        'ğ' | 'Ğ' => "g",
        'ì'..='ï' | 'Ì'..='Ï' | 'ī' | 'į' | 'ı' | 'İ' | 'Ī' | 'Į' => "i",
        'ł' | 'Ł' => "l",
        'ñ' | 'Ñ' | 'ń' | 'ň' | 'Ń' | 'Ň' => "n",
        'ò'..='ö' | 'Ò'..='Ö' | 'ø' | 'Ø' | 'ō' | 'ő' | 'Ō' | 'Ő' => "o",
        'œ' | 'Œ' => "oe",
        'ř' | 'Ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' | 'Ś' | 'Š' | 'Ş' | 'Ș' => "s",
        'ß' => "ss",
        'ť' | 'ț' | 'Ť' | 'Ț' => "t",
        'þ' | 'Þ' => "th",
        'ù'..='ü' | 'Ù'..='Ü' | 'ū' | 'ů' | 'ű' | 'Ū' | 'Ů' | 'Ű' => "u",
        'ý' | 'ÿ' | 'Ý' => "y",
        'ź' | 'ż' | 'ž' | 'Ź' | 'Ż' | 'Ž' => "z",
        _ => "",
    }
}

impl FromStr for FieldAlias {
    type Err = InvalidFieldAlias;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        let malformed = text.is_empty()
            || text.len() > Self::MAX_LEN
            || !text.bytes().all(allowed)
            || text.bytes().all(|c| c.is_ascii_digit());
        if malformed {
            return Err(InvalidFieldAlias::Malformed);
        }
        if RESERVED.contains(&text) {
            return Err(InvalidFieldAlias::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for FieldAlias {
    type Error = InvalidFieldAlias;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FieldAlias> for String {
    fn from(alias: FieldAlias) -> Self {
        alias.0
    }
}

impl std::borrow::Borrow<str> for FieldAlias {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(label: &str) -> Option<String> {
        FieldAlias::from_label(label).map(String::from)
    }

    #[test]
    fn a_label_becomes_an_alias() {
        assert_eq!(
            made("Lieblingsgröße (EU)").as_deref(),
            Some("lieblingsgrosse_eu")
        );
        assert_eq!(made("  First-seen on ").as_deref(), Some("first_seen_on"));
        assert_eq!(made("Tag").as_deref(), Some("f_tag"));
        assert_eq!(made("2024").as_deref(), Some("f_2024"));
        assert_eq!(made("любимый"), None);
        assert_eq!(made(&"x".repeat(99)).map(|alias| alias.len()), Some(25));
    }

    #[test]
    fn a_taken_alias_gets_a_number() {
        let alias: FieldAlias = "a".repeat(25).parse().unwrap();
        assert_eq!(alias.numbered(12).as_str(), format!("{}12", "a".repeat(23)));
    }

    #[test]
    fn odd_and_reserved_names_are_refused() {
        for text in ["", "A", "a b", "ä", "12", &"a".repeat(26)] {
            assert_eq!(
                text.parse::<FieldAlias>(),
                Err(InvalidFieldAlias::Malformed),
                "{text}"
            );
        }
        assert_eq!(
            "contact_id".parse::<FieldAlias>(),
            Err(InvalidFieldAlias::Reserved)
        );
    }
}
