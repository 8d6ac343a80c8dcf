//! Tables whose columns sort and whose pages go on after the last row.

use maud::{Markup, html};

use super::{live::Part, slug};

/// The head of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Where the same page is sorted by it, if it can be.
    pub(crate) sort: Option<&'a str>,
    /// The direction it is sorted in now: `ascending` or `descending`.
    pub(crate) sorted: Option<&'a str>,
    /// Whether it holds numbers.
    pub(crate) number: bool,
}

impl<'a> Column<'a> {
    /// A column of texts that does not sort.
    pub(crate) fn plain(name: &'a str) -> Self {
        Self {
            name,
            sort: None,
            sorted: None,
            number: false,
        }
    }

    /// A column of numbers that does not sort.
    pub(crate) fn number(name: &'a str) -> Self {
        Self {
            number: true,
            ..Self::plain(name)
        }
    }
}

/// A table. `rows` are `tr`; `caption` says what it lists; `next` leads to the following page.
pub(crate) fn table(
    caption: &str,
    columns: &[Column<'_>],
    rows: &[Markup],
    next: Option<&str>,
) -> Markup {
    let id = format!("list-{}", slug(caption));
    let part = Part {
        id: &id,
        others: None,
    };
    table_of(caption, columns, rows, next, part)
}

/// The same where more than the table changes with the address.
pub(crate) fn table_of(
    caption: &str,
    columns: &[Column<'_>],
    rows: &[Markup],
    next: Option<&str>,
    part: Part<'_>,
) -> Markup {
    let id = format!("list-{}", slug(caption));
    html! {
        div class="stack" id=(id) {
            div class="scroll" id={ (id) "-rows" } tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption class="hidden" { (caption) }
                    thead { tr {
                        @for column in columns {
                            @if column.name.is_empty() { td {} } @else {
                                th scope="col" class=[column.number.then_some("number")] aria-sort=[column.sorted] {
                                    @if let Some(href) = column.sort { (way(href, part, None, column.name, &format!("{id}-by-{}", slug(column.name)))) } @else { (column.name) }
                                }
                            }
                        }
                    } }
                    tbody { @for row in rows { (row) } }
                }
            }
            @if let Some(next) = next { (next_page(next, part, &format!("{id}-next"))) }
        }
    }
}

/// The way to what comes behind a list that is no table, in the part of the page that changes.
pub(crate) fn next_page(next: &str, part: Part<'_>, id: &str) -> Markup {
    html! { nav class="row" aria-label="Pages" { (way(next, part, Some("next"), "Next page", id)) } }
}

/// A link to the same list, sorted otherwise or further on: with htmx only the list changes.
fn way(href: &str, part: Part<'_>, rel: Option<&str>, text: &str, id: &str) -> Markup {
    let list = format!("#{}", part.id);
    html! {
        a href=(href) rel=[rel] id=(id) class=[rel.map(|_| "button")] hx-get=(href) hx-target=(list) hx-select=(list)
            hx-select-oob=[part.others] hx-swap="outerHTML show:top" hx-push-url="true" { (text) }
    }
}
