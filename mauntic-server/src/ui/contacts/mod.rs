//! Contacts: the list, one contact, adding, changing, deleting, and the export.

mod change;
mod export;
mod form;
mod list;
mod listing;
pub(in crate::ui) mod lookup;
mod merge;
pub(in crate::ui) mod people;
mod save;
mod show;
mod timeline;
mod tools;
mod value;
mod views;
mod why;

use mauntic_core::ContactId;
use mauntic_crm::{Channel, Contact, FieldGroup};
use poem::{Error, Request, Result, Route, get, post};
use uuid::Uuid;

pub(in crate::ui) use listing::{FILTERS, Listing};

use super::{
    failure,
    visitor::{Visitor, app, redirect},
};

/// Where the contacts are.
pub(in crate::ui) const PLACE: &str = "/app/contacts";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/contacts", get(list::list))
        .at("/contacts/export", get(export::export))
        .at("/contacts/new", get(form::new).post(save::create))
        .at("/contacts/views", post(views::save))
        .at(
            "/contacts/views/:view/delete",
            get(views::ask_to_delete).post(views::delete),
        )
        .at("/contacts/:contact", get(show::page))
        .at("/contacts/:contact/edit", get(form::edit).post(save::save))
        .at("/contacts/:contact/tags", post(change::change_tags))
        .at(
            "/contacts/:contact/do-not-contact",
            post(change::do_not_contact),
        )
        .at(
            "/contacts/:contact/allow/:channel",
            get(change::ask_to_allow).post(change::allow),
        )
        .at("/contacts/:contact/merge", get(merge::choose))
        .at(
            "/contacts/:contact/merge/:other",
            get(merge::compare).post(merge::merge),
        )
        .at("/contacts/:contact/segments/:segment", get(why::explain))
        .at(
            "/contacts/:contact/delete",
            get(change::ask_to_delete).post(change::delete),
        )
}

/// Where a contact is.
pub(in crate::ui) fn place(id: ContactId) -> String {
    format!("{PLACE}/{id}")
}

/// The contact of an address. Where it was merged into another, the page is that one's.
async fn find(request: &Request, visitor: &Visitor, id: Uuid) -> Result<Contact> {
    let contact = current(request, visitor, id).await?;
    if contact.id().as_uuid() == id {
        Ok(contact)
    } else {
        Err(Error::from_response(redirect(&place(contact.id()))))
    }
}

/// The contact that an id stands for now: of one that was merged into another, that one.
async fn current(request: &Request, visitor: &Visitor, id: Uuid) -> Result<Contact> {
    let contacts = &app(request)?.contacts;
    let found = contacts.get(&visitor.actor, ContactId::from_uuid(id)).await;
    found.map_err(failure::crm)
}

/// The name of a contact, if one is known.
fn name_of(contact: &Contact) -> Option<String> {
    let part = |alias| contact.value(alias).map(ToString::to_string);
    let name: Vec<_> = [part("firstname"), part("lastname")]
        .into_iter()
        .flatten()
        .collect();
    (!name.is_empty()).then(|| name.join(" "))
}

/// What to call a contact: the name, or else the company or the address.
pub(in crate::ui) fn called(contact: &Contact) -> String {
    let company = || contact.value("company").map(ToString::to_string);
    let email = || contact.email().map(ToString::to_string);
    name_of(contact)
        .or_else(company)
        .or_else(email)
        .unwrap_or_else(|| "Nameless contact".to_owned())
}

/// What a channel is called.
pub(in crate::ui) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "Email",
        Channel::Sms => "Text message",
        Channel::Push => "Push notification",
    }
}

/// The way between the pages about all contacts.
pub(super) fn sections(current: &str) -> maud::Markup {
    let places = [
        (PLACE, "All contacts"),
        (super::imports::PLACE, "Imports"),
        (super::fields::PLACE, "Fields"),
        (super::tags::PLACE, "Tags"),
        (super::bulk::LIST, "Changes of many"),
    ];
    super::component::show::tabs("Contacts", &places, current)
}

/// What a group of fields is called.
pub(in crate::ui) fn group_name(group: FieldGroup) -> &'static str {
    match group {
        FieldGroup::Core => "About",
        FieldGroup::Social => "Social accounts",
        FieldGroup::Personal => "Personal",
        FieldGroup::Professional => "Work",
    }
}
