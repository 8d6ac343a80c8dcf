//! Sends: an email to a segment, from the first question to the last delivery.

mod create;
mod list;
mod preflight;
mod show;
mod steer;

use mauntic_core::SendJobId;
use mauntic_messaging::sending::SendStatus;
use poem::{Request, Result, Route, get};
use uuid::Uuid;

pub(super) use list::PLACE;
pub(super) use preflight::record_state;

use super::{
    emails::{PLACE as EMAILS, find as find_email, place as email_place},
    failure,
    visitor::{Visitor, app},
};

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at(
            "/emails/:email/send",
            get(create::choose).post(create::create),
        )
        .at("/emails/:email/send/summary", get(create::summary))
        .at("/sends", get(list::list))
        .at("/sends/:send", get(show::show))
        .at(
            "/sends/:send/retry",
            get(steer::ask_retry).post(steer::retry),
        )
        .at(
            "/sends/:send/:step",
            get(steer::ask_cancel).post(steer::steer),
        )
}

/// A send of the visitor's organisation.
async fn find(request: &Request, visitor: &Visitor, send: Uuid) -> Result<SendStatus> {
    let id = SendJobId::from_uuid(send);
    let found = app(request)?.sends.status(&visitor.actor, id).await;
    found.map_err(failure::messaging)
}

/// Where a send is.
fn place(send: SendJobId) -> String {
    format!("/app/sends/{send}")
}
