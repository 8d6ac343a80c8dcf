use maud::{Markup, html};
use mauntic_core::identity::{DisplayName, IdentityError, Invited, LinkSecret, Password};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};

use crate::{
    App, Provider,
    ui::{
        account::{Link, depart, not_begun, not_ready, provider_links},
        component::{
            Tone,
            action::{Weight, button, button_link},
            form::{Field, filled},
            frame, show,
        },
        failure,
        visitor::{Fields, OpenForm, Person, app, client, end_earlier, redirect, set_cookie},
        words,
    },
};

pub(crate) fn over() -> Response {
    let content = html! {
        p { "This invitation does not work any more: it was used, taken back, or is too old. Ask whoever invited you for another one." }
        p { (button_link("/app/", "Go to the start", Weight::Plain)) }
    };
    let page = frame::alone("The invitation is over", &content);
    failure::with_status(page, StatusCode::GONE)
}

/// Shows an invitation to whoever holds its link.
#[handler]
pub(super) async fn show_invitation(
    request: &Request,
    Query(link): Query<Link>,
) -> Result<Response> {
    let Some(secret) = link.secret() else {
        return Ok(over());
    };
    match app(request)?.identity.invitation(&secret).await {
        Ok(invited) => {
            let who = Person::find(request).await?;
            let (app, fields) = (app(request)?, Fields::default());
            let page = invitation_page(app, who.as_ref(), &invited, &secret, &fields, &[]);
            Ok(page.into_response())
        }
        Err(IdentityError::DeadLink) => Ok(over()),
        Err(error) => Err(failure::identity(error)),
    }
}

type Problems = [(&'static str, String)];

fn invitation_page(
    app: &App,
    who: Option<&Person>,
    invited: &Invited,
    secret: &LinkSecret,
    fields: &Fields,
    problems: &Problems,
) -> Markup {
    let invitation = &invited.invitation;
    let same = who.filter(|who| who.who.user.email.key() == invitation.email.key());
    let token = html! { input type="hidden" name="token" value=(secret.reveal()); };
    let content = html! {
        p { "You are invited to join " strong { (invited.organization.as_str()) } " as " (invitation.role) ", with the address " strong { (invitation.email.as_str()) } "." }
        p class="soft" { "The invitation works until " (words::time(invitation.expires_at)) "." }
        @if let Some(who) = same {
            form method="post" action="/app/invitation" class="stack" {
                (who.csrf()) (token)
                (button("Join", Weight::Primary))
            }
        } @else if invited.has_account {
            p { "This address has an account. Log in with it, then you can join." }
            p { (button_link(&log_in(secret), "Log in", Weight::Primary)) }
        } @else {
            (new_account(invited, &token, fields, problems))
            (provider_links(app, |provider| join_with(provider, secret)))
        }
    };
    frame::alone("You are invited", &content)
}

/// Where making an account with a provider begins.
fn join_with(provider: &Provider, secret: &LinkSecret) -> String {
    let query = serde_urlencoded::to_string([("token", secret.reveal())]);
    let id = provider.id();
    format!("/app/invitation/with/{id}?{}", query.unwrap_or_default())
}

/// Sends the browser to a provider, to make an account with what it says.
#[handler]
pub(super) async fn begin_with(
    request: &Request,
    Path(id): Path<String>,
    Query(link): Query<Link>,
) -> Result<Response> {
    let app = app(request)?;
    let Some(secret) = link.secret() else {
        return Ok(over());
    };
    let provider = app.logins.find(&id);
    let provider = provider.ok_or_else(|| failure::missing("way to log in"))?;
    if let Some(response) = not_ready(provider).await {
        return Ok(response);
    }
    let begun = app
        .identity
        .begin_join(&secret, provider.id().clone(), client(request));
    match begun.await {
        Ok(secret) => depart(app, provider, &secret).await,
        Err(IdentityError::DeadLink) => Ok(over()),
        Err(error) => not_begun(error),
    }
}

/// To the login, and back to the invitation.
fn log_in(secret: &LinkSecret) -> String {
    let next = format!("/app/invitation?token={}", secret.reveal());
    let query = serde_urlencoded::to_string([("next", next)]).unwrap_or_default();
    format!("/app/login?{query}")
}

fn new_account(invited: &Invited, token: &Markup, fields: &Fields, problems: &Problems) -> Markup {
    let field = |name, label, value, hint| Field {
        name,
        label,
        value,
        hint,
        error: problems
            .iter()
            .find(|(of, _)| *of == name)
            .map(|(_, problem)| problem.as_str()),
        required: true,
    };
    let name = field("name", "Your name", fields.text("name"), None);
    let password = field("password", "Password", "", Some("12 characters or more"));
    html! {
        form method="post" action="/app/invitation" class="stack" {
            (token)
            input type="hidden" name="email" value=(invited.invitation.email.as_str()) autocomplete="username";
            (filled(&name, "text", "name"))
            (filled(&password, "password", "new-password"))
            (button("Make an account and join", Weight::Primary))
        }
    }
}

/// Joins: with the account that is logged in, or with a new one.
#[handler]
pub(super) async fn accept(request: &Request, OpenForm(fields): OpenForm) -> Result<Response> {
    let app = app(request)?;
    let Ok(secret) = fields.text("token").parse::<LinkSecret>() else {
        return Ok(over());
    };
    if fields.find("password").is_none() {
        return join(request, &fields, &secret).await;
    }
    let (name, password) = match read(&fields) {
        Ok(read) => read,
        Err(problems) => {
            return ask_again(app, &secret, &fields, &problems).await;
        }
    };
    let accepted = app
        .identity
        .accept_as_new(&secret, name, password, client(request));
    match accepted.await {
        Ok(new) => {
            end_earlier(app, request).await.map_err(failure::identity)?;
            let mut response = redirect("/app/");
            set_cookie(app, &mut response, Some((&new.secret, false)));
            Ok(response)
        }
        Err(IdentityError::DeadLink) => Ok(over()),
        Err(IdentityError::EmailTaken) => Ok(redirect(&log_in(&secret))),
        Err(error @ IdentityError::GuessablePassword) => {
            let problems = [("password", error.to_string())];
            ask_again(app, &secret, &fields, &problems).await
        }
        Err(error) => Err(failure::identity(error)),
    }
}

/// The same page with what is wrong.
async fn ask_again(
    app: &App,
    secret: &LinkSecret,
    fields: &Fields,
    problems: &Problems,
) -> Result<Response> {
    match app.identity.invitation(secret).await {
        Ok(invited) => {
            let page = invitation_page(app, None, &invited, secret, fields, problems);
            Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(IdentityError::DeadLink) => Ok(over()),
        Err(error) => Err(failure::identity(error)),
    }
}

fn read(
    fields: &Fields,
) -> std::result::Result<(DisplayName, Password), Vec<(&'static str, String)>> {
    let name = fields.text("name").parse::<DisplayName>();
    let password = fields
        .find("password")
        .unwrap_or_default()
        .parse::<Password>();
    match (name, password) {
        (Ok(name), Ok(password)) => Ok((name, password)),
        (name, password) => {
            let name = name.err().map(|error| ("name", error.to_string()));
            let password = password.err().map(|error| ("password", error.to_string()));
            Err([name, password].into_iter().flatten().collect())
        }
    }
}

async fn join(request: &Request, fields: &Fields, secret: &LinkSecret) -> Result<Response> {
    let Some(person) = Person::find(request).await? else {
        return Ok(redirect(&log_in(secret)));
    };
    person.prove(fields)?;
    let identity = &app(request)?.identity;
    let problem = match identity.accept_invitation(&person.who, secret).await {
        Ok(_) | Err(IdentityError::AlreadyMember) => return Ok(redirect("/app/")),
        Err(IdentityError::DeadLink) => return Ok(over()),
        Err(IdentityError::InvitedAsSomebodyElse) => {
            "The invitation is for another address than the one that you are logged in with."
        }
        Err(error) => return Err(failure::identity(error)),
    };
    let content = html! {
        (show::toast(problem, Tone::Bad))
        p { (button_link(&log_in(secret), "Log in with that address", Weight::Primary)) }
    };
    let page = frame::alone("Not yours", &content);
    Ok(failure::with_status(page, StatusCode::CONFLICT))
}
