//! The form of a contact: what is known, field by field.

use maud::{Markup, html};
use mauntic_core::{ContactId, Permission};
use mauntic_crm::{
    Contact, CreateContact, CrmError, Field, FieldProblem, FieldSet, FieldType, UpdateContact,
};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Path};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{PLACE, called, place};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{self, input, select, text_area},
        frame, show,
    },
    failure, shell,
    visitor::{Fields, Posted, Visitor, app, redirect},
};

/// What is in the form besides the values of a stored contact.
#[derive(Default)]
struct Entered<'a> {
    /// What was sent.
    fields: Option<&'a Fields>,
    /// What is wrong with single fields.
    problems: Vec<FieldProblem>,
    /// What is wrong with it all.
    problem: Option<String>,
}

/// An empty form.
#[handler]
pub(super) async fn new(request: &Request, visitor: Visitor) -> Result<Markup> {
    page(request, &visitor, None, &Entered::default()).await
}

/// The form of a contact.
#[handler]
pub(super) async fn edit(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    let id = ContactId::from_uuid(id);
    let contact = app(request)?.contacts.get(&visitor.actor, id).await;
    let contact = contact.map_err(failure::crm)?;
    page(request, &visitor, Some(&contact), &Entered::default()).await
}

/// Adds a contact.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    let app = app(request)?;
    let Posted { visitor, fields } = &posted;
    let set = app.fields.list(&visitor.actor).await;
    let values = entered(&set.map_err(failure::crm)?, None, fields);
    let made = async {
        let patch = app.contacts.parse(&visitor.actor, &values).await?;
        let origin = Some("web".to_owned());
        let command = CreateContact { patch, origin };
        app.contacts.create(&visitor.actor, command).await
    };
    match made.await {
        Ok(contact) => Ok(redirect(&Done::Created.at(&place(contact.id())))),
        Err(error) => again(request, visitor, None, fields, error).await,
    }
}

/// Changes a contact, if nobody else did since the form was shown.
#[handler]
pub(super) async fn save(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let app = app(request)?;
    let Posted { visitor, fields } = &posted;
    let id = ContactId::from_uuid(id);
    let contact = app.contacts.get(&visitor.actor, id).await;
    let contact = contact.map_err(failure::crm)?;
    let set = app.fields.list(&visitor.actor).await;
    let values = entered(&set.map_err(failure::crm)?, Some(&contact), fields);
    let version = fields.text("version").parse().unwrap_or_default();
    let saved = async {
        let patch = app.contacts.parse(&visitor.actor, &values).await?;
        let version = Some(version);
        let command = UpdateContact { id, version, patch };
        app.contacts.update(&visitor.actor, command).await
    };
    match saved.await {
        Ok(_) => Ok(redirect(&Done::Saved.at(&place(id)))),
        Err(CrmError::VersionMismatch { .. }) => {
            let contact = app.contacts.get(&visitor.actor, id).await;
            let contact = contact.map_err(failure::crm)?;
            let said = Entered {
                problem: Some("Somebody else changed this contact meanwhile, so that your changes were not saved. The form shows the present values: make your changes again.".to_owned()),
                ..Entered::default()
            };
            let page = page(request, visitor, Some(&contact), &said).await?;
            Ok(failure::with_status(page, StatusCode::CONFLICT))
        }
        Err(error) => again(request, visitor, Some(&contact), fields, error).await,
    }
}

/// The form once more, with what was entered and what is wrong with it.
async fn again(
    request: &Request,
    visitor: &Visitor,
    contact: Option<&Contact>,
    fields: &Fields,
    error: CrmError,
) -> Result<Response> {
    let (problems, problem) = match error {
        CrmError::InvalidFields(problems) => (problems, None),
        error @ (CrmError::Taken { .. } | CrmError::Invalid(_)) => {
            (Vec::new(), Some(error.to_string()))
        }
        error => return Err(failure::crm(error)),
    };
    let said = Entered {
        fields: Some(fields),
        problems,
        problem,
    };
    let page = page(request, visitor, contact, &said).await?;
    Ok(page
        .with_status(StatusCode::UNPROCESSABLE_ENTITY)
        .into_response())
}

/// The name of a field in the form, which no field of our own has.
fn name_of(field: &Field) -> String {
    format!("field-{}", field.alias)
}

/// The text of a field of a contact.
fn text_of(contact: Option<&Contact>, field: &Field) -> String {
    let value = contact.and_then(|contact| contact.field_value(field.alias.as_str()));
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// What was entered and is different from what is known.
fn entered(set: &FieldSet, contact: Option<&Contact>, fields: &Fields) -> Map<String, Value> {
    set.iter()
        .filter_map(|field| {
            let text = fields.find(&name_of(field))?.replace("\r\n", "\n");
            let changed = text != text_of(contact, field);
            changed.then(|| (field.alias.to_string(), Value::String(text)))
        })
        .collect()
}

async fn page(
    request: &Request,
    visitor: &Visitor,
    contact: Option<&Contact>,
    said: &Entered<'_>,
) -> Result<Markup> {
    if !visitor.may(Permission::ContactsWrite) {
        return Err(failure::forbidden());
    }
    let set = app(request)?.fields.list(&visitor.actor).await;
    let set = set.map_err(failure::crm)?;
    let title = contact.map_or_else(|| "New contact".to_owned(), called);
    let back = contact.map_or_else(|| PLACE.to_owned(), |contact| place(contact.id()));
    let mut groups: Vec<_> = Vec::new();
    for field in set.iter() {
        if !groups.contains(&field.group) {
            groups.push(field.group);
        }
    }
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts")], &title))
        (frame::header(&title, &html! {}))
        @if let Some(problem) = &said.problem { (show::toast(problem, Tone::Bad)) }
        form method="post" class="stack" {
            (visitor.csrf())
            @if let Some(contact) = contact { input type="hidden" name="version" value=(contact.version()); }
            @for group in groups {
                (show::card(&super::show::title(group), &html! {
                    @for field in set.iter().filter(|field| field.group == group) { (control(field, contact, said)) }
                }))
            }
            div class="row" { (button("Save", Weight::Primary)) (button_link(&back, "Cancel", Weight::Plain)) }
        }
    };
    Ok(shell(visitor, &title, PLACE, &content))
}

fn control(field: &Field, contact: Option<&Contact>, said: &Entered<'_>) -> Markup {
    let name = name_of(field);
    let known = text_of(contact, field);
    let value = said.fields.and_then(|fields| fields.find(&name));
    let problem = said
        .problems
        .iter()
        .find(|problem| problem.field == field.alias.as_str())
        .map(|problem| problem.reason.to_string());
    let shown = form::Field {
        name: &name,
        label: &field.label,
        value: value.unwrap_or(&known),
        hint: match field.field_type {
            FieldType::Multiselect => Some("Several are parted by |"),
            FieldType::Datetime => Some("Such as 2026-05-17T08:30:00Z"),
            FieldType::Country => Some("A name or a code, such as Norway or NO"),
            _ => None,
        },
        error: problem.as_deref(),
        required: field.required,
    };
    match field.field_type {
        FieldType::Textarea => text_area(&shown, 4),
        FieldType::Boolean => select(&shown, &[("", ""), ("true", "Yes"), ("false", "No")]),
        FieldType::Select => {
            let options = field.options.iter();
            let options = options.map(|option| (option.value.as_str(), option.label.as_str()));
            let choices: Vec<_> = std::iter::once(("", "")).chain(options).collect();
            select(&shown, &choices)
        }
        FieldType::Date => input(&shown, "date"),
        // What is wrong with a value is said beside it, by us and in the same words everywhere.
        _ => input(&shown, "text"),
    }
}
