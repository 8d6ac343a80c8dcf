//! Links: found once per saved version, numbered, and put in by number for each recipient.

use std::{cell::RefCell, rc::Rc};

use lol_html::{RewriteStrSettings, element, text};
use serde::{Deserialize, Serialize};

use super::{
    html,
    mask::{Masked, decode_entities},
    problem::Problem,
};

/// Code that stands for addresses of ours, which are never tracked.
const OWN: [&str; 4] = [
    "unsubscribe_url",
    "webview_url",
    "dnc_url",
    "tracking_pixel",
];
const OPT_OUT: &str = "mautic:disable-tracking";
const MAX_LABEL: usize = 100;
/// A link's number fits 16 bits; a mail with so many links is a mistake anyway.
const MAX_LINKS: usize = 2_000;

/// A link of a saved version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its number in the version, from 0.
    pub index: u16,
    /// Where it leads; perhaps with template code.
    pub url: String,
    /// The words that people click.
    pub label: String,
}

impl Link {
    /// Whether every recipient has the same target.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        !self.url.contains("{{") && !self.url.contains("{%")
    }
}

/// Collects the links of a version while its parts are rewritten.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) links: Vec<Link>,
    /// Links met while rewriting a part, in the order of their words.
    found: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    link: usize,
    url: String,
}

impl Collector {
    /// Whether the target, with its code hidden, is one that clicks are counted of.
    fn is_tracked(target: &str, masked: &Masked) -> bool {
        let lower = target.get(..8).unwrap_or(target).to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            return target.len() < 4_000;
        }
        // The whole address comes from the contact: whether it is one shows when it is rendered.
        masked.find_word(target).is_some_and(|(start, _, number)| {
            let piece = &masked.pieces[number];
            start == 0 && piece.is_expression() && !OWN.iter().any(|own| piece.code.contains(own))
        })
    }

    /// Numbers a target; the same target has the same number.
    fn number(&mut self, url: String) -> Option<usize> {
        if let Some(known) = self.links.iter().position(|link| link.url == url) {
            return Some(known);
        }
        if self.links.len() >= MAX_LINKS {
            return None;
        }
        let index = u16::try_from(self.links.len()).ok()?;
        self.links.push(Link {
            index,
            url,
            label: String::new(),
        });
        Some(usize::from(index))
    }

    /// Replaces the links of masked HTML by words, and gives the words their code.
    pub(super) fn rewrite_html(
        &mut self,
        html: &str,
        masked: &mut Masked,
    ) -> Result<String, Problem> {
        let this = Rc::new(RefCell::new(std::mem::take(self)));
        let current: Rc<RefCell<Option<usize>>> = Rc::default();
        let first_word = masked.pieces.len();
        let rewritten = {
            let masked = &*masked;
            let settings = RewriteStrSettings::new()
                .append_element_content_handler(element!("a[href], area[href]", |anchor| {
                    *current.borrow_mut() = None;
                    let exempt = anchor.has_attribute(OPT_OUT);
                    anchor.remove_attribute(OPT_OUT);
                    let target =
                        decode_entities(anchor.get_attribute("href").unwrap_or_default().trim());
                    if exempt || !Self::is_tracked(&target, masked) {
                        return Ok(());
                    }
                    let mut this = this.borrow_mut();
                    let Some(link) = this.number(masked.reveal(&target)) else {
                        return Ok(());
                    };
                    let url = this.links[link].url.clone();
                    this.found.push(Found { link, url });
                    let word = masked.numbered(first_word + this.found.len() - 1);
                    anchor.set_attribute("href", &word)?;
                    // The first anchor's words name the link.
                    *current.borrow_mut() = this.links[link].label.is_empty().then_some(link);
                    Ok(())
                }))
                .append_element_content_handler(text!("a[href]", |chunk| {
                    if let Some(link) = *current.borrow() {
                        this.borrow_mut().links[link].label.push_str(chunk.as_str());
                    }
                    Ok(())
                }))
                .append_element_content_handler(element!("a[href] img[alt]", |image| {
                    if let (Some(link), Some(alt)) = (*current.borrow(), image.get_attribute("alt"))
                    {
                        let label = &mut this.borrow_mut().links[link].label;
                        label.extend([" ", &alt, " "]);
                    }
                    Ok(())
                }));
            html::rewrite(html, settings)
        };
        *self = this.take();
        for found in std::mem::take(&mut self.found) {
            let code = code(found.link, &found.url);
            masked.add(code, 0);
        }
        for link in &mut self.links {
            link.label = tidy_label(&masked.reveal(&link.label));
        }
        rewritten
    }

    /// Replaces the addresses in a masked text part.
    pub(super) fn rewrite_text(&mut self, masked: &mut Masked) {
        let source = std::mem::take(&mut masked.text);
        let mut output = String::with_capacity(source.len());
        let mut rest = source.as_str();
        while let Some(start) = find_address(rest) {
            output.push_str(&rest[..start]);
            rest = &rest[start..];
            let target = &rest[..address_length(rest)];
            let number = Self::is_tracked(target, masked)
                .then(|| self.number(masked.reveal(target)))
                .flatten();
            match number {
                Some(link) => {
                    let code = code(link, &self.links[link].url);
                    output.push_str(&masked.add(code, 0));
                }
                None => output.push_str(target),
            }
            rest = &rest[target.len()..];
        }
        output.push_str(rest);
        masked.text = output;
    }
}

/// The template code of a link. A target with code of its own is rendered first, unescaped.
fn code(link: usize, url: &str) -> String {
    if url.contains("{{") || url.contains("{%") {
        format!(
            "{{% set mauntic_target %}}{{% autoescape false %}}{url}{{% endautoescape %}}{{% endset %}}{{{{ mauntic.link({link}, mauntic_target) }}}}"
        )
    } else {
        format!("{{{{ mauntic.link({link}) }}}}")
    }
}

fn tidy_label(label: &str) -> String {
    let words: Vec<&str> = label.split_whitespace().collect();
    words.join(" ").chars().take(MAX_LABEL).collect()
}

fn find_address(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find("://") {
        let at = from + found;
        let scheme = ["https", "http"].into_iter().find(|scheme| {
            at.checked_sub(scheme.len())
                .and_then(|start| text.get(start..at))
                .is_some_and(|word| word.eq_ignore_ascii_case(scheme))
        });
        match scheme {
            Some(scheme) => return Some(at - scheme.len()),
            None => from = at + 3,
        }
    }
    None
}

fn address_length(text: &str) -> usize {
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"'))
        .unwrap_or(text.len());
    // A sentence's punctuation is not the address's, but a closing parenthesis may be.
    let mut address = text[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ']', '}']);
    if address.ends_with(')') && address.matches('(').count() < address.matches(')').count() {
        address = address.trim_end_matches(')');
    }
    address.len()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{mask::Syntax, problem::Part},
        *,
    };

    fn rewrite(source: &str, syntax: Syntax) -> (String, Vec<Link>) {
        let (mut masked, _) = Masked::new(source, syntax, Part::Body);
        let mut collector = Collector::default();
        let text = if syntax == Syntax::Html {
            let html = masked.text.clone();
            collector.rewrite_html(&html, &mut masked).unwrap()
        } else {
            collector.rewrite_text(&mut masked);
            masked.text.clone()
        };
        (masked.reveal(&text), collector.links)
    }

    #[test]
    fn absolute_links_are_numbered_and_others_left() {
        let (html, links) = rewrite(
            "<a href=\"https://a.example/?x=1&amp;y=2\">One <b>two</b></a><a href='https://a.example/?x=1&y=2'>again</a>\
             <a href=\"mailto:a@b.example\">m</a><a href=\"#top\">t</a><a href=\"{{ unsubscribe_url }}\">u</a>\
             <a mautic:disable-tracking href=\"https://b.example\">b</a><a href=\"{{ contact.website }}\">w</a>",
            Syntax::Html,
        );
        assert_eq!(links.len(), 2);
        assert_eq!(
            (links[0].url.as_str(), links[0].label.as_str()),
            ("https://a.example/?x=1&y=2", "One two")
        );
        assert_eq!(links[1].url, "{{ contact.website }}");
        assert_eq!(html.matches("{{ mauntic.link(0) }}").count(), 2);
        assert!(html.contains("mauntic.link(1, mauntic_target)"));
        assert!(
            html.contains("<a href=\"https://b.example\">")
                || html.contains("<a  href=\"https://b.example\">"),
            "{html}"
        );
        assert!(html.contains("href=\"{{ unsubscribe_url }}\""));
    }

    #[test]
    fn addresses_in_text_end_before_punctuation() {
        let (text, links) = rewrite(
            "See https://a.example/x_(y), (http://b.example/). {{ unsubscribe_url }} xhttps://c.example/{{ contact.id }}.",
            Syntax::Text,
        );
        let urls: Vec<&str> = links.iter().map(|link| link.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://a.example/x_(y)",
                "http://b.example/",
                "https://c.example/{{ contact.id }}"
            ]
        );
        assert!(text.starts_with(
            "See {{ mauntic.link(0) }}, ({{ mauntic.link(1) }}). {{ unsubscribe_url }} x"
        ));
        assert!(text.ends_with('.'));
    }
}
