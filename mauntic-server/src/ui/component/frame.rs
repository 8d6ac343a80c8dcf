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
    /// What it and those behind it are together, if it is the first of them.
    pub(crate) group: Option<&'a str>,
}

/// How htmx behaves: no script or style of its own making, nothing kept of pages, no other site.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyCacheSize":0,"refreshOnHistoryMiss":true,"defaultSwapStyle":"outerHTML"}"#;

fn document(title: &str, body: &Markup) -> Markup {
    let htmx = assets::added("htmx.js");
    html! {
        (DOCTYPE)
        html lang="en" data-live[htmx.is_some()] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · Mauntic" }
                link rel="icon" type="image/svg+xml" href=(assets::href("mark.svg"));
                link rel="stylesheet" href=(assets::href("mauntic.css"));
                // Not deferred: the theme that somebody chose must be there before anything is drawn.
                script src=(assets::href("theme.js")) {}
                @if let Some(htmx) = &htmx {
                    meta name="htmx-config" content=(HTMX);
                    script defer src=(htmx) {}
                }
                script type="module" src=(assets::href("mauntic.js")) {}
            }
            (body)
        }
    }
}

/// What stands around the content of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The navigation.
    pub(crate) places: &'a [Place<'a>],
    /// The address of the place that the page belongs to.
    pub(crate) current: &'a str,
    /// Above the content, across its width.
    pub(crate) top: &'a Markup,
}

/// A page within the navigation.
pub(crate) fn page(title: &str, around: &Around<'_>, content: &Markup) -> Markup {
    document(
        title,
        &html! {
            body {
                a class="skip" href="#main" { "Skip to content" }
                div class="shell" {
                    nav class="nav" aria-label="Main" {
                        a class="brand" href="/app/" { (icon(Icon::Mark)) span { "Mauntic" } }
                        @for place in around.places {
                            @if let Some(group) = place.group { span class="group" { (group) } }
                            a class="place" href=(place.href) aria-current=[(place.href == around.current).then_some("page")] {
                                (icon(place.icon)) span { (place.name) }
                            }
                        }
                    }
                    div class="body" {
                        header class="top" { (around.top) }
                        main class="main" id="main" tabindex="-1" { (content) }
                    }
                }
                div class="toasts" aria-live="polite" {}
            }
        },
    )
}

/// The search over everything: with htmx, what is found shows below it while somebody types.
pub(crate) fn search(action: &str, asked: &str) -> Markup {
    html! {
        form class="search" role="search" aria-label="Everything" method="get" action=(action) {
            (icon(Icon::Search))
            label class="hidden" for="search-all" { "Search contacts, segments and emails" }
            input type="search" id="search-all" name="q" value=(asked) placeholder="Search" autocomplete="off" maxlength="200"
                aria-keyshortcuts="/ Control+K" data-search hx-get=(action) hx-trigger="input changed delay:200ms" hx-target="#results"
                hx-select="#found > *" hx-swap="innerHTML" hx-sync="this:replace";
            kbd aria-hidden="true" { "/" }
            div class="results" id="results" data-results {}
        }
    }
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
