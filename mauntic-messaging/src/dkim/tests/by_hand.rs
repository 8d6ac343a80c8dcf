//! The signatures checked by another implementation: canonical forms made by hand from RFC 6376 §3.4, and keys of crates
//! that have no part in the signing.

use std::collections::HashMap;

use ed25519_dalek::VerifyingKey;
use rsa::{Pkcs1v15Sign, RsaPublicKey, pkcs8::DecodePublicKey as _};
use sha2::{Digest as _, Sha256};

use super::*;

/// What stands in front of a SHA-256 hash that RSA signs (RFC 8017 §9.2).
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A message taken apart: its headers as they stand, without the line end behind each, and its body.
struct Parts<'a> {
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
}

fn take_apart(raw: &[u8]) -> Parts<'_> {
    let text = std::str::from_utf8(raw).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut headers = Vec::new();
    let mut rest = head;
    while !rest.is_empty() {
        let mut end = rest.find("\r\n").unwrap_or(rest.len());
        while rest[end..].starts_with("\r\n ") || rest[end..].starts_with("\r\n\t") {
            let next = rest[end + 2..].find("\r\n");
            end = next.map_or(rest.len(), |next| end + 2 + next);
        }
        headers.push(rest[..end].split_once(':').unwrap());
        rest = rest[end..].strip_prefix("\r\n").unwrap_or_default();
    }
    Parts { headers, body }
}

/// Turns each run of spaces and tabs into one space.
fn one_space(text: &str) -> String {
    let mut reduced = String::new();
    for c in text.chars() {
        let space = matches!(c, ' ' | '\t');
        if !space {
            reduced.push(c);
        } else if !reduced.ends_with(' ') {
            reduced.push(' ');
        }
    }
    reduced
}

/// RFC 6376 §3.4.2, without the line end.
fn relaxed_header(name: &str, value: &str) -> String {
    let value = one_space(&value.replace("\r\n", ""));
    let name = name.trim_end_matches([' ', '\t']).to_ascii_lowercase();
    format!("{name}:{}", value.trim_matches(' '))
}

/// RFC 6376 §3.4.4.
fn relaxed_body(body: &str) -> String {
    let lines: Vec<_> = body
        .split("\r\n")
        .map(|line| one_space(line).trim_end_matches(' ').to_owned())
        .collect();
    let text = lines.join("\r\n");
    match text.trim_end_matches("\r\n") {
        "" => String::new(),
        text => format!("{text}\r\n"),
    }
}

/// The tags of a signature (RFC 6376 §3.2), without the white space in them.
fn tags(value: &str) -> HashMap<String, String> {
    let tags = value.split(';').filter_map(|tag| tag.split_once('='));
    let plain = |text: &str| text.split_ascii_whitespace().collect::<String>();
    tags.map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

/// The signature's own header with an empty `b` tag.
fn without_value(value: &str) -> String {
    let tags = value.split(';').map(|tag| {
        let is_value = tag.trim_start().starts_with("b=");
        if is_value {
            &tag[..=tag.find('=').unwrap()]
        } else {
            tag
        }
    });
    tags.collect::<Vec<_>>().join(";")
}

/// What a signature says was signed.
fn signed_data(parts: &Parts<'_>, tags: &HashMap<String, String>, own: &str) -> Vec<u8> {
    let mut data = String::new();
    let mut used: HashMap<String, usize> = HashMap::new();
    for name in tags["h"].split(':') {
        let key = name.to_ascii_lowercase();
        let from_below = used.entry(key.clone()).or_default();
        let mut found = parts.headers.iter().rev();
        let mut found = found
            .by_ref()
            .filter(|(known, _)| known.eq_ignore_ascii_case(&key));
        // One that is not there is signed as absent.
        if let Some((name, value)) = found.nth(*from_below) {
            data.push_str(&relaxed_header(name, value));
            data.push_str("\r\n");
        }
        *from_below += 1;
    }
    data.push_str(&relaxed_header("DKIM-Signature", &without_value(own)));
    data.into_bytes()
}

fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

/// The published key of a selector.
fn published(keys: &[(Selector, PrivateKey)], selector: &str) -> HashMap<String, String> {
    let key = keys.iter().find(|(known, _)| known.as_str() == selector);
    tags(&key.unwrap().1.dns_value())
}

/// Whether each signature of a message holds, in the order in which they stand.
fn verified(keys: &[(Selector, PrivateKey)], raw: &[u8]) -> Vec<(String, bool)> {
    let parts = take_apart(raw);
    let signatures = parts
        .headers
        .iter()
        .filter(|(name, _)| *name == "DKIM-Signature");
    let verify = |(_, own): &(&str, &str)| {
        let tags = tags(own);
        assert_eq!((&tags["v"][..], &tags["d"][..]), ("1", "example.com"));
        assert_eq!(tags["c"], "relaxed/relaxed");
        assert_eq!(tags.get("l"), None, "the whole body is signed");
        let body_hash = Sha256::digest(relaxed_body(parts.body));
        let hash = Sha256::digest(signed_data(&parts, &tags, own));
        let (key, signature) = (published(keys, &tags["s"]), decoded(&tags["b"]));
        let key_bytes = decoded(&key["p"]);
        let holds = match (&tags["a"][..], &key["k"][..]) {
            ("rsa-sha256", "rsa") => {
                let key = RsaPublicKey::from_public_key_der(&key_bytes).unwrap();
                let scheme = Pkcs1v15Sign {
                    hash_len: Some(hash.len()),
                    prefix: SHA256_PREFIX.into(),
                };
                key.verify(scheme, &hash[..], &signature).is_ok()
            }
            // RFC 8463 §3: the hash is what is signed.
            ("ed25519-sha256", "ed25519") => {
                let key = VerifyingKey::from_bytes(key_bytes[..].try_into().unwrap()).unwrap();
                let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
                key.verify_strict(&hash[..], &signature).is_ok()
            }
            other => panic!("{other:?}"),
        };
        let same_body = decoded(&tags["bh"]) == body_hash[..];
        (tags["a"].clone(), holds && same_body)
    };
    signatures.map(verify).collect()
}

fn both(holds: bool) -> Vec<(String, bool)> {
    let algorithms = ["rsa-sha256", "ed25519-sha256"];
    algorithms.map(|name| (name.to_owned(), holds)).to_vec()
}

#[test]
fn another_implementation_finds_both_signatures_right() {
    let keys = keys();
    assert_eq!(verified(&keys, &signed(&keys)), both(true));
    // Of long headers, encoded words and a body with blank ends.
    let (from, to) = (sender(), ann());
    let name = "Ünïcode ".repeat(12);
    let odd = crate::mime::OutgoingMessage {
        subject: &"Grüße aus Köln, ".repeat(20),
        from: crate::mime::Mailbox {
            name: Some(&name),
            address: &from,
        },
        text: "Hello  Ann \t\n\n tabs\tand  spaces \n\n\n",
        html: None,
        ..message(&from, &to)
    };
    let signer = DomainSigner::new("example.com", &keys).unwrap();
    let now = DateTime::UNIX_EPOCH;
    let raw = signer.sign(&odd.build().unwrap(), now).unwrap();
    assert_eq!(verified(&keys, &raw), both(true));
}

#[test]
fn another_implementation_sees_what_was_changed() {
    let keys = keys();
    let raw = signed(&keys);
    for (from, to) in [
        ("Subject: Hello", "Subject: Hullo"),
        ("List-Unsubscribe=One-Click", "List-Unsubscribe=Two-Click"),
        ("Hello Ann", "Hello Bob"),
        (
            "MIME-Version: 1.0\r\n",
            "MIME-Version: 1.0\r\nFrom: eve@example.net\r\n",
        ),
    ] {
        assert_eq!(
            verified(&keys, &replaced(&raw, from, to)),
            both(false),
            "{to}"
        );
    }
    let folded = replaced(&raw, "Subject: Hello", "Subject:\r\n   Hello ");
    assert_eq!(verified(&keys, &folded), both(true), "folded by a relay");
}
