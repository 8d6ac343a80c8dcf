//! Sending mail to a server that throws it away.

use std::time::{Duration, Instant};

use anyhow::bail;
use mauntic_core::{EmailId, PageSize, SegmentId};
use mauntic_messaging::{
    content::{Body, EmailSource},
    domain::AddSendingDomain,
    email::CreateEmail,
    sending::{CreateSend, Engine, EngineOptions, JobState, SendJob, SendStatus},
    transport::SendingLimits,
};
use serde::Serialize;
use tokio::sync::watch;

use super::{memory, postfix::Sink, rate, world::World};
use crate::{output::count, progress::Progress};

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What a send came to.
#[derive(Debug, Serialize)]
pub(super) struct SendFigures {
    mails: u64,
    connections: usize,
    bytes_each: u64,
    seconds: f64,
    mails_per_second: f64,
    peak_megabytes: Option<u64>,
    /// `smtp-source`, which makes a connection for each message.
    smtp_source_per_second: f64,
    ratio: f64,
    /// `smtp-source -d`, which keeps its connections as Mauntic does.
    smtp_source_kept_per_second: f64,
    ratio_kept: f64,
}

/// Sends the mails, and compares with Postfix's own client.
pub(super) async fn run(
    world: &World<'_>,
    mails: u64,
    connections: usize,
) -> anyhow::Result<(SendFigures, SendJob)> {
    let output = world.context.output;
    let sink = Sink::start().await?;
    output.note(format_args!(
        "Send: importing {} recipients …",
        count(mails)
    ));
    let segment = world.people(mails).await?;
    let email = email(world).await?;
    let bytes_each = size(world, email).await?;
    let limits = SendingLimits {
        connections: u16::try_from(connections)?,
        ..SendingLimits::default()
    };
    let url = format!("smtp://{}?tls=none", sink.address);
    world
        .context
        .app
        .transports
        .configure(&world.actor, Some(&url), limits, None)
        .await?;
    output.note(format_args!(
        "Send: {} mails of {bytes_each} bytes …",
        count(mails)
    ));
    memory::reset_peak();
    let started = Instant::now();
    let job = send(world, email, segment, connections).await?;
    let seconds = started.elapsed().as_secs_f64();
    let peak_megabytes = memory::peak_megabytes();
    output.note("Send: the same by smtp-source …");
    let plain = sink.source(mails, connections, bytes_each, false).await?;
    let kept = sink.source(mails, connections, bytes_each, true).await?;
    let mails_per_second = rate(mails, seconds);
    let [plain, kept] = [plain, kept].map(|took| rate(mails, took.as_secs_f64()));
    let figures = SendFigures {
        mails,
        connections,
        bytes_each,
        seconds,
        mails_per_second,
        peak_megabytes,
        smtp_source_per_second: plain,
        ratio: mails_per_second / plain,
        smtp_source_kept_per_second: kept,
        ratio_kept: mails_per_second / kept,
    };
    Ok((figures, job))
}

/// A newsletter of a domain with keys, with links and the recipient's name in it.
pub(super) async fn email(world: &World<'_>) -> anyhow::Result<EmailId> {
    let app = &world.context.app;
    let domain = AddSendingDomain {
        domain: "bench.example".parse()?,
        return_path: None,
    };
    app.domains.add(&world.actor, domain).await?;
    let source = EmailSource {
        subject: "News for {{ contact.firstname | default('you') }}".to_owned(),
        preheader: Some("What is new this week".to_owned()),
        body: Body::Html(html()),
        text: None,
        from_name: Some("Bench".to_owned()),
        from_address: Some("news@bench.example".to_owned()),
        reply_to: None,
    };
    let command = CreateEmail {
        name: "Newsletter".parse()?,
        source,
    };
    Ok(app.emails.create(&world.actor, command).await?.email.id)
}

/// Enough for about eight kilobytes with headers, text part and tracked links.
fn html() -> String {
    let item = |number: u32| {
        format!(
            "<tr><td style=\"padding: 8px\"><h2>Story {number}</h2><p>What happened in {{{{ contact.city }}}} this \
             week, told in a few sentences that people read on their way to work.</p>\
             <p><a href=\"https://www.example.com/stories/{number}\">Read the story</a></p></td></tr>"
        )
    };
    let items: String = (1..=8).map(item).collect();
    format!(
        "<!doctype html><html><body><p>Hello {{{{ contact.firstname }}}}!</p><table>{items}</table>\
         <p><a href=\"{{{{ unsubscribe_url }}}}\">Unsubscribe</a></p></body></html>"
    )
}

/// The size of one message, taken from a captured test.
async fn size(world: &World<'_>, email: EmailId) -> anyhow::Result<u64> {
    let app = &world.context.app;
    let to = ["somebody@example.com".parse()?];
    app.sends.send_test(&world.actor, email, None, &to).await?;
    let page = app
        .inbox
        .list(&world.actor, None, None, PageSize::clamped(1))
        .await?;
    let size = page.items.first().map_or(0, |mail| mail.size);
    app.inbox.delete_all(&world.actor).await?;
    Ok(size)
}

/// Sends an email to a segment with the engine of `mauntic work`.
pub(super) async fn send(
    world: &World<'_>,
    email: EmailId,
    segment: SegmentId,
    connections: usize,
) -> anyhow::Result<SendJob> {
    let app = &world.context.app;
    let command = CreateSend {
        email,
        version: None,
        segment,
        at: None,
    };
    let job = app.sends.create(&world.actor, command).await?;
    let (stop, stopped) = watch::channel(false);
    let options = EngineOptions {
        connections,
        ..EngineOptions::default()
    };
    let engine = Engine::new(app.engine.clone(), options);
    let working = tokio::spawn(async move { engine.run(stopped).await });
    let mut progress = Progress::start(world.context.output, "Sending", 0);
    let status = loop {
        let status = app.sends.status(&world.actor, job.id).await?;
        let [done, planned] = [
            accepted(&status),
            u64::try_from(status.tally.planned).unwrap_or_default(),
        ];
        progress.update(done, planned, "");
        if !matches!(
            status.job.state,
            JobState::Scheduled | JobState::Planning | JobState::Sending
        ) {
            break status;
        }
        tokio::time::sleep(LOOK).await;
    };
    progress.finish();
    stop.send_replace(true);
    working.await?;
    let left = status.tally.planned - status.tally.accepted;
    if status.job.state != JobState::Completed || left != 0 || accepted(&status) == 0 {
        bail!(
            "the send is {}, with {left} mails not accepted",
            status.job.state
        );
    }
    Ok(status.job)
}

fn accepted(status: &SendStatus) -> u64 {
    u64::try_from(status.tally.accepted).unwrap_or_default()
}

impl SendFigures {
    /// The figures as rows of a table.
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        let what = format!(
            "{} mails of {} bytes, {} connections",
            count(self.mails),
            count(self.bytes_each),
            self.connections
        );
        vec![super::row(
            what,
            format!(
                "{:.0} mails/s, {}",
                self.mails_per_second,
                super::megabytes(self.peak_megabytes)
            ),
            Some(format!(
                "smtp-source: {:.0}/s, {:.2} ×; keeping connections: {:.0}/s, {:.2} ×",
                self.smtp_source_per_second,
                self.ratio,
                self.smtp_source_kept_per_second,
                self.ratio_kept
            )),
            "1,500 mails/s, 0.5 ×",
        )]
    }
}
