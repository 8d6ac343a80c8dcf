//! What browsers load besides our own script: installed by npm as the lock file says, copied to where the server embeds it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::command;

/// What is copied, from the installed packages to its name in the folder.
const FILES: [(&str, &str); 2] = [
    ("htmx.org/dist/htmx.min.js", "htmx.js"),
    ("sortablejs/Sortable.min.js", "sortable.js"),
];

/// Installs and copies; says where to.
pub(crate) fn build() -> anyhow::Result<String> {
    let server = command::root().join("mauntic-server");
    install(&server)?;
    let folder = vendor();
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (from, to) in FILES {
        let from = server.join("node_modules").join(from);
        fs::copy(&from, folder.join(to)).with_context(|| from.display().to_string())?;
    }
    Ok(format!("{} files are in {}", FILES.len(), folder.display()))
}

/// Makes them if they are missing, and says so if that cannot be: everything works without them, with less comfort.
pub(crate) fn offer() {
    if FILES.iter().all(|(_, name)| vendor().join(name).is_file()) {
        return;
    }
    let missing = if has_npm() {
        match build() {
            Ok(_) => return,
            Err(error) => format!("{error:#}"),
        }
    } else {
        "Node.js (with npm) is not installed".to_owned()
    };
    eprintln!(
        "note: {missing}; the pages work without htmx, by plain links and forms. `cargo xtask assets` adds it later."
    );
}

/// Installs exactly what the lock file of the folder says; nothing of it is run.
pub(crate) fn install(folder: &Path) -> anyhow::Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        .stdout(Stdio::null())
        .current_dir(folder);
    command::run(&mut npm).context("Node.js with npm, and a way to its registry, are needed")
}

/// Whether npm can be called.
pub(crate) fn has_npm() -> bool {
    let asked = Command::new("npm").arg("--version").output();
    asked.is_ok_and(|output| output.status.success())
}

fn vendor() -> PathBuf {
    command::root().join("mauntic-server/assets/vendor")
}
