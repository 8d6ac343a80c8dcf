//! Postfix's test programs: a server that throws mail away, and a client that sends as fast as it can.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::exit;

/// A running `smtp-sink`; it ends with the value.
pub(super) struct Sink {
    /// Where it listens.
    pub(super) address: SocketAddr,
    _process: Child,
}

impl Sink {
    /// Starts it on a free port of this machine.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let program = find("smtp-sink")?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut command = Command::new(program);
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        command.arg(address.to_string()).arg("1000");
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("smtp-sink cannot be started")?;
        for _ in 0..100 {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(Self {
                    address,
                    _process: process,
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("smtp-sink does not answer at {address}")
    }

    /// How long `smtp-source` takes for that many messages of that many bytes.
    pub(super) async fn source(
        &self,
        messages: u64,
        connections: usize,
        bytes: u64,
        keep_connections: bool,
    ) -> anyhow::Result<Duration> {
        let mut command = Command::new(find("smtp-source")?);
        if keep_connections {
            command.arg("-d");
        }
        command
            .args(["-f", "news@bench.example", "-t", "somebody@example.com"])
            .args(["-s", &connections.to_string(), "-m", &messages.to_string()])
            .args(["-l", &bytes.to_string()])
            .arg(self.address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let started = Instant::now();
        let status = command
            .status()
            .await
            .context("smtp-source cannot be started")?;
        ensure!(status.success(), "smtp-source failed");
        Ok(started.elapsed())
    }
}

/// They usually stand where only administrators look.
fn find(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/libexec/postfix".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            exit::not_found(format!("{program} is not installed; it comes with Postfix"))
        })
}

/// The sink wants to be told whom to become then.
#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;

    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
