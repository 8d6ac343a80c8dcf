//! `mauntic migrate`, `doctor`, `events`.

use clap::{Args, Subcommand};
use mauntic_core::{Actor, Operator, PageSize, identity::Slug, is_public};
use mauntic_messaging::{
    domain::{RecordCheck, RecordState, SendingDomain},
    transport::TransportKind,
};
use mauntic_server::{App, OpenError, Provider, Settings};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::Global,
    context::{Context, settings},
    output::{Output, table},
};

/// `mauntic migrate`
#[derive(Debug, Args)]
pub(crate) struct Migrate {}

impl Migrate {
    /// Runs the command.
    pub(crate) async fn run(self, global: Global, output: Output) -> anyhow::Result<()> {
        let app = App::open(settings(&global)?).await?;
        let database = app.settings.target()?.describe();
        output.result(&json!({"database": database, "migrated": true}), |_| {
            format!("{database} is up to date")
        })
    }
}

/// `mauntic doctor`
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

impl Finding {
    fn good(what: &'static str, detail: impl Into<String>) -> Self {
        Self {
            what,
            ok: true,
            detail: detail.into(),
            advice: None,
        }
    }

    fn bad(what: &'static str, detail: impl Into<String>, advice: &'static str) -> Self {
        Self {
            what,
            ok: false,
            detail: detail.into(),
            advice: Some(advice),
        }
    }
}

impl Doctor {
    /// Runs the command; fails if something is wrong.
    pub(crate) async fn run(self, global: Global, output: Output) -> anyhow::Result<bool> {
        let findings = examine(&global).await;
        let healthy = findings.iter().all(|finding| finding.ok);
        output.result(&json!({"healthy": healthy, "findings": findings}), |_| {
            let lines = findings.iter().map(|finding| {
                let mark = if finding.ok { "ok  " } else { "BAD " };
                let advice = finding
                    .advice
                    .map(|advice| format!("\n     → {advice}"))
                    .unwrap_or_default();
                format!("{mark} {}: {}{advice}", finding.what, finding.detail)
            });
            lines.collect::<Vec<_>>().join("\n")
        })?;
        Ok(healthy)
    }
}

async fn examine(global: &Global) -> Vec<Finding> {
    let settings = match settings(global) {
        Ok(settings) => settings,
        Err(error) => {
            let advice = "correct mauntic.toml or the MAUNTIC_… variable named above";
            return vec![Finding::bad("configuration", format!("{error:#}"), advice)];
        }
    };
    let mut findings = vec![Finding::good(
        "configuration",
        format!("data in {}", settings.data.display()),
    )];
    findings.push(sending_ips(&settings));
    findings.push(bounce_host(&settings));
    match App::open(settings.clone()).await {
        Err(OpenError::Settings(error)) => {
            let error = anyhow::Error::from(error);
            let advice = "correct the setting in mauntic.toml or its MAUNTIC_… variable";
            findings.push(Finding::bad("configuration", format!("{error:#}"), advice));
        }
        Err(error) => {
            findings.push(links(&settings, &[]));
            let advice = "start the database server, or correct `database`; without it SQLite files are used";
            findings.push(Finding::bad(
                "database",
                format!("{:#}", anyhow::Error::from(error)),
                advice,
            ));
        }
        Ok(app) => {
            findings.push(match mailers(&app).await {
                Ok(mailers) => links(&settings, &mailers),
                Err(error) => {
                    Finding::bad(LINKS, format!("{error:#}"), "see the log of the database")
                }
            });
            findings.extend(examine_app(&app).await);
        }
    }
    findings
}

/// Whether it is known where mail leaves from.
fn sending_ips(settings: &Settings) -> Finding {
    const WHAT: &str = "where mail leaves from";
    let own = &settings.sending_ips;
    let named: Vec<_> = own.iter().map(ToString::to_string).collect();
    let private = own.iter().find(|network| !is_public(network.address()));
    if let Some(network) = private {
        let advice =
            "name the public addresses in sending_ips: receivers on the internet see only those";
        return Finding::bad(WHAT, format!("{network} is not public"), advice);
    }
    if named.is_empty() {
        let detail =
            "not known; the mail provider says what to publish for SPF, or set sending_ips";
        return Finding::good(WHAT, detail);
    }
    Finding::good(WHAT, named.join(", "))
}

/// Whether it is known where bounces go.
fn bounce_host(settings: &Settings) -> Finding {
    const WHAT: &str = "where bounces go";
    match &settings.bounce_host {
        Some(host) => Finding::good(WHAT, host.as_str()),
        None => Finding::good(
            WHAT,
            "not known; set bounce_host to the mail server that takes them, so that the MX to publish is known",
        ),
    }
}

const LINKS: &str = "links in mail";

/// Whether recipients can follow the links in mails, if there are recipients: those of organisations whose mail leaves.
fn links(settings: &Settings, mailers: &[Slug]) -> Finding {
    let public = settings.public_url();
    let Some(problem) = settings.link_problem() else {
        return Finding::good(LINKS, public);
    };
    let advice = "set base_url to an https:// address that recipients can reach; one-click unsubscribe needs HTTPS (RFC 8058 §3.1)";
    if let Some(first) = mailers.first() {
        let detail = format!("{problem}; the mail of {first} leaves through a mail server");
        return Finding::bad(LINKS, detail, advice);
    }
    match settings.base_url {
        None => Finding::good(
            LINKS,
            format!("{public} (set base_url before mail goes to others)"),
        ),
        Some(_) => Finding::bad(LINKS, problem, advice),
    }
}

/// The organisations whose mail leaves through a mail server.
async fn mailers(app: &App) -> anyhow::Result<Vec<Slug>> {
    let (operator, mut after, mut found) = (Operator::local(), None, Vec::new());
    loop {
        let page = app
            .identity
            .organizations(&operator, after, PageSize::clamped(1_000))
            .await?;
        for organization in page.items {
            let transport = app.transports.show(&Actor::system(organization.id)).await?;
            if transport.kind != TransportKind::Capture {
                found.push(organization.slug);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

async fn examine_app(app: &App) -> Vec<Finding> {
    let database = app
        .settings
        .target()
        .map(|target| target.describe())
        .unwrap_or_default();
    let mut findings = vec![Finding::good("database", format!("{database}, up to date"))];
    match app.event_backlog().await {
        Ok(0) => findings.push(Finding::good("events", "none waiting")),
        Ok(waiting) if waiting < 10_000 => {
            findings.push(Finding::good("events", format!("{waiting} waiting")));
        }
        Ok(waiting) => findings.push(Finding::bad(
            "events",
            format!("{waiting} waiting"),
            "start a worker: `mauntic work`, or `mauntic serve` without --no-workers",
        )),
        Err(error) => findings.push(Finding::bad(
            "events",
            error.to_string(),
            "see the log of the database",
        )),
    }
    findings.push(match app.images.probe().await {
        Ok(place) => Finding::good("images of emails", place),
        Err(error) => Finding::bad(
            "images of emails",
            format!("{:#}", anyhow::Error::from(error)),
            "let Mauntic write to the folder, or correct the settings images_bucket, images_endpoint, images_region and its keys",
        ),
    });
    match domains(app).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::bad(
            "sending domains",
            format!("{error:#}"),
            "see the log of the database",
        )),
    }
    for provider in &app.logins {
        findings.push(login_provider(app, provider).await);
    }
    findings
}

/// Whether people can log in with a provider, as far as it says itself.
async fn login_provider(app: &App, provider: &Provider) -> Finding {
    const WHAT: &str = "login provider";
    let (id, issuer) = (provider.id(), provider.issuer());
    let back = provider.return_to();
    match provider.ready().await {
        Err(error) => {
            let detail = format!("{id}: {:#}", anyhow::Error::from(error));
            let advice = "see that `issuer` is what its discovery document says, and that it is reached from here";
            Finding::bad(WHAT, detail, advice)
        }
        Ok(()) if app.settings.base_url.is_none() => {
            let advice = "set base_url to the address that people use, for the provider sends them back there";
            Finding::bad(WHAT, format!("{id}: people come back to {back}"), advice)
        }
        Ok(()) => Finding::good(
            WHAT,
            format!("{id}: {issuer}; it must know the address {back}"),
        ),
    }
}

/// What is published for the sending domains of all organisations.
async fn domains(app: &App) -> anyhow::Result<Vec<Finding>> {
    let (operator, mut after, mut findings) = (Operator::local(), None, Vec::new());
    loop {
        let page = app
            .identity
            .organizations(&operator, after, PageSize::clamped(1_000))
            .await?;
        for organization in &page.items {
            let actor = Actor::system(organization.id);
            for domain in app.domains.list(&actor).await? {
                let checks = app.domains.check(&actor, domain.id, &*app.dns).await?;
                findings.push(published(&domain, &checks));
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(findings);
        }
    }
}

fn published(domain: &SendingDomain, checks: &[RecordCheck]) -> Finding {
    const WHAT: &str = "sending domain";
    let of = |wanted: fn(RecordState) -> bool| {
        let names = checks.iter().filter(|check| wanted(check.state));
        let names: Vec<_> = names
            .map(|check| {
                let (kind, name) = (check.record.kind.as_str(), &check.record.name);
                format!("{kind} {name} is {}", check.state.as_str())
            })
            .collect();
        names.join(", ")
    };
    let (bad, open) = (
        of(RecordState::is_bad),
        of(|state| matches!(state, RecordState::Unknown | RecordState::Warning)),
    );
    let name = &domain.domain;
    if !bad.is_empty() {
        let advice =
            "publish what `mauntic domains records` prints; `mauntic domains check` says more";
        return Finding::bad(WHAT, format!("{name}: {bad}"), advice);
    }
    if open.is_empty() {
        Finding::good(WHAT, format!("{name}: all records are published"))
    } else {
        Finding::good(
            WHAT,
            format!("{name}: {open} (`mauntic domains check` says more)"),
        )
    }
}

/// `mauntic events …`
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List events that a handler could not deal with
    Dead,
    /// Try them again
    Redrive,
}

impl EventsCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let actor = context.actor().await?;
        match self {
            Self::Dead => {
                let letters = context
                    .app
                    .dead_letters(&Operator::local(), actor.organization_id())
                    .await?;
                context.output.result(&json!({"dead": letters}), |_| {
                    table(
                        ["Event", "Type", "Handler", "Tries", "Why"],
                        letters.iter().map(|letter| {
                            [
                                letter.event_id.to_string(),
                                letter.event_type.clone(),
                                letter.handler.clone(),
                                letter.attempts.to_string(),
                                letter.last_error.clone(),
                            ]
                        }),
                    )
                })
            }
            Self::Redrive => {
                let redriven = context
                    .app
                    .redrive(&Operator::local(), actor.organization_id())
                    .await?;
                context.output.result(&json!({"redriven": redriven}), |_| {
                    format!("{redriven} to be tried again")
                })
            }
        }
    }
}
