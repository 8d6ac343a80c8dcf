use std::net::IpAddr;

use chrono::{DateTime, Utc};
use mauntic_core::{DeliveryId, EmailVersionId, HitId, OrganizationId};
use serde::{Deserialize, Serialize};

use super::Reason;

/// Longest user agent that is kept, in bytes.
const MAX_AGENT: usize = 400;

/// What somebody, or something, did with a link of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// Loaded the pixel.
    Open,
    /// Followed a link.
    Click,
    /// Asked for no more mail.
    Unsubscribe,
    /// Read the message in a browser.
    WebView,
}

impl HitKind {
    /// The number that is stored.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Open => 0,
            Self::Click => 1,
            Self::Unsubscribe => 2,
            Self::WebView => 3,
        }
    }

    /// The kind with that number.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        [Self::Open, Self::Click, Self::Unsubscribe, Self::WebView]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// What an HTTP request tells of whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HitContext {
    /// Where it came from, behind trusted proxies. Kept shortened only.
    pub ip: Option<IpAddr>,
    /// The header `User-Agent`, as it came.
    pub user_agent: Option<String>,
    /// Whether it was a `HEAD` request.
    pub head: bool,
    /// Whether a header says that nobody looks yet.
    pub prefetch: bool,
    /// When it came.
    pub at: DateTime<Utc>,
}

impl HitContext {
    /// Reads what matters from a request; `header` finds a header by its name.
    pub fn read<'a>(
        method: &str,
        ip: Option<IpAddr>,
        at: DateTime<Utc>,
        header: impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        let says = |name: &str, words: &[&str]| {
            let value = header(name).unwrap_or_default().to_ascii_lowercase();
            words.iter().any(|word| value.contains(word))
        };
        let prefetch = says("sec-purpose", &["prefetch", "prerender"])
            || says("purpose", &["prefetch", "preview"])
            || says("x-purpose", &["prefetch", "preview"])
            || says("x-moz", &["prefetch"]);
        Self {
            ip,
            user_agent: header("user-agent").map(str::to_owned),
            head: method.eq_ignore_ascii_case("HEAD"),
            prefetch,
            at,
        }
    }
}

/// One request to a tracking endpoint, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Whose message it was.
    pub organization_id: OrganizationId,
    /// Names the hit.
    pub id: HitId,
    /// The row of the ledger.
    pub delivery_id: DeliveryId,
    /// The version of the email that was rendered.
    pub version_id: EmailVersionId,
    /// What was done.
    pub kind: HitKind,
    /// The number of the link in its version, for a click.
    pub link: Option<u16>,
    /// When.
    pub at: DateTime<Utc>,
    /// The network it came from: the first 24 bits of an IPv4 address, 48 of IPv6.
    pub network: Option<IpAddr>,
    /// The user agent, without control characters and cut to 400 bytes.
    pub user_agent: Option<String>,
    /// Why it is thought to be a machine's; empty for a human's.
    pub reasons: Vec<Reason>,
}

impl Hit {
    /// Whether a program did it and not a person.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        !self.reasons.is_empty()
    }
}

/// The network that an address is in, coarse enough not to tell people apart.
#[must_use]
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    }
}

/// A user agent as it is kept.
#[must_use]
pub fn stored_agent(text: &str) -> Option<String> {
    let mut kept: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_AGENT)
        .collect();
    while kept.len() > MAX_AGENT {
        kept.pop();
    }
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_to_its_network() {
        for (ip, network) in [
            ("203.0.113.77", "203.0.113.0"),
            ("::ffff:203.0.113.77", "203.0.113.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ] {
            assert_eq!(
                network_of(ip.parse().unwrap()),
                network.parse::<IpAddr>().unwrap()
            );
        }
    }

    #[test]
    fn an_agent_is_cut_and_cleaned() {
        assert_eq!(stored_agent("a\0b\r\nc"), Some("abc".to_owned()));
        assert_eq!(stored_agent(" \t"), None);
        let long = stored_agent(&"ä".repeat(4_000)).unwrap();
        assert_eq!(long.len(), MAX_AGENT);
    }

    #[test]
    fn kinds_read_back_from_their_numbers() {
        for code in 0..4 {
            assert_eq!(HitKind::from_code(code).map(HitKind::code), Some(code));
        }
        assert_eq!(HitKind::from_code(4), None);
    }

    #[test]
    fn headers_of_prefetching_are_seen() {
        let read = |name: &'static str, value: &'static str| {
            let header = move |asked: &str| (asked == name).then_some(value);
            HitContext::read("GET", None, DateTime::UNIX_EPOCH, header).prefetch
        };
        assert!(read("sec-purpose", "prefetch;prerender"));
        assert!(read("x-moz", "Prefetch"));
        assert!(read("x-purpose", "preview"));
        assert!(!read("accept", "prefetch"));
    }
}
