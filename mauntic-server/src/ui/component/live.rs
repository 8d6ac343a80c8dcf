//! What changes in place where htmx is there, and by plain links and forms where it is not.
//!
//! Each asks for the page that it stands in and takes a part of the answer, so that a part and its page cannot differ.

use maud::{Markup, html};

use super::show;

/// What of a page comes anew when its address says something else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// The id of what is looked at.
    pub(crate) id: &'a str,
    /// The ids of what else depends on the address, with `#` in front and commas between.
    pub(crate) others: Option<&'a str>,
}

/// A form of filters, sent with `GET` to `action`: what they leave shows at once, in the part of the page with the id `part`.
/// Have a button in it for those without scripting; class `plain` hides it from all others.
pub(crate) fn filters(action: &str, part: &str, content: &Markup) -> Markup {
    let part = Part {
        id: part,
        others: None,
    };
    filters_of(action, part, "filters", content)
}

/// The form of a list that is narrowed by a part of the name.
pub(crate) fn name_filter(action: &str, part: &str, asked: &str) -> Markup {
    filters(
        action,
        part,
        &html! {
            label for="q" { "Name" }
            div { input id="q" name="q" type="search" value=(asked); }
            button type="submit" class="button plain" { "Find" }
        },
    )
}

/// The same as [`filters`] where more of the page depends on what the form says.
pub(crate) fn filters_of(action: &str, part: Part<'_>, class: &str, content: &Markup) -> Markup {
    let id = format!("#{}", part.id);
    html! {
        form class=(class) method="get" action=(action) hx-get=(action) hx-trigger="input delay:250ms, submit"
            hx-target=(id) hx-select=(id) hx-select-oob=[part.others] hx-swap="outerHTML" hx-indicator=(id) hx-sync="this:replace"
            hx-replace-url="true" { (content) }
    }
}

/// A form that changes something and leads back to the page that it stands in, whose content comes anew: without a
/// reload, but for an answer that is another page. `content` holds the field that proves the form is ours.
pub(crate) fn posted(action: &str, class: Option<&str>, content: &Markup) -> Markup {
    // A second click while the first is on its way changes nothing twice.
    html! {
        form method="post" action=(action) class=[class] hx-post=(action) hx-target="#main" hx-select="#main" hx-swap="outerHTML" hx-sync="this:drop" {
            (content)
        }
    }
}

/// Stands in the part `id` for what takes a moment, which is on the page at `address`: where there is scripting, that
/// part comes by itself and a skeleton of so many `lines` holds its place; `link` leads there without.
pub(crate) fn late(id: &str, address: &str, link: &Markup, lines: u8) -> Markup {
    let part = format!("#{id}");
    html! {
        div class="stack late" hx-get=(address) hx-trigger="load" hx-select=(part) hx-target=(part) hx-swap="outerHTML" {
            (link)
            (show::skeleton(lines))
        }
    }
}

/// A part of the page at `address` that is looked at again every two seconds while it is `running`.
pub(crate) fn followed(id: &str, address: &str, running: bool, content: &Markup) -> Markup {
    let itself = format!("#{id}");
    html! {
        @if running {
            div class="stack" id=(id) hx-get=(address) hx-trigger="every 2s" hx-select=(itself) hx-target="this" hx-swap="outerHTML" {
                (content)
                p class="plain" { a href=(address) { "Look again" } }
            }
        } @else {
            div class="stack" id=(id) { (content) }
        }
    }
}
