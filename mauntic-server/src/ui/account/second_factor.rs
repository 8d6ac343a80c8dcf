use std::fmt::Write as _;

use maud::{Markup, html};
use mauntic_core::identity::{Enrolment, IdentityError, RecoveryCode, SecondFactorState};
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
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

const PLACE: &str = "/app/account/second-factor";
const TITLE: &str = "Second factor";

/// Whether the second factor is on, and what can be done about it.
#[handler]
pub(super) async fn second_factor(
    request: &Request,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Response> {
    let page = state_page(request, &visitor, said.done, None).await?;
    Ok(page.into_response())
}

fn within(visitor: &Visitor, content: &Markup) -> Markup {
    let page = html! {
        (frame::breadcrumbs(&[("/app/account", "Account")], TITLE))
        (frame::header(TITLE, &html! {}))
        (content)
    };
    shell(visitor, TITLE, "/app/account", &page)
}

async fn state_page(
    request: &Request,
    visitor: &Visitor,
    done: Option<Done>,
    problem: Option<(&str, &str)>,
) -> Result<Markup> {
    let state = app(request)?.identity.second_factor(&visitor.who).await;
    let state = state.map_err(failure::identity)?;
    let content = html! {
        @if let Some(done) = done { (done.toast()) }
        @match state.on_since {
            Some(_) => (on(visitor, state, problem)),
            None => (off(visitor)),
        }
    };
    Ok(within(visitor, &content))
}

fn off(visitor: &Visitor) -> Markup {
    show::card(
        "It is off",
        &html! {
            p { "With a second factor, logging in takes your password and a code that an app on your phone shows. Whoever steals the password alone stays outside." }
            p { "Any authenticator app will do that knows one-time codes (TOTP)." }
            form method="post" action="/app/account/second-factor/begin" class="row" {
                (visitor.csrf()) (button("Set it up", Weight::Primary))
            }
        },
    )
}

fn on(visitor: &Visitor, state: SecondFactorState, problem: Option<(&str, &str)>) -> Markup {
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
                (visitor.csrf())
                (filled(&password("password-for-codes"), "password", "current-password"))
                div class="row" { (button("Make new codes", Weight::Plain)) }
            }
        }))
        (show::card("Switch it off", &html! {
            p { "Your password alone will be enough to log in, and your recovery codes stop working." }
            form method="post" action="/app/account/second-factor/end" class="stack" {
                (visitor.csrf())
                (filled(&password("password-to-end"), "password", "current-password"))
                div class="row" { (button("Switch it off", Weight::Danger)) }
            }
        }))
    }
}

fn enrolment_page(visitor: &Visitor, enrolment: &Enrolment, problem: Option<&str>) -> Markup {
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
                (visitor.csrf())
                (filled(&code, "text", "one-time-code"))
                div class="row" { (button("Switch it on", Weight::Primary)) (button_link(PLACE, "Not now", Weight::Plain)) }
            }
        },
    );
    within(visitor, &content)
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

fn codes_page(visitor: &Visitor, codes: &[RecoveryCode]) -> Markup {
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
    within(visitor, &content)
}

/// Makes a secret and shows it.
#[handler]
pub(super) async fn begin(request: &Request, posted: Posted) -> Result<Response> {
    let who = &posted.visitor.who;
    match app(request)?.identity.begin_second_factor(who).await {
        Ok(enrolment) => Ok(enrolment_page(&posted.visitor, &enrolment, None).into_response()),
        Err(IdentityError::SecondFactorOn) => Ok(redirect(PLACE)),
        Err(error) => Err(failure::identity(error)),
    }
}

/// Takes the first code.
#[handler]
pub(super) async fn confirm(request: &Request, posted: Posted) -> Result<Response> {
    let (app, visitor) = (app(request)?, &posted.visitor);
    let code = posted.fields.text("code");
    let problem = match app.identity.confirm_second_factor(&visitor.who, code).await {
        Ok(codes) => return Ok(codes_page(visitor, &codes).into_response()),
        Err(IdentityError::SecondFactorOn | IdentityError::SecondFactorOff) => {
            return Ok(redirect(PLACE));
        }
        Err(IdentityError::WrongCode) => {
            "This code is wrong. Take the one that the app shows now, and see that your phone's clock is right."
                .to_owned()
        }
        Err(IdentityError::TooManyFailures { seconds }) => {
            format!("Too many failed attempts: try again in {seconds} seconds.")
        }
        Err(error) => return Err(failure::identity(error)),
    };
    let enrolment = app.identity.begin_second_factor(&visitor.who).await;
    let enrolment = enrolment.map_err(failure::identity)?;
    let page = enrolment_page(visitor, &enrolment, Some(&problem));
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Makes new recovery codes.
#[handler]
pub(super) async fn renew_codes(request: &Request, posted: Posted) -> Result<Response> {
    let (name, visitor) = ("password-for-codes", &posted.visitor);
    let Ok(password) = posted.fields.find(name).unwrap_or_default().parse() else {
        return refused(request, visitor, name, IdentityError::WrongPassword).await;
    };
    let renewed = app(request)?
        .identity
        .renew_recovery_codes(&visitor.who, password);
    match renewed.await {
        Ok(codes) => Ok(codes_page(visitor, &codes).into_response()),
        Err(error) => refused(request, visitor, name, error).await,
    }
}

/// Switches the second factor off.
#[handler]
pub(super) async fn end(request: &Request, posted: Posted) -> Result<Response> {
    let (name, visitor) = ("password-to-end", &posted.visitor);
    let Ok(password) = posted.fields.find(name).unwrap_or_default().parse() else {
        return refused(request, visitor, name, IdentityError::WrongPassword).await;
    };
    let ended = app(request)?
        .identity
        .end_second_factor(&visitor.who, password);
    match ended.await {
        Ok(()) => Ok(redirect(&Done::Saved.at(PLACE))),
        Err(error) => refused(request, visitor, name, error).await,
    }
}

async fn refused(
    request: &Request,
    visitor: &Visitor,
    field: &str,
    error: IdentityError,
) -> Result<Response> {
    let problem = match error {
        IdentityError::SecondFactorOff => return Ok(redirect(PLACE)),
        IdentityError::WrongPassword => "The password is wrong. Nothing was changed.".to_owned(),
        IdentityError::TooManyFailures { seconds } => {
            format!("Too many failed attempts: try again in {seconds} seconds.")
        }
        error => return Err(failure::identity(error)),
    };
    let page = state_page(request, visitor, None, Some((field, &problem))).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}
