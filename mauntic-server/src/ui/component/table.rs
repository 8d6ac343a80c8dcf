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

/// The id of a list, for htmx to find it again in the next page.
fn id(caption: &str) -> String {
    let words = caption.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    format!("list-{}", words.join("-").to_ascii_lowercase())
}

/// A table. `rows` are `tr`; `caption` says what it lists; `next` leads to the following page.
pub(crate) fn table(
    caption: &str,
    columns: &[Column<'_>],
    rows: &[Markup],
    next: Option<&str>,
) -> Markup {
    let id = id(caption);
    let itself = format!("#{id}");
    html! {
        div class="stack" id=(id) {
            div class="scroll" tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption class="hidden" { (caption) }
                    thead { tr {
                        @for column in columns {
                            @if column.name.is_empty() { td {} } @else {
                                th scope="col" class=[column.number.then_some("number")] aria-sort=[column.sorted] {
                                    @if let Some(href) = column.sort { (way(href, &itself, None, column.name)) } @else { (column.name) }
                                }
                            }
                        }
                    } }
                    tbody { @for row in rows { (row) } }
                }
            }
            @if let Some(next) = next { nav class="row" aria-label="Pages" { (way(next, &itself, Some("next"), "Next page")) } }
        }
    }
}

/// A link to the same list, sorted otherwise or further on: with htmx only the list changes.
fn way(href: &str, list: &str, rel: Option<&str>, text: &str) -> Markup {
    html! {
        a href=(href) rel=[rel] class=[rel.map(|_| "button")] hx-get=(href) hx-target=(list) hx-select=(list)
            hx-swap="outerHTML show:top" hx-push-url="true" { (text) }
    }
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn a_list_is_found_again_by_its_caption() {
        assert_eq!(id("Bad rows, by line"), "list-bad-rows-by-line");
    }
}
