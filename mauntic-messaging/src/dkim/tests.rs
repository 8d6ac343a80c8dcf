use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::Mutex,
    time::{Duration, Instant},
};

use mail_auth::{
    AuthenticatedMessage, DkimResult, MX, MessageAuthenticator, Parameters, RecordSet,
    ResolverCache, Txt,
    common::{parse::TxtRecordParser as _, verify::DomainKey},
    hickory_resolver::config::{ResolverConfig, ResolverOpts},
};

use super::*;
use crate::mime::tests::{ann, message, sender};

mod by_hand;

/// A resolver's cache that knows everything beforehand, so that no test asks the network.
struct Known<K, V>(Mutex<HashMap<K, V>>);

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Known<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().unwrap().get(name).cloned()
    }

    fn remove<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().unwrap().remove(name)
    }

    fn insert(&self, key: K, value: V, _valid_until: Instant) {
        self.0.lock().unwrap().insert(key, value);
    }
}

type NoCache<K, V> = Option<&'static Known<K, V>>;

async fn verdicts(keys: &[(Selector, PrivateKey)], raw: &[u8]) -> Vec<bool> {
    let txt = Known(Mutex::new(HashMap::new()));
    for (selector, key) in keys {
        let name = format!("{}._domainkey.example.com.", selector.as_str());
        let record = DomainKey::parse(key.dns_value().as_bytes()).unwrap();
        txt.insert(
            name.into_boxed_str(),
            Txt::from(record),
            Instant::now() + Duration::from_hours(1),
        );
    }
    let message = AuthenticatedMessage::parse(raw).unwrap();
    let parameters = Parameters {
        params: &message,
        cache_txt: Some(&txt),
        cache_mx: None as NoCache<Box<str>, RecordSet<MX>>,
        cache_ptr: None as NoCache<std::net::IpAddr, RecordSet<Box<str>>>,
        cache_ipv4: None as NoCache<Box<str>, RecordSet<std::net::Ipv4Addr>>,
        cache_ipv6: None as NoCache<Box<str>, RecordSet<std::net::Ipv6Addr>>,
    };
    let verifier =
        MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).unwrap();
    let results = verifier.verify_dkim(parameters).await;
    results
        .iter()
        .map(|output| matches!(output.result(), DkimResult::Pass))
        .collect()
}

fn keys() -> Vec<(Selector, PrivateKey)> {
    vec![
        ("m1".parse().unwrap(), PrivateKey::generate_rsa().unwrap()),
        (
            "m2".parse().unwrap(),
            PrivateKey::generate_ed25519().unwrap(),
        ),
    ]
}

fn signed(keys: &[(Selector, PrivateKey)]) -> Vec<u8> {
    let raw = message(&sender(), &ann()).build().unwrap();
    DomainSigner::new("example.com", keys)
        .unwrap()
        .sign(&raw, DateTime::UNIX_EPOCH)
        .unwrap()
}

fn replaced(raw: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(raw).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[tokio::test]
async fn both_signatures_pass() {
    let keys = keys();
    let raw = signed(&keys);
    assert!(
        std::str::from_utf8(&raw)
            .unwrap()
            .split("\r\n")
            .all(|line| line.len() <= 998)
    );
    assert_eq!(verdicts(&keys, &raw).await, [true, true]);
}

#[tokio::test]
async fn a_change_on_the_way_breaks_both() {
    let keys = keys();
    let raw = signed(&keys);
    for (from, to) in [
        ("Subject: Hello", "Subject: Hullo"),
        (
            "<https://m.example.com/u/token>",
            "<https://m.example.net/u/token>",
        ),
        ("List-Unsubscribe=One-Click", "List-Unsubscribe=Two-Click"),
        ("Hello Ann", "Hello Bob"),
        // Headers put in by someone else, which over-signing forbids.
        (
            "MIME-Version: 1.0\r\n",
            "MIME-Version: 1.0\r\nFrom: eve@example.net\r\n",
        ),
        (
            "MIME-Version: 1.0\r\n",
            "MIME-Version: 1.0\r\nSubject: Buy\r\n",
        ),
        (
            "MIME-Version: 1.0\r\n",
            "MIME-Version: 1.0\r\nReply-To: eve@example.net\r\n",
        ),
        (
            "MIME-Version: 1.0\r\n",
            "MIME-Version: 1.0\r\nList-Owner: <mailto:eve@example.net>\r\n",
        ),
    ] {
        assert_eq!(
            verdicts(&keys, &replaced(&raw, from, to)).await,
            [false, false],
            "{to}"
        );
    }
}

#[tokio::test]
async fn harmless_changes_of_relays_are_forgiven() {
    let keys = keys();
    let raw = signed(&keys);
    let folded = replaced(&raw, "Subject: Hello", "Subject:   Hello ");
    assert_eq!(verdicts(&keys, &folded).await, [true, true]);
    let traced = [
        b"Received: from a by b; Wed, 18 Nov 2026 10:26:40 +0000\r\n".as_slice(),
        &raw,
    ]
    .concat();
    assert_eq!(verdicts(&keys, &traced).await, [true, true]);
}

#[test]
fn a_stored_key_comes_back() {
    for (_, key) in keys() {
        let again = PrivateKey::from_pkcs8(key.to_pkcs8()).unwrap();
        assert_eq!(again.dns_value(), key.dns_value());
        let pem = PrivateKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(
            (pem.algorithm(), pem.dns_value()),
            (key.algorithm(), key.dns_value())
        );
    }
}

/// A whole RSA key of 1024 bits, made for the test: too short (RFC 8301 §3.2).
const SHORT_KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBAKAMkIGwBz9B6u3v\n\
TZVB2I5VT74f8GlrXaKuMOZqPM1nTgEDEw7OdAmhkQVv0+CMLV1grQioospjHNFw\n\
ByzNg5+zng9W4reTi+tpGOi2zCPKoEWAKtK4/VSfNKs8YBl41pbaWjhqw1WwFujO\n\
PVVRiH1MTgvym64HCBOGhIyEOujhAgMBAAECgYB0HOlxzP1U/UOtXyGQGXc8u9Pg\n\
gVdvg78o2OsNHyIBeuLyhQJ8iXdRzW9i3GCA1fHLfunKEF4aKpGruHTcIjVMr3KM\n\
CJE+09q8rK3LYh8c9e9LTlJ6LVDdl667fuPsRAT1Yf3e+cQUQuRLJm+rcEak++Xt\n\
6Khruc79oDfOTEqm4QJBANUGwKsqYF8WTO0WxaRWG1ToKa8b8su326RrE+LHxWwB\n\
tMS2Gjl3A5XQ3SHyc5RBsxYEAFh/4TgBVyOm4KleW9UCQQDAVex0tSVJcxtvRwXb\n\
ifhzwgfSUbZUREL4+gLKHlCVPZazJTzwSy3ZvuPCzhjMkT9WnIW/ArJRILDpRVZJ\n\
qhrdAkBiI2o/cJZVOADYeNU0kDanNw19DnMcRud5J5tRrpbU2zRcK0iJkLqmGkLF\n\
kNyOQHYwfkdqff9TvcpXMlntrPrBAkBth0DdgV7XggZoizCJwftLqH4dxkynlivx\n\
byZxhWvsYSNVp2oZiSZ2Lp+zivxSWpCQORhtGxMC4jP803B9CLK9AkBSD0HtmG5Z\n\
vEKSGpQpPxl9q3kyYkboFc+eaWpvH7WbAcRLmZL8kVGhB1hNMPkvyvk2Ogl8MQPk\n\
DI9DgFEG1WMb\n\
-----END PRIVATE KEY-----\n";

#[test]
fn what_is_no_usable_key_is_refused() {
    assert_eq!(
        PrivateKey::from_pem(SHORT_KEY).unwrap_err(),
        DkimError::UnusableKey
    );
    assert_eq!(
        PrivateKey::from_pkcs8(b"rubbish").unwrap_err(),
        DkimError::UnusableKey
    );
    assert_eq!(
        PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
            .unwrap_err(),
        DkimError::UnusableKey
    );
    assert!("a.b".parse::<Selector>().is_err());
    assert!("".parse::<Selector>().is_err());
}

#[test]
fn debug_hides_the_key() {
    let key = PrivateKey::generate_ed25519().unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey { algorithm: Ed25519, .. }");
}
