use std::{borrow::Cow, fmt::Write as _, io, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_send::{SmtpClient, SmtpClientBuilder};
use mauntic_core::is_public;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Instant};

use super::wire::{Stream, Wire, dot_stuffed, invalid, within};
use crate::{
    mime::ascii_domain,
    sending::{EnhancedCode, HandOver, OutgoingMessage, SmtpReply, Stage},
    transport::{SmtpServer, TlsPolicy},
};

const CONNECT: Duration = Duration::from_secs(30);
/// RFC 5321 §4.5.3.2.
const COMMAND: Duration = Duration::from_mins(5);
const MESSAGE: Duration = Duration::from_mins(5);
const FINAL_DOT: Duration = Duration::from_mins(10);

/// A connection that is logged in and ready for messages.
pub(super) struct Connection {
    wire: Wire<Box<dyn Stream>>,
    features: Features,
    opened: Instant,
    used: Instant,
    messages: u32,
}

/// What a server offers.
#[derive(Debug, Default, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each extension of SMTP is there or not, whatever the others are"
)]
struct Features {
    pipelining: bool,
    starttls: bool,
    eight_bit: bool,
    utf8: bool,
    auth_plain: bool,
    auth_login: bool,
}

/// How one attempt ended, and whether the connection can be used again.
pub(super) struct Attempt {
    pub(super) hand_over: HandOver,
    pub(super) usable: bool,
    /// The connection was closed before it was asked anything: try on a new one.
    pub(super) stale: bool,
}

impl Features {
    fn read(lines: &[String]) -> Self {
        let mut features = Self::default();
        for line in lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next().unwrap_or_default() {
                "PIPELINING" => features.pipelining = true,
                "STARTTLS" => features.starttls = true,
                "8BITMIME" => features.eight_bit = true,
                "SMTPUTF8" => features.utf8 = true,
                "AUTH" => {
                    for mechanism in words {
                        features.auth_plain |= mechanism == "PLAIN";
                        features.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        features
    }
}

impl Connection {
    /// Connects, encrypts, says hello and logs in.
    pub(super) async fn open(
        server: &SmtpServer,
        password: Option<&str>,
        public_only: bool,
    ) -> io::Result<Self> {
        let stream = within(CONNECT, connect(server, public_only)).await?;
        // Without it each message waits for the other side's delayed acknowledgement.
        stream.set_nodelay(true)?;
        let mut wire = match server.tls {
            TlsPolicy::Implicit => encrypt(stream, server, false).await?,
            TlsPolicy::None => plain(stream),
            TlsPolicy::Opportunistic | TlsPolicy::Required => start_tls(stream, server).await?,
        };
        let greeted = matches!(server.tls, TlsPolicy::Opportunistic | TlsPolicy::Required);
        if !greeted {
            expect_yes(&wire.reply(COMMAND).await?)?;
        }
        let features = hello(&mut wire, server).await?;
        if password.is_some() && server.tls == TlsPolicy::Opportunistic {
            // Whoever can take the offer of encryption away would get to read it.
            return Err(invalid(
                "a password is sent with tls=required, over smtps, or with tls=none, but not where encryption is left to \
                 the other side",
            ));
        }
        log_in(&mut wire, &features, server, password).await?;
        let now = Instant::now();
        Ok(Self {
            wire,
            features,
            opened: now,
            used: now,
            messages: 0,
        })
    }

    /// Whether it may carry another message.
    pub(super) fn is_fresh(&self, messages: u32, age: Duration, idle: Duration) -> bool {
        self.messages < messages && self.opened.elapsed() < age && self.used.elapsed() < idle
    }

    /// Hands one message over.
    pub(super) async fn hand_over(&mut self, message: &OutgoingMessage) -> Attempt {
        let reused = self.messages > 0;
        self.messages += 1;
        self.used = Instant::now();
        let Some(envelope) = self.envelope(message) else {
            return Attempt {
                hand_over: needs_utf8(),
                usable: true,
                stale: false,
            };
        };
        let attempt = match self.announce(&envelope).await {
            Err(error) => Attempt {
                hand_over: HandOver::Broken(format!("the connection broke: {error}")),
                usable: false,
                stale: reused,
            },
            Ok(Err((stage, reply))) => self.declined(stage, reply, reused).await,
            Ok(Ok(())) => self.transmit(&message.bytes).await,
        };
        self.used = Instant::now();
        attempt
    }

    /// `MAIL` and `RCPT`, or `None` if the address needs what the server cannot do.
    fn envelope(&self, message: &OutgoingMessage) -> Option<[String; 2]> {
        let to = envelope_address(message.envelope_to.as_str());
        let from = envelope_address(&message.envelope_from);
        let mut mail = format!("MAIL FROM:<{from}>");
        if !to.is_ascii() || !from.is_ascii() {
            if !self.features.utf8 {
                return None;
            }
            mail += " SMTPUTF8";
        }
        if self.features.eight_bit && !message.bytes.is_ascii() {
            mail += " BODY=8BITMIME";
        }
        Some([mail + "\r\n", format!("RCPT TO:<{to}>\r\n")])
    }

    /// Asks the server to take a message. The inner error is its refusal.
    async fn announce(
        &mut self,
        [mail, rcpt]: &[String; 2],
    ) -> io::Result<Result<(), (Stage, SmtpReply)>> {
        if !self.features.pipelining {
            for (stage, command) in [(Stage::Sender, mail), (Stage::Recipient, rcpt)] {
                let reply = self.wire.command(command, COMMAND).await?;
                if !reply.is_positive() {
                    return Ok(Err((stage, reply)));
                }
            }
            let reply = self.wire.command("DATA\r\n", COMMAND).await?;
            return Ok(ready(reply));
        }
        let mut group = String::with_capacity(mail.len() + rcpt.len() + 6);
        let _ = write!(group, "{mail}{rcpt}DATA\r\n");
        self.wire.write(&group, COMMAND).await?;
        let mut refusal = None;
        for stage in [Stage::Sender, Stage::Recipient] {
            let reply = self.wire.reply(COMMAND).await?;
            if reply.code == 421 {
                return Ok(Err((stage, reply)));
            }
            if !reply.is_positive() && refusal.is_none() {
                refusal = Some((stage, reply));
            }
        }
        let data = self.wire.reply(COMMAND).await?;
        match refusal {
            None => Ok(ready(data)),
            Some(refusal) => {
                if data.code == 354 {
                    // The server waits for a message to nobody: end it at once.
                    self.wire.command(".\r\n", COMMAND).await?;
                }
                Ok(Err(refusal))
            }
        }
    }

    async fn declined(&mut self, stage: Stage, reply: SmtpReply, reused: bool) -> Attempt {
        let closing = reply.code == 421;
        // A server that had enough of this connection says nothing about the message.
        let stale = closing && reused && stage == Stage::Sender;
        let usable = !closing && self.reset().await;
        let hand_over = if reply.is_transient() {
            HandOver::Deferred(reply)
        } else {
            HandOver::Refused(stage, reply)
        };
        Attempt {
            hand_over,
            usable,
            stale,
        }
    }

    async fn reset(&mut self) -> bool {
        let reply = self.wire.command("RSET\r\n", COMMAND).await;
        reply.is_ok_and(|reply| reply.is_positive())
    }

    async fn transmit(&mut self, bytes: &[u8]) -> Attempt {
        let lost = |hand_over| Attempt {
            hand_over,
            usable: false,
            stale: false,
        };
        let stuffed = dot_stuffed(bytes);
        if let Err(broken) = self.wire.write_message(&stuffed, MESSAGE).await {
            let text = format!("the connection broke within the message: {}", broken.error);
            // Without its final dot a message is not taken (RFC 5321 §4.1.1.4).
            return lost(if broken.complete {
                HandOver::Unknown(text)
            } else {
                HandOver::Broken(text)
            });
        }
        let reply = match self.wire.reply(FINAL_DOT).await {
            Ok(reply) => reply,
            Err(error) => {
                return lost(HandOver::Unknown(format!(
                    "the connection broke before the server's reply to the message: {error}"
                )));
            }
        };
        let usable = reply.code != 421;
        let hand_over = if reply.is_positive() {
            HandOver::Accepted(reply)
        } else if reply.is_transient() {
            HandOver::Deferred(reply)
        } else {
            HandOver::Refused(Stage::Message, reply)
        };
        Attempt {
            hand_over,
            usable,
            stale: false,
        }
    }

    /// Says goodbye without waiting long for an answer.
    pub(super) async fn close(mut self) {
        let limit = Duration::from_secs(2);
        if self.wire.command("QUIT\r\n", limit).await.is_ok() {
            let _ = within(limit, self.wire.stream.shutdown()).await;
        }
    }

    /// What the server offers, for people to read.
    pub(super) fn describe(&self) -> String {
        let features = [
            (self.features.pipelining, "PIPELINING"),
            (self.features.eight_bit, "8BITMIME"),
            (self.features.utf8, "SMTPUTF8"),
        ];
        let offered: Vec<_> = features
            .iter()
            .filter_map(|(offered, name)| offered.then_some(*name))
            .collect();
        format!("ready ({})", offered.join(", "))
    }
}

fn ready(reply: SmtpReply) -> Result<(), (Stage, SmtpReply)> {
    match reply.code {
        354 => Ok(()),
        _ => Err((Stage::Message, reply)),
    }
}

fn needs_utf8() -> HandOver {
    let reply = SmtpReply {
        code: 553,
        enhanced: Some(EnhancedCode {
            class: 5,
            subject: 6,
            detail: 7,
        }),
        text: "the address is not ASCII and the mail server does not offer SMTPUTF8".to_owned(),
    };
    HandOver::Refused(Stage::Message, reply)
}

/// An address as it stands in a command: its domain in A-labels; SMTPUTF8 carries what is before the `@` as it is.
fn envelope_address(address: &str) -> Cow<'_, str> {
    let parts = address.rsplit_once('@');
    let ascii = parts.and_then(|(local, domain)| match ascii_domain(domain)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(domain) => Some(format!("{local}@{domain}")),
    });
    ascii.map_or(Cow::Borrowed(address), Cow::Owned)
}

/// Connects to the first address that answers. What the name leads to is looked up once, so that it cannot lead
/// elsewhere after it was checked.
async fn connect(server: &SmtpServer, public_only: bool) -> io::Result<TcpStream> {
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await?;
    let found: Vec<_> = found
        .filter(|address| !public_only || is_public(address.ip()))
        .collect();
    if found.is_empty() {
        return Err(invalid(
            "it is at a private address, and the operator of this installation allows public mail servers alone",
        ));
    }
    TcpStream::connect(found.as_slice()).await
}

fn plain(stream: TcpStream) -> Wire<Box<dyn Stream>> {
    Wire::new(Box::new(stream))
}

async fn encrypt(
    stream: TcpStream,
    server: &SmtpServer,
    any_certificate: bool,
) -> io::Result<Wire<Box<dyn Stream>>> {
    let builder =
        SmtpClientBuilder::new(server.host.as_str(), server.port).map_err(io::Error::other)?;
    let builder = if any_certificate {
        builder.allow_invalid_certs()
    } else {
        builder
    };
    let client = SmtpClient {
        stream,
        timeout: CONNECT,
    };
    let client = client
        .into_tls(&builder.tls_connector, &server.host)
        .await
        .map_err(io::Error::other)?;
    Ok(Wire::new(Box::new(client.stream)))
}

async fn start_tls(stream: TcpStream, server: &SmtpServer) -> io::Result<Wire<Box<dyn Stream>>> {
    let mut wire = Wire::new(stream);
    expect_yes(&wire.reply(COMMAND).await?)?;
    let features = hello(&mut wire, server).await?;
    if !features.starttls {
        return match server.tls {
            TlsPolicy::Required => Err(invalid("the server does not offer STARTTLS")),
            _ => Ok(plain(wire.stream)),
        };
    }
    expect_yes(&wire.command("STARTTLS\r\n", COMMAND).await?)?;
    if !wire.is_drained() {
        // Somebody in between put words into the server's mouth.
        return Err(invalid("the server spoke before encryption began"));
    }
    encrypt(wire.stream, server, server.tls == TlsPolicy::Opportunistic).await
}

async fn hello<S: Stream>(wire: &mut Wire<S>, server: &SmtpServer) -> io::Result<Features> {
    let name = server.ehlo_name.clone().unwrap_or_else(host_name);
    wire.write(&format!("EHLO {name}\r\n"), COMMAND).await?;
    let lines = within(COMMAND, wire.lines()).await?;
    if lines.code / 100 == 2 {
        return Ok(Features::read(&lines.lines));
    }
    expect_yes(&wire.command(&format!("HELO {name}\r\n"), COMMAND).await?)?;
    Ok(Features::default())
}

/// The name of this machine, or the address literal that a host without a name gives.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        name if name.contains('.') && name.is_ascii() => name.to_owned(),
        _ => "[127.0.0.1]".to_owned(),
    }
}

async fn log_in<S: Stream>(
    wire: &mut Wire<S>,
    features: &Features,
    server: &SmtpServer,
    password: Option<&str>,
) -> io::Result<()> {
    let (Some(username), Some(password)) = (&server.username, password) else {
        return Ok(());
    };
    let reply = if features.auth_plain {
        let secret = STANDARD.encode(format!("\0{username}\0{password}"));
        let command = format!("AUTH PLAIN {secret}\r\n");
        wire.command(&command, COMMAND).await?
    } else if features.auth_login {
        let asked = wire.command("AUTH LOGIN\r\n", COMMAND).await?;
        if asked.code != 334 {
            return expect_yes(&asked);
        }
        let username = format!("{}\r\n", STANDARD.encode(username));
        let asked = wire.command(&username, COMMAND).await?;
        if asked.code != 334 {
            return expect_yes(&asked);
        }
        let password = format!("{}\r\n", STANDARD.encode(password));
        wire.command(&password, COMMAND).await?
    } else {
        return Err(invalid(
            "the server offers neither AUTH PLAIN nor AUTH LOGIN",
        ));
    };
    expect_yes(&reply)
}

fn expect_yes(reply: &SmtpReply) -> io::Result<()> {
    if reply.is_positive() {
        return Ok(());
    }
    Err(io::Error::other(format!("the server said {reply}")))
}
