//! Tables whose columns sort and whose pages go on after the last row.

use maud::{Markup, html};

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

/// A table. `rows` are `tr`; `caption` says what it lists; `next` leads to the following page.
pub(crate) fn table(
    caption: &str,
    columns: &[Column<'_>],
    rows: &[Markup],
    next: Option<&str>,
) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(caption) {
            table {
                caption class="hidden" { (caption) }
                thead { tr {
                    @for column in columns {
                        th scope="col" class=[column.number.then_some("number")] aria-sort=[column.sorted] {
                            @if let Some(href) = column.sort { a href=(href) { (column.name) } } @else { (column.name) }
                        }
                    }
                } }
                tbody { @for row in rows { (row) } }
            }
        }
        @if let Some(next) = next { nav class="row" aria-label="Pages" { a class="button" rel="next" href=(next) { "Next page" } } }
    }
}
