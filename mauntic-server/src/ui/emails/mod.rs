//! Emails: what they say, how they look, and what came of them.

mod blocks;
mod checks;
mod copy;
mod images;
mod list;
mod people;
mod preview;
mod results;
mod results_csv;
mod show;
mod versions;
mod write;

use maud::{Markup, html};
use mauntic_core::{EmailId, Permission};
use mauntic_messaging::email::SavedEmail;
use poem::{Request, Result, Route, get, post};
use uuid::Uuid;

use super::{
    component::{
        action::{Weight, act, ask_first, button_link},
        frame, show as shown,
    },
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
        .at("/emails/images", get(images::list).post(images::take))
        .at(
            "/emails/images/:image/delete",
            get(images::ask).post(images::delete),
        )
        .at("/emails/preview", post(write::live_preview))
        .at("/emails/:email", get(show::show))
        .at("/emails/:email/edit", get(write::edit).post(write::update))
        .at("/emails/:email/copy", post(copy::copy))
        .at("/emails/:email/preview", get(preview::html))
        .at("/emails/:email/test", post(show::test))
        .at("/emails/:email/results", get(results::results))
        .at("/emails/:email/results.csv", get(results_csv::export))
        .at("/emails/:email/results/domains", get(results::show_domains))
        .at("/emails/:email/people", get(people::people))
        .at("/emails/:email/people.csv", get(people::export))
        .at("/emails/:email/versions", get(versions::list))
        .at("/emails/:email/versions/:number", get(versions::show))
        .at("/emails/:email/versions/:number/html", get(versions::html))
        .at(
            "/emails/:email/versions/:number/restore",
            post(versions::restore),
        )
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

/// The part of a page that is about one email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
    Email,
    Results,
    Versions,
}

/// What stands above every page of one email.
fn top(visitor: &Visitor, saved: &SavedEmail, tab: Tab) -> Markup {
    let here = place(saved.email.id);
    let (results, versions) = (format!("{here}/results"), format!("{here}/versions"));
    let name = saved.email.name.as_str();
    let actions = html! {
        @if visitor.may(Permission::EmailsWrite) {
            (button_link(&format!("{here}/edit"), "Edit", Weight::Plain))
            (act(&format!("{here}/copy"), "Copy", &visitor.csrf()))
            (ask_first(&format!("{here}/delete"), "Delete"))
        }
        @if visitor.may(Permission::EmailsSend) {
            (button_link(&format!("{here}/send"), "Send", Weight::Primary))
        }
    };
    let current = match tab {
        Tab::Email => &here,
        Tab::Results => &results,
        Tab::Versions => &versions,
    };
    let tabs = [
        (here.as_str(), "Email"),
        (&results, "Results"),
        (&versions, "Versions"),
    ];
    html! {
        (frame::breadcrumbs(&[(PLACE, "Emails")], name))
        (frame::header(name, &actions))
        (shown::tabs("Parts of the email", &tabs, current))
    }
}
