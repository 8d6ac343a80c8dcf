//! Contacts: the list, one contact, adding, changing, deleting, and the export.

mod change;
mod export;
mod form;
mod list;
mod show;

use mauntic_core::ContactId;
use mauntic_crm::Contact;
use poem::{Route, get, post};

use super::component::table::Column;

/// Where the contacts are.
const PLACE: &str = "/app/contacts";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/contacts", get(list::list))
        .at("/contacts/export", get(export::export))
        .at("/contacts/new", get(form::new).post(form::create))
        .at("/contacts/:contact", get(show::contact))
        .at("/contacts/:contact/edit", get(form::edit).post(form::save))
        .at("/contacts/:contact/tags", post(change::tags))
        .at(
            "/contacts/:contact/do-not-contact",
            post(change::do_not_contact),
        )
        .at(
            "/contacts/:contact/delete",
            get(change::ask_to_delete).post(change::delete),
        )
}

/// Where a contact is.
fn place(id: ContactId) -> String {
    format!("{PLACE}/{id}")
}

/// What to call a contact: the name, or else the address.
fn called(contact: &Contact) -> String {
    let part = |alias| contact.value(alias).map(ToString::to_string);
    let name: Vec<_> = [part("first_name"), part("last_name")]
        .into_iter()
        .flatten()
        .collect();
    if !name.is_empty() {
        return name.join(" ");
    }
    let email = contact.email().map(ToString::to_string);
    email.unwrap_or_else(|| "Nameless contact".to_owned())
}

/// A column that does not sort.
fn column(name: &str) -> Column<'_> {
    Column {
        name,
        sort: None,
        sorted: None,
        number: false,
    }
}
