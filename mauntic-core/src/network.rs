//! Networks, and which addresses are on the public internet.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Deref,
    str::FromStr,
};

use serde::{Deserialize, Serialize, de::Error as _};

/// Whether an address is one that anybody could reach: not this machine, not a private network, not reserved
/// (the IANA special-purpose address registries, RFC 6890). An IPv6 address that stands for an IPv4 one counts as that.
///
/// What a tenant names (a mail server, a webhook) is checked with it after its name was looked up, so that the
/// installation's own network stays out of reach.
///
/// ```
/// use mauntic_core::is_public;
///
/// assert!(is_public("1.1.1.1".parse()?));
/// assert!(!is_public("10.0.0.1".parse()?));
/// assert!(!is_public("::ffff:127.0.0.1".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b) {
        // This network, private, loopback, multicast and reserved.
        (0 | 10 | 127 | 224..=255, _)
        | (169, 254)
        | (172, 16..=31)
        | (192, 168)
        // Shared by carriers (RFC 6598), and for benchmarks (RFC 2544).
        | (100, 64..=127)
        | (198, 18..=19) => true,
        (192, 0) => c == 0 || c == 2,
        (192, 88) => c == 99,
        (198, 51) => c == 100,
        (203, 0) => c == 113,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    match segments {
        // Mapped and compatible (`::/96`), and translated (RFC 6052): the IPv4 address is at the end.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(v4(high, low))
        }
        // 6to4 (RFC 3056): it follows the prefix.
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Teredo and other protocols' own (RFC 2928), and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only this part was given out for use on the internet.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

/// A network, such as `10.0.0.0/8`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNetwork {
    /// Its first address.
    address: IpAddr,
    /// How many bits all of its addresses share; at least one.
    bits: u32,
}

/// The text names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address, such as 127.0.0.1, nor a network, such as 10.0.0.0/8")]
pub struct InvalidIpNetwork(String);

impl IpNetwork {
    /// The network of an address whose first bits all share; `None` if it has not as many, or if that were all addresses.
    #[must_use]
    pub fn new(address: IpAddr, bits: u32) -> Option<Self> {
        let address = match address {
            IpAddr::V4(address) if (1..=u32::BITS).contains(&bits) => {
                let mask = u32::MAX << (u32::BITS - bits);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) if (1..=u128::BITS).contains(&bits) => {
                let mask = u128::MAX << (u128::BITS - bits);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
            _ => return None,
        };
        Some(Self { address, bits })
    }

    /// Its first address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Whether the address is in it. An IPv6 address that stands for an IPv4 one counts as that.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Self::new(address.to_canonical(), self.bits) == Some(self)
    }

    /// Whether all of the other network is in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.bits <= other.bits && Self::new(other.address, self.bits) == Some(self)
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() {
        u32::BITS
    } else {
        u128::BITS
    }
}

impl From<IpAddr> for IpNetwork {
    fn from(address: IpAddr) -> Self {
        Self {
            address,
            bits: width(address),
        }
    }
}

impl FromStr for IpNetwork {
    type Err = InvalidIpNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let invalid = || InvalidIpNetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        match bits {
            None => Ok(address.into()),
            Some(bits) => {
                let bits = bits.parse().map_err(|_| invalid())?;
                Self::new(address, bits).ok_or_else(invalid)
            }
        }
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == width(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.bits)
        }
    }
}

/// Networks as they are configured: a list of texts, or one text with commas or spaces between them.
///
/// ```
/// use mauntic_core::IpNetworks;
///
/// let networks: IpNetworks = "192.0.2.1, 10.0.0.0/8".parse()?;
/// assert!(networks.contain("10.1.2.3".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpNetworks(Vec<IpNetwork>);

impl IpNetworks {
    /// Whether the address is in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Deref for IpNetworks {
    type Target = [IpNetwork];

    fn deref(&self) -> &[IpNetwork] {
        &self.0
    }
}

impl FromStr for IpNetworks {
    type Err = InvalidIpNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Serialize for IpNetworks {
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

impl<'de> Deserialize<'de> for IpNetworks {
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

    #[test]
    fn a_network_has_its_addresses_and_smaller_networks() {
        let network = |text: &str| text.parse::<IpNetwork>().unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let ten = network("10.1.2.3/8");
        assert_eq!(ten.to_string(), "10.0.0.0/8");
        assert_eq!(network("192.0.2.1/32").to_string(), "192.0.2.1");
        assert_eq!(network("2001:db8::1/32").to_string(), "2001:db8::/32");
        assert!(ten.contains(address("10.255.0.1")) && !ten.contains(address("11.0.0.1")));
        assert!(ten.contains(address("::ffff:10.0.0.1")));
        assert!(!ten.contains(address("2001:db8::1")));
        assert!(ten.covers(network("10.9.0.0/16")) && ten.covers(ten));
        assert!(!network("10.9.0.0/16").covers(ten));
        assert!(!network("2001:db8::/8").covers(ten));
    }

    #[test]
    fn a_list_and_a_text_say_the_same_and_nonsense_is_refused() {
        let list: IpNetworks = serde_json::from_str(r#"["::1", "10.0.0.0/8"]"#).unwrap();
        let text: IpNetworks = serde_json::from_str(r#""::1,10.0.0.0/8""#).unwrap();
        assert_eq!(list, text);
        let again = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<IpNetworks>(&again).unwrap(), list);
        for wrong in [
            "localhost",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/129",
            "10.0.0.0/",
        ] {
            let error = wrong.parse::<IpNetworks>().unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }

    #[test]
    fn only_the_internet_is_public() {
        for public in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }
}
