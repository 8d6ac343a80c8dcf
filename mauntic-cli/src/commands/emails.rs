//! `mauntic emails`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use chrono::{DateTime, NaiveDateTime, Utc};
use clap::{Args, Subcommand};
use mauntic_core::{ContactId, EmailAddress, EmailId, PageSize};
use mauntic_messaging::{
    content::{Body, EmailSource, blocks::BlockDocument},
    domain::{bounces_come_home, can_be_verified},
    email::{
        CreateEmail, EmailCursor, EmailFilter, EmailName, PreviewRecipient, SavedEmail, UpdateEmail,
    },
    sending::{CreateSend, LocalTime, SendTime, Sender, parse_local_time},
    transport::TransportKind,
};
use serde_json::{Value, json};

use super::{contacts, segments, sends};
use crate::{
    context::Context,
    exit,
    output::{count, table},
    paging::Paging,
};

/// `mauntic emails …`
#[derive(Debug, Subcommand)]
pub(crate) enum EmailsCommand {
    /// Make an email
    Create {
        /// What to call it
        name: EmailName,
        /// The subject
        #[arg(long)]
        subject: String,
        #[command(flatten)]
        content: Content,
    },
    /// Change an email; what is not given stays
    Update {
        /// Its name or id
        email: String,
        /// What to call it
        #[arg(long)]
        name: Option<EmailName>,
        /// The subject
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        content: Content,
    },
    /// Make an email that says what another one says now
    Copy {
        /// The name or id of the one to copy
        email: String,
        /// What to call the new one
        #[arg(long)]
        name: EmailName,
    },
    /// List emails, the latest made first
    List(Paging),
    /// Show an email
    Show {
        /// Its name or id
        email: String,
    },
    /// Show an email as a recipient would see it
    Preview {
        /// Its name or id
        email: String,
        /// A contact, by address or id [default: somebody made up]
        #[arg(long)]
        contact: Option<String>,
        /// Print the HTML part instead of the text
        #[arg(long)]
        html: bool,
    },
    /// Send a test to addresses
    Test {
        /// Its name or id
        email: String,
        /// Where to; repeat for several
        #[arg(long, required = true, value_name = "ADDRESS")]
        to: Vec<EmailAddress>,
        /// With the values of this contact, by address or id [default: somebody made up]
        #[arg(long)]
        contact: Option<String>,
    },
    /// Send an email to a segment
    Send {
        /// Its name or id
        email: String,
        /// The segment, by name or id
        #[arg(long)]
        segment: String,
        /// When, such as 2027-01-01T09:00:00Z [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<DateTime<Utc>>,
        /// When each recipient's own clock shows this time, such as 2027-01-31T09:00. Contacts without a time zone get
        /// it by the organisation's; whose time is over when the send starts gets it at once
        #[arg(long, value_name = "TIME", value_parser = parse_local_time, conflicts_with = "at")]
        local_time: Option<NaiveDateTime>,
        /// Stay until it is done; works on it here unless --no-workers is given
        #[arg(long)]
        wait: bool,
        /// With --wait: leave the work to `mauntic serve` or `mauntic work`
        #[arg(long, requires = "wait")]
        no_workers: bool,
    },
    /// Show what became of an email
    Status {
        /// Its name or id
        email: String,
    },
    /// Delete an email; what was sent of it keeps its results
    Delete {
        /// Its name or id
        email: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// What an email says.
#[derive(Debug, Default, Args)]
pub(crate) struct Content {
    /// A file with the body as HTML
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mjml", "blocks"])]
    html: Option<PathBuf>,
    /// A file with the body as MJML
    #[arg(long, value_name = "FILE", conflicts_with = "blocks")]
    mjml: Option<PathBuf>,
    /// A file with the body as blocks: the JSON that `emails show --json` and the API have
    #[arg(long, value_name = "FILE")]
    blocks: Option<PathBuf>,
    /// A file with the text part [default: made from the body]
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// The preview text that mail programs show beside the subject
    #[arg(long)]
    preheader: Option<String>,
    /// The sender's name
    #[arg(long)]
    from_name: Option<String>,
    /// The sender's address
    #[arg(long)]
    from: Option<String>,
    /// Where answers go
    #[arg(long)]
    reply_to: Option<String>,
}

impl Content {
    fn body(&self) -> anyhow::Result<Option<Body>> {
        Ok(match (&self.html, &self.mjml, &self.blocks) {
            (Some(path), ..) => Some(Body::Html(read(path)?)),
            (_, Some(path), _) => Some(Body::Mjml(read(path)?)),
            (.., Some(path)) => Some(Body::Blocks(read_blocks(path)?)),
            (None, None, None) => None,
        })
    }

    fn change(self, source: &mut EmailSource) -> anyhow::Result<()> {
        if let Some(body) = self.body()? {
            source.body = body;
        }
        if let Some(path) = &self.text {
            source.text = Some(read(path)?);
        }
        for (given, kept) in [
            (self.preheader, &mut source.preheader),
            (self.from_name, &mut source.from_name),
            (self.from, &mut source.from_address),
            (self.reply_to, &mut source.reply_to),
        ] {
            if given.is_some() {
                *kept = given;
            }
        }
        Ok(())
    }
}

fn read(path: &std::path::Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_blocks(path: &std::path::Path) -> anyhow::Result<BlockDocument> {
    serde_json::from_str(&read(path)?)
        .map_err(|error| exit::invalid(format!("{}: {error}", path.display())))
}

impl EmailsCommand {
    /// Runs the command.
    #[expect(clippy::too_many_lines, reason = "an arm for each command")]
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let emails = &context.app.emails;
        let actor = context.actor().await?;
        match self {
            Self::Create {
                name,
                subject,
                content,
            } => {
                let body = content.body()?;
                let body = body.ok_or_else(|| {
                    exit::invalid("give the body: --html FILE, --mjml FILE or --blocks FILE")
                })?;
                let mut source = EmailSource {
                    subject,
                    preheader: None,
                    body,
                    text: None,
                    from_name: None,
                    from_address: None,
                    reply_to: None,
                };
                content.change(&mut source)?;
                show(
                    context,
                    &emails.create(&actor, CreateEmail { name, source }).await?,
                )?;
            }
            Self::Update {
                email,
                name,
                subject,
                content,
            } => {
                let saved = find(context, &email).await?;
                let mut source = saved.current.source.clone();
                source.subject = subject.unwrap_or(source.subject);
                content.change(&mut source)?;
                let source = Some(source).filter(|source| *source != saved.current.source);
                let command = UpdateEmail {
                    name,
                    source,
                    expected_version: Some(saved.email.version),
                };
                show(
                    context,
                    &emails.update(&actor, saved.email.id, command).await?,
                )?;
            }
            Self::Copy { email, name } => {
                let saved = find(context, &email).await?;
                let copied = emails.copy(&actor, saved.email.id, name).await?;
                show(context, &copied)?;
            }
            Self::List(paging) => list(context, &paging).await?,
            Self::Show { email } => show(context, &find(context, &email).await?)?,
            Self::Preview {
                email,
                contact,
                html,
            } => preview(context, &email, contact.as_deref(), html).await?,
            Self::Test { email, to, contact } => {
                return test(context, &email, &to, contact.as_deref()).await;
            }
            Self::Send {
                email,
                segment,
                at,
                local_time,
                wait,
                no_workers,
            } => {
                let (email, segment) = (
                    find(context, &email).await?.email.id,
                    segments::find(context, &segment).await?.id,
                );
                let at = match local_time {
                    None => at.map(SendTime::At),
                    Some(time) => {
                        let zones = &context.app.zones;
                        let fallback = zones.zone_of(actor.organization_id()).await?;
                        Some(SendTime::Local(LocalTime { time, fallback }))
                    }
                };
                let sends = &context.app.sends;
                let sender = sends.sender(&actor, email).await?;
                let job = sends
                    .create(
                        &actor,
                        CreateSend {
                            email,
                            version: None,
                            segment,
                            at,
                        },
                    )
                    .await?;
                if let Some(from) = sender.address.as_ref().filter(|_| sender.is_unsigned()) {
                    context.output.note(format_args!(
                        "look at this: nothing signs mail from {0}, and large receivers refuse such mail; \
                         add the domain with: mauntic domains add {0}",
                        from.domain()
                    ));
                }
                look_at_delivery(context, &sender).await?;
                if !wait {
                    let status = context.app.sends.status(&actor, job.id).await?;
                    context
                        .output
                        .note("The workers of `mauntic serve` or `mauntic work` send it.");
                    context
                        .output
                        .result(&sends::record(&status), |_| sends::sentence(&status))?;
                    return Ok(ExitCode::SUCCESS);
                }
                return sends::wait(context, job.id, !no_workers).await;
            }
            Self::Status { email } => {
                let saved = find(context, &email).await?;
                let record = report(context, saved.email.id).await?;
                context.output.result(&record, describe)?;
            }
            Self::Delete { email, yes } => {
                let saved = find(context, &email).await?;
                context.confirm(yes, &format!("Delete the email {}?", saved.email.name))?;
                emails.delete(&actor, saved.email.id).await?;
                context
                    .output
                    .result(&json!({"id": saved.email.id, "deleted": true}), |_| {
                        "deleted".to_owned()
                    })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Says so if recipients can follow no link of the mail, if what signs it cannot be verified by anybody, or if its bounces
/// do not come home. A DNS that does not answer says nothing, and captured mail reaches nobody.
async fn look_at_delivery(context: &Context, sender: &Sender) -> anyhow::Result<()> {
    let (app, actor) = (&context.app, context.actor().await?);
    if app.transports.show(&actor).await?.kind == TransportKind::Capture {
        return Ok(());
    }
    if let Some(problem) = app.settings.link_problem() {
        context.output.note(format_args!("look at this: {problem}"));
    }
    let Some(domain) = &sender.signed_by else {
        return Ok(());
    };
    let id = app.domains.get_named(&actor, domain).await?.id;
    let checks = app.domains.check(&actor, id, &*app.dns).await?;
    if !can_be_verified(&checks) {
        context.output.note(format_args!(
            "look at this: no key of {domain} is published as it should be, so receivers take its mail for unsigned; \
             see: mauntic domains check {domain}"
        ));
    }
    if !bounces_come_home(&checks) {
        context.output.note(format_args!(
            "look at this: the return path of {domain} has no MX as it should be, so some servers refuse its mail and later \
             bounces are lost; see: mauntic domains check {domain}"
        ));
    }
    Ok(())
}

/// The email that a name or id names.
async fn find(context: &Context, text: &str) -> anyhow::Result<SavedEmail> {
    let found = context
        .app
        .emails
        .get_named(&context.actor().await?, text)
        .await;
    found.with_context(|| format!("{text}: see `mauntic emails list`"))
}

async fn recipient(context: &Context, contact: Option<&str>) -> anyhow::Result<Option<ContactId>> {
    match contact {
        Some(contact) => Ok(Some(contacts::find(context, contact).await?.id())),
        None => Ok(None),
    }
}

fn show(context: &Context, saved: &SavedEmail) -> anyhow::Result<()> {
    let warnings = saved.current.compiled.warnings();
    let record = json!({
        "id": saved.email.id, "name": saved.email.name, "version": saved.email.version,
        "subject": saved.current.source.subject, "content": saved.current.source, "warnings": warnings,
        "created_at": saved.email.created_at, "updated_at": saved.email.updated_at,
    });
    for warning in warnings {
        context.output.note(format_args!("look at this: {warning}"));
    }
    context.output.result(&record, |_| {
        format!(
            "{}: {} (version {}, id {})",
            saved.email.name, saved.current.source.subject, saved.email.version, saved.email.id
        )
    })
}

async fn list(context: &Context, paging: &Paging) -> anyhow::Result<()> {
    let (emails, actor) = (&context.app.emails, context.actor().await?);
    let any = EmailFilter::default();
    let part = paging
        .gather(async |after: Option<EmailCursor>, size| {
            Ok(emails.list(&actor, &any, after.as_ref(), size).await?)
        })
        .await?;
    let records: Vec<_> = part
        .items
        .iter()
        .map(|email| json!({"id": email.id, "name": email.name, "version": email.version, "updated_at": email.updated_at}))
        .collect();
    let result = json!({"emails": records, "next": part.next});
    context.output.result(&result, |_| {
        let rows = part.items.iter().map(|email| {
            [
                email.name.to_string(),
                email.updated_at.format("%F %R").to_string(),
                email.id.to_string(),
            ]
        });
        table(["Name", "Changed", "Id"], rows)
    })?;
    part.tell(context.output);
    Ok(())
}

async fn preview(
    context: &Context,
    email: &str,
    contact: Option<&str>,
    html: bool,
) -> anyhow::Result<()> {
    let id = find(context, email).await?.email.id;
    let recipient = match recipient(context, contact).await? {
        Some(contact) => PreviewRecipient::Contact(contact),
        None => PreviewRecipient::Sample,
    };
    let preview = context
        .app
        .emails
        .preview(&context.actor().await?, id, recipient)
        .await?;
    context.output.result(&preview, |preview| {
        if html {
            preview.html.clone()
        } else {
            format!("Subject: {}\n\n{}", preview.subject, preview.text)
        }
    })
}

async fn test(
    context: &Context,
    email: &str,
    to: &[EmailAddress],
    contact: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let id = find(context, email).await?.email.id;
    let contact = recipient(context, contact).await?;
    let results = context
        .app
        .sends
        .send_test(&context.actor().await?, id, contact, to)
        .await?;
    let records: Vec<_> = results
        .iter()
        .map(|result| json!({"to": result.address, "accepted": result.accepted, "reply": result.reply}))
        .collect();
    context.output.result(&json!({"tests": records}), |_| {
        let lines = results.iter().map(|result| {
            format!(
                "{}: {} ({})",
                result.address,
                if result.accepted {
                    "accepted"
                } else {
                    "refused"
                },
                result.reply
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    let all = results.iter().all(|result| result.accepted);
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FAILED)
    })
}

/// The contract of `emails status --json`.
pub(crate) async fn report(context: &Context, email: EmailId) -> anyhow::Result<Value> {
    let (app, actor) = (&context.app, context.actor().await?);
    let report = app.tracking.report(&actor, email).await?;
    let mut record = serde_json::to_value(&report)?;
    let sends = app
        .sends
        .list(&actor, Some(email), None, PageSize::clamped(100))
        .await?;
    let notes = sends.items.into_iter().filter_map(|send| send.job.note);
    record["notes"] = notes.collect();
    record["email_id"] = json!(email);
    record["skipped_by_reason"] = record["skipped"].take();
    record["skipped"] = report.skipped.values().sum::<u64>().into();
    record["bounced_by_class"] = record["bounced"].take();
    record["bounced"] = report.bounced.values().sum::<u64>().into();
    Ok(record)
}

/// A report as text.
pub(crate) fn describe(report: &Value) -> String {
    let number = |name: &str| count(report[name].as_u64().unwrap_or_default());
    let split = |name: &str| {
        let side = |side: &str| count(report[name][side].as_u64().unwrap_or_default());
        format!("{} ({} more by machines)", side("human"), side("machine"))
    };
    // What a number is made of: "3 (2 suppressed, 1 missing address)".
    let explained = |name: &str, by: &str| {
        let parts = report[by].as_object().into_iter().flatten();
        let parts: Vec<_> = parts
            .filter_map(|(part, of)| Some((part, of.as_u64().filter(|of| *of > 0)?)))
            .map(|(part, of)| format!("{} {}", count(of), part.replace('_', " ")))
            .collect();
        if parts.is_empty() {
            number(name)
        } else {
            format!("{} ({})", number(name), parts.join(", "))
        }
    };
    let links = report["links"].as_array().into_iter().flatten();
    let links = links.map(|link| {
        let side = |side: &str| count(link["clicked"][side].as_u64().unwrap_or_default());
        let url = link["url"].as_str().unwrap_or("a link that is gone");
        format!(
            "\n  {url}: {} ({} more by machines)",
            side("human"),
            side("machine")
        )
    });
    let links = links.collect::<Vec<_>>().concat();
    let notes = report["notes"].as_array().into_iter().flatten();
    let notes = notes.filter_map(Value::as_str);
    let notes = notes.map(|note| format!("\n{note}"));
    let notes = notes.collect::<Vec<_>>().concat();
    format!(
        "planned {}, skipped {}, accepted {}, refused {}, deferred {}, unknown {}\nopened {}\nclicked {}{links}\nbounced {}, unsubscribed {}{notes}",
        number("planned"),
        explained("skipped", "skipped_by_reason"),
        number("accepted"),
        number("refused"),
        number("deferred"),
        number("unknown"),
        split("opened"),
        split("clicked"),
        explained("bounced", "bounced_by_class"),
        split("unsubscribed"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_why_and_where() {
        let report = json!({
            "planned": 1_200, "skipped": 3, "accepted": 1_195, "refused": 5, "deferred": 0, "unknown": 0,
            "skipped_by_reason": {"missing_address": 1, "suppressed": 2, "deleted": 0},
            "opened": {"human": 7, "machine": 1}, "clicked": {"human": 2, "machine": 1},
            "links": [
                {"url": "https://shop.example/", "clicked": {"human": 2, "machine": 1}},
                {"url": null, "clicked": {"human": 0, "machine": 0}},
            ],
            "bounced": 5, "bounced_by_class": {"hard": 4, "soft": 1},
            "unsubscribed": {"human": 0, "machine": 0}, "notes": ["waits"],
        });
        let lines = [
            "planned 1,200, skipped 3 (1 missing address, 2 suppressed), accepted 1,195, refused 5, deferred 0, unknown 0",
            "opened 7 (1 more by machines)",
            "clicked 2 (1 more by machines)",
            "  https://shop.example/: 2 (1 more by machines)",
            "  a link that is gone: 0 (0 more by machines)",
            "bounced 5 (4 hard, 1 soft), unsubscribed 0 (0 more by machines)",
            "waits",
        ];
        assert_eq!(describe(&report), lines.join("\n"));
    }
}
