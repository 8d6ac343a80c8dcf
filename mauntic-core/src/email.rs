use std::{fmt, str::FromStr};

use email_address::Options;
use serde::{Deserialize, Serialize};

/// An email address with a local part and a domain of at least two labels (RFC 5321 §4.1.2).
///
/// The domain is kept in lower case; the local part is kept as it was written, since only the
/// receiving host may interpret it. Two addresses that differ in case alone share one [`key`](Self::key).
/// `Debug` hides the address, so that personal data does not reach the logs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Longest address that SMTP can carry, in bytes (RFC 5321 §4.5.3.1.3 less the angle brackets).
    pub const MAX_LEN: usize = 254;

    /// The address as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What identifies the mailbox in Mauntic: the address in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// The part behind the `@`, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

/// The text is not an email address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an email address: expected something like ann@example.com")]
pub struct InvalidEmailAddress;

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > Self::MAX_LEN || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(InvalidEmailAddress);
        }
        let options = Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        email_address::EmailAddress::parse_with_options(text, options)
            .map_err(|_| InvalidEmailAddress)?;
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmailAddress)?;
        Ok(Self(format!("{local}@{}", domain.to_lowercase())))
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmailAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::EmailAddress;

    fn parse(text: &str) -> Option<String> {
        text.parse::<EmailAddress>().ok().map(String::from)
    }

    #[test]
    fn the_domain_is_lowered_and_the_local_part_kept() {
        assert_eq!(
            parse(" Ann.Lee+x@EXAMPLE.com "),
            Some("Ann.Lee+x@example.com".to_owned())
        );
    }

    #[test]
    fn what_mail_cannot_reach_is_refused() {
        for text in [
            "",
            "ann",
            "ann@",
            "@example.com",
            "ann@localhost",
            "ann@[127.0.0.1]",
            "a b@example.com",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("Ann <ann@example.com>"), None);
        assert_eq!(parse("ann@example.com\r\nBcc: bob@example.com"), None);
        assert_eq!(
            parse(&format!("{}@example.com", "a".repeat(2_000_000))),
            None
        );
    }

    #[test]
    fn debug_hides_the_address() {
        let ann: EmailAddress = "ann@example.com".parse().unwrap();
        assert!(!format!("{ann:?}").contains("ann"));
    }
}
