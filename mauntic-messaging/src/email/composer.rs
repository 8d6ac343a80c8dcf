use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{Clock, EmailAddress, EmailId, EmailVersionId, OrganizationId, StoreError};

use super::{EmailVersion, EmailVersions};
use crate::{
    MessagingError, MessagingStore, OrganizationDirectory, Recipient,
    content::{OrganizationDetails, RecipientContext, RenderOptions, Rendered, Tracking},
    domain::{Signers, SigningDomains},
    mime::{self, ListHeaders, Mailbox, wire_address},
    sending::{
        BuildError, Delivery, Lane, MessageBuilder, OutgoingMessage, PreparedEmail, Sender,
        unsigned,
    },
    token::{ReturnPath, TokenSigner},
};

/// What a [`Composer`] is made of.
#[derive(Clone)]
pub struct ComposerParts {
    /// Keeps the emails.
    pub store: Arc<dyn MessagingStore>,
    /// Keeps versions ready.
    pub versions: EmailVersions,
    /// Keeps the keys of sending domains ready.
    pub signers: Signers,
    /// Knows the organisations.
    pub organizations: Arc<dyn OrganizationDirectory>,
    /// Makes the tokens of links and return paths.
    pub tokens: Arc<TokenSigner>,
    /// The public address of the installation.
    pub base_url: String,
    /// Whom mail is from if the email does not say.
    pub default_sender: Option<EmailAddress>,
    /// Whether mail that nothing signs is refused.
    pub must_be_signed: bool,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Makes finished messages of emails: renders, writes, signs.
#[derive(Clone)]
pub struct Composer {
    parts: ComposerParts,
}

impl Composer {
    /// A composer of these parts.
    #[must_use]
    pub fn new(parts: ComposerParts) -> Self {
        Self { parts }
    }
}

#[async_trait]
impl MessageBuilder for Composer {
    async fn current_version(
        &self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<Option<EmailVersionId>, StoreError> {
        let email = self.parts.store.emails().find(organization, email).await?;
        Ok(email.map(|email| email.current_version_id))
    }

    async fn sender(
        &self,
        organization: OrganizationId,
        version: EmailVersionId,
    ) -> Result<Sender, BuildError> {
        let parts = &self.parts;
        let version = parts.versions.get(organization, version).await?;
        let version = version.ok_or_else(|| BuildError::Email("its content is gone".to_owned()))?;
        let address = match version.source.from_address.as_deref() {
            Some(text) if is_filled_in(text) => None,
            written => sender(written, parts.default_sender.as_ref()),
        };
        let domains = parts.signers.of(organization).await;
        let domains = domains.map_err(unusable_keys)?;
        let signed_by = address
            .as_ref()
            .and_then(|address| domains.nearest(address.domain()))
            .map(|domain| domain.domain.clone());
        Ok(Sender {
            address,
            signed_by,
            must_be_signed: parts.must_be_signed,
        })
    }

    async fn prepare(
        &self,
        organization: OrganizationId,
        version: EmailVersionId,
    ) -> Result<Arc<dyn PreparedEmail>, BuildError> {
        let parts = &self.parts;
        let version = parts.versions.get(organization, version).await?;
        let version = version.ok_or_else(|| BuildError::Email("its content is gone".to_owned()))?;
        let domains = parts
            .signers
            .of(organization)
            .await
            .map_err(unusable_keys)?;
        Ok(Arc::new(Prepared {
            organization_id: organization,
            shows_owner: version.compiled.shows_owner(),
            version,
            domains,
            organization: parts.organizations.details(organization).await?,
            tokens: Arc::clone(&parts.tokens),
            base_url: parts.base_url.clone(),
            default_sender: parts.default_sender.clone(),
            must_be_signed: parts.must_be_signed,
            clock: Arc::clone(&parts.clock),
        }))
    }
}

fn unusable_keys(error: MessagingError) -> BuildError {
    match error {
        MessagingError::Store(error) => error.into(),
        other => BuildError::Email(other.to_string()),
    }
}

/// One version with all that its messages share.
struct Prepared {
    organization_id: OrganizationId,
    shows_owner: bool,
    version: Arc<EmailVersion>,
    domains: SigningDomains,
    organization: OrganizationDetails,
    tokens: Arc<TokenSigner>,
    base_url: String,
    default_sender: Option<EmailAddress>,
    must_be_signed: bool,
    clock: Arc<dyn Clock>,
}

impl PreparedEmail for Prepared {
    fn shows_owner(&self) -> bool {
        self.shows_owner
    }

    fn build(
        &self,
        delivery: &Delivery,
        recipient: &Recipient,
    ) -> Result<OutgoingMessage, BuildError> {
        let to = delivery
            .address
            .as_ref()
            .ok_or_else(|| BuildError::Recipient("there is no address".to_owned()))?;
        let now = self.clock.now();
        let rendered = self.render(delivery, recipient, now)?;
        let from = self.sender(&rendered)?;
        let bytes = self.write(delivery, recipient, &rendered, &from, now)?;
        let domain = self.domains.nearest(from.domain());
        let bytes = match domain {
            Some(domain) => domain
                .signer
                .sign(&bytes, now)
                .map_err(|error| BuildError::Email(error.to_string()))?,
            None if self.must_be_signed => return Err(self.refuse(&from)),
            None => bytes,
        };
        let envelope_from = match domain {
            // Also while its domain is not published: a bounce to another address would not say which message it is of.
            // What is missing is told wherever the domain is looked at, before the send too.
            Some(domain) => {
                let path = ReturnPath {
                    organization_id: self.organization_id,
                    delivery_id: delivery.id,
                };
                format!("{}@{}", self.tokens.return_path(&path), domain.return_path)
            }
            // Nobody would take bounces at a made-up address of a foreign domain.
            None => {
                wire_address("From", &from).map_err(|error| BuildError::Email(error.to_string()))?
            }
        };
        Ok(OutgoingMessage {
            delivery_id: Some(delivery.id),
            envelope_from,
            envelope_to: to.clone(),
            bytes,
        })
    }
}

impl Prepared {
    fn render(
        &self,
        delivery: &Delivery,
        recipient: &Recipient,
        now: DateTime<Utc>,
    ) -> Result<Rendered, BuildError> {
        let records = recipient.records();
        let context = RecipientContext {
            contact_id: Some(recipient.contact_id),
            address: delivery.address.as_ref(),
            fields: &recipient.fields,
            records: &records,
            organization: &self.organization,
            timezone: recipient.timezone.as_ref(),
            locale: recipient.locale.as_deref(),
            now,
        };
        let options = RenderOptions {
            base_url: &self.base_url,
            tracking: Some(Tracking {
                signer: Arc::clone(&self.tokens),
                organization_id: self.organization_id,
                delivery_id: delivery.id,
                version_id: self.version.id,
                opens: true,
                clicks: true,
            }),
        };
        let rendered = self.version.compiled.render(&context, &options);
        rendered.map_err(|error| BuildError::Recipient(error.to_string()))
    }

    /// The email's own sender if that is an address for this recipient, else the default.
    fn sender(&self, rendered: &Rendered) -> Result<EmailAddress, BuildError> {
        let from = sender(
            rendered.from_address.as_deref(),
            self.default_sender.as_ref(),
        );
        from.ok_or_else(|| {
            BuildError::Email("it has no sender address, and there is no default".to_owned())
        })
    }

    /// Why an unsigned message is not made. A sender that depends on the recipient may be signed for others.
    fn refuse(&self, from: &EmailAddress) -> BuildError {
        let written = self.version.source.from_address.as_deref();
        if written.is_some_and(is_filled_in) {
            BuildError::Recipient(unsigned(from))
        } else {
            BuildError::Email(unsigned(from))
        }
    }

    fn write(
        &self,
        delivery: &Delivery,
        recipient: &Recipient,
        rendered: &Rendered,
        from: &EmailAddress,
        now: DateTime<Utc>,
    ) -> Result<Vec<u8>, BuildError> {
        let to = delivery.address.as_ref().unwrap_or(from);
        let reply_to: Option<EmailAddress> = rendered
            .reply_to
            .as_ref()
            .and_then(|text| text.parse().ok());
        let name = full_name(recipient);
        let list_id = self.organization_id.as_uuid().simple().to_string();
        let list = ListHeaders {
            unsubscribe_url: &rendered.unsubscribe_url,
            unsubscribe_mailto: None,
            list_id: &list_id,
        };
        let message = mime::OutgoingMessage {
            organization_id: self.organization_id,
            email_id: Some(self.version.email_id),
            delivery_id: delivery.id,
            date: now,
            from: Mailbox {
                name: Some(
                    rendered
                        .from_name
                        .as_deref()
                        .unwrap_or(&self.organization.name),
                ),
                address: from,
            },
            reply_to: reply_to.as_ref().map(|address| Mailbox {
                name: None,
                address,
            }),
            to: Mailbox {
                name: name.as_deref(),
                address: to,
            },
            subject: &rendered.subject,
            text: &rendered.text,
            html: Some(&rendered.html),
            list: (delivery.lane == Lane::Bulk).then_some(list),
        };
        message.build().map_err(|error| {
            let text = error.to_string();
            if self.is_everybodys(error.header()) {
                BuildError::Email(text)
            } else {
                BuildError::Recipient(text)
            }
        })
    }

    /// Whether a header is the same for everybody, so that what is wrong with it is wrong with the email.
    fn is_everybodys(&self, header: &str) -> bool {
        let source = &self.version.source;
        let written = match header {
            "To" => return false,
            "From" => [source.from_name.as_deref(), source.from_address.as_deref()],
            "Reply-To" => [source.reply_to.as_deref(), None],
            "Subject" => [Some(source.subject.as_str()), None],
            _ => [None, None],
        };
        // Both languages of templates write their values in braces.
        !written.into_iter().flatten().any(|text| text.contains('{'))
    }
}

/// The email's own sender if that is an address, else the default.
fn sender(own: Option<&str>, default: Option<&EmailAddress>) -> Option<EmailAddress> {
    let own = own.and_then(|text| text.parse().ok());
    own.or_else(|| default.cloned())
}

/// Whether a text has variables, so that it depends on the recipient.
fn is_filled_in(text: &str) -> bool {
    text.contains('{')
}

/// First and last name, if any, on one line.
fn full_name(recipient: &Recipient) -> Option<String> {
    let field = |alias: &str| recipient.fields.get(alias).and_then(|value| value.as_str());
    let names = [field("firstname"), field("lastname")];
    let words = names.into_iter().flatten().flat_map(str::split_whitespace);
    let name = words.collect::<Vec<_>>().join(" ");
    let printable = !name.is_empty() && !name.chars().any(char::is_control);
    printable.then_some(name)
}
