//! The form of a contact: what is known, field by field.

use std::collections::BTreeMap;

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_crm::{Contact, Field, FieldGroup, FieldSet, FieldType};
use poem::{Request, Result, handler, web::Path};
use uuid::Uuid;

use super::{PLACE, called, find, group_name, people::People, place, value::entry};
use crate::ui::{
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{self, checkbox_of, input, select, text_area},
        frame, show,
    },
    failure, shell,
    visitor::{Fields, Visitor, app},
};

/// In front of the names of controls that hold what was known when the form was made.
pub(super) const WAS: &str = "was-";

/// The texts in a form by the name of their control.
pub(super) type Texts = BTreeMap<String, String>;

/// What a form shows.
#[derive(Default)]
pub(super) struct Draft {
    /// What stands in the controls.
    pub(super) texts: Texts,
    /// What is wrong with single controls.
    pub(super) problems: Texts,
    /// What is wrong with it all.
    pub(super) problem: Option<String>,
}

/// An empty form.
#[handler]
pub(super) async fn new(request: &Request, visitor: Visitor) -> Result<Markup> {
    let fields = app(request)?.fields.list(&visitor.actor).await;
    let fields = fields.map_err(failure::crm)?;
    let mut texts = known(&fields, None);
    for field in fields.iter() {
        if let Some(default) = &field.default {
            texts.insert(control_of(field), default.to_string());
        }
    }
    let draft = Draft {
        texts,
        ..Draft::default()
    };
    page(request, &visitor, None, &fields, &draft).await
}

/// The form of a contact.
#[handler]
pub(super) async fn edit(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    let contact = find(request, &visitor, id).await?;
    let fields = app(request)?.fields.list(&visitor.actor).await;
    let fields = fields.map_err(failure::crm)?;
    let draft = Draft {
        texts: known(&fields, Some(&contact)),
        ..Draft::default()
    };
    page(request, &visitor, Some(&contact), &fields, &draft).await
}

/// The name of the control of a field, which no other control has.
pub(super) fn control_of(field: &Field) -> String {
    format!("field-{}", field.alias)
}

/// The fields that people fill in; when somebody was last active is seen, not said.
pub(super) fn editable(fields: &FieldSet) -> impl Iterator<Item = &Field> {
    fields
        .iter()
        .filter(|field| field.alias.as_str() != "last_active")
}

/// What the controls hold for what is known.
pub(super) fn known(fields: &FieldSet, contact: Option<&Contact>) -> Texts {
    let parts = contact.map(Contact::parts);
    let owner = parts.and_then(|parts| parts.owner);
    let stage = parts.and_then(|parts| parts.stage.clone());
    let mut texts: Texts = editable(fields)
        .map(|field| (control_of(field), entry(contact, field)))
        .collect();
    texts.insert("stage".to_owned(), stage.unwrap_or_default());
    texts.insert(
        "owner".to_owned(),
        owner.map(|owner| owner.to_string()).unwrap_or_default(),
    );
    texts
}

/// What the controls of a form held that was sent; with [`WAS`] in front, what they held at first.
pub(super) fn sent(fields: &FieldSet, form: &Fields, front: &str) -> Texts {
    let name_of = |control: &str| format!("{front}{control}");
    let mut texts = Texts::new();
    for field in editable(fields) {
        let control = control_of(field);
        let name = name_of(&control);
        let text = if field.field_type == FieldType::Multiselect {
            if form.find(&name).is_none() {
                continue;
            }
            let parts = form.all(&name).flat_map(|text| text.split('|'));
            let mut parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
            parts.sort_unstable();
            parts.dedup();
            parts.join("|")
        } else {
            let Some(text) = form.find(&name) else {
                continue;
            };
            text.replace("\r\n", "\n")
        };
        texts.insert(control, text);
    }
    for control in ["stage", "owner"] {
        if let Some(text) = form.find(&name_of(control)) {
            texts.insert(control.to_owned(), text.trim().to_owned());
        }
    }
    texts
}

/// The page of a form.
pub(super) async fn page(
    request: &Request,
    visitor: &Visitor,
    contact: Option<&Contact>,
    fields: &FieldSet,
    draft: &Draft,
) -> Result<Markup> {
    visitor.needs(Permission::ContactsWrite)?;
    let people = People::of(request, visitor).await?;
    let title = contact.map_or_else(
        || "New contact".to_owned(),
        |contact| format!("Edit {}", called(contact)),
    );
    let back = contact.map_or_else(|| PLACE.to_owned(), |contact| place(contact.id()));
    let name = contact.map(called);
    let mut way = vec![(PLACE, "Contacts")];
    way.extend(name.as_deref().map(|name| (back.as_str(), name)));
    let here = if contact.is_some() {
        "Edit"
    } else {
        "New contact"
    };
    let groups = FieldGroup::ALL
        .iter()
        .filter(|group| editable(fields).any(|field| field.group == **group));
    let content = html! {
        (frame::breadcrumbs(&way, here))
        (frame::header(&title, &html! {}))
        @if let Some(problem) = &draft.problem { (show::toast(problem, Tone::Bad)) }
        form method="post" class="stack" {
            (visitor.csrf())
            @for (control, text) in known(fields, contact) { input type="hidden" name={ (WAS) (control) } value=(text); }
            @for group in groups {
                (show::card(group_name(*group), &html! {
                    div class="fields unmarked" {
                        @for field in editable(fields).filter(|field| field.group == *group) { (control(field, draft)) }
                    }
                }))
            }
            (show::card("Record", &html! { div class="fields unmarked" { (record(&people, draft)) } }))
            div class="row" { (button("Save", Weight::Primary)) (button_link(&back, "Cancel", Weight::Plain)) }
        }
    };
    Ok(shell(visitor, &title, PLACE, &content))
}

fn record(people: &People, draft: &Draft) -> Markup {
    let of = |name| draft.texts.get(name).map_or("", String::as_str);
    let wrong = |name| draft.problems.get(name).map(String::as_str);
    let owner = form::Field {
        name: "owner",
        label: "Owner",
        value: of("owner"),
        error: wrong("owner"),
        ..form::Field::default()
    };
    let stage = form::Field {
        name: "stage",
        label: "Stage",
        value: of("stage"),
        error: wrong("stage"),
        hint: Some("How far they are, such as lead or customer"),
        ..form::Field::default()
    };
    let members = people.by_name();
    let mut choices = vec![("", "Nobody")];
    choices.extend(members.iter().map(|(id, name)| (id.as_str(), *name)));
    if choices.iter().all(|(id, _)| *id != owner.value) {
        choices.push((owner.value, "A former member"));
    }
    html! { (select(&owner, &choices)) (input(&stage, "text")) }
}

fn control(field: &Field, draft: &Draft) -> Markup {
    let name = control_of(field);
    let shown = form::Field {
        name: &name,
        label: &field.label,
        value: draft.texts.get(&name).map_or("", String::as_str),
        hint: match field.field_type {
            FieldType::Datetime => {
                Some("Such as 2026-12-31 18:00, in the organisation’s time zone")
            }
            FieldType::Country => Some("A name or a code, such as Norway or NO"),
            FieldType::Timezone => Some("Such as Europe/Oslo"),
            FieldType::Locale => Some("Such as en or nb-NO"),
            _ => None,
        },
        error: draft.problems.get(&name).map(String::as_str),
        required: field.required,
    };
    match field.field_type {
        FieldType::Textarea => text_area(&shown, 4),
        FieldType::Boolean => select(
            &shown,
            &[("", "Not known"), ("true", "Yes"), ("false", "No")],
        ),
        FieldType::Select => {
            let options = field.options.iter();
            let options = options.map(|option| (option.value.as_str(), option.label.as_str()));
            let mut choices: Vec<_> = std::iter::once(("", "None")).chain(options).collect();
            // An option that was taken away since stays until another is chosen.
            if choices.iter().all(|(value, _)| *value != shown.value) {
                choices.push((shown.value, shown.value));
            }
            select(&shown, &choices)
        }
        FieldType::Multiselect => several(field, &shown),
        FieldType::Date => input(&shown, "date"),
        // What is wrong with a value is said beside it, by us and in the same words everywhere.
        _ => input(&shown, "text"),
    }
}

fn several(field: &Field, shown: &form::Field<'_>) -> Markup {
    let chosen: Vec<_> = shown
        .value
        .split('|')
        .filter(|text| !text.is_empty())
        .collect();
    let gone = chosen
        .iter()
        .filter(|text| field.options.iter().all(|option| option.value != **text));
    html! {
        fieldset class="field" id=(shown.name) {
            legend { (shown.label) }
            // So that none is told from nothing said.
            input type="hidden" name=(shown.name) value="";
            @for option in &field.options {
                (checkbox_of(shown.name, &option.value, &option.label, chosen.contains(&option.value.as_str())))
            }
            @for text in gone { (checkbox_of(shown.name, text, text, true)) }
            @if let Some(error) = shown.error { p class="error" id={ (shown.name) "-error" } { (error) } }
        }
    }
}
