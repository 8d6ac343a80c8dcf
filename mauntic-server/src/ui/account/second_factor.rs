use std::fmt::Write as _;

use maud::{Markup, html};
use mauntic_core::identity::{Enrolment, IdentityError, Password, RecoveryCode, SecondFactorState};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Query};
use qrcode::{Color, QrCode};

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
    problem: Option<(&str, &str)>,
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

fn on(person: &Person, state: SecondFactorState, problem: Option<(&str, &str)>) -> Markup {
    let password = |name| Field {
        name,
        label: "Your password",
        error: problem.filter(|(of, _)| *of == name).map(|(_, text)| text),
        required: true,
        ..Field::default()
    };
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
                (filled(&password("password-for-codes"), "password", "current-password"))
                div class="row" { (button("Make new codes", Weight::Plain)) }
            }
        }))
        (show::card("Switch it off", &html! {
            p { "Your password alone will be enough to log in, and your recovery codes stop working." }
            form method="post" action="/app/account/second-factor/end" class="stack" {
                (person.csrf())
                (filled(&password("password-to-end"), "password", "current-password"))
                div class="row" { (button("Switch it off", Weight::Danger)) }
            }
        }))
    }
}

fn enrolment_page(person: &Person, enrolment: &Enrolment, problem: Option<&str>) -> Markup {
    let code = Field {
        name: "code",
        label: "Code that the app shows",
        hint: Some("Six digits. Your other sessions end when you switch it on."),
        error: problem,
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
    let problem = match app.identity.confirm_second_factor(&person.who, code).await {
        Ok(codes) => return Ok(codes_page(person, &codes).into_response()),
        Err(IdentityError::SecondFactorOn | IdentityError::SecondFactorOff) => {
            return Ok(redirect(PLACE));
        }
        Err(IdentityError::WrongCode) => {
            "This code is wrong. Take the one that the app shows now, and see that your phone's clock is right."
                .to_owned()
        }
        Err(error @ IdentityError::TooManyFailures { .. }) => failure::too_often(&error),
        Err(error) => return Err(failure::identity(error)),
    };
    let enrolment = app.identity.begin_second_factor(&person.who).await;
    let enrolment = enrolment.map_err(failure::identity)?;
    let page = enrolment_page(person, &enrolment, Some(&problem));
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Makes new recovery codes.
#[handler]
pub(super) async fn renew_codes(request: &Request, posted: OwnForm) -> Result<Response> {
    let (name, person) = ("password-for-codes", &posted.person);
    let typed = posted.fields.find(name).unwrap_or_default();
    let Some(password) = Password::presented(typed) else {
        return refused(request, person, name, IdentityError::WrongPassword).await;
    };
    let renewed = app(request)?
        .identity
        .renew_recovery_codes(&person.who, password);
    match renewed.await {
        Ok(codes) => Ok(codes_page(person, &codes).into_response()),
        Err(error) => refused(request, person, name, error).await,
    }
}

/// Switches the second factor off.
#[handler]
pub(super) async fn end(request: &Request, posted: OwnForm) -> Result<Response> {
    let (name, person) = ("password-to-end", &posted.person);
    let typed = posted.fields.find(name).unwrap_or_default();
    let Some(password) = Password::presented(typed) else {
        return refused(request, person, name, IdentityError::WrongPassword).await;
    };
    let ended = app(request)?
        .identity
        .end_second_factor(&person.who, password);
    match ended.await {
        Ok(()) => Ok(redirect(&Done::Saved.at(PLACE))),
        Err(error) => refused(request, person, name, error).await,
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
        IdentityError::WrongPassword => "The password is wrong. Nothing was changed.".to_owned(),
        error @ IdentityError::TooManyFailures { .. } => failure::too_often(&error),
        error => return Err(failure::identity(error)),
    };
    let page = state_page(request, person, None, Some((field, &problem))).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}
