use mail_parser::{Address, MessageParser};
use serde::Serialize;

/// One header of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailHeader {
    /// The name as it is written.
    pub name: String,
    /// The value, unfolded, not decoded.
    pub value: String,
}

/// A mail taken apart, for people and tests to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MailContent {
    /// The headers, in order.
    pub headers: Vec<MailHeader>,
    /// The HTML part.
    pub html: Option<String>,
    /// The text part.
    pub text: Option<String>,
    /// Where the links of the HTML part lead, in order.
    pub links: Vec<String>,
    /// What the images of the HTML part are loaded from, in order.
    pub images: Vec<String>,
}

impl MailContent {
    /// Takes a message apart; what cannot be read stays empty.
    #[must_use]
    pub fn parse(source: &[u8]) -> Self {
        let Some(message) = MessageParser::default().parse(source) else {
            return Self::default();
        };
        let headers = message.headers_raw().map(|(name, value)| MailHeader {
            name: name.to_owned(),
            value: unfold(value),
        });
        let headers = headers.collect();
        // The parser makes up the part that is missing from the other one: ask for what is there.
        let html = message
            .html_part(0)
            .filter(|part| part.is_text_html())
            .and_then(|_| message.body_html(0))
            .map(std::borrow::Cow::into_owned);
        let text = message
            .text_part(0)
            .filter(|part| part.is_text() && !part.is_text_html())
            .and_then(|_| message.body_text(0))
            .map(std::borrow::Cow::into_owned);
        let (links, images) = html.as_deref().map(references).unwrap_or_default();
        Self {
            headers,
            html,
            text,
            links,
            images,
        }
    }
}

fn unfold(value: &str) -> String {
    let lines: Vec<_> = value.lines().map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}

fn references(html: &str) -> (Vec<String>, Vec<String>) {
    use lol_html::{RewriteStrSettings, element, rewrite_str};

    let (mut links, mut images) = (Vec::new(), Vec::new());
    let settings = RewriteStrSettings::new()
        .append_element_content_handler(element!("a[href]", |link| {
            links.extend(link.get_attribute("href").map(|href| unescape(&href)));
            Ok(())
        }))
        .append_element_content_handler(element!("img[src]", |image| {
            images.extend(image.get_attribute("src").map(|src| unescape(&src)));
            Ok(())
        }));
    let _ = rewrite_str(html, settings);
    (links, images)
}

/// Undoes what URLs in attributes are escaped with.
fn unescape(value: &str) -> String {
    value
        .replace("&#38;", "&")
        .replace("&#x2f;", "/")
        .replace("&#x3d;", "=")
        .replace("&amp;", "&")
}

/// What a list of mails shows: the sender and the subject.
pub(super) fn sender_and_subject(source: &[u8]) -> (String, String) {
    let Some(message) = MessageParser::default().parse_headers(source) else {
        return Default::default();
    };
    let sender = match message.from() {
        Some(Address::List(list)) => list.first().and_then(|from| from.address.as_deref()),
        _ => None,
    };
    (
        sender.unwrap_or_default().to_owned(),
        message.subject().unwrap_or_default().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: \"Shop\" <shop@example.com>\r\nTo: ann@example.org\r\nSubject: =?utf-8?q?H=C3=A4llo?=\r\nList-Unsubscribe:\r\n <https://example.com/u>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHi Ann\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hi <a href=\"https://example.com/?a=1&amp;b=2\">Ann</a><img src=\"https://example.com/o\"></p>\r\n--b--\r\n";

    #[test]
    fn a_mail_is_taken_apart() {
        let content = MailContent::parse(MAIL.as_bytes());
        assert_eq!(content.text.as_deref().map(str::trim), Some("Hi Ann"));
        assert!(content.html.unwrap().contains("<p>Hi"));
        assert_eq!(content.links, ["https://example.com/?a=1&b=2"]);
        assert_eq!(content.images, ["https://example.com/o"]);
        let header = &content.headers[3];
        assert_eq!(header.name, "List-Unsubscribe");
        assert_eq!(header.value, "<https://example.com/u>");
    }

    #[test]
    fn the_list_shows_sender_and_subject() {
        let (sender, subject) = sender_and_subject(MAIL.as_bytes());
        assert_eq!(sender, "shop@example.com");
        assert_eq!(subject, "Hällo");
    }

    #[test]
    fn what_is_no_mail_is_empty() {
        assert_eq!(MailContent::parse(b"").html, None);
        assert_eq!(sender_and_subject(b"\xff\xfe").1, "");
    }
}
