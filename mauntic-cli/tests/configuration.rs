//! What `mauntic.toml` says, and results of commands that write files.

#[path = "support/installation.rs"]
#[expect(dead_code, reason = "no test here starts a server of ours")]
mod installation;

use installation::{Installation, argument};
use mauntic_core::storage::test_database::TestDatabase;

#[test]
fn the_organisation_is_named_in_the_file_or_by_the_flag() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    for name in ["First", "Second"] {
        installation.result(&["org", "create", name]);
    }
    let list = ["contacts", "list"];
    assert_eq!(installation.run(&list).status.code(), Some(4), "which one?");
    installation.write("mauntic.toml", "org = \"second\"\n");
    installation.result(&["contacts", "create", "ann@example.com"]);
    let count = |arguments: &[&str]| {
        let listed = installation.result(arguments);
        listed["contacts"].as_array().unwrap().len()
    };
    assert_eq!(count(&list), 1);
    assert_eq!(count(&["--org", "first", "contacts", "list"]), 0);
    installation.write("mauntic.toml", "org = \"third\"\n");
    assert_eq!(installation.run(&list).status.code(), Some(3));
}

#[test]
fn a_file_that_is_wrong_is_invalid_input() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    for (text, why) in [
        ("max_connections = \"many\"\n", "max_connections"),
        ("lisen = \"127.0.0.1:1\"\n", "lisen"),
        ("this is no TOML\n", ""),
        ("secret = \"short\"\n", "secret"),
    ] {
        installation.write("mauntic.toml", text);
        let output = installation.run(&["contacts", "list"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{text}: {said}");
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn an_export_says_how_many_it_wrote_and_where() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    for address in ["ann@example.com", "bob@example.com"] {
        installation.result(&["contacts", "create", address]);
    }
    let quoted = ["contacts", "set", "ann@example.com", "lastname=Lee, \"Bo\""];
    installation.result(&quoted);
    let file = installation.file("people.csv");
    let result = installation.result(&["contacts", "export", "--output", argument(&file)]);
    assert_eq!(result["rows"], 2);
    assert_eq!(result["file"], argument(&file));
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("bob@example.com")
    );
    let nowhere = installation.run(&["contacts", "export", "--json"]);
    assert_eq!(nowhere.status.code(), Some(4));
    assert!(nowhere.stdout.is_empty());
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("--output FILE"));
    let plain = installation.run(&["contacts", "export"]);
    assert!(String::from_utf8_lossy(&plain.stdout).contains("ann@example.com"));
}
