//! The grammar of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;

/// Open-source marketing automation: contacts, segments, email, tracking.
///
/// Without any configuration, data is kept in SQLite files in ./mauntic-data and mail is captured, not sent.
#[derive(Debug, Parser)]
#[command(name = "mauntic", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Documented in `--help` and the man page.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed for a reason of the system (database, network, disk)
  2    the command line is wrong
  3    something named does not exist
  4    the input is invalid; nothing was changed
  5    it contradicts what is stored (a taken name, a wrong state)
  6    not allowed
  130  interrupted; the message says how to go on";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// postgres://user:password@host/name, or sqlite:FOLDER [default: SQLite files in the data folder]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub(crate) database: Option<String>,
    /// The folder for SQLite files and the secret [default: mauntic-data]
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        help_heading = "Global options"
    )]
    pub(crate) data: Option<PathBuf>,
    /// The organisation to act in, by slug, name or id; needed when there are several
    #[arg(
        long,
        global = true,
        env = "MAUNTIC_ORG",
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub(crate) org: Option<String>,
    /// The configuration file [default: mauntic.toml, if it is there]
    #[arg(
        long,
        global = true,
        env = "MAUNTIC_CONFIG",
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Print the result as one JSON object on one line
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print no progress and no remarks
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// What to log to standard error, such as info or mauntic_messaging=debug
    #[arg(
        long,
        global = true,
        env = "MAUNTIC_LOG",
        value_name = "FILTER",
        help_heading = "Global options"
    )]
    pub(crate) log: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole job on made-up people: import, segment, send, opens and clicks
    Demo(commands::demo::Demo),
    /// Run the API, the public endpoints and the workers
    Serve(commands::serve::Serve),
    /// Run the workers alone
    Work(commands::serve::Work),
    /// Bring the database up to date
    Migrate(commands::operate::Migrate),
    /// Check the installation and say what to do
    Doctor(commands::operate::Doctor),
    /// Copy everything into a folder to restore from, while Mauntic runs
    Backup(commands::backup::Backup),
    /// Organisations
    #[command(subcommand)]
    Org(commands::identity::OrgCommand),
    /// People who use Mauntic
    #[command(subcommand)]
    User(commands::identity::UserCommand),
    /// API tokens
    #[command(subcommand)]
    Token(commands::identity::TokenCommand),
    /// The log of changes made by people
    Audit(commands::identity::Audit),
    /// Contacts: import, export, show, change, tag, delete
    #[command(subcommand)]
    Contacts(commands::contacts::ContactsCommand),
    /// Imports: list, resume, pause, report
    #[command(subcommand)]
    Imports(commands::imports::ImportsCommand),
    /// Changes of many contacts: start, list, pause, resume
    #[command(subcommand)]
    Bulk(commands::bulk::BulkCommand),
    /// Segments: create, preview, rebuild, explain
    #[command(subcommand)]
    Segments(commands::segments::SegmentsCommand),
    /// Emails: create, preview, test, send, status
    #[command(subcommand)]
    Emails(commands::emails::EmailsCommand),
    /// Sends: list, pause, resume, cancel
    #[command(subcommand)]
    Sends(commands::sends::SendsCommand),
    /// Captured mail
    Inbox(commands::inbox::Inbox),
    /// How mail leaves: captured, or through an SMTP server
    #[command(subcommand)]
    Transport(commands::sending::TransportCommand),
    /// Domains that mail is sent from, and their DNS records
    #[command(subcommand)]
    Domains(commands::sending::DomainsCommand),
    /// Fields of contacts
    #[command(subcommand)]
    Fields(commands::fields::FieldsCommand),
    /// Tags
    #[command(subcommand)]
    Tags(commands::fields::TagsCommand),
    /// The suppression list: addresses that get no mail
    #[command(subcommand)]
    Suppressions(commands::suppressions::SuppressionsCommand),
    /// Events between the parts of Mauntic that could not be dealt with
    #[command(subcommand)]
    Events(commands::operate::EventsCommand),
    /// Measure imports, segments, sends and tracking on this machine
    Bench(crate::bench::Bench),
    /// Ask a server for paths from standard input, and say how long it took
    #[command(hide = true)]
    BenchLoad(crate::bench::BenchLoad),
    /// Print the OpenAPI document
    #[command(hide = true)]
    Openapi,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages to a folder
    Man {
        /// The folder
        folder: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }
}
