//! The project's own tasks: `cargo xtask …`.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod arrows;
mod assets;
mod browser;
mod command;
mod dependencies;
mod features;
mod hygiene;
mod policy;
mod postgres;
mod suite;
mod workspace;

/// The project's own tasks
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run everything that a machine can check
    Test(suite::TestArgs),
    /// Check which crate depends on which, and that no dependency is declared for nothing
    CheckDeps,
    /// Write mauntic-server/openapi.json anew
    Openapi,
    /// Install what browsers load (needs npm) and put it where the server embeds it
    Assets,
    /// Run the main journeys in a headless Chromium (needs Node.js and Chromium); `MAUNTIC_SHOTS` names a
    /// folder for pictures of all pages
    Browser(Passed),
    /// Build `mauntic` for speed and run `mauntic demo` with the arguments
    Demo(Passed),
    /// Build `mauntic` for speed and run `mauntic bench` with the arguments
    Bench(Passed),
    /// Start a PostgreSQL server that forgets everything, for tests: until Ctrl-C, or around a command
    Postgres(Passed),
}

#[derive(Debug, Args)]
struct Passed {
    /// What is passed on
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Test(args) => suite::run(&args),
        Task::CheckDeps => {
            println!("{}", arrows::check()?);
            println!("{}", dependencies::check()?);
            Ok(ExitCode::SUCCESS)
        }
        Task::Openapi => command::write_openapi(),
        Task::Assets => {
            println!("{}", assets::build()?);
            Ok(ExitCode::SUCCESS)
        }
        Task::Browser(passed) => browser::run(&passed.arguments),
        Task::Demo(passed) => {
            assets::offer();
            command::mauntic("demo", &passed.arguments)
        }
        Task::Bench(passed) => command::mauntic("bench", &passed.arguments),
        Task::Postgres(passed) => postgres::around(&passed.arguments),
    }
}
