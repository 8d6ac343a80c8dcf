use maud::{Markup, html};
use mauntic_core::identity::{IdentityError, LinkSecret, LinkedLogin, WeakPassword};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Query};
use serde::Deserialize;

use super::logins;
use crate::{
    App,
    ui::{
        component::{
            Tone,
            action::{Weight, button, button_link},
            form::{Field, filled},
            frame, show,
        },
        failure,
        visitor::{Fields, OpenForm, app, client},
    },
};

/// The secret in a mailed link.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Link {
    token: Option<String>,
}

impl Link {
    /// The secret, if the text is one.
    pub(crate) fn secret(&self) -> Option<LinkSecret> {
        self.token.as_deref().and_then(|text| text.parse().ok())
    }
}

/// The secret that a form carries on.
pub(super) fn posted_secret(fields: &Fields) -> Option<LinkSecret> {
    fields.text("token").parse().ok()
}

/// Says that a mailed link is over.
pub(super) fn dead_link(again: &Markup) -> Response {
    let content = html! {
        p { "This link does not work any more: it was used, it is too old, or a newer one was sent." }
        p { (again) }
    };
    let page = frame::alone("The link is over", &content);
    failure::with_status(page, StatusCode::GONE)
}

fn ask_again() -> Markup {
    button_link("/app/forgot", "Ask for a new link", Weight::Primary)
}

fn forgot_page(fields: &Fields, problem: Option<&str>) -> Markup {
    let email = Field {
        name: "email",
        label: "Email address",
        value: fields.text("email"),
        hint: Some("The one that you log in with"),
        error: problem,
        required: true,
    };
    let content = html! {
        p { "We mail you a link with which you can set a new password." }
        form method="post" action="/app/forgot" class="stack" {
            (filled(&email, "email", "username"))
            (button("Mail me a link", Weight::Primary))
        }
        p { a href="/app/login" { "Back to the login" } }
    };
    frame::alone("Forgot your password?", &content)
}

/// Asks for the address of somebody who forgot the password.
#[handler]
pub(super) fn forgot() -> Markup {
    forgot_page(&Fields::default(), None)
}

/// Mails a link; the answer is the same whether or not there is an account.
#[handler]
pub(super) async fn ask_for_link(
    request: &Request,
    OpenForm(fields): OpenForm,
) -> Result<Response> {
    let again = |problem: &str, status| {
        Ok(failure::with_status(
            forgot_page(&fields, Some(problem)),
            status,
        ))
    };
    let Ok(email) = fields.text("email").parse() else {
        return again(
            "This is no email address.",
            StatusCode::UNPROCESSABLE_ENTITY,
        );
    };
    let identity = &app(request)?.identity;
    let asked = identity.request_password_reset(email, client(request));
    match asked.await {
        Ok(()) => {
            let content = html! {
                (show::toast("If there is an account with this address, a link is on its way to it.", Tone::Good))
                p { "It works for an hour, once. Nothing in your mailbox? Look into the spam folder, and see that the address is the one that you log in with." }
                p { a href="/app/login" { "Back to the login" } }
            };
            Ok(frame::alone("Look into your mailbox", &content).into_response())
        }
        Err(error @ IdentityError::TooManyFailures { .. }) => {
            again(&failure::too_often(&error), StatusCode::TOO_MANY_REQUESTS)
        }
        Err(error) => Err(failure::identity(error)),
    }
}

fn reset_page(email: &str, secret: &LinkSecret, problem: Option<&str>) -> Markup {
    let new = Field {
        name: "new",
        label: "New password",
        hint: Some("12 characters or more. All your sessions end."),
        error: problem,
        required: true,
        ..Field::default()
    };
    let content = html! {
        p { "For the account " strong { (email) } "." }
        form method="post" action="/app/reset" class="stack" {
            input type="hidden" name="token" value=(secret.reveal());
            input type="hidden" name="email" value=(email) autocomplete="username";
            (filled(&new, "password", "new-password"))
            (button("Set the password", Weight::Primary))
        }
    };
    frame::alone("Set a new password", &content)
}

/// Asks for the new password.
#[handler]
pub(super) async fn reset(request: &Request, Query(link): Query<Link>) -> Result<Response> {
    let Some(secret) = link.secret() else {
        return Ok(dead_link(&ask_again()));
    };
    match app(request)?.identity.password_reset(&secret).await {
        Ok(email) => Ok(reset_page(email.as_str(), &secret, None).into_response()),
        Err(IdentityError::DeadLink) => Ok(dead_link(&ask_again())),
        Err(error) => Err(failure::identity(error)),
    }
}

/// Says what lets in beside the new password: whoever had the old one may have linked it.
fn still_linked(app: &App, linked: &[LinkedLogin]) -> Markup {
    html! {
        @if !linked.is_empty() {
            p { "These logins still let in to your account, without the password:" }
            ul { @for login in linked { li { (logins::label(app, login)) " as " (login.email.as_str()) } } }
            p { "If one of them is not yours, log in and unlink it under "
                a href=(logins::PLACE) { "Account, Linked logins" } "." }
        }
    }
}

/// Sets the new password.
#[handler]
pub(super) async fn set_password(
    request: &Request,
    OpenForm(fields): OpenForm,
) -> Result<Response> {
    let app = app(request)?;
    let identity = &app.identity;
    let Some(secret) = posted_secret(&fields) else {
        return Ok(dead_link(&ask_again()));
    };
    let email = match identity.password_reset(&secret).await {
        Ok(email) => email,
        Err(IdentityError::DeadLink) => return Ok(dead_link(&ask_again())),
        Err(error) => return Err(failure::identity(error)),
    };
    let new = match fields.find("new").unwrap_or_default().parse() {
        Ok(new) => new,
        Err(error) => {
            let error: WeakPassword = error;
            let page = reset_page(email.as_str(), &secret, Some(&error.to_string()));
            return Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let from = client(request);
    match identity.reset_password(&secret, new, &from).await {
        Err(error @ IdentityError::GuessablePassword) => {
            let page = reset_page(email.as_str(), &secret, Some(&error.to_string()));
            Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Ok(linked) => {
            let content = html! {
                (show::toast("The new password is set, and all your sessions were ended.", Tone::Good))
                (still_linked(app, &linked))
                p { (button_link("/app/login", "Log in", Weight::Primary)) }
            };
            Ok(frame::alone("Done", &content).into_response())
        }
        Err(IdentityError::DeadLink) => Ok(dead_link(&ask_again())),
        Err(error) => Err(failure::identity(error)),
    }
}
