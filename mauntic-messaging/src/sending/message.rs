use std::{fmt, sync::Arc};

use async_trait::async_trait;
use mauntic_core::{DeliveryId, EmailAddress, EmailId, EmailVersionId, OrganizationId, StoreError};

use super::Delivery;
use crate::{Recipient, domain::DomainName};

/// A finished message with its envelope, ready for a transport.
///
/// `Debug` hides the content and the addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// The row of the ledger it is for; `None` for a test.
    pub delivery_id: Option<DeliveryId>,
    /// Where bounces go.
    pub envelope_from: String,
    /// Where the message goes.
    pub envelope_to: EmailAddress,
    /// Header and body, signed, with CRLF line ends; not dot-stuffed.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage")
            .field("delivery_id", &self.delivery_id)
            .field("size", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Why a message could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// This recipient's values do not make a message; others may.
    #[error("the message cannot be made for this contact: {0}")]
    Recipient(String),
    /// The email cannot be sent to anybody.
    #[error("the email cannot be sent: {0}")]
    Email(String),
    /// The storage failed; it may work later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whom the mail of an email is from, and whether anything signs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The address; `None` if it depends on the recipient.
    pub address: Option<EmailAddress>,
    /// The sending domain whose keys sign mail from that address.
    pub signed_by: Option<DomainName>,
    /// Whether mail that nothing signs is refused.
    pub must_be_signed: bool,
}

impl Sender {
    /// Whether mail leaves without a DKIM signature. Large receivers refuse such mail from bulk senders, and one-click
    /// unsubscribing counts only in signed mail (RFC 8058 section 4).
    #[must_use]
    pub fn is_unsigned(&self) -> bool {
        self.address.is_some() && self.signed_by.is_none()
    }

    /// Why nothing can be sent from here, if so.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let address = self.address.as_ref()?;
        (self.is_unsigned() && self.must_be_signed).then(|| unsigned(address))
    }
}

/// Why mail from an address is not sent.
pub(crate) fn unsigned(from: &EmailAddress) -> String {
    format!(
        "nothing signs mail from {0}, and this installation sends no unsigned mail: add {0} as a sending domain",
        from.domain()
    )
}

/// Makes messages of emails.
#[async_trait]
pub trait MessageBuilder: Send + Sync {
    /// The version of an email that a new send takes; `None` if the organisation has no such email.
    async fn current_version(
        &self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<Option<EmailVersionId>, StoreError>;

    /// Whom mail of one version is from.
    async fn sender(
        &self,
        organization: OrganizationId,
        version: EmailVersionId,
    ) -> Result<Sender, BuildError>;

    /// Gets ready to make messages of one version: loads templates, keys and settings.
    async fn prepare(
        &self,
        organization: OrganizationId,
        version: EmailVersionId,
    ) -> Result<Arc<dyn PreparedEmail>, BuildError>;
}

/// One version of an email, ready to be made into messages. It is work for the processor only, and
/// called away from the reactor, on many threads at once.
pub trait PreparedEmail: Send + Sync {
    /// Whether its messages show who looks after the recipient, so that this is to be looked up.
    fn shows_owner(&self) -> bool {
        false
    }

    /// Renders and signs the message of one delivery.
    ///
    /// # Errors
    /// [`BuildError::Recipient`] or [`BuildError::Email`].
    fn build(
        &self,
        delivery: &Delivery,
        recipient: &Recipient,
    ) -> Result<OutgoingMessage, BuildError>;
}
