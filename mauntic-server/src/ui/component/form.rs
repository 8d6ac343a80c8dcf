//! Fields with a label, a hint and an error that a reader of the screen connects.

use maud::{Markup, html};

/// What every field has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Field<'a> {
    /// The name in the form, also its id.
    pub(crate) name: &'a str,
    /// What it asks for.
    pub(crate) label: &'a str,
    /// What stands in it.
    pub(crate) value: &'a str,
    /// Helps to fill it in.
    pub(crate) hint: Option<&'a str>,
    /// What is wrong with the value.
    pub(crate) error: Option<&'a str>,
    /// Whether it may not be empty.
    pub(crate) required: bool,
}

impl Field<'_> {
    /// The ids of what describes it.
    fn described(&self) -> Option<String> {
        let name = self.name;
        match (self.hint, self.error) {
            (None, None) => None,
            (Some(_), None) => Some(format!("{name}-hint")),
            (None, Some(_)) => Some(format!("{name}-error")),
            (Some(_), Some(_)) => Some(format!("{name}-hint {name}-error")),
        }
    }

    fn wrap(&self, control: &Markup) -> Markup {
        html! {
            div class="field" {
                label for=(self.name) {
                    (self.label)
                    @if !self.required { span class="hint" { " (optional)" } }
                }
                (control)
                @if let Some(hint) = self.hint { p class="hint" id={ (self.name) "-hint" } { (hint) } }
                @if let Some(error) = self.error { p class="error" id={ (self.name) "-error" } { (error) } }
            }
        }
    }
}

/// One line; `kind` is the type of the input: `text`, `email`, `password`, `date`, ….
pub(crate) fn input(field: &Field<'_>, kind: &str) -> Markup {
    line(field, kind, None)
}

/// One line that browsers and password managers fill in: `username`, `current-password`, `one-time-code`, ….
pub(crate) fn filled(field: &Field<'_>, kind: &str, with: &str) -> Markup {
    line(field, kind, Some(with))
}

/// One line that offers what fits while somebody types: the parts `select` of the page at `source`, asked with what was
/// typed, which are options.
pub(crate) fn looked_up(field: &Field<'_>, source: &str, select: &str) -> Markup {
    let list = format!("{}-found", field.name);
    field.wrap(&html! {
        input id=(field.name) name=(field.name) type="text" value=(field.value) required[field.required] list=(list) autocomplete="off"
            aria-invalid=[field.error.map(|_| "true")] aria-describedby=[field.described()]
            hx-get=(source) hx-trigger="input changed delay:200ms" hx-target={ "#" (list) } hx-select=(select)
            hx-swap="innerHTML" hx-sync="this:replace";
        datalist id=(list) {}
    })
}

fn line(field: &Field<'_>, kind: &str, with: Option<&str>) -> Markup {
    field.wrap(&html! {
        input id=(field.name) name=(field.name) type=(kind) value=(field.value) required[field.required]
            autocomplete=[with] aria-invalid=[field.error.map(|_| "true")] aria-describedby=[field.described()];
    })
}

/// Several lines. Browsers drop the first line break, so that one is put before the value.
pub(crate) fn text_area(field: &Field<'_>, rows: u8) -> Markup {
    field.wrap(&html! {
        textarea id=(field.name) name=(field.name) rows=(rows) required[field.required]
            aria-invalid=[field.error.map(|_| "true")] aria-describedby=[field.described()] { "\n" (field.value) }
    })
}

/// Several lines of code.
pub(crate) fn code_area(field: &Field<'_>, rows: u8) -> Markup {
    field.wrap(&html! {
        textarea class="code" spellcheck="false" autocomplete="off" id=(field.name) name=(field.name) rows=(rows) required[field.required]
            aria-invalid=[field.error.map(|_| "true")] aria-describedby=[field.described()] { "\n" (field.value) }
    })
}

/// One of a few: pairs of value and text.
pub(crate) fn select(field: &Field<'_>, choices: &[(&str, &str)]) -> Markup {
    field.wrap(&html! {
        select id=(field.name) name=(field.name) required[field.required]
            aria-invalid=[field.error.map(|_| "true")] aria-describedby=[field.described()] {
            @for (value, text) in choices { option value=(value) selected[*value == field.value] { (text) } }
        }
    })
}

/// Yes or no.
pub(crate) fn checkbox(name: &str, label: &str, checked: bool) -> Markup {
    html! { label class="check" { input type="checkbox" name=(name) checked[checked]; span { (label) } } }
}

/// One of several boxes of the same name.
pub(crate) fn checkbox_of(name: &str, value: &str, label: &str, checked: bool) -> Markup {
    html! { label class="check" { input type="checkbox" name=(name) value=(value) checked[checked]; span { (label) } } }
}
