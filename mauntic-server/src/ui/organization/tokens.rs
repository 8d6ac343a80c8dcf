use std::collections::BTreeSet;

use chrono::{NaiveTime, TimeDelta};
use maud::{Markup, html};
use mauntic_core::{
    ApiTokenId, PageSize, Permission, Role,
    identity::{ApiToken, CreateToken, DisplayName, IdentityError, NewToken},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use uuid::Uuid;

use super::{Asked, columns, page, roles_of};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, ask_first, button, button_link, confirmation},
        form::{Field, input, select},
        show,
        table::table,
    },
    failure,
    visitor::{Fields, Posted, Visitor, app, redirect},
    words,
};

const HERE: &str = "/app/organization/tokens";
const TITLE: &str = "API tokens";

/// The API tokens of the organisation.
#[handler]
pub(super) async fn tokens(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let list = list(request, &visitor, &asked, &Fields::default(), None).await?;
    Ok(list.into_response())
}

type Problem<'a> = Option<(&'a str, &'a str)>;

async fn list(
    request: &Request,
    visitor: &Visitor,
    asked: &Asked,
    fields: &Fields,
    problem: Problem<'_>,
) -> Result<Markup> {
    let app = app(request)?;
    let after = asked.after.map(ApiTokenId::from_uuid);
    let found = app
        .identity
        .tokens(&visitor.actor, after, PageSize::default())
        .await
        .map_err(failure::identity)?;
    let now = app.clock.now();
    let rows: Vec<_> = found
        .items
        .iter()
        .map(|one| row(visitor, one, now))
        .collect();
    let next = found.next.map(|next| format!("{HERE}?after={next}"));
    let heads = columns(["Name", "Role", "May", "Last used", "Works until", ""]);
    let content = html! {
        @if let Some(done) = asked.done { (done.toast()) }
        @if rows.is_empty() {
            (show::empty("No API token yet", "A program needs one to call the API. It may do no more than you, and you say what.", &html! {}))
        } @else { (table(TITLE, &heads, &rows, next.as_deref())) }
        (form(visitor, fields, problem))
    };
    Ok(page(visitor, TITLE, HERE, &content))
}

fn row(visitor: &Visitor, token: &ApiToken, now: chrono::DateTime<chrono::Utc>) -> Markup {
    let over = token.expires_at.is_some_and(|end| end <= now);
    let scopes: Vec<_> = token.scopes.iter().map(ToString::to_string).collect();
    html! { tr {
        td { (token.name.as_str())
            @if token.revoked_at.is_some() { " " (show::badge("revoked", Tone::Bad)) }
            @else if over { " " (show::badge("too old", Tone::Warn)) }
        }
        td { (token.role) }
        td { details { summary { (scopes.len()) " permissions" } ul class="tree" { @for scope in &scopes { li { (scope) } } } } }
        td { @match token.last_used_at { Some(at) => (words::time(at)), None => "never" } }
        td { @match token.expires_at { Some(at) => (words::time(at)), None => "somebody revokes it" } }
        td { @if token.revoked_at.is_none() && token.role <= visitor.actor.role() { (ask_first(&format!("{HERE}/{}/revoke", token.id), "Revoke")) } }
    } }
}

fn form(visitor: &Visitor, fields: &Fields, problem: Problem<'_>) -> Markup {
    let field = |name, label, value, hint, required| Field {
        name,
        label,
        value,
        hint,
        error: problem.filter(|(of, _)| *of == name).map(|(_, text)| text),
        required,
    };
    let name = field(
        "name",
        "Name",
        fields.text("name"),
        Some("What it is for, such as nightly import"),
        true,
    );
    let role = fields.find("role").unwrap_or("member");
    let role = field("role", "Role", role, None, true);
    let until = field(
        "until",
        "Works until",
        fields.text("until"),
        Some("The end of that day, in UTC; without a day, until it is revoked"),
        false,
    );
    let offered: Vec<_> = Permission::ALL
        .into_iter()
        .filter(|(permission, _)| visitor.may(*permission))
        .collect();
    let scope_problem = problem.filter(|(of, _)| *of == "scopes");
    show::card(
        "Make a token",
        &html! {
            form method="post" action=(HERE) class="stack" {
                (visitor.csrf())
                (input(&name, "text"))
                (select(&role, &roles_of(visitor)))
                (input(&until, "date"))
                fieldset class="stack" {
                    legend { "What it may do" }
                    p class="hint" { "Choose none to allow all that its role may do today." }
                    @if let Some((_, problem)) = scope_problem { p class="error" { (problem) } }
                    div class="grid" { @for (_, text) in &offered {
                        label class="check" {
                            input type="checkbox" name=(format!("scope-{text}")) checked[fields.find(&format!("scope-{text}")).is_some()];
                            span { (text) }
                        }
                    } }
                }
                div class="row" { (button("Make it", Weight::Primary)) }
            }
        },
    )
}

/// Makes a token, and shows its secret this once.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    let (visitor, fields) = (&posted.visitor, &posted.fields);
    let again = async |field: &str, problem: &str| {
        let asked = Asked::default();
        let page = list(request, visitor, &asked, fields, Some((field, problem))).await?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let command = match read(fields) {
        Ok(command) => command,
        Err((field, problem)) => return again(field, &problem).await,
    };
    let identity = &app(request)?.identity;
    match identity.create_token(&visitor.actor, command).await {
        Ok(made) => Ok(made_page(visitor, &made).into_response()),
        Err(IdentityError::ExpiresInThePast) => again("until", "This day is over.").await,
        Err(error @ (IdentityError::BeyondRole(..) | IdentityError::BeyondOwnScope(_))) => {
            again("scopes", &error.to_string()).await
        }
        Err(error) => Err(failure::identity(error)),
    }
}

fn read(fields: &Fields) -> std::result::Result<CreateToken, (&'static str, String)> {
    let name = fields.text("name").parse::<DisplayName>();
    let role = fields.text("role").parse::<Role>();
    let until = match fields.text("until") {
        "" => None,
        text => {
            let day: chrono::NaiveDate = text
                .parse()
                .map_err(|_| ("until", "This is no day, such as 2027-01-31.".to_owned()))?;
            let end = day.and_time(NaiveTime::MIN).and_utc();
            Some(end + TimeDelta::days(1))
        }
    };
    let chosen = Permission::ALL
        .into_iter()
        .filter_map(|(permission, text)| {
            let name = format!("scope-{text}");
            fields.find(&name).map(|_| permission)
        });
    let scopes: BTreeSet<_> = chosen.collect();
    Ok(CreateToken {
        name: name.map_err(|error| ("name", error.to_string()))?,
        role: role.map_err(|error| ("role", error.to_string()))?,
        scopes: (!scopes.is_empty()).then_some(scopes),
        expires_at: until,
    })
}

fn made_page(visitor: &Visitor, made: &NewToken) -> Markup {
    let content = show::card(
        made.token.name.as_str(),
        &html! {
            (show::toast("The token was made. Its secret is shown this once: copy it now.", Tone::Good))
            (show::code(made.secret.reveal()))
            p { "Send it with each call: " code { "Authorization: Bearer …" } }
            div class="row" { (button_link(HERE, "I have copied it", Weight::Primary)) }
        },
    );
    page(visitor, TITLE, HERE, &content)
}

/// Asks before a token is revoked.
#[handler]
pub(super) async fn ask_to_revoke(
    request: &Request,
    visitor: Visitor,
    Path(token): Path<Uuid>,
) -> Result<Markup> {
    let identity = &app(request)?.identity;
    let found = identity.token(&visitor.actor, ApiTokenId::from_uuid(token));
    let found = found.await.map_err(failure::identity)?;
    if found.role > visitor.actor.role() {
        return Err(failure::forbidden());
    }
    let name = found.name;
    let lost = [
        "What calls the API with it, from its next call on".to_owned(),
        "The tokens that were made with it".to_owned(),
    ];
    let question = format!("Revoke the token {name}?");
    let content = confirmation(&question, &lost, "Revoke", HERE, &visitor.csrf());
    Ok(page(&visitor, TITLE, HERE, &content))
}

/// Ends a token.
#[handler]
pub(super) async fn revoke(
    request: &Request,
    Path(token): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    let id = ApiTokenId::from_uuid(token);
    let revoked = identity.revoke_token(&posted.visitor.actor, id).await;
    revoked.map_err(failure::identity)?;
    Ok(redirect(&Done::Deleted.at(HERE)))
}
