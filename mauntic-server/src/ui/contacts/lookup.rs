//! A contact that somebody names in a form: by address, by name, or by id, for those who have neither.

use maud::{Markup, html};
use mauntic_core::{ContactId, EmailAddress, PageSize};
use mauntic_crm::{Contact, ContactFilter, ContactListing, CrmError};
use poem::{Request, Result};
use uuid::Uuid;

use super::called;
use crate::ui::{
    component::form::{Field, looked_up},
    failure,
    visitor::{Visitor, app},
};

/// How many are named where several fit.
const NAMED: usize = 5;

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

/// The contact that was meant, or why that is not clear.
pub(in crate::ui) async fn find(
    request: &Request,
    visitor: &Visitor,
    text: &str,
) -> Result<std::result::Result<Contact, String>> {
    let (contacts, text) = (&app(request)?.contacts, text.trim());
    if let Ok(address) = text.parse::<EmailAddress>() {
        let found = contacts.find_by_email(&visitor.actor, &address).await;
        let found = found.map_err(failure::crm)?;
        return Ok(found.ok_or_else(|| format!("No contact has the address {address}.")));
    }
    if let Ok(id) = text.parse::<Uuid>() {
        let found = contacts.get(&visitor.actor, ContactId::from_uuid(id)).await;
        return match found {
            Ok(contact) => Ok(Ok(contact)),
            Err(CrmError::ContactNotFound(_)) => Ok(Err("No contact has this id.".to_owned())),
            Err(error) => Err(failure::crm(error)),
        };
    }
    let listing = ContactListing {
        filter: ContactFilter {
            search: Some(text.to_owned()),
            ..ContactFilter::default()
        },
        size: PageSize::clamped(NAMED),
        ..ContactListing::default()
    };
    let page = contacts.list(&visitor.actor, &listing).await;
    let mut found = page.map_err(failure::crm)?.items;
    if found.len() > 1 {
        let names = found
            .iter()
            .map(|contact| format!("{} ({})", called(contact), text_of(contact)));
        let names: Vec<_> = names.collect();
        return Ok(Err(format!(
            "Several contacts fit: {}. Say which, by what stands in brackets.",
            names.join(", ")
        )));
    }
    let none = || format!("No contact has a name or an address that begins with “{text}”.");
    Ok(found.pop().ok_or_else(none))
}
