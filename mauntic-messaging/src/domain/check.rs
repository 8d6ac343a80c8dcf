//! Whether the records of a sending domain are published as they should be.

use std::time::Duration;

use serde::Serialize;

use super::{DnsLookup, DnsUnanswered, SendingHosts, spf};
use crate::dns::{DnsRecord, RecordPurpose, spf_term};

/// How long somebody waits at the most for what is published.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// It is published and does what it should.
    Ok,
    /// It is published and works, but something should be better.
    Warning,
    /// It is not published.
    Missing,
    /// Something else is published.
    Wrong,
    /// It cannot be told: the DNS did not answer, or it is not known where mail leaves from.
    Unknown,
}

impl RecordState {
    /// The name, as it is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }

    /// Whether mail may suffer from it.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Missing | Self::Wrong)
    }
}

/// A record that should be published, and what is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordCheck {
    /// What should be published.
    pub record: DnsRecord,
    /// How it stands.
    pub state: RecordState,
    /// What the DNS has at that name, of the same kind; for a return path without MX its addresses.
    pub found: Vec<String>,
    /// What that means, and what to do.
    pub detail: String,
}

/// Looks up what is published in place of a record, and whether it does what it should. Of TXT records only those of the
/// same sort matter: a name may have others beside them.
pub(super) async fn look_up(
    record: DnsRecord,
    hosts: &SendingHosts,
    dns: &dyn DnsLookup,
) -> RecordCheck {
    let looked = async {
        match record.purpose {
            RecordPurpose::Dkim => dkim(&record, dns).await,
            RecordPurpose::Spf => sender_policy(&record, hosts, dns).await,
            RecordPurpose::Dmarc => dmarc(&record, dns).await,
            RecordPurpose::ReturnPath => return_path(&record, dns).await,
        }
    };
    let stands = tokio::time::timeout(PATIENCE, looked).await;
    let stands = stands.unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        Err(DnsUnanswered(format!("not within {seconds} seconds")))
    });
    let ((state, detail), found) = stands.unwrap_or_else(|error| {
        let detail = format!("the DNS did not answer: {error}");
        ((RecordState::Unknown, detail), Vec::new())
    });
    RecordCheck {
        record,
        state,
        found,
        detail,
    }
}

/// How a record stands, and what was found of it.
type Stands = Result<((RecordState, String), Vec<String>), DnsUnanswered>;

/// Whether receivers can verify signatures, as far as the checks tell: at least one key is published as it should be, or
/// the DNS did not answer for it. Mail that they cannot verify is to them as if nothing had signed it.
#[must_use]
pub fn can_be_verified(checks: &[RecordCheck]) -> bool {
    let mut keys = checks
        .iter()
        .filter(|check| check.record.purpose == RecordPurpose::Dkim);
    keys.any(|check| !check.state.is_bad())
}

/// Whether bounces come home, as far as the checks tell. Mail whose return path leads nowhere is refused by servers that
/// look.
#[must_use]
pub fn bounces_come_home(checks: &[RecordCheck]) -> bool {
    let mut paths = checks
        .iter()
        .filter(|check| check.record.purpose == RecordPurpose::ReturnPath);
    !paths.any(|check| check.state.is_bad())
}

fn ok(detail: &str) -> (RecordState, String) {
    (RecordState::Ok, detail.to_owned())
}

fn wrong(detail: impl Into<String>) -> (RecordState, String) {
    (RecordState::Wrong, detail.into())
}

fn warning(detail: impl Into<String>) -> (RecordState, String) {
    (RecordState::Warning, detail.into())
}

fn missing(detail: &str) -> (RecordState, String) {
    (RecordState::Missing, detail.to_owned())
}

fn unpublished() -> (RecordState, String) {
    missing("publish the record; the DNS may take hours to show it everywhere")
}

/// A tag of a record such as `v=DKIM1; p=…`, without the spaces that some add.
fn tag(record: &str, name: &str) -> Option<String> {
    record.split(';').find_map(|part| {
        let (found, value) = part.split_once('=')?;
        let value = value.chars().filter(|c| !c.is_whitespace()).collect();
        (found.trim().eq_ignore_ascii_case(name)).then_some(value)
    })
}

/// The same key counts, however it is written (RFC 6376 §3.6.1).
async fn dkim(record: &DnsRecord, dns: &dyn DnsLookup) -> Stands {
    let found = dns.txt(&record.name).await?;
    let key = tag(record.value().unwrap_or_default(), "p");
    let keys: Vec<_> = found.iter().map(|record| tag(record, "p")).collect();
    let stands = if found.is_empty() {
        unpublished()
    } else if found.len() > 1 {
        wrong("there are several records: receivers may take the wrong one; leave one")
    } else if keys.contains(&key) {
        ok("the key is published")
    } else if keys.iter().flatten().any(String::is_empty) {
        wrong("the key is revoked (p= is empty): publish the key above")
    } else {
        wrong("another key is published: mail signed here will not verify; publish the key above")
    };
    Ok((stands, found))
}

async fn sender_policy(record: &DnsRecord, hosts: &SendingHosts, dns: &dyn DnsLookup) -> Stands {
    let texts = dns.txt(&record.name).await?;
    let stands = match spf::records(&texts).as_slice() {
        [] => missing("publish the record: without it, SPF passes for no mail"),
        [published] => match spf::read(dns, &record.name, published).await {
            Err(broken) => broken_policy(&broken, hosts),
            Ok(policy) => allowed(&policy, hosts),
        },
        _ => wrong(
            "there are several SPF records, which counts as none (RFC 7208 §4.5): make one of them",
        ),
    };
    let found = spf::records(&texts).into_iter().map(str::to_owned);
    Ok((stands, found.collect()))
}

/// How a broken record stands: receivers do not come to what breaks it if the installation's hosts pass in front.
fn broken_policy(broken: &spf::Broken, hosts: &SendingHosts) -> (RecordState, String) {
    let mut own = hosts.sending_ips.iter().copied();
    let passes = |network| broken.before.judge(network) == spf::Verdict::Pass;
    if !hosts.sending_ips.is_empty() && own.all(passes) {
        warning(format!(
            "it lets all of the installation's addresses send, but what comes behind them is broken: {}",
            broken.problem
        ))
    } else {
        wrong(broken.problem.as_str())
    }
}

/// Whether the policy lets the installation's own hosts send.
fn allowed(policy: &spf::Policy, hosts: &SendingHosts) -> (RecordState, String) {
    let judged = |wanted: spf::Verdict| {
        let own = hosts.sending_ips.iter().copied();
        let of = own.filter(|network| policy.judge(*network) == wanted);
        of.map(spf_term).collect::<Vec<_>>().join(" ")
    };
    let (refused, unclear) = (judged(spf::Verdict::Fail), judged(spf::Verdict::Unclear));
    if policy.lets_everybody() {
        wrong("it lets everybody send (+all, or all of IPv4 or IPv6): end it with -all or ~all")
    } else if !policy.lets_somebody() {
        wrong("it lets nobody send: name where mail leaves from in front of its end")
    } else if hosts.sending_ips.is_empty() {
        let detail = "it is published; whether the server that mail leaves from is in it cannot be told, for its addresses \
                      are not known (setting sending_ips)";
        (RecordState::Unknown, detail.to_owned())
    } else if !refused.is_empty() {
        wrong(format!("it does not let {refused} send: add that"))
    } else if !unclear.is_empty() {
        warning(format!(
            "whether it lets {unclear} send depends on the message, or on names that the DNS did not answer for"
        ))
    } else {
        ok("it lets all of the installation's addresses send")
    }
}

/// RFC 9989 §4.7: the tag `p` is all that counts here; `pct` is gone. A policy may also be published by a domain above
/// (§4.10).
async fn dmarc(record: &DnsRecord, dns: &dyn DnsLookup) -> Stands {
    let mut name = record.name.trim_start_matches("_dmarc.");
    let found = loop {
        let mut found = dns.txt(&format!("_dmarc.{name}")).await?;
        found.retain(|text| text.to_ascii_lowercase().starts_with("v=dmarc1"));
        match name.split_once('.') {
            Some((_, above)) if found.is_empty() && above.contains('.') => name = above,
            _ => break found,
        }
    };
    let policy = |record: &String| tag(record, "p").map(|policy| policy.to_ascii_lowercase());
    let stands = match found.as_slice() {
        [] => unpublished(),
        [record] => match policy(record).as_deref() {
            Some("none" | "quarantine" | "reject") if tag(record, "pct").is_some() => {
                warning("receivers no longer read pct (RFC 9989): take it out")
            }
            Some("none" | "quarantine" | "reject") => ok("a policy is published"),
            _ => wrong("its policy is none of none, quarantine and reject: set p="),
        },
        _ => wrong("there are several DMARC records, which counts as none: leave one"),
    };
    Ok((stands, found))
}

/// Where bounces go: to the MX, without one to the address of the name itself (RFC 5321 §5.1). A return path that has
/// neither does not exist, as far as mail servers look.
async fn return_path(record: &DnsRecord, dns: &dyn DnsLookup) -> Stands {
    let found = dns.mx(&record.name).await?;
    if found.is_empty() {
        let addresses = dns.addresses(&record.name).await?;
        let stands = if addresses.is_empty() {
            missing(
                "the name has neither an MX nor an address: some servers refuse mail with this return path (Postfix: \
                 reject_unknown_sender_domain), and bounces that come later have nowhere to go",
            )
        } else {
            warning(
                "there is no MX, so that bounces go to the address of the name itself: publish an MX, or make sure that a \
                 mail server takes them there",
            )
        };
        let addresses = addresses.iter().map(ToString::to_string);
        return Ok((stands, addresses.collect()));
    }
    let hosts: Vec<_> = found.iter().map(|mx| spf::mx_host(mx)).collect();
    let stands = if hosts.iter().all(String::is_empty) {
        wrong(
            "it says that the domain takes no mail (RFC 7505): servers refuse mail with this return path",
        )
    } else if let Some(host) = record.value().map(spf::mx_host) {
        if !hosts.contains(&host) {
            wrong("bounces go to another host: publish the record above")
        } else if dns.addresses(&host).await?.is_empty() {
            wrong(format!(
                "{host} has no address, so that nobody can reach it"
            ))
        } else {
            ok("bounces come home")
        }
    } else {
        ok("bounces go to the host that is named there")
    };
    Ok((stands, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dns::{RecordContent, RecordType},
        domain::lookup::tests::Zone,
    };

    const RETURN_PATH: &str = "bounce.example.com";

    fn record(name: &str, purpose: RecordPurpose, value: Option<&str>) -> DnsRecord {
        DnsRecord {
            name: name.to_owned(),
            kind: match purpose {
                RecordPurpose::ReturnPath => RecordType::Mx,
                _ => RecordType::Txt,
            },
            content: value.map_or_else(
                || RecordContent::Hint("ask somebody".to_owned()),
                |value| RecordContent::Value(value.to_owned()),
            ),
            purpose,
            required: true,
        }
    }

    fn hosts(ips: &str) -> SendingHosts {
        SendingHosts {
            bounce_host: None,
            sending_ips: ips.parse().unwrap(),
            relay: None,
        }
    }

    fn published(name: &str, texts: &[&str]) -> Zone {
        let zone = Zone::default();
        texts.iter().fold(zone, |zone, text| zone.txt(name, text))
    }

    #[tokio::test]
    async fn one_published_key_is_enough_to_verify() {
        let key = "v=DKIM1; k=rsa; p=ABC";
        let checked = async |name: &str, purpose: RecordPurpose, texts: &[&str]| {
            let zone = published(name, texts);
            look_up(record(name, purpose, Some(key)), &hosts(""), &zone).await
        };
        let dkim = async |texts: &[&str]| checked("a.example", RecordPurpose::Dkim, texts).await;
        let silent = checked("silent.example", RecordPurpose::Dkim, &[]).await;
        let spf = checked("a.example", RecordPurpose::Spf, &["v=spf1 mx -all"]).await;
        let missing = dkim(&[]).await;
        let wrong = dkim(&["v=DKIM1; k=rsa; p=XYZ"]).await;
        assert_eq!(silent.state, RecordState::Unknown);
        assert!(can_be_verified(&[dkim(&[key]).await, missing.clone()]));
        assert!(can_be_verified(&[silent, wrong.clone()]), "nobody knows");
        assert!(!can_be_verified(&[missing, wrong, spf]));
    }

    #[tokio::test]
    async fn a_key_is_the_same_however_it_is_written() {
        let key = "v=DKIM1; k=rsa; p=ABC+/def=";
        let name = "m1._domainkey.example.com";
        for (texts, state) in [
            (&["k=rsa;  p=ABC+ /def= ; v=DKIM1"][..], RecordState::Ok),
            (&[], RecordState::Missing),
            (&["v=DKIM1; p="], RecordState::Wrong),
            (&["v=DKIM1; p=XYZ"], RecordState::Wrong),
            (&[key, "v=DKIM1; p=XYZ"], RecordState::Wrong),
        ] {
            let record = record(name, RecordPurpose::Dkim, Some(key));
            let check = look_up(record, &hosts(""), &published(name, texts)).await;
            assert_eq!(check.state, state, "{texts:?}");
        }
    }

    async fn spf_stands(own: &str, texts: &[&str], state: RecordState, words: &str) {
        let zone = published(RETURN_PATH, texts).txt("_spf.example.net", "v=spf1 ip4:192.0.2.1");
        let record = record(RETURN_PATH, RecordPurpose::Spf, None);
        let check = look_up(record, &hosts(own), &zone).await;
        assert_eq!(check.state, state, "{own} {texts:?}: {}", check.detail);
        assert!(check.detail.contains(words), "{texts:?}: {}", check.detail);
    }

    #[tokio::test]
    async fn spf_must_be_one_record_that_lets_us_send() {
        let ours = "v=spf1 ip4:192.0.2.1 -all";
        for (own, texts, state, words) in [
            (
                "192.0.2.1",
                &["google-site-verification=x", ours][..],
                RecordState::Ok,
                "lets all",
            ),
            (
                "192.0.2.1",
                &["V=SPF1 ip4:192.0.2.0/24 ~all"],
                RecordState::Ok,
                "lets all",
            ),
            (
                "192.0.2.1",
                &["v=spf1 include:_spf.example.net -all"],
                RecordState::Ok,
                "lets all",
            ),
            (
                "192.0.2.1",
                &["v=spf10 -all"],
                RecordState::Missing,
                "publish",
            ),
            (
                "192.0.2.1",
                &[ours, "v=spf1 -all"],
                RecordState::Wrong,
                "several",
            ),
            (
                "192.0.2.1 2001:db8::1",
                &[ours],
                RecordState::Wrong,
                "does not let ip6:2001:db8::1 send",
            ),
            (
                "203.0.113.9",
                &["v=spf1 include:_spf.example.net -all"],
                RecordState::Wrong,
                "does not let ip4:203.0.113.9 send",
            ),
            (
                "192.0.2.1",
                &["v=spf1 ip4:192.0.2.1 +all"],
                RecordState::Wrong,
                "everybody",
            ),
            (
                "192.0.2.1",
                &["v=spf1 include:silent.example -all"],
                RecordState::Warning,
                "depends",
            ),
        ] {
            spf_stands(own, texts, state, words).await;
        }
    }

    #[tokio::test]
    async fn spf_is_judged_though_our_addresses_are_not_known() {
        let ours = "v=spf1 ip4:192.0.2.1 -all";
        for (own, texts, state, words) in [
            // Whatever our addresses are: with these nobody passes.
            ("", &["v=spf1 -all"][..], RecordState::Wrong, "nobody"),
            ("", &["v=spf1 ~all"], RecordState::Wrong, "nobody"),
            ("", &["v=spf1 mx ~all"], RecordState::Wrong, "nobody"),
            ("", &[ours, ours], RecordState::Wrong, "several"),
            ("", &[ours], RecordState::Unknown, "cannot be told"),
            ("", &[], RecordState::Missing, "publish"),
        ] {
            spf_stands(own, texts, state, words).await;
        }
        let many = format!("v=spf1{} -all", " include:_spf.example.net".repeat(11));
        let zone = published(RETURN_PATH, &[&many]).txt("_spf.example.net", ours);
        let record = record(RETURN_PATH, RecordPurpose::Spf, Some(ours));
        // Receivers do not come to the eleventh for whom the first lets send.
        for (own, state) in [
            ("192.0.2.1", RecordState::Warning),
            ("192.0.2.1 203.0.113.9", RecordState::Wrong),
            ("", RecordState::Wrong),
        ] {
            let check = look_up(record.clone(), &hosts(own), &zone).await;
            assert_eq!(check.state, state, "{own}");
            assert!(check.detail.contains("10 look-ups"), "{}", check.detail);
            assert_eq!(check.found, [many.as_str()]);
        }
    }

    #[tokio::test]
    async fn dmarc_needs_a_policy_and_no_percentage() {
        let own = "_dmarc.news.example.com";
        for (name, text, state) in [
            (own, "v=DMARC1; p=reject; rua=mailto:a@b.c", RecordState::Ok),
            ("_dmarc.example.com", "v=DMARC1; p=none", RecordState::Ok),
            ("_dmarc.com", "v=DMARC1; p=none", RecordState::Missing),
            (own, "v=DMARC1; p=none; pct=50", RecordState::Warning),
            (own, "v=DMARC1; p=maybe", RecordState::Wrong),
            (own, "something else", RecordState::Missing),
        ] {
            let record = record(own, RecordPurpose::Dmarc, Some("v=DMARC1; p=none"));
            let check = look_up(record, &hosts(""), &published(name, &[text])).await;
            assert_eq!(check.state, state, "{name} {text}");
        }
    }

    #[tokio::test]
    async fn a_return_path_leads_to_a_host() {
        let zone = Zone::default;
        let mx = |mx: &str| zone().mx(RETURN_PATH, mx);
        let expected = Some("10 mx.example.net");
        for (value, zone, state, words) in [
            (None, zone(), RecordState::Missing, "neither an MX"),
            (expected, zone(), RecordState::Missing, "neither an MX"),
            (
                None,
                zone().address(RETURN_PATH, "192.0.2.1"),
                RecordState::Warning,
                "no MX",
            ),
            (None, mx("10 other.example.net"), RecordState::Ok, "go to"),
            (
                expected,
                mx("20 MX.example.net.").address("mx.example.net", "192.0.2.1"),
                RecordState::Ok,
                "come home",
            ),
            (
                expected,
                mx("20 mx.example.net"),
                RecordState::Wrong,
                "no address",
            ),
            (
                expected,
                mx("10 other.example.net"),
                RecordState::Wrong,
                "another host",
            ),
            (None, mx("0 "), RecordState::Wrong, "takes no mail"),
        ] {
            let record = record(RETURN_PATH, RecordPurpose::ReturnPath, value);
            let check = look_up(record, &hosts(""), &zone).await;
            assert_eq!(check.state, state, "{zone:?}: {}", check.detail);
            assert!(check.detail.contains(words), "{}", check.detail);
            assert_eq!(bounces_come_home(&[check]), !state.is_bad());
        }
        let silent = record("silent.example", RecordPurpose::ReturnPath, None);
        let check = look_up(silent, &hosts(""), &zone()).await;
        assert_eq!(check.state, RecordState::Unknown);
    }
}
