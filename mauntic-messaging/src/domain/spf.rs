//! What receivers make of a published SPF record (RFC 7208).

use std::net::IpAddr;

use futures_util::future::BoxFuture;
use mauntic_core::IpNetwork;

use super::DnsLookup;

/// Look-ups that a receiver makes at most (RFC 7208 §4.6.4).
const LOOKUPS: usize = 10;
/// Look-ups without an answer that a receiver takes at most.
const VOIDS: usize = 2;

/// The SPF records among texts (RFC 7208 §4.5).
pub(super) fn records(texts: &[String]) -> Vec<&str> {
    let texts = texts.iter().map(String::as_str);
    texts
        .filter(|text| {
            let version = text.split(' ').next().unwrap_or_default();
            version.eq_ignore_ascii_case("v=spf1")
        })
        .collect()
}

/// Whether a host may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Pass,
    /// It may not, or nothing is said of it.
    Fail,
    /// It depends on the message, or a look-up was not answered.
    Unclear,
}

/// Whom a term names.
#[derive(Debug)]
enum Who {
    Everybody,
    Addresses(Vec<Range>),
    /// Whoever passes there.
    Included(Policy),
    Unclear,
}

impl Who {
    fn judge(&self, network: IpNetwork) -> Verdict {
        let is_in = match self {
            Self::Everybody => true,
            Self::Addresses(ranges) => ranges.iter().any(|known| known.covers(network)),
            Self::Included(policy) => return policy.judge(network),
            Self::Unclear => return Verdict::Unclear,
        };
        if is_in { Verdict::Pass } else { Verdict::Fail }
    }
}

/// Some addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    Network(IpNetwork),
    /// All of a family.
    V4,
    V6,
}

impl Range {
    /// Those that share so many bits with an address.
    fn around(address: IpAddr, bits: u32) -> Self {
        match (IpNetwork::new(address, bits), address) {
            (Some(network), _) => Self::Network(network),
            (None, IpAddr::V4(_)) => Self::V4,
            (None, IpAddr::V6(_)) => Self::V6,
        }
    }

    fn covers(self, network: IpNetwork) -> bool {
        match self {
            Self::Network(known) => known.covers(network),
            Self::V4 => network.address().is_ipv4(),
            Self::V6 => network.address().is_ipv6(),
        }
    }
}

/// A record with all that it refers to.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// What becomes of those whom a term names.
    terms: Vec<(Verdict, Who)>,
    /// What holds for everybody else.
    redirect: Option<Box<Self>>,
}

impl Policy {
    /// What becomes of mail from all of a network.
    pub(super) fn judge(&self, network: IpNetwork) -> Verdict {
        let mut unclear = false;
        for (verdict, who) in &self.terms {
            match who.judge(network) {
                Verdict::Pass if unclear && *verdict == Verdict::Fail => return Verdict::Unclear,
                Verdict::Pass => return *verdict,
                Verdict::Fail => {}
                Verdict::Unclear => unclear = true,
            }
        }
        let rest = self.redirect.as_deref().map(|other| other.judge(network));
        match rest {
            Some(Verdict::Pass) => Verdict::Pass,
            Some(Verdict::Unclear) => Verdict::Unclear,
            Some(Verdict::Fail) | None if unclear => Verdict::Unclear,
            Some(Verdict::Fail) | None => Verdict::Fail,
        }
    }

    /// Whether it lets anybody send at all.
    pub(super) fn lets_somebody(&self) -> bool {
        let mut passed = self
            .terms
            .iter()
            .filter(|(verdict, _)| *verdict == Verdict::Pass);
        passed.any(|(_, who)| match who {
            Who::Everybody | Who::Unclear => true,
            Who::Addresses(ranges) => !ranges.is_empty(),
            Who::Included(policy) => policy.lets_somebody(),
        }) || self.redirect.as_deref().is_some_and(Self::lets_somebody)
    }

    /// Whether it lets everybody send, if only of a family.
    pub(super) fn lets_everybody(&self) -> bool {
        let everybody = |(verdict, who): &(Verdict, Who)| {
            let is_everybody = match who {
                Who::Everybody => true,
                Who::Addresses(ranges) => ranges
                    .iter()
                    .any(|range| matches!(range, Range::V4 | Range::V6)),
                Who::Included(_) | Who::Unclear => false,
            };
            *verdict == Verdict::Pass && is_everybody
        };
        self.terms.iter().any(everybody)
            || self.redirect.as_deref().is_some_and(Self::lets_everybody)
    }
}

/// A record that receivers take for broken once they come to a certain term: they do not if one in front matches.
#[derive(Debug)]
pub(super) struct Broken {
    /// Why they do.
    pub(super) problem: String,
    /// What they read before.
    pub(super) before: Policy,
}

/// Reads a record of a domain and all that it refers to, as a receiver does for whom no term matches.
pub(super) async fn read(
    dns: &dyn DnsLookup,
    domain: &str,
    record: &str,
) -> Result<Policy, Broken> {
    let mut reader = Reader {
        dns,
        lookups: 0,
        voids: 0,
        problem: None,
    };
    let policy = reader.record(domain, record).await;
    match reader.problem {
        Some(problem) => Err(Broken {
            problem,
            before: policy,
        }),
        None => Ok(policy),
    }
}

struct Reader<'a> {
    dns: &'a dyn DnsLookup,
    lookups: usize,
    voids: usize,
    /// Why the record is broken: nothing is read behind it.
    problem: Option<String>,
}

impl Reader<'_> {
    async fn record(&mut self, domain: &str, record: &str) -> Policy {
        let (mut policy, mut redirect) = (Policy::default(), None);
        let record = record.to_ascii_lowercase();
        let terms = match parse_all(&record) {
            Ok(terms) => terms,
            Err(problem) => {
                self.complain(problem);
                return policy;
            }
        };
        for (verdict, term) in terms {
            let who = match term {
                Term::Ignored => continue,
                Term::Redirect(name) => {
                    redirect = Some(name);
                    continue;
                }
                Term::Everybody => {
                    // Nothing behind it counts.
                    policy.terms.push((verdict, Who::Everybody));
                    return policy;
                }
                Term::Addresses(range) => Who::Addresses(vec![range]),
                Term::Include(name) => self.policy(name).await.map_or(Who::Unclear, Who::Included),
                Term::Hosts(hosts) => self.hosts(domain, &hosts).await,
                Term::Unclear => {
                    self.count_lookup();
                    Who::Unclear
                }
            };
            policy.terms.push((verdict, who));
            if self.problem.is_some() {
                return policy;
            }
        }
        if let Some(name) = redirect {
            match self.policy(name).await {
                Some(other) => policy.redirect = Some(Box::new(other)),
                None => policy.terms.push((Verdict::Pass, Who::Unclear)),
            }
        }
        policy
    }

    /// The policy of another domain; `None` if it cannot be told.
    fn policy<'s>(&'s mut self, name: &'s str) -> BoxFuture<'s, Option<Policy>> {
        Box::pin(async move {
            if !self.may_ask(name) {
                return None;
            }
            let texts = self.dns.txt(name).await.ok()?;
            if texts.is_empty() {
                self.count_void();
            }
            match records(&texts).as_slice() {
                [record] => Some(self.record(name, record).await),
                [] => {
                    self.complain(format!(
                        "it refers to {name}, which has no SPF record, so that receivers take it for broken: correct it"
                    ));
                    None
                }
                _ => {
                    self.complain(format!(
                        "it refers to {name}, which has several SPF records, so that receivers take it for broken"
                    ));
                    None
                }
            }
        })
    }

    /// The addresses of a name, or of its mail servers.
    async fn hosts(&mut self, domain: &str, hosts: &Hosts<'_>) -> Who {
        let name = hosts.domain.unwrap_or(domain);
        if !self.may_ask(name) {
            return Who::Unclear;
        }
        let names = if hosts.of_mail {
            let Ok(found) = self.dns.mx(name).await else {
                return Who::Unclear;
            };
            if found.len() > LOOKUPS {
                self.complain(format!(
                    "{name} has more than {LOOKUPS} mail servers, where receivers stop (RFC 7208 §4.6.4): take mx out"
                ));
                return Who::Unclear;
            }
            let hosts = found.iter().map(|mx| mx_host(mx));
            hosts.filter(|host| !host.is_empty()).collect()
        } else {
            vec![name.to_owned()]
        };
        let mut ranges = Vec::new();
        for name in &names {
            let Ok(addresses) = self.dns.addresses(name).await else {
                return Who::Unclear;
            };
            for address in addresses {
                let bits = match address {
                    IpAddr::V4(_) => hosts.bits,
                    IpAddr::V6(_) => hosts.bits_v6,
                };
                ranges.push(Range::around(address, bits));
            }
        }
        if ranges.is_empty() {
            self.count_void();
        }
        Who::Addresses(ranges)
    }

    /// Counts a look-up. What comes after too many, or depends on the message, is not asked for.
    fn may_ask(&mut self, name: &str) -> bool {
        self.count_lookup();
        self.lookups <= LOOKUPS && !name.contains('%')
    }

    fn count_lookup(&mut self) {
        self.lookups += 1;
        if self.lookups > LOOKUPS {
            self.complain(format!(
                "it takes more than {LOOKUPS} look-ups, where receivers stop (RFC 7208 §4.6.4): take some out"
            ));
        }
    }

    fn count_void(&mut self) {
        self.voids += 1;
        if self.voids > VOIDS {
            self.complain(format!(
                "more than {VOIDS} of the names that it refers to do not exist, where receivers stop (RFC 7208 §4.6.4): \
                 take them out"
            ));
        }
    }

    fn complain(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }
}

/// The host of an MX record, `10 mx.example.com`; empty if the domain takes no mail (RFC 7505).
pub(super) fn mx_host(mx: &str) -> String {
    let host = mx.split_once(' ').map_or("", |(_, host)| host);
    host.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// A term as it is written, in lower case.
#[derive(Debug, PartialEq, Eq)]
enum Term<'a> {
    Everybody,
    Addresses(Range),
    Hosts(Hosts<'a>),
    Include(&'a str),
    Redirect(&'a str),
    /// What depends on the message, or on names of addresses.
    Unclear,
    /// A modifier that changes nothing.
    Ignored,
}

/// The terms `a` and `mx`.
#[derive(Debug, PartialEq, Eq)]
struct Hosts<'a> {
    /// Whether the hosts are those that take the domain's mail.
    of_mail: bool,
    /// Without it, the domain of the record.
    domain: Option<&'a str>,
    /// How many bits the addresses share with those that are meant.
    bits: u32,
    bits_v6: u32,
}

/// All terms of a record. The error is why receivers take it for broken, whatever stands in front (RFC 7208 §4.6, §6).
fn parse_all(record: &str) -> Result<Vec<(Verdict, Term<'_>)>, String> {
    let (mut terms, mut once) = (Vec::new(), Vec::new());
    for text in record.split_whitespace().skip(1) {
        let term = parse(text).ok_or_else(|| {
            format!("receivers do not understand {text} and take the record for broken: correct it")
        })?;
        if let Some((name @ ("redirect" | "exp"), _)) = modifier(text) {
            if once.contains(&name) {
                return Err(format!(
                    "it has {name}= twice, so that receivers take it for broken: leave one"
                ));
            }
            once.push(name);
        }
        terms.push(term);
    }
    Ok(terms)
}

/// A term, and what becomes of those whom it names; `None` if receivers do not understand it.
fn parse(term: &str) -> Option<(Verdict, Term<'_>)> {
    if let Some((name, value)) = modifier(term) {
        let term = match name {
            "redirect" if value.is_empty() => return None,
            "redirect" => Term::Redirect(value),
            _ => Term::Ignored,
        };
        return Some((Verdict::Pass, term));
    }
    let (verdict, rest) = match term.strip_prefix(['-', '~', '?']) {
        Some(rest) => (Verdict::Fail, rest),
        None => (Verdict::Pass, term.strip_prefix('+').unwrap_or(term)),
    };
    let (name, rest) = rest.split_at(rest.find([':', '/']).unwrap_or(rest.len()));
    let value = rest.strip_prefix(':').filter(|value| !value.is_empty());
    let term = match name {
        "all" if rest.is_empty() => Term::Everybody,
        "ip4" | "ip6" => network(name, value?)?,
        "include" => Term::Include(value?),
        "exists" => value.map(|_| Term::Unclear)?,
        "ptr" => Term::Unclear,
        "a" | "mx" => Term::Hosts(hosts(name == "mx", rest)?),
        _ => return None,
    };
    Some((verdict, term))
}

fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain))
        .then_some((name, value))
}

fn network(name: &str, value: &str) -> Option<Term<'static>> {
    let (address, bits) = value.split_once('/').unwrap_or((value, ""));
    let address: IpAddr = address.parse().ok()?;
    if address.is_ipv4() != (name == "ip4") {
        return None;
    }
    if bits == "0" {
        return Some(Term::Addresses(Range::around(address, 0)));
    }
    let network = value.parse().ok()?;
    Some(Term::Addresses(Range::Network(network)))
}

/// What stands behind `a` and `mx`: `:domain/24//64`, all of it optional.
fn hosts(of_mail: bool, rest: &str) -> Option<Hosts<'_>> {
    let (domain, bits) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let domain = domain.strip_prefix(':');
    if domain == Some("") {
        return None;
    }
    let number = |text: &str, most: u32| text.parse::<u32>().ok().filter(|bits| *bits <= most);
    let (bits, bits_v6) = match bits.split_once("//") {
        Some((bits, six)) => (bits, number(six, u128::BITS)?),
        None => (bits, u128::BITS),
    };
    let bits = match bits.strip_prefix('/') {
        Some(four) => number(four, u32::BITS)?,
        None => u32::BITS,
    };
    Some(Hosts {
        of_mail,
        domain,
        bits,
        bits_v6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lookup::tests::Zone;

    async fn judged(zone: &Zone, record: &str, network: &str) -> Result<Verdict, String> {
        let policy = read(zone, "example.com", record).await;
        let policy = policy.map_err(|broken| broken.problem)?;
        Ok(policy.judge(network.parse().unwrap()))
    }

    fn zone() -> Zone {
        Zone::default()
            .txt(
                "_spf.example.net",
                "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all",
            )
            .txt("again.example.net", "v=spf1 include:_spf.example.net -all")
            .txt("other.example.net", "some other text")
            .mx("example.com", "10 mx.example.com")
            .address("mx.example.com", "198.51.100.7")
            .address("example.com", "203.0.113.1")
            .address("example.com", "2001:db8:1::1")
    }

    #[tokio::test]
    async fn hosts_pass_as_receivers_count() {
        let zone = zone();
        for (record, network, verdict) in [
            ("v=spf1 ip4:192.0.2.1 -all", "192.0.2.1", Verdict::Pass),
            ("v=spf1 ip4:192.0.2.1 -all", "192.0.2.2", Verdict::Fail),
            ("v=spf1 ip4:192.0.2.1 -all", "192.0.2.0/24", Verdict::Fail),
            (
                "v=spf1 -ip4:192.0.2.1 ip4:192.0.2.0/24 -all",
                "192.0.2.1",
                Verdict::Fail,
            ),
            ("v=spf1 -all", "192.0.2.1", Verdict::Fail),
            ("v=spf1", "192.0.2.1", Verdict::Fail),
            ("v=spf1 ?all", "192.0.2.1", Verdict::Fail),
            (
                "v=spf1 include:_spf.example.net -all",
                "192.0.2.128/25",
                Verdict::Pass,
            ),
            (
                "v=spf1 include:_spf.example.net -all",
                "2001:db8:5::1",
                Verdict::Pass,
            ),
            (
                "v=spf1 include:again.example.net -all",
                "192.0.2.9",
                Verdict::Pass,
            ),
            (
                "v=spf1 include:again.example.net -all",
                "203.0.113.9",
                Verdict::Fail,
            ),
            (
                "v=spf1 redirect=_spf.example.net",
                "192.0.2.9",
                Verdict::Pass,
            ),
            (
                "v=spf1 -all redirect=_spf.example.net",
                "192.0.2.9",
                Verdict::Fail,
            ),
            ("V=SPF1 MX -ALL", "198.51.100.7", Verdict::Pass),
            (
                "v=spf1 mx:example.com/24 -all",
                "198.51.100.0/24",
                Verdict::Pass,
            ),
            ("v=spf1 a -all", "203.0.113.1", Verdict::Pass),
            ("v=spf1 a//48 -all", "2001:db8:1:2::3", Verdict::Pass),
            (
                "v=spf1 a:mx.example.com -all exp=why.example.com",
                "203.0.113.1",
                Verdict::Fail,
            ),
            (
                "v=spf1 exists:%{i}.example.org -all",
                "192.0.2.1",
                Verdict::Unclear,
            ),
            (
                "v=spf1 include:silent.example -all",
                "192.0.2.1",
                Verdict::Unclear,
            ),
            ("v=spf1 ip4:0.0.0.0/0 -all", "192.0.2.1", Verdict::Pass),
            ("v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::1", Verdict::Fail),
            ("v=spf1 ip6:::/0 -all", "192.0.2.1", Verdict::Fail),
            (
                "v=spf1 ip6:::/0 ip4:192.0.2.1 -all",
                "192.0.2.1",
                Verdict::Pass,
            ),
            ("v=spf1 a/0 -all", "192.0.2.1", Verdict::Pass),
            ("v=spf1 a/0 -all", "2001:db8:1::2", Verdict::Fail),
            ("v=spf1 a//0 -all", "2001:db8:9::2", Verdict::Pass),
        ] {
            let found = judged(&zone, record, network).await;
            assert_eq!(found, Ok(verdict), "{record} {network}");
        }
    }

    #[tokio::test]
    async fn what_receivers_take_for_broken_is_told() {
        let zone = (0..11).fold(zone(), |zone, n| {
            zone.mx("many.example.net", &format!("10 mx{n}.example.net"))
        });
        let many = format!("v=spf1{} -all", " include:_spf.example.net".repeat(11));
        // Ten at the top are eleven with what one of them includes.
        let nested = format!(
            "v=spf1 include:again.example.net{} -all",
            " include:_spf.example.net".repeat(9)
        );
        let voids = "v=spf1 a:x1.example a:x2.example a:x3.example -all";
        for (record, words) in [
            (many.as_str(), "more than 10 look-ups"),
            (&nested, "more than 10 look-ups"),
            (voids, "more than 2 of the names"),
            ("v=spf1 ip:192.0.2.1 -all", "do not understand ip:192.0.2.1"),
            ("v=spf1 ip4:2001:db8::1 -all", "do not understand ip4:"),
            ("v=spf1 a/33 -all", "do not understand a/33"),
            ("v=spf1 ip4:192.0.2.1 -all ip:1", "do not understand ip:1"),
            (
                "v=spf1 redirect=a.example -all redirect=b.example",
                "redirect= twice",
            ),
            ("v=spf1 exp=a.example -all exp=b.example", "exp= twice"),
            ("v=spf1 mx:many.example.net -all", "more than 10 mail"),
            ("v=spf1 include: -all", "do not understand include:"),
            (
                "v=spf1 include:other.example.net -all",
                "other.example.net, which has no SPF",
            ),
            (
                "v=spf1 redirect=nowhere.example",
                "nowhere.example, which has no SPF",
            ),
        ] {
            let broken = read(&zone, "example.com", record).await.unwrap_err();
            let error = broken.problem;
            assert!(error.contains(words), "{record}: {error}");
        }
        let fits = format!("v=spf1{} -all", " include:_spf.example.net".repeat(10));
        assert!(read(&zone, "example.com", &fits).await.is_ok());
    }

    #[tokio::test]
    async fn who_passes_before_the_broken_term_passes() {
        let zone = zone().txt(
            "half.example.net",
            "v=spf1 ip4:203.0.113.7 include:other.example.net",
        );
        let many = format!(
            "v=spf1 ip4:192.0.2.1{} ip4:198.51.100.1 -all",
            " exists:%{i}.example.org".repeat(11)
        );
        for (record, network, verdict) in [
            (many.as_str(), "192.0.2.1", Verdict::Pass),
            (&many, "198.51.100.1", Verdict::Unclear),
            (
                "v=spf1 include:half.example.net ip4:198.51.100.1",
                "203.0.113.7",
                Verdict::Pass,
            ),
            (
                "v=spf1 include:half.example.net ip4:198.51.100.1",
                "198.51.100.1",
                Verdict::Unclear,
            ),
            // What cannot be parsed is not read at all.
            ("v=spf1 ip4:192.0.2.1 ip:1", "192.0.2.1", Verdict::Fail),
        ] {
            let broken = read(&zone, "example.com", record).await.unwrap_err();
            let found = broken.before.judge(network.parse().unwrap());
            assert_eq!(found, verdict, "{record} {network}");
        }
    }

    #[tokio::test]
    async fn it_is_told_who_is_let_at_all() {
        let zone = zone();
        for (record, somebody, everybody) in [
            ("v=spf1 -all", false, false),
            ("v=spf1 ~all", false, false),
            ("v=spf1 -ip4:192.0.2.1 ?all", false, false),
            ("v=spf1 a:x1.example -all", false, false),
            ("v=spf1 mx ~all", true, false),
            ("v=spf1 include:_spf.example.net ~all", true, false),
            ("v=spf1 redirect=_spf.example.net", true, false),
            ("v=spf1 ptr -all", true, false),
            ("v=spf1 all", true, true),
            ("v=spf1 ip4:0.0.0.0/0 -all", true, true),
            ("v=spf1 -ip4:0.0.0.0/0 mx -all", true, false),
            ("v=spf1 -all +all", false, false),
        ] {
            let policy = read(&zone, "example.com", record).await.unwrap();
            let found = (policy.lets_somebody(), policy.lets_everybody());
            assert_eq!(found, (somebody, everybody), "{record}");
        }
    }
}
