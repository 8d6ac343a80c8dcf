//! `mauntic inbox`: captured mail.

use std::io::Write as _;

use clap::{Args, Subcommand};
use mauntic_core::{Actor, CapturedMailId};
use serde_json::json;

use crate::{
    context::Context,
    output::{count, table},
    paging::Paging,
};

/// `mauntic inbox …`
#[derive(Debug, Args)]
pub(crate) struct Inbox {
    /// Mail of the installation to its users, such as password resets, instead of the organisation's
    #[arg(long, global = true)]
    installation: bool,
    #[command(subcommand)]
    command: InboxCommand,
}

impl Inbox {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let actor = if self.installation {
            Actor::system(mauntic_server::installation())
        } else {
            context.actor().await?
        };
        self.command.run(context, actor).await
    }
}

/// What to do with captured mail.
#[derive(Debug, Subcommand)]
pub(crate) enum InboxCommand {
    /// List captured mail, the newest first
    List {
        /// Only mail to this address
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a mail: headers, text and links
    Show {
        /// Its id
        id: CapturedMailId,
        /// Print the HTML part
        #[arg(long, conflicts_with_all = ["text", "source"])]
        html: bool,
        /// Print the text part
        #[arg(long, conflicts_with = "source")]
        text: bool,
        /// Print the message as it would have been sent
        #[arg(long)]
        source: bool,
    },
    /// Delete a mail, or all of them
    Delete {
        /// Its id
        #[arg(required_unless_present = "all")]
        id: Option<CapturedMailId>,
        /// Delete all captured mail
        #[arg(long)]
        all: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl InboxCommand {
    async fn run(self, context: &Context, actor: Actor) -> anyhow::Result<()> {
        let inbox = &context.app.inbox;
        match self {
            Self::List { to, paging } => {
                let part = paging
                    .gather(async |after, size| {
                        Ok(inbox.list(&actor, to.as_deref(), after, size).await?)
                    })
                    .await?;
                let total = inbox.count(&actor).await?;
                let mails: Vec<_> = part
                    .items
                    .iter()
                    .map(|mail| {
                        json!({
                            "id": mail.id, "to": mail.envelope_to, "from": mail.sender, "subject": mail.subject,
                            "size": mail.size, "at": mail.captured_at, "delivery_id": mail.delivery_id,
                        })
                    })
                    .collect();
                let result = json!({"total": total, "mails": mails, "next": part.next});
                context.output.result(&result, |_| {
                    table(
                        ["To", "Subject", "Captured", "Id"],
                        part.items.iter().map(|mail| {
                            [
                                mail.envelope_to.clone(),
                                mail.subject.clone(),
                                mail.captured_at.format("%F %T").to_string(),
                                mail.id.to_string(),
                            ]
                        }),
                    )
                })?;
                part.tell(context.output);
                Ok(())
            }
            Self::Show {
                id,
                html,
                text,
                source,
            } => {
                let opened = inbox.open(&actor, id).await?;
                if source {
                    return Ok(std::io::stdout().lock().write_all(&opened.source)?);
                }
                let record = json!({
                    "id": opened.mail.id, "to": opened.mail.envelope_to, "envelope_from": opened.mail.envelope_from,
                    "from": opened.mail.sender, "subject": opened.mail.subject, "headers": opened.content.headers,
                    "html": opened.content.html, "text": opened.content.text, "links": opened.content.links,
                    "images": opened.content.images,
                });
                context.output.result(&record, |_| {
                    if html {
                        return opened.content.html.clone().unwrap_or_default();
                    }
                    if text {
                        return opened.content.text.clone().unwrap_or_default();
                    }
                    let headers = opened.content.headers.iter();
                    let headers: Vec<_> = headers
                        .map(|header| format!("{}: {}", header.name, header.value))
                        .collect();
                    format!(
                        "{}\n\n{}",
                        headers.join("\n"),
                        opened.content.text.clone().unwrap_or_default()
                    )
                })
            }
            Self::Delete { id: Some(id), .. } => {
                inbox.delete(&actor, id).await?;
                context
                    .output
                    .result(&json!({"deleted": 1}), |_| "deleted".to_owned())
            }
            Self::Delete { id: None, yes, .. } => {
                let total = inbox.count(&actor).await?;
                context.confirm(yes, &format!("Delete all {} captured mails?", count(total)))?;
                let deleted = inbox.delete_all(&actor).await?;
                context.output.result(&json!({"deleted": deleted}), |_| {
                    format!("{} deleted", count(deleted))
                })
            }
        }
    }
}
