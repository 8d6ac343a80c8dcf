use std::fmt::Write as _;

use maud::{Markup, html};
use mauntic_core::identity::{Enrolment, IdentityError, RecoveryCode, SecondFactorState};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Query};
use qrcode::{Color, QrCode};

use super::proof::{self, Problem};
use crate::ui::{
    Done, Said,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, filled},
        frame, show,
    },
    failure, own_shell,
    visitor::{OwnForm, Person, app, redirect},
    words,
};

const PLACE: &str = "/app/account/second-factor";
const TITLE: &str = "Second factor";
const TO_BEGIN: &str = "password-to-begin";
const FOR_CODES: &str = "password-for-codes";
const TO_END: &str = "password-to-end";

/// Whether the second factor is on, and what can be done about it.
#[handler]
pub(super) async fn second_factor(
    request: &Request,
    person: Person,
    Query(said): Query<Said>,
) -> Result<Response> {
    let page = state_page(request, &person, said.done, None).await?;
    Ok(page.into_response())
}

fn within(person: &Person, content: &Markup) -> Markup {
    let page = html! {
        (frame::breadcrumbs(&[("/app/account", "Account")], TITLE))
        (frame::header(TITLE, &html! {}))
        (content)
    };
    own_shell(person, TITLE, &page)
}

async fn state_page(
    request: &Request,
    person: &Person,
    done: Option<Done>,
    problem: Problem<'_>,
) -> Result<Markup> {
    let state = app(request)?.identity.second_factor(&person.who).await;
    let state = state.map_err(failure::identity)?;
    let content = html! {
        @if let Some(done) = done { (done.toast()) }
        @match state.on_since {
            Some(_) => (on(person, state, problem)),
            None => (off(person)),
        }
    };
    Ok(within(person, &content))
}

fn off(person: &Person) -> Markup {
    show::card(
        "It is off",
        &html! {
            p { "With a second factor, logging in takes your password and a code that an app on your phone shows. Whoever steals the password alone stays outside." }
            p { "Any authenticator app will do that knows one-time codes (TOTP)." }
            form method="post" action="/app/account/second-factor/begin" class="row" {
                (person.csrf()) (button("Set it up", Weight::Primary))
            }
        },
    )
}

fn on(person: &Person, state: SecondFactorState, problem: Problem<'_>) -> Markup {
    let left = state.recovery_codes_left;
    html! {
        (show::card("It is on", &show::values(&[
            ("Since", html! { @if let Some(at) = state.on_since { (words::time(at)) } }),
            ("Recovery codes left", html! { (left) @if left < 3 { " " (show::badge("make new ones", Tone::Warn)) } }),
        ])))
        (show::card("New recovery codes", &html! {
            p { "They stand for the app if you lose it, each of them once. New ones end the old ones." }
            form method="post" action="/app/account/second-factor/codes" class="stack" {
                (person.csrf())
                (proof::ask(person, FOR_CODES, problem))
                div class="row" { (button("Make new codes", Weight::Plain)) }
            }
        }))
        (show::card("Switch it off", &html! {
            p { "Logging in takes no code any more, and your recovery codes stop working." }
            form method="post" action="/app/account/second-factor/end" class="stack" {
                (person.csrf())
                (proof::ask(person, TO_END, problem))
                div class="row" { (button("Switch it off", Weight::Danger)) }
            }
        }))
    }
}

fn enrolment_page(person: &Person, enrolment: &Enrolment, problem: Problem<'_>) -> Markup {
    let code = Field {
        name: "code",
        label: "Code that the app shows",
        hint: Some("Six digits. Your other sessions end when you switch it on."),
        error: problem
            .filter(|(of, _)| *of == "code")
            .map(|(_, text)| text),
        required: true,
        ..Field::default()
    };
    let content = show::card(
        "Set it up",
        &html! {
            p { "Scan this with your authenticator app, or type the secret into it." }
            @if let Some(drawing) = qr(&enrolment.uri) { (drawing) }
            (show::values(&[
                ("Secret", html! { code { (in_fours(&enrolment.secret)) } }),
                ("Address", html! { a href=(enrolment.uri) { "Open in an app on this device" } }),
            ]))
            form method="post" action="/app/account/second-factor/confirm" class="stack" {
                (person.csrf())
                (filled(&code, "text", "one-time-code"))
                (proof::ask(person, TO_BEGIN, problem))
                div class="row" { (button("Switch it on", Weight::Primary)) (button_link(PLACE, "Not now", Weight::Plain)) }
            }
        },
    );
    within(person, &content)
}

/// A QR code of dark squares on white, whatever the theme, for cameras want it so.
fn qr(text: &str) -> Option<Markup> {
    /// The light edge that the standard asks for.
    const QUIET: usize = 4;
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    let size = width + 2 * QUIET;
    Some(html! {
        svg width="224" height="224" viewBox=(format!("0 0 {size} {size}")) role="img" aria-label="QR code of the secret" {
            rect width=(size) height=(size) fill="#fff" {}
            path d=(path) fill="#000" shape-rendering="crispEdges" {}
        }
    })
}

fn in_fours(secret: &str) -> String {
    let letters: Vec<_> = secret.chars().collect();
    let groups = letters
        .chunks(4)
        .map(|group| group.iter().collect::<String>());
    groups.collect::<Vec<_>>().join(" ")
}

fn codes_page(person: &Person, codes: &[RecoveryCode]) -> Markup {
    let codes: Vec<_> = codes.iter().map(RecoveryCode::reveal).collect();
    let content = show::card(
        "Your recovery codes",
        &html! {
            (show::toast("The second factor is on. These codes are shown this once.", Tone::Good))
            p { "If you lose the app, each of these lets you in once, in its place. Print them or write them down, and keep them where your password is not." }
            (show::code(&codes.join("\n")))
            div class="row" { (button_link(PLACE, "I have kept them", Weight::Primary)) }
        },
    );
    within(person, &content)
}

/// Makes a secret and shows it.
#[handler]
pub(super) async fn begin(request: &Request, posted: OwnForm) -> Result<Response> {
    let who = &posted.person.who;
    match app(request)?.identity.begin_second_factor(who).await {
        Ok(enrolment) => Ok(enrolment_page(&posted.person, &enrolment, None).into_response()),
        Err(IdentityError::SecondFactorOn) => Ok(redirect(PLACE)),
        Err(error) => Err(failure::identity(error)),
    }
}

/// Takes the first code.
#[handler]
pub(super) async fn confirm(request: &Request, posted: OwnForm) -> Result<Response> {
    let (app, person) = (app(request)?, &posted.person);
    let code = posted.fields.text("code");
    let confirmed = match proof::given(person, &posted.fields, TO_BEGIN) {
        Ok(password) => {
            let who = &person.who;
            app.identity
                .confirm_second_factor(who, password, code)
                .await
        }
        Err(error) => Err(error),
    };
    let (field, problem) = match confirmed {
        Ok(codes) => return Ok(codes_page(person, &codes).into_response()),
        Err(IdentityError::SecondFactorOn | IdentityError::SecondFactorOff) => {
            return Ok(redirect(PLACE));
        }
        Err(IdentityError::WrongCode) => (
            "code",
            "This code is wrong. Take the one that the app shows now, and see that your phone's clock is right."
                .to_owned(),
        ),
        Err(error) => (TO_BEGIN, proof::problem(error).map_err(failure::identity)?),
    };
    let enrolment = app.identity.begin_second_factor(&person.who).await;
    let enrolment = enrolment.map_err(failure::identity)?;
    let page = enrolment_page(person, &enrolment, Some((field, &problem)));
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Makes new recovery codes.
#[handler]
pub(super) async fn renew_codes(request: &Request, posted: OwnForm) -> Result<Response> {
    let (person, identity) = (&posted.person, &app(request)?.identity);
    let renewed = match proof::given(person, &posted.fields, FOR_CODES) {
        Ok(password) => identity.renew_recovery_codes(&person.who, password).await,
        Err(error) => Err(error),
    };
    match renewed {
        Ok(codes) => Ok(codes_page(person, &codes).into_response()),
        Err(error) => refused(request, person, FOR_CODES, error).await,
    }
}

/// Switches the second factor off.
#[handler]
pub(super) async fn end(request: &Request, posted: OwnForm) -> Result<Response> {
    let (person, identity) = (&posted.person, &app(request)?.identity);
    let ended = match proof::given(person, &posted.fields, TO_END) {
        Ok(password) => identity.end_second_factor(&person.who, password).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => Ok(redirect(&Done::Saved.at(PLACE))),
        Err(error) => refused(request, person, TO_END, error).await,
    }
}

async fn refused(
    request: &Request,
    person: &Person,
    field: &str,
    error: IdentityError,
) -> Result<Response> {
    let problem = match error {
        IdentityError::SecondFactorOff => return Ok(redirect(PLACE)),
        error => proof::problem(error).map_err(failure::identity)?,
    };
    let page = state_page(request, person, None, Some((field, &problem))).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}
