use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, EmailAddress, UserId};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    MessagingError, Owner, Recipient,
    content::{
        CompiledEmail, OrganizationDetails, Problem, RecipientContext, RenderOptions, Rendered,
    },
};

/// For whom an email is shown before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewRecipient {
    /// A contact of the organisation.
    Contact(ContactId),
    /// Somebody made up.
    Sample,
}

/// An email as one recipient would see it. Links lead to their targets, and nothing is tracked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The subject.
    pub subject: String,
    /// The preview text.
    pub preheader: Option<String>,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub text: String,
    /// The sender's name, if the email has one of its own.
    pub from_name: Option<String>,
    /// The sender's address, if the email has one of its own.
    pub from_address: Option<String>,
    /// The address for answers, if the email has one.
    pub reply_to: Option<String>,
    /// What somebody should look at before sending.
    pub warnings: Vec<Problem>,
}

/// What a preview is rendered with, beside the recipient.
pub(super) struct Frame<'a> {
    pub(super) organization: &'a OrganizationDetails,
    pub(super) base_url: &'a str,
    pub(super) now: DateTime<Utc>,
}

/// Renders a preview. It is work for the processor: call it where blocking is allowed.
pub(super) fn render(
    compiled: &CompiledEmail,
    recipient: Option<&Recipient>,
    frame: &Frame<'_>,
) -> Result<Preview, MessagingError> {
    let sample_fields = sample_fields();
    let sample_address = SAMPLE_ADDRESS.parse::<EmailAddress>().ok();
    let records = match recipient {
        Some(recipient) => recipient.records(),
        None => sample_owner()
            .map(|owner| ("owner", owner.fields()))
            .into_iter()
            .collect(),
    };
    let context = RecipientContext {
        contact_id: recipient.map(|recipient| recipient.contact_id),
        address: recipient.map_or(sample_address.as_ref(), |recipient| {
            recipient.address.as_ref()
        }),
        fields: recipient.map_or(&sample_fields, |recipient| &recipient.fields),
        records: &records,
        organization: frame.organization,
        timezone: recipient.and_then(|recipient| recipient.timezone.as_ref()),
        locale: recipient.and_then(|recipient| recipient.locale.as_deref()),
        now: frame.now,
    };
    let options = RenderOptions {
        base_url: frame.base_url,
        tracking: None,
    };
    let Rendered {
        subject,
        preheader,
        html,
        text,
        from_name,
        from_address,
        reply_to,
        ..
    } = compiled
        .render(&context, &options)
        .map_err(|error| MessagingError::invalid("email", "not_renderable", error.to_string()))?;
    Ok(Preview {
        subject,
        preheader,
        html,
        text,
        from_name,
        from_address,
        reply_to,
        warnings: compiled.warnings().to_vec(),
    })
}

const SAMPLE_ADDRESS: &str = "ann.sample@example.com";

/// Who looks after somebody made up.
fn sample_owner() -> Option<Owner> {
    Some(Owner {
        id: UserId::from_uuid(uuid::Uuid::nil()),
        name: "Kim Example".to_owned(),
        address: "kim@example.com".parse().ok()?,
        signature: None,
    })
}

/// Somebody made up, as a message sees a contact.
pub(crate) fn sample_recipient(contact_id: ContactId) -> Recipient {
    Recipient {
        contact_id,
        address: SAMPLE_ADDRESS.parse().ok(),
        fields: sample_fields(),
        do_not_contact: false,
        locale: None,
        timezone: None,
        owner_id: None,
        owner: sample_owner(),
    }
}

/// The fields of somebody made up, with the usual ones filled in.
fn sample_fields() -> Map<String, Value> {
    let fields = json!({
        "title": "Ms", "firstname": "Ann", "lastname": "Sample", "company": "Example Ltd",
        "position": "Editor", "phone": "+44 20 7946 0000", "mobile": "+44 7700 900000",
        "address1": "1 Example Street", "city": "London", "zipcode": "EC1A 1BB", "country": "GB",
        "preferred_locale": "en", "timezone": "Europe/London", "website": "https://example.com",
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
