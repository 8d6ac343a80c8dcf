//! `mauntic transport` and `mauntic domains`: how mail leaves.

use clap::Subcommand;
use mauntic_core::{Actor, SendingDomainId};
use mauntic_messaging::{
    dns::DnsRecord,
    domain::{AddSendingDomain, DomainName, SendingDomain},
    transport::{SendingLimits, TransportView},
};
use serde_json::json;

use crate::{context::Context, exit, output::table};

/// `mauntic transport …`
#[derive(Debug, Subcommand)]
pub(crate) enum TransportCommand {
    /// Show how mail leaves
    Show,
    /// Send mail to an SMTP server from now on
    Set {
        /// smtp://user:password@host:587 or smtps://host:465; ?tls=required, opportunistic or none
        url: String,
        /// Most connections at once, for each process
        #[arg(long)]
        connections: Option<u16>,
        /// Messages after which a connection is closed
        #[arg(long)]
        messages_per_connection: Option<u32>,
        /// Most messages each second
        #[arg(long, value_name = "RATE")]
        per_second: Option<f64>,
        /// Most messages each second to one recipient domain
        #[arg(long, value_name = "RATE")]
        domain_per_second: Option<f64>,
        /// The same for one domain, DOMAIN=RATE; repeat for several
        #[arg(long = "domain-rate", value_name = "DOMAIN=RATE")]
        domains: Vec<String>,
    },
    /// Keep mail in the database instead of sending it
    Capture,
    /// Connect to the server without sending anything
    Test,
}

impl TransportCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let transports = &context.app.transports;
        let actor = context.actor().await?;
        match self {
            Self::Show => show(context, &transports.show(&actor).await?),
            Self::Capture => show(
                context,
                &transports
                    .configure(&actor, None, SendingLimits::default(), None)
                    .await?,
            ),
            Self::Set {
                url,
                connections,
                messages_per_connection,
                per_second,
                domain_per_second,
                domains,
            } => {
                let usual = SendingLimits::default();
                let limits = SendingLimits {
                    connections: connections.unwrap_or(usual.connections),
                    messages_per_connection: messages_per_connection
                        .unwrap_or(usual.messages_per_connection),
                    per_second,
                    domain_per_second,
                    domains: domains
                        .iter()
                        .map(|text| rate(text))
                        .collect::<Result<_, _>>()?,
                    ..usual
                };
                show(
                    context,
                    &transports
                        .configure(&actor, Some(&url), limits, None)
                        .await?,
                )
            }
            Self::Test => match transports.test(&actor).await? {
                Ok(answer) => context
                    .output
                    .result(&json!({"ok": true, "answer": answer}), |_| answer.clone()),
                Err(problem) => Err(exit::invalid(format!(
                    "the server cannot be used: {problem}"
                ))),
            },
        }
    }
}

fn rate(text: &str) -> anyhow::Result<(String, f64)> {
    let parsed = text.split_once('=').and_then(|(domain, rate)| {
        Some((
            domain.trim().to_ascii_lowercase(),
            rate.trim().parse().ok()?,
        ))
    });
    parsed.ok_or_else(|| {
        exit::invalid(format!(
            "--domain-rate {text}: expected DOMAIN=RATE, such as gmail.com=20"
        ))
    })
}

fn show(context: &Context, transport: &TransportView) -> anyhow::Result<()> {
    context
        .output
        .result(transport, |transport| match transport.url.as_str() {
            "capture" => "mail is captured; read it with: mauntic inbox list".to_owned(),
            url => format!(
                "mail goes to {url} over up to {} connections",
                transport.limits.connections
            ),
        })
}

/// `mauntic domains …`
#[derive(Debug, Subcommand)]
pub(crate) enum DomainsCommand {
    /// Add a domain to send from, with keys that sign its mail, and print the DNS records to publish
    Add {
        /// The domain of the From addresses
        domain: DomainName,
        /// The domain of the return path [default: bounce. in front of the domain]
        #[arg(long)]
        return_path: Option<DomainName>,
    },
    /// List the domains
    List,
    /// Print the DNS records to publish
    Records {
        /// The domain
        domain: DomainName,
    },
    /// Look up what is published, and compare it with what should be; fails if something is missing or wrong
    Check {
        /// The domain
        domain: DomainName,
    },
    /// Make new keys to be published; the old ones sign until they are activated
    Rotate {
        /// The domain
        domain: DomainName,
    },
    /// Sign with the new keys from now on
    Activate {
        /// The domain
        domain: DomainName,
    },
    /// Remove a domain and its keys; its mail is no longer signed
    Delete {
        /// The domain
        domain: DomainName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl DomainsCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let domains = &context.app.domains;
        let actor = context.actor().await?;
        match self {
            Self::Add {
                domain,
                return_path,
            } => {
                let added = domains
                    .add(
                        &actor,
                        AddSendingDomain {
                            domain,
                            return_path,
                        },
                    )
                    .await?;
                records(context, &added).await
            }
            Self::List => {
                let list = domains.list(&actor).await?;
                let rows: Vec<_> = list.iter().map(|domain| json!({"id": domain.id, "domain": domain.domain, "return_path": domain.return_path})).collect();
                context.output.result(&json!({"domains": rows}), |_| {
                    table(
                        ["Domain", "Return path"],
                        list.iter().map(|domain| {
                            [domain.domain.to_string(), domain.return_path.to_string()]
                        }),
                    )
                })
            }
            Self::Records { domain } => {
                records(context, &domains.get_named(&actor, &domain).await?).await
            }
            Self::Check { domain } => {
                let id = domains.get_named(&actor, &domain).await?.id;
                check(context, &actor, id, &domain).await
            }
            Self::Rotate { domain } => {
                let id = domains.get_named(&actor, &domain).await?.id;
                records(context, &domains.rotate(&actor, id).await?).await
            }
            Self::Activate { domain } => {
                let id = domains.get_named(&actor, &domain).await?.id;
                let activated = domains.activate(&actor, id).await?;
                context.output.result(
                    &json!({"domain": activated.domain, "activated": true}),
                    |_| "activated".to_owned(),
                )
            }
            Self::Delete { domain, yes } => {
                let id = domains.get_named(&actor, &domain).await?.id;
                context.confirm(yes, &format!("Remove {domain} and its keys?"))?;
                domains.delete(&actor, id).await?;
                context
                    .output
                    .result(&json!({"domain": domain, "deleted": true}), |_| {
                        "deleted".to_owned()
                    })
            }
        }
    }
}

async fn check(
    context: &Context,
    actor: &Actor,
    id: SendingDomainId,
    domain: &DomainName,
) -> anyhow::Result<()> {
    let app = &context.app;
    let checks = app.domains.check(actor, id, &*app.dns).await?;
    let bad = checks.iter().filter(|check| check.state.is_bad()).count();
    let result = json!({"domain": domain, "ok": bad == 0, "records": checks});
    context.output.result(&result, |_| {
        let lines = checks.iter().map(|check| {
            let found = match check.found.as_slice() {
                [] => String::new(),
                found => format!("\n        found: {}", found.join(" | ")),
            };
            let (state, record) = (check.state.as_str(), &check.record);
            let (kind, name) = (record.kind.as_str(), &record.name);
            format!("{state:<8}{kind:<4}{name}: {}{found}", check.detail)
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    if bad > 0 {
        return Err(exit::invalid(format!(
            "{bad} records of {domain} are missing or wrong; see `mauntic domains records {domain}`"
        )));
    }
    Ok(())
}

async fn records(context: &Context, domain: &SendingDomain) -> anyhow::Result<()> {
    let actor = context.actor().await?;
    let records = context.app.domains.dns_records(&actor, domain.id).await?;
    context.output.result(
        &json!({"domain": domain.domain, "records": records}),
        |_| {
            let lines: Vec<_> = records.iter().filter_map(DnsRecord::line).collect();
            let hints = records.iter().filter_map(|record| {
                let (name, kind) = (&record.name, record.kind.as_str());
                Some(format!("{name}. {kind}: {}", record.hint()?))
            });
            let hints: Vec<_> = hints.collect();
            let mut text = format!("Publish these records:\n{}", lines.join("\n"));
            if !hints.is_empty() {
                text.push_str("\nAnd these, whose values depend on your mail server:\n");
                text.push_str(&hints.join("\n"));
            }
            text
        },
    )
}
