use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Where an app has browsers sent back to: with https, or on the machine of whoever uses it. It is compared as it is
/// written, letter by letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(String);

/// The text cannot be a redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// It is no whole address.
    #[error("not an address: expected one such as https://app.example/oauth/return")]
    NoUrl,
    /// Whoever listens could read the code.
    #[error(
        "the address must begin with https://, or with http:// and localhost, 127.0.0.1 or [::1]"
    )]
    Unsafe,
    /// Browsers would keep what is behind it.
    #[error("the address may not have a fragment (#)")]
    Fragment,
    /// It would be shown to everybody.
    #[error("the address may not have a user or a password in it")]
    Credentials,
    /// It does not fit.
    #[error("the address is longer than 1000 characters")]
    TooLong,
}

impl RedirectUri {
    /// Longest address, in characters.
    pub const MAX_LEN: usize = 1_000;

    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port, as browsers call them.
    #[must_use]
    pub fn origin(&self) -> String {
        let url = Url::parse(&self.0);
        url.map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
    }
}

impl FromStr for RedirectUri {
    type Err = InvalidRedirectUri;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > Self::MAX_LEN {
            return Err(InvalidRedirectUri::TooLong);
        }
        // What a parser would change or leave out could not be compared.
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('\\');
        let whole = text.contains("://");
        let url = Url::parse(text).ok().filter(|_| plain && whole);
        let url = url.ok_or(InvalidRedirectUri::NoUrl)?;
        if text.contains('#') {
            return Err(InvalidRedirectUri::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidRedirectUri::Credentials);
        }
        match (url.scheme(), url.host()) {
            ("https", Some(host)) if is_plain(&host) => {}
            ("http", Some(host)) if is_here(&host) => {}
            ("https", _) => return Err(InvalidRedirectUri::NoUrl),
            _ => return Err(InvalidRedirectUri::Unsafe),
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a host is a name or an address: parsers let through more, such as `*` and `;`.
fn is_plain(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    }
}

fn is_here(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = InvalidRedirectUri;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.0
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_sent_to_https_or_to_the_own_machine() {
        for text in [
            "https://app.example/return?from=mauntic",
            "https://app.example:8443/",
            "http://localhost:8080/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
        ] {
            let uri: RedirectUri = text.parse().unwrap();
            assert_eq!(uri.as_str(), text);
        }
        for (text, problem) in [
            ("", InvalidRedirectUri::NoUrl),
            ("/return", InvalidRedirectUri::NoUrl),
            ("app.example/return", InvalidRedirectUri::NoUrl),
            ("https:app.example", InvalidRedirectUri::NoUrl),
            ("https://app.example/a b", InvalidRedirectUri::NoUrl),
            (
                "https://app.example\\@evil.example/",
                InvalidRedirectUri::NoUrl,
            ),
            ("https://äpp.example/", InvalidRedirectUri::NoUrl),
            ("https://*.example/", InvalidRedirectUri::NoUrl),
            ("https://a;script-src.example/", InvalidRedirectUri::NoUrl),
            ("https://a,b.example/", InvalidRedirectUri::NoUrl),
            ("https://app.example/#a", InvalidRedirectUri::Fragment),
            ("https://app.example/#", InvalidRedirectUri::Fragment),
            ("https://ann@app.example/", InvalidRedirectUri::Credentials),
            ("https://a:b@app.example/", InvalidRedirectUri::Credentials),
            ("http://app.example/", InvalidRedirectUri::Unsafe),
            ("http://localhost.evil.example/", InvalidRedirectUri::Unsafe),
            ("ftp://app.example/", InvalidRedirectUri::Unsafe),
            ("javascript://app.example/", InvalidRedirectUri::Unsafe),
        ] {
            assert_eq!(text.parse::<RedirectUri>(), Err(problem), "{text}");
        }
        let long = format!("https://app.example/{}", "a".repeat(1_000));
        assert_eq!(
            long.parse::<RedirectUri>(),
            Err(InvalidRedirectUri::TooLong)
        );
    }

    #[test]
    fn an_origin_is_what_browsers_call_it() {
        for (text, origin) in [
            ("https://App.example/return?a=b", "https://app.example"),
            ("https://app.example:443/", "https://app.example"),
            ("http://[::1]:9/cb", "http://[::1]:9"),
        ] {
            let uri: RedirectUri = text.parse().unwrap();
            assert_eq!(uri.origin(), origin);
        }
    }
}
