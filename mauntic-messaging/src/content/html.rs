//! HTML: styles inlined, a correct frame, and a text part made from it.

use std::{cell::RefCell, rc::Rc};

use css_inline::CSSInliner;
use html2text::config;
use lol_html::{
    RewriteStrSettings, comments, element, html_content::ContentType, rewrite_str, text,
};

use super::{
    mask::Masked,
    problem::{Location, Part, Problem},
    scan::{self, Event, Reader},
};

/// The deepest nesting of elements: the inliner calls itself for each level, and the text part costs their square.
const MAX_DEPTH: usize = 256;
/// Where the text part is wrapped.
const TEXT_WIDTH: usize = 78;

/// What stands hidden at the top of the body, so that mail programs show it beside the subject.
const PREHEADER: &str =
    "<div style=\"display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all\">";

/// Checks what no parser may see.
pub(super) fn check_depth(masked: &Masked, source: &str) -> Option<Problem> {
    let offset = scan::too_deep(&masked.text, MAX_DEPTH)?;
    let location = Location::at(Part::Body, source, masked.source_offset(offset));
    Some(Problem::error(
        "too_deep",
        location,
        format!("elements are nested more than {MAX_DEPTH} deep"),
    ))
}

/// Moves style sheets into `style` attributes, which is all that some mail programs understand; what cannot be
/// moved, such as media queries, stays where it is.
pub(super) fn inline_styles(html: &str) -> Result<String, Problem> {
    CSSInliner::options()
        .keep_style_tags(true)
        .keep_at_rules(true)
        .load_remote_stylesheets(false)
        .build()
        .inline(html)
        .map_err(|error| {
            Problem::error(
                "broken_styles",
                Location::whole(Part::Body),
                error.to_string(),
            )
        })
}

/// What goes around the body.
pub(super) struct Frame<'a> {
    /// The language, if the author named none.
    pub(super) language: &'a str,
    /// The word of the subject's code, for the title.
    pub(super) title: &'a str,
    /// The word of the preheader's code, if there is one.
    pub(super) preheader: Option<&'a str>,
    /// The word of the pixel's code, if the author did not place it.
    pub(super) pixel: Option<&'a str>,
}

/// Completes the HTML: document type, character set, language, title, preheader and pixel.
pub(super) fn complete(html: &str, frame: &Frame<'_>) -> Result<String, Problem> {
    let has = |name: &str| {
        Reader::new(html).any(|event| matches!(event, Event::Open { name: found, .. } if found.eq_ignore_ascii_case(name)))
    };
    let has_charset = html.to_ascii_lowercase().contains("charset=");
    let has_title = has("title");
    let empty_title = Rc::new(RefCell::new(String::new()));
    let title_text = Rc::clone(&empty_title);
    let settings = RewriteStrSettings::new()
        .append_element_content_handler(element!("html", |html| {
            if html
                .get_attribute("lang")
                .is_none_or(|lang| lang.trim().is_empty())
            {
                html.set_attribute("lang", frame.language)?;
            }
            Ok(())
        }))
        .append_element_content_handler(element!("head", |head| {
            if !has_title {
                head.prepend(
                    &format!("<title>{}</title>", frame.title),
                    ContentType::Html,
                );
            }
            if !has_charset {
                head.prepend("<meta charset=\"utf-8\">", ContentType::Html);
            }
            Ok(())
        }))
        .append_element_content_handler(text!("title", move |chunk| {
            title_text.borrow_mut().push_str(chunk.as_str());
            if chunk.last_in_text_node() && title_text.borrow().trim().is_empty() {
                chunk.replace(frame.title, ContentType::Text);
            }
            Ok(())
        }))
        .append_element_content_handler(element!("body", |body| {
            if let Some(preheader) = frame.preheader {
                body.prepend(&format!("{PREHEADER}{preheader}</div>"), ContentType::Html);
            }
            if let Some(pixel) = frame.pixel {
                body.append(pixel, ContentType::Html);
            }
            Ok(())
        }));
    let completed = rewrite(html, settings)?;
    let has_type = completed
        .trim_start()
        .get(..9)
        .is_some_and(|start| start.eq_ignore_ascii_case("<!doctype"));
    Ok(if has_type {
        completed
    } else {
        format!("<!DOCTYPE html>\n{completed}")
    })
}

/// The text part of masked HTML: links become footnotes, what is hidden is left out.
pub(super) fn to_text(html: &str, masked: &Masked) -> Result<String, Problem> {
    let settings = RewriteStrSettings::new()
        .append_element_content_handler(element!(
            "[style*='display:none' i], [style*='display: none' i], head, img:not([alt]), img[alt='']",
            |hidden| {
                hidden.remove();
                Ok(())
            }
        ))
        .append_element_content_handler(comments!("noscript", |comment| {
            comment.remove();
            Ok(())
        }));
    let visible = rewrite(&masked.as_text(html), settings)?;
    let text = config::plain()
        .raw_mode(true)
        .no_link_wrapping()
        .allow_width_overflow()
        .link_footnotes(true)
        .string_from_read(visible.as_bytes(), TEXT_WIDTH)
        .map_err(|error| {
            Problem::error(
                "no_text_part",
                Location::whole(Part::Body),
                error.to_string(),
            )
        })?;
    Ok(tidy(&text))
}

/// No spaces at line ends, never more than one empty line, one line break at the end.
fn tidy(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut empty = 1;
    for line in text.lines().map(str::trim_end) {
        empty = if line.trim().is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            output.push_str(line);
            output.push('\n');
        }
    }
    output.truncate(output.trim_end().len());
    output.push('\n');
    output
}

/// Warns of images without a text for those who do not see them.
pub(super) fn missing_alt(html: &str) -> Option<Problem> {
    let mut count = 0_u32;
    let settings = RewriteStrSettings::new().append_element_content_handler(element!(
        "img:not([alt])",
        |_| {
            count += 1;
            Ok(())
        }
    ));
    rewrite(html, settings).ok()?;
    let message = match count {
        0 => return None,
        1 => "an image has no alt text".to_owned(),
        more => format!("{more} images have no alt text"),
    };
    Some(
        Problem::warning("missing_alt", Location::whole(Part::Body), message)
            .fix("add alt=\"…\", or alt=\"\" if it only decorates"),
    )
}

pub(super) fn rewrite(html: &str, settings: RewriteStrSettings<'_, '_>) -> Result<String, Problem> {
    rewrite_str(html, settings).map_err(|error| {
        Problem::error(
            "broken_html",
            Location::whole(Part::Body),
            error.to_string(),
        )
    })
}
