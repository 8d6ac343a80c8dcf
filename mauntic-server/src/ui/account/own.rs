use maud::{Markup, html};
use mauntic_core::{OrganizationId, SessionId, identity::IdentityError};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use uuid::Uuid;

use super::{browser, logins};
use crate::ui::{
    Done, Said,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, filled},
        frame, show,
        table::{Column, table},
    },
    failure, shell,
    visitor::{OpenForm, Person, Posted, Visitor, app, redirect, set_cookie},
    words,
};

/// One's own account.
#[handler]
pub(super) async fn account(
    request: &Request,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Response> {
    let page = account_page(request, &visitor, said.done, None).await?;
    Ok(page.into_response())
}

async fn account_page(
    request: &Request,
    visitor: &Visitor,
    done: Option<Done>,
    problem: Option<&str>,
) -> Result<Markup> {
    let sessions = app(request)?.identity.own_sessions(&visitor.who).await;
    let sessions = sessions.map_err(failure::identity)?;
    let factor = app(request)?.identity.second_factor(&visitor.who).await;
    let factor = factor.map_err(failure::identity)?;
    let linked = app(request)?.identity.linked_logins(&visitor.who).await;
    let linked = linked.map_err(failure::identity)?;
    let user = &visitor.who.user;
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| {
            let here = session.id == visitor.who.session.id;
            let agent = session.client.user_agent.as_deref().unwrap_or("unknown");
            let from = session.client.network.map(|network| network.to_string());
            html! { tr {
                td title=(agent) { (browser::name(agent)) @if here { " " (show::badge("this one", Tone::Good)) } }
                td { (from.unwrap_or_default()) }
                td { (words::time(session.seen_at)) }
                td { @if !here { form method="post" action=(format!("/app/account/sessions/{}", session.id)) {
                    (visitor.csrf()) (button("Log out there", Weight::Plain))
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
            form method="post" action="/app/logout" { (visitor.csrf()) (button("Log out", Weight::Plain)) }
        }))
        @if let Some(done) = done { (done.toast()) }
        @if let Some(problem) = problem { (show::toast(problem, Tone::Bad)) }
        (show::card("You", &show::values(&[
            ("Name", html! { (user.name.as_str()) }),
            ("Email address", html! { (user.email.as_str()) " " a href="/app/account/email" { "Change" } }),
        ])))
        (show::card("Password", &html! {
            form method="post" action="/app/account/password" class="stack" {
                (visitor.csrf())
                @if user.password.is_some() {
                    (filled(&secret("current", "Present password"), "password", "current-password"))
                } @else {
                    p { "You have none yet: you log in with a linked login." }
                }
                (filled(&Field { hint: Some("12 characters or more. All your sessions end, this one too."), ..secret("new", "New password") }, "password", "new-password"))
                div class="row" { (button(if user.password.is_some() { "Change password" } else { "Set a password" }, Weight::Plain)) }
            }
        }))
        (logins::summary(app(request)?, &linked))
        (show::card("Second factor", &html! {
            @if factor.on_since.is_some() {
                p { (show::badge("on", Tone::Good)) " Logging in takes your password and a code from your app." }
            } @else {
                p { (show::badge("off", Tone::Warn)) " A stolen password is enough to log in as you." }
            }
            div class="row" { (button_link("/app/account/second-factor", "Second factor", Weight::Plain)) }
        }))
        (show::card("Where you are logged in", &html! {
            (table("Sessions", &columns, &rows, None))
            @if sessions.len() > 1 {
                form method="post" action="/app/account/sessions/others" {
                    (visitor.csrf()) (button("Log out everywhere else", Weight::Danger))
                }
            }
        }))
    };
    Ok(shell(visitor, "Account", "/app/account", &content))
}

/// Changes the password.
#[handler]
pub(super) async fn change_password(request: &Request, posted: Posted) -> Result<Response> {
    let app = app(request)?;
    let visitor = &posted.visitor;
    let read = |name| posted.fields.find(name).unwrap_or_default().parse();
    let again = async |problem: &str| {
        let page = account_page(request, visitor, None, Some(problem)).await?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let new = match read("new") {
        Ok(new) => new,
        Err(error) => {
            let error: mauntic_core::identity::WeakPassword = error;
            return again(&format!("The new password is {error}.")).await;
        }
    };
    let wrong = "The present password is wrong. Nothing was changed.";
    let current = match (&visitor.who.user.password, read("current")) {
        (None, _) => None,
        (Some(_), Ok(current)) => Some(current),
        (Some(_), Err(_)) => return again(wrong).await,
    };
    let user = visitor.who.user.id;
    let set = app
        .identity
        .set_password(&visitor.actor, user, current, new)
        .await;
    match set {
        Ok(()) => {
            let mut response = redirect("/app/login");
            set_cookie(app, &mut response, None);
            Ok(response)
        }
        Err(IdentityError::WrongPassword) => again(wrong).await,
        Err(error) => Err(failure::identity(error)),
    }
}

/// Ends another session.
#[handler]
pub(super) async fn end_session(
    request: &Request,
    Path(session): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = SessionId::from_uuid(session);
    let ended = app(request)?.identity.end_session(&posted.visitor.who, id);
    ended.await.map_err(failure::identity)?;
    Ok(redirect(&Done::Ended.at("/app/account")))
}

/// Ends all other sessions.
#[handler]
pub(super) async fn end_others(request: &Request, posted: Posted) -> Result<Response> {
    let ended = app(request)?
        .identity
        .end_other_sessions(&posted.visitor.who)
        .await;
    ended.map_err(failure::identity)?;
    Ok(redirect(&Done::Ended.at("/app/account")))
}

/// Works in another organisation.
#[handler]
pub(super) async fn switch(request: &Request, OpenForm(fields): OpenForm) -> Result<Response> {
    let Some(person) = Person::find(request).await? else {
        return Ok(redirect("/app/login"));
    };
    person.prove(&fields)?;
    let id: Option<Uuid> = fields.text("organization").parse().ok();
    let id = OrganizationId::from_uuid(id.ok_or_else(|| failure::missing("organisation"))?);
    let switched = app(request)?
        .identity
        .switch_organization(&person.who, id)
        .await;
    switched.map_err(failure::identity)?;
    Ok(redirect("/app/"))
}
