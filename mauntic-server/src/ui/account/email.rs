use maud::{Markup, html};
use mauntic_core::{EmailAddress, identity::IdentityError};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Query};

use super::{
    proof::{self, Problem},
    reset::{Link, dead_link, posted_secret},
};
use crate::ui::{
    Done, Said,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, filled},
        frame, show,
    },
    failure, own_shell,
    visitor::{Fields, OpenForm, OwnForm, Person, app, client, redirect},
};

const PLACE: &str = "/app/account/email";
const TITLE: &str = "Email address";

/// The address that one logs in with.
#[handler]
pub(super) async fn show_email(
    request: &Request,
    person: Person,
    Query(said): Query<Said>,
) -> Result<Response> {
    let page = page(request, &person, &Fields::default(), said.done, None).await?;
    Ok(page.into_response())
}

async fn page(
    request: &Request,
    person: &Person,
    fields: &Fields,
    done: Option<Done>,
    problem: Problem<'_>,
) -> Result<Markup> {
    let pending = app(request)?.identity.pending_email_change(&person.who);
    let pending = pending.await.map_err(failure::identity)?;
    let email = Field {
        name: "email",
        label: "New address",
        value: fields.text("email"),
        hint: Some("We mail it a link. Until you confirm with that, the present address stays."),
        error: problem
            .filter(|(of, _)| *of == "email")
            .map(|(_, text)| text),
        required: true,
    };
    let content = html! {
        (frame::breadcrumbs(&[("/app/account", "Account")], TITLE))
        (frame::header(TITLE, &html! {}))
        @if let Some(done) = done { (done.toast()) }
        (show::card("Now", &html! { p { (person.who.user.email.as_str()) } }))
        @if let Some(pending) = pending { (waiting(person, &pending)) }
        (show::card("Another address", &html! {
            form method="post" action="/app/account/email" class="stack" {
                (person.csrf())
                (filled(&email, "email", "email"))
                (proof::ask(person, "password", problem))
                div class="row" { (button("Mail the link", Weight::Primary)) }
            }
        }))
    };
    Ok(own_shell(person, TITLE, &content))
}

fn waiting(person: &Person, pending: &EmailAddress) -> Markup {
    show::card(
        "Waiting to be confirmed",
        &html! {
            p { (show::badge("not confirmed", Tone::Warn)) " " (pending.as_str()) }
            form method="post" action="/app/account/email/cancel" class="row" {
                (person.csrf()) (button("Keep the present address", Weight::Plain))
            }
        },
    )
}

/// Mails a link to the new address.
#[handler]
pub(super) async fn ask(request: &Request, posted: OwnForm) -> Result<Response> {
    let (person, fields) = (&posted.person, &posted.fields);
    let again = async |field: &str, problem: &str| {
        let page = page(request, person, fields, None, Some((field, problem))).await?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let Ok(email) = fields.text("email").parse() else {
        return again("email", "This is no email address.").await;
    };
    let identity = &app(request)?.identity;
    let asked = match proof::given(person, fields, "password") {
        Ok(password) => {
            let who = &person.who;
            identity.request_email_change(who, password, email).await
        }
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => Ok(redirect(&Done::Saved.at(PLACE))),
        Err(error) => {
            let problem = proof::problem(error).map_err(failure::identity)?;
            again("password", &problem).await
        }
    }
}

/// Keeps the present address.
#[handler]
pub(super) async fn cancel(request: &Request, posted: OwnForm) -> Result<Response> {
    let identity = &app(request)?.identity;
    let cancelled = identity.cancel_email_change(&posted.person.who).await;
    cancelled.map_err(failure::identity)?;
    Ok(redirect(&Done::Saved.at(PLACE)))
}

/// Asks whoever followed the link to confirm: programs that look at mail follow links, and must change nothing.
#[handler]
pub(super) fn confirm(Query(link): Query<Link>) -> Response {
    let Some(secret) = link.secret() else {
        return dead_link(&to_account());
    };
    let content = html! {
        p { "From now on you log in with the address that this link was mailed to." }
        form method="post" action="/app/confirm-email" class="stack" {
            input type="hidden" name="token" value=(secret.reveal());
            (button("Confirm", Weight::Primary))
        }
    };
    frame::alone("Confirm your address", &content).into_response()
}

fn to_account() -> Markup {
    button_link(PLACE, "To your account", Weight::Primary)
}

/// Changes the address.
#[handler]
pub(super) async fn confirmed(request: &Request, OpenForm(fields): OpenForm) -> Result<Response> {
    let Some(secret) = posted_secret(&fields) else {
        return Ok(dead_link(&to_account()));
    };
    let identity = &app(request)?.identity;
    let from = client(request);
    match identity.confirm_email_change(&secret, &from).await {
        Ok(email) => {
            let content = html! {
                (show::toast("Your address is confirmed.", Tone::Good))
                p { "You log in with " strong { (email.as_str()) } " from now on." }
                p { (button_link("/app/", "Go to the start", Weight::Primary)) }
            };
            Ok(frame::alone("Done", &content).into_response())
        }
        Err(IdentityError::DeadLink) => Ok(dead_link(&to_account())),
        Err(IdentityError::EmailTaken) => {
            let content = html! {
                p { "Another account has this address by now. Yours stays as it is." }
                p { (to_account()) }
            };
            let page = frame::alone("The address is taken", &content);
            Ok(failure::with_status(page, StatusCode::CONFLICT))
        }
        Err(error) => Err(failure::identity(error)),
    }
}
