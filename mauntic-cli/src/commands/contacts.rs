//! `mauntic contacts`.

use std::{collections::BTreeSet, process::ExitCode};

use clap::Subcommand;
use mauntic_core::{ContactId, EmailAddress, PageSize};
use mauntic_crm::{
    Channel, Contact, ContactFilter, ContactListing, ContactSort, CreateContact,
    DoNotContactCommand, LiftDoNotContact, Reason, Tag, UpdateContact,
};
use serde_json::{Map, Value, json};

use super::import::{ExportCommand, ImportFileCommand};
use crate::{context::Context, exit, output::table};

/// `mauntic contacts …`
#[derive(Debug, Subcommand)]
pub(crate) enum ContactsCommand {
    /// Import contacts from a CSV file
    Import(Box<ImportFileCommand>),
    /// Export contacts as CSV
    Export(ExportCommand),
    /// Add a contact
    Create {
        /// The email address
        email: EmailAddress,
        /// A value, such as firstname=Ann; repeat for several
        #[arg(long = "set", value_name = "FIELD=VALUE")]
        values: Vec<String>,
        /// A tag; repeat for several
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<Tag>,
    },
    /// Show a contact: values, tags, consent and history
    Show {
        /// The email address or id
        contact: String,
    },
    /// List contacts
    List {
        /// What the address or name starts with; with * in front, what it contains
        #[arg(long)]
        search: Option<String>,
        /// Only those with this tag
        #[arg(long)]
        tag: Option<Tag>,
        /// Only the members of this segment, by name or id
        #[arg(long)]
        segment: Option<String>,
        /// created_at, updated_at, email or last_active
        #[arg(long, default_value = "created_at", value_parser = sort)]
        sort: ContactSort,
        /// The other way round
        #[arg(long)]
        descending: bool,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Change a contact
    Set {
        /// The email address or id
        contact: String,
        /// A value, such as city=Bonn; an empty one clears; repeat for several
        #[arg(required = true, value_name = "FIELD=VALUE")]
        values: Vec<String>,
    },
    /// Put tags on a contact
    Tag {
        /// The email address or id
        contact: String,
        /// The tags
        #[arg(required = true)]
        tags: Vec<Tag>,
    },
    /// Take tags off a contact
    Untag {
        /// The email address or id
        contact: String,
        /// The tags
        #[arg(required = true)]
        tags: Vec<Tag>,
    },
    /// Do not write to a contact any more
    Block {
        /// The email address or id
        contact: String,
        /// email, sms or push
        #[arg(long, default_value = "email")]
        channel: Channel,
        /// unsubscribed, bounced or manual
        #[arg(long, default_value = "manual")]
        reason: Reason,
        /// Anything worth knowing about it
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Let a contact be written to again
    Unblock {
        /// The email address or id
        contact: String,
        /// email, sms or push
        #[arg(long, default_value = "email")]
        channel: Channel,
    },
    /// List records that are probably of the same person, for `merge`
    Candidates {
        /// The email address or id
        contact: String,
    },
    /// Merge two records of the same person into the first
    Merge {
        /// Who stays: the email address or id
        contact: String,
        /// Who becomes part of it, and is gone afterwards: the email address or id
        other: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Delete a contact and all that is known of it
    Delete {
        /// The email address or id
        contact: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

fn sort(text: &str) -> Result<ContactSort, String> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| "expected created_at, updated_at, name, email or last_active".to_owned())
}

impl ContactsCommand {
    /// Runs the command.
    #[expect(clippy::too_many_lines, reason = "an arm for each command")]
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let contacts = &context.app.contacts;
        let actor = context.actor().await?;
        let one = |contact: &Contact| context.output.result(&record(contact), |_| line(contact));
        match self {
            Self::Import(command) => return command.run(context).await,
            Self::Export(command) => return command.run(context).await,
            Self::Create {
                email,
                values,
                tags,
            } => {
                let mut values = assignments(&values)?;
                values.insert("email".to_owned(), email.as_str().into());
                let mut patch = contacts.parse(&actor, &values).await?;
                patch.add_tags = tags.into_iter().collect();
                let command = CreateContact {
                    patch,
                    origin: Some("command line".to_owned()),
                };
                one(&contacts.create(&actor, command).await?)?;
            }
            Self::Show { contact } => show(context, find(context, &contact).await?).await?,
            Self::List {
                search,
                tag,
                segment,
                sort,
                descending,
                limit,
            } => {
                let segment = match segment {
                    Some(name) => Some(super::segments::find(context, &name).await?.id),
                    None => None,
                };
                let filter = ContactFilter {
                    search,
                    tag,
                    segment,
                    ..ContactFilter::default()
                };
                let size = PageSize::clamped(limit);
                let listing = ContactListing {
                    filter,
                    sort,
                    descending,
                    after: None,
                    size,
                };
                list(context, &listing).await?;
            }
            Self::Set { contact, values } => {
                let id = find(context, &contact).await?.id();
                let patch = contacts.parse(&actor, &assignments(&values)?).await?;
                one(&contacts
                    .update(
                        &actor,
                        UpdateContact {
                            id,
                            version: None,
                            patch,
                        },
                    )
                    .await?)?;
            }
            Self::Tag { contact, tags } => change_tags(context, &contact, tags, Vec::new()).await?,
            Self::Untag { contact, tags } => {
                change_tags(context, &contact, Vec::new(), tags).await?;
            }
            Self::Block {
                contact,
                channel,
                reason,
                comment,
            } => {
                let id = find(context, &contact).await?.id();
                let command = DoNotContactCommand {
                    channel,
                    reason,
                    comment,
                };
                one(&contacts
                    .set_do_not_contact(&actor, id, &command, None)
                    .await?)?;
            }
            Self::Unblock { contact, channel } => {
                let id = find(context, &contact).await?.id();
                let command = LiftDoNotContact {
                    channel,
                    only: None,
                };
                one(&contacts
                    .lift_do_not_contact(&actor, id, &command, None)
                    .await?)?;
            }
            Self::Candidates { contact } => candidates(context, &contact).await?,
            Self::Merge {
                contact,
                other,
                yes,
            } => {
                let kept = find(context, &contact).await?;
                let merged = find(context, &other).await?;
                let question = format!(
                    "Merge {} into {}? It is gone afterwards; what is known of it is kept there.",
                    line(&merged),
                    line(&kept)
                );
                context.confirm(yes, &question)?;
                one(&contacts.merge(&actor, kept.id(), merged.id()).await?)?;
            }
            Self::Delete { contact, yes } => {
                let id = find(context, &contact).await?.id();
                context.confirm(yes, "Delete the contact and all that is known of it?")?;
                contacts.delete(&actor, id).await?;
                context
                    .output
                    .result(&json!({"id": id, "deleted": true}), |_| {
                        "deleted".to_owned()
                    })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn change_tags(
    context: &Context,
    contact: &str,
    add: Vec<Tag>,
    remove: Vec<Tag>,
) -> anyhow::Result<()> {
    let id = find(context, contact).await?.id();
    let (add, remove): (BTreeSet<_>, BTreeSet<_>) =
        (add.into_iter().collect(), remove.into_iter().collect());
    let mut changed = context
        .app
        .tags
        .change(&context.actor().await?, &[id], &add, &remove)
        .await?;
    let contact = changed
        .pop()
        .ok_or_else(|| exit::not_found("no such contact"))??;
    context.output.result(&record(&contact), |_| line(&contact))
}

async fn candidates(context: &Context, contact: &str) -> anyhow::Result<()> {
    let (actor, id) = (context.actor().await?, find(context, contact).await?.id());
    let found = context.app.contacts.merge_candidates(&actor, id).await?;
    let records: Vec<_> = found
        .iter()
        .map(|one| json!({"contact": record(&one.contact), "because": one.because}))
        .collect();
    context.output.result(&json!({"candidates": records}), |_| {
        let rows = found.iter().map(|one| {
            let because: Vec<_> = one.because.iter().map(|why| spaced(why.as_str())).collect();
            [
                address(&one.contact),
                name(&one.contact),
                one.contact.id().to_string(),
                because.join(", "),
            ]
        });
        table(["Email", "Name", "Id", "The same"], rows)
    })
}

/// `name_and_phone` is `name and phone`.
fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// The contact that an address or id names.
pub(crate) async fn find(context: &Context, text: &str) -> anyhow::Result<Contact> {
    let actor = context.actor().await?;
    if let Ok(id) = text.parse::<ContactId>() {
        return Ok(context.app.contacts.get(&actor, id).await?);
    }
    let email: EmailAddress = text
        .parse()
        .map_err(|_| exit::invalid("expected an email address or an id"))?;
    let found = context.app.contacts.find_by_email(&actor, &email).await?;
    found.ok_or_else(|| exit::not_found(format!("no contact has the address {email}")))
}

async fn list(context: &Context, listing: &ContactListing) -> anyhow::Result<()> {
    let page = context
        .app
        .contacts
        .list(&context.actor().await?, listing)
        .await?;
    let records: Vec<_> = page.items.iter().map(record).collect();
    context.output.result(
        &json!({"contacts": records, "more": page.next.is_some()}),
        |_| {
            table(
                ["Email", "Name", "Tags", "Added"],
                page.items.iter().map(|contact| {
                    let parts = contact.parts();
                    let tags: Vec<_> = parts.tags.iter().map(ToString::to_string).collect();
                    [
                        address(contact),
                        name(contact),
                        tags.join(", "),
                        parts.created_at.format("%F %R").to_string(),
                    ]
                }),
            )
        },
    )
}

async fn show(context: &Context, contact: Contact) -> anyhow::Result<()> {
    let actor = context.actor().await?;
    let history = context
        .app
        .contacts
        .history(&actor, contact.id(), None, PageSize::clamped(20))
        .await?;
    let mut shown = record(&contact);
    shown["history"] = history
        .items
        .iter()
        .map(|change| json!({"at": change.at, "actor": change.actor.to_string(), "source": change.source, "changes": change.changes}))
        .collect();
    context.output.result(&shown, |_| {
        let parts = contact.parts();
        let mut lines = vec![line(&contact)];
        lines.extend(parts.fields.iter().map(|(alias, value)| {
            format!(
                "  {alias}: {}",
                serde_json::to_value(value).map_or_else(|_| String::new(), |json| plain(&json))
            )
        }));
        let tags: Vec<_> = parts.tags.iter().map(ToString::to_string).collect();
        if !tags.is_empty() {
            lines.push(format!("  tags: {}", tags.join(", ")));
        }
        lines.extend(
            parts
                .do_not_contact
                .values()
                .map(|mark| format!("  no {}: {} ({})", mark.channel, mark.reason, mark.source)),
        );
        lines.extend(history.items.iter().map(|change| {
            let changes = serde_json::to_string(&change.changes).unwrap_or_default();
            format!(
                "  {} {} {changes}",
                change.at.format("%F %T"),
                change.source
            )
        }));
        lines.join("\n")
    })
}

/// The contact as JSON, like the API's.
pub(crate) fn record(contact: &Contact) -> Value {
    let parts = contact.parts();
    let marks: Vec<_> = parts
        .do_not_contact
        .values()
        .map(|mark| json!({"channel": mark.channel.to_string(), "reason": mark.reason.to_string(), "since": mark.at}))
        .collect();
    json!({
        "id": parts.id,
        "email": parts.email,
        "fields": parts.fields,
        "tags": parts.tags,
        "owner_id": parts.owner,
        "stage": parts.stage,
        "points": parts.points,
        "do_not_contact": marks,
        "created_at": parts.created_at,
        "updated_at": parts.updated_at,
        "version": parts.version,
        "origin": parts.origin,
    })
}

fn line(contact: &Contact) -> String {
    format!("{} {} ({})", address(contact), name(contact), contact.id())
}

fn address(contact: &Contact) -> String {
    contact
        .email()
        .map_or_else(|| "(no address)".to_owned(), ToString::to_string)
}

fn name(contact: &Contact) -> String {
    let part = |alias| {
        contact
            .value(alias)
            .and_then(|value| value.as_text().map(str::to_owned))
            .unwrap_or_default()
    };
    format!("{} {}", part("firstname"), part("lastname"))
        .trim()
        .to_owned()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn assignments(texts: &[String]) -> anyhow::Result<Map<String, Value>> {
    let pairs = texts.iter().map(|text| {
        let (field, value) = text
            .split_once('=')
            .ok_or_else(|| exit::invalid(format!("expected FIELD=VALUE, not {text:?}")))?;
        Ok((field.trim().to_owned(), Value::from(value)))
    });
    pairs.collect()
}
