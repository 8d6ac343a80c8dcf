//! Who calls, when a proxy calls for them.

use std::{net::IpAddr, str::FromStr};

use mauntic_core::{InvalidIpNetwork, IpNetworks};
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrustedProxies(IpNetworks);

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
        while self.0.contain(caller) {
            match named.next().map(address) {
                Some(Some(before)) => caller = before,
                // The header ends, or a proxy did not say whom it was called by.
                _ => break,
            }
        }
        caller
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

impl FromStr for TrustedProxies {
    type Err = InvalidIpNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
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
}
