use mail_parser::{MessageParser, MimeHeaders as _};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

pub(crate) fn ann() -> EmailAddress {
    "ann@example.org".parse().unwrap()
}

pub(crate) fn sender() -> EmailAddress {
    "news@example.com".parse().unwrap()
}

pub(crate) fn message<'a>(from: &'a EmailAddress, to: &'a EmailAddress) -> OutgoingMessage<'a> {
    OutgoingMessage {
        organization_id: OrganizationId::from_uuid(Uuid::from_u128(1)),
        email_id: Some(EmailId::from_uuid(Uuid::from_u128(2))),
        delivery_id: DeliveryId::from_uuid(Uuid::from_u128(3)),
        date: DateTime::from_timestamp(1_795_000_000, 0).unwrap(),
        from: Mailbox {
            name: Some("Example News"),
            address: from,
        },
        reply_to: None,
        to: Mailbox {
            name: Some("Ann Lee"),
            address: to,
        },
        subject: "Hello",
        text: "Hello Ann\n",
        html: Some("<p>Hello Ann</p>\n"),
        list: Some(ListHeaders {
            unsubscribe_url: "https://m.example.com/u/token",
            unsubscribe_mailto: None,
            list_id: "news",
        }),
    }
}

/// The headers, unfolded.
fn headers(raw: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(raw).unwrap();
    let head = text
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .replace("\r\n ", " ")
        .replace("\r\n\t", "\t");
    head.split("\r\n")
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn header(raw: &[u8], name: &str) -> String {
    let mut found = headers(raw).into_iter().filter(|(known, _)| known == name);
    let (_, value) = found.next().unwrap();
    assert_eq!(found.next(), None, "{name} stands twice");
    value
}

fn check_form(raw: &[u8]) {
    assert!(raw.is_ascii());
    let text = std::str::from_utf8(raw).unwrap();
    assert!(text.ends_with("\r\n"));
    for line in text.split("\r\n") {
        assert!(line.len() <= 998, "a line of {} octets", line.len());
        assert!(
            !line.contains(['\r', '\n', '\0']),
            "a bare line break in {line:?}"
        );
    }
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    for word in head
        .split_ascii_whitespace()
        .filter(|word| word.starts_with("=?"))
    {
        // RFC 2047 §2.
        assert!(
            word.len() <= 75,
            "an encoded word of {} characters",
            word.len()
        );
    }
}

#[test]
fn every_needed_header_stands_once() {
    let raw = message(&sender(), &ann()).build().unwrap();
    check_form(&raw);
    assert_eq!(header(&raw, "From"), "\"Example News\" <news@example.com>");
    assert_eq!(header(&raw, "To"), "\"Ann Lee\" <ann@example.org>");
    assert_eq!(header(&raw, "Subject"), "Hello");
    assert_eq!(header(&raw, "Date"), "Wed, 18 Nov 2026 11:06:40 +0000");
    assert_eq!(
        header(&raw, "Message-ID"),
        "<00000000000000000000000000000003@example.com>"
    );
    assert_eq!(header(&raw, "MIME-Version"), "1.0");
    assert_eq!(
        header(&raw, "List-Unsubscribe"),
        "<https://m.example.com/u/token>"
    );
    assert_eq!(
        header(&raw, "List-Unsubscribe-Post"),
        "List-Unsubscribe=One-Click"
    );
    assert_eq!(header(&raw, "List-Id"), "<news.example.com>");
    assert_eq!(header(&raw, "Precedence"), "bulk");
    assert_eq!(header(&raw, "Content-Transfer-Encoding"), "7bit");
    assert_eq!(header(&raw, "Feedback-ID").split(':').count(), 4);
    assert_eq!(
        header(&raw, "X-Mauntic-Delivery"),
        "00000000000000000000000000000003"
    );
}

#[test]
fn the_text_comes_before_the_html() {
    let raw = message(&sender(), &ann()).build().unwrap();
    let parsed = MessageParser::new().parse(&raw).unwrap();
    assert!(parsed.content_type().unwrap().c_subtype.as_deref() == Some("alternative"));
    assert_eq!(parsed.text_body, [1]);
    assert_eq!(parsed.html_body, [2]);
    assert_eq!(parsed.body_text(0).unwrap(), "Hello Ann\r\n");
    assert_eq!(parsed.body_html(0).unwrap(), "<p>Hello Ann</p>\r\n");
}

#[test]
fn building_twice_gives_the_same_bytes() {
    let (from, to) = (sender(), ann());
    assert_eq!(message(&from, &to).build(), message(&from, &to).build());
}

#[test]
fn a_receipt_has_no_list_headers() {
    let (from, to) = (sender(), ann());
    let raw = OutgoingMessage {
        list: None,
        html: None,
        ..message(&from, &to)
    }
    .build()
    .unwrap();
    check_form(&raw);
    assert!(
        headers(&raw)
            .iter()
            .all(|(name, _)| !name.starts_with("List-") && name != "Precedence")
    );
}

#[test]
fn a_line_break_in_a_header_is_refused() {
    let (from, to) = (sender(), ann());
    for attack in [
        "a\r\nBcc: eve@example.net",
        "a\nb",
        "a\rb",
        "a\u{2028}b",
        "a\0b",
    ] {
        let subject = OutgoingMessage {
            subject: attack,
            ..message(&from, &to)
        }
        .build();
        assert_eq!(subject, Err(InvalidMessage::ControlCharacter("Subject")));
        let name = Mailbox {
            name: Some(attack),
            address: &to,
        };
        let to = OutgoingMessage {
            to: name,
            ..message(&from, &to)
        }
        .build();
        assert_eq!(to, Err(InvalidMessage::ControlCharacter("To")));
    }
    let mut list = message(&from, &to).list.unwrap();
    list.unsubscribe_url = "https://m.example.com/u/a\r\nBcc:x";
    let raw = OutgoingMessage {
        list: Some(list),
        ..message(&from, &to)
    }
    .build();
    assert_eq!(raw, Err(InvalidMessage::InvalidValue("List-Unsubscribe")));
}

#[test]
fn a_mailto_stands_second() {
    let (from, to) = (sender(), ann());
    let mut list = message(&from, &to).list.unwrap();
    list.unsubscribe_mailto = Some(&from);
    let raw = OutgoingMessage {
        list: Some(list),
        ..message(&from, &to)
    }
    .build()
    .unwrap();
    assert_eq!(
        header(&raw, "List-Unsubscribe"),
        "<https://m.example.com/u/token>, <mailto:news@example.com?subject=unsubscribe>"
    );
}

#[test]
fn international_domains_are_written_in_ascii() {
    let (from, to) = (sender(), "ann@bücher.example".parse().unwrap());
    let raw = message(&from, &to).build().unwrap();
    assert_eq!(
        header(&raw, "To"),
        "\"Ann Lee\" <ann@xn--bcher-kva.example>"
    );
    let local = "änn@example.com".parse().unwrap();
    assert_eq!(
        message(&from, &local).build(),
        Err(InvalidMessage::InternationalLocalPart("To"))
    );
}

#[test]
fn bodies_that_need_it_are_encoded_and_come_back() {
    let (from, to) = (sender(), ann());
    let bodies = [
        "Grüße aus Köln, schöne Grüße!\n".to_owned(),
        "こんにちは、世界。\n".repeat(40),
        "x".repeat(5_000) + "\n",
        ".\n..\nFrom me\n".to_owned(),
    ];
    for body in &bodies {
        let raw = OutgoingMessage {
            text: body,
            html: Some(body),
            ..message(&from, &to)
        }
        .build()
        .unwrap();
        check_form(&raw);
        let parsed = MessageParser::new().parse(&raw).unwrap();
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), *body);
    }
}

#[test]
fn long_subjects_and_names_without_spaces_are_cut_into_words_that_fit() {
    let (from, to) = (sender(), ann());
    for letter in ["x", "é", "語", "🙂"] {
        let text = letter.repeat(400);
        let mailbox = Mailbox {
            name: Some(&text),
            address: &to,
        };
        let message = OutgoingMessage {
            subject: &text,
            to: mailbox,
            ..message(&from, &to)
        };
        let raw = message.build().unwrap();
        check_form(&raw);
        let head = std::str::from_utf8(&raw).unwrap();
        let head = head.split("\r\n\r\n").next().unwrap();
        let encoded = head.split("\r\n").filter(|line| line.contains("=?"));
        let longest = encoded.map(str::len).max();
        assert!(longest <= Some(78), "{letter}: {longest:?}");
        let parsed = MessageParser::new().parse(&raw).unwrap();
        assert_eq!(parsed.subject().unwrap(), text);
        let to = parsed.to().unwrap().first().unwrap();
        assert_eq!(to.name().unwrap(), text);
        // No character is cut in two (RFC 2047 §5): each word can be read by itself.
        let words = head.split_ascii_whitespace();
        for word in words.filter(|word| word.starts_with("=?")) {
            let alone = format!("Subject: {word}\r\n\r\n");
            let alone = MessageParser::new().parse(alone.as_bytes()).unwrap();
            let text = alone.subject().unwrap().to_owned();
            assert_eq!(text.replace(letter, ""), "", "{word}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_gives_a_correct_message_or_an_error(
        subject in any::<String>(),
        name in any::<String>(),
        body in any::<String>(),
    ) {
        let (from, to) = (sender(), ann());
        let message = OutgoingMessage {
            subject: &subject,
            to: Mailbox { name: Some(&name), address: &to },
            text: &body,
            html: Some(&body),
            ..message(&from, &to)
        };
        if let Ok(raw) = message.build() {
            check_form(&raw);
            let names: Vec<String> = headers(&raw).into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(names.len(), 16);
            let parsed = MessageParser::new().parse(&raw).unwrap();
            prop_assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("ann@example.org"));
            prop_assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("news@example.com"));
        }
    }

    /// Printable text always fits, and comes back as it was.
    #[test]
    fn printable_subjects_and_names_come_back(
        subject in "[\\PC&&[^\u{2028}\u{2029}]]{1,300}",
        name in "[\\PC&&[^\u{2028}\u{2029}]]{1,120}",
    ) {
        prop_assume!(!subject.trim().is_empty() && !name.trim().is_empty());
        let (from, to) = (sender(), ann());
        let message = OutgoingMessage {
            subject: subject.trim(),
            to: Mailbox { name: Some(name.trim()), address: &to },
            ..message(&from, &to)
        };
        let raw = message.build().unwrap();
        check_form(&raw);
        let parsed = MessageParser::new().parse(&raw).unwrap();
        prop_assert_eq!(parsed.subject().unwrap(), subject.trim());
        prop_assert_eq!(parsed.to().unwrap().first().unwrap().name().unwrap(), name.trim());
    }
}
