//! The page on which a segment is written.

use maud::{Markup, html};
use mauntic_crm::segment::{Preview, Segment};

use super::{
    PLACE,
    builder::View,
    edit::{Draft, Told},
    place, reference, sample,
    stock::Stock,
};
use crate::ui::{
    assets,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, code_area, input, text_area},
        frame, show,
    },
    shell,
    visitor::Visitor,
    words,
};

/// The page of a segment, or of a new one.
pub(super) struct Page<'a> {
    pub(super) visitor: &'a Visitor,
    /// The segment as it is, unless it is to be made.
    pub(super) segment: Option<&'a Segment>,
    pub(super) stock: &'a Stock,
}

impl Page<'_> {
    /// The page of a draft.
    pub(super) fn shown(&self, draft: &Draft, told: &Told) -> Markup {
        let here = self.segment.map_or_else(
            || format!("{PLACE}/new"),
            |segment| place(segment) + "/edit",
        );
        let back = self.segment.map_or_else(|| PLACE.to_owned(), place);
        let title = self.segment.map_or_else(
            || "New segment".to_owned(),
            |segment| format!("Edit {}", segment.name),
        );
        let content = html! {
            (frame::breadcrumbs(&[(PLACE, "Segments")], &title))
            (frame::header(&title, &html! {}))
            form method="post" action=(here) class="stack" id="segment-form" {
                (self.visitor.csrf())
                @if self.segment.is_some() { input type="hidden" name="version" value=(draft.version); }
                // Enter in a field presses the first button of a form: it must not lose or save anything.
                button type="submit" class="hidden" name="do" value="update" tabindex="-1" aria-hidden="true" { "Count" }
                section class="card" { (named(draft, told, self.segment.is_some())) }
                (self.editor(draft, told))
                p class="hidden" role="status" id="told" {}
                div class="row" {
                    (button("Save", Weight::Primary))
                    (button_link(&back, "Cancel", Weight::Plain))
                }
            }
            (reference::card(&self.stock.fields))
            @if let Some(sortable) = assets::added("sortable.js") { script defer src=(sortable) {} }
            script type="module" src=(assets::href("segments.js")) {}
        };
        shell(self.visitor, &title, PLACE, &content)
    }

    /// The rule as rows and as text, and whom it fits. The script replaces this part by that of another answer.
    fn editor(&self, draft: &Draft, told: &Told) -> Markup {
        let mut view = View::new(self.stock.known(), &self.stock.choices, &told.rows);
        view.focus.clone_from(&told.focus);
        let behind = draft.text.trim() != draft.shown.trim();
        html! {
            div class="stack" id="editor" {
                @if let Some(above) = &told.above { (above) }
                input type="hidden" name="shown" value=(draft.shown);
                div class="editor" {
                    section class="card" {
                        h2 { "Conditions" }
                        @if draft.rows.items.is_empty() {
                            p class="soft" { "Whom the segment takes in by itself. Without a condition it is static: people are put in by hand or by import." }
                        }
                        @if behind {
                            p class="toast warn" {
                                "The text was changed and cannot be read yet. The rows show what it said before. "
                                button type="submit" class="button" name="do" value="rows" { "Drop the text, take the rows" }
                            }
                        }
                        (view.shown(&draft.rows))
                    }
                    div class="stack" {
                        section class="card" {
                            (text_form(draft, told))
                            @if !told.rows.is_empty() && !draft.text.is_empty() {
                                p class="soft" { "The text follows once every row is complete." }
                            }
                            div class="row plain" { button type="submit" class="button" name="do" value="update" { "Bring rows and text in step" } }
                        }
                        (fits(draft, told))
                    }
                }
            }
        }
    }
}

/// Whom the rule fits, if it could be counted.
fn fits(draft: &Draft, told: &Told) -> Markup {
    let count = html! {
        div class="row" { button type="submit" class="button" name="do" value="preview" { "Count" } }
    };
    html! {
        section class="card" id="fits" data-wanted[told.preview.is_none() && !draft.text.is_empty()] {
            @if let Some(preview) = &told.preview { (shown(preview)) } @else {
                h2 { "Whom it fits" }
                @if draft.text.trim().is_empty() && draft.rows.items.is_empty() {
                    p class="soft" { "Nobody comes in by itself." }
                } @else if told.text.is_some() || !told.rows.is_empty() {
                    p class="soft" { "Complete the rule to see whom it fits." }
                }
            }
            (count)
        }
    }
}

fn named(draft: &Draft, told: &Told, is_made: bool) -> Markup {
    let name = Field {
        name: "name",
        label: "Name",
        value: &draft.name,
        error: told.name.as_deref(),
        required: true,
        ..Field::default()
    };
    let description = Field {
        name: "description",
        label: "Description",
        value: &draft.description,
        hint: Some("What it is for"),
        error: told.description.as_deref(),
        ..Field::default()
    };
    let list_name = Field {
        name: "list_name",
        label: "Name for recipients",
        value: &draft.list_name,
        hint: Some(
            "Makes it a mailing list, which recipients leave and join by themselves under this name",
        ),
        error: told.list_name.as_deref(),
        ..Field::default()
    };
    html! {
        (input(&name, "text"))
        (text_area(&description, 2))
        @if is_made { (input(&list_name, "text")) }
    }
}

fn text_form(draft: &Draft, told: &Told) -> Markup {
    let rule = Field {
        name: "rule",
        label: "As text",
        value: &draft.text,
        error: told.text.as_deref(),
        ..Field::default()
    };
    html! {
        (code_area(&rule, 6))
        @if let Some(excerpt) = &told.excerpt { (show::code(excerpt)) }
    }
}

/// How many a rule fits, and some of them.
fn shown(preview: &Preview) -> Markup {
    let title = match preview.count {
        1 => "Fits 1 contact".to_owned(),
        count => format!("Fits {} contacts", words::count(count)),
    };
    html! {
        h2 data-count { (title) }
        @for warning in &preview.warnings {
            (show::toast(&format!("Perhaps not meant: {warning}"), Tone::Warn))
        }
        @if !preview.sample.is_empty() { (sample(&preview.sample)) }
        p class="soft" { "Nothing was saved." }
    }
}

/// Says that both the rows and the text were changed, and what the rows said.
pub(super) fn both_changed(rows: &str) -> Markup {
    html! {
        (show::toast("You changed both the rows and the text, and they differ. The text counts: the rows follow it now. Nothing was saved. What the rows said stands here, to be copied:", Tone::Warn))
        (show::code(rows))
    }
}

/// Says that somebody else was faster, and what they saved.
pub(super) fn overtaken(present: &Draft) -> Markup {
    let text = format!(
        "Somebody changed this segment while you wrote: it is at version {}. Nothing was saved. What you typed is kept below; saving it replaces their change.",
        present.version
    );
    let rule = if present.text.is_empty() {
        "(static)"
    } else {
        &present.text
    };
    html! {
        (show::toast(&text, Tone::Bad))
        (show::card("What they saved", &show::values(&[
            ("Name", html! { (present.name) }),
            ("Description", html! { (present.description) }),
            ("Rule", show::code(rule)),
        ])))
    }
}
