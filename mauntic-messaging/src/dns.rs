//! The DNS records that a sending domain publishes.

use std::{fmt, net::IpAddr};

use crate::dkim::{PrivateKey, Selector};

/// The longest string inside a TXT record (RFC 1035 §3.3.14); longer values are several strings, joined by readers.
const TXT_STRING: usize = 255;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordPurpose {
    /// Publishes a DKIM key.
    Dkim,
    /// Says which hosts may use the return path.
    Spf,
    /// Says what to do with mail that fails both.
    Dmarc,
    /// Brings bounces home.
    ReturnPath,
}

/// The type of a DNS record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// A text record.
    Txt,
    /// A mail exchanger.
    Mx,
}

/// A DNS record to publish. `Display` writes it as a line of a zone file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DnsRecord {
    /// The full name, without a final dot.
    pub name: String,
    /// The type.
    pub kind: RecordType,
    /// The value; for `MX` preference and host.
    pub value: String,
    /// What it is for.
    pub purpose: RecordPurpose,
    /// Whether mail is refused or unverifiable without it; otherwise the value is advice to adapt.
    pub required: bool,
}

impl DnsRecord {
    fn txt(name: String, value: String, purpose: RecordPurpose, required: bool) -> Self {
        Self {
            name,
            kind: RecordType::Txt,
            value,
            purpose,
            required,
        }
    }

    /// The value cut into the strings of a TXT record, each at most 255 octets.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        // Values are ASCII, so that every byte is a place to cut at.
        (0..self.value.len())
            .step_by(TXT_STRING)
            .filter_map(|start| {
                let end = self.value.len().min(start + TXT_STRING);
                self.value.get(start..end)
            })
    }
}

impl fmt::Display for DnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RecordType::Mx => write!(f, "{}. IN MX {}.", self.name, self.value),
            RecordType::Txt => {
                write!(f, "{}. IN TXT", self.name)?;
                self.strings()
                    .try_for_each(|string| write!(f, " \"{string}\""))
            }
        }
    }
}

/// Where mail of a domain leaves from and where its bounces go.
#[derive(Debug, Clone, Default)]
pub struct DomainSetup<'a> {
    /// The domain of the `From` addresses, as an A-label.
    pub domain: &'a str,
    /// The published keys.
    pub keys: &'a [(Selector, PrivateKey)],
    /// The domain of the return path, such as `bounce.example.com`.
    pub return_path: Option<&'a str>,
    /// The host that takes the bounces.
    pub bounce_host: Option<&'a str>,
    /// The addresses that mail leaves from, if they are known.
    pub sending_ips: &'a [IpAddr],
    /// Where receivers send aggregate reports.
    pub reports_to: Option<&'a str>,
}

/// The records for a sending domain: its keys, SPF and MX of its return path, and a DMARC policy to begin with.
#[must_use]
pub fn records(setup: &DomainSetup<'_>) -> Vec<DnsRecord> {
    let mut records: Vec<DnsRecord> = setup
        .keys
        .iter()
        .map(|(selector, key)| {
            let name = format!("{}._domainkey.{}", selector.as_str(), setup.domain);
            DnsRecord::txt(name, key.dns_value(), RecordPurpose::Dkim, true)
        })
        .collect();
    let envelope = setup.return_path.unwrap_or(setup.domain);
    records.push(DnsRecord::txt(
        envelope.to_owned(),
        spf(setup),
        RecordPurpose::Spf,
        true,
    ));
    records.push(DnsRecord::txt(
        format!("_dmarc.{}", setup.domain),
        dmarc(setup),
        RecordPurpose::Dmarc,
        true,
    ));
    if let (Some(name), Some(host)) = (setup.return_path, setup.bounce_host) {
        records.push(DnsRecord {
            name: name.to_owned(),
            kind: RecordType::Mx,
            value: format!("10 {}", host.trim_end_matches('.')),
            purpose: RecordPurpose::ReturnPath,
            required: true,
        });
    }
    records
}

/// Addresses cost no DNS look-up, so that they never meet the limit of ten (RFC 7208 §4.6.4).
fn spf(setup: &DomainSetup<'_>) -> String {
    let mut value = String::from("v=spf1");
    for ip in setup.sending_ips {
        value.push_str(if ip.is_ipv4() { " ip4:" } else { " ip6:" });
        value.push_str(&ip.to_string());
    }
    value.push_str(if setup.sending_ips.is_empty() {
        " mx ~all"
    } else {
        " -all"
    });
    value
}

/// RFC 9989 knows no `pct` any more; `p=none` only watches, and is what providers ask for at least.
fn dmarc(setup: &DomainSetup<'_>) -> String {
    setup.reports_to.map_or_else(
        || "v=DMARC1; p=none".to_owned(),
        |to| format!("v=DMARC1; p=none; rua=mailto:{to}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_key_is_cut_into_strings() {
        let keys = [("m1".parse().unwrap(), PrivateKey::generate_rsa().unwrap())];
        let setup = DomainSetup {
            domain: "example.com",
            keys: &keys,
            ..DomainSetup::default()
        };
        let record = &records(&setup)[0];
        assert_eq!(record.name, "m1._domainkey.example.com");
        assert!(record.strings().all(|string| string.len() <= 255));
        assert_eq!(record.strings().collect::<String>(), record.value);
        assert_eq!(record.strings().count(), 2);
        assert!(
            record
                .to_string()
                .starts_with("m1._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; p=")
        );
    }

    #[test]
    fn the_return_path_has_spf_and_mx() {
        let ips = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let setup = DomainSetup {
            domain: "example.com",
            return_path: Some("bounce.example.com"),
            bounce_host: Some("mx.example.net"),
            sending_ips: &ips,
            reports_to: Some("dmarc@example.com"),
            ..DomainSetup::default()
        };
        let lines: Vec<String> = records(&setup).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "bounce.example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\"",
                "_dmarc.example.com. IN TXT \"v=DMARC1; p=none; rua=mailto:dmarc@example.com\"",
                "bounce.example.com. IN MX 10 mx.example.net.",
            ]
        );
    }
}
