//! How an HTML mail looks in a mail program that is set to dark.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

/// A mail in the dark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dark {
    /// The HTML, which looks so in any browser, whatever that is set to.
    pub html: String,
    /// Whether the mail has dark styles of its own, which programs such as Apple Mail show. If not, this is how
    /// programs that recolour every mail by themselves show it, roughly: each has its own way.
    pub own: bool,
}

static ASKS_FOR_DARK: LazyLock<Regex> = LazyLock::new(|| scheme("dark"));
static ASKS_FOR_LIGHT: LazyLock<Regex> = LazyLock::new(|| scheme("light"));

fn scheme(name: &str) -> Regex {
    Regex::new(&format!(r"(?i)\(\s*prefers-color-scheme\s*:\s*{name}\s*\)"))
        .expect("the expression is fixed, and a test uses it")
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
    let own = styles(html)
        .into_iter()
        .any(|style| ASKS_FOR_DARK.is_match(&html[style]));
    if !own {
        return Dark {
            html: with_style(html, RECOLOURED),
            own,
        };
    }
    let mut decided = String::with_capacity(html.len());
    let mut end = 0;
    for style in styles(html) {
        decided.push_str(&html[end..style.start]);
        let dark = ASKS_FOR_DARK.replace_all(&html[style.clone()], ALWAYS);
        decided.push_str(&ASKS_FOR_LIGHT.replace_all(&dark, NEVER));
        end = style.end;
    }
    decided.push_str(&html[end..]);
    Dark {
        html: with_style(&decided, OWN),
        own,
    }
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
        assert!(dark.html.contains("@media (min-width: 0px) { p { color: white }"), "{}", dark.html);
        assert!(dark.html.contains("screen and (max-width: -1px)"), "{}", dark.html);
        assert!(dark.html.contains("<p>(prefers-color-scheme: dark)</p>"), "text stays");
        assert!(dark.html.starts_with("<html><head><style>:root { color-scheme: dark; }"));
    }

    #[test]
    fn a_mail_without_them_is_recoloured() {
        let dark = in_the_dark("<p>Hi</p>");
        assert!(!dark.own);
        assert!(dark.html.contains("invert") && dark.html.ends_with("<p>Hi</p>"));
    }

    #[test]
    fn nothing_that_is_no_html_is_lost() {
        for html in ["", "<style", "<head", "<style>@media (prefers-color-scheme: dark) { ä", "ÄÖÜ <STYLE>é</style> ß"] {
            let dark = in_the_dark(html).html;
            let kept = dark.replace(OWN, "").replace(RECOLOURED, "").replace(ALWAYS, "(prefers-color-scheme: dark)");
            assert_eq!(kept, html);
        }
    }
}
