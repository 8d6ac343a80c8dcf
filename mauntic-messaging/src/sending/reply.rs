use std::fmt;

/// An enhanced status code (RFC 3463), such as 5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnhancedCode {
    /// 2 success, 4 for now, 5 for good.
    pub class: u8,
    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

impl EnhancedCode {
    /// Reads the code that a text starts with.
    #[must_use]
    pub fn leading(text: &str) -> Option<Self> {
        let code = text
            .split(|c: char| c.is_whitespace() || c == '-')
            .next()
            .unwrap_or_default();
        let mut parts = code.split('.');
        let class = parts.next()?.parse().ok()?;
        let subject = parts.next()?.parse().ok()?;
        let detail = parts.next()?.parse().ok()?;
        let right = parts.next().is_none() && matches!(class, 2 | 4 | 5);
        right.then_some(Self {
            class,
            subject,
            detail,
        })
    }
}

/// What a host answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpReply {
    /// The three digits.
    pub code: u16,
    /// The enhanced status code, if the host gave one.
    pub enhanced: Option<EnhancedCode>,
    /// The text, without the codes, at most [`SmtpReply::MAX_TEXT`] bytes.
    pub text: String,
}

impl SmtpReply {
    /// Longer texts are cut.
    pub const MAX_TEXT: usize = 500;

    /// A reply with that code and text; an enhanced code at the start of the text is taken from it.
    #[must_use]
    pub fn new(code: u16, text: &str) -> Self {
        let enhanced = EnhancedCode::leading(text);
        let text = match enhanced {
            Some(_) => text.split_once(char::is_whitespace).map_or("", |cut| cut.1),
            None => text,
        };
        let mut end = text.len().min(Self::MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            code,
            enhanced,
            text: text[..end]
                .replace(['\r', '\n', '\0'], " ")
                .trim()
                .to_owned(),
        }
    }

    /// The same reply with its enhanced code given apart from the text; zeros mean none.
    #[must_use]
    pub fn with_code(code: u16, enhanced: [u8; 3], text: &str) -> Self {
        let mut reply = Self::new(code, text);
        if matches!(enhanced[0], 2 | 4 | 5) {
            reply.enhanced = Some(EnhancedCode {
                class: enhanced[0],
                subject: u16::from(enhanced[1]),
                detail: u16::from(enhanced[2]),
            });
        }
        reply
    }

    /// Whether it means yes.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether it means not now.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

impl fmt::Display for SmtpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(code) = self.enhanced {
            write!(f, " {}.{}.{}", code.class, code.subject, code.detail)?;
        }
        write!(f, " {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhanced_code_is_taken_from_the_text() {
        let reply = SmtpReply::new(550, "5.1.1 no such user");
        assert_eq!(
            reply.enhanced,
            Some(EnhancedCode {
                class: 5,
                subject: 1,
                detail: 1
            })
        );
        assert_eq!(reply.text, "no such user");
        assert_eq!(reply.to_string(), "550 5.1.1 no such user");
    }

    #[test]
    fn a_text_without_a_code_is_left_alone() {
        for text in ["ok", "1.2.3.4 is blocked", "9.9.9 what", "", "5.1 no"] {
            let reply = SmtpReply::new(550, text);
            assert_eq!((reply.enhanced, reply.text.as_str()), (None, text));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let reply = SmtpReply::new(550, &"ä".repeat(1_000));
        assert!(reply.text.len() <= SmtpReply::MAX_TEXT);
    }
}
