//! The commands, one module for each noun.

pub(crate) mod backup;
pub(crate) mod bulk;
pub(crate) mod contacts;
pub(crate) mod demo;
pub(crate) mod emails;
pub(crate) mod fields;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod imports;
pub(crate) mod inbox;
pub(crate) mod operate;
pub(crate) mod segments;
pub(crate) mod sending;
pub(crate) mod sends;
pub(crate) mod serve;
pub(crate) mod suppressions;

use std::process::ExitCode;

use clap::CommandFactory as _;
use serde_json::json;

use crate::{
    cli::{Cli, Command},
    context::Context,
    exit,
    output::Output,
};

impl Command {
    /// What is logged unless `--log` says otherwise: a server tells what it does, a command only what fails.
    #[must_use]
    pub(crate) fn logs_by_default(&self) -> &'static str {
        match self {
            Self::Serve(_) | Self::Work(_) => "info,sqlx=warn",
            _ => "warn,sqlx=error",
        }
    }
}

/// Runs a command.
///
/// # Errors
/// Whatever keeps it from being done; [`exit::code_of`] says how to tell the caller.
pub(crate) async fn run(cli: Cli, output: Output) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::Demo(command) => command.run(global, output).await?,
        Command::Serve(command) => command.run(global, output).await?,
        Command::Work(command) => command.run(global, output).await?,
        Command::Migrate(command) => command.run(global, output).await?,
        Command::Backup(command) => command.run(global, output).await?,
        Command::Doctor(command) => {
            let healthy = command.run(global, output).await?;
            return Ok(if healthy {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(exit::FAILED)
            });
        }
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "mauntic",
                &mut std::io::stdout(),
            );
        }
        Command::Man { folder } => {
            std::fs::create_dir_all(&folder)?;
            clap_mangen::generate_to(Cli::command(), &folder)?;
            output.result(&json!({"folder": folder}), |_| {
                format!("The man pages are in {}.", folder.display())
            })?;
        }
        Command::BenchLoad(command) => command.run().await?,
        Command::Openapi => {
            let document = mauntic_server::openapi_document().await?;
            println!("{}", serde_json::to_string_pretty(&document)?);
        }
        command => return with_app(command, &Context::open(global, output).await?).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn with_app(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    match command {
        Command::Org(command) => command.run(context).await?,
        Command::User(command) => command.run(context).await?,
        Command::Token(command) => command.run(context).await?,
        Command::Audit(command) => command.run(context).await?,
        Command::Contacts(command) => return command.run(context).await,
        Command::Imports(command) => return command.run(context).await,
        Command::Bulk(command) => return command.run(context).await,
        Command::Segments(command) => command.run(context).await?,
        Command::Emails(command) => return command.run(context).await,
        Command::Sends(command) => return command.run(context).await,
        Command::Inbox(command) => command.run(context).await?,
        Command::Transport(command) => command.run(context).await?,
        Command::Domains(command) => command.run(context).await?,
        Command::Fields(command) => command.run(context).await?,
        Command::Tags(command) => command.run(context).await?,
        Command::Suppressions(command) => command.run(context).await?,
        Command::Events(command) => command.run(context).await?,
        Command::Bench(command) => command.run(context).await?,
        _ => unreachable!("commands without an App are run before"),
    }
    Ok(ExitCode::SUCCESS)
}
