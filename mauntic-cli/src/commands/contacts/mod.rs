//! `mauntic contacts`.

mod output;

use std::{collections::BTreeSet, process::ExitCode};

use clap::{Args, Subcommand};
use mauntic_core::{ContactId, EmailAddress, UserId};
use mauntic_crm::{
    Change, Channel, Contact, ContactFilter, ContactListing, ContactPatch, ContactSort,
    CreateContact, DoNotContactCommand, LiftDoNotContact, OwnerName, Reason, Tag, UpdateContact,
};
use serde_json::{Map, Value, json};

use self::output::{candidates, line, list, show, timeline};
use super::import::{ExportCommand, ImportFileCommand};
use crate::{context::Context, exit, paging::Paging};

pub(crate) use self::output::record;

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

fn assignments(texts: &[String]) -> anyhow::Result<Map<String, Value>> {
    let pairs = texts.iter().map(|text| {
        let (field, value) = text
            .split_once('=')
            .ok_or_else(|| exit::invalid(format!("expected FIELD=VALUE, not {text:?}")))?;
        Ok((field.trim().to_owned(), Value::from(value)))
    });
    pairs.collect()
}
