//! The logins at providers that let in to one's own account.

use maud::{Markup, html};
use mauntic_core::identity::{IdentityError, LinkedLogin};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};

use super::{
    proof::{self, Problem},
    providers::{depart_after_form, find, not_ready},
};
use crate::{
    App,
    ui::{
        Done, Said,
        component::{
            Tone,
            action::{Weight, button, button_link},
            frame, show,
        },
        failure, own_shell,
        visitor::{OwnForm, Person, app, redirect},
        words,
    },
};

pub(super) const PLACE: &str = "/app/account/logins";
const TITLE: &str = "Linked logins";

/// What the page of the account says of them; nothing where there is none to link.
pub(super) fn summary(app: &App, linked: &[LinkedLogin]) -> Markup {
    if app.logins.is_empty() && linked.is_empty() {
        return html! {};
    }
    let names: Vec<_> = linked.iter().map(|login| label(app, login)).collect();
    show::card(
        TITLE,
        &html! {
            @if names.is_empty() {
                p { "You can log in with another service instead of your password, once it is linked." }
            } @else {
                p { (show::badge("linked", Tone::Good)) " You can log in with " (names.join(", ")) "." }
            }
            div class="row" { (button_link(PLACE, TITLE, Weight::Plain)) }
        },
    )
}

/// What people call the provider of a login: it is found by who it is, whatever it was called then.
pub(super) fn label(app: &App, login: &LinkedLogin) -> String {
    let found = app.logins.iter().find(|it| it.issuer() == login.issuer);
    found.map_or_else(|| login.provider.to_string(), |it| it.label().to_owned())
}

/// The logins that let in, and those that could.
#[handler]
pub(super) async fn logins(
    request: &Request,
    person: Person,
    Query(said): Query<Said>,
) -> Result<Response> {
    let page = page(request, &person, said.done, None).await?;
    Ok(page.into_response())
}

async fn page(
    request: &Request,
    person: &Person,
    done: Option<Done>,
    problem: Problem<'_>,
) -> Result<Markup> {
    let app = app(request)?;
    let linked = app.identity.linked_logins(&person.who).await;
    let linked = linked.map_err(failure::identity)?;
    let is_linked = |id: &str| linked.iter().any(|login| login.provider.as_str() == id);
    let open = app.logins.iter().filter(|it| !is_linked(it.id().as_str()));
    let open: Vec<_> = open.collect();
    let content = html! {
        (frame::breadcrumbs(&[("/app/account", "Account")], TITLE))
        (frame::header(TITLE, &html! {}))
        @if let Some(done) = done { (done.toast()) }
        @for login in &linked { (linked_card(app, person, login, problem)) }
        @for provider in &open {
            (show::card(provider.label(), &html! {
                p { (show::badge("not linked", Tone::Plain)) " Link it, and you can log in with it instead of your password. Its email address has to be verified; it need not be the one that you have here." }
                (ask(person, provider.id().as_str(), "", &format!("Link {}", provider.label()), Weight::Primary, problem))
            }))
        }
        @if linked.is_empty() && open.is_empty() {
            (show::empty("Nothing can be linked here", "Whoever runs this installation can configure services to log in with.", &button_link("/app/account", "Back to the account", Weight::Plain)))
        }
    };
    Ok(own_shell(person, TITLE, &content))
}

fn linked_card(app: &App, person: &Person, login: &LinkedLogin, problem: Problem<'_>) -> Markup {
    let works = app.logins.iter().any(|it| it.issuer() == login.issuer);
    let label = label(app, login);
    show::card(
        &label,
        &html! {
            p {
                @if works { (show::badge("linked", Tone::Good)) }
                @else { (show::badge("not configured any more", Tone::Warn)) " It lets nobody in now." }
            }
            (show::values(&[
                ("As", html! { (login.email.as_str()) }),
                ("Linked", words::time(login.created_at)),
                ("Last used", html! { @if let Some(at) = login.last_used_at { (words::time(at)) } @else { "never" } }),
            ]))
            (ask(person, login.provider.as_str(), "/removal", &format!("Unlink {label}"), Weight::Danger, problem))
        },
    )
}

/// A form that asks for the password, if there is one.
fn ask(
    person: &Person,
    id: &str,
    what: &str,
    verb: &str,
    weight: Weight,
    problem: Problem<'_>,
) -> Markup {
    html! {
        form method="post" action={ (PLACE) "/" (id) (what) } class="stack" {
            (person.csrf())
            (proof::ask(person, &field_of(id), problem))
            div class="row" { (button(verb, weight)) }
        }
    }
}

/// Each form has a field of its own name, for its id is the same.
fn field_of(id: &str) -> String {
    format!("password-for-{id}")
}

/// Sends the browser to the provider, to link what it says.
#[handler]
pub(super) async fn link(
    request: &Request,
    Path(id): Path<String>,
    posted: OwnForm,
) -> Result<Response> {
    let (app, person) = (app(request)?, &posted.person);
    let provider = find(app, &id)?;
    if let Some(response) = not_ready(provider).await {
        return Ok(response);
    }
    let begun = match proof::given(person, &posted.fields, &field_of(&id)) {
        Ok(password) => {
            let (who, provider) = (&person.who, provider.id().clone());
            app.identity.begin_link(who, password, provider).await
        }
        Err(error) => Err(error),
    };
    match begun {
        Ok(secret) => depart_after_form(app, provider, &secret).await,
        Err(error) => refused(request, person, &id, error).await,
    }
}

/// Unlinks a login.
#[handler]
pub(super) async fn unlink(
    request: &Request,
    Path(id): Path<String>,
    posted: OwnForm,
) -> Result<Response> {
    let (app, person) = (app(request)?, &posted.person);
    let provider = id.parse().map_err(|_| failure::missing("linked login"))?;
    let unlinked = match proof::given(person, &posted.fields, &field_of(&id)) {
        Ok(password) => {
            let who = &person.who;
            app.identity.unlink_login(who, password, &provider).await
        }
        Err(error) => Err(error),
    };
    match unlinked {
        Ok(()) => Ok(redirect(&Done::Saved.at(PLACE))),
        Err(error) => refused(request, person, &id, error).await,
    }
}

async fn refused(
    request: &Request,
    person: &Person,
    id: &str,
    error: IdentityError,
) -> Result<Response> {
    let problem = match error {
        IdentityError::LoginNotLinked => return Ok(redirect(PLACE)),
        IdentityError::LastWayIn => {
            "Nothing else would let you in. Set a password under “Account” first.".to_owned()
        }
        error => proof::problem(error).map_err(failure::identity)?,
    };
    let page = page(request, person, None, Some((&field_of(id), &problem))).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}
