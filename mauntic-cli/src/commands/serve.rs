//! `mauntic serve` and `mauntic work`.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use clap::Args;
use mauntic_core::Operator;
use mauntic_server::{App, Workers, endpoint, install_metrics, jobs, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{cli::Global, context::settings, exit, output::Output};

/// How long a worker may take to end its present piece of work when the process stops.
const PATIENCE: Duration = Duration::from_secs(20);

/// `mauntic serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Run no workers here; `mauntic work` runs them elsewhere
    #[arg(long)]
    pub(crate) no_workers: bool,
    /// Do not bring the database up to date; fail if it is not
    #[arg(long)]
    pub(crate) no_migrate: bool,
}

impl Serve {
    /// Runs the command.
    pub(crate) async fn run(self, global: Global, output: Output) -> anyhow::Result<()> {
        let mut settings = settings(&global)?;
        settings.listen = self.listen.unwrap_or(settings.listen);
        let app = open(settings, self.no_migrate).await?;
        let operator = Operator::local();
        app.identity.ensure_default_organization(&operator).await?;
        if let Some(code) = app.identity.set_up_code(&operator).await? {
            output.note(format_args!(
                "Nobody can log in yet. Whoever opens /app/ first is asked for this code: {code}\n\
                 Or make the first user here: mauntic user create ADDRESS --name NAME --role owner"
            ));
        }
        let listener = TcpListener::bind(app.settings.listen)
            .await
            .with_context(|| format!("cannot listen on {}", app.settings.listen))?;
        serve_until_stopped(app, listener, !self.no_workers, output).await
    }
}

/// Serves on a listener until Ctrl-C or SIGTERM.
pub(crate) async fn serve_until_stopped(
    app: App,
    listener: TcpListener,
    with_workers: bool,
    output: Output,
) -> anyhow::Result<()> {
    let metrics = install_metrics()?;
    let stop = stop_on_signal();
    let jobs = if with_workers { jobs(&app) } else { Vec::new() };
    let workers = Workers::start(jobs, stop.clone());
    let address = listener.local_addr()?;
    info!(%address, database = app.settings.target()?.describe(), "serving");
    output.note(format_args!(
        "Serving on http://{address} (API: /api/docs). Ctrl-C stops."
    ));
    serve(listener, endpoint(&app, metrics), stop).await?;
    workers.stop(PATIENCE).await;
    Ok(())
}

/// `mauntic work`
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// Run only these jobs; repeat for several
    #[arg(long, value_name = "JOB")]
    only: Vec<String>,
    /// Do not bring the database up to date; fail if it is not
    #[arg(long)]
    no_migrate: bool,
}

impl Work {
    /// Runs the command.
    pub(crate) async fn run(self, global: Global, output: Output) -> anyhow::Result<()> {
        let app = open(settings(&global)?, self.no_migrate).await?;
        let mut jobs = jobs(&app);
        if !self.only.is_empty() {
            let known: Vec<_> = jobs.iter().map(|job| job.name()).collect();
            if let Some(unknown) = self
                .only
                .iter()
                .find(|name| !known.contains(&name.as_str()))
            {
                let known = known.join(", ");
                return Err(exit::invalid(format!(
                    "there is no job {unknown}; there are: {known}"
                )));
            }
            jobs.retain(|job| self.only.iter().any(|name| name == job.name()));
        }
        let stop = stop_on_signal();
        let names: Vec<_> = jobs.iter().map(|job| job.name()).collect();
        output.note(format_args!(
            "Working on {}. Ctrl-C stops.",
            names.join(", ")
        ));
        let workers = Workers::start(jobs, stop.clone());
        stop.cancelled().await;
        workers.stop(PATIENCE).await;
        Ok(())
    }
}

async fn open(settings: mauntic_server::Settings, no_migrate: bool) -> anyhow::Result<App> {
    let app = if no_migrate {
        App::open_as_is(settings).await
    } else {
        App::open(settings).await
    };
    Ok(app?)
}

/// A token that is cancelled by Ctrl-C or SIGTERM.
pub(crate) fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        signalled().await;
        info!("stopping");
        token.cancel();
    });
    stop
}

#[cfg(unix)]
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signalled() {
    let _ = tokio::signal::ctrl_c().await;
}
