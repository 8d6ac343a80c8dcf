//! Human or machine: what is known when a hit comes in, and what only shows a little later.

use std::{collections::BTreeSet, net::IpAddr};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{HitContext, HitKind};

/// Why a hit is thought to be a machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A `HEAD` request looks at the address, not at what is there.
    HeadRequest,
    /// The request says that it only fetches in advance.
    Prefetch,
    /// The request names no user agent, as no browser does.
    NoUserAgent,
    /// The installation or organisation knows the network or the agent as a machine's.
    OwnList,
    /// Apple's mail privacy protection loads everything, read or not.
    AppleMailPrivacy,
    /// Google's image proxy.
    GoogleImageProxy,
    /// Yahoo's image proxy.
    YahooImageProxy,
    /// Microsoft's mail protection or link previews.
    Microsoft,
    /// Barracuda's scanner.
    Barracuda,
    /// Proofpoint's scanner.
    Proofpoint,
    /// Mimecast's scanner.
    Mimecast,
    /// Cisco's scanner.
    Cisco,
    /// Trend Micro's scanner.
    TrendMicro,
    /// Symantec's scanner.
    Symantec,
    /// Another program that says what it is: a crawler, a link preview, a script.
    Robot,
    /// It came before the message was accepted, or too soon after it for a person.
    TooEarly,
    /// Many links of the message were followed within a moment.
    Burst,
}

/// Numbers and lists that verdicts are made by.
#[derive(Debug, Clone)]
pub struct VerdictRules {
    /// Nobody opens a message sooner after its acceptance.
    pub early: TimeDelta,
    /// So many different links of one message…
    pub burst_links: usize,
    /// … within this time are no person's doing.
    pub burst_window: TimeDelta,
    /// Networks of one's own that are machines, asked first: address and length of the prefix.
    pub own_networks: Vec<(IpAddr, u8)>,
    /// Parts of user agents of one's own that are machines, in lower case, asked first.
    pub own_agents: Vec<String>,
}

impl Default for VerdictRules {
    fn default() -> Self {
        Self {
            early: TimeDelta::seconds(2),
            burst_links: 3,
            burst_window: TimeDelta::seconds(2),
            own_networks: Vec::new(),
            own_agents: Vec::new(),
        }
    }
}

/// What programs call themselves, in lower case.
const AGENTS: &[(&str, Reason)] = &[
    ("googleimageproxy", Reason::GoogleImageProxy),
    ("via ggpht.com", Reason::GoogleImageProxy),
    // How Gmail fetches in advance: a browser that never was.
    (
        "chrome/42.0.2311.135 safari/537.36 edge/12.246 mozilla/5.0",
        Reason::GoogleImageProxy,
    ),
    ("yahoomailproxy", Reason::YahooImageProxy),
    ("barracuda", Reason::Barracuda),
    ("proofpoint", Reason::Proofpoint),
    ("urldefense", Reason::Proofpoint),
    ("mimecast", Reason::Mimecast),
    ("ironport", Reason::Cisco),
    ("cisco", Reason::Cisco),
    ("trendmicro", Reason::TrendMicro),
    ("messagelabs", Reason::Symantec),
    ("symantec", Reason::Symantec),
    ("safelinks", Reason::Microsoft),
    ("microsoft office existence discovery", Reason::Microsoft),
    ("microsoft exchange", Reason::Microsoft),
    ("skypeuripreview", Reason::Microsoft),
    ("bingpreview", Reason::Microsoft),
    ("bot", Reason::Robot),
    ("crawler", Reason::Robot),
    ("spider", Reason::Robot),
    ("scanner", Reason::Robot),
    ("preview", Reason::Robot),
    ("facebookexternalhit", Reason::Robot),
    ("whatsapp", Reason::Robot),
    ("headless", Reason::Robot),
    ("phantomjs", Reason::Robot),
    ("curl/", Reason::Robot),
    ("wget/", Reason::Robot),
    ("python-", Reason::Robot),
    ("python/", Reason::Robot),
    ("go-http-client", Reason::Robot),
    ("java/", Reason::Robot),
    ("okhttp/", Reason::Robot),
    ("libwww-perl", Reason::Robot),
    ("apache-httpclient", Reason::Robot),
    ("node-fetch", Reason::Robot),
    ("axios/", Reason::Robot),
];

/// Networks that scanners and proxies publish as theirs: first address, length of the prefix.
const NETWORKS: &[([u8; 4], u8, Reason)] = &[
    ([17, 0, 0, 0], 8, Reason::AppleMailPrivacy),
    ([66, 102, 0, 0], 20, Reason::GoogleImageProxy),
    ([66, 249, 80, 0], 20, Reason::GoogleImageProxy),
    ([40, 92, 0, 0], 15, Reason::Microsoft),
    ([40, 107, 0, 0], 16, Reason::Microsoft),
    ([52, 100, 0, 0], 14, Reason::Microsoft),
    ([104, 47, 0, 0], 17, Reason::Microsoft),
    ([64, 235, 144, 0], 20, Reason::Barracuda),
    ([209, 222, 80, 0], 21, Reason::Barracuda),
    ([67, 231, 144, 0], 20, Reason::Proofpoint),
    ([148, 163, 128, 0], 19, Reason::Proofpoint),
    ([205, 220, 160, 0], 19, Reason::Proofpoint),
    ([63, 128, 21, 0], 24, Reason::Mimecast),
    ([91, 220, 42, 0], 24, Reason::Mimecast),
    ([146, 101, 78, 0], 24, Reason::Mimecast),
    ([195, 130, 217, 0], 24, Reason::Mimecast),
    ([205, 139, 110, 0], 23, Reason::Mimecast),
    ([207, 211, 30, 0], 23, Reason::Mimecast),
    ([213, 167, 75, 0], 24, Reason::Mimecast),
    ([68, 232, 128, 0], 19, Reason::Cisco),
    ([216, 71, 128, 0], 19, Reason::Cisco),
    ([216, 104, 0, 0], 19, Reason::TrendMicro),
    ([67, 219, 240, 0], 20, Reason::Symantec),
    ([85, 158, 136, 0], 21, Reason::Symantec),
];

/// What a request says by itself. Every reason found is returned; none means human.
///
/// Who asks for no more mail is a person, whatever program carries the request: with one click (RFC 8058) it is the
/// server of a mailbox provider, which calls only when somebody pressed its button.
#[must_use]
pub fn judge(kind: HitKind, context: &HitContext, rules: &VerdictRules) -> Vec<Reason> {
    let mut reasons = BTreeSet::new();
    if kind == HitKind::Unsubscribe {
        return Vec::new();
    }
    let agent = context.user_agent.as_deref().unwrap_or_default();
    // A make of phones whose name is not what it says.
    let agent = agent.trim().to_ascii_lowercase().replace("cubot", "");
    if is_own(context.ip, &agent, rules) {
        reasons.insert(Reason::OwnList);
    }
    if context.head {
        reasons.insert(Reason::HeadRequest);
    }
    if context.prefetch {
        reasons.insert(Reason::Prefetch);
    }
    if agent.is_empty() {
        reasons.insert(Reason::NoUserAgent);
    }
    // Apple's proxy says no more than this; no browser says so little.
    if agent == "mozilla/5.0" && kind == HitKind::Open {
        reasons.insert(Reason::AppleMailPrivacy);
    }
    let known = AGENTS.iter().find(|(part, _)| agent.contains(part));
    reasons.extend(known.map(|(_, reason)| *reason));
    reasons.extend(context.ip.and_then(network_reason));
    reasons.into_iter().collect()
}

fn is_own(ip: Option<IpAddr>, agent: &str, rules: &VerdictRules) -> bool {
    let in_network = |ip: IpAddr| {
        rules
            .own_networks
            .iter()
            .any(|(network, length)| is_within(ip, *network, *length))
    };
    let agents = &rules.own_agents;
    ip.is_some_and(in_network) || agents.iter().any(|part| agent.contains(part.as_str()))
}

fn network_reason(ip: IpAddr) -> Option<Reason> {
    NETWORKS
        .iter()
        .find(|(network, length, _)| is_within(ip, IpAddr::from(*network), *length))
        .map(|(_, _, reason)| *reason)
}

/// Whether an address is in a network.
fn is_within(ip: IpAddr, network: IpAddr, length: u8) -> bool {
    match (ip.to_canonical(), network.to_canonical()) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(length.min(32)))
                .unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(length.min(128)))
                .unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

/// Whether a hit came too soon for a person. A message that is not known to be accepted yet counts
/// from its hand-over.
#[must_use]
pub fn is_early(
    at: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
    rules: &VerdictRules,
) -> bool {
    accepted_at.is_some_and(|accepted| at < accepted + rules.early)
}

/// Which of the clicks on one message are part of a burst: `clicks` are links and times, the answer
/// is for each of them in their order.
#[must_use]
pub fn bursts(clicks: &[(u16, DateTime<Utc>)], rules: &VerdictRules) -> Vec<bool> {
    let mut order: Vec<usize> = (0..clicks.len()).collect();
    order.sort_by_key(|index| clicks[*index].1);
    let mut in_burst = vec![false; clicks.len()];
    let mut start = 0;
    for end in 0..order.len() {
        while clicks[order[end]].1 - clicks[order[start]].1 > rules.burst_window {
            start += 1;
        }
        let window = &order[start..=end];
        let links: BTreeSet<u16> = window.iter().map(|index| clicks[*index].0).collect();
        if links.len() >= rules.burst_links.max(2) {
            for index in window {
                in_burst[*index] = true;
            }
        }
    }
    in_burst
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

    fn context(agent: &str, ip: &str) -> HitContext {
        HitContext {
            ip: ip.parse().ok(),
            user_agent: Some(agent.to_owned()),
            head: false,
            prefetch: false,
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn whoever_asks_for_no_more_mail_is_a_person() {
        let one_click = HitContext {
            user_agent: None,
            ..context("", "66.249.80.1")
        };
        let rules = VerdictRules::default();
        assert_eq!(judge(HitKind::Unsubscribe, &one_click, &rules), []);
        assert_ne!(judge(HitKind::Click, &one_click, &rules), []);
    }

    fn reasons(agent: &str, ip: &str) -> Vec<Reason> {
        judge(HitKind::Open, &context(agent, ip), &VerdictRules::default())
    }

    #[test]
    fn a_browser_at_home_is_human() {
        assert_eq!(reasons(BROWSER, "198.51.100.7"), []);
        assert_eq!(reasons(BROWSER, "2001:db8::7"), []);
        assert_eq!(reasons(BROWSER, "no address"), []);
    }

    #[test]
    fn known_machines_are_told_by_agent_and_network() {
        for (agent, ip, reason) in [
            ("Mozilla/5.0", "198.51.100.7", Reason::AppleMailPrivacy),
            (BROWSER, "17.58.0.1", Reason::AppleMailPrivacy),
            (
                "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
                "198.51.100.7",
                Reason::GoogleImageProxy,
            ),
            (
                "YahooMailProxy; https://help.yahoo.com/kb/",
                "198.51.100.7",
                Reason::YahooImageProxy,
            ),
            (BROWSER, "::ffff:104.47.1.2", Reason::Microsoft),
            (BROWSER, "67.231.159.1", Reason::Proofpoint),
            (BROWSER, "209.222.82.1", Reason::Barracuda),
            (BROWSER, "207.211.31.9", Reason::Mimecast),
            ("curl/8.5.0", "198.51.100.7", Reason::Robot),
            ("", "198.51.100.7", Reason::NoUserAgent),
        ] {
            assert_eq!(reasons(agent, ip), [reason], "{agent} {ip}");
        }
    }

    #[test]
    fn ones_own_list_counts_too() {
        let rules = VerdictRules {
            own_networks: vec![("198.51.100.0".parse().unwrap(), 24)],
            own_agents: vec!["acme gateway".to_owned()],
            ..VerdictRules::default()
        };
        for (agent, ip) in [(BROWSER, "198.51.100.200"), ("ACME Gateway 2", "192.0.2.1")] {
            let verdict = judge(HitKind::Click, &context(agent, ip), &rules);
            assert_eq!(verdict, [Reason::OwnList]);
        }
    }

    #[test]
    fn head_and_prefetch_are_machines() {
        let mut request = context(BROWSER, "198.51.100.7");
        request.head = true;
        request.prefetch = true;
        let verdict = judge(HitKind::Click, &request, &VerdictRules::default());
        assert_eq!(verdict, [Reason::HeadRequest, Reason::Prefetch]);
    }

    #[test]
    fn a_reason_is_one_word_in_json() {
        let json = serde_json::to_value(Reason::GoogleImageProxy).unwrap();
        assert_eq!(json, "google_image_proxy");
    }

    #[test]
    fn too_early_is_measured_from_the_acceptance() {
        let rules = VerdictRules::default();
        let accepted = DateTime::UNIX_EPOCH + TimeDelta::minutes(1);
        assert!(is_early(
            accepted - TimeDelta::seconds(9),
            Some(accepted),
            &rules
        ));
        assert!(is_early(
            accepted + TimeDelta::seconds(1),
            Some(accepted),
            &rules
        ));
        assert!(!is_early(
            accepted + TimeDelta::seconds(2),
            Some(accepted),
            &rules
        ));
        assert!(!is_early(accepted, None, &rules));
    }

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)
    }

    #[test]
    fn three_links_at_once_are_a_burst_and_the_later_click_is_not() {
        let clicks = [(1, at(500)), (2, at(0)), (3, at(900)), (1, at(60_000))];
        let verdict = bursts(&clicks, &VerdictRules::default());
        assert_eq!(verdict, [true, true, true, false]);
    }

    proptest! {
        #[test]
        fn one_link_again_and_again_is_no_burst(times in prop::collection::vec(0_i64..5_000, 0..40)) {
            let clicks: Vec<_> = times.into_iter().map(|time| (7, at(time))).collect();
            let rules = VerdictRules::default();
            prop_assert!(bursts(&clicks, &rules).into_iter().all(|burst| !burst));
        }

        #[test]
        fn a_burst_has_enough_links_close_by(clicks in prop::collection::vec((0_u16..5, 0_i64..20_000), 0..40)) {
            let clicks: Vec<_> = clicks.into_iter().map(|(link, time)| (link, at(time))).collect();
            let rules = VerdictRules::default();
            for (index, burst) in bursts(&clicks, &rules).into_iter().enumerate() {
                // By the definition: some window that holds this click holds enough links.
                let expected = clicks.iter().any(|(_, start)| {
                    let holds = |time: DateTime<Utc>| time >= *start && time - *start <= rules.burst_window;
                    let links: BTreeSet<u16> =
                        clicks.iter().filter(|(_, time)| holds(*time)).map(|(link, _)| *link).collect();
                    holds(clicks[index].1) && links.len() >= rules.burst_links
                });
                prop_assert_eq!(burst, expected);
            }
        }

        #[test]
        fn more_evidence_never_makes_a_hit_human(agent in ".{0,60}", ip in any::<[u8; 4]>(), head in any::<bool>()) {
            let rules = VerdictRules::default();
            let mut request = context(&agent, "");
            request.head = head;
            let without = judge(HitKind::Click, &request, &rules);
            request.ip = Some(IpAddr::from(ip));
            let with = judge(HitKind::Click, &request, &rules);
            prop_assert!(without.iter().all(|reason| with.contains(reason)));
        }

        #[test]
        fn a_network_holds_what_shares_its_prefix(ip in any::<u32>(), length in 0_u8..=32, other in any::<u32>()) {
            let (a, b) = (IpAddr::V4(ip.into()), IpAddr::V4(other.into()));
            let same = length == 0 || ip >> (32 - length) == other >> (32 - length);
            prop_assert_eq!(is_within(b, a, length), same);
        }
    }
}
