//! Tags, do-not-contact, and deleting.

use std::collections::BTreeSet;

use maud::{Markup, html};
use mauntic_core::{ContactId, Permission};
use mauntic_crm::{Channel, DoNotContactCommand, LiftDoNotContact, Reason, Tag};
use poem::{Request, Response, Result, handler, web::Path};
use uuid::Uuid;

use super::{PLACE, called, channel_name, current, find, place};
use crate::ui::{
    Done,
    component::{action::confirmation, frame},
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
};

/// Puts a tag on or takes one off.
#[handler]
pub(super) async fn change_tags(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let Posted { visitor, fields } = &posted;
    let set = |name: &str| -> Result<BTreeSet<Tag>> {
        match fields.text(name) {
            "" => Ok(BTreeSet::new()),
            text => match text.parse() {
                Ok(tag) => Ok(BTreeSet::from([tag])),
                Err(error) => Err(failure::unusable(&format!(
                    "The tag cannot be used: {error}."
                ))),
            },
        }
    };
    let (add, remove) = (set("add")?, set("remove")?);
    let id = current(request, visitor, id).await?.id();
    let tags = &app(request)?.tags;
    let changed = tags.change(&visitor.actor, &[id], &add, &remove).await;
    for changed in changed.map_err(failure::crm)? {
        changed.map_err(failure::crm)?;
    }
    Ok(redirect(&Done::Saved.at(&place(id))))
}

/// Forbids to write to a contact on a channel.
#[handler]
pub(super) async fn do_not_contact(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let Posted { visitor, fields } = &posted;
    let Ok(channel) = fields.text("channel").parse::<Channel>() else {
        return Err(failure::unusable("There is no such channel."));
    };
    let command = DoNotContactCommand {
        channel,
        reason: Reason::Manual,
        comment: fields.text("comment").to_owned(),
    };
    // Who was merged into another must not be written to there either.
    let id = current(request, visitor, id).await?.id();
    let contacts = &app(request)?.contacts;
    let changed = contacts.set_do_not_contact(&visitor.actor, id, &command, None);
    changed.await.map_err(failure::crm)?;
    Ok(redirect(&Done::Saved.at(&place(id))))
}

/// Asks before a contact may be written to again.
#[handler]
pub(super) async fn ask_to_allow(
    request: &Request,
    visitor: Visitor,
    Path((id, channel)): Path<(Uuid, String)>,
) -> Result<Markup> {
    visitor.needs(Permission::ContactsWrite)?;
    let contact = find(request, &visitor, id).await?;
    let id = contact.id();
    let channel = channel.parse::<Channel>();
    let channel = channel.map_err(|_| failure::missing("channel"))?;
    let mark = contact.parts().do_not_contact.get(&channel);
    let mark = mark.ok_or_else(|| failure::missing("mark"))?;
    let name = called(&contact);
    let mut lost = vec![match mark.reason {
        Reason::Unsubscribed => format!(
            "What {name} said themselves: no more of it. Go on only if they have asked for it again since, and you can show that"
        ),
        Reason::Bounced => "The knowledge that messages do not arrive".to_owned(),
        Reason::Manual => "The decision that somebody made here".to_owned(),
    }];
    if !mark.comment.is_empty() {
        lost.push(format!("The comment “{}”", mark.comment));
    }
    let title = format!("Allow {} again", channel_name(channel).to_lowercase());
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts"), (&place(id), &name)], &title))
        (frame::header(&title, &html! {}))
        (confirmation(&format!("Write to {name} again?"), &lost, "Allow again", &place(id), &visitor.csrf()))
    };
    Ok(shell(&visitor, &title, PLACE, &content))
}

/// Lets a contact be written to again on a channel.
#[handler]
pub(super) async fn allow(
    request: &Request,
    Path((id, channel)): Path<(Uuid, String)>,
    posted: Posted,
) -> Result<Response> {
    let id = ContactId::from_uuid(id);
    let channel = channel.parse::<Channel>();
    let command = LiftDoNotContact {
        channel: channel.map_err(|_| failure::missing("channel"))?,
        only: None,
    };
    let contacts = &app(request)?.contacts;
    let changed = contacts.lift_do_not_contact(&posted.visitor.actor, id, &command, None);
    changed.await.map_err(failure::crm)?;
    Ok(redirect(&Done::Saved.at(&place(id))))
}

/// Says what is lost with a contact.
#[handler]
pub(super) async fn ask_to_delete(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    visitor.needs(Permission::ContactsDelete)?;
    let contact = find(request, &visitor, id).await?;
    let id = contact.id();
    let name = called(&contact);
    let mut lost = vec![
        format!("{name}, with all that is known of them"),
        "Their tags, their places in segments, and the history of changes".to_owned(),
    ];
    for mark in contact.parts().do_not_contact.values() {
        lost.push(format!(
            "The mark that they must not be written to by {} ({}): if they come in again by an import or a form, they will be",
            channel_name(mark.channel).to_lowercase(),
            mark.reason
        ));
    }
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts"), (&place(id), &name)], "Delete"))
        (frame::header("Delete a contact", &html! {}))
        (confirmation(&format!("Delete {name}?"), &lost, "Delete", &place(id), &visitor.csrf()))
    };
    Ok(shell(&visitor, "Delete a contact", PLACE, &content))
}

/// Deletes a contact.
#[handler]
pub(super) async fn delete(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = ContactId::from_uuid(id);
    let contacts = &app(request)?.contacts;
    let deleted = contacts.delete(&posted.visitor.actor, id).await;
    deleted.map_err(failure::crm)?;
    Ok(redirect(&Done::Deleted.at(PLACE)))
}
