//! The apps that may act for somebody.

use maud::{Markup, html};
use mauntic_core::{OauthGrantId, identity::OwnGrant};
use poem::{Request, Response, Result, handler, web::Path};
use uuid::Uuid;

use crate::{
    App,
    ui::{
        Done,
        component::{
            action::{ask_first, confirmation},
            show,
            table::{Column, table},
        },
        failure, own_shell, scopes,
        visitor::{OwnForm, Person, app, redirect},
        words,
    },
};

const ACCOUNT: &str = "/app/account";
const TITLE: &str = "Apps with access to your account";

/// What the page of the account says of them.
pub(super) async fn card(app: &App, person: &Person) -> Result<Markup> {
    let grants = app.identity.own_oauth_grants(&person.who).await;
    let grants = grants.map_err(failure::identity)?;
    let rows: Vec<_> = grants.iter().map(row).collect();
    let columns = ["App", "Organisation", "May", "Since", "Last used", ""].map(Column::plain);
    let content = html! {
        @if rows.is_empty() {
            p { "No app may act for you. One that you let in is listed here, and you can end that here." }
        } @else { (table("Apps", &columns, &rows, None)) }
    };
    Ok(show::card(TITLE, &content))
}

fn row(own: &OwnGrant) -> Markup {
    let grant = &own.grant;
    html! { tr {
        td { (own.client.as_str()) }
        td { (own.organization.as_str()) }
        td { details {
            summary { (grant.scopes.len()) " permissions" }
            ul class="tree" { @for scope in &grant.scopes { li { (scopes::words(*scope)) } } }
        } }
        td { (words::time(grant.created_at)) }
        td { @match grant.last_used_at { Some(at) => (words::time(at)), None => "never" } }
        td { (ask_first(&format!("{ACCOUNT}/apps/{}/revoke", grant.id), "Revoke")) }
    } }
}

/// Asks before an app may act for the person no more.
#[handler]
pub(super) async fn ask_to_revoke(
    request: &Request,
    person: Person,
    Path(grant): Path<Uuid>,
) -> Result<Markup> {
    let grants = app(request)?.identity.own_oauth_grants(&person.who).await;
    let grants = grants.map_err(failure::identity)?;
    let own = grants.iter().find(|own| own.grant.id.as_uuid() == grant);
    let own = own.ok_or_else(|| failure::missing("app"))?;
    let lost = [format!(
        "What {} does for you in {}, from its next call on",
        own.client, own.organization
    )];
    let question = format!("Let {} act for you no more?", own.client);
    let content = confirmation(&question, &lost, "Revoke", ACCOUNT, &person.csrf());
    Ok(own_shell(&person, TITLE, &content))
}

/// Lets an app act for the person no more.
#[handler]
pub(super) async fn revoke(
    request: &Request,
    Path(grant): Path<Uuid>,
    posted: OwnForm,
) -> Result<Response> {
    let id = OauthGrantId::from_uuid(grant);
    let identity = &app(request)?.identity;
    let revoked = identity.revoke_oauth_grant(&posted.person.who, id).await;
    revoked.map_err(failure::identity)?;
    Ok(redirect(&Done::Deleted.at(ACCOUNT)))
}
