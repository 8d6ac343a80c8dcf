//! `mauntic bench`: how fast this machine imports, lists contacts, builds segments, sends and tracks.
//!
//! Every figure stands beside that of a specialist's tool for the same work in the same run, since
//! only the ratio says something about the program and not about the machine.

mod baseline;
mod database;
mod follow;
mod import;
mod list;
mod load;
mod memory;
mod postfix;
mod segment;
mod send;
mod tracking;
mod world;

use clap::{Args, ValueEnum};
use serde::Serialize;

pub(crate) use tracking::BenchLoad;

use self::{
    follow::FollowFigures,
    import::ImportFigures,
    list::ListFigures,
    segment::SegmentFigures,
    send::SendFigures,
    tracking::TrackingFigures,
    world::{World, write_people},
};
use crate::{
    context::Context,
    output::{count, table},
};

/// `mauntic bench`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(default_value = "all")]
    what: What,
    /// Rows of the imported file
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Contacts that are listed and that the segment is built over; with `all`, those that were imported
    #[arg(long, default_value_t = 1_000_000)]
    contacts: u64,
    /// Mails to send
    #[arg(long, default_value_t = 100_000)]
    mails: u64,
    /// Connections to the mail server
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long links are clicked
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Leave the organisations that the benchmarks made
    #[arg(long)]
    keep: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Everything
    All,
    /// Importing a CSV file
    Import,
    /// Pages of the list of contacts: sorted, searched, filtered
    List,
    /// Rebuilding a segment of three conditions
    Segment,
    /// Following changes of contacts with a thousand segments
    Follow,
    /// Sending signed mail to smtp-sink
    Send,
    /// Answering and storing clicks
    Tracking,
}

/// All figures.
#[derive(Debug, Serialize)]
struct Figures {
    database: String,
    cores: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<ImportFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<ListFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<SegmentFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follow: Option<FollowFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send: Option<SendFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking: Option<TrackingFigures>,
}

impl Bench {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut figures = Figures {
            database: context.app.settings.target()?.describe(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            import: None,
            list: None,
            segment: None,
            follow: None,
            send: None,
            tracking: None,
        };
        if [What::Import, What::List, What::Segment]
            .into_iter()
            .any(|what| self.measures(what))
        {
            self.contacts(context, &mut figures).await?;
        }
        if self.measures(What::Follow) {
            self.following(context, &mut figures).await?;
        }
        if self.measures(What::Send) || self.measures(What::Tracking) {
            self.mail(context, &mut figures).await?;
        }
        context.output.result(&figures, Figures::table)
    }

    fn measures(&self, what: What) -> bool {
        self.what == what || self.what == What::All
    }

    async fn contacts(&self, context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
        let world = World::create(context, "Bench contacts").await?;
        let contacts = if self.measures(What::Import) {
            figures.import = Some(import::run(&world, self.rows).await?);
            self.rows
        } else {
            context.output.note(format_args!(
                "Importing {} contacts …",
                count(self.contacts)
            ));
            world
                .import(write_people(self.contacts)?.path(), None)
                .await?;
            self.contacts
        };
        if self.measures(What::List) {
            figures.list = Some(list::run(&world, contacts).await?);
        }
        if self.measures(What::Segment) {
            figures.segment = Some(segment::run(&world, contacts).await?);
        }
        self.end(world).await
    }

    /// With few contacts: what is measured does not depend on how many there are, but each of the thousand segments is
    /// built over all of them first.
    async fn following(&self, context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
        let world = World::create(context, "Bench segments").await?;
        let people = write_people(self.contacts.min(follow::CONTACTS))?;
        world.import(people.path(), None).await?;
        figures.follow = Some(follow::run(&world).await?);
        self.end(world).await
    }

    async fn mail(&self, context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
        let world = World::create(context, "Bench mail").await?;
        let job = if self.measures(What::Send) {
            let (send, job) = send::run(&world, self.mails, self.connections).await?;
            figures.send = Some(send);
            job
        } else {
            tracking::small_send(&world).await?
        };
        if self.measures(What::Tracking) {
            figures.tracking = Some(tracking::run(&world, &job, self.seconds).await?);
        }
        self.end(world).await
    }

    async fn end(&self, world: World<'_>) -> anyhow::Result<()> {
        if self.keep {
            Ok(())
        } else {
            world.forget().await
        }
    }
}

impl Figures {
    fn table(&self) -> String {
        let rows = [
            self.import.as_ref().map(ImportFigures::rows),
            self.list.as_ref().map(ListFigures::rows),
            self.segment.as_ref().map(SegmentFigures::rows),
            self.follow.as_ref().map(FollowFigures::rows),
            self.send.as_ref().map(SendFigures::rows),
            self.tracking.as_ref().map(TrackingFigures::rows),
        ];
        let table = table(
            ["What", "Mauntic", "Compared", "Aim"],
            rows.into_iter().flatten().flatten(),
        );
        format!("{}, {} cores\n{table}", self.database, self.cores)
    }
}

fn row(what: String, figure: String, compared: Option<String>, aim: &str) -> [String; 4] {
    [what, figure, compared.unwrap_or_default(), aim.to_owned()]
}

#[expect(clippy::cast_precision_loss, reason = "shown, rounded")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

fn megabytes(peak: Option<u64>) -> String {
    peak.map_or_else(
        || "peak memory unknown".to_owned(),
        |peak| format!("peak {peak} MB"),
    )
}
