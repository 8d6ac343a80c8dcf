//! `mauntic contacts`.

use std::{collections::BTreeSet, process::ExitCode};

use clap::{Args, Subcommand};
use mauntic_core::{ContactId, EmailAddress, PageSize, UserId};
use mauntic_crm::{
    Change, Channel, Contact, ContactCursor, ContactFilter, ContactListing, ContactPatch,
    ContactSort, CreateContact, DoNotContactCommand, LiftDoNotContact, OwnerName, Reason, Tag,
    UpdateContact,
};
use mauntic_messaging::tracking::{TimelineEntry, TimelineEvent};
use serde_json::{Map, Value, json};

use super::import::{ExportCommand, ImportFileCommand};
use crate::{context::Context, exit, output::table, paging::Paging};

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
        #[command(flatten)]
        standing: Standing,
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
        /// created_at, updated_at, name, email or last_active
        #[arg(long, default_value = "created_at", value_parser = sort)]
        sort: ContactSort,
        /// The other way round
        #[arg(long)]
        descending: bool,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show what became of mail to a contact, the latest first
    Timeline {
        /// The email address or id
        contact: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Change a contact
    Set {
        /// The email address or id
        contact: String,
        /// A value, such as city=Bonn; an empty one clears; repeat for several
        #[arg(required_unless_present_any = ["owner", "stage"], value_name = "FIELD=VALUE")]
        values: Vec<String>,
        #[command(flatten)]
        standing: Standing,
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

/// What is no field: whose a contact is, and how far.
#[derive(Debug, Args)]
pub(crate) struct Standing {
    /// The member in charge, by email address or id; an empty one clears
    #[arg(long, value_name = "MEMBER")]
    owner: Option<String>,
    /// The stage; an empty one clears
    #[arg(long)]
    stage: Option<String>,
}

impl Standing {
    async fn put(self, context: &Context, patch: &mut ContactPatch) -> anyhow::Result<()> {
        match self.owner.as_deref().map(str::trim) {
            None => {}
            Some("") => patch.owner = Change::Clear,
            Some(name) => patch.owner = Change::Set(owner(context, name).await?),
        }
        match self.stage.as_deref().map(str::trim) {
            None => {}
            Some("") => patch.stage = Change::Clear,
            Some(stage) => patch.stage = Change::Set(stage.to_owned()),
        }
        Ok(())
    }
}

/// The member that an address or id names.
pub(crate) async fn owner(context: &Context, name: &str) -> anyhow::Result<UserId> {
    let organization = context.actor().await?.organization_id();
    let parsed = name.parse::<OwnerName>();
    let parsed = parsed.map_err(|error| exit::invalid(format!("--owner {name}: {error}")))?;
    let found = context.app.owners.find(organization, &[parsed]).await?;
    found.into_iter().flatten().next().ok_or_else(|| {
        exit::not_found(format!(
            "--owner {name}: no member of the organisation; see: mauntic user list"
        ))
    })
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
                standing,
            } => {
                let mut values = assignments(&values)?;
                values.insert("email".to_owned(), email.as_str().into());
                let mut patch = contacts.parse(&actor, &values).await?;
                patch.add_tags = tags.into_iter().collect();
                standing.put(context, &mut patch).await?;
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
                paging,
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
                let listing = ContactListing {
                    filter,
                    sort,
                    descending,
                    ..ContactListing::default()
                };
                list(context, &listing, &paging).await?;
            }
            Self::Timeline { contact, paging } => timeline(context, &contact, &paging).await?,
            Self::Set {
                contact,
                values,
                standing,
            } => {
                let id = find(context, &contact).await?.id();
                let mut patch = contacts.parse(&actor, &assignments(&values)?).await?;
                standing.put(context, &mut patch).await?;
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

async fn list(context: &Context, listing: &ContactListing, paging: &Paging) -> anyhow::Result<()> {
    let (contacts, actor) = (&context.app.contacts, context.actor().await?);
    let part = paging
        .gather(async |after: Option<ContactCursor>, size| {
            if after
                .as_ref()
                .is_some_and(|after| after.sort != listing.sort)
            {
                return Err(exit::invalid("--after is of a list in another order"));
            }
            let listing = ContactListing {
                after,
                size,
                ..listing.clone()
            };
            Ok(contacts.list(&actor, &listing).await?)
        })
        .await?;
    let records: Vec<_> = part.items.iter().map(record).collect();
    let result = json!({"contacts": records, "next": part.next});
    context.output.result(&result, |_| {
        table(
            ["Email", "Name", "Tags", "Added"],
            part.items.iter().map(|contact| {
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
    })?;
    part.tell(context.output);
    Ok(())
}

/// What became of mail to a contact, as the API has it.
async fn timeline(context: &Context, contact: &str, paging: &Paging) -> anyhow::Result<()> {
    let (app, actor) = (&context.app, context.actor().await?);
    let id = find(context, contact).await?.id();
    let part = paging
        .gather(async |after, size| Ok(app.tracking.timeline(&actor, id, after, size).await?))
        .await?;
    let emails = part.items.iter().map(|entry| entry.email_id).collect();
    let names = app.emails.names(&actor, &emails).await?;
    let called = |entry: &TimelineEntry| names.get(&entry.email_id).map(ToString::to_string);
    let records: Vec<_> = part
        .items
        .iter()
        .map(|entry| happening(entry, called(entry).as_deref()))
        .collect();
    let result = json!({"timeline": records, "next": part.next});
    context.output.result(&result, |_| {
        let rows = part.items.iter().zip(&records).map(|(entry, record)| {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let what = match record["machine"].as_bool() {
                Some(true) => format!("{} (machine)", text("kind")),
                Some(false) => text("kind"),
                None => text("state"),
            };
            let email = called(entry).unwrap_or_else(|| entry.email_id.to_string());
            [entry.at.format("%F %T").to_string(), what, email]
        });
        table(["When", "What", "Email"], rows)
    })?;
    part.tell(context.output);
    Ok(())
}

/// One thing that happened, as JSON.
fn happening(entry: &TimelineEntry, email: Option<&str>) -> Value {
    let mut record = json!({
        "at": entry.at, "delivery_id": entry.delivery_id, "email_id": entry.email_id, "email": email,
    });
    match &entry.event {
        TimelineEvent::Delivery { state } => {
            record["kind"] = "delivery".into();
            record["state"] = state.as_str().into();
        }
        TimelineEvent::Hit {
            hit,
            link,
            machine,
            reasons,
        } => {
            record["kind"] = json!(hit);
            record["link"] = json!(link);
            record["machine"] = json!(machine);
            record["reasons"] = json!(reasons);
        }
    }
    record
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
