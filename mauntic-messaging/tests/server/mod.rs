//! An SMTP server that follows a script.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// What the server does with one message, by the local part of its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Accept,
    RefuseRecipient,
    RefuseMessage,
    Greylist,
    TooMany,
    DropAfterDot,
    DropInData,
    DropAtRecipient,
}

impl Act {
    fn of(recipient: &str) -> Self {
        match recipient.split('@').next().unwrap_or_default() {
            "unknown" => Self::RefuseRecipient,
            "spam" => Self::RefuseMessage,
            "grey" => Self::Greylist,
            "many" => Self::TooMany,
            "lost" => Self::DropAfterDot,
            "cut" => Self::DropInData,
            "crash" => Self::DropAtRecipient,
            _ => Self::Accept,
        }
    }
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) messages: Mutex<Vec<String>>,
    pub(crate) connections: AtomicUsize,
    pub(crate) logins: Mutex<Vec<String>>,
}

#[derive(Clone)]
pub(crate) struct ScriptedServer {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Seen>,
}

/// What the server offers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Offers {
    pub(crate) pipelining: bool,
    pub(crate) auth: Option<&'static str>,
    /// Closes each connection with 421 after that many messages.
    pub(crate) most: Option<usize>,
}

impl ScriptedServer {
    pub(crate) async fn start(offers: Offers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let server = Self {
            port,
            seen: Arc::clone(&seen),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let _ = serve(stream, &seen, offers).await;
                });
            }
        });
        server
    }
}

async fn serve(stream: TcpStream, seen: &Seen, offers: Offers) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 scripted ESMTP\r\n").await?;
    let (mut act, mut taken) = (Act::Accept, 0);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let upper = line.to_ascii_uppercase();
        let reply = if upper.starts_with("EHLO") {
            let mut text = "250-scripted\r\n".to_owned();
            if offers.pipelining {
                text += "250-PIPELINING\r\n";
            }
            if let Some(auth) = offers.auth {
                text.extend(["250-AUTH ", auth, "\r\n"]);
            }
            text + "250 8BITMIME\r\n"
        } else if upper.starts_with("AUTH PLAIN") {
            seen.logins.lock().unwrap().push(line.trim().to_owned());
            "235 2.7.0 welcome\r\n".to_owned()
        } else if upper.starts_with("AUTH LOGIN") {
            for question in ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"] {
                stream
                    .write_all(format!("334 {question}\r\n").as_bytes())
                    .await?;
                line.clear();
                stream.read_line(&mut line).await?;
                seen.logins.lock().unwrap().push(line.trim().to_owned());
            }
            "235 2.7.0 welcome\r\n".to_owned()
        } else if upper.starts_with("MAIL FROM") {
            if offers.most.is_some_and(|most| taken >= most) {
                stream.write_all(b"421 4.7.0 enough of you\r\n").await?;
                return Ok(());
            }
            if upper.contains("NOBODY") {
                "550 5.7.1 go away\r\n".to_owned()
            } else {
                "250 2.1.0 ok\r\n".to_owned()
            }
        } else if upper.starts_with("RCPT TO") {
            let recipient = line.split(['<', '>']).nth(1).unwrap_or_default();
            act = Act::of(recipient);
            match act {
                Act::DropAtRecipient => return Ok(()),
                Act::RefuseRecipient => "550-5.1.1 no such\r\n550 5.1.1 user here\r\n".to_owned(),
                Act::Greylist => "450 4.7.1 Greylisted, come again\r\n".to_owned(),
                Act::TooMany => {
                    stream.write_all(b"421 4.7.28 slow down\r\n").await?;
                    return Ok(());
                }
                _ => "250 2.1.5 ok\r\n".to_owned(),
            }
        } else if upper.starts_with("DATA") {
            stream.write_all(b"354 go ahead\r\n").await?;
            let Some(message) = read_message(&mut stream, act).await? else {
                return Ok(());
            };
            if matches!(act, Act::RefuseRecipient | Act::Greylist) {
                "554 5.5.1 no valid recipients\r\n".to_owned()
            } else if act == Act::RefuseMessage {
                "554 5.7.1 this is spam\r\n".to_owned()
            } else {
                seen.messages.lock().unwrap().push(message);
                taken += 1;
                if act == Act::DropAfterDot {
                    return Ok(());
                }
                "250 2.0.0 queued\r\n".to_owned()
            }
        } else if upper.starts_with("QUIT") {
            stream.write_all(b"221 2.0.0 bye\r\n").await?;
            return Ok(());
        } else {
            "250 2.0.0 ok\r\n".to_owned()
        };
        stream.write_all(reply.as_bytes()).await?;
    }
}

/// The message without its dot-stuffing; `None` if the server hangs up in the middle.
async fn read_message(
    stream: &mut BufReader<TcpStream>,
    act: Act,
) -> std::io::Result<Option<String>> {
    let (mut message, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 || act == Act::DropInData {
            return Ok(None);
        }
        if line == ".\r\n" {
            return Ok(Some(message));
        }
        message += line.strip_prefix('.').unwrap_or(&line);
    }
}
