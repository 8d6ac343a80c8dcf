//! Messages: from what was rendered to the bytes that go over the wire (RFC 5322, RFC 2045–2047).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use mail_builder::{
    MessageBuilder,
    headers::{
        address::Address, content_type::ContentType, date::Date, message_id::MessageId, raw::Raw,
        text::Text, url::URL,
    },
    mime::MimePart,
};
use mauntic_core::{DeliveryId, EmailAddress, EmailId, OrganizationId};

/// The longest address in a header of ours: the line must stay below 998 octets (RFC 5322 §2.1.1).
const MAX_URL: usize = 900;

/// Someone with an address and perhaps a name.
#[derive(Debug, Clone, Copy)]
pub struct Mailbox<'a> {
    /// The name as it is shown, if any.
    pub name: Option<&'a str>,
    /// The address.
    pub address: &'a EmailAddress,
}

/// What the headers of a mailing say about leaving it (RFC 2369, RFC 2919, RFC 8058).
#[derive(Debug, Clone, Copy)]
pub struct ListHeaders<'a> {
    /// Takes the one-click POST; HTTPS outside tests.
    pub unsubscribe_url: &'a str,
    /// Also takes unsubscribe wishes, if someone reads it.
    pub unsubscribe_mailto: Option<&'a EmailAddress>,
    /// What the list is called: letters, digits, hyphens and dots. It stays the same over time.
    pub list_id: &'a str,
}

/// A message to one recipient.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingMessage<'a> {
    /// Whose mail it is.
    pub organization_id: OrganizationId,
    /// The email that was rendered, if it is a stored one.
    pub email_id: Option<EmailId>,
    /// The row of the send ledger; the Message-ID and the boundary come from it, so that building twice gives the same.
    pub delivery_id: DeliveryId,
    /// When it is handed over.
    pub date: DateTime<Utc>,
    /// The author.
    pub from: Mailbox<'a>,
    /// Where answers go, if not to the author.
    pub reply_to: Option<Mailbox<'a>>,
    /// The recipient.
    pub to: Mailbox<'a>,
    /// The subject.
    pub subject: &'a str,
    /// The text part.
    pub text: &'a str,
    /// The HTML part; without it the message is text alone.
    pub html: Option<&'a str>,
    /// Present on everything that people may leave, absent on mail they asked for, such as a receipt.
    pub list: Option<ListHeaders<'a>>,
}

/// The message cannot be written without breaking a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// A header would end early, and the rest would become another header.
    #[error("the {0} holds a line break or another control character")]
    ControlCharacter(&'static str),
    /// The part before the `@` is not ASCII, which only SMTPUTF8 could carry (RFC 6531).
    #[error("the address in {0} has characters before the @ that mail hosts do not take")]
    InternationalLocalPart(&'static str),
    /// The domain has no form that DNS can carry.
    #[error("the domain of the address in {0} is not a valid name")]
    InvalidDomain(&'static str),
    /// An address or name is not of the allowed form.
    #[error("the {0} is empty, too long or has characters that are not allowed")]
    InvalidValue(&'static str),
}

impl InvalidMessage {
    /// The header that no correct message could hold.
    #[must_use]
    pub fn header(&self) -> &'static str {
        match self {
            Self::ControlCharacter(header)
            | Self::InternationalLocalPart(header)
            | Self::InvalidDomain(header)
            | Self::InvalidValue(header) => header,
        }
    }
}

impl OutgoingMessage<'_> {
    /// The Message-ID without its angle brackets.
    ///
    /// # Errors
    /// [`InvalidMessage::InvalidDomain`].
    pub fn message_id(&self) -> Result<String, InvalidMessage> {
        let domain = ascii_domain(self.from.address.domain())
            .ok_or(InvalidMessage::InvalidDomain("From"))?;
        Ok(format!("{}@{domain}", self.delivery_id.as_uuid().simple()))
    }

    /// Writes the message: headers, then text and HTML as alternatives, every line ended by CRLF.
    ///
    /// # Errors
    /// [`InvalidMessage`] names the header that no correct message could hold.
    pub fn build(&self) -> Result<Vec<u8>, InvalidMessage> {
        let message_id = self.message_id()?;
        let mut builder = MessageBuilder::new()
            .header("From", mailbox("From", self.from)?)
            .header("To", mailbox("To", self.to)?)
            .header("Subject", Text::new(line("Subject", self.subject)?))
            .header("Date", Date::new(self.date.timestamp()))
            .header("Message-ID", MessageId::new(message_id.as_str()))
            .header("MIME-Version", Raw::new("1.0"));
        if let Some(reply_to) = self.reply_to {
            builder = builder.header("Reply-To", mailbox("Reply-To", reply_to)?);
        }
        builder = self.ids(builder);
        if let Some(list) = &self.list {
            let (_, domain) = message_id.split_once('@').unwrap_or_default();
            builder = list.write(builder, domain)?;
        }
        let mut output =
            Vec::with_capacity(4_096 + 2 * (self.text.len() + self.html.map_or(0, str::len)));
        builder.body(self.body()).serialize(&mut output);
        Ok(output)
    }

    /// The ids by which a reply, a complaint or a person finds the ledger row.
    fn ids<'b>(&self, builder: MessageBuilder<'b>) -> MessageBuilder<'b> {
        let organization = self.organization_id.as_uuid().simple();
        let mut builder = builder
            .header("X-Mauntic-Organization", Raw::new(organization.to_string()))
            .header(
                "X-Mauntic-Delivery",
                Raw::new(self.delivery_id.as_uuid().simple().to_string()),
            );
        if let Some(email) = self.email_id {
            let email = email.as_uuid().simple();
            builder = builder.header("X-Mauntic-Email", Raw::new(email.to_string()));
            // Gmail groups complaints by these: campaign, customer, kind of mail, sender.
            builder = builder.header(
                "Feedback-ID",
                Raw::new(format!("{email}:{organization}:email:mauntic")),
            );
        }
        builder
    }

    fn body(&self) -> MimePart<'_> {
        let text = MimePart::new("text/plain", clean_body(self.text));
        let Some(html) = self.html else {
            return text;
        };
        let boundary = format!("=_{}", self.delivery_id.as_uuid().simple());
        // Said outright, since the signature covers this header: a relay that adds it would break the signature.
        let kind = ContentType::new("multipart/alternative").attribute("boundary", boundary);
        MimePart::new(
            kind,
            vec![text, MimePart::new("text/html", clean_body(html))],
        )
        .transfer_encoding("7bit")
    }
}

impl<'a> ListHeaders<'a> {
    fn write<'b>(
        &self,
        builder: MessageBuilder<'b>,
        domain: &str,
    ) -> Result<MessageBuilder<'b>, InvalidMessage>
    where
        'a: 'b,
    {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if self.list_id.is_empty() || self.list_id.len() > 200 || !self.list_id.chars().all(plain) {
            return Err(InvalidMessage::InvalidValue("List-Id"));
        }
        let mut addresses = vec![url("List-Unsubscribe", self.unsubscribe_url)?.to_owned()];
        if let Some(address) = self.unsubscribe_mailto {
            addresses.push(format!(
                "mailto:{}?subject=unsubscribe",
                wire_address("List-Unsubscribe", address)?
            ));
        }
        Ok(builder
            .header("List-Unsubscribe", URL::from(addresses))
            .header(
                "List-Unsubscribe-Post",
                Raw::new("List-Unsubscribe=One-Click"),
            )
            .header("List-Id", Raw::new(format!("<{}.{domain}>", self.list_id)))
            .header("Precedence", Raw::new("bulk")))
    }
}

/// The address as SMTP carries it: the domain in its ASCII form (RFC 5891 §4.4).
///
/// # Errors
/// [`InvalidMessage`] with the name of the place it was meant for, if the address needs SMTPUTF8.
pub fn wire_address(place: &'static str, address: &EmailAddress) -> Result<String, InvalidMessage> {
    let local = address.local_part();
    if !local.is_ascii() {
        return Err(InvalidMessage::InternationalLocalPart(place));
    }
    let domain = ascii_domain(address.domain()).ok_or(InvalidMessage::InvalidDomain(place))?;
    Ok(format!("{local}@{domain}"))
}

/// The domain in its ASCII form, as DNS and mail carry it; `None` if it has none.
#[must_use]
pub fn ascii_domain(domain: &str) -> Option<Cow<'_, str>> {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
    };
    if domain.bytes().all(plain) && !domain.contains("xn--") {
        return Some(Cow::Borrowed(domain)).filter(|domain| !domain.is_empty());
    }
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => Some(Cow::Owned(ascii)),
        _ => None,
    }
}

fn mailbox<'a>(place: &'static str, mailbox: Mailbox<'a>) -> Result<Address<'a>, InvalidMessage> {
    let name = mailbox
        .name
        .map(|name| line(place, name))
        .transpose()?
        .map(str::trim);
    let address = wire_address(place, mailbox.address)?;
    Ok(Address::new_address(
        name.filter(|name| !name.is_empty()),
        address,
    ))
}

fn line<'a>(place: &'static str, text: &'a str) -> Result<&'a str, InvalidMessage> {
    // Also the separators U+2028 and U+2029, which some readers take for line breaks.
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if text.chars().any(breaks) {
        Err(InvalidMessage::ControlCharacter(place))
    } else {
        Ok(text)
    }
}

fn url<'a>(place: &'static str, text: &'a str) -> Result<&'a str, InvalidMessage> {
    let right = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b',');
    if text.is_empty() || text.len() > MAX_URL || !text.bytes().all(right) {
        return Err(InvalidMessage::InvalidValue(place));
    }
    Ok(text)
}

/// Bare carriage returns and control characters have no place in a text part (RFC 2045 §2.7, §2.8).
fn clean_body(text: &str) -> Cow<'_, str> {
    let wrong = |byte: u8| byte < b' ' && !matches!(byte, b'\n' | b'\t');
    if !text.bytes().any(wrong) {
        return Cow::Borrowed(text);
    }
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    Cow::Owned(
        unified
            .chars()
            .filter(|c| *c >= ' ' || matches!(c, '\n' | '\t'))
            .collect(),
    )
}

#[cfg(test)]
pub(crate) mod tests;
