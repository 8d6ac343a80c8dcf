//! How mail leaves: the mail server and its limits, the domains it is sent from, the addresses that get none, and who left
//! which lists.

mod domains;
mod exits;
mod limits;
mod suppressions;
mod transport;

use maud::{Markup, html};
use mauntic_messaging::{FieldProblem, MessagingError};
use poem::{Result, Route, get, post};

use super::{
    component::{frame, show},
    failure,
};

/// Where it is.
const PLACE: &str = "/app/sending";
const DOMAINS: &str = "/app/sending/domains";
const EXITS: &str = "/app/sending/exits";
const SUPPRESSIONS: &str = "/app/sending/suppressions";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/sending", get(transport::show).post(transport::configure))
        .at("/sending/limits", post(limits::set))
        .at("/sending/test", post(transport::test))
        .at("/sending/domains", get(domains::list).post(domains::add))
        .at("/sending/domains/:domain", get(domains::show))
        .at("/sending/domains/:domain/rotate", post(domains::rotate))
        .at("/sending/domains/:domain/activate", post(domains::activate))
        .at(
            "/sending/domains/:domain/delete",
            get(domains::ask).post(domains::delete),
        )
        .at(
            "/sending/suppressions",
            get(suppressions::list).post(suppressions::add),
        )
        .at(
            "/sending/suppressions/remove",
            get(suppressions::ask).post(suppressions::remove),
        )
        .at("/sending/exits", get(exits::list))
        .at("/sending/exits/remove", get(exits::ask).post(exits::remove))
}

/// What stands above each of its pages.
fn top(current: &str) -> Markup {
    let tabs = [
        (PLACE, "Mail server"),
        (DOMAINS, "Domains"),
        (SUPPRESSIONS, "Suppression list"),
        (EXITS, "Left lists"),
    ];
    html! {
        (frame::header("Sending", &html! {}))
        (show::tabs("Parts of sending", &tabs, current))
    }
}

/// What a form can tell of a refusal; anything else is a page of its own.
fn told(error: MessagingError) -> Result<Vec<FieldProblem>> {
    match error {
        MessagingError::Invalid { problems } => Ok(problems),
        MessagingError::Taken { field, .. } => Ok(vec![FieldProblem {
            field: field.to_owned(),
            code: "taken".to_owned(),
            message: format!("you have this {field} already"),
            line: None,
        }]),
        error => Err(failure::messaging(error)),
    }
}

/// What is wrong with one field.
fn wrong(problems: &[FieldProblem], field: &str) -> Option<String> {
    let found: Vec<_> = problems
        .iter()
        .filter(|problem| problem.field == field)
        .map(|problem| problem.message.as_str())
        .collect();
    Some(found.join("; ")).filter(|text| !text.is_empty())
}
