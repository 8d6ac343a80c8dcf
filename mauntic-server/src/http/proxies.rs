//! Who calls, when a proxy calls for them.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize, de::Error as _};

/// The addresses and networks whose `X-Forwarded-For` is believed: proxies of one's own. Anybody can send that header,
/// so whoever is not among them is the caller.
///
/// ```
/// use mauntic_server::TrustedProxies;
///
/// let proxies: TrustedProxies = "192.0.2.1, 10.0.0.0/8".parse()?;
/// let client = proxies.caller("10.1.2.3".parse()?, ["198.51.100.7, 203.0.113.9", "192.0.2.1"].into_iter());
/// assert_eq!(client, "203.0.113.9".parse::<std::net::IpAddr>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// A network, or one address of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    /// How many bits all of its addresses share; at least one.
    bits: u32,
}

/// The text names no proxies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address, such as 127.0.0.1, nor a network, such as 10.0.0.0/8")]
pub struct InvalidProxy(String);

impl TrustedProxies {
    /// Who calls: the peer, or, if that is a trusted proxy, the last address of the `X-Forwarded-For` headers, in their
    /// order, that is none. Each proxy adds whom it was called by at the end, so what stands before is hearsay.
    pub fn caller<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let mut caller = peer.to_canonical();
        let mut named = forwarded.rev().flat_map(|header| header.rsplit(','));
        while self.trust(caller) {
            match named.next().map(address) {
                Some(Some(before)) => caller = before,
                // The header ends, or a proxy did not say whom it was called by.
                _ => break,
            }
        }
        caller
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// An address as proxies write it: some add the port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let with_port = || text.parse().map(|socket: std::net::SocketAddr| socket.ip());
    address
        .or_else(|| with_port().ok())
        .map(|address| address.to_canonical())
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let different = own.to_bits() ^ other.to_bits();
                different >> (u32::BITS - self.bits) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let different = own.to_bits() ^ other.to_bits();
                different >> (u128::BITS - self.bits) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let invalid = || InvalidProxy(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| invalid())?,
            None => width,
        };
        // A name of all addresses would be a name of nobody.
        if bits == 0 || bits > width {
            return Err(invalid());
        }
        Ok(Self { address, bits })
    }
}

impl FromStr for TrustedProxies {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for TrustedProxies {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

/// A list in a file, or a text with commas in the environment.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    List(Vec<String>),
}

impl<'de> Deserialize<'de> for TrustedProxies {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::List(list) => list.join(","),
        };
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let proxies: TrustedProxies = proxies.parse().unwrap();
        let caller = proxies.caller(peer.parse().unwrap(), forwarded.iter().copied());
        caller.to_string()
    }

    #[test]
    fn a_stranger_speaks_for_nobody() {
        for proxies in ["", "127.0.0.1", "10.0.0.0/8"] {
            let header = ["198.51.100.7"];
            assert_eq!(caller(proxies, "203.0.113.9", &header), "203.0.113.9");
        }
    }

    #[test]
    fn behind_proxies_the_last_address_that_is_none_calls() {
        let proxies = "127.0.0.1, 10.0.0.0/8 2001:db8::/32";
        for (peer, forwarded, expected) in [
            // What the caller itself wrote stands before what the proxy added.
            (
                "127.0.0.1",
                &["198.51.100.7, 203.0.113.9"][..],
                "203.0.113.9",
            ),
            (
                "127.0.0.1",
                &["127.0.0.1, 203.0.113.9, 10.1.2.3"],
                "203.0.113.9",
            ),
            (
                "10.9.9.9",
                &["1.2.3.4", "203.0.113.9", "10.0.0.1"],
                "203.0.113.9",
            ),
            ("::ffff:127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("2001:db8::1", &["[2001:0db9::7]:80"], "2001:db9::7"),
            ("2001:db8::1", &["[2001:db9::7]"], "2001:db9::7"),
            // Nothing, or nothing that is an address: the proxy is all that is known.
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ] {
            assert_eq!(
                caller(proxies, peer, forwarded),
                expected,
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn a_list_and_a_text_say_the_same_and_nonsense_is_refused() {
        let list: TrustedProxies = serde_json::from_str(r#"["::1", "10.0.0.0/8"]"#).unwrap();
        let text: TrustedProxies = serde_json::from_str(r#""::1,10.0.0.0/8""#).unwrap();
        assert_eq!(list, text);
        let again = serde_json::to_string(&list).unwrap();
        assert_eq!(
            serde_json::from_str::<TrustedProxies>(&again).unwrap(),
            list
        );
        for wrong in [
            "localhost",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/129",
            "10.0.0.0/",
        ] {
            let error = wrong.parse::<TrustedProxies>().unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }
}
