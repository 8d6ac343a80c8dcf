//! What changes in place where htmx is there, and by plain links and forms where it is not.
//!
//! Each asks for the page that it stands in and takes a part of the answer, so that a part and its page cannot differ.

use maud::{Markup, html};

/// A form of filters, sent with `GET` to `action`: what they leave shows at once, in the part of the page with the id `part`.
/// Have a button in it for those without scripting; class `plain` hides it from all others.
pub(crate) fn filters(action: &str, part: &str, content: &Markup) -> Markup {
    let part = format!("#{part}");
    html! {
        form class="filters" method="get" action=(action) hx-get=(action) hx-trigger="input delay:250ms, submit"
            hx-target=(part) hx-select=(part) hx-swap="outerHTML" hx-indicator=(part) hx-sync="this:replace"
            hx-replace-url="true" { (content) }
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
