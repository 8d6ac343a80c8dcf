//! What people press.

use maud::{Markup, html};

use super::{
    icon::{Icon, icon},
    live, slug,
};

/// How much a button asks for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The one thing to do on the page.
    Primary,
    /// Anything else.
    Plain,
    /// Loses something.
    Danger,
}

impl Weight {
    fn class(self) -> &'static str {
        match self {
            Self::Primary => "button primary",
            Self::Plain => "button",
            Self::Danger => "button danger",
        }
    }
}

/// Sends the form it stands in.
pub(crate) fn button(text: &str, weight: Weight) -> Markup {
    html! { button type="submit" class=(weight.class()) { (text) } }
}

/// Sends the form it stands in, and says by which way to go on.
pub(crate) fn step_button(step: &str, text: &str, weight: Weight) -> Markup {
    html! { button type="submit" name="step" value=(step) class=(weight.class()) { (text) } }
}

/// Does something at once; `token` is the field that proves the form is ours.
pub(crate) fn act(action: &str, text: &str, token: &Markup) -> Markup {
    let id = slug(action);
    let content =
        html! { (token) button type="submit" class=(Weight::Plain.class()) id=(id) { (text) } };
    live::posted(action, None, &content)
}

/// A link that looks like a button.
pub(crate) fn button_link(href: &str, text: &str, weight: Weight) -> Markup {
    html! { a class=(weight.class()) href=(href) { (text) } }
}

/// Changes the theme; needs the script.
pub(crate) fn theme_toggle() -> Markup {
    html! { button type="button" class="button" data-theme-toggle { "Light or dark" } }
}

/// A menu of links and buttons, opened by keyboard or mouse without the script.
pub(crate) fn menu(label: &str, items: &[Markup]) -> Markup {
    named_menu(
        &html! { (icon(Icon::More)) span class="hidden" { (label) } },
        items,
    )
}

/// A menu that shows something else than three dots; its text, seen or hidden, says what it is.
pub(crate) fn named_menu(shown: &Markup, items: &[Markup]) -> Markup {
    html! {
        details class="menu" {
            summary class="button" { (shown) }
            div { @for item in items { (item) } }
        }
    }
}

/// A link to a page of a [`confirmation`], which shows as a dialog where there is scripting.
pub(crate) fn ask_first(href: &str, text: &str) -> Markup {
    html! { a class="button danger" href=(href) id=(slug(href)) data-confirm { (text) } }
}

/// What opens below a button, by keyboard or mouse without the script.
pub(crate) fn panel(label: &str, content: &Markup) -> Markup {
    html! {
        details class="panel" id=(slug(label)) {
            summary class="button" { (label) }
            div class="card" { (content) }
        }
    }
}

/// Asks before something is lost, and names it. A page of its own, so it works without the script.
/// `token` is the field that proves the form is ours.
pub(crate) fn confirmation(
    question: &str,
    lost: &[String],
    verb: &str,
    back: &str,
    token: &Markup,
) -> Markup {
    html! {
        section class="card" data-confirmation {
            h1 { (question) }
            p { "This will be lost and cannot be brought back:" }
            ul class="tree" { @for thing in lost { li { (thing) } } }
            form method="post" class="row" {
                (token)
                (button(verb, Weight::Danger))
                a class="button" href=(back) data-keep { "Keep it" }
            }
        }
    }
}
