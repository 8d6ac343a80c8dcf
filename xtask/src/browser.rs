//! `cargo xtask browser`: the main journeys in a headless Chromium.

use std::{
    env, fs,
    path::{Path, PathBuf},
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
/// What the names of files of journeys end in.
const JOURNEYS: &str = ".test.mjs";

/// Makes them on a debug build. Arguments name files of journeys, such as `emails`, to make no others; options go to
/// Node's test runner.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let chromium = chromium().context(
        "no Chromium is installed (apt-get install chromium), or $CHROMIUM does not name it",
    )?;
    ensure!(
        assets::has_npm(),
        "Node.js 20 or newer with npm is not installed"
    );
    let folder = command::root().join("mauntic-server/tests/browser");
    let (options, names): (Vec<_>, Vec<_>) = arguments
        .iter()
        .map(String::as_str)
        .partition(|argument| argument.starts_with('-'));
    let journeys = journeys(&folder, &names)?;
    assets::install(&folder)?;
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
        .args(options)
        .args(journeys)
        .env("CHROMIUM", chromium)
        .env("MAUNTIC", Workspace::load()?.built("mauntic"))
        .current_dir(folder);
    Ok(command::exit_code(command::status(&mut node)?))
}

/// The files of the journeys that are named, or of all.
fn journeys(folder: &Path, names: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        found.extend(entry?.file_name().into_string().ok());
    }
    found.retain(|file| file.ends_with(JOURNEYS));
    found.sort();
    for name in names {
        ensure!(
            found.contains(&format!("{name}{JOURNEYS}")),
            "there are no journeys called {name}: there are {}",
            found.join(", ").replace(JOURNEYS, "")
        );
    }
    found.retain(|file| {
        names.is_empty()
            || names
                .iter()
                .any(|name| file.strip_suffix(JOURNEYS) == Some(name))
    });
    Ok(found)
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
