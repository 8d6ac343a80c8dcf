//! Whether the records of a sending domain are published as they should be.

use serde::Serialize;

use crate::dns::{DnsRecord, RecordPurpose};

/// SPF look-ups that a receiver makes at most (RFC 7208 §4.6.4).
const SPF_LOOKUPS: usize = 10;

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
    /// The DNS did not answer.
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
    /// What the DNS has at that name, of the same kind.
    pub found: Vec<String>,
    /// What that means, and what to do.
    pub detail: String,
}

/// Compares a record with what the DNS has at its name. Of TXT records only those of the same sort matter: a name may
/// have others beside them.
#[must_use]
pub fn check_record(record: DnsRecord, published: &[String]) -> RecordCheck {
    let marker = match record.purpose {
        RecordPurpose::Spf => "v=spf1",
        RecordPurpose::Dmarc => "v=dmarc1",
        RecordPurpose::Dkim | RecordPurpose::ReturnPath => "",
    };
    let mut found = published.to_vec();
    found.retain(|text| text.to_ascii_lowercase().starts_with(marker));
    let (state, detail) = if found.is_empty() {
        let advice = "publish the record; the DNS may take hours to show it everywhere";
        (RecordState::Missing, advice.to_owned())
    } else {
        match record.purpose {
            RecordPurpose::Dkim => dkim(&record.value, &found),
            RecordPurpose::Spf => spf(&record.value, &found),
            RecordPurpose::Dmarc => dmarc(&found),
            RecordPurpose::ReturnPath => mx(&record.value, &found),
        }
    };
    RecordCheck {
        record,
        state,
        found,
        detail,
    }
}

/// The result if the DNS did not answer.
#[must_use]
pub fn unanswered(record: DnsRecord, error: &str) -> RecordCheck {
    RecordCheck {
        record,
        state: RecordState::Unknown,
        found: Vec::new(),
        detail: format!("the DNS did not answer: {error}"),
    }
}

/// Whether receivers can verify signatures, as far as the checks tell: at least one key is published as it should be, or
/// the DNS did not answer for it. Mail that they cannot verify is to them as if nothing had signed it.
#[must_use]
pub fn can_be_verified(checks: &[RecordCheck]) -> bool {
    let mut keys = checks
        .iter()
        .filter(|check| check.record.purpose == RecordPurpose::Dkim);
    keys.any(|check| !check.state.is_bad())
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

/// A tag of a record such as `v=DKIM1; p=…`, without the spaces that some add.
fn tag(record: &str, name: &str) -> Option<String> {
    record.split(';').find_map(|part| {
        let (found, value) = part.split_once('=')?;
        let value = value.chars().filter(|c| !c.is_whitespace()).collect();
        (found.trim().eq_ignore_ascii_case(name)).then_some(value)
    })
}

/// The same key counts, however it is written (RFC 6376 §3.6.1).
fn dkim(expected: &str, found: &[String]) -> (RecordState, String) {
    let key = tag(expected, "p");
    let keys: Vec<_> = found.iter().map(|record| tag(record, "p")).collect();
    if found.len() > 1 {
        return wrong("there are several records: receivers may take the wrong one; leave one");
    }
    if keys.contains(&key) {
        ok("the key is published")
    } else if keys.iter().flatten().any(String::is_empty) {
        wrong("the key is revoked (p= is empty): publish the key above")
    } else {
        wrong("another key is published: mail signed here will not verify; publish the key above")
    }
}

fn spf(expected: &str, found: &[String]) -> (RecordState, String) {
    let [record] = found else {
        return wrong(
            "there are several SPF records, which counts as none (RFC 7208 §4.5): merge them",
        );
    };
    let lower = record.to_ascii_lowercase();
    let terms: Vec<_> = lower.split_whitespace().skip(1).collect();
    if terms.iter().any(|term| matches!(*term, "+all" | "all")) {
        return wrong("it lets everybody send (+all): end it with -all or ~all");
    }
    let asks = |term: &&&str| {
        let term = term.trim_start_matches(['+', '-', '~', '?']);
        ["include:", "exists:", "redirect=", "ptr"]
            .iter()
            .any(|name| term.starts_with(name))
            || matches!(term.split([':', '/']).next(), Some("a" | "mx"))
    };
    let lookups = terms.iter().filter(asks).count();
    if lookups > SPF_LOOKUPS {
        return wrong(format!(
            "it takes {lookups} look-ups, and receivers stop at {SPF_LOOKUPS} (RFC 7208 §4.6.4): take some out"
        ));
    }
    let missing: Vec<_> = expected
        .split_whitespace()
        .filter(|term| term.starts_with("ip4:") || term.starts_with("ip6:"))
        .filter(|term| !terms.contains(term))
        .collect();
    if missing.is_empty() {
        return ok("it is published");
    }
    // What is included may name them.
    let detail = format!("it does not name {} itself", missing.join(" "));
    if lookups > 0 {
        warning(format!("{detail}: make sure that what it includes does"))
    } else {
        wrong(format!("{detail}: add that"))
    }
}

/// RFC 9989 §4.7: the tag `p` is all that counts here; `pct` is gone.
fn dmarc(found: &[String]) -> (RecordState, String) {
    let [record] = found else {
        return wrong("there are several DMARC records, which counts as none: leave one");
    };
    match tag(record, "p").map(|policy| policy.to_ascii_lowercase()) {
        Some(policy) if ["none", "quarantine", "reject"].contains(&policy.as_str()) => {
            if tag(record, "pct").is_some() {
                warning("receivers no longer read pct (RFC 9989): take it out")
            } else {
                ok("a policy is published")
            }
        }
        _ => wrong("its policy is none of none, quarantine and reject: set p="),
    }
}

fn mx(expected: &str, found: &[String]) -> (RecordState, String) {
    let host = |value: &str| {
        let host = value.split_whitespace().last().unwrap_or_default();
        host.trim_end_matches('.').to_ascii_lowercase()
    };
    if found.iter().any(|found| host(found) == host(expected)) {
        ok("bounces come home")
    } else {
        wrong("bounces go to another host: publish the record above")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::RecordType;

    fn check(purpose: RecordPurpose, expected: &str, published: &[&str]) -> (RecordState, String) {
        let record = DnsRecord {
            name: "example.com".to_owned(),
            kind: RecordType::Txt,
            value: expected.to_owned(),
            purpose,
            required: true,
        };
        let published: Vec<_> = published.iter().map(|text| (*text).to_owned()).collect();
        let check = check_record(record, &published);
        (check.state, check.detail)
    }

    #[test]
    fn one_published_key_is_enough_to_verify() {
        let checked = |purpose, published: &[&str]| {
            let record = DnsRecord {
                name: "example.com".to_owned(),
                kind: RecordType::Txt,
                value: "v=DKIM1; k=rsa; p=ABC".to_owned(),
                purpose,
                required: true,
            };
            let published: Vec<_> = published.iter().map(|text| (*text).to_owned()).collect();
            check_record(record, &published)
        };
        let right = || checked(RecordPurpose::Dkim, &["v=DKIM1; k=rsa; p=ABC"]);
        let missing = || checked(RecordPurpose::Dkim, &[]);
        let wrong = || checked(RecordPurpose::Dkim, &["v=DKIM1; k=rsa; p=XYZ"]);
        let silent = || unanswered(missing().record, "no answer");
        let spf = || checked(RecordPurpose::Spf, &["v=spf1 -all"]);
        assert!(can_be_verified(&[right(), missing()]));
        assert!(can_be_verified(&[silent(), wrong()]), "nobody knows");
        assert!(!can_be_verified(&[missing(), wrong(), spf()]));
    }

    #[test]
    fn a_key_is_the_same_however_it_is_written() {
        let key = "v=DKIM1; k=rsa; p=ABC+/def=";
        let dkim = |published: &[&str]| check(RecordPurpose::Dkim, key, published).0;
        assert_eq!(dkim(&["k=rsa;  p=ABC+ /def= ; v=DKIM1"]), RecordState::Ok);
        assert_eq!(dkim(&[]), RecordState::Missing);
        assert_eq!(dkim(&["v=DKIM1; p="]), RecordState::Wrong);
        assert_eq!(dkim(&["v=DKIM1; p=XYZ"]), RecordState::Wrong);
        assert_eq!(dkim(&[key, "v=DKIM1; p=XYZ"]), RecordState::Wrong);
    }

    #[test]
    fn spf_must_be_one_record_that_names_us() {
        let ours = "v=spf1 ip4:192.0.2.1 -all";
        let spf = |published: &[&str]| check(RecordPurpose::Spf, ours, published).0;
        assert_eq!(spf(&["google-site-verification=x", ours]), RecordState::Ok);
        assert_eq!(spf(&["V=SPF1 ip4:192.0.2.1 ~all"]), RecordState::Ok);
        assert_eq!(spf(&[ours, "v=spf1 -all"]), RecordState::Wrong);
        assert_eq!(spf(&["v=spf1 ip4:192.0.2.9 -all"]), RecordState::Wrong);
        assert_eq!(spf(&["v=spf1 ip4:192.0.2.1 +all"]), RecordState::Wrong);
        assert_eq!(
            spf(&["v=spf1 include:_spf.example.net -all"]),
            RecordState::Warning
        );
        let many = format!("v=spf1{} -all", " include:a.example".repeat(11));
        let (state, detail) = check(RecordPurpose::Spf, ours, &[&many]);
        assert_eq!(state, RecordState::Wrong);
        assert!(detail.contains("11 look-ups"), "{detail}");
    }

    #[test]
    fn dmarc_needs_a_policy_and_no_percentage() {
        let dmarc = |published: &[&str]| check(RecordPurpose::Dmarc, "", published).0;
        assert_eq!(
            dmarc(&["v=DMARC1; p=reject; rua=mailto:a@b.c"]),
            RecordState::Ok
        );
        assert_eq!(dmarc(&["v=DMARC1; p=none; pct=50"]), RecordState::Warning);
        assert_eq!(dmarc(&["v=DMARC1; p=maybe"]), RecordState::Wrong);
        assert_eq!(dmarc(&["something else"]), RecordState::Missing);
    }

    #[test]
    fn bounces_go_to_the_host() {
        let mx =
            |published: &[&str]| check(RecordPurpose::ReturnPath, "10 mx.example.net", published).0;
        assert_eq!(mx(&["20 MX.example.net."]), RecordState::Ok);
        assert_eq!(mx(&["10 other.example.net."]), RecordState::Wrong);
    }
}
