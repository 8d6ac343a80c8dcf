//! Logging in with a provider: the way there, and what comes of it on the way back.

use maud::{Markup, html};
use mauntic_core::identity::{
    Aim, Client, Detour, DetourSecret, IdentityError, LoggedIn, ProvenLogin, Refusal, TokenHash,
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::{HeaderValue, StatusCode, header},
    web::{Path, Query},
};
use serde::Deserialize;

use super::login::{Way, begin_here, code_place};
use crate::{
    Answer, App, Provider, ProviderError,
    http::problem::describe,
    ui::{
        Done,
        component::{
            action::{Weight, button_link},
            frame,
        },
        failure,
        visitor::{Person, app, client, detour_cookie, own_place, redirect, set_detour_cookie},
    },
};

/// The longest word of a provider about what went wrong that is shown, in characters.
const MAX_WORD: usize = 100;

/// Links that lead to the providers; `href` is where that of one begins.
pub(crate) fn provider_links(app: &App, href: impl Fn(&Provider) -> String) -> Markup {
    html! {
        @if !app.logins.is_empty() {
            div class="stack" {
                @for provider in &app.logins {
                    (button_link(&href(provider), &format!("Continue with {}", provider.label()), Weight::Plain))
                }
            }
        }
    }
}

/// The address where a login with a provider begins.
pub(super) fn log_in_with(provider: &Provider, next: Option<&str>) -> String {
    let query = serde_urlencoded::to_string([("next", own_place(next))]);
    let id = provider.id();
    format!("/app/login/with/{id}?{}", query.unwrap_or_default())
}

/// The provider that an address names.
pub(super) fn find<'a>(app: &'a App, id: &str) -> Result<&'a Provider> {
    let found = app.logins.find(id);
    found.ok_or_else(|| failure::missing("way to log in"))
}

/// A page that says why it does not go on, and leads on nevertheless.
fn stuck(status: StatusCode, title: &str, text: &Markup) -> Response {
    let content = html! {
        (text)
        p { (button_link("/app/login", "Go to the login", Weight::Primary)) }
    };
    failure::with_status(frame::alone(title, &content), status)
}

/// Sends a browser to the provider, with a link to it, or by itself.
#[handler]
pub(super) async fn begin(
    request: &Request,
    Path(id): Path<String>,
    Query(way): Query<Way>,
) -> Result<Response> {
    let app = app(request)?;
    let provider = find(app, &id)?;
    if let Some(response) = not_ready(provider).await {
        return Ok(response);
    }
    let next = own_place(way.next.as_deref()).to_owned();
    let begun = app
        .identity
        .begin_log_in(provider.id().clone(), next, client(request));
    match begun.await {
        Ok(secret) => depart(app, provider, &secret).await,
        Err(error) => not_begun(error),
    }
}

/// What is said if the provider cannot be asked now.
pub(crate) async fn not_ready(provider: &Provider) -> Option<Response> {
    let error = provider.ready().await.err()?;
    warn(provider, &error);
    let label = provider.label();
    let text = html! { p { (label) " cannot be asked now. Log in with your password, or try again in a while." } };
    let title = format!("{label} does not answer");
    Some(stuck(StatusCode::SERVICE_UNAVAILABLE, &title, &text))
}

fn warn(provider: &Provider, error: &ProviderError) {
    tracing::warn!(
        provider = provider.id().as_str(),
        error = describe(error),
        "a login provider could not be used"
    );
}

/// What is said if a way over a provider cannot begin.
pub(crate) fn not_begun(error: IdentityError) -> Result<Response> {
    let IdentityError::TooManyFailures { seconds } = error else {
        return Err(failure::identity(error));
    };
    let text = html! { p { "Many logins were begun from your network that nobody finished: try again in " (seconds) " seconds." } };
    let (status, title) = (StatusCode::TOO_MANY_REQUESTS, "Too many logins");
    Ok(stuck(status, title, &text))
}

/// Sends the browser to the provider.
pub(crate) async fn depart(
    app: &App,
    provider: &Provider,
    secret: &DetourSecret,
) -> Result<Response> {
    let mut response = redirect(&address(provider, secret).await?);
    set_detour_cookie(app, &mut response, Some(secret));
    Ok(response)
}

/// Sends the browser to the provider after a form: its policy forbids that an answer to a form leads to another site,
/// so a page does.
pub(super) async fn depart_after_form(
    app: &App,
    provider: &Provider,
    secret: &DetourSecret,
) -> Result<Response> {
    let address = address(provider, secret).await?;
    let label = provider.label();
    let content = html! {
        p { "You say there who you are, and come back here." }
        p { (button_link(&address, &format!("Continue with {label}"), Weight::Primary)) }
    };
    let mut response = frame::alone(&format!("Go on to {label}"), &content).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("0;url={address}")) {
        response.headers_mut().insert(header::REFRESH, value);
    }
    set_detour_cookie(app, &mut response, Some(secret));
    Ok(response)
}

async fn address(provider: &Provider, secret: &DetourSecret) -> Result<String> {
    let address = provider.address(secret).await;
    address.map_err(|error| failure::internal(&error))
}

/// What a provider sends a browser back with.
#[derive(Debug, Deserialize)]
pub(super) struct Back {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

fn over() -> Response {
    let text = html! {
        p { "It was not begun in this browser, took longer than ten minutes, or was finished before. Nothing was changed." }
        p { "Begin again. If it stays so, allow cookies for this site." }
    };
    stuck(StatusCode::BAD_REQUEST, "This login cannot go on", &text)
}

/// Ends the way over a provider.
#[handler]
pub(super) async fn returned(
    request: &Request,
    Path(id): Path<String>,
    Query(back): Query<Back>,
) -> Result<Response> {
    let app = app(request)?;
    let provider = find(app, &id)?;
    let Some(secret) = detour_cookie(app, request) else {
        return Ok(over());
    };
    let state = back.state.as_deref().unwrap_or_default();
    let detour = match app.identity.end_detour(&secret, state).await {
        Ok(detour) if detour.provider == *provider.id() => detour,
        Ok(_) | Err(IdentityError::DetourOver) => return Ok(over()),
        Err(error) => return Err(failure::identity(error)),
    };
    let mut response = arrive(request, provider, detour, &secret, &back).await?;
    set_detour_cookie(app, &mut response, None);
    Ok(response)
}

async fn arrive(
    request: &Request,
    provider: &Provider,
    detour: Detour,
    secret: &DetourSecret,
    back: &Back,
) -> Result<Response> {
    let label = provider.label();
    let (None, Some(code)) = (&back.error, &back.code) else {
        return Ok(not_let_in(label, back.error.as_deref()));
    };
    let answer = Answer {
        code,
        issuer: back.iss.as_deref(),
    };
    let with_address = !matches!(detour.aim, Aim::LogIn { .. });
    let proven = match provider.identify(answer, secret, with_address).await {
        Ok(proven) => proven,
        Err(error) => {
            warn(provider, &error);
            let text = html! {
                p { "What " (label) " answered cannot be used, so nothing was changed. Begin again." }
                p { "If it stays so, tell whoever runs this installation; its log says more." }
            };
            let title = format!("{label} did not say who you are");
            return Ok(stuck(StatusCode::BAD_GATEWAY, &title, &text));
        }
    };
    match &detour.aim {
        Aim::LogIn { next } => log_in(request, label, &proven, next).await,
        Aim::Link { .. } => link(request, label, &detour, proven).await,
        Aim::Join { invitation } => join(request, label, invitation, proven).await,
    }
}

fn not_let_in(label: &str, error: Option<&str>) -> Response {
    let text = match error {
        Some("access_denied") => html! { p { "It was not allowed there. Nothing was changed." } },
        error => {
            let word: String = error.unwrap_or("no code").chars().take(MAX_WORD).collect();
            html! { p { (label) " answers “" (word) "”. Nothing was changed." } }
        }
    };
    let title = format!("{label} did not say who you are");
    stuck(StatusCode::FORBIDDEN, &title, &text)
}

async fn log_in(
    request: &Request,
    label: &str,
    proven: &ProvenLogin,
    next: &str,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    match identity.log_in_with(proven, client(request)).await {
        Ok(new) => {
            let place = if new.session.awaits_second_factor {
                code_place(Some(next))
            } else {
                own_place(Some(next)).to_owned()
            };
            begin_here(request, &new, &place).await
        }
        Err(IdentityError::LoginNotLinked) => {
            let text = html! {
                p { "You are known to " (label) ", but no account here is linked with that login." }
                p { "If you have an account: log in with your password, then link it under “Account”. If you have none: ask an owner of your organisation to invite you." }
            };
            let title = format!("This {label} login is not linked");
            Ok(stuck(StatusCode::FORBIDDEN, &title, &text))
        }
        Err(IdentityError::Refused(Refusal::UserBlocked)) => Ok(blocked()),
        Err(error) => Err(failure::identity(error)),
    }
}

fn blocked() -> Response {
    let text = html! { p { "Ask the owner of your organisation." } };
    stuck(StatusCode::FORBIDDEN, "This account is blocked", &text)
}

async fn link(
    request: &Request,
    label: &str,
    detour: &Detour,
    proven: ProvenLogin,
) -> Result<Response> {
    let Some(person) = Person::find(request).await? else {
        return Ok(over());
    };
    let who: &LoggedIn = &person.who;
    match app(request)?.identity.link_login(who, detour, proven).await {
        Ok(()) => Ok(redirect(&Done::Saved.at(super::logins::PLACE))),
        Err(IdentityError::Refused(Refusal::UserBlocked)) => Ok(blocked()),
        Err(error) => unlinkable(label, error),
    }
}

/// Why a login at a provider is not linked.
fn unlinkable(label: &str, error: IdentityError) -> Result<Response> {
    match error {
        IdentityError::DetourOver => Ok(over()),
        IdentityError::AddressNotVerified => {
            let text = html! { p { "Only a login whose email address " (label) " has verified can be linked. Verify it there, then try again." } };
            let (status, title) = (
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("{label} does not vouch for your address"),
            );
            Ok(stuck(status, &title, &text))
        }
        IdentityError::LoginTaken => {
            let text = html! { p { "It lets in to an account already, or yours has another " (label) " login. Unlink that first; nothing was changed." } };
            let title = format!("This {label} login is taken");
            Ok(stuck(StatusCode::CONFLICT, &title, &text))
        }
        error => Err(failure::identity(error)),
    }
}

async fn join(
    request: &Request,
    label: &str,
    invitation: &TokenHash,
    proven: ProvenLogin,
) -> Result<Response> {
    let from: Client = client(request);
    let identity = &app(request)?.identity;
    match identity.accept_with(invitation, proven, from).await {
        Ok(new) => begin_here(request, &new, "/app/").await,
        Err(IdentityError::InvitedAsSomebodyElse) => {
            let text = html! { p { "The invitation is for another address than the one that " (label) " vouches for. Follow its link again: use another " (label) " login, or make an account with a password." } };
            Ok(stuck(StatusCode::CONFLICT, "Not yours", &text))
        }
        Err(IdentityError::EmailTaken) => {
            let text = html! { p { "The address that you are invited with has an account by now. Log in to it, then follow the link of the invitation again." } };
            Ok(stuck(StatusCode::CONFLICT, "You have an account", &text))
        }
        Err(IdentityError::DeadLink) => Ok(crate::ui::organization::invitation_over()),
        Err(error) => unlinkable(label, error),
    }
}
