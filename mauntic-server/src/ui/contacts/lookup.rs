//! A contact that somebody names in a form: by address, by name, or by id, for those who have neither.

use maud::{Markup, html};
use mauntic_core::{ContactId, EmailAddress, PageSize};
use mauntic_crm::{Contact, ContactFilter, ContactListing, CrmError};
use poem::{Request, Result};
use uuid::Uuid;

use super::{called, name_of};
use crate::ui::{
    component::form::{Field, looked_up},
    failure,
    visitor::{Visitor, app},
};

/// How many are named where several fit.
const NAMED: usize = 5;
/// Among how many whose names begin so the one is looked for that is called just that.
const LOOKED_AT: usize = 100;

/// The field for it: what fits is offered while somebody types.
pub(in crate::ui) fn field(field: &Field<'_>) -> Markup {
    looked_up(field, "/app/search", "#options > *")
}

/// What is to stand in such a field to mean that contact: the address, or else the id.
pub(in crate::ui) fn text_of(contact: &Contact) -> String {
    let email = contact.email().map(ToString::to_string);
    email.unwrap_or_else(|| contact.id().to_string())
}

/// Contacts for the field to offer.
pub(in crate::ui) fn options<'a>(contacts: impl Iterator<Item = &'a Contact>) -> Markup {
    html! { datalist id="options" { @for contact in contacts { option value=(text_of(contact)) { (called(contact)) } } } }
}

/// The contact that was meant, or why that is not clear. The beginning of a name is enough if it fits nobody else: for
/// what is only shown.
pub(in crate::ui) async fn find(
    request: &Request,
    visitor: &Visitor,
    text: &str,
) -> Result<std::result::Result<Contact, String>> {
    let text = text.trim();
    if let Some(found) = by_key(request, visitor, text).await? {
        return Ok(found);
    }
    let mut found = beginning(request, visitor, text, NAMED).await?;
    if found.len() > 1 {
        return Ok(Err(several(&found)));
    }
    Ok(found.pop().ok_or_else(|| none(text)))
}

/// The contact that is named in full, or why that is not clear: for what is done at once. Whoever is called something that
/// only begins so is offered.
pub(in crate::ui) async fn find_named(
    request: &Request,
    visitor: &Visitor,
    text: &str,
) -> Result<std::result::Result<Contact, String>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Err("Write a name or an address, or an id.".to_owned()));
    }
    if let Some(found) = by_key(request, visitor, text).await? {
        return Ok(found);
    }
    let found = beginning(request, visitor, text, LOOKED_AT).await?;
    let (mut named, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|contact| name_of(contact).is_some_and(|name| words(&name) == words(text)));
    match (named.pop(), others.is_empty()) {
        (Some(contact), _) if named.is_empty() => Ok(Ok(contact)),
        (Some(contact), _) => {
            named.push(contact);
            Ok(Err(several(&named)))
        }
        (None, true) => Ok(Err(none(text))),
        (None, false) => Ok(Err(format!(
            "Nobody is called just that. Did you mean {}? Say so by what stands in brackets.",
            names(&others)
        ))),
    }
}

/// The contact that has this address or id, or why there is none: for what is done at once with what a page filled in.
pub(in crate::ui) async fn find_exactly(
    request: &Request,
    visitor: &Visitor,
    text: &str,
) -> Result<std::result::Result<Contact, String>> {
    let found = by_key(request, visitor, text.trim()).await?;
    Ok(found.unwrap_or_else(|| Err("Write the whole address of a contact, or the id.".to_owned())))
}

/// The words of a name, whichever comes first.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<_> = name.split_whitespace().map(str::to_lowercase).collect();
    words.sort_unstable();
    words
}

/// The contact that an address or an id names; `None` if the text is neither.
async fn by_key(
    request: &Request,
    visitor: &Visitor,
    text: &str,
) -> Result<Option<std::result::Result<Contact, String>>> {
    let contacts = &app(request)?.contacts;
    if let Ok(address) = text.parse::<EmailAddress>() {
        let found = contacts.find_by_email(&visitor.actor, &address).await;
        let found = found.map_err(failure::crm)?;
        let none = || format!("No contact has the address {address}.");
        return Ok(Some(found.ok_or_else(none)));
    }
    let Ok(id) = text.parse::<Uuid>() else {
        return Ok(None);
    };
    let found = contacts.get(&visitor.actor, ContactId::from_uuid(id)).await;
    match found {
        Ok(contact) => Ok(Some(Ok(contact))),
        Err(CrmError::ContactNotFound(_)) => Ok(Some(Err("No contact has this id.".to_owned()))),
        Err(error) => Err(failure::crm(error)),
    }
}

/// The first contacts whose name or address begins with the text.
async fn beginning(
    request: &Request,
    visitor: &Visitor,
    text: &str,
    most: usize,
) -> Result<Vec<Contact>> {
    let listing = ContactListing {
        filter: ContactFilter {
            search: Some(text.to_owned()),
            ..ContactFilter::default()
        },
        size: PageSize::clamped(most),
        ..ContactListing::default()
    };
    let page = app(request)?.contacts.list(&visitor.actor, &listing).await;
    Ok(page.map_err(failure::crm)?.items)
}

/// The first of them by name, each with what means it alone.
fn names(contacts: &[Contact]) -> String {
    let names = contacts
        .iter()
        .take(NAMED)
        .map(|contact| format!("{} ({})", called(contact), text_of(contact)));
    names.collect::<Vec<_>>().join(", ")
}

fn several(contacts: &[Contact]) -> String {
    format!(
        "Several contacts fit: {}. Say which, by what stands in brackets.",
        names(contacts)
    )
}

fn none(text: &str) -> String {
    format!("No contact has a name or an address that begins with “{text}”.")
}
