//! Files for spreadsheets (RFC 4180).

use poem::{Body, Response, http::header};

/// An answer that a browser keeps as a file of that name, which needs no quoting.
pub(super) fn file(name: &str, content: impl Into<Body>) -> Response {
    Response::builder()
        .content_type("text/csv; charset=utf-8")
        .header(
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        )
        .body(content)
}

/// A line of cells.
pub(super) fn line(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
    cells.join(",") + "\r\n"
}

/// A cell. What a spreadsheet would run as a formula gets an apostrophe in front.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::{cell, line};

    #[test]
    fn no_cell_is_a_formula_or_ends_early() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(cell("plain"), "\"plain\"");
        assert_eq!(
            cell("550 no \"such\", user"),
            "\"550 no \"\"such\"\", user\""
        );
        assert_eq!(
            line(&["a".to_owned(), "=b".to_owned()]),
            "\"a\",\"'=b\"\r\n"
        );
    }
}
