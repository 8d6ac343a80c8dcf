use maud::{Markup, html};
use mauntic_core::{
    PageSize, Permission,
    identity::{IdentityError, Organization, Password, RequestDeletion},
};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode};

use super::{PLACE, page};
use crate::ui::{
    Done,
    component::{
        action::{Weight, button},
        form::{Field, filled},
        show,
    },
    failure,
    visitor::{Fields, Posted, Visitor, app, redirect},
    words,
};

const HERE: &str = "/app/organization/delete";
const TITLE: &str = "Delete the organisation";

type Problem<'a> = Option<(&'a str, &'a str)>;

/// Says what would be lost, and asks for the name and the password.
#[handler]
pub(super) async fn ask(request: &Request, visitor: Visitor) -> Result<Response> {
    let page = delete_page(request, &visitor, &Fields::default(), None).await?;
    Ok(page.into_response())
}

async fn delete_page(
    request: &Request,
    visitor: &Visitor,
    fields: &Fields,
    problem: Problem<'_>,
) -> Result<Markup> {
    visitor.needs(Permission::OrganizationDelete)?;
    let app = app(request)?;
    let organization = app.identity.organization(&visitor.actor).await;
    let organization = organization.map_err(failure::identity)?;
    let days = app.settings.deletion_grace_days;
    let content = html! {
        (show::card("What happens", &html! {
            p { "At once: nothing is sent any more, running and scheduled sends are paused, and nothing can be changed. Members can look at everything and export the contacts. Links in mails that were sent go on working, so that people can unsubscribe." }
            p { "After " strong { (days) @if days == 1 { " day" } @else { " days" } } ": everything is erased, which nobody can undo. Until then an owner can keep the organisation after all." }
        }))
        (show::card("What will be lost", &lost(request, visitor).await?))
        (show::card("Sure?", &form(visitor, &organization, fields, problem)))
    };
    Ok(page(visitor, TITLE, HERE, &content))
}

/// What the organisation has.
async fn lost(request: &Request, visitor: &Visitor) -> Result<Markup> {
    let app = app(request)?;
    let members = app
        .identity
        .members(&visitor.actor, None, PageSize::clamped(1_000));
    let members = members.await.map_err(failure::identity)?.items.len();
    let contacts = app.contacts.growth(&visitor.actor, 1).await;
    let contacts = contacts.map_err(failure::crm)?.total;
    Ok(html! {
        ul class="tree" {
            li { (words::count(contacts)) " contacts with their history, all fields, tags, segments and imports" }
            li { "All emails with their images, sends and results, captured mail, the suppression list, sending domains and transports" }
            li { (words::people(members as u64)) " lose access; who works in no other organisation loses the account as well" }
            li { "API tokens, invitations and the audit log" }
        }
    })
}

fn form(
    visitor: &Visitor,
    organization: &Organization,
    fields: &Fields,
    problem: Problem<'_>,
) -> Markup {
    let label = format!("Type the name of the organisation: {}", organization.name);
    let field = |name, label, value| Field {
        name,
        label,
        value,
        error: problem.filter(|(of, _)| *of == name).map(|(_, text)| text),
        required: true,
        ..Field::default()
    };
    let name = field("name", label.as_str(), fields.text("name"));
    let password = Field {
        required: visitor.who.user.password.is_some(),
        ..field("password", "Your password", "")
    };
    html! {
        form method="post" action=(HERE) class="stack" {
            (visitor.csrf())
            (filled(&name, "text", "off"))
            (filled(&password, "password", "current-password"))
            div class="row" {
                (button(TITLE, Weight::Danger))
                a class="button" href="/app/organization/settings" { "Keep it" }
            }
        }
    }
}

/// Has the organisation deleted.
#[handler]
pub(super) async fn delete(request: &Request, posted: Posted) -> Result<Response> {
    let (visitor, fields) = (&posted.visitor, &posted.fields);
    let again = async |field: &str, problem: &str| {
        let page = delete_page(request, visitor, fields, Some((field, problem))).await?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let wrong = "The password is wrong. Nothing was changed.";
    let typed = fields.find("password").filter(|text| !text.is_empty());
    let password = typed.and_then(Password::presented);
    let command = RequestDeletion {
        name: fields.text("name").to_owned(),
        who: Some(visitor.who.clone()),
        password,
    };
    let identity = &app(request)?.identity;
    match identity.request_deletion(&visitor.actor, command).await {
        Ok(_) => Ok(redirect(&Done::Saved.at(PLACE))),
        Err(IdentityError::NameDiffers) => {
            let problem = "This is not its name. Type it exactly as it is written.";
            again("name", problem).await
        }
        Err(IdentityError::WrongPassword) => again("password", wrong).await,
        Err(IdentityError::LogInAgain) => {
            let text =
                "You have no password: log out, log in again, and come back within 15 minutes.";
            again("password", text).await
        }
        Err(IdentityError::TooManyFailures { seconds }) => {
            let text = format!("Too many tries: try again in {seconds} seconds.");
            again("password", &text).await
        }
        Err(error) => Err(failure::identity(error)),
    }
}

/// Keeps the organisation after all.
#[handler]
pub(super) async fn restore(request: &Request, posted: Posted) -> Result<Response> {
    let identity = &app(request)?.identity;
    let kept = identity.restore_organization(&posted.visitor.actor).await;
    kept.map_err(failure::identity)?;
    Ok(redirect(&Done::Saved.at(PLACE)))
}
