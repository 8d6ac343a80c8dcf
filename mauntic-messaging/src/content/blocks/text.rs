//! Texts of blocks: Markdown to HTML, and plain text to what may stand in MJML; template code passes as it is.

use pulldown_cmark::{CowStr, Event, Options, Parser, html};

use super::super::{
    mask::{Masked, Syntax},
    problem::Part,
};

/// Text for MJML, between tags or in an attribute. Code is kept; in the rest nothing is markup.
pub(super) fn escape(text: &str) -> String {
    with_code_hidden(text, |text| {
        let mut escaped = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                letter => escaped.push(letter),
            }
        }
        escaped
    })
}

/// An address for an attribute. Only what starts a request or a message may: a `javascript:` address is left out.
pub(super) fn address(text: &str) -> String {
    let text = text.trim();
    let scheme = text
        .split_once(':')
        .map(|(scheme, _)| scheme)
        .filter(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let harmless = scheme.is_none_or(|scheme| {
        ["http", "https", "mailto", "tel", "sms"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    });
    if harmless {
        escape(text)
    } else {
        String::new()
    }
}

/// Markdown as HTML. HTML within is shown, not followed.
pub(super) fn markdown(text: &str) -> String {
    with_code_hidden(text, |text| {
        let events =
            Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH).map(|event| match event {
                Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
                // People press Enter to get a new line.
                Event::SoftBreak => Event::HardBreak,
                Event::Start(pulldown_cmark::Tag::Link {
                    link_type,
                    dest_url,
                    title,
                    id,
                }) => Event::Start(pulldown_cmark::Tag::Link {
                    link_type,
                    dest_url: if address(&dest_url).is_empty() {
                        CowStr::Borrowed("#")
                    } else {
                        dest_url
                    },
                    title,
                    id,
                }),
                event => event,
            });
        let mut output = String::with_capacity(text.len() * 3 / 2);
        html::push_html(&mut output, events);
        output
    })
}

/// Applies a change to everything in the text but template code and tokens.
fn with_code_hidden(text: &str, change: impl FnOnce(&str) -> String) -> String {
    let (masked, problems) = Masked::new(text, Syntax::Text, Part::Body);
    // Code that never ends is left to the check of the whole body, which names it.
    if !problems.is_empty() {
        return change(text);
    }
    masked.reveal(&change(&masked.text))
}
