use maud::{Markup, html};
use mauntic_core::{
    Permission, TimeZoneName,
    identity::{DisplayName, IdentityError, Organization, PostalAddress, UpdateOrganization},
};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Query};

use super::{PLACE, page};
use crate::ui::{
    Done, Said,
    component::{
        action::{Weight, button, button_link},
        form::{Field, input, text_area},
        show,
    },
    failure,
    visitor::{Fields, Posted, Visitor, app, redirect},
};

const HERE: &str = "/app/organization/settings";

/// The organisation itself.
#[handler]
pub(super) async fn settings(
    request: &Request,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Response> {
    let page = settings_page(request, &visitor, None, said.done, &[]).await?;
    Ok(page.into_response())
}

type Problems = [(&'static str, String)];

async fn settings_page(
    request: &Request,
    visitor: &Visitor,
    fields: Option<&Fields>,
    done: Option<Done>,
    problems: &Problems,
) -> Result<Markup> {
    visitor.needs(Permission::OrganizationManage)?;
    let identity = &app(request)?.identity;
    let organization = identity.organization(&visitor.actor).await;
    let organization = organization.map_err(failure::identity)?;
    let content = html! {
        @if let Some(done) = done { (done.toast()) }
        (show::card("Name and place", &form(visitor, &organization, fields, problems)))
        (show::card("Owner", &html! {
            p { "You can give the organisation to another member, under " a href=(PLACE) { "Members" } ": “Make owner”." }
        }))
        @if visitor.may(Permission::OrganizationDelete) { (show::card("Delete", &html! {
            p { "Everything of the organisation goes: contacts, segments, emails, results, members." }
            div class="row" { (button_link("/app/organization/delete", "Delete the organisation", Weight::Danger)) }
        })) }
    };
    Ok(page(
        visitor,
        "Settings of the organisation",
        HERE,
        &content,
    ))
}

fn problem_of<'a>(problems: &'a Problems, name: &str) -> Option<&'a str> {
    let found = problems.iter().find(|(of, _)| *of == name);
    found.map(|(_, problem)| problem.as_str())
}

fn form(
    visitor: &Visitor,
    organization: &Organization,
    fields: Option<&Fields>,
    problems: &Problems,
) -> Markup {
    let address = organization.postal_address.as_deref().unwrap_or_default();
    let field = |name, label, stored, hint, required| Field {
        name,
        label,
        value: fields.map_or(stored, |fields| fields.text(name)),
        hint,
        error: problem_of(problems, name),
        required,
    };
    let name = organization.name.as_str();
    let zone = organization.timezone.as_str();
    html! {
        form method="post" action=(HERE) class="stack" {
            (visitor.csrf())
            input type="hidden" name="version" value=(fields.map_or_else(|| organization.version().to_string(), |fields| fields.text("version").to_owned()));
            (input(&field("name", "Name", name, Some("Recipients see it in your mail"), true), "text"))
            (input(&field("timezone", "Time zone", zone, Some("In which its days begin, such as Europe/Oslo"), true), "text"))
            (text_area(&field("address", "Postal address", address, Some("The law of many countries wants it in every mailing"), false), 4))
            div class="row" { (button("Save", Weight::Primary)) }
        }
    }
}

/// Changes name, zone and address.
#[handler]
pub(super) async fn save(request: &Request, posted: Posted) -> Result<Response> {
    let command = match read(&posted.fields) {
        Ok(command) => command,
        Err(problems) => {
            let (visitor, fields) = (&posted.visitor, Some(&posted.fields));
            let page = settings_page(request, visitor, fields, None, &problems).await?;
            return Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let identity = &app(request)?.identity;
    let saved = identity.update_organization(&posted.visitor.actor, command);
    match saved.await {
        Ok(_) => Ok(redirect(&Done::Saved.at(HERE))),
        Err(IdentityError::Outdated { .. }) => {
            let problem = "Somebody else changed the organisation since you opened this page. What you see now is theirs.";
            let problems = [("name", problem.to_owned())];
            let page = settings_page(request, &posted.visitor, None, None, &problems);
            Ok(failure::with_status(page.await?, StatusCode::CONFLICT))
        }
        Err(error) => Err(failure::identity(error)),
    }
}

fn read(fields: &Fields) -> std::result::Result<UpdateOrganization, Vec<(&'static str, String)>> {
    let mut problems = Vec::new();
    let name = fields.text("name").parse::<DisplayName>();
    let name = name.map_err(|error| problems.push(("name", error.to_string())));
    let zone = fields.text("timezone").parse::<TimeZoneName>();
    let zone = zone.map_err(|error| problems.push(("timezone", error.to_string())));
    let address = match fields.text("address") {
        "" => Ok(None),
        text => text.parse::<PostalAddress>().map(Some),
    };
    let address = address.map_err(|error| problems.push(("address", error.to_string())));
    match (name, zone, address) {
        (Ok(name), Ok(timezone), Ok(address)) => Ok(UpdateOrganization {
            name: Some(name),
            timezone: Some(timezone),
            postal_address: Some(address),
            version: fields.text("version").parse().ok(),
        }),
        _ => Err(problems),
    }
}
