//! Tokens known from Mautic, translated to template code once, when an email is saved.

/// What became of the text behind a `{`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Template code that means the same.
    Code(String),
    /// A token of Mautic that nothing here can fill.
    Unsupported,
}

/// Links and sentences of Mautic: name, code in HTML, code in text.
const SIMPLE: [(&str, &str, &str); 9] = [
    ("subject", "{{ subject }}", "{{ subject }}"),
    (
        "unsubscribe_url",
        "{{ unsubscribe_url }}",
        "{{ unsubscribe_url }}",
    ),
    ("dnc_url", "{{ dnc_url }}", "{{ dnc_url }}"),
    ("webview_url", "{{ webview_url }}", "{{ webview_url }}"),
    (
        "tracking_pixel",
        "{{ tracking_pixel }}",
        "{{ tracking_pixel }}",
    ),
    (
        "unsubscribe_text",
        "<a href=\"{{ unsubscribe_url }}\">Unsubscribe</a> to no longer receive emails from us.",
        "Unsubscribe to no longer receive emails from us: {{ unsubscribe_url }}",
    ),
    (
        "webview_text",
        "<a href=\"{{ webview_url }}\">Having trouble reading this email? Click here.</a>",
        "Having trouble reading this email? {{ webview_url }}",
    ),
    (
        "signature",
        "{{ owner.signature }}",
        "{{ owner.signature }}",
    ),
    ("leadidentifier", "{{ contact.id }}", "{{ contact.id }}"),
];

const UNSUPPORTED: [&str; 8] = [
    "pagelink=",
    "assetlink=",
    "dynamiccontent=",
    "dwc=",
    "formfield=",
    "focus=",
    "trackable=",
    "form=",
];

/// Reads a token at the start of the text, which begins with `{` or `%7B`. Answers with its length in bytes.
pub(super) fn read(text: &str, html: bool) -> Option<(usize, Token)> {
    let (open, inner) = braces(text)?;
    let length = open * 2 + inner.len();
    let inner = if open == 1 {
        inner.to_owned()
    } else {
        decode(inner)
    };
    Some((length, translate(&inner, html)?))
}

/// The length of one brace and what stands between the braces.
fn braces(text: &str) -> Option<(usize, &str)> {
    let encoded = text
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("%7b"));
    let open = if encoded { 3 } else { 1 };
    let rest = text.get(open..)?;
    // A token is short and stands on one line: do not search the whole mail for its end.
    let limit = rest.floor_char_boundary(500);
    let rest = rest[..limit].split('\n').next()?;
    let end = if encoded {
        rest.to_ascii_lowercase().find("%7d")?
    } else {
        rest.find('}')?
    };
    Some((open, &rest[..end]))
}

fn decode(text: &str) -> String {
    let query = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn translate(inner: &str, html: bool) -> Option<Token> {
    if let Some((_, in_html, in_text)) = SIMPLE.iter().find(|(name, ..)| *name == inner) {
        return Some(Token::Code(
            (if html { in_html } else { in_text }).to_string(),
        ));
    }
    if UNSUPPORTED.iter().any(|name| inner.starts_with(name)) {
        return Some(Token::Unsupported);
    }
    if let Some(rest) = inner.strip_prefix("today") {
        return today(rest).map(Token::Code);
    }
    let (kind, value) = inner.split_once('=')?;
    let record = match kind {
        "contactfield" | "leadfield" => "contact",
        "ownerfield" => "owner",
        _ => return None,
    };
    let (alias, modifier) = value
        .split_once('|')
        .map_or((value, None), |(alias, modifier)| (alias, Some(modifier)));
    let right = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if alias.is_empty()
        || !alias.chars().all(right)
        || alias.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let filter = match modifier {
        None | Some("") => String::new(),
        Some("true") => " | urlencode".to_owned(),
        Some(format @ ("date" | "time" | "datetime")) => format!(" | {format}"),
        Some(default) => format!(" | default({}, true)", literal(default)),
    };
    Some(Token::Code(format!("{{{{ {record}.{alias}{filter} }}}}")))
}

/// `{today}`, `{today|datetime}`, `{today|date|+3 days}`, and the shift in the first place.
fn today(rest: &str) -> Option<String> {
    let mut format = "date";
    let mut shift = String::new();
    if !rest.is_empty() {
        for modifier in rest.strip_prefix('|')?.split('|') {
            match modifier {
                "date" | "time" | "datetime" => format = modifier,
                other => shift = format!(" | shift({})", literal(other)),
            }
        }
    }
    Some(format!("{{{{ now{shift} | {format} }}}}"))
}

/// A string of the template language.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<String> {
        match read(text, true) {
            Some((length, Token::Code(code))) if length == text.len() => Some(code),
            _ => None,
        }
    }

    #[test]
    fn tokens_become_template_code() {
        for (token, expected) in [
            ("{contactfield=firstname}", "{{ contact.firstname }}"),
            ("{leadfield=firstname}", "{{ contact.firstname }}"),
            (
                "{contactfield=firstname|friend}",
                "{{ contact.firstname | default(\"friend\", true) }}",
            ),
            (
                "{contactfield=firstname|my \"dear\"|er}",
                "{{ contact.firstname | default(\"my \\\"dear\\\"|er\", true) }}",
            ),
            (
                "{contactfield=email|true}",
                "{{ contact.email | urlencode }}",
            ),
            (
                "{contactfield=birthday|date}",
                "{{ contact.birthday | date }}",
            ),
            ("%7Bcontactfield=firstname%7D", "{{ contact.firstname }}"),
            (
                "%7bcontactfield=firstname%7cdear%20friend%7d",
                "{{ contact.firstname | default(\"dear friend\", true) }}",
            ),
            ("{today}", "{{ now | date }}"),
            (
                "{today|datetime|+3 days}",
                "{{ now | shift(\"+3 days\") | datetime }}",
            ),
            ("{unsubscribe_url}", "{{ unsubscribe_url }}"),
        ] {
            assert_eq!(code(token).as_deref(), Some(expected), "{token}");
        }
    }

    #[test]
    fn other_braces_stay() {
        for text in [
            "{",
            "{}",
            "{color:red}",
            "{contactfield=}",
            "{contactfield=a b}",
            "{contactfield=x",
            "%7B",
            "{a\n}",
        ] {
            assert_eq!(read(text, true), None, "{text}");
        }
        assert_eq!(read("{assetlink=3}", true), Some((13, Token::Unsupported)));
    }
}
