//! Tags, do-not-contact, and deleting.

use std::collections::BTreeSet;

use maud::{Markup, html};
use mauntic_core::{ContactId, Permission};
use mauntic_crm::{Channel, DoNotContactCommand, LiftDoNotContact, Reason, Tag};
use poem::{Request, Response, Result, handler, web::Path};
use uuid::Uuid;

use super::{PLACE, called, place};
use crate::ui::{
    Done,
    component::{action::confirmation, frame},
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
};

/// Puts a tag on or takes one off.
#[handler]
pub(super) async fn tags(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = ContactId::from_uuid(id);
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
    let tags = &app(request)?.tags;
    let changed = tags.change(&visitor.actor, &[id], &add, &remove).await;
    for changed in changed.map_err(failure::crm)? {
        changed.map_err(failure::crm)?;
    }
    Ok(redirect(&Done::Saved.at(&place(id))))
}

/// Forbids or allows to write to a contact on a channel.
#[handler]
pub(super) async fn do_not_contact(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = ContactId::from_uuid(id);
    let Posted { visitor, fields } = &posted;
    let contacts = &app(request)?.contacts;
    let Ok(channel) = fields.text("channel").parse::<Channel>() else {
        return Err(failure::unusable("There is no such channel."));
    };
    let changed = if fields.find("lift").is_some() {
        let command = LiftDoNotContact {
            channel,
            only: None,
        };
        contacts
            .lift_do_not_contact(&visitor.actor, id, &command)
            .await
    } else {
        let command = DoNotContactCommand {
            channel,
            reason: Reason::Manual,
            comment: fields.text("comment").to_owned(),
        };
        contacts
            .set_do_not_contact(&visitor.actor, id, &command)
            .await
    };
    changed.map_err(|error| match error {
        mauntic_crm::CrmError::Invalid(text) => failure::unusable(&text),
        error => failure::crm(error),
    })?;
    Ok(redirect(&Done::Saved.at(&place(id))))
}

/// Says what is lost with a contact.
#[handler]
pub(super) async fn ask_to_delete(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    if !visitor.may(Permission::ContactsDelete) {
        return Err(failure::forbidden());
    }
    let id = ContactId::from_uuid(id);
    let contact = app(request)?.contacts.get(&visitor.actor, id).await;
    let contact = contact.map_err(failure::crm)?;
    let name = called(&contact);
    let mut lost = vec![
        format!("{name}, with all that is known of them"),
        "Their tags, their places in segments, and the history of changes".to_owned(),
    ];
    for mark in contact.parts().do_not_contact.values() {
        lost.push(format!(
            "The mark that they must not be written to by {} ({})",
            mark.channel, mark.reason
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
