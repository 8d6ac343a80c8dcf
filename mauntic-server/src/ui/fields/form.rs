//! The form of a field.

use std::collections::BTreeMap;

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_crm::{
    CreateField, CrmError, Field, FieldAlias, FieldGroup, FieldOption, FieldType, UpdateField,
};
use poem::{Request, Response, Result, handler, http::StatusCode, web::Path};
use serde_json::Value;

use super::{PLACE, own, type_name};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, ask_first, button, button_link},
        form::{self, checkbox, input, select, text_area},
        frame, show,
    },
    contacts, failure, shell,
    visitor::{Fields, Posted, Visitor, app, redirect},
};

/// What is wrong, by the name of its control; `""` is about it all.
type Problems = BTreeMap<&'static str, String>;

/// What stands in the form.
struct Draft {
    label: String,
    alias: String,
    kind: String,
    options: String,
    default: String,
    group: String,
    position: String,
    required: bool,
    unique: bool,
    indexed: bool,
}

impl Draft {
    fn of(field: &Field) -> Self {
        let line = |option: &FieldOption| {
            if option.value == option.label {
                option.value.clone()
            } else {
                format!("{} = {}", option.value, option.label)
            }
        };
        let lines: Vec<_> = field.options.iter().map(line).collect();
        Self {
            label: field.label.clone(),
            alias: field.alias.to_string(),
            kind: field.field_type.to_string(),
            options: lines.join("\n"),
            default: field
                .default
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            group: field.group.to_string(),
            position: field.position.to_string(),
            required: field.required,
            unique: field.unique,
            indexed: field.indexed,
        }
    }

    fn sent(form: &Fields) -> Self {
        let text = |name| form.text(name).to_owned();
        let is_on = |name| form.find(name).is_some();
        Self {
            label: text("label"),
            alias: text("alias"),
            kind: text("kind"),
            options: text("options").replace("\r\n", "\n"),
            default: text("default"),
            group: text("group"),
            position: text("position"),
            required: is_on("required"),
            unique: is_on("unique"),
            indexed: is_on("indexed"),
        }
    }

    /// One option per line, with what people read behind `=` if that is something else.
    fn options(&self) -> Vec<FieldOption> {
        let lines = self
            .options
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        lines
            .map(|line| match line.split_once('=') {
                Some((value, label)) if !label.trim().is_empty() => FieldOption {
                    value: value.trim().to_owned(),
                    label: label.trim().to_owned(),
                },
                _ => FieldOption::plain(line),
            })
            .collect()
    }

    fn default(&self) -> Value {
        if self.default.is_empty() {
            Value::Null
        } else {
            Value::String(self.default.clone())
        }
    }

    fn group(&self) -> FieldGroup {
        self.group.parse().unwrap_or(FieldGroup::Core)
    }
}

/// An empty form.
#[handler]
pub(super) fn new(visitor: Result<Visitor>) -> Result<Markup> {
    let visitor = visitor?;
    visitor.needs(Permission::FieldsManage)?;
    let draft = Draft::sent(&Fields::default());
    Ok(page(&visitor, None, &draft, &Problems::new()))
}

/// The form of a field.
#[handler]
pub(super) async fn edit(
    request: &Request,
    visitor: Visitor,
    Path(alias): Path<String>,
) -> Result<Markup> {
    let field = own(request, &visitor, &alias).await?;
    Ok(page(
        &visitor,
        Some(&field),
        &Draft::of(&field),
        &Problems::new(),
    ))
}

/// Defines a field.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    let Posted { visitor, fields } = &posted;
    visitor.needs(Permission::FieldsManage)?;
    let draft = Draft::sent(fields);
    let mut problems = Problems::new();
    let kind = draft.kind.parse::<FieldType>();
    if kind.is_err() {
        problems.insert("kind", "Choose what kind of values it has.".to_owned());
    }
    let alias = (!draft.alias.is_empty()).then(|| draft.alias.parse::<FieldAlias>());
    let alias = alias.transpose();
    if let Err(error) = &alias {
        problems.insert("alias", format!("This is {error}."));
    }
    check_label(&draft, &mut problems);
    let (Ok(field_type), Ok(alias), true) = (kind, alias, problems.is_empty()) else {
        return Ok(again(visitor, None, &draft, &problems));
    };
    let command = CreateField {
        alias,
        options: if field_type.has_options() {
            draft.options()
        } else {
            Vec::new()
        },
        required: draft.required,
        unique: draft.unique,
        indexed: draft.indexed,
        default: Some(draft.default()),
        group: draft.group(),
        ..CreateField::new(&draft.label, field_type)
    };
    match app(request)?.fields.create(&visitor.actor, command).await {
        Ok(_) => Ok(redirect(&Done::Created.at(PLACE))),
        Err(error) => Ok(again(visitor, None, &draft, &problems_of(error)?)),
    }
}

/// Changes a field.
#[handler]
pub(super) async fn save(
    request: &Request,
    Path(alias): Path<String>,
    posted: Posted,
) -> Result<Response> {
    let Posted { visitor, fields } = &posted;
    visitor.needs(Permission::FieldsManage)?;
    let field = own(request, visitor, &alias).await?;
    let draft = Draft::sent(fields);
    let mut problems = Problems::new();
    check_label(&draft, &mut problems);
    if !draft.position.is_empty() && draft.position.parse::<u32>().is_err() {
        problems.insert("position", "Expected a whole number from 0.".to_owned());
    }
    if !problems.is_empty() {
        return Ok(again(visitor, Some(&field), &draft, &problems));
    }
    let command = UpdateField {
        label: Some(draft.label.clone()),
        options: field.field_type.has_options().then(|| draft.options()),
        required: Some(draft.required),
        indexed: Some(draft.indexed),
        default: Some(draft.default()),
        group: Some(draft.group()),
        position: draft.position.parse().ok(),
        version: None,
    };
    let all = &app(request)?.fields;
    match all.update(&visitor.actor, &field.alias, command).await {
        Ok(_) => Ok(redirect(&Done::Saved.at(PLACE))),
        Err(error) => Ok(again(visitor, Some(&field), &draft, &problems_of(error)?)),
    }
}

fn check_label(draft: &Draft, problems: &mut Problems) {
    if draft.label.is_empty() {
        problems.insert("label", "Say what it is called.".to_owned());
    }
}

fn problems_of(error: CrmError) -> Result<Problems> {
    Ok(match error {
        CrmError::Taken { .. } => {
            Problems::from([("alias", "Another field has this name.".to_owned())])
        }
        CrmError::InvalidFields(found) => {
            let whys: Vec<_> = found
                .iter()
                .map(|problem| problem.reason.to_string())
                .collect();
            Problems::from([("default", format!("This is {}.", whys.join("; ")))])
        }
        CrmError::Invalid(why) => Problems::from([("", format!("It cannot be like this: {why}."))]),
        error => return Err(failure::crm(error)),
    })
}

fn again(visitor: &Visitor, field: Option<&Field>, draft: &Draft, problems: &Problems) -> Response {
    let page = page(visitor, field, draft, problems);
    failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY)
}

fn page(visitor: &Visitor, field: Option<&Field>, draft: &Draft, problems: &Problems) -> Markup {
    let title = field.map_or("New field", |field| field.label.as_str());
    let delete = html! {
        @if let Some(field) = field { (ask_first(&format!("{PLACE}/{}/delete", field.alias), "Delete")) }
    };
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Fields")], title))
        (frame::header(title, &delete))
        @if let Some(problem) = problems.get("") { (show::toast(problem, Tone::Bad)) }
        form method="post" class="card" {
            (visitor.csrf())
            (controls(field, draft, problems))
            div class="row" { (button("Save", Weight::Primary)) (button_link(PLACE, "Cancel", Weight::Plain)) }
        }
    };
    shell(visitor, title, contacts::PLACE, &content)
}

fn controls(field: Option<&Field>, draft: &Draft, problems: &Problems) -> Markup {
    let control = |name: &'static str, label, value, hint| form::Field {
        name,
        label,
        value,
        hint,
        error: problems.get(name).map(String::as_str),
        ..form::Field::default()
    };
    let label = form::Field {
        required: true,
        ..control("label", "Label", &draft.label, Some("What people read"))
    };
    let kinds: Vec<_> = FieldType::ALL
        .iter()
        .map(|kind| (kind.as_str(), type_name(*kind)))
        .collect();
    let groups: Vec<_> = FieldGroup::ALL
        .iter()
        .map(|group| (group.as_str(), contacts::group_name(*group)))
        .collect();
    let group = form::Field {
        ..control("group", "Stands in", &draft.group, None)
    };
    let kind = form::Field {
        required: true,
        ..control(
            "kind",
            "Kind",
            &draft.kind,
            Some("It cannot be changed later"),
        )
    };
    let has_options = field.is_none_or(|field| field.field_type.has_options());
    html! {
        div class="fields" {
            (input(&label, "text"))
            @if let Some(field) = field {
                div class="field" { strong { "Name and kind" } p { code { (field.alias) } ", " (type_name(field.field_type)) @if field.unique { ", unique" } } p class="hint" { "They never change." } }
            } @else {
                (input(&control("alias", "Name in rules and imports", &draft.alias, Some("Made from the label if it is empty; it cannot be changed later")), "text"))
                (select(&kind, &kinds))
            }
            (select(&group, &groups))
            @if has_options {
                (text_area(&control("options", "Options", &draft.options, Some("For lists: one per line. If people are to read something else than what is stored: stored = shown")), 6))
            }
            (input(&control("default", "Value of new contacts", &draft.default, Some("Contacts that are there already do not get it")), "text"))
            @if field.is_some() { (input(&control("position", "Place among the fields", &draft.position, Some("Lower comes first")), "number")) }
        }
        (checkbox("required", "A contact cannot be saved without it", draft.required))
        @if field.is_none() { (checkbox("unique", "No two contacts have the same value; imports can tell contacts by it", draft.unique)) }
        (checkbox("indexed", "Rules on it are to be fast on large lists", draft.indexed))
    }
}
