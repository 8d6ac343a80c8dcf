//! Apps that the organisation registered, so that its members can let them in.

mod form;

use maud::{Markup, html};
use mauntic_core::{
    OauthClientId, PageSize,
    identity::{IdentityError, OauthClient, OauthSecret, UpdateOauthClient},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use uuid::Uuid;

use self::form::Problems;
use super::{Asked, columns, page};
use crate::ui::{
    Done, Said,
    component::{
        Tone,
        action::{Weight, ask_first, button_link, confirmation},
        frame, show,
        table::table,
    },
    failure,
    visitor::{Fields, Posted, Visitor, app, redirect},
    words,
};

const HERE: &str = "/app/organization/apps";
const TITLE: &str = "API apps";

fn place(id: OauthClientId) -> String {
    format!("{HERE}/{id}")
}

/// The apps of the organisation.
#[handler]
pub(super) async fn apps(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let list = list(request, &visitor, &asked, &Fields::default(), &[]).await?;
    Ok(list.into_response())
}

async fn list(
    request: &Request,
    visitor: &Visitor,
    asked: &Asked,
    fields: &Fields,
    problems: &Problems,
) -> Result<Markup> {
    let after = asked.after.map(OauthClientId::from_uuid);
    let found = app(request)?
        .identity
        .oauth_clients(&visitor.actor, after, PageSize::default())
        .await
        .map_err(failure::identity)?;
    let rows: Vec<_> = found.items.iter().map(row).collect();
    let next = found.next.map(|next| format!("{HERE}?after={next}"));
    let heads = columns(["Name", "Kind", "Registered", "Last used"]);
    let content = html! {
        @if let Some(done) = asked.done { (done.toast()) }
        @if rows.is_empty() {
            (show::empty("No app yet", "An app is a program of others that your members can let act for them, without giving it a password or a token. Register it below; then it asks each of them.", &html! {}))
        } @else { (table(TITLE, &heads, &rows, next.as_deref())) }
        (form::create(visitor, HERE, fields, problems))
    };
    Ok(page(visitor, TITLE, HERE, &content))
}

fn kind(client: &OauthClient) -> Markup {
    html! {
        @if client.is_confidential() { "with a secret" } @else { "public" }
        @if client.machine.is_some() { " " (show::badge("acts for itself", Tone::Warn)) }
    }
}

fn row(client: &OauthClient) -> Markup {
    html! { tr {
        td { a href=(place(client.id)) { (client.name.as_str()) } }
        td { (kind(client)) }
        td { (words::time(client.created_at)) }
        td { @match client.last_used_at { Some(at) => (words::time(at)), None => "never" } }
    } }
}

/// Registers an app, and shows its secret this once.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    let (visitor, fields) = (&posted.visitor, &posted.fields);
    let again = async |problems: &Problems| {
        let page = list(request, visitor, &Asked::default(), fields, problems).await?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let command = match form::read_new(fields) {
        Ok(command) => command,
        Err(problems) => return again(&problems).await,
    };
    let identity = &app(request)?.identity;
    match identity.create_oauth_client(&visitor.actor, command).await {
        Ok(made) => {
            let secret = made.secret.as_ref();
            Ok(made_page(visitor, &made.client, secret).into_response())
        }
        Err(error) => again(&form::problem(error)?).await,
    }
}

/// The secret is shown this once.
fn made_page(visitor: &Visitor, client: &OauthClient, secret: Option<&OauthSecret>) -> Markup {
    let content = show::card(
        client.name.as_str(),
        &html! {
            @if let Some(secret) = secret {
                (show::toast("The secret of the app is shown this once: copy it now.", Tone::Good))
                p { "Its secret (" code { "client_secret" } "):" }
                (show::code(secret.reveal()))
            } @else {
                (show::toast("The app was registered. It has no secret: it proves itself with PKCE.", Tone::Good))
            }
            p { "What it calls itself (" code { "client_id" } "):" }
            (show::code(&client.id.to_string()))
            div class="row" { (button_link(&place(client.id), "I have copied it", Weight::Primary)) }
        },
    );
    page(visitor, TITLE, HERE, &content)
}

/// One app.
#[handler]
pub(super) async fn app_page(
    request: &Request,
    visitor: Visitor,
    Path(client): Path<Uuid>,
    Query(said): Query<Said>,
) -> Result<Response> {
    let client = find(request, &visitor, client).await?;
    let page = show_app(request, &visitor, &client, said.done, None)?;
    Ok(page.into_response())
}

async fn find(request: &Request, visitor: &Visitor, client: Uuid) -> Result<OauthClient> {
    let id = OauthClientId::from_uuid(client);
    let found = app(request)?
        .identity
        .oauth_client(&visitor.actor, id)
        .await;
    found.map_err(failure::identity)
}

fn show_app(
    request: &Request,
    visitor: &Visitor,
    client: &OauthClient,
    done: Option<Done>,
    tried: Option<(&Fields, &Problems)>,
) -> Result<Markup> {
    let place = place(client.id);
    let server = app(request)?.settings.public_url();
    let actions = html! {
        @if client.is_confidential() { (ask_first(&format!("{place}/secret"), "New secret")) }
        (ask_first(&format!("{place}/delete"), "Delete"))
    };
    let content = html! {
        (frame::breadcrumbs(&[(HERE, TITLE)], client.name.as_str()))
        @if let Some(done) = done { (done.toast()) }
        (show::card(client.name.as_str(), &html! {
            (show::values(&[
                ("client_id", html! { code { (client.id) } }),
                ("Kind", kind(client)),
                ("Registered", words::time(client.created_at)),
                ("Last used", html! { @match client.last_used_at { Some(at) => (words::time(at)), None => "never" } }),
                ("Sends people to", html! { code { (server) "/oauth/authorize" } }),
                ("Gets tokens at", html! { code { (server) "/oauth/token" } }),
            ]))
            div class="row" { (actions) }
        }))
        (form::change(visitor, &place, client, tried))
        @if client.is_confidential() { (form::machine(visitor, &place, client, tried)) }
    };
    Ok(page(visitor, TITLE, HERE, &content))
}

/// Changes name and redirect URIs.
#[handler]
pub(super) async fn change(
    request: &Request,
    Path(client): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let command = form::read_change(&posted.fields);
    save(request, client, &posted, command).await
}

/// Changes what an app may do for itself.
#[handler]
pub(super) async fn change_machine(
    request: &Request,
    Path(client): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let command = form::read_machine(&posted.fields).map(|machine| UpdateOauthClient {
        machine: Some(machine),
        version: form::read_version(&posted.fields),
        ..UpdateOauthClient::default()
    });
    save(request, client, &posted, command).await
}

async fn save(
    request: &Request,
    client: Uuid,
    posted: &Posted,
    command: std::result::Result<UpdateOauthClient, Vec<form::Problem>>,
) -> Result<Response> {
    let (visitor, fields) = (&posted.visitor, &posted.fields);
    let stored = find(request, visitor, client).await?;
    let again = |problems: &Problems| {
        let page = show_app(request, visitor, &stored, None, Some((fields, problems)))?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let command = match command {
        Ok(command) => command,
        Err(problems) => return again(&problems),
    };
    let identity = &app(request)?.identity;
    let changed = identity.update_oauth_client(&visitor.actor, stored.id, command);
    match changed.await {
        Ok(_) => Ok(redirect(&Done::Saved.at(&place(stored.id)))),
        Err(error) => again(&form::problem(error)?),
    }
}

/// Asks before an app gets another secret.
#[handler]
pub(super) async fn ask_to_rotate(
    request: &Request,
    visitor: Visitor,
    Path(client): Path<Uuid>,
) -> Result<Markup> {
    let client = find(request, &visitor, client).await?;
    if !client.is_confidential() {
        return Err(failure::identity(IdentityError::NoClientSecret));
    }
    let question = format!("Make a new secret for {}?", client.name);
    let lost = ["The present secret: it stops working at once".to_owned()];
    let back = place(client.id);
    let content = confirmation(&question, &lost, "Make it", &back, &visitor.csrf());
    Ok(page(&visitor, TITLE, HERE, &content))
}

/// Gives an app another secret, and shows it this once.
#[handler]
pub(super) async fn rotate(
    request: &Request,
    Path(client): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    let client = find(request, visitor, client).await?;
    let identity = &app(request)?.identity;
    let secret = identity
        .rotate_oauth_secret(&visitor.actor, client.id)
        .await;
    let secret = secret.map_err(failure::identity)?;
    Ok(made_page(visitor, &client, Some(&secret)).into_response())
}

/// Asks before an app is deleted.
#[handler]
pub(super) async fn ask_to_delete(
    request: &Request,
    visitor: Visitor,
    Path(client): Path<Uuid>,
) -> Result<Markup> {
    let client = find(request, &visitor, client).await?;
    let lost = [
        "All that members let it do for them, from its next call on".to_owned(),
        "Its id and its secret: it would have to be set up anew".to_owned(),
    ];
    let question = format!("Delete the app {}?", client.name);
    let back = place(client.id);
    let content = confirmation(&question, &lost, "Delete", &back, &visitor.csrf());
    Ok(page(&visitor, TITLE, HERE, &content))
}

/// Deletes an app.
#[handler]
pub(super) async fn delete(
    request: &Request,
    Path(client): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    let id = OauthClientId::from_uuid(client);
    let deleted = identity
        .delete_oauth_client(&posted.visitor.actor, id)
        .await;
    deleted.map_err(failure::identity)?;
    Ok(redirect(&Done::Deleted.at(HERE)))
}
