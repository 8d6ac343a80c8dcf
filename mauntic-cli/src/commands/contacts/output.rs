//! What is printed of contacts: for people, and as JSON.

use mauntic_core::PageSize;
use mauntic_crm::{Contact, ContactCursor, ContactListing};
use mauntic_messaging::tracking::{TimelineEntry, TimelineEvent};
use serde_json::{Value, json};

use super::find;
use crate::{context::Context, exit, output::table, paging::Paging};

pub(super) async fn candidates(context: &Context, contact: &str) -> anyhow::Result<()> {
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

pub(super) async fn list(
    context: &Context,
    listing: &ContactListing,
    paging: &Paging,
) -> anyhow::Result<()> {
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
pub(super) async fn timeline(
    context: &Context,
    contact: &str,
    paging: &Paging,
) -> anyhow::Result<()> {
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

pub(super) async fn show(context: &Context, contact: Contact) -> anyhow::Result<()> {
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

pub(super) fn line(contact: &Contact) -> String {
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
