//! What scripts rely on: the results of commands as JSON, their exit codes, lists in parts, completions and man pages.

#[path = "support/installation.rs"]
mod installation;

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use installation::{Installation, argument};
use mauntic_core::storage::{DbTarget, test_database::TestDatabase};
use serde_json::{Value, json};

const BODY: &str = r#"<p>Dear {{ contact.firstname | default("friend", true) }},</p>
<p><a href="https://shop.example/offer">Our offer</a></p>
<p><a href="{{ unsubscribe_url }}">No more of this</a></p>"#;

/// The parts of an object that are named.
fn only(result: &Value, names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| {
            let value = result.get(*name);
            let value = value.unwrap_or_else(|| panic!("no {name} in {result}"));
            ((*name).to_owned(), value.clone())
        })
        .collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Four people, three of them in Germany, in the segment `Germans`, and an email for them.
fn prepare(installation: &Installation) {
    let people = "email,firstname,country\na@example.com,Ann,DE\nb@example.com,Bob,DE\nc@example.com,Cy,FR\nd@example.com,Dee,DE\n";
    let people = installation.write("people.csv", people);
    installation.result(&["contacts", "import", argument(&people)]);
    installation.result(&[
        "segments",
        "create",
        "Germans",
        "--where",
        "country = \"DE\"",
    ]);
    let body = installation.write("offer.html", BODY);
    let arguments = [
        "emails",
        "create",
        "Offer",
        "--subject",
        "An offer",
        "--html",
    ];
    installation.result(&[&arguments[..], &[argument(&body)]].concat());
}

#[test]
fn an_import_says_what_became_of_the_rows() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let file = installation.write(
        "people.csv",
        "email,firstname\na@example.com,Ann\nnobody,Bob\n",
    );
    let import = ["contacts", "import", argument(&file)];
    let names = ["rows", "created", "updated", "unchanged", "failed", "state"];
    let first = installation.result(&import);
    assert_eq!(
        only(&first, &names),
        json!({"rows": 2, "created": 1, "updated": 0, "unchanged": 0, "failed": 1, "state": "completed"})
    );
    assert!(first["seconds"].is_f64(), "{first}");
    std::fs::write(&file, "email,firstname\na@example.com,Ann\n").unwrap();
    assert_eq!(installation.result(&import)["unchanged"], 1);
    // A heading that looks like a value is one if that is said.
    let odd = installation.write("odd.csv", "b@example.com,firstname\nc@example.com,Cy\n");
    let arguments = ["contacts", "import", argument(&odd), "--map", "1=email"];
    let headed = installation.result(&[&arguments[..], &["--header"]].concat());
    assert_eq!(headed["rows"], 1);
    let headless = installation.result(&[&arguments[..], &["--no-header"]].concat());
    assert_eq!(headless["rows"], 2);
}

#[test]
fn a_rebuild_says_who_came_and_went() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    prepare(&installation);
    let names = ["members", "added", "removed"];
    let rebuilt = installation.result(&["segments", "rebuild", "Germans"]);
    assert_eq!(rebuilt["members"], 3);
    installation.result(&["contacts", "set", "a@example.com", "country=FR"]);
    installation.result(&["contacts", "set", "c@example.com", "country=DE"]);
    installation.result(&["contacts", "create", "e@example.com", "--set", "country=DE"]);
    let rebuilt = installation.result(&["segments", "rebuild", "Germans"]);
    assert_eq!(
        only(&rebuilt, &names),
        json!({"members": 4, "added": 2, "removed": 1})
    );
    assert!(rebuilt["seconds"].is_f64(), "{rebuilt}");
    let all = installation.result(&["segments", "rebuild"]);
    assert_eq!(all["segments"], 1);
}

#[test]
fn a_send_says_what_became_of_everybody() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    prepare(&installation);
    installation.result(&["contacts", "block", "b@example.com"]);
    let sent = installation.result(&["emails", "send", "Offer", "--segment", "Germans", "--wait"]);
    let names = [
        "planned", "skipped", "accepted", "refused", "deferred", "unknown",
    ];
    let counts = json!({
        "planned": 2, "skipped": 1, "accepted": 2, "refused": 0, "deferred": 0, "unknown": 0,
    });
    assert_eq!(only(&sent, &names), counts);
    assert_eq!(sent["state"], "completed");
    let status = installation.result(&["emails", "status", "Offer"]);
    assert_eq!(only(&status, &names), counts);
    for result in [&sent, &status] {
        for name in ["opened", "clicked", "unsubscribed"] {
            assert_eq!(result[name], json!({"human": 0, "machine": 0}), "{result}");
        }
    }
    let timeline = installation.result(&["contacts", "timeline", "a@example.com"]);
    let entry = &timeline["timeline"][0];
    assert_eq!(
        only(entry, &["kind", "state", "email"]),
        json!({"kind": "delivery", "state": "accepted", "email": "Offer"})
    );
    let skipped = installation.result(&["contacts", "timeline", "c@example.com"]);
    assert_eq!(skipped, json!({"timeline": [], "next": null}));
}

#[test]
fn a_demo_ends_with_a_summary() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let summary = installation.result(&["demo", "--exit", "--contacts", "200"]);
    let names = ["rows", "created", "updated", "unchanged", "failed"];
    let import = &summary["import"];
    let of = |part: &Value, name: &str| {
        let number = part[name].as_u64();
        number.unwrap_or_else(|| panic!("no {name} in {part}"))
    };
    let [rows, created, updated, unchanged, failed] = names.map(|name| of(import, name));
    assert_eq!(rows, 200, "{summary}");
    assert!(created > 100 && updated == 0 && unchanged == 0, "{import}");
    assert_eq!(
        created + failed + of(import, "duplicates"),
        rows,
        "{import}"
    );
    assert!(import["seconds"].is_f64(), "{import}");

    let segment = &summary["segment"];
    let members = of(segment, "members");
    assert!(members > 0 && members < 200, "{summary}");
    assert!(of(segment, "added") <= members, "{segment}");
    assert_eq!(of(segment, "removed"), 0, "{segment}");
    assert!(segment["seconds"].is_f64(), "{segment}");

    let send = &summary["send"];
    let counts = [
        "planned", "skipped", "accepted", "refused", "deferred", "unknown",
    ];
    let [planned, skipped, accepted, refused, deferred, unknown] =
        counts.map(|name| of(send, name));
    assert_eq!(planned + skipped, members, "{send}");
    assert_eq!((accepted + refused, deferred, unknown), (planned, 0, 0));
    assert_eq!(of(send, "bounced"), refused, "{send}");
    for name in ["opened", "clicked", "unsubscribed"] {
        for side in ["human", "machine"] {
            assert!(send[name][side].is_u64(), "{name} by {side} in {send}");
        }
    }
    let (opened, clicked) = (of(&send["opened"], "human"), of(&send["clicked"], "human"));
    assert!(
        opened > 0 && opened <= accepted && clicked <= opened,
        "{send}"
    );
}

#[test]
fn owners_and_stages_are_given_by_name() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let user = [
        "user",
        "create",
        "boss@acme.example",
        "--name",
        "Boss",
        "--no-password",
    ];
    installation.result(&user);
    let boss = installation.result(&["user", "list"])["members"][0]["user_id"].clone();
    let names = ["owner_id", "stage", "points"];
    let create = [
        "contacts",
        "create",
        "ann@example.com",
        "--owner",
        "BOSS@acme.example",
        "--stage",
        "lead",
        "--set",
        "points=3",
    ];
    assert_eq!(
        only(&installation.result(&create), &names),
        json!({"owner_id": boss, "stage": "lead", "points": 3})
    );
    let set = [
        "contacts",
        "set",
        "ann@example.com",
        "--owner",
        "",
        "--stage",
        "won",
    ];
    assert_eq!(
        only(&installation.result(&set), &names),
        json!({"owner_id": null, "stage": "won", "points": 3})
    );
    let bulk = [
        "bulk",
        "start",
        "--all",
        "--yes",
        "--owner",
        boss.as_str().unwrap(),
    ];
    assert_eq!(installation.result(&bulk)["done"], 1);
    let bulk = ["bulk", "start", "--all", "--yes", "--stage", ""];
    assert_eq!(installation.result(&bulk)["done"], 1);
    let ann = installation.result(&["contacts", "show", "ann@example.com"]);
    assert_eq!(
        only(&ann, &names),
        json!({"owner_id": boss, "stage": null, "points": 3})
    );
    let file = installation.write("people.csv", "email\nbob@example.com\n");
    let import = [
        "contacts",
        "import",
        argument(&file),
        "--owner",
        "boss@acme.example",
    ];
    installation.result(&import);
    let bob = installation.result(&["contacts", "show", "bob@example.com"]);
    assert_eq!(bob["owner_id"], boss);
    let segment = [
        "segments",
        "preview",
        "--where",
        "owner = \"boss@acme.example\"",
    ];
    assert_eq!(installation.result(&segment)["count"], 2);
    let stranger = installation.run(&[
        "contacts",
        "set",
        "ann@example.com",
        "--owner",
        "x@acme.example",
    ]);
    assert_eq!(stranger.status.code(), Some(3), "{}", said(&stranger));
}

#[test]
fn a_long_list_says_that_there_is_more() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    prepare(&installation);
    let lists: [(&[&str], &str); 3] = [
        (&["contacts", "list"], "contacts"),
        (
            &["contacts", "list", "--sort", "email", "--descending"],
            "contacts",
        ),
        (&["segments", "members", "Germans"], "members"),
    ];
    for (list, name) in lists {
        let all = installation.result(&[list, &["--all"]].concat());
        assert_eq!(all["next"], Value::Null);
        let mut parts = Vec::new();
        let mut after = None::<String>;
        loop {
            let more = after.as_ref().map(|after| ["--after", after]);
            let more = more.as_ref().map_or(&[][..], |more| &more[..]);
            let arguments = [list, &["--limit", "2"], more].concat();
            let part = installation.result(&arguments);
            parts.extend(part[name].as_array().unwrap().clone());
            let said = said(&installation.run(&arguments));
            after = part["next"].as_str().map(str::to_owned);
            match &after {
                None => {
                    assert!(!said.contains("--after"), "{said}");
                    break;
                }
                Some(after) => assert!(said.contains(&format!("--after {after}")), "{said}"),
            }
        }
        assert_eq!(json!(parts), all[name]);
        assert!(parts.len() > 2);
    }
    let other_order = installation.result(&["contacts", "list", "--limit", "1"]);
    let next = other_order["next"].as_str().unwrap();
    let mixed = installation.run(&["contacts", "list", "--sort", "email", "--after", next]);
    assert_eq!(mixed.status.code(), Some(4), "{}", said(&mixed));
    for list in [
        &["sends", "list"][..],
        &["emails", "list"],
        &["segments", "list"],
        &["imports", "list"],
        &["bulk", "list"],
        &["inbox", "list"],
        &["suppressions", "list"],
        &["suppressions", "left-lists"],
        &["tags", "list"],
        &["user", "list"],
        &["token", "list"],
        &["org", "list"],
        &["org", "erased"],
        &["audit"],
    ] {
        let result = installation.result(&[list, &["--limit", "100"]].concat());
        assert_eq!(result["next"], Value::Null, "{list:?}");
    }
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let code = |arguments: &[&str]| {
        let output = installation.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.status.code().unwrap();
        assert!(code == 0 || text.is_empty(), "{arguments:?} printed {text}");
        assert!(
            code == 0 || !output.stderr.is_empty(),
            "{arguments:?} said nothing"
        );
        code
    };
    let create = ["contacts", "create", "ann@example.com"];
    assert_eq!(code(&create), 0);
    assert_eq!(code(&["contacts", "create", "no address"]), 2);
    assert_eq!(code(&["contacts", "list", "--no-such-flag"]), 2);
    assert_eq!(code(&["contacts", "show", "nobody@example.com"]), 3);
    assert_eq!(
        code(&["contacts", "set", "ann@example.com", "country=Atlantis"]),
        4
    );
    assert_eq!(
        code(&["contacts", "delete", "ann@example.com"]),
        4,
        "nobody can be asked"
    );
    assert_eq!(code(&create), 5);
    installation.result(&["org", "create", "Closing"]);
    installation.result(&["--org", "closing", "org", "delete", "closing", "--yes"]);
    let closing = ["--org", "closing", "contacts", "create", "bob@example.com"];
    assert_eq!(code(&closing), 6);
    let broken = Installation::on(&DbTarget::Sqlite("/dev/null/data".into()));
    let failed = broken.run(&["contacts", "list", "--json"]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    let object = said(&failed);
    let object: Value = serde_json::from_str(object.lines().last().unwrap()).unwrap();
    assert!(object["error"].is_string(), "{object}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_command_says_how_to_go_on() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    prepare(&installation);
    let send = installation.result(&["emails", "send", "Offer", "--segment", "Germans"]);
    let id = send["send_id"].as_str().unwrap();
    let mut waits = installation.start("wait", &["sends", "wait", id, "--no-workers"]);
    let process = waits.0.id().to_string();
    // It catches the signal once it waits.
    let status = format!("/proc/{process}/status");
    let began = Instant::now();
    loop {
        let status = std::fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        if caught & (1 << 1) != 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "it does not wait");
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent = Command::new("kill").args(["-INT", &process]).status();
    assert!(sent.unwrap().success());
    assert_eq!(waits.0.wait().unwrap().code(), Some(130));
    let log = std::fs::read_to_string(installation.file("wait.log")).unwrap();
    assert!(log.contains(&format!("mauntic sends wait {id}")), "{log}");
}

#[test]
fn shells_and_man_know_the_commands() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    for (shell, sign) in [
        ("bash", "_mauntic"),
        ("zsh", "#compdef mauntic"),
        ("fish", "complete -c mauntic"),
    ] {
        let output = installation.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let script = String::from_utf8(output.stdout).unwrap();
        for part in [sign, "timeline", "--no-header"] {
            let part = if shell == "fish" {
                part.trim_start_matches("--")
            } else {
                part
            };
            assert!(script.contains(part), "{part} for {shell}");
        }
    }
    let folder = installation.file("man");
    let made = installation.result(&["man", argument(&folder)]);
    assert_eq!(made["folder"], argument(&folder));
    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(page("mauntic.1").contains("interrupted; the message says how to go on"));
    let import = page("mauntic-contacts-import.1");
    assert!(
        import.contains("CSV") && import.contains(r"\-\-no\-header"),
        "{import}"
    );
}
