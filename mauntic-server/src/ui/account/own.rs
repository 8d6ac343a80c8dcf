use maud::{Markup, html};
use mauntic_core::{
    OrganizationId, SessionId,
    identity::{DisplayName, IdentityError, Password, Signature, UpdateProfile},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use uuid::Uuid;

use super::{browser, grants, logins, organizations};
use crate::ui::{
    Done, Said,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, filled, text_area},
        frame, show,
        table::{Column, table},
    },
    failure, own_shell,
    visitor::{Fields, OwnForm, Person, app, redirect, set_cookie},
    words,
};

/// One's own account.
#[handler]
pub(super) async fn account(
    request: &Request,
    person: Person,
    Query(said): Query<Said>,
) -> Result<Response> {
    let page = account_page(request, &person, None, said.done, &[]).await?;
    Ok(page.into_response())
}

/// What is wrong: of a field of the profile, or of no field of it.
type Problems = [(&'static str, String)];

async fn account_page(
    request: &Request,
    person: &Person,
    profile: Option<&Fields>,
    done: Option<Done>,
    problems: &Problems,
) -> Result<Markup> {
    let sessions = app(request)?.identity.own_sessions(&person.who).await;
    let sessions = sessions.map_err(failure::identity)?;
    let factor = app(request)?.identity.second_factor(&person.who).await;
    let factor = factor.map_err(failure::identity)?;
    let linked = app(request)?.identity.linked_logins(&person.who).await;
    let linked = logins::summary(app(request)?, &linked.map_err(failure::identity)?);
    let apps = grants::card(app(request)?, person).await?;
    let user = &person.who.user;
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| {
            let here = session.id == person.who.session.id;
            let agent = session.client.user_agent.as_deref().unwrap_or("unknown");
            let from = session.client.network.map(|network| network.to_string());
            html! { tr {
                td title=(agent) { (browser::name(agent)) @if here { " " (show::badge("this one", Tone::Good)) } }
                td { (from.unwrap_or_default()) }
                td { (words::time(session.seen_at)) }
                td { @if !here { form method="post" action=(format!("/app/account/sessions/{}", session.id)) {
                    (person.csrf()) (button("Log out there", Weight::Plain))
                } } }
            } }
        })
        .collect();
    let columns = ["Browser", "From", "Last used", ""].map(Column::plain);
    let secret = |name, label| Field {
        name,
        label,
        required: true,
        ..Field::default()
    };
    let content = html! {
        (frame::header("Account", &html! {
            form method="post" action="/app/logout" { (person.csrf()) (button("Log out", Weight::Plain)) }
        }))
        @if let Some(done) = done { (done.toast()) }
        @for (_, problem) in problems.iter().filter(|(of, _)| of.is_empty()) { (show::toast(problem, Tone::Bad)) }
        (show::card("You", &html! {
            (show::values(&[
                ("Email address", html! { (user.email.as_str()) " " a href="/app/account/email" { "Change" } }),
            ]))
            (profile_form(person, profile, problems))
        }))
        (organizations::card(app(request)?, person))
        (show::card("Password", &html! {
            form method="post" action="/app/account/password" class="stack" {
                (person.csrf())
                @if user.password.is_some() {
                    (filled(&secret("current", "Present password"), "password", "current-password"))
                } @else {
                    p { "You have none yet: you log in with a linked login." }
                }
                (filled(&Field { hint: Some("12 characters or more. All your sessions end, this one too."), ..secret("new", "New password") }, "password", "new-password"))
                div class="row" { (button(if user.password.is_some() { "Change password" } else { "Set a password" }, Weight::Plain)) }
            }
        }))
        (linked)
        (show::card("Second factor", &html! {
            @if factor.on_since.is_some() {
                p { (show::badge("on", Tone::Good)) " Logging in takes your password and a code from your app." }
            } @else {
                p { (show::badge("off", Tone::Warn)) " A stolen password is enough to log in as you." }
            }
            div class="row" { (button_link("/app/account/second-factor", "Second factor", Weight::Plain)) }
        }))
        (apps)
        (show::card("Where you are logged in", &html! {
            (table("Sessions", &columns, &rows, None))
            @if sessions.len() > 1 {
                form method="post" action="/app/account/sessions/others" {
                    (person.csrf()) (button("Log out everywhere else", Weight::Danger))
                }
            }
        }))
    };
    Ok(own_shell(person, "Account", &content))
}

fn profile_form(person: &Person, fields: Option<&Fields>, problems: &Problems) -> Markup {
    let user = &person.who.user;
    let field = |name, label, stored, hint| Field {
        name,
        label,
        value: fields.map_or(stored, |fields| fields.text(name)),
        hint,
        error: problems
            .iter()
            .find(|(of, _)| *of == name)
            .map(|(_, problem)| problem.as_str()),
        required: name == "name",
    };
    let signature = user.signature.as_ref().map_or("", Signature::as_str);
    let hint = Some("Plain text that can stand under your mail");
    html! {
        form method="post" action="/app/account/profile" class="stack" {
            (person.csrf())
            (filled(&field("name", "Name", user.name.as_str(), None), "text", "name"))
            (text_area(&field("signature", "Signature", signature, hint), 4))
            div class="row" { (button("Save", Weight::Plain)) }
        }
    }
}

/// Changes name and signature.
#[handler]
pub(super) async fn save_profile(request: &Request, posted: OwnForm) -> Result<Response> {
    let (person, fields) = (&posted.person, &posted.fields);
    let command = match read_profile(fields) {
        Ok(command) => command,
        Err(problems) => {
            let page = account_page(request, person, Some(fields), None, &problems).await?;
            return Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let identity = &app(request)?.identity;
    let saved = identity.update_profile(&person.who, command).await;
    saved.map_err(failure::identity)?;
    Ok(redirect(&Done::Saved.at("/app/account")))
}

fn read_profile(
    fields: &Fields,
) -> std::result::Result<UpdateProfile, Vec<(&'static str, String)>> {
    let name = fields.text("name").parse::<DisplayName>();
    let signature = match fields.text("signature") {
        "" => Ok(None),
        text => text.parse::<Signature>().map(Some),
    };
    match (name, signature) {
        (Ok(name), Ok(signature)) => Ok(UpdateProfile {
            name: Some(name),
            signature: Some(signature),
        }),
        (name, signature) => {
            let name = name.err().map(|error| ("name", error.to_string()));
            let signature = signature
                .err()
                .map(|error| ("signature", error.to_string()));
            Err([name, signature].into_iter().flatten().collect())
        }
    }
}

/// Changes the password.
#[handler]
pub(super) async fn change_password(request: &Request, posted: OwnForm) -> Result<Response> {
    let app = app(request)?;
    let person = &posted.person;
    let typed = |name| posted.fields.find(name).unwrap_or_default();
    let again = async |problem: &str| {
        let problems = [("", problem.to_owned())];
        let page = account_page(request, person, None, None, &problems).await?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let new = match typed("new").parse() {
        Ok(new) => new,
        Err(error) => {
            let error: mauntic_core::identity::WeakPassword = error;
            return again(&format!("The new password is {error}.")).await;
        }
    };
    let wrong = "The present password is wrong. Nothing was changed.";
    let current = match (
        &person.who.user.password,
        Password::presented(typed("current")),
    ) {
        (None, _) => None,
        (Some(_), Some(current)) => Some(current),
        (Some(_), None) => return again(wrong).await,
    };
    let set = app.identity.set_password(&person.who, current, new).await;
    match set {
        Ok(()) => {
            let mut response = redirect("/app/login");
            set_cookie(app, &mut response, None);
            Ok(response)
        }
        Err(IdentityError::WrongPassword) => again(wrong).await,
        Err(error @ IdentityError::GuessablePassword) => {
            again(&format!("Nothing was changed: {error}.")).await
        }
        Err(IdentityError::LogInAgain) => {
            again(
                "You logged in a while ago. Log out and in again, then do it. Nothing was changed.",
            )
            .await
        }
        Err(error @ IdentityError::TooManyFailures { .. }) => {
            again(&failure::too_often(&error)).await
        }
        Err(error) => Err(failure::identity(error)),
    }
}

/// Ends another session.
#[handler]
pub(super) async fn end_session(
    request: &Request,
    Path(session): Path<Uuid>,
    posted: OwnForm,
) -> Result<Response> {
    let id = SessionId::from_uuid(session);
    let ended = app(request)?.identity.end_session(&posted.person.who, id);
    ended.await.map_err(failure::identity)?;
    Ok(redirect(&Done::Ended.at("/app/account")))
}

/// Ends all other sessions.
#[handler]
pub(super) async fn end_others(request: &Request, posted: OwnForm) -> Result<Response> {
    let ended = app(request)?
        .identity
        .end_other_sessions(&posted.person.who)
        .await;
    ended.map_err(failure::identity)?;
    Ok(redirect(&Done::Ended.at("/app/account")))
}

/// Works in another organisation.
#[handler]
pub(super) async fn switch(request: &Request, posted: OwnForm) -> Result<Response> {
    let id: Option<Uuid> = posted.fields.text("organization").parse().ok();
    let id = OrganizationId::from_uuid(id.ok_or_else(|| failure::missing("organisation"))?);
    let switched = app(request)?
        .identity
        .switch_organization(&posted.person.who, id)
        .await;
    switched.map_err(failure::identity)?;
    Ok(redirect("/app/"))
}
