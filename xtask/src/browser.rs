//! `cargo xtask browser`: the main journeys in a headless Chromium.

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, ensure};

use crate::{assets, command, workspace::Workspace};

/// Names of Chromium, where distributions disagree.
const CHROMIUM: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];

/// Runs them on a debug build; `arguments` go to Node's test runner.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let chromium = chromium().context(
        "no Chromium is installed (apt-get install chromium), or $CHROMIUM does not name it",
    )?;
    ensure!(
        assets::has_npm(),
        "Node.js 20 or newer with npm is not installed"
    );
    let tests = command::root().join("mauntic-server/tests/browser");
    assets::install(&tests)?;
    assets::build()?;
    command::run(&mut command::cargo([
        "build",
        "--locked",
        "--package",
        "mauntic-cli",
        "--all-features",
    ]))?;
    let mut node = Command::new("node");
    node.arg("--test")
        .arg("--test-reporter=spec")
        .args(arguments)
        .arg(tests.join("journeys.test.mjs"))
        .env("CHROMIUM", chromium)
        .env("MAUNTIC", Workspace::load()?.built("mauntic"))
        .current_dir(tests);
    Ok(command::exit_code(command::status(&mut node)?))
}

fn chromium() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Some(PathBuf::from(named));
    }
    let path = env::var_os("PATH")?;
    let folders: Vec<_> = env::split_paths(&path).collect();
    CHROMIUM
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}
