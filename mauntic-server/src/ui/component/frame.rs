//! The frame around every page.

use maud::{DOCTYPE, Markup, html};

use super::icon::{Icon, icon};
use crate::ui::assets;

/// A place in the navigation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Where it is.
    pub(crate) href: &'a str,
    /// What it is called.
    pub(crate) name: &'a str,
    /// Its icon.
    pub(crate) icon: Icon,
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · Mauntic" }
                link rel="stylesheet" href=(assets::href("mauntic.css"));
                script type="module" src=(assets::href("mauntic.js")) {}
            }
            (body)
        }
    }
}

/// A page within the navigation; `current` is the address of the place it belongs to, and `foot` stands below the places.
pub(crate) fn page(
    title: &str,
    places: &[Place<'_>],
    current: &str,
    foot: &Markup,
    content: &Markup,
) -> Markup {
    document(
        title,
        &html! {
            body {
                a class="skip" href="#main" { "Skip to content" }
                div class="shell" {
                    nav class="nav" aria-label="Main" {
                        a class="brand" href="/app" { "Mauntic" }
                        @for place in places {
                            a class="place" href=(place.href) aria-current=[(place.href == current).then_some("page")] {
                                (icon(place.icon)) span { (place.name) }
                            }
                        }
                        div class="foot" { (foot) }
                    }
                    main class="main" id="main" { (content) }
                }
            }
        },
    )
}

/// A page of its own: login, errors.
pub(crate) fn alone(title: &str, content: &Markup) -> Markup {
    document(
        title,
        &html! { body class="alone" { main id="main" { section class="card" { h1 { (title) } (content) } } } },
    )
}

/// The title of a page with what can be done there.
pub(crate) fn header(title: &str, actions: &Markup) -> Markup {
    html! { div class="head" { h1 { (title) } div class="row" { (actions) } } }
}

/// The way to this page: pairs of address and text, then the page itself.
pub(crate) fn breadcrumbs(way: &[(&str, &str)], here: &str) -> Markup {
    html! {
        nav class="crumbs" aria-label="Breadcrumbs" {
            ol {
                @for (href, text) in way { li { a href=(href) { (text) } } }
                li aria-current="page" { (here) }
            }
        }
    }
}
