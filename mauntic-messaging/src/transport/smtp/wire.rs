use std::{io, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::sending::SmtpReply;

/// A plain or encrypted connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Replies that are longer are a mistake or an attack.
const MAX_REPLY: usize = 64 * 1024;

/// Lines and replies over a connection.
pub(super) struct Wire<S> {
    pub(super) stream: S,
    buffer: Vec<u8>,
}

/// A reply with each of its lines, for `EHLO`.
pub(super) struct Lines {
    pub(super) code: u16,
    pub(super) lines: Vec<String>,
}

impl Lines {
    pub(super) fn into_reply(self) -> SmtpReply {
        // Each line of a reply may repeat the enhanced code: it is read from the first.
        let first = SmtpReply::new(self.code, self.lines.first().map_or("", String::as_str));
        let rest = self.lines.iter().skip(1);
        let rest = rest.map(|line| SmtpReply::new(self.code, line).text);
        let text: Vec<_> = std::iter::once(first.text).chain(rest).collect();
        let mut reply = SmtpReply::new(self.code, &text.join(" "));
        reply.enhanced = first.enhanced;
        reply
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::with_capacity(512),
        }
    }

    /// Whether everything that was received has been read.
    pub(super) fn is_drained(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(super) async fn write(&mut self, text: &str, limit: Duration) -> io::Result<()> {
        within(limit, async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Writes a command and reads its reply.
    pub(super) async fn command(&mut self, text: &str, limit: Duration) -> io::Result<SmtpReply> {
        self.write(text, limit).await?;
        self.reply(limit).await
    }

    pub(super) async fn reply(&mut self, limit: Duration) -> io::Result<SmtpReply> {
        Ok(within(limit, self.lines()).await?.into_reply())
    }

    pub(super) async fn lines(&mut self) -> io::Result<Lines> {
        let mut lines = Vec::new();
        let mut total = 0;
        loop {
            let line = self.line().await?;
            total += line.len();
            let (code, last, text) = split(&line)?;
            lines.push(text.to_owned());
            if last {
                return Ok(Lines { code, lines });
            }
            if total > MAX_REPLY {
                return Err(invalid("the reply is too long"));
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.buffer.len() > MAX_REPLY {
                return Err(invalid("the reply is too long"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Writes a message that ends with its final dot. The error says whether the end was written,
    /// after which the host may have taken the message.
    pub(super) async fn write_message(
        &mut self,
        message: &[u8],
        limit: Duration,
    ) -> Result<(), BrokenOff> {
        let mut written = 0;
        let result = within(limit, async {
            while written < message.len() {
                match self.stream.write(&message[written..]).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    bytes => written += bytes,
                }
            }
            self.stream.flush().await
        })
        .await;
        result.map_err(|error| BrokenOff {
            complete: written == message.len(),
            error,
        })
    }
}

/// The connection broke while a message was written.
pub(super) struct BrokenOff {
    /// Whether all of it was written.
    pub(super) complete: bool,
    pub(super) error: io::Error,
}

/// Code, whether it is the last line, and text.
fn split(line: &str) -> io::Result<(u16, bool, &str)> {
    let code = line.get(..3).and_then(|code| code.parse().ok());
    let code: u16 = code
        .filter(|code| (200..600).contains(code))
        .ok_or_else(|| invalid("the reply is not SMTP"))?;
    match line.as_bytes().get(3) {
        None => Ok((code, true, "")),
        Some(b' ') => Ok((code, true, &line[4..])),
        Some(b'-') => Ok((code, false, &line[4..])),
        Some(_) => Err(invalid("the reply is not SMTP")),
    }
}

pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A message as it goes over the wire: CRLF line ends, a dot before each leading dot, and the final
/// dot (RFC 5321 §4.5.2). A CR or LF on its own becomes a line end, so that nothing in a message can
/// look like its end.
pub(super) fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    let mut at_start = true;
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                    bytes.next();
                }
                out.extend_from_slice(b"\r\n");
                at_start = true;
            }
            byte => {
                if byte == b'.' && at_start {
                    out.push(b'.');
                }
                out.push(byte);
                at_start = false;
            }
        }
    }
    if !at_start {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stuffed(text: &str) -> String {
        String::from_utf8(dot_stuffed(text.as_bytes())).unwrap()
    }

    #[test]
    fn leading_dots_are_doubled_and_the_end_is_one_dot() {
        assert_eq!(stuffed("a\r\n.b\r\n"), "a\r\n..b\r\n.\r\n");
        assert_eq!(stuffed(".\r\n.."), "..\r\n...\r\n.\r\n");
        assert_eq!(stuffed("a.b"), "a.b\r\n.\r\n");
        assert_eq!(stuffed(""), ".\r\n");
    }

    proptest! {
        #[test]
        fn the_receiver_undoes_it(message in "([.a]{0,3}\r\n){0,20}") {
            let wire = stuffed(&message);
            let body = wire.strip_suffix(".\r\n").unwrap();
            let lines: Vec<&str> = body.split("\r\n").collect();
            prop_assert!(lines.iter().all(|line| *line != "."));
            let received: Vec<_> = lines.iter().map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            prop_assert_eq!(received.join("\r\n"), message);
        }
    }

    #[test]
    fn nothing_in_a_message_can_look_like_its_end() {
        for smuggled in [
            "a\n.\nMAIL FROM:<b>",
            "a\r.\rMAIL",
            "a\n.\r\nMAIL",
            "a\r\n.\nMAIL",
        ] {
            let wire = stuffed(smuggled);
            assert_eq!(wire.matches("\r\n.\r\n").count(), 1, "{wire:?}");
            assert_eq!(wire.replace("\r\n", "").matches(['\r', '\n']).count(), 0);
        }
    }

    #[tokio::test]
    async fn replies_are_read_one_by_one_however_they_arrive() {
        let wire_bytes: &[u8] = b"250-5.1.1 one\r\n250 5.1.1 two\r\n354 go\r\n25";
        let (client, mut server) = tokio::io::duplex(8);
        let writer = tokio::spawn(async move { server.write_all(wire_bytes).await });
        let mut wire = Wire::new(client);
        let limit = Duration::from_secs(5);
        let first = wire.reply(limit).await.unwrap();
        assert_eq!((first.code, first.text.as_str()), (250, "one two"));
        assert_eq!(wire.reply(limit).await.unwrap().code, 354);
        assert!(wire.reply(limit).await.is_err());
        writer.await.unwrap().unwrap();
    }

    #[test]
    fn what_is_not_smtp_is_an_error() {
        for line in ["", "25", "abc hello", "999 x", "250_x", "HTTP/1.1 400"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
