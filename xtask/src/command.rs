//! Running cargo and what it builds.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
};

use anyhow::{Context as _, bail, ensure};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_owned).unwrap_or(here)
}

/// The cargo that runs this task, in the root of the workspace.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command; what it prints is shown as it comes.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = status(command)?;
    ensure!(status.success(), "{} failed ({status})", shown(command));
    Ok(())
}

/// Runs a command and returns what it prints to standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{} cannot be run", shown(command)))?;
    if !output.status.success() {
        bail!(
            "{} failed ({}):\n{}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).context("the output is not UTF-8")
}

/// Whether cargo has the subcommand.
pub(crate) fn cargo_has(subcommand: &str) -> bool {
    cargo([subcommand, "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Builds `mauntic` for speed and runs one of its commands; its exit code becomes ours.
pub(crate) fn mauntic(subcommand: &str, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut command = cargo([
        "run",
        "--release",
        "--package",
        "mauntic-cli",
        "--bin",
        "mauntic",
    ]);
    command.args(["--", subcommand]).args(arguments);
    Ok(exit_code(status(&mut command)?))
}

/// Writes the OpenAPI document that the server serves to where it is kept under version control.
pub(crate) fn write_openapi() -> anyhow::Result<ExitCode> {
    let document = output(&mut cargo([
        "run",
        "--quiet",
        "--package",
        "mauntic-cli",
        "--bin",
        "mauntic",
        "--",
        "openapi",
    ]))?;
    let path = root().join("mauntic-server/openapi.json");
    fs::write(&path, document).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("wrote {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// The exit code of a command that we stood in for.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

pub(crate) fn status(command: &mut Command) -> anyhow::Result<ExitStatus> {
    command
        .status()
        .with_context(|| format!("{} cannot be run", shown(command)))
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut shown = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}
