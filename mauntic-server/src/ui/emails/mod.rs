//! Emails: what they say, how they look, and what came of them.

mod list;
mod show;
mod write;

use mauntic_core::EmailId;
use mauntic_messaging::email::SavedEmail;
use poem::{Request, Result, Route, get, post};
use uuid::Uuid;

use super::{
    component::table::Column,
    failure,
    visitor::{Visitor, app},
};

/// Where the emails are.
pub(super) const PLACE: &str = "/app/emails";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/emails", get(list::list))
        .at("/emails/new", get(write::new).post(write::create))
        .at("/emails/:email", get(show::show))
        .at("/emails/:email/edit", get(write::edit).post(write::update))
        .at("/emails/:email/preview", get(show::preview_html))
        .at("/emails/:email/test", post(show::test))
        .at("/emails/:email/delete", get(list::ask).post(list::delete))
}

/// An email of the visitor's organisation.
pub(super) async fn find(request: &Request, visitor: &Visitor, email: Uuid) -> Result<SavedEmail> {
    let id = EmailId::from_uuid(email);
    let found = app(request)?.emails.get(&visitor.actor, id).await;
    found.map_err(failure::messaging)
}

/// Where an email is.
pub(super) fn place(email: EmailId) -> String {
    format!("{PLACE}/{email}")
}

/// A column that does not sort.
pub(super) fn column(name: &str, number: bool) -> Column<'_> {
    Column {
        name,
        sort: None,
        sorted: None,
        number,
    }
}
