//! What an import would do, before anything is written.

use maud::{Markup, html};
use mauntic_crm::{FieldSet, import::ImportPreview};

use super::{PLACE, steps::short};
use crate::ui::{
    component::{
        Tone,
        action::{Weight, step_button},
        frame, show,
        table::{Column, table},
    },
    contacts, shell,
    visitor::{CSRF, Fields, Visitor},
    words::count,
};

/// Shows it.
pub(super) fn page(
    visitor: &Visitor,
    name: &str,
    fields: &FieldSet,
    form: &Fields,
    found: &ImportPreview,
) -> Markup {
    let counts = &found.counts;
    let kept = form
        .pairs()
        .filter(|(name, _)| !matches!(*name, CSRF | "step"));
    let there = match form.text("existing") {
        "skip" => "there already: left as they are",
        "fill_blanks" => "there already: what they lack is filled in",
        _ => "there already: updated where the file says otherwise",
    };
    let left_out: Vec<_> = found
        .columns
        .iter()
        .filter(|(_, target)| target.is_none())
        .map(|(column, _)| column.as_str())
        .collect();
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Imports")], name))
        (frame::header(&format!("Import {name}"), &html! {}))
        (show::steps(&["File", "Columns", "What will happen", "Import"], 2))
        p { "The whole file was read; nothing is written yet. It has " strong { (count(counts.rows)) } " rows." }
        div class="grid" {
            (show::stat("New", &count(counts.created), "contacts are added"))
            (show::stat("Updated", &count(counts.updated), there))
            (show::stat("Skipped", &count(counts.failed), "rows cannot be used; a report will say why"))
            (show::stat("Repeated", &count(counts.duplicates), "rows about a contact that a later row is about too"))
        }
        @if !left_out.is_empty() { p class="soft" { "Left out: " (left_out.join(", ")) "." } }
        @if !found.problems.is_empty() { (show::card("The first rows with problems", &problems(found))) }
        @if !found.rows.is_empty() { (show::card("The first rows as they will be stored", &rows(fields, found))) }
        form method="post" class="row" {
            (visitor.csrf())
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
            @if counts.created + counts.updated > 0 { (step_button("start", "Import", Weight::Primary)) }
            @else { (show::badge("No row can be used", Tone::Bad)) }
            (step_button("change", "Change something", Weight::Plain))
        }
    };
    shell(visitor, "Import contacts", contacts::PLACE, &content)
}

fn problems(found: &ImportPreview) -> Markup {
    let rows: Vec<_> = found.problems.iter().map(super::show::problem).collect();
    table(
        "Problems",
        &super::show::PROBLEM.map(Column::plain),
        &rows,
        None,
    )
}

fn rows(fields: &FieldSet, found: &ImportPreview) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for row in &found.rows {
        for name in row.values.keys() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let label = |name: &'_ str| match fields.get(name) {
        Some(field) => field.label.clone(),
        None => name.replace('_', " "),
    };
    let labels: Vec<_> = names.iter().map(|name| label(name)).collect();
    let columns: Vec<_> = std::iter::once("Line")
        .chain(labels.iter().map(String::as_str))
        .map(Column::plain)
        .collect();
    let rows: Vec<_> = found
        .rows
        .iter()
        .map(|row| {
            html! { tr {
                td { (row.line) }
                @for name in &names { td { @if let Some(value) = row.values.get(*name) { (short(value)) } } }
            } }
        })
        .collect();
    table("The first rows", &columns, &rows, None)
}
