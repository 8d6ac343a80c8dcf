//! `cargo xtask test`: everything that a machine can check, the quick things first.

use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;

use crate::{
    arrows, command, dependencies, features, hygiene, policy, postgres, workspace::Workspace,
};

/// How to run the checks.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Run only this step (may be given several times)
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Leave this step out (may be given several times)
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Go on after a failure, and fail at the end
    #[arg(long)]
    keep_going: bool,
    /// Print the steps and what they do, and run none
    #[arg(long)]
    list: bool,
}

/// One thing that is checked.
struct Step {
    name: &'static str,
    about: &'static str,
    /// Returns what is worth saying about a success, which may be nothing.
    run: fn() -> anyhow::Result<String>,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        about: "rustfmt has nothing to change",
        run: format,
    },
    Step {
        name: "hygiene",
        about: "no unfinished work, no path of one machine",
        run: hygiene::check,
    },
    Step {
        name: "arrows",
        about: "cli → server → contexts → core",
        run: arrows::check,
    },
    Step {
        name: "unused",
        about: "no dependency is declared for nothing",
        run: dependencies::check,
    },
    Step {
        name: "policy",
        about: "licences, banned crates and sources as in deny.toml",
        run: policy::check,
    },
    Step {
        name: "clippy",
        about: "no warning in any target with all features",
        run: clippy,
    },
    Step {
        name: "features",
        about: "each library with no feature, each feature, and all",
        run: features::check,
    },
    Step {
        name: "docs",
        about: "the documentation builds without a warning",
        run: docs,
    },
    Step {
        name: "doctests",
        about: "the code in the documentation runs",
        run: doctests,
    },
    Step {
        name: "tests",
        about: "all tests, on SQLite and on PostgreSQL",
        run: tests,
    },
    Step {
        name: "server",
        about: "the tests of the server, which ran on SQLite, on PostgreSQL too, but for its tables of use cases",
        run: server,
    },
    Step {
        name: "examples",
        about: "each example runs to its end",
        run: examples,
    },
    Step {
        name: "demo",
        about: "the main job on embedded SQLite",
        run: demo,
    },
];

/// Runs the steps and says how each ended.
pub(crate) fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let steps = chosen(args)?;
    if args.list {
        for step in steps {
            println!("{:<10} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut ended = Vec::new();
    for step in steps {
        println!("==> {}: {}", step.name, step.about);
        let start = Instant::now();
        let result = (step.run)();
        let failed = result.is_err();
        match result {
            Ok(said) if said.is_empty() => {}
            Ok(said) => println!("{said}"),
            Err(error) => println!("{error:#}"),
        }
        ended.push(Ended {
            name: step.name,
            failed,
            took: start.elapsed(),
        });
        if failed && !args.keep_going {
            break;
        }
    }
    Ok(summarise(&ended))
}

fn chosen(args: &TestArgs) -> anyhow::Result<Vec<&'static Step>> {
    for name in args.only.iter().chain(&args.skip) {
        if !STEPS.iter().any(|step| step.name == name) {
            bail!("there is no step {name}; `cargo xtask test --list` prints all");
        }
    }
    let is = |names: &[String], step: &Step| names.iter().any(|name| name == step.name);
    let wanted =
        |step: &&Step| (args.only.is_empty() || is(&args.only, step)) && !is(&args.skip, step);
    Ok(STEPS.iter().filter(wanted).collect())
}

/// How a step went.
struct Ended {
    name: &'static str,
    failed: bool,
    took: Duration,
}

fn summarise(ended: &[Ended]) -> ExitCode {
    println!("==> summary");
    for step in ended {
        let word = if step.failed { "FAILED" } else { "ok" };
        println!(
            "{:<10} {word:<6} {:>7.1} s",
            step.name,
            step.took.as_secs_f64()
        );
    }
    let failed = ended.iter().filter(|step| step.failed).count();
    println!("steps: {} passed, {failed} failed", ended.len() - failed);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn quietly(command: &mut Command) -> anyhow::Result<String> {
    command::run(command).map(|()| String::new())
}

fn format() -> anyhow::Result<String> {
    quietly(&mut command::cargo(["fmt", "--all", "--check"]))
}

/// Twice, because a test may unwrap, and so may what only tests use: clippy sees by itself only `#[test]` functions.
fn clippy() -> anyhow::Result<String> {
    let workspace = ["clippy", "--locked", "--workspace", "--all-features"];
    let mut programs = command::cargo(workspace);
    command::run(programs.args(["--lib", "--bins", "--", "-D", "warnings"]))?;
    let mut tests = command::cargo(workspace);
    tests.args([
        "--all-targets",
        "--",
        "-D",
        "warnings",
        "-A",
        "clippy::unwrap_used",
    ]);
    quietly(&mut tests)
}

fn docs() -> anyhow::Result<String> {
    let mut cargo = command::cargo([
        "doc",
        "--locked",
        "--no-deps",
        "--workspace",
        "--all-features",
    ]);
    quietly(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}

fn doctests() -> anyhow::Result<String> {
    quietly(&mut command::cargo([
        "test",
        "--locked",
        "--doc",
        "--workspace",
        "--all-features",
    ]))
}

fn tests() -> anyhow::Result<String> {
    let all: &[&str] = if has_nextest() {
        &[]
    } else {
        &["--all-targets"]
    };
    run_tests(all, |_| {})
}

fn has_nextest() -> bool {
    command::cargo_has("nextest")
}

/// But for the tables of use cases: who may call what is decided before a database is asked, and they make hundreds.
fn server() -> anyhow::Result<String> {
    let targets: &[&str] = if has_nextest() {
        &["--test", "http", "-E", "not test(/^access::/)"]
    } else {
        &["--test", "http", "--", "--skip", "access::"]
    };
    run_tests(targets, |cargo| {
        cargo.env("MAUNTIC_TEST_ON", "postgres");
    })
}

fn run_tests(targets: &[&str], set: impl Fn(&mut Command)) -> anyhow::Result<String> {
    let runner: &[&str] = if has_nextest() {
        &["nextest", "run"]
    } else {
        &["test"]
    };
    let mut cargo = command::cargo(runner.iter().copied());
    cargo.args([
        "--locked",
        "--workspace",
        "--all-features",
        "--no-fail-fast",
    ]);
    cargo.args(targets);
    set(&mut cargo);
    if std::env::var_os(postgres::VARIABLE).is_some() {
        return quietly(&mut cargo);
    }
    let server = postgres::TestServer::start()?;
    quietly(cargo.env(postgres::VARIABLE, server.url()))
}

fn examples() -> anyhow::Result<String> {
    let workspace = build()?;
    let names = workspace.programs("mauntic-examples");
    for name in &names {
        println!("--> {name}");
        command::run(&mut Command::new(workspace.built(name)))?;
    }
    Ok(format!("{} examples ran to their end", names.len()))
}

fn demo() -> anyhow::Result<String> {
    let workspace = build()?;
    let mut mauntic = Command::new(workspace.built("mauntic"));
    quietly(mauntic.args(["demo", "--contacts", "2000", "--exit"]))
}

/// Builds the programs just as the tests were built: with fewer targets cargo would choose other features, and
/// compile most of it again.
fn build() -> anyhow::Result<Workspace> {
    command::run(&mut command::cargo([
        "build",
        "--locked",
        "--workspace",
        "--all-targets",
        "--all-features",
    ]))?;
    Workspace::load()
}
