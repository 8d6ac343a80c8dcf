use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::blocks::BlockDocument;

/// The longest body that may be saved, in bytes.
pub const MAX_BODY: usize = 1 << 20;
/// The longest subject, preheader, name or address that may be saved, in bytes.
pub const MAX_LINE: usize = 2_000;

/// The body as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "source", rename_all = "snake_case")]
pub enum Body {
    /// HTML.
    Html(String),
    /// MJML, which becomes HTML that every mail program shows alike.
    Mjml(String),
    /// Blocks, which become MJML.
    Blocks(BlockDocument),
}

impl Body {
    /// What was written, as text; of blocks, the MJML that they become.
    #[must_use]
    pub fn markup(&self) -> Cow<'_, str> {
        match self {
            Self::Html(source) | Self::Mjml(source) => Cow::Borrowed(source),
            Self::Blocks(document) => Cow::Owned(document.to_mjml().mjml),
        }
    }
}

/// An email as people write it. Every part may hold template code (`{{ contact.firstname }}`) and tokens known from
/// Mautic (`{contactfield=firstname|friend}`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmailSource {
    /// The subject.
    pub subject: String,
    /// The preview text that mail programs show beside the subject.
    #[serde(default)]
    pub preheader: Option<String>,
    /// The body.
    pub body: Body,
    /// The text part; without it, one is made from the body.
    #[serde(default)]
    pub text: Option<String>,
    /// The sender's name, if it is not the organisation's.
    #[serde(default)]
    pub from_name: Option<String>,
    /// The sender's address, if it is not the organisation's.
    #[serde(default)]
    pub from_address: Option<String>,
    /// Where answers go, if not to the sender.
    #[serde(default)]
    pub reply_to: Option<String>,
}
