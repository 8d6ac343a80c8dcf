//! What pages show.

use maud::{Markup, html};

use super::Tone;
use crate::ui::words;

/// A word about a state.
pub(crate) fn badge(text: &str, tone: Tone) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// A box with a title.
pub(crate) fn card(title: &str, content: &Markup) -> Markup {
    html! { section class="card" { h2 { (title) } (content) } }
}

/// One figure.
pub(crate) fn stat(label: &str, value: &str, note: &str) -> Markup {
    html! {
        div class="card stat" {
            div class="soft" { (label) }
            div class="value" { (value) }
            div class="soft" { (note) }
        }
    }
}

/// Says that there is nothing yet, and leads to the next step.
pub(crate) fn empty(title: &str, text: &str, action: &Markup) -> Markup {
    html! { section class="card empty" { h2 { (title) } p { (text) } (action) } }
}

/// Says what just happened.
pub(crate) fn toast(text: &str, tone: Tone) -> Markup {
    told(&html! { (text) }, tone)
}

/// The same with more than plain text in it.
pub(crate) fn told(text: &Markup, tone: Tone) -> Markup {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! { p class={ "toast " (tone.class()) } role=(role) { (text) } }
}

/// Says on every page what concerns all of them, and what can be done about it.
pub(crate) fn banner(text: &Markup, action: &Markup) -> Markup {
    html! { aside class="banner" aria-label="Notice" { p { (text) } (action) } }
}

/// Tabs: pairs of address and text.
pub(crate) fn tabs(label: &str, items: &[(&str, &str)], current: &str) -> Markup {
    html! {
        nav class="tabs" aria-label=(label) {
            @for (href, text) in items { a href=(href) aria-current=[(*href == current).then_some("page")] { (text) } }
        }
    }
}

/// A filter that is on; `href` is the page without it.
pub(crate) fn chip(text: &str, href: &str) -> Markup {
    html! { a class="chip" href=(href) { (text) span aria-hidden="true" { "×" } span class="hidden" { ", remove" } } }
}

/// How far something is.
pub(crate) fn progress(label: &str, done: u64, total: u64) -> Markup {
    html! {
        div {
            div class="row" { span { (label) } span class="soft" { (words::count(done)) " of " (words::count(total)) } }
            progress aria-label=(label) value=(done) max=(total.max(1)) {}
        }
    }
}

/// The steps of something, and which one is now.
pub(crate) fn steps(names: &[&str], now: usize) -> Markup {
    html! {
        ol class="steps" aria-label="Steps" {
            @for (index, name) in names.iter().enumerate() { li aria-current=[(index == now).then_some("step")] { (name) } }
        }
    }
}

/// Holds the place of what is on its way.
pub(crate) fn skeleton(lines: u8) -> Markup {
    html! { div class="stack" role="status" aria-label="Loading" { @for _ in 0..lines { div class="skeleton" {} } } }
}

/// Text as it is.
pub(crate) fn code(text: &str) -> Markup {
    html! { pre class="code" tabindex="0" { code { (text) } } }
}

/// Names and values.
pub(crate) fn values(pairs: &[(&str, Markup)]) -> Markup {
    html! { dl class="values" { @for (name, value) in pairs { dt { (name) } dd { (value) } } } }
}

/// The first letters of a name.
pub(crate) fn avatar(name: &str) -> Markup {
    let letters = name
        .split_whitespace()
        .filter_map(|word| word.chars().next());
    let letters: String = letters.take(2).flat_map(char::to_uppercase).collect();
    html! { span class="avatar" aria-hidden="true" { (letters) } }
}

/// A node of a [`tree`].
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// What it says.
    pub(crate) text: String,
    /// What stands below it.
    pub(crate) below: Vec<Self>,
}

/// Nested lists.
pub(crate) fn tree(nodes: &[Node]) -> Markup {
    html! {
        ul class="tree" {
            @for node in nodes { li { (node.text) @if !node.below.is_empty() { (tree(&node.below)) } } }
        }
    }
}
