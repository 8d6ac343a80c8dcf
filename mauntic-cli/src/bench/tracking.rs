//! Clicks under load: how many are answered, and whether each is stored.

use std::{
    io::Read as _,
    net::SocketAddr,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use mauntic_core::PageSize;
use mauntic_messaging::{
    sending::{DeliveryState, SendJob},
    token::{Purpose, TokenSigner, TrackingToken},
};
use mauntic_server::{endpoint, install_metrics, serve};
use serde::Serialize;
use tokio::{io::AsyncWriteExt as _, net::TcpListener, process::Command};
use tokio_util::sync::CancellationToken;

use super::{
    database,
    load::{Answered, load},
    memory, rate, send,
    world::World,
};
use crate::output::count;

/// Connections of the load.
const CONNECTIONS: usize = 64;
/// Most deliveries whose links are followed.
const DELIVERIES: usize = 20_000;
/// How long hits are counted afterwards, to see how fast that is.
const COUNTING: Duration = Duration::from_secs(15);

/// What the clicks came to.
#[derive(Debug, Serialize)]
pub(super) struct TrackingFigures {
    connections: usize,
    #[serde(flatten)]
    answered: Answered,
    /// Rows in the table of hits afterwards.
    stored: u64,
    /// Whether every answered click is stored, and no other.
    all_stored: bool,
    peak_megabytes: Option<u64>,
    /// How fast hits become counters, flags and events.
    counted_per_second: f64,
}

/// Serves, and has another process follow links of the send.
pub(super) async fn run(
    world: &World<'_>,
    job: &SendJob,
    seconds: u64,
) -> anyhow::Result<TrackingFigures> {
    let app = &world.context.app;
    let paths = click_paths(world, job).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(
        listener,
        endpoint(app, install_metrics()?),
        stop.clone(),
    ));
    world.context.output.note(format_args!(
        "Tracking: {seconds} s of clicks over {CONNECTIONS} connections …"
    ));
    memory::reset_peak();
    let answered = from_another_process(address, &paths, seconds).await?;
    let peak_megabytes = memory::peak_megabytes();
    stop.cancel();
    server.await??;
    let target = app.settings.target()?;
    let stored = database::count(&target, "messaging", "hit", world.organization).await?;
    world.context.output.note("Tracking: counting the hits …");
    Ok(TrackingFigures {
        connections: CONNECTIONS,
        stored,
        all_stored: answered.refused == 0 && stored == answered.requests,
        answered,
        peak_megabytes,
        counted_per_second: count_hits(world, stored).await?,
    })
}

/// A small send of its own, for when no other was measured.
pub(super) async fn small_send(world: &World<'_>) -> anyhow::Result<SendJob> {
    world
        .context
        .output
        .note("Tracking: sending some mail to click in …");
    let segment = world.people(5_000).await?;
    let email = send::email(world).await?;
    send::send(world, email, segment, 16).await
}

async fn click_paths(world: &World<'_>, job: &SendJob) -> anyhow::Result<Vec<String>> {
    let app = &world.context.app;
    let signer = TokenSigner::new(&app.secret);
    let (mut paths, mut after) = (Vec::new(), None);
    loop {
        let size = PageSize::clamped(1_000);
        let accepted = Some(DeliveryState::Accepted);
        let page = app
            .sends
            .deliveries(&world.actor, job.id, accepted, after, size)
            .await?;
        paths.extend(page.items.iter().map(|delivery| {
            let token = TrackingToken {
                organization_id: world.organization,
                delivery_id: delivery.id,
                version_id: job.email_version_id,
                purpose: Purpose::Click {
                    link: 0,
                    target: None,
                },
            };
            signer.url("", &token)
        }));
        after = page.next;
        if after.is_none() || paths.len() >= DELIVERIES {
            return Ok(paths);
        }
    }
}

/// In another process, the load's memory is not taken for the server's.
async fn from_another_process(
    server: SocketAddr,
    paths: &[String],
    seconds: u64,
) -> anyhow::Result<Answered> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("bench-load")
        .arg(server.to_string())
        .args([CONNECTIONS.to_string(), seconds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the load cannot be started")?;
    let mut stdin = child.stdin.take().context("the load takes no paths")?;
    stdin.write_all(paths.join("\n").as_bytes()).await?;
    drop(stdin);
    let result = child.wait_with_output().await?;
    ensure!(result.status.success(), "the load failed");
    Ok(serde_json::from_slice(&result.stdout)?)
}

/// Counts hits for a while, or until none is left; returns how many each second.
async fn count_hits(world: &World<'_>, stored: u64) -> anyhow::Result<f64> {
    const BATCH: u64 = 1_000;
    let app = &world.context.app;
    let started = Instant::now();
    let mut counted = 0;
    while started.elapsed() < COUNTING && app.projector.project_before(app.clock.now()).await? {
        counted += BATCH;
    }
    Ok(rate(counted.min(stored), started.elapsed().as_secs_f64()))
}

/// `mauntic bench-load`: asks for the paths on standard input, one a line, in turn.
#[derive(Debug, Args)]
pub(crate) struct BenchLoad {
    server: SocketAddr,
    connections: usize,
    seconds: u64,
}

impl BenchLoad {
    /// Runs the command.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        let paths: Vec<_> = text.lines().map(str::to_owned).collect();
        ensure!(!paths.is_empty(), "there is no path to ask for");
        let duration = Duration::from_secs(self.seconds);
        let answered = load(self.server, Arc::new(paths), self.connections, duration).await?;
        println!("{}", serde_json::to_string(&answered)?);
        Ok(())
    }
}

impl TrackingFigures {
    /// The figures as rows of a table.
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        let Answered {
            requests,
            per_second,
            p50_ms,
            p99_ms,
            ..
        } = self.answered;
        let stored = if self.all_stored {
            "all stored"
        } else {
            "NOT all stored"
        };
        vec![
            super::row(
                format!(
                    "{} clicks, {} connections",
                    count(requests),
                    self.connections
                ),
                format!(
                    "{per_second:.0}/s, p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, {}",
                    super::megabytes(self.peak_megabytes)
                ),
                Some(format!("{stored}: {} rows", count(self.stored))),
                "20,000/s, p99 10 ms",
            ),
            super::row(
                "counting the clicks".to_owned(),
                format!("{:.0}/s", self.counted_per_second),
                None,
                "",
            ),
        ]
    }
}
