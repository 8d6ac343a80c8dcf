//! What people see when something cannot be done: a page that says what, and what to do.

use maud::{Markup, html};
use mauntic_core::{Forbidden, StoreError, identity::IdentityError};
use mauntic_crm::{CrmError, import::ImportError};
use mauntic_messaging::MessagingError;
use poem::{Error, IntoResponse as _, Response, http::StatusCode};

use super::component::{
    action::{Weight, button_link},
    frame,
};
use crate::http::problem::describe;

fn page(status: StatusCode, title: &str, text: &Markup) -> Error {
    let page = frame::alone(title, text).with_status(status);
    Error::from_response(page.into_response())
}

fn home() -> Markup {
    html! { p { (button_link("/app/", "Go to the start", Weight::Primary)) } }
}

/// There is no such thing, or it is another organisation's.
pub(crate) fn missing(what: &str) -> Error {
    let text = html! {
        p { "There is no such " (what) ". It may have been deleted, or the address is mistyped." }
        (home())
    };
    page(StatusCode::NOT_FOUND, "Not found", &text)
}

/// The visitor's role does not allow it.
pub(crate) fn forbidden() -> Error {
    let text = html! {
        p { "Your role in this organisation does not allow this. Its owner can give you another." }
        (home())
    };
    page(StatusCode::FORBIDDEN, "Not allowed", &text)
}

/// The visitor may not do it, for a reason.
pub(crate) fn refused(reason: Forbidden) -> Error {
    let Forbidden::Closing(_) = reason else {
        return forbidden();
    };
    let text = html! {
        p { "The organisation is to be deleted, so nothing in it can be changed. An owner can take that back." }
        (home())
    };
    page(StatusCode::FORBIDDEN, "Nothing can be changed now", &text)
}

/// Nobody may work in the organisation; `ways` leads to the visitor's others and out.
pub(super) fn closed(organization: &str, ways: &Markup) -> Error {
    let text = html! {
        p { strong { (organization) } " is closed: whoever runs this installation has blocked it, or it is being deleted." }
        p { "Nobody can work in it, its API tokens are refused, and nothing is sent for it. The links in mails that were sent go on working. Ask whoever runs this installation." }
        (ways)
    };
    page(StatusCode::FORBIDDEN, "This organisation is closed", &text)
}

/// The form did not come from a page of ours, or that page is too old.
pub(super) fn foreign_form() -> Error {
    let text = html! {
        p { "This form did not come from a page of yours, or you have logged in anew since. Go back, reload the page, and try again; nothing was changed." }
        (home())
    };
    page(StatusCode::FORBIDDEN, "Please try again", &text)
}

/// The form is of a page of another organisation than the one that is worked in by now: the visitor chose that in another
/// tab, or is no member of the other any more.
pub(super) fn elsewhere(now: &str, of: Option<&str>) -> Error {
    let text = html! {
        p { "The page that you sent this from shows "
            @if let Some(of) = of { strong { (of) } } @else { "an organisation that you do not work in any more" }
            ". Nothing was changed, there or here." }
        @if let Some(of) = of { p { "To go on there, choose " (of) " at the top of any page, then open that page again." } }
        p { (button_link("/app/", &format!("Go to the start of {now}"), Weight::Primary)) }
    };
    let title = format!("You work in {now} now");
    page(StatusCode::CONFLICT, &title, &text)
}

/// A form of ours that holds something that no page of ours put there.
pub(super) fn unreadable() -> Error {
    let text = html! { p { "What the form held could not be read, and nothing was changed. Go back, reload the page, and try again." } (home()) };
    page(StatusCode::BAD_REQUEST, "Please try again", &text)
}

/// An app asks for something, and the browser must not be sent back to it.
pub(super) fn app_refused(why: &str) -> Error {
    let text = html! {
        p { (why) }
        p { "Nothing was allowed, and you were not sent on. Go back to the app; if this happens again, tell those who made it." }
        (home())
    };
    page(StatusCode::BAD_REQUEST, "This app cannot be let in", &text)
}

/// The form is too long.
pub(super) fn too_large() -> Error {
    let text = html! { p { "That is more than a form may hold (2 MiB). Nothing was changed." } };
    page(StatusCode::PAYLOAD_TOO_LARGE, "Too much", &text)
}

/// What was entered cannot be used; says why.
pub(crate) fn unusable(why: &str) -> Error {
    let text = html! { p { (why) } p { "Go back and change it; nothing was changed." } };
    page(
        StatusCode::UNPROCESSABLE_ENTITY,
        "That cannot be used",
        &text,
    )
}

/// The user is logged in, but a member of no organisation.
pub(super) fn no_workplace() -> Error {
    let text = html! {
        p { "You are not a member of any organisation now. Ask an owner to add you." }
        div class="row" {
            (button_link("/app/account", "Your account", Weight::Primary))
            (button_link("/app/login", "Log in as somebody else", Weight::Plain))
        }
    };
    page(StatusCode::FORBIDDEN, "No organisation", &text)
}

/// Something failed on our side; the log says what.
pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Error {
    tracing::error!(error = describe(error), "a page failed");
    let text = html! {
        p { "Something failed on our side. Nothing was half-done; please try again in a moment." }
        (home())
    };
    page(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong",
        &text,
    )
}

/// What was tried too often, and when to try again.
pub(crate) fn too_often(error: &IdentityError) -> String {
    let seconds = match error {
        IdentityError::TooManyFailures { seconds } => *seconds,
        _ => 1,
    };
    format!("That was tried too often: try again in {seconds} seconds.")
}

/// What Identity refused.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn identity(error: IdentityError) -> Error {
    match &error {
        IdentityError::Forbidden(reason) => refused(*reason),
        // Until a moment ago the visitor was a member.
        IdentityError::Refused(_) => forbidden(),
        IdentityError::MayNotFound => {
            let text = html! { p { "Who makes organisations here is for those to say who run this installation. Ask them for one." } (home()) };
            page(StatusCode::FORBIDDEN, "Not allowed", &text)
        }
        IdentityError::OrganizationNotFound(_) => missing("organisation"),
        IdentityError::SessionNotFound(_) => missing("session"),
        IdentityError::UserNotFound(_) => missing("member"),
        IdentityError::TokenNotFound(_) => missing("API token"),
        IdentityError::InvitationNotFound(_) => missing("invitation"),
        IdentityError::OauthClientNotFound | IdentityError::OauthGrantNotFound => missing("app"),
        IdentityError::NotificationNotFound(_) => missing("notification"),
        IdentityError::TooManyFailures { .. } => {
            let text = html! { p { (too_often(&error)) " Nothing was changed." } (home()) };
            page(StatusCode::TOO_MANY_REQUESTS, "Not so often", &text)
        }
        IdentityError::Outdated { .. } => {
            let text = html! { p { "Somebody else changed this since you opened the page. Look at what is there now, and do it again if it is still right; nothing was changed." } (home()) };
            page(StatusCode::CONFLICT, "It was changed meanwhile", &text)
        }
        IdentityError::LastOwner
        | IdentityError::NotAnOwner
        | IdentityError::NoClientSecret
        | IdentityError::OwnsTooMany { .. }
        | IdentityError::Oneself
        | IdentityError::ErasureBegun(_) => {
            let text = html! { p { "Nothing was changed: " (error.to_string()) "." } (home()) };
            page(StatusCode::CONFLICT, "That is not possible now", &text)
        }
        _ => internal(&error),
    }
}

/// The storage failed.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn store(error: StoreError) -> Error {
    internal(&error)
}

/// What the CRM refused, but for what a form can tell.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn crm(error: CrmError) -> Error {
    match &error {
        CrmError::Forbidden(reason) => refused(*reason),
        CrmError::ContactNotFound(_) => missing("contact"),
        CrmError::SegmentNotFound(_) => missing("segment"),
        CrmError::FieldNotFound(_) => missing("field"),
        CrmError::TagNotFound => missing("tag"),
        CrmError::BulkChangeNotFound(_) => missing("change"),
        CrmError::ViewNotFound(_) => missing("view"),
        CrmError::WrongState(_) => {
            let text = html! { p { "Nothing was changed: " (error.to_string()) "." } (home()) };
            page(StatusCode::CONFLICT, "That is not possible now", &text)
        }
        CrmError::Invalid(why) => unusable(why),
        _ => internal(&error),
    }
}

/// What an import refused, but for what a form can tell.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn import(error: ImportError) -> Error {
    match &error {
        ImportError::Forbidden(reason) => refused(*reason),
        ImportError::NotFound(_) => missing("import"),
        _ => internal(&error),
    }
}

/// What messaging refused, but for what a form can tell.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn messaging(error: MessagingError) -> Error {
    match &error {
        MessagingError::Forbidden(reason) => refused(*reason),
        MessagingError::NotFound { what } => missing(what),
        MessagingError::WrongState { .. }
        | MessagingError::Busy
        | MessagingError::Outdated { .. } => {
            let text = html! { p { "Nothing was changed: " (error.to_string()) "." } (home()) };
            page(StatusCode::CONFLICT, "That is not possible now", &text)
        }
        MessagingError::Invalid { problems } => {
            let text = html! {
                p { "Nothing was changed:" }
                ul { @for problem in problems { li { (problem.message) } } }
                (home())
            };
            page(
                StatusCode::UNPROCESSABLE_ENTITY,
                "That cannot be used",
                &text,
            )
        }
        _ => internal(&error),
    }
}

/// A page that is answered with another status than 200.
pub(crate) fn with_status(page: Markup, status: StatusCode) -> Response {
    page.with_status(status).into_response()
}
