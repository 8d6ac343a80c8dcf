//! MJML to HTML.

use std::{borrow::Cow, collections::HashMap, panic::catch_unwind};

use mrml::prelude::{
    parser::{Error, Span},
    render::RenderOptions,
};

use super::{
    mask::Masked,
    problem::{Location, Part, Problem},
    scan::{self, Event, Reader},
    variables,
};

/// The deepest nesting of tags; the parser calls itself for each level, and no mail needs half of this.
const MAX_DEPTH: usize = 64;

const TAGS: [&str; 33] = [
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-button",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-html-attributes",
    "mj-image",
    "mj-include",
    "mj-navbar",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-section",
    "mj-selector",
    "mj-social",
    "mj-social-element",
    "mj-spacer",
    "mj-style",
    "mj-table",
    "mj-text",
];
const MORE_TAGS: [&str; 3] = ["mj-title", "mj-wrapper", "mj-html-attribute"];

/// Turns masked MJML into masked HTML, with what is odd about it.
///
/// # Errors
/// What is wrong, with its place.
pub(super) fn to_html(
    masked: &Masked,
    source: &str,
) -> Result<(String, Vec<Problem>), Vec<Problem>> {
    let at = |offset: usize| Location::at(Part::Body, source, masked.source_offset(offset));
    if let Some(offset) = scan::too_deep(&masked.text, MAX_DEPTH) {
        let message = format!("tags are nested more than {MAX_DEPTH} deep");
        return Err(vec![Problem::error("too_deep", at(offset), message)]);
    }
    let unknown = unknown_tags(masked, &at);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    if let Some(problem) = unclosed_tag(masked, &at) {
        return Err(vec![problem]);
    }
    let protected = protected(masked);
    // A panic of the parser is a fault of the parser, but it must not end a worker.
    let result = catch_unwind(|| {
        let parsed =
            mrml::parse(&protected).map_err(|error| broken(&error, masked, &protected, &at))?;
        // Without the parser's own list of web fonts, which would have each reader's program call on their host. A font
        // that the author names with `mj-font` stays.
        let options = RenderOptions {
            fonts: HashMap::new(),
            ..RenderOptions::default()
        };
        parsed
            .element
            .render(&options)
            .map_err(|error| unreadable(&error.to_string()))
    });
    match result {
        Ok(Ok(html)) => Ok((html, Vec::new())),
        Ok(Err(problem)) => Err(vec![problem]),
        Err(_) => Err(vec![unreadable("the MJML cannot be read")]),
    }
}

fn unreadable(message: &str) -> Problem {
    Problem::error("broken_mjml", Location::whole(Part::Body), message)
}

/// The parser only says that the text ended; people need to know which tag was left open.
fn unclosed_tag(masked: &Masked, at: &impl Fn(usize) -> Location) -> Option<Problem> {
    let mut open: Vec<(&str, usize)> = Vec::new();
    for event in Reader::new(&masked.text) {
        match event {
            Event::Open {
                name,
                start,
                empty: false,
            } if name.starts_with("mj") => open.push((name, start)),
            Event::Close { name } if name.starts_with("mj") => {
                let (opened, start) = open.pop()?;
                if opened != name {
                    open.push((opened, start));
                    break;
                }
            }
            _ => {}
        }
    }
    let (name, start) = open.pop()?;
    let message = format!("<{name}> is never closed, or closed in the wrong place");
    Some(Problem::error("broken_mjml", at(start), message).fix(format!("add </{name}>")))
}

fn protected(masked: &Masked) -> String {
    let html = masked.protected(&masked.text);
    let mut output = String::with_capacity(html.len());
    let mut done = 0;
    let mut style = false;
    for event in Reader::new(&html) {
        match event {
            Event::Open { name, .. } => style = name == "mj-style",
            Event::Text(from, to) => {
                output.push_str(&html[done..from]);
                done = to;
                output.push_str(&readable(&html[from..to], style));
            }
            _ => {}
        }
    }
    output.push_str(&html[done..]);
    output
}

/// The parser looks two bytes back from the first `>` of a text, and fails if that splits a letter.
fn readable(text: &str, style: bool) -> Cow<'_, str> {
    match text.find('>') {
        Some(at) if !text.is_char_boundary(at.saturating_sub(2)) => {
            // In a style sheet it is a combinator, where spaces mean nothing.
            let written = if style { "  >" } else { "&gt;" };
            Cow::Owned([&text[..at], written, &text[at + 1..]].concat())
        }
        _ => Cow::Borrowed(text),
    }
}

/// The renderer lets unknown tags through silently, and they show nothing.
fn unknown_tags(masked: &Masked, at: &impl Fn(usize) -> Location) -> Vec<Problem> {
    let known = || TAGS.iter().chain(&MORE_TAGS).copied();
    Reader::new(&masked.text)
        .filter_map(|event| match event {
            Event::Open { name, start, .. }
                if name.starts_with("mj-") && !known().any(|tag| tag == name) =>
            {
                Some((name, start))
            }
            _ => None,
        })
        .map(|(name, start)| {
            let problem = Problem::error(
                "unknown_tag",
                at(start),
                format!("there is no tag <{name}> in MJML"),
            );
            match known().min_by_key(|tag| variables::distance(name, tag)) {
                Some(tag) if variables::distance(name, tag) <= 3 => {
                    problem.fix(format!("write <{tag}>"))
                }
                _ => problem,
            }
        })
        .take(20)
        .collect()
}

fn broken(
    error: &Error,
    masked: &Masked,
    protected: &str,
    at: &impl Fn(usize) -> Location,
) -> Problem {
    let span = match error {
        Error::UnexpectedElement { position, .. }
        | Error::UnexpectedToken { position, .. }
        | Error::MissingAttribute { position, .. }
        | Error::InvalidAttribute { position, .. }
        | Error::InvalidFormat { position, .. }
        | Error::IncludeLoaderError { position, .. } => Some(*position),
        _ => None,
    };
    let message = match error {
        Error::UnexpectedElement { position, .. } => {
            format!("{} may not stand here", excerpt(protected, *position))
        }
        Error::UnexpectedToken { position, .. } => {
            format!(
                "{} is not expected here; is a tag left open, or a < written for &lt;?",
                excerpt(protected, *position)
            )
        }
        Error::MissingAttribute { name, .. } => format!("the attribute {name} is missing"),
        Error::InvalidAttribute { .. } => "this attribute has no valid value".to_owned(),
        Error::InvalidFormat { .. } => "this is not a valid value".to_owned(),
        Error::EndOfStream { .. } => "the text ends while a tag is still open".to_owned(),
        Error::NoRootNode => "there is no <mjml> around it".to_owned(),
        Error::IncludeLoaderError { .. } => "<mj-include> cannot load other files here".to_owned(),
        Error::ParserError { source, .. } => source.to_string(),
        Error::SizeLimit { .. } => "it is too long".to_owned(),
    };
    let location = match (span, error) {
        (Some(span), _) => at(unprotected_offset(masked, protected, span.start)),
        (None, Error::ParserError { source, .. }) => {
            let place = source.pos();
            Location {
                part: Part::Body,
                line: Some(place.row),
                column: Some(place.col),
                block: None,
            }
        }
        (None, _) => Location::whole(Part::Body),
    };
    Problem::error("broken_mjml", location, message)
}

fn excerpt(text: &str, span: Span) -> String {
    let found = text.get(span.start..span.end).unwrap_or_default();
    let short: String = found.chars().take(40).collect();
    if short.trim().is_empty() {
        "this".to_owned()
    } else {
        format!("`{}`", short.trim())
    }
}

/// The place in the masked text of a byte of the protected one, which has comment marks more.
fn unprotected_offset(masked: &Masked, protected: &str, offset: usize) -> usize {
    let before = protected
        .get(..offset.min(protected.len()))
        .unwrap_or_default();
    let added: usize = before
        .match_indices("<!--")
        .filter(|(at, _)| {
            masked
                .find_word(&before[at + 4..])
                .is_some_and(|(start, ..)| start == 0)
        })
        .count()
        * "<!---->".len();
    offset.saturating_sub(added)
}

#[cfg(test)]
mod tests {
    use super::{super::mask::Syntax, *};

    fn convert(source: &str) -> Result<String, Vec<Problem>> {
        let (masked, problems) = Masked::new(source, Syntax::Html, Part::Body);
        assert_eq!(problems, []);
        to_html(&masked, source).map(|(html, _)| masked.reveal(&html))
    }

    #[test]
    fn control_code_between_tags_survives() {
        let html = convert(
            "<mjml><mj-body>{% if a %}<mj-section><mj-column>{% for x in y %}<mj-text>Hi {{ x }}{% if b %}!{% endif %}</mj-text>{% endfor %}\
             </mj-column></mj-section>{% endif %}</mj-body></mjml>",
        )
        .unwrap();
        let order: Vec<usize> = [
            "{% if a %}",
            "{% for x in y %}",
            "Hi {{ x }}",
            "{% if b %}",
            "!",
            "{% endif %}",
            "{% endfor %}",
        ]
        .iter()
        .map(|code| {
            html.find(code)
                .unwrap_or_else(|| panic!("{code} is lost in {html}"))
        })
        .collect();
        assert!(
            order[0] < order[1]
                && order[1] < order[2]
                && order[2] < order[3]
                && order[5] < order[6],
            "{html}"
        );
        assert_eq!(html.matches("{% endif %}").count(), 2);
    }

    #[test]
    fn a_mail_calls_on_no_font_host_but_those_its_author_names() {
        let text = "<mj-body><mj-section><mj-column><mj-text>Hi</mj-text>\
             <mj-text font-family=\"Roboto, Brand\">Hi</mj-text></mj-column></mj-section></mj-body>";
        let html = convert(&format!("<mjml>{text}</mjml>")).unwrap();
        assert!(!html.contains("fonts.googleapis"), "{html}");
        let font = "<mj-font name=\"Brand\" href=\"https://example.com/brand.css\" />";
        let html = convert(&format!("<mjml><mj-head>{font}</mj-head>{text}</mjml>")).unwrap();
        assert!(html.contains("https://example.com/brand.css"), "{html}");
        assert!(!html.contains("fonts.googleapis"), "{html}");
    }

    #[test]
    fn broken_mjml_is_named_with_its_line() {
        let problems = convert("<mjml>\n<mj-body>\n<mj-section>\n</mj-body>\n</mjml>").unwrap_err();
        assert_eq!(problems[0].code, "broken_mjml");
        assert!(
            problems[0]
                .to_string()
                .starts_with("body, line 3, column 1: <mj-section> is never closed"),
            "{problems:?}"
        );
        let problems = convert("<mjml><mj-body>\n<mj-section>x < y</mj-section></mj-body></mjml>")
            .unwrap_err();
        assert_eq!(problems[0].location.line, Some(2), "{problems:?}");
        assert!(convert("<mjml><mj-body><mj-section><mj-column><mj-text>é> x</mj-text></mj-column></mj-section></mj-body></mjml>").is_ok());
        let problems = convert("<mjml><mj-body>\n<mj-txt>x</mj-txt></mj-body></mjml>").unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "body, line 2, column 1: there is no tag <mj-txt> in MJML (write <mj-text>)"
        );
        assert_eq!(convert("<p>x</p>").unwrap_err()[0].code, "broken_mjml");
    }

    #[test]
    fn deep_mjml_is_refused_before_it_is_parsed() {
        let source = format!(
            "<mjml><mj-body>{}</mj-body></mjml>",
            "<mj-wrapper>".repeat(50_000)
        );
        assert_eq!(convert(&source).unwrap_err()[0].code, "too_deep");
    }
}
