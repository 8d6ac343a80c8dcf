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

type Zone = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// Answers questions for TXT records from the zone (RFC 1035 §4.1), and says of other names that they do not exist.
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
    let texts = zone.lock().unwrap().get(&labels.join(".")).cloned();
    let texts = texts.unwrap_or_default();
    // A response with recursion; without records, the name does not exist.
    let code = if texts.is_empty() { 3 } else { 0 };
    let mut message = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0];
    message.extend([u8::try_from(texts.len()).unwrap(), 0, 0, 0, 0]);
    message.extend(question);
    for text in &texts {
        let data: Vec<u8> = text
            .as_bytes()
            .chunks(255)
            .flat_map(|part| [&[u8::try_from(part.len()).unwrap()], part].concat())
            .collect();
        // The name of the question, TXT, IN, a minute.
        message.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
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
    let added = installation.result(&["domains", "add", "news.example.com"]);

    let check = ["domains", "check", "news.example.com"];
    let nothing = ask(&installation, port, &check);
    assert_eq!(nothing.output.status.code(), Some(4));
    assert_eq!(state(&nothing, "dkim"), "missing");
    assert_eq!(state(&nothing, "dmarc"), "missing");

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
    assert!(!told(&ask(&installation, port, &send)).contains(unverified));
    installation.result(&["transport", "set", "smtp://127.0.0.1:9"]);
    let sent = told(&ask(&installation, port, &send));
    assert!(sent.contains(unverified), "{sent}");

    for record in added["records"].as_array().unwrap() {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        if record["kind"] == "TXT" && record["purpose"] != "dmarc" {
            let mut zone = zone.lock().unwrap();
            zone.entry(text("name")).or_default().push(text("value"));
        }
    }
    // The policy of the domain above counts as well.
    let policy = vec!["v=DMARC1; p=quarantine".to_owned()];
    let above = "_dmarc.example.com".to_owned();
    zone.lock().unwrap().insert(above.clone(), policy);
    let everything = ask(&installation, port, &check);
    let said = String::from_utf8_lossy(&everything.output.stderr);
    assert!(everything.output.status.success(), "{said}");
    for purpose in ["dkim", "spf", "dmarc"] {
        assert_eq!(state(&everything, purpose), "ok", "{purpose}");
    }
    let sent = told(&ask(&installation, port, &send));
    assert!(!sent.contains(unverified), "{sent}");
    let doctor = ask(&installation, port, &["doctor"]);
    let findings = doctor.result["findings"].to_string();
    assert!(findings.contains("all records are published"), "{findings}");

    let old = vec!["v=DMARC1; p=none; pct=50".to_owned()];
    zone.lock().unwrap().insert(above, old);
    let warned = ask(&installation, port, &check);
    assert!(warned.output.status.success());
    assert_eq!(state(&warned, "dmarc"), "warning");
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
