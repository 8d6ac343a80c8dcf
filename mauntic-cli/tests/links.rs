//! Mail that leaves has links that its recipients can follow, or somebody is told.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/installation.rs"]
#[expect(dead_code, reason = "no test here starts a server of ours")]
mod installation;

use installation::{Installation, argument};
use mauntic_core::storage::test_database::TestDatabase;
use serde_json::Value;

/// What the doctor says of the links in mail, with that address of the server.
fn links(installation: &Installation, base_url: Option<&str>) -> Value {
    let mut doctor = installation.command(&["doctor", "--json"]);
    if let Some(url) = base_url {
        doctor.env("MAUNTIC_BASE_URL", url);
    }
    let said: Value = serde_json::from_slice(&doctor.output().unwrap().stdout).unwrap();
    let findings = said["findings"].as_array().unwrap().iter();
    let mut findings = findings.filter(|finding| finding["what"] == "links in mail");
    let found = findings.next().unwrap().clone();
    assert_eq!(findings.next(), None);
    found
}

#[test]
fn links_that_lead_nowhere_are_told_before_mail_leaves() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let body = "<p>Hi</p><a href=\"{{ unsubscribe_url }}\">Leave</a>";
    let body = installation.write("news.html", body);
    let from = "news@example.com";
    let create = [
        "emails",
        "create",
        "News",
        "--subject",
        "Hi",
        "--from",
        from,
        "--html",
    ];
    installation.result(&[&create[..], &[argument(&body)]].concat());
    installation.result(&["segments", "create", "All", "--where", "email is set"]);
    let send = ["emails", "send", "News", "--segment", "All"];
    let noted = |base_url: Option<&str>| {
        let mut send = installation.command(&send);
        if let Some(url) = base_url {
            send.env("MAUNTIC_BASE_URL", url);
        }
        let output = send.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said.contains("look at this: links in mails lead to http://127.0.0.1:8080,")
    };
    let captured = links(&installation, None);
    assert_eq!(captured["ok"], true, "{captured}");
    assert!(!noted(None), "captured mail reaches nobody");

    installation.result(&["transport", "set", "smtp://127.0.0.1:9"]);
    for url in [
        None,
        Some("http://mail.example.com"),
        Some("https://localhost:8443"),
    ] {
        let found = links(&installation, url);
        assert_eq!(found["ok"], false, "{found}");
        let advice = found["advice"].as_str().unwrap();
        assert!(
            advice.contains("set base_url to an https:// address"),
            "{found}"
        );
    }
    assert!(noted(None));
    let public = Some("https://mail.example.com");
    let found = links(&installation, public);
    assert_eq!(found["ok"], true, "{found}");
    assert!(!noted(public));
}
