//! The DNS records that a sending domain publishes.

use mauntic_core::IpNetwork;

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

impl RecordType {
    /// The name, as it stands in zone files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Txt => "TXT",
            Self::Mx => "MX",
        }
    }
}

/// What a record has to say.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordContent {
    /// The value; for `MX` preference and host.
    Value(String),
    /// What to publish, in words: too little is known of the hosts that send and take mail for a value to copy.
    Hint(String),
}

/// A DNS record to publish.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DnsRecord {
    /// The full name, without a final dot.
    pub name: String,
    /// The type.
    pub kind: RecordType,
    /// The value, or what to publish if that is not known.
    #[serde(flatten)]
    pub content: RecordContent,
    /// What it is for.
    pub purpose: RecordPurpose,
    /// Whether mail is refused or unverifiable without it; otherwise the value is advice to adapt.
    pub required: bool,
}

impl DnsRecord {
    fn new(name: String, kind: RecordType, content: RecordContent, purpose: RecordPurpose) -> Self {
        Self {
            name,
            kind,
            content,
            purpose,
            required: true,
        }
    }

    /// The value, if it is known.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match &self.content {
            RecordContent::Value(value) => Some(value),
            RecordContent::Hint(_) => None,
        }
    }

    /// What to publish in words, if the value is not known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match &self.content {
            RecordContent::Value(_) => None,
            RecordContent::Hint(hint) => Some(hint),
        }
    }

    /// The value cut into the strings of a TXT record, each at most 255 octets.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        let value = self.value().unwrap_or_default();
        // Values are ASCII, so that every byte is a place to cut at.
        (0..value.len())
            .step_by(TXT_STRING)
            .filter_map(move |start| value.get(start..value.len().min(start + TXT_STRING)))
    }

    /// The record as a line of a zone file, if its value is known.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let value = self.value()?;
        let (name, kind) = (&self.name, self.kind.as_str());
        Some(match self.kind {
            RecordType::Mx => format!("{name}. IN {kind} {value}."),
            RecordType::Txt => {
                let strings: Vec<_> = self.strings().map(|text| format!("\"{text}\"")).collect();
                format!("{name}. IN {kind} {}", strings.join(" "))
            }
        })
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
    pub return_path: &'a str,
    /// The host that takes the bounces, if it is known.
    pub bounce_host: Option<&'a str>,
    /// The addresses that mail leaves from, if they are known.
    pub sending_ips: &'a [IpNetwork],
    /// The mail server that mail is handed to, if one is set up.
    pub relay: Option<&'a str>,
}

/// The records for a sending domain: its keys, SPF and MX of its return path, and a DMARC policy to begin with. What
/// depends on hosts that are not known has words instead of a value.
#[must_use]
pub fn records(setup: &DomainSetup<'_>) -> Vec<DnsRecord> {
    let mut records: Vec<DnsRecord> = setup
        .keys
        .iter()
        .map(|(selector, key)| {
            let name = format!("{}._domainkey.{}", selector.as_str(), setup.domain);
            let value = RecordContent::Value(key.dns_value());
            DnsRecord::new(name, RecordType::Txt, value, RecordPurpose::Dkim)
        })
        .collect();
    let return_path = setup.return_path.to_owned();
    records.extend([
        DnsRecord::new(
            return_path.clone(),
            RecordType::Txt,
            spf(setup),
            RecordPurpose::Spf,
        ),
        DnsRecord::new(
            format!("_dmarc.{}", setup.domain),
            RecordType::Txt,
            // It only watches, and is what providers ask for at least. RFC 9989 knows no `pct` any more.
            RecordContent::Value("v=DMARC1; p=none".to_owned()),
            RecordPurpose::Dmarc,
        ),
        DnsRecord::new(
            return_path,
            RecordType::Mx,
            mx(setup),
            RecordPurpose::ReturnPath,
        ),
    ]);
    records
}

/// Addresses cost no DNS look-up, so that they never meet the limit of ten (RFC 7208 §4.6.4).
fn spf(setup: &DomainSetup<'_>) -> RecordContent {
    if setup.sending_ips.is_empty() {
        return RecordContent::Hint(match setup.relay {
            Some(host) => format!(
                "Mail leaves through {host}: publish a record with the include: that its provider names. If that is the \
                 server of this installation, the operator names its addresses in the setting sending_ips, and its public \
                 name in system_mail, and the record stands here."
            ),
            None => "No mail server is set up, so it is not known where mail leaves from: publish a record with the \
                     include: that the provider of your mail server names. For a server of your own, the operator names \
                     its addresses in the setting sending_ips, and the record stands here."
                .to_owned(),
        });
    }
    let terms: Vec<_> = setup.sending_ips.iter().copied().map(spf_term).collect();
    RecordContent::Value(format!("v=spf1 {} -all", terms.join(" ")))
}

/// What lets an address or a network send.
pub(crate) fn spf_term(network: IpNetwork) -> String {
    let name = if network.address().is_ipv4() {
        "ip4"
    } else {
        "ip6"
    };
    format!("{name}:{network}")
}

fn mx(setup: &DomainSetup<'_>) -> RecordContent {
    match setup.bounce_host {
        Some(host) => RecordContent::Value(format!("10 {host}")),
        None => RecordContent::Hint(format!(
            "Publish the mail server that takes mail for {}; the operator names it in the setting bounce_host, and the \
             record stands here. Without it, some servers refuse mail with this return path, and bounces that come later \
             have nowhere to go.",
            setup.return_path
        )),
    }
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
        assert_eq!(
            Some(record.strings().collect::<String>().as_str()),
            record.value()
        );
        assert_eq!(record.strings().count(), 2);
        assert!(
            record
                .line()
                .unwrap()
                .starts_with("m1._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; p=")
        );
    }

    #[test]
    fn the_return_path_has_spf_and_mx() {
        let ips = ["192.0.2.1", "198.51.100.0/25", "2001:db8::1"].map(|ip| ip.parse().unwrap());
        let setup = DomainSetup {
            domain: "example.com",
            return_path: "bounce.example.com",
            bounce_host: Some("mx.example.net"),
            sending_ips: &ips,
            relay: Some("smtp.example.net"),
            ..DomainSetup::default()
        };
        let lines: Vec<_> = records(&setup).iter().filter_map(DnsRecord::line).collect();
        assert_eq!(
            lines,
            [
                "bounce.example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ip4:198.51.100.0/25 ip6:2001:db8::1 -all\"",
                "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"",
                "bounce.example.com. IN MX 10 mx.example.net.",
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_not_invented() {
        let setup = DomainSetup {
            domain: "example.com",
            return_path: "bounce.example.com",
            ..DomainSetup::default()
        };
        let through = DomainSetup {
            relay: Some("smtp.example.net"),
            ..setup.clone()
        };
        for (setup, words) in [
            (setup, "No mail server is set up"),
            (through, "through smtp.example.net"),
        ] {
            let records = records(&setup);
            let of =
                |purpose: RecordPurpose| records.iter().find(|record| record.purpose == purpose);
            let spf = of(RecordPurpose::Spf).unwrap();
            let mx = of(RecordPurpose::ReturnPath).unwrap();
            assert_eq!(
                (spf.value(), spf.line(), spf.strings().count()),
                (None, None, 0)
            );
            assert!(spf.hint().unwrap().contains(words), "{spf:?}");
            assert_eq!((mx.value(), mx.kind), (None, RecordType::Mx));
            assert!(mx.hint().unwrap().contains("bounce_host"), "{mx:?}");
        }
    }
}
