//! Values of fields as people read them.

use maud::{Markup, html};
use mauntic_crm::{Contact, Country, Field, FieldType, Value};

use crate::ui::words;

/// A value of a field.
pub(super) fn shown(field: &Field, value: &Value) -> Markup {
    match (field.field_type, value) {
        (FieldType::Url, Value::Text(text)) if is_web(text) => {
            html! { a href=(text) rel="noopener noreferrer nofollow" { (text) } }
        }
        (FieldType::Datetime, _) => value
            .as_datetime()
            .map_or_else(|| html! { (value.to_string()) }, words::time),
        (FieldType::Textarea, Value::Text(text)) => {
            html! { @for line in text.lines() { div { (line) } } }
        }
        _ => html! { (plain(field, value)) },
    }
}

/// A value of a field as one text.
pub(super) fn plain(field: &Field, value: &Value) -> String {
    match (field.field_type, value) {
        (_, Value::Boolean(true)) => "Yes".to_owned(),
        (_, Value::Boolean(false)) => "No".to_owned(),
        (FieldType::Country, Value::Text(code)) => country(code),
        (FieldType::Select | FieldType::Multiselect, Value::Text(text)) => label(field, text),
        (_, Value::Set(texts)) => {
            let labels: Vec<_> = texts.iter().map(|text| label(field, text)).collect();
            labels.join(", ")
        }
        _ => value.to_string(),
    }
}

/// What stands in the form for a value: what the field reads back as the same.
pub(super) fn entry(contact: Option<&Contact>, field: &Field) -> String {
    let value = contact.and_then(|contact| contact.field_value(field.alias.as_str()));
    let text = value.map(|value| value.to_string()).unwrap_or_default();
    match field.field_type {
        FieldType::Datetime => text.replace(".000000Z", "Z"),
        // The name, if it is read back.
        FieldType::Country => match text.parse::<Country>() {
            Ok(country) if country.name().parse() == Ok(country) => country.name().to_owned(),
            _ => text,
        },
        _ => text,
    }
}

fn country(code: &str) -> String {
    let country = code.parse::<Country>();
    country.map_or_else(|_| code.to_owned(), |country| country.name().to_owned())
}

fn label(field: &Field, text: &str) -> String {
    let option = field.options.iter().find(|option| option.value == text);
    option.map_or_else(|| text.to_owned(), |option| option.label.clone())
}

fn is_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}
