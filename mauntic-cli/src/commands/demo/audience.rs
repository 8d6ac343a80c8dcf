//! What people and machines do with the mail of the demo, through the real endpoints.

use std::{io, net::SocketAddr, sync::Arc};

use fastrand::Rng;
use futures_util::StreamExt as _;
use mauntic_core::{Actor, CapturedMailId, PageSize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{context::Context, progress::Progress};

/// Mails that are read at the same time.
const AT_ONCE: usize = 32;
const PERSON: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36";
const SCANNER: &str = "Mozilla/5.0 (compatible; BarracudaCentral/1.0)";

/// What becomes of one mail.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "any of them goes with any other"
)]
struct Reaction {
    scanned: bool,
    opened: bool,
    clicked: bool,
    unsubscribed: bool,
}

impl Reaction {
    /// Of a hundred mails, 12 are followed by a scanner, 38 opened, 9 clicked and 1 answered with goodbye.
    fn draw(rng: &mut Rng) -> Self {
        let opened = rng.u8(0..100) < 38;
        Self {
            scanned: rng.u8(0..100) < 12,
            opened,
            clicked: opened && rng.u8(0..100) < 24,
            unsubscribed: opened && rng.u8(0..100) < 3,
        }
    }
}

/// Lets everybody who got a mail do what people do.
pub(super) async fn react(
    context: &Context,
    actor: &Actor,
    server: SocketAddr,
    mails: u64,
) -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(7);
    let mut progress = Progress::start(context.output, "Reading", mails);
    let (mut after, mut done) = (None, 0);
    loop {
        let page = context
            .app
            .inbox
            .list(actor, None, after, PageSize::clamped(500))
            .await?;
        let reactions: Vec<_> = page
            .items
            .iter()
            .map(|mail| (mail.id, Reaction::draw(&mut rng)))
            .collect();
        let busy = reactions
            .into_iter()
            .map(|(mail, reaction)| read(context, actor, server, mail, reaction));
        let mut busy = futures_util::stream::iter(busy).buffer_unordered(AT_ONCE);
        while let Some(read) = busy.next().await {
            read?;
            done += 1;
            progress.update(done, mails, "");
        }
        after = page.next;
        if after.is_none() {
            progress.finish();
            return Ok(());
        }
    }
}

async fn read(
    context: &Context,
    actor: &Actor,
    server: SocketAddr,
    mail: CapturedMailId,
    reaction: Reaction,
) -> anyhow::Result<()> {
    if !(reaction.scanned || reaction.opened) {
        return Ok(());
    }
    let content = context.app.inbox.open(actor, mail).await?.content;
    let tracked = |part: &'static str| {
        let links = content.links.iter().chain(&content.images);
        links
            .filter(move |url| url.contains(part))
            .cloned()
            .collect::<Vec<_>>()
    };
    let browser = Browser {
        server,
        host: Arc::from(server.to_string()),
    };
    let clicks = tracked("/t/c/");
    if reaction.scanned {
        for link in &clicks {
            browser.request("GET", link, SCANNER).await?;
        }
    }
    if reaction.opened {
        for pixel in tracked("/t/o/") {
            browser.request("GET", &pixel, PERSON).await?;
        }
    }
    if let Some(link) = clicks.first().filter(|_| reaction.clicked) {
        browser.request("GET", link, PERSON).await?;
    }
    if let Some(link) = tracked("/u/").first().filter(|_| reaction.unsubscribed) {
        browser.request("POST", link, PERSON).await?;
    }
    Ok(())
}

/// Asks the demo's own server, and nobody else.
struct Browser {
    server: SocketAddr,
    host: Arc<str>,
}

impl Browser {
    async fn request(&self, method: &str, url: &str, agent: &str) -> io::Result<()> {
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let body = if method == "POST" {
            "List-Unsubscribe=One-Click"
        } else {
            ""
        };
        let request = format!(
            "{method} /{path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len(),
        );
        let mut stream = TcpStream::connect(self.server).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let status = answer.get(9..12).unwrap_or_default();
        if status.starts_with(b"2") || status.starts_with(b"3") {
            return Ok(());
        }
        let status = String::from_utf8_lossy(status).into_owned();
        Err(io::Error::other(format!(
            "the server answered {status} to {method} {url}"
        )))
    }
}
