//! A load of HTTP requests over connections that stay open, with the time each took.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// What a load came to.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Answered {
    /// Requests answered.
    pub(super) requests: u64,
    /// Of them, with a status of 400 or more.
    pub(super) refused: u64,
    /// How long it took.
    pub(super) seconds: f64,
    /// Requests per second.
    pub(super) per_second: f64,
    /// Half of the requests took no longer than this, in milliseconds.
    pub(super) p50_ms: f64,
    /// 99 of 100 requests took no longer than this, in milliseconds.
    pub(super) p99_ms: f64,
}

/// Asks for the paths in turn over that many connections, until the time is over.
///
/// # Errors
/// If the server cannot be reached or ends a connection.
pub(super) async fn load(
    server: SocketAddr,
    paths: Arc<Vec<String>>,
    connections: usize,
    duration: Duration,
) -> io::Result<Answered> {
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        clients.spawn(client(
            server,
            Arc::clone(&paths),
            Arc::clone(&next),
            started + duration,
        ));
    }
    let (mut latencies, mut refused) = (Vec::new(), 0);
    while let Some(client) = clients.join_next().await {
        let (times, bad) = client.map_err(io::Error::other)??;
        latencies.extend(times);
        refused += bad;
    }
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "shown, rounded")]
    let per_second = latencies.len() as f64 / seconds;
    Ok(Answered {
        requests: latencies.len() as u64,
        refused,
        seconds,
        per_second,
        p50_ms: percentile(&latencies, 50),
        p99_ms: percentile(&latencies, 99),
    })
}

/// What so many of a hundred of the times do not exceed, in milliseconds.
pub(super) fn percentile(sorted_micros: &[u32], percent: usize) -> f64 {
    let index = (sorted_micros.len() * percent / 100).min(sorted_micros.len().saturating_sub(1));
    sorted_micros
        .get(index)
        .map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
}

/// One connection: the times of its requests in microseconds, and how many were refused.
async fn client(
    server: SocketAddr,
    paths: Arc<Vec<String>>,
    next: Arc<AtomicU64>,
    until: Instant,
) -> io::Result<(Vec<u32>, u64)> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut refused) = (Vec::new(), 0);
    let (mut request, mut buffer) = (String::new(), Vec::with_capacity(4096));
    while Instant::now() < until {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let path = &paths[usize::try_from(number).unwrap_or_default() % paths.len()];
        request.clear();
        request.push_str("GET ");
        request.push_str(path);
        request.push_str(" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\n\r\n");
        let started = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let status = answer(&mut stream, &mut buffer).await?;
        times.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        refused += u64::from(status >= 400);
    }
    Ok((times, refused))
}

/// Reads one answer and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<u16> {
    buffer.clear();
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let status = head
                .get(9..12)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0);
            while buffer.len() < end + 4 + length {
                fill(stream, buffer).await?;
            }
            return Ok(status);
        }
        fill(stream, buffer).await?;
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(buffer).await? == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server ended the connection",
        ));
    }
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
