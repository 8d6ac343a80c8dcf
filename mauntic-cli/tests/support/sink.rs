//! A mail server that accepts everything and counts what each recipient got.

use std::{
    collections::HashMap,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Counts the messages that were accepted, by recipient.
#[derive(Clone)]
pub(crate) struct Sink {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<HashMap<String, u32>>>,
}

impl Sink {
    /// Starts a server on a free port; it ends with the process.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let received = Arc::<Mutex<HashMap<String, u32>>>::default();
        let counts = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = Arc::clone(&counts);
                // A client that was killed ends its connection with an error, which is no news here.
                thread::spawn(move || converse(stream, &counts));
            }
        });
        Self { address, received }
    }

    /// How many messages each recipient got.
    #[must_use]
    pub(crate) fn received(&self) -> HashMap<String, u32> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn converse(stream: TcpStream, counts: &Mutex<HashMap<String, u32>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    output.write_all(b"220 sink.example ESMTP\r\n")?;
    let mut recipients = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = text.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                output.write_all(b"250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")?;
            }
            "RCPT" => {
                let address = text.split(['<', '>']).nth(1).unwrap_or_default();
                recipients.push(address.to_lowercase());
                output.write_all(b"250 2.1.5 OK\r\n")?;
            }
            "DATA" => {
                output.write_all(b"354 go on\r\n")?;
                loop {
                    line.clear();
                    if input.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                }
                // Whoever sees the dot has the message, whether or not the client hears the answer.
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                for recipient in recipients.drain(..) {
                    *counts.entry(recipient).or_default() += 1;
                }
                drop(counts);
                output.write_all(b"250 2.0.0 OK\r\n")?;
            }
            "RSET" => {
                recipients.clear();
                output.write_all(b"250 OK\r\n")?;
            }
            "QUIT" => {
                output.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => output.write_all(b"250 OK\r\n")?,
        }
    }
}
