//! How an HTML mail looks in a mail program that is set to dark.

use std::ops::Range;

/// A mail in the dark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dark {
    /// The HTML, which looks so in any browser, whatever that is set to.
    pub html: String,
    /// Whether the mail has dark styles of its own, which programs such as Apple Mail show. If not, this is how
    /// programs that recolour every mail by themselves show it, roughly: each has its own way.
    pub own: bool,
}

/// What every screen is, and what none is.
const ALWAYS: &str = "(min-width: 0px)";
const NEVER: &str = "(max-width: -1px)";

/// The page itself becomes dark, as mail programs make it.
const OWN: &str = "<style>:root { color-scheme: dark; }</style>";
/// Colours are turned around, hues stay, and so do pictures.
const RECOLOURED: &str = "<style>html { background: #fff; filter: invert(.9) hue-rotate(180deg); } img, video { filter: invert(1) hue-rotate(180deg); }</style>";

/// Shows a mail in the dark.
#[must_use]
pub fn in_the_dark(html: &str) -> Dark {
    let (mut decided, mut own, mut end) = (String::with_capacity(html.len()), false, 0);
    for style in styles(html) {
        decided.push_str(&html[end..style.start]);
        own |= decide(&html[style.clone()], &mut decided);
        end = style.end;
    }
    if own {
        decided.push_str(&html[end..]);
        let html = with_style(&decided, OWN);
        return Dark { html, own };
    }
    let html = with_style(html, RECOLOURED);
    Dark { html, own }
}

/// Copies a style sheet in which it is decided what its queries for dark and light ask; whether it has one for dark.
fn decide(style: &str, decided: &mut String) -> bool {
    let (mut dark, mut end) = (false, 0);
    for (start, _) in style.match_indices('(') {
        let Some((query, is_dark)) = query(&style[start..]) else {
            continue;
        };
        dark |= is_dark;
        decided.push_str(&style[end..start]);
        decided.push_str(if is_dark { ALWAYS } else { NEVER });
        end = start + query;
    }
    decided.push_str(&style[end..]);
    dark
}

/// How long the query for dark or light is that a text begins with, and whether it asks for dark.
fn query(text: &str) -> Option<(usize, bool)> {
    let after = |text: &'_ str, word: &str| {
        let text = text.trim_start();
        let found = text.get(..word.len())?.eq_ignore_ascii_case(word);
        found.then(|| text.len() - word.len())
    };
    let mut rest = text;
    for word in ["(", "prefers-color-scheme", ":"] {
        rest = &text[text.len() - after(rest, word)?..];
    }
    let (left, dark) = match (after(rest, "dark"), after(rest, "light")) {
        (Some(left), _) => (left, true),
        (_, Some(left)) => (left, false),
        _ => return None,
    };
    let left = after(&text[text.len() - left..], ")")?;
    Some((text.len() - left, dark))
}

/// Where the style sheets are. What only looks like one, in a comment, is taken for one too: nothing comes of it.
fn styles(html: &str) -> Vec<Range<usize>> {
    let lower = html.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = lower[from..].find("<style").map(|at| at + from) {
        let end = lower[start..]
            .find("</style")
            .map_or(html.len(), |at| at + start);
        found.push(start..end);
        from = end;
    }
    found
}

/// Puts a style sheet in front of the others, or of everything.
fn with_style(html: &str, style: &str) -> String {
    let head = html.to_ascii_lowercase().find("<head").and_then(|start| {
        let end = html[start..].find('>')?;
        Some(start + end + 1)
    });
    let (before, after) = html.split_at(head.unwrap_or_default());
    format!("{before}{style}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_styles_of_its_own_are_shown_and_light_ones_not() {
        let html = "<html><head><STYLE>@media ( PREFERS-color-scheme:dark ) { p { color: white } }\
             @media screen and (prefers-color-scheme: light) { p { color: black } }</STYLE></head>\
             <body><p>(prefers-color-scheme: dark)</p></body></html>";
        let dark = in_the_dark(html);
        assert!(dark.own);
        assert!(
            dark.html
                .contains("@media (min-width: 0px) { p { color: white }"),
            "{}",
            dark.html
        );
        assert!(
            dark.html.contains("screen and (max-width: -1px)"),
            "{}",
            dark.html
        );
        assert!(
            dark.html.contains("<p>(prefers-color-scheme: dark)</p>"),
            "text stays"
        );
        assert!(
            dark.html
                .starts_with("<html><head><style>:root { color-scheme: dark; }")
        );
    }

    #[test]
    fn a_mail_without_them_is_recoloured() {
        let dark = in_the_dark("<p>Hi</p>");
        assert!(!dark.own);
        assert!(dark.html.contains("invert") && dark.html.ends_with("<p>Hi</p>"));
    }

    #[test]
    fn nothing_that_is_no_html_is_lost() {
        for html in [
            "",
            "<style",
            "<head",
            "<style>@media (prefers-color-scheme: dark) { ä",
            "ÄÖÜ <STYLE>é</style> ß",
        ] {
            let dark = in_the_dark(html).html;
            let kept = dark
                .replace(OWN, "")
                .replace(RECOLOURED, "")
                .replace(ALWAYS, "(prefers-color-scheme: dark)");
            assert_eq!(kept, html);
        }
    }
}
