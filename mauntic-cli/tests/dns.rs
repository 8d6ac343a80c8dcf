//! What is published for a sending domain, asked of a real DNS server that a test fills.
#![expect(clippy::unwrap_used, reason = "a test without its server cannot run")]

#[path = "support/installation.rs"]
#[expect(dead_code, reason = "no test here starts a server of ours")]
mod installation;

use std::{
    collections::HashMap,
    net::UdpSocket,
    process::Output,
    sync::{Arc, Mutex},
};

use installation::{Installation, argument};
use mauntic_core::storage::test_database::TestDatabase;
use serde_json::Value;

/// The data of records, by name and type (RFC 1035 §3.2.2).
type Zone = Arc<Mutex<HashMap<(String, u16), Vec<Vec<u8>>>>>;

const A: u16 = 1;
const MX: u16 = 15;
const TXT: u16 = 16;

fn txt(text: &str) -> Vec<u8> {
    let parts = text.as_bytes().chunks(255);
    parts
        .flat_map(|part| [&[u8::try_from(part.len()).unwrap()], part].concat())
        .collect()
}

/// Of preference and host: `10 mx.example.com`.
fn mx(text: &str) -> Vec<u8> {
    let (preference, host) = text.split_once(' ').unwrap();
    let mut data = preference.parse::<u16>().unwrap().to_be_bytes().to_vec();
    for label in host.split('.') {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend(label.as_bytes());
    }
    data.push(0);
    data
}

/// Puts records in place of those that are there.
fn publish(zone: &Zone, name: &str, kind: u16, records: Vec<Vec<u8>>) {
    let mut zone = zone.lock().unwrap();
    zone.insert((name.to_owned(), kind), records);
}

/// Answers questions from the zone (RFC 1035 §4.1), and says of other names that they do not exist.
fn serve(zone: Zone) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 1_500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&answer(&buffer[..length], &zone), client);
        }
    });
    port
}

fn answer(query: &[u8], zone: &Zone) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let question = &query[12..at + 5];
    let kind = [query[at + 1], query[at + 2]];
    let place = (labels.join("."), u16::from_be_bytes(kind));
    let records = zone.lock().unwrap().get(&place).cloned();
    let records = records.unwrap_or_default();
    // A response with recursion; without records, the name does not exist.
    let code = if records.is_empty() { 3 } else { 0 };
    let mut message = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0];
    message.extend([u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    message.extend(question);
    for data in &records {
        // The name of the question, its type, IN, a minute.
        message.extend([0xc0, 12, kind[0], kind[1], 0, 1, 0, 0, 0, 60]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }
    message
}

struct Asked {
    output: Output,
    result: Value,
}

fn ask(installation: &Installation, port: u16, arguments: &[&str]) -> Asked {
    let mut command = installation.command(arguments);
    let output = command
        .arg("--json")
        .env("MAUNTIC_DNS_SERVER", format!("127.0.0.1:{port}"))
        .output()
        .unwrap();
    let result = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Asked { output, result }
}

fn state(asked: &Asked, purpose: &str) -> String {
    let records = asked.result["records"].as_array().unwrap();
    let record = records
        .iter()
        .find(|check| check["record"]["purpose"] == purpose)
        .unwrap();
    record["state"].as_str().unwrap().to_owned()
}

#[test]
fn records_are_compared_with_what_is_published() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let zone = Zone::default();
    let port = serve(Arc::clone(&zone));
    installation.write(
        "mauntic.toml",
        "sending_ips = [\"9.9.9.9\"]\nbounce_host = \"mx.example.net\"\n",
    );
    let added = installation.result(&["domains", "add", "news.example.com"]);

    let check = ["domains", "check", "news.example.com"];
    let nothing = ask(&installation, port, &check);
    assert_eq!(nothing.output.status.code(), Some(4));
    for purpose in ["dkim", "spf", "dmarc", "return_path"] {
        assert_eq!(state(&nothing, purpose), "missing", "{purpose}");
    }

    // Who sends all the same is told that nobody can verify it, unless nothing leaves anyhow.
    let leave = "<p>Hi</p><a href=\"{{ unsubscribe_url }}\">Leave</a>";
    let body = installation.write("body.html", leave);
    let create = ["emails", "create", "News", "--subject", "Hi", "--html"];
    let from = [argument(&body), "--from", "me@news.example.com"];
    installation.result(&[&create[..], &from].concat());
    installation.result(&["segments", "create", "Nobody"]);
    let send = ["emails", "send", "News", "--segment", "Nobody"];
    let told = |asked: &Asked| String::from_utf8_lossy(&asked.output.stderr).into_owned();
    let unverified = "no key of news.example.com is published as it should be";
    let homeless = "the return path of news.example.com has no MX";
    let sent = told(&ask(&installation, port, &send));
    assert!(
        !sent.contains(unverified) && !sent.contains(homeless),
        "{sent}"
    );
    installation.result(&["transport", "set", "smtp://127.0.0.1:9"]);
    let sent = told(&ask(&installation, port, &send));
    assert!(
        sent.contains(unverified) && sent.contains(homeless),
        "{sent}"
    );

    for record in added["records"].as_array().unwrap() {
        let text = |name: &str| record[name].as_str().unwrap();
        match (text("kind"), text("purpose")) {
            // The policy of the domain above counts as well.
            (_, "dmarc") => {}
            ("MX", _) => publish(&zone, text("name"), MX, vec![mx(text("value"))]),
            _ => publish(&zone, text("name"), TXT, vec![txt(text("value"))]),
        }
    }
    publish(&zone, "mx.example.net", A, vec![vec![9, 9, 9, 10]]);
    let above = "_dmarc.example.com";
    publish(&zone, above, TXT, vec![txt("v=DMARC1; p=quarantine")]);
    let everything = ask(&installation, port, &check);
    let said = told(&everything);
    assert!(everything.output.status.success(), "{said}");
    for purpose in ["dkim", "spf", "dmarc", "return_path"] {
        assert_eq!(state(&everything, purpose), "ok", "{purpose}");
    }
    let sent = told(&ask(&installation, port, &send));
    assert!(
        !sent.contains(unverified) && !sent.contains(homeless),
        "{sent}"
    );
    let doctor = ask(&installation, port, &["doctor"]);
    let findings = doctor.result["findings"].to_string();
    assert!(findings.contains("all records are published"), "{findings}");

    publish(&zone, above, TXT, vec![txt("v=DMARC1; p=none; pct=50")]);
    let warned = ask(&installation, port, &check);
    assert!(warned.output.status.success());
    assert_eq!(state(&warned, "dmarc"), "warning");
}

#[test]
fn what_is_not_known_of_the_hosts_is_not_invented() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let zone = Zone::default();
    let port = serve(Arc::clone(&zone));
    let added = installation.result(&["domains", "add", "example.com"]);
    let of = |purpose: &str| {
        let mut records = added["records"].as_array().unwrap().iter();
        records.find(|record| record["purpose"] == purpose).unwrap()
    };
    for purpose in ["spf", "return_path"] {
        let record = of(purpose);
        assert!(record["value"].is_null(), "{record}");
        assert!(record["hint"].is_string(), "{record}");
    }
    let records = ["domains", "records", "example.com"];
    let shown = |installation: &Installation| {
        let output = installation.run(&records);
        String::from_utf8(output.stdout).unwrap()
    };
    installation.result(&["transport", "set", "smtp://smtp.example.net"]);
    let text = shown(&installation);
    assert!(text.contains("leaves through smtp.example.net"), "{text}");
    assert!(!text.contains("v=spf1"), "{text}");

    // What is there is looked at all the same, name by name.
    let nine = vec![txt("v=spf1 ip4:9.9.9.0/24")];
    publish(&zone, "_spf.example.net", TXT, nine);
    let path = "bounce.example.com";
    let check = ["domains", "check", "example.com"];
    for (policy, expected) in [
        ("v=spf1 -all", "wrong"),
        ("v=spf1 mx ~all", "wrong"),
        ("v=spf1 include:_spf.example.net -all", "unknown"),
    ] {
        publish(&zone, path, TXT, vec![txt(policy)]);
        assert_eq!(
            state(&ask(&installation, port, &check), "spf"),
            expected,
            "{policy}"
        );
    }
    publish(&zone, path, A, vec![vec![9, 9, 9, 9]]);
    assert_eq!(
        state(&ask(&installation, port, &check), "return_path"),
        "warning"
    );
    publish(&zone, path, MX, vec![mx("10 mx.example.org")]);
    assert_eq!(
        state(&ask(&installation, port, &check), "return_path"),
        "ok"
    );

    // With the settings there are values, and what is there is judged by them.
    installation.write(
        "mauntic.toml",
        "sending_ips = \"9.9.9.9, 9.9.8.0/24\"\nbounce_host = \"mx.example.net\"\n",
    );
    // The server is a provider's: where mail leaves from is not what the settings say.
    assert!(!shown(&installation).contains("v=spf1"));
    assert_eq!(state(&ask(&installation, port, &check), "spf"), "unknown");
    installation.result(&["transport", "set", "smtp://127.0.0.1:9"]);
    let text = shown(&installation);
    for line in [
        "bounce.example.com. IN TXT \"v=spf1 ip4:9.9.9.9 ip4:9.9.8.0/24 -all\"",
        "bounce.example.com. IN MX 10 mx.example.net.",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let judged = ask(&installation, port, &check);
    assert_eq!(
        (state(&judged, "spf"), state(&judged, "return_path")),
        ("wrong".to_owned(), "wrong".to_owned())
    );
    let detail = judged.result["records"].to_string();
    assert!(
        detail.contains("does not let ip4:9.9.8.0/24 send"),
        "{detail}"
    );
    let doctor = ask(&installation, port, &["doctor"]);
    let findings = doctor.result["findings"].to_string();
    assert!(
        findings.contains("MX bounce.example.com is wrong"),
        "{findings}"
    );
}

#[test]
fn hosts_that_nobody_can_reach_are_told() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    installation.write("mauntic.toml", "sending_ips = \"10.0.0.5\"\n");
    let output = installation.run(&["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("10.0.0.5 is not public"), "{said}");
    installation.write("mauntic.toml", "bounce_host = \"192.0.2.1\"\n");
    let refused = installation.run(&["domains", "list"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(
        said.contains("bounce_host") && said.contains("not a domain name"),
        "{said}"
    );
}

#[test]
fn a_dns_that_does_not_answer_says_nothing_about_the_domain() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    installation.result(&["domains", "add", "example.com"]);
    // Nobody listens at the port of a socket that is gone.
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let silent = ask(&installation, port, &["domains", "check", "example.com"]);
    let said = String::from_utf8_lossy(&silent.output.stderr);
    assert!(silent.output.status.success(), "{said}");
    assert_eq!(state(&silent, "dkim"), "unknown");
}
