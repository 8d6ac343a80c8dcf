//! Where settings come from, and how a file comes in: what is said on the command line counts before all.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/installation.rs"]
#[expect(dead_code, reason = "no test here starts a server of ours")]
mod installation;

use std::{io::Write as _, path::Path, process::Stdio};

use installation::{Installation, argument};
use mauntic_core::storage::test_database::TestDatabase;
use serde_json::json;

/// The folders in which a database was made, after a command with these variables and arguments.
fn made(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Vec<&'static str> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mauntic"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("MAUNTIC_") || name == "DATABASE_URL" {
            command.env_remove(&*name);
        }
    }
    let output = command
        .envs(variables.iter().copied())
        .arg("migrate")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let names = ["mauntic-data", "of-file", "of-environment", "of-flag"];
    let there = names.into_iter().filter(|name| folder.join(name).exists());
    there.collect()
}

#[test]
fn a_flag_counts_before_the_environment_and_that_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(made(folder, &[], &[]), ["mauntic-data"]);
    std::fs::write(folder.join("mauntic.toml"), "data = \"of-file\"\n").unwrap();
    let mut expected = vec!["mauntic-data", "of-file"];
    assert_eq!(made(folder, &[], &[]), expected);
    let variables = [("MAUNTIC_DATA", "of-environment")];
    expected.push("of-environment");
    assert_eq!(made(folder, &variables, &[]), expected);
    std::fs::remove_dir_all(folder.join("of-file")).unwrap();
    std::fs::remove_dir_all(folder.join("of-environment")).unwrap();
    assert_eq!(
        made(folder, &variables, &["--data", "of-flag"]),
        ["mauntic-data", "of-flag"]
    );
}

#[test]
fn a_list_comes_in_by_standard_input_in_the_encoding_that_is_said() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let arguments = [
        "contacts",
        "import",
        "-",
        "--encoding",
        "windows-1252",
        "--json",
    ];
    let mut child = installation
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // It is UTF-8, which would be recognised.
    let file = "email,firstname\nann@example.com,Zo\u{eb}\n";
    input.write_all(file.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&result["created"], &result["failed"]),
        (&json!(1), &json!(0))
    );
    let shown = installation.result(&["contacts", "show", "ann@example.com"]);
    assert_eq!(shown["fields"]["firstname"], "Zo\u{c3}\u{ab}");
    let file = installation.write("again.csv", file);
    installation.result(&["contacts", "import", argument(&file)]);
    let shown = installation.result(&["contacts", "show", "ann@example.com"]);
    assert_eq!(shown["fields"]["firstname"], "Zo\u{eb}");
}

#[test]
fn the_help_of_a_list_names_every_order() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let help = installation.run(&["contacts", "list", "--help"]).stdout;
    let help = String::from_utf8_lossy(&help).into_owned();
    let orders = ["created_at", "updated_at", "name", "email", "last_active"];
    let line = help.lines().find(|line| line.contains("--sort"));
    let line = line.unwrap_or_default();
    for order in orders {
        assert!(line.contains(order), "{order} is not in {line}");
        installation.result(&["contacts", "list", "--sort", order]);
    }
}
