//! The forms about an app.

use std::collections::BTreeSet;

use maud::{Markup, html};
use mauntic_core::{
    Permission, Role,
    identity::{
        CreateOauthClient, DisplayName, IdentityError, MachineAccess, MachineWish, OauthClient,
        RedirectUri, UpdateOauthClient,
    },
};
use poem::Result;

use super::super::roles_of;
use crate::ui::{
    component::{
        action::{Weight, button},
        form::{Field, checkbox, checkbox_of, input, select, text_area},
        show,
    },
    failure, scopes,
    visitor::{Fields, Visitor},
};

/// A field that is wrong, and why.
pub(super) type Problem = (&'static str, String);
pub(super) type Problems = [Problem];

fn field<'a>(
    name: &'a str,
    label: &'a str,
    value: &'a str,
    hint: Option<&'a str>,
    problems: &'a Problems,
) -> Field<'a> {
    let error = problems.iter().find(|(of, _)| *of == name);
    Field {
        name,
        label,
        value,
        hint,
        error: error.map(|(_, text)| text.as_str()),
        required: name != "redirect_uris",
    }
}

const URIS: &str = "Where people are sent back to, one address on each line, up to 10: https, or http on localhost. They are compared letter by letter.";

/// Asks for what an app needs.
pub(super) fn create(
    visitor: &Visitor,
    action: &str,
    fields: &Fields,
    problems: &Problems,
) -> Markup {
    let hint = Some("Members see it when they are asked");
    let name = field("name", "Name", fields.text("name"), hint, problems);
    let uris = fields.text("redirect_uris");
    let uris = field("redirect_uris", "Redirect URIs", uris, Some(URIS), problems);
    let kind = fields.find("kind").unwrap_or("confidential");
    let hint = Some("What runs in a browser, or on the machines of people, can keep no secret");
    let kind = field("kind", "Kind", kind, hint, problems);
    let kinds = [
        ("confidential", "runs on a server, and keeps a secret"),
        ("public", "keeps no secret"),
    ];
    show::card(
        "Register an app",
        &html! {
            form method="post" action=(action) class="stack" {
                (visitor.csrf())
                (input(&name, "text"))
                (text_area(&uris, 3))
                (select(&kind, &kinds))
                (machine_fields(visitor, fields, problems))
                div class="row" { (button("Register it", Weight::Primary)) }
            }
        },
    )
}

/// Changes the name and where people are sent back to.
pub(super) fn change(
    visitor: &Visitor,
    action: &str,
    client: &OauthClient,
    tried: Option<(&Fields, &Problems)>,
) -> Markup {
    // What was sent about acting for itself says nothing about these.
    let tried = tried.filter(|(fields, _)| fields.find("name").is_some());
    let problems = tried.map_or(&[][..], |(_, problems)| problems);
    let stored: Vec<_> = client
        .redirect_uris
        .iter()
        .map(RedirectUri::as_str)
        .collect();
    let stored = stored.join("\n");
    let of = |name, stored| tried.map_or(stored, |(fields, _)| fields.text(name));
    let name = of("name", client.name.as_str());
    let name = field("name", "Name", name, None, problems);
    let uris = of("redirect_uris", stored.as_str());
    let uris = field("redirect_uris", "Redirect URIs", uris, Some(URIS), problems);
    show::card(
        "Name and addresses",
        &html! {
            form method="post" action=(action) class="stack" {
                (visitor.csrf())
                (version(client, tried))
                (input(&name, "text"))
                (text_area(&uris, 3))
                p class="hint" { "When the addresses change, members are asked again." }
                div class="row" { (button("Save", Weight::Plain)) }
            }
        },
    )
}

/// Changes what an app may do for itself.
pub(super) fn machine(
    visitor: &Visitor,
    place: &str,
    client: &OauthClient,
    tried: Option<(&Fields, &Problems)>,
) -> Markup {
    let tried = tried.filter(|(fields, _)| fields.find("name").is_none());
    let stored = stored_fields(client.machine.as_ref());
    let none: &Problems = &[];
    let (fields, problems) = tried.unwrap_or((&stored, none));
    show::card(
        "Acting for itself",
        &html! {
            p { "With its secret alone, and nobody who lets it act for them. Whoever saves this answers for it: the app can do no more than they may, and nothing once they are gone." }
            form method="post" action=(format!("{place}/machine")) class="stack" {
                (visitor.csrf())
                (version(client, tried))
                (machine_fields(visitor, fields, problems))
                div class="row" { (button("Save", Weight::Plain)) }
            }
        },
    )
}

/// What the app was when the form was shown first, so that it overwrites nobody else's change.
fn version(client: &OauthClient, tried: Option<(&Fields, &Problems)>) -> Markup {
    let shown = tried.map_or_else(
        || client.version().to_string(),
        |(fields, _)| fields.text("version").to_owned(),
    );
    html! { input type="hidden" name="version" value=(shown); }
}

fn stored_fields(machine: Option<&MachineAccess>) -> Fields {
    let Some(machine) = machine else {
        return Fields::default();
    };
    let mut pairs = vec![("machine", "on"), ("role", machine.role.as_str())];
    pairs.extend(machine.scopes.iter().map(|scope| ("scope", scope.as_str())));
    Fields::of_query(&serde_urlencoded::to_string(pairs).unwrap_or_default())
}

fn machine_fields(visitor: &Visitor, fields: &Fields, problems: &Problems) -> Markup {
    let role = fields.find("role").unwrap_or("member");
    let role = field("role", "Role", role, None, problems);
    let offered = Permission::ALL
        .into_iter()
        .filter(|(permission, _)| visitor.may(*permission));
    let offered: Vec<_> = offered.collect();
    let chosen: BTreeSet<_> = fields.all("scope").collect();
    let problem = problems.iter().find(|(of, _)| *of == "scope");
    html! {
        (checkbox("machine", "It may act for itself as well (client_credentials)", fields.find("machine").is_some()))
        details open[fields.find("machine").is_some() || problem.is_some()] {
            summary { "What it may do for itself" }
            div class="stack" {
                (select(&role, &roles_of(visitor)))
                fieldset class="stack" {
                    legend { "Permissions" }
                    @if let Some((_, problem)) = problem { p class="error" { (problem) } }
                    div class="grid" { @for (permission, text) in &offered {
                        (checkbox_of("scope", text, scopes::words(*permission), chosen.contains(text)))
                    } }
                }
            }
        }
    }
}

/// Reads an app to register, with all that is wrong at once.
pub(super) fn read_new(fields: &Fields) -> std::result::Result<CreateOauthClient, Vec<Problem>> {
    let change = read_change(fields);
    let machine = read_machine(fields);
    match (change, machine) {
        (
            Ok(UpdateOauthClient {
                name: Some(name),
                redirect_uris: Some(redirect_uris),
                ..
            }),
            Ok(machine),
        ) => Ok(CreateOauthClient {
            name,
            redirect_uris,
            confidential: fields.text("kind") != "public",
            machine,
        }),
        (change, machine) => {
            let problems = [change.err(), machine.err()];
            Err(problems.into_iter().flatten().flatten().collect())
        }
    }
}

/// Reads name and addresses.
pub(super) fn read_change(fields: &Fields) -> std::result::Result<UpdateOauthClient, Vec<Problem>> {
    let mut problems = Vec::new();
    let name = fields.text("name").parse::<DisplayName>();
    let name = name.map_err(|error| problems.push(("name", error.to_string())));
    let mut uris = Vec::new();
    let lines = fields.text("redirect_uris").lines().map(str::trim);
    for (number, line) in (1..).zip(lines.filter(|line| !line.is_empty())) {
        match line.parse::<RedirectUri>() {
            Ok(uri) => uris.push(uri),
            Err(error) => problems.push(("redirect_uris", format!("Address {number}: {error}"))),
        }
    }
    if !problems.is_empty() {
        return Err(joined(problems));
    }
    Ok(UpdateOauthClient {
        name: name.ok(),
        redirect_uris: Some(uris),
        machine: None,
        version: read_version(fields),
    })
}

/// The version that a form was shown with.
pub(super) fn read_version(fields: &Fields) -> Option<i64> {
    fields.text("version").parse().ok()
}

/// A field shows one text: all that is wrong with the addresses.
fn joined(problems: Vec<Problem>) -> Vec<Problem> {
    let (uris, mut others): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|(of, _)| *of == "redirect_uris");
    let texts: Vec<_> = uris.into_iter().map(|(_, text)| text).collect();
    if !texts.is_empty() {
        others.push(("redirect_uris", texts.join(". ")));
    }
    others
}

/// Reads what an app may do for itself.
pub(super) fn read_machine(
    fields: &Fields,
) -> std::result::Result<Option<MachineWish>, Vec<Problem>> {
    if fields.find("machine").is_none() {
        return Ok(None);
    }
    let role = fields.text("role").parse::<Role>();
    let scopes: BTreeSet<_> = fields
        .all("scope")
        .filter_map(|text| text.parse::<Permission>().ok())
        .collect();
    if scopes.is_empty() {
        let problem = "Choose what it may do.".to_owned();
        return Err(vec![("scope", problem)]);
    }
    match role {
        Ok(role) => Ok(Some(MachineWish {
            role,
            scopes: Some(scopes),
        })),
        Err(error) => Err(vec![("role", error.to_string())]),
    }
}

/// What a form can tell of what was refused.
pub(super) fn problem(error: IdentityError) -> Result<Vec<Problem>> {
    let field = match &error {
        IdentityError::RedirectUriCount => "redirect_uris",
        IdentityError::PublicMachine => "kind",
        IdentityError::BeyondRole(..) | IdentityError::BeyondOwnScope(_) => "scope",
        _ => return Err(failure::identity(error)),
    };
    Ok(vec![(field, error.to_string())])
}
