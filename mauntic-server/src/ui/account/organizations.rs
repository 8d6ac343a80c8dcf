use maud::{Markup, html};
use mauntic_core::{
    OrganizationId, Role, TimeZoneName,
    identity::{CreateOrganization, DisplayName, IdentityError, PostalAddress, Workplace},
};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Path};
use uuid::Uuid;

use crate::{
    App,
    ui::{
        Done,
        component::{
            action::{Weight, ask_first, button, button_link, confirmation},
            form::{Field, input, text_area},
            frame, show,
            table::{Column, table},
        },
        failure, own_shell,
        visitor::{Fields, OwnForm, Person, app, redirect},
    },
};

const ACCOUNT: &str = "/app/account";
const NEW: &str = "/app/account/organizations/new";
const TITLE: &str = "New organisation";

/// Where the person is a member, and the way out of each; and to another one, if the person may make it.
pub(super) fn card(app: &App, person: &Person) -> Markup {
    let places = person.who.workplaces.iter().chain(&person.who.closed);
    let rows: Vec<_> = places
        .map(|place| {
            let way_out = format!("/app/account/organizations/{}/leave", place.organization_id);
            html! { tr {
                td { (place.name.as_str()) }
                td { (place.role) }
                td { (ask_first(&way_out, "Leave")) }
            } }
        })
        .collect();
    let columns = ["Organisation", "Your role", ""].map(Column::plain);
    let content = html! {
        @if rows.is_empty() { p { "You are a member of none." } }
        @else { (table("Organisations", &columns, &rows, None)) }
        @if app.identity.may_found(&person.who) {
            div class="row" { (button_link(NEW, TITLE, Weight::Plain)) }
        }
    };
    show::card("Your organisations", &content)
}

type Problems = [(&'static str, String)];

/// Asks for what an organisation needs.
#[handler]
pub(super) fn ask(request: &Request, person: Result<Person>) -> Result<Response> {
    let person = person?;
    if !app(request)?.identity.may_found(&person.who) {
        return Err(failure::identity(IdentityError::MayNotFound));
    }
    Ok(new_page(&person, &Fields::default(), &[]).into_response())
}

fn new_page(person: &Person, fields: &Fields, problems: &Problems) -> Markup {
    let field = |name, label, hint, required| Field {
        name,
        label,
        value: fields.text(name),
        hint,
        error: problems
            .iter()
            .find(|(of, _)| *of == name)
            .map(|(_, problem)| problem.as_str()),
        required,
    };
    let zone_hint = Some("In which its days begin, such as Europe/Oslo");
    let zone = Field {
        value: fields.find("timezone").unwrap_or("UTC"),
        ..field("timezone", "Time zone", zone_hint, true)
    };
    let address_hint = Some("The law of many countries wants it in every mailing");
    let content = html! {
        (frame::breadcrumbs(&[(ACCOUNT, "Account")], TITLE))
        (frame::header(TITLE, &html! {}))
        (show::card("Name and place", &html! {
            p { "It has contacts, emails and members of its own. You will be its owner, and work in it at once." }
            form method="post" action=(NEW) class="stack" {
                (person.csrf())
                (input(&field("name", "Name", Some("Recipients see it in your mail"), true), "text"))
                (input(&zone, "text"))
                (text_area(&field("address", "Postal address", address_hint, false), 4))
                div class="row" { (button("Make it", Weight::Primary)) a class="button" href=(ACCOUNT) { "Not now" } }
            }
        }))
    };
    own_shell(person, TITLE, &content)
}

/// Makes an organisation.
#[handler]
pub(super) async fn create(request: &Request, posted: OwnForm) -> Result<Response> {
    let (person, fields) = (&posted.person, &posted.fields);
    let again = |problems: &Problems| {
        let page = new_page(person, fields, problems);
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let command = match read(fields) {
        Ok(command) => command,
        Err(problems) => return again(&problems),
    };
    let identity = &app(request)?.identity;
    match identity.found_organization(&person.who, command).await {
        Ok(_) => Ok(redirect("/app/")),
        Err(error @ IdentityError::TooManyFailures { .. }) => {
            again(&[("name", failure::too_often(&error))])
        }
        Err(error @ IdentityError::OwnsTooMany { .. }) => again(&[("name", error.to_string())]),
        Err(error) => Err(failure::identity(error)),
    }
}

fn read(fields: &Fields) -> std::result::Result<CreateOrganization, Vec<(&'static str, String)>> {
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
        (Ok(name), Ok(timezone), Ok(postal_address)) => Ok(CreateOrganization {
            timezone,
            postal_address,
            ..CreateOrganization::named(name)
        }),
        _ => Err(problems),
    }
}

/// Asks before somebody leaves.
#[handler]
pub(super) fn ask_to_leave(
    person: Result<Person>,
    Path(organization): Path<Uuid>,
) -> Result<Markup> {
    let person = person?;
    let id = OrganizationId::from_uuid(organization);
    let mut places = person.who.workplaces.iter().chain(&person.who.closed);
    let place = places.find(|place| place.organization_id == id);
    let place = place.ok_or_else(|| failure::missing("organisation"))?;
    let question = format!("Leave {}?", place.name);
    let lost = lost(place);
    let content = confirmation(&question, &lost, "Leave", ACCOUNT, &person.csrf());
    Ok(own_shell(&person, "Leave an organisation", &content))
}

fn lost(place: &Workplace) -> Vec<String> {
    let mut lost = vec![
        format!(
            "Your membership of {} as {}: only an invitation brings it back",
            place.name, place.role
        ),
        "API tokens that you made there, and apps that act for you there: they stop working"
            .to_owned(),
        "Your being in charge of contacts there: they have no owner then".to_owned(),
    ];
    if place.role >= Role::Admin {
        lost.push("Your invitations that nobody accepted yet".to_owned());
    }
    lost
}

/// Ends one's own membership.
#[handler]
pub(super) async fn leave(
    request: &Request,
    Path(organization): Path<Uuid>,
    posted: OwnForm,
) -> Result<Response> {
    let id = OrganizationId::from_uuid(organization);
    let identity = &app(request)?.identity;
    let left = identity.leave_organization(&posted.person.who, id).await;
    left.map_err(failure::identity)?;
    Ok(redirect(&Done::Saved.at(ACCOUNT)))
}
