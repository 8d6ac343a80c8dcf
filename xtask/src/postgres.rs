//! A PostgreSQL server for the tests: a new one for each run, never as root, gone afterwards.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::command;

/// The variable in which tests look for a server.
pub(crate) const VARIABLE: &str = "MAUNTIC_TEST_POSTGRES";
const OLDEST: u32 = 15;
const GUARD: &str = include_str!("postgres.sh");

/// A running server. Dropping this stops it and removes its data.
pub(crate) struct TestServer {
    guard: Child,
    url: String,
}

impl TestServer {
    /// Starts one with the newest PostgreSQL that is installed.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let programs = find_programs()?;
        let port = free_port()?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", GUARD, "postgres.sh"])
            .arg(&programs)
            .arg(port.to_string());
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Where we are, the user below may not be allowed to look.
        shell.current_dir("/");
        // A Ctrl-C is for us alone: the guard ends when we have ended.
        shell.process_group(0);
        if let Some((user, group)) = unprivileged_user()? {
            shell.uid(user).gid(group);
        }
        let mut guard = shell.spawn().context("sh cannot be run")?;
        let mut line = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let server = Self {
            guard,
            url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
        };
        ensure!(
            line.trim() == "ready",
            "PostgreSQL of {} does not start",
            programs.display()
        );
        Ok(server)
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("the PostgreSQL server may be left behind: {error}");
        }
    }
}

/// Runs the command with a server of its own, or keeps the server until Ctrl-C.
pub(crate) fn around(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let server = TestServer::start()?;
    let Some((program, arguments)) = arguments.split_first() else {
        println!("export {VARIABLE}={}", server.url());
        eprintln!("press Ctrl-C to stop the server");
        loop {
            thread::sleep(Duration::from_hours(1));
        }
    };
    let mut program = Command::new(program);
    program.args(arguments).env(VARIABLE, server.url());
    command::status(&mut program).map(command::exit_code)
}

/// The folder with the programs of the newest PostgreSQL.
fn find_programs() -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&path).chain(debian_folders());
    let newest = installed
        .filter(|folder| folder.join("initdb").is_file())
        // A link in the search path may not have its siblings beside it.
        .filter_map(|folder| {
            folder
                .join("initdb")
                .canonicalize()
                .ok()?
                .parent()
                .map(Path::to_owned)
        })
        .filter(|folder| folder.join("postgres").is_file() && folder.join("pg_isready").is_file())
        .filter_map(|folder| Some((major_version(&folder)?, folder)))
        .max();
    match newest {
        Some((OLDEST.., folder)) => Ok(folder),
        Some((old, _)) => bail!(
            "PostgreSQL {old} is installed, but {OLDEST} or newer is needed: {}",
            how_to_install()
        ),
        None => bail!("PostgreSQL is not installed: {}", how_to_install()),
    }
}

fn how_to_install() -> String {
    format!(
        "install its server ({OLDEST} or newer) with `apt-get install postgresql`, `dnf install postgresql-server` \
         or `brew install postgresql@17`, or put the URL of a server whose databases the tests may fill into {VARIABLE}"
    )
}

fn debian_folders() -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect()
}

fn major_version(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", or "17rc1"
    let version = text.split_whitespace().nth(2)?;
    version
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// Whom the server must run as, if we are root: PostgreSQL refuses that.
fn unprivileged_user() -> anyhow::Result<Option<(u32, u32)>> {
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Ok(user), Ok(group)) = (id(&["-u", name]), id(&["-g", name])) {
            return Ok(Some((user, group)));
        }
    }
    bail!("PostgreSQL does not run as root, and there is no user postgres")
}

fn id(arguments: &[&str]) -> anyhow::Result<u32> {
    let number = command::output(Command::new("id").args(arguments))?;
    number.trim().parse().context("id does not print a number")
}
