use maud::{Markup, html};
use mauntic_core::{
    TimeZoneName,
    identity::{IdentityError, LogIn, NewSession, Password, Refusal, SetUp},
};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Query};
use serde::Deserialize;

use super::providers::{log_in_with, provider_links};
use crate::{
    App,
    ui::{
        component::{
            Tone,
            action::{Weight, button},
            form::{Field, checkbox, filled, input},
            frame, show,
        },
        failure,
        visitor::{
            Fields, OpenForm, OwnForm, app, client, cookie, end_earlier, own_place, redirect,
            set_cookie,
        },
    },
};

/// Where to go on to.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Way {
    pub(super) next: Option<String>,
}

/// The login.
#[handler]
pub(super) async fn login(request: &Request, Query(way): Query<Way>) -> Result<Response> {
    let app = app(request)?;
    if app
        .identity
        .needs_set_up()
        .await
        .map_err(failure::identity)?
    {
        return Ok(redirect("/app/setup"));
    }
    Ok(login_page(app, &Fields::default(), way.next.as_deref(), None).into_response())
}

fn login_page(app: &App, fields: &Fields, next: Option<&str>, problem: Option<&str>) -> Markup {
    let content = html! {
        @if let Some(problem) = problem { (show::toast(problem, Tone::Bad)) }
        form method="post" action="/app/login" class="stack" {
            input type="hidden" name="next" value=(own_place(next));
            (filled(&Field { name: "email", label: "Email address", value: fields.text("email"), required: true, ..Field::default() }, "email", "username"))
            (filled(&Field { name: "password", label: "Password", required: true, ..Field::default() }, "password", "current-password"))
            (checkbox("remember", "Stay logged in on this device", fields.find("remember").is_some()))
            (button("Log in", Weight::Primary))
        }
        (provider_links(app, |provider| log_in_with(provider, next)))
        p { a href="/app/forgot" { "Forgot your password?" } }
    };
    frame::alone("Log in", &content)
}

/// Logs in.
#[handler]
pub(super) async fn log_in(request: &Request, OpenForm(fields): OpenForm) -> Result<Response> {
    let app = app(request)?;
    let next = fields.find("next");
    let wrong = "The email address or the password is wrong.";
    let again = |problem: &str, status| {
        Ok(failure::with_status(
            login_page(app, &fields, next, Some(problem)),
            status,
        ))
    };
    let (Ok(email), Some(password)) = (
        fields.text("email").parse(),
        Password::presented(fields.find("password").unwrap_or_default()),
    ) else {
        return again(wrong, StatusCode::UNPROCESSABLE_ENTITY);
    };
    let remember = fields.find("remember").is_some();
    let command = LogIn {
        email,
        password,
        remember,
    };
    match app.identity.log_in(command, client(request)).await {
        Ok(new) => {
            let place = if new.session.awaits_second_factor {
                code_place(next)
            } else {
                own_place(next).to_owned()
            };
            begin_here(request, &new, &place).await
        }
        Err(IdentityError::WrongPassword) => again(wrong, StatusCode::UNPROCESSABLE_ENTITY),
        Err(IdentityError::PasswordTooWeak) => again(
            "This password is too easy to guess to go on with. We mailed you a link to set a new one.",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        Err(IdentityError::Refused(Refusal::UserBlocked)) => again(
            "This account is blocked. Ask the owner of your organisation.",
            StatusCode::FORBIDDEN,
        ),
        Err(error @ IdentityError::TooManyFailures { .. }) => {
            again(&failure::too_often(&error), StatusCode::TOO_MANY_REQUESTS)
        }
        Err(error) => Err(failure::identity(error)),
    }
}

/// Goes on with a session that has begun, instead of the one that the browser had. A session that waits for its code is
/// not kept for longer than the browser is open.
pub(super) async fn begin_here(
    request: &Request,
    new: &NewSession,
    place: &str,
) -> Result<Response> {
    let app = app(request)?;
    end_earlier(app, request).await.map_err(failure::identity)?;
    let kept = new.session.remembered && !new.session.awaits_second_factor;
    let mut response = redirect(place);
    set_cookie(app, &mut response, Some((&new.secret, kept)));
    Ok(response)
}

/// Where the code of the second factor is asked for.
pub(super) fn code_place(next: Option<&str>) -> String {
    let query = serde_urlencoded::to_string([("next", own_place(next))]);
    format!("/app/login/code?{}", query.unwrap_or_default())
}

fn code_page(next: Option<&str>, problem: Option<&str>) -> Markup {
    let code = Field {
        name: "code",
        label: "Code",
        hint: Some("Six digits from your authenticator app, or one of your recovery codes"),
        error: problem,
        required: true,
        ..Field::default()
    };
    let content = html! {
        form method="post" action="/app/login/code" class="stack" {
            input type="hidden" name="next" value=(own_place(next));
            (filled(&code, "text", "one-time-code"))
            (button("Log in", Weight::Primary))
        }
        p class="soft" { "Lost both? Whoever runs this installation can switch the second factor off for you. "
            a href="/app/login" { "Log in as somebody else" } }
    };
    frame::alone("Prove that it is you", &content)
}

/// Asks for the code of the second factor.
#[handler]
pub(super) async fn ask_code(request: &Request, Query(way): Query<Way>) -> Result<Response> {
    let app = app(request)?;
    let waits = match cookie(app, request) {
        Some(secret) => app.identity.awaits_second_factor(&secret).await,
        None => Ok(false),
    };
    if waits.map_err(failure::identity)? {
        Ok(code_page(way.next.as_deref(), None).into_response())
    } else {
        Ok(redirect("/app/login"))
    }
}

/// Takes the code of the second factor.
#[handler]
pub(super) async fn give_code(request: &Request, OpenForm(fields): OpenForm) -> Result<Response> {
    let app = app(request)?;
    let next = fields.find("next");
    let Some(secret) = cookie(app, request) else {
        return Ok(redirect("/app/login"));
    };
    let again =
        |problem: &str, status| Ok(failure::with_status(code_page(next, Some(problem)), status));
    let code = fields.text("code");
    let given = app
        .identity
        .give_second_factor(&secret, code, client(request));
    match given.await {
        Ok(new) => {
            let mut response = redirect(own_place(next));
            let remembered = new.session.remembered;
            set_cookie(app, &mut response, Some((&new.secret, remembered)));
            Ok(response)
        }
        Err(IdentityError::NoCodeAwaited) => Ok(redirect("/app/login")),
        Err(IdentityError::WrongCode) => again(
            "This code is wrong or was used before. Take the one that the app shows now.",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        Err(error @ IdentityError::TooManyFailures { .. }) => {
            again(&failure::too_often(&error), StatusCode::TOO_MANY_REQUESTS)
        }
        Err(error) => Err(failure::identity(error)),
    }
}

/// Logs out.
#[handler]
pub(super) async fn log_out(request: &Request, posted: OwnForm) -> Result<Response> {
    let app = app(request)?;
    let who = &posted.person.who;
    let ended = app.identity.end_session(who, who.session.id).await;
    ended.map_err(failure::identity)?;
    let mut response = redirect("/app/login");
    set_cookie(app, &mut response, None);
    Ok(response)
}

/// The first page of a new installation.
#[handler]
pub(super) async fn setup(request: &Request) -> Result<Response> {
    let app = app(request)?;
    if !app
        .identity
        .needs_set_up()
        .await
        .map_err(failure::identity)?
    {
        return Ok(redirect("/app/login"));
    }
    let page = setup_page(app, &Fields::default(), &[]).await?;
    Ok(page.into_response())
}

type Problems = [(&'static str, String)];

async fn setup_page(app: &App, fields: &Fields, problems: &Problems) -> Result<Markup> {
    let guarded = app.identity.set_up_asks_for_code().await;
    let guarded = guarded.map_err(failure::identity)?;
    let field = |name, label, hint| Field {
        name,
        label,
        value: fields.text(name),
        hint,
        error: problems
            .iter()
            .find(|(of, _)| *of == name)
            .map(|(_, problem)| problem.as_str()),
        required: true,
    };
    let zone = Field {
        value: fields.find("timezone").unwrap_or("UTC"),
        ..field(
            "timezone",
            "Time zone",
            Some("In which its days begin, such as Europe/Oslo"),
        )
    };
    let password = Field {
        value: "",
        ..field("password", "Password", Some("12 characters or more"))
    };
    let content = html! {
        p { "Nobody has logged in here yet. Name your organisation and yourself; you will be its owner." }
        form method="post" action="/app/setup" class="stack" {
            @if guarded {
                (input(&field("code", "Code", Some("This installation is in use already; “mauntic serve” prints the code when it starts")), "text"))
            }
            (input(&field("organization", "Organisation", Some("Recipients see this name in your mail")), "text"))
            (input(&zone, "text"))
            (input(&field("name", "Your name", None), "text"))
            (input(&field("email", "Your email address", None), "email"))
            (input(&password, "password"))
            (button("Begin", Weight::Primary))
        }
    };
    Ok(frame::alone("Welcome to Mauntic", &content))
}

/// Makes the first organisation and its owner.
#[handler]
pub(super) async fn set_up(request: &Request, OpenForm(fields): OpenForm) -> Result<Response> {
    let app = app(request)?;
    let command = match read_set_up(&fields) {
        Ok(command) => command,
        Err(problems) => {
            let page = setup_page(app, &fields, &problems).await?;
            return Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    match app.identity.set_up(command, client(request)).await {
        Ok(new) => {
            let mut response = redirect("/app/");
            set_cookie(app, &mut response, Some((&new.secret, false)));
            Ok(response)
        }
        // Somebody was faster.
        Err(IdentityError::AlreadySetUp) => Ok(redirect("/app/login")),
        Err(error @ (IdentityError::WrongSetUpCode | IdentityError::GuessablePassword)) => {
            let field = match error {
                IdentityError::WrongSetUpCode => "code",
                _ => "password",
            };
            let problems = [(field, error.to_string())];
            let page = setup_page(app, &fields, &problems).await?;
            Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => Err(failure::identity(error)),
    }
}

fn read_set_up(fields: &Fields) -> std::result::Result<SetUp, Vec<(&'static str, String)>> {
    let mut problems = Vec::new();
    let organization = read(fields, "organization", &mut problems);
    let timezone: Option<TimeZoneName> = read(fields, "timezone", &mut problems);
    let name = read(fields, "name", &mut problems);
    let email = read(fields, "email", &mut problems);
    let password = match fields.find("password").unwrap_or_default().parse() {
        Ok(password) => Some(password),
        Err(error) => {
            let error: mauntic_core::identity::WeakPassword = error;
            problems.push(("password", error.to_string()));
            None
        }
    };
    match (organization, timezone, name, email, password) {
        (Some(organization), Some(timezone), Some(name), Some(email), Some(password)) => {
            Ok(SetUp {
                organization,
                timezone,
                name,
                email,
                password,
                code: fields.find("code").map(str::to_owned),
            })
        }
        _ => Err(problems),
    }
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    fields: &Fields,
    name: &'static str,
    problems: &mut Vec<(&'static str, String)>,
) -> Option<T> {
    match fields.text(name).parse() {
        Ok(value) => Some(value),
        Err(error) => {
            problems.push((name, format!("{error}")));
            None
        }
    }
}
