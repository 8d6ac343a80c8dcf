use std::sync::Arc;

use mauntic_core::{
    Access, Actor, Cause, Clock, ContactId, DeliveryId, DomainEvent, EmailId, Envelope, HitId,
    IdSource, OrganizationId, Page, PageSize, Permission, StoreError, TimeZoneName, UseCase,
};
use tracing::warn;

use super::{
    Behind, DayActivity, DomainReport, EmailReport, EmailSummary, Hit, HitCommitter, HitContext,
    HitKind, Person, SummaryCursor, SummaryListing, TimelineCursor, TimelineEntry, VerdictRules,
    judge, network_of, stored_agent,
};
use crate::{
    ContactDirectory, MessagingError, MessagingStore, MessagingUnitOfWork, OrganizationDirectory,
    audience::look_up_owners,
    content::{RecipientContext, RenderOptions, Tracking},
    email::{EmailVersions, sample_recipient},
    sending::Delivery,
    token::{Purpose, TokenSigner, TrackingToken},
};

/// How many recipient domains are told apart.
const DOMAINS: u16 = 50;

/// What a [`TrackingService`] is made of.
#[derive(Clone)]
pub struct TrackingParts {
    /// Keeps hits and counters.
    pub store: Arc<dyn MessagingStore>,
    /// Makes and checks tokens.
    pub tokens: Arc<TokenSigner>,
    /// Stores hits in groups.
    pub committer: HitCommitter,
    /// Knows where links lead.
    pub versions: EmailVersions,
    /// Knows the contacts, for the web view.
    pub contacts: Arc<dyn ContactDirectory>,
    /// Knows the organisations, for the web view.
    pub organizations: Arc<dyn OrganizationDirectory>,
    /// The public address of the installation.
    pub base_url: String,
    /// What verdicts are made by.
    pub rules: VerdictRules,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn IdSource>,
}

/// Where a click goes on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickTarget {
    /// The address: what the link led to when the mail was rendered, never what the request says.
    pub url: String,
    /// Whether the click was stored. The reader goes on all the same.
    pub recorded: bool,
}

/// A message as it is read in a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebView {
    /// Its subject.
    pub subject: String,
    /// Its HTML, without the pixel.
    pub html: String,
}

/// What the public tracking addresses do, and the results of it.
#[derive(Clone)]
pub struct TrackingService {
    pub(super) parts: TrackingParts,
}

impl TrackingService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("activity", Access::Needs(Permission::EmailsRead)),
        ("choose_lists", Access::Anybody),
        ("click", Access::Anybody),
        ("domains", Access::Needs(Permission::EmailsRead)),
        (
            "export",
            Access::NeedsAll(&[Permission::EmailsRead, Permission::ContactsExport]),
        ),
        ("is_test", Access::Anybody),
        ("open", Access::Anybody),
        ("people", Access::Needs(Permission::EmailsRead)),
        ("report", Access::Needs(Permission::EmailsRead)),
        ("resubscribe", Access::Anybody),
        ("summaries", Access::Needs(Permission::EmailsRead)),
        ("target", Access::Anybody),
        ("timeline", Access::Needs(Permission::ContactsRead)),
        ("unsubscribe", Access::Anybody),
        ("unsubscribe_from_all", Access::Anybody),
        ("unsubscribe_page", Access::Anybody),
        ("web_view", Access::Anybody),
    ];

    /// The use cases over these parts.
    #[must_use]
    pub fn new(parts: TrackingParts) -> Self {
        Self { parts }
    }

    /// What happened on each of the last days of a zone, today included and last; at most 400 days.
    pub async fn activity(
        &self,
        actor: &Actor,
        zone: &TimeZoneName,
        days: u16,
    ) -> Result<Vec<DayActivity>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let days = zone.last_days(self.parts.clock.now(), days.min(400));
        let activity = self.parts.store.tracking().activity(organization, &days);
        Ok(activity.await?)
    }

    /// The pixel was loaded. Returns once that is durable.
    ///
    /// # Errors
    /// [`MessagingError::InvalidToken`] for a link that was not made here; [`MessagingError::Busy`] if too many
    /// wait. The pixel is to be served all the same.
    pub async fn open(&self, token: &str, context: &HitContext) -> Result<(), MessagingError> {
        let token = self.verify(token)?;
        if token.purpose != Purpose::Open {
            return Err(MessagingError::InvalidToken);
        }
        let hit = self.hit(&token, HitKind::Open, None, context);
        self.parts.committer.commit(hit).await
    }

    /// A link was followed. Returns where it leads, once the click is durable.
    ///
    /// # Errors
    /// [`MessagingError::InvalidToken`] for a link that was not made here, or that leads nowhere.
    pub async fn click(
        &self,
        token: &str,
        context: &HitContext,
    ) -> Result<ClickTarget, MessagingError> {
        let (token, link, url) = self.followed(token).await?;
        let hit = self.hit(&token, HitKind::Click, Some(link), context);
        let recorded = self.parts.committer.commit(hit).await;
        if let Err(reason) = &recorded {
            let reason = reason as &dyn std::error::Error;
            warn!(reason, "a click was not recorded");
        }
        Ok(ClickTarget {
            url,
            recorded: recorded.is_ok(),
        })
    }

    /// Where a link leads, without storing that it was followed.
    ///
    /// # Errors
    /// As [`click`](Self::click).
    pub async fn target(&self, token: &str) -> Result<ClickTarget, MessagingError> {
        let (_, _, url) = self.followed(token).await?;
        let recorded = false;
        Ok(ClickTarget { url, recorded })
    }

    /// Whether a token, of whatever kind, was made here; nothing is looked up and nothing stored.
    #[must_use]
    pub fn is_ours(&self, token: &str) -> bool {
        self.verify(token).is_ok()
    }

    async fn followed(&self, token: &str) -> Result<(TrackingToken, u16, String), MessagingError> {
        let token = self.verify(token)?;
        let Purpose::Click { link, target } = token.purpose.clone() else {
            return Err(MessagingError::InvalidToken);
        };
        let url = match target {
            Some(target) => target,
            None => self.fixed_target(&token, link).await?,
        };
        Ok((token, link, url))
    }

    /// Whether a link is one of a test message: it was made here, of a version that is kept, and no delivery belongs to
    /// it, since tests are no part of the ledger.
    ///
    /// # Errors
    /// [`MessagingError::InvalidToken`] for a link that was not made here.
    pub async fn is_test(&self, token: &str) -> Result<bool, MessagingError> {
        let token = self.verify(token)?;
        let organization = token.organization_id;
        let sends = self.parts.store.sends();
        let delivery = sends.find_delivery(organization, token.delivery_id);
        if delivery.await?.is_some() {
            return Ok(false);
        }
        // Not from memory, where it may outlive its organisation.
        let emails = self.parts.store.emails();
        let version = emails.find_version(organization, token.version_id);
        Ok(version.await?.is_some())
    }

    /// The message of a web view link, rendered again from the version that was sent, with the contact's
    /// present fields. That of a test message is shown as to somebody made up, and counted nowhere.
    ///
    /// # Errors
    /// [`MessagingError::InvalidToken`]; [`MessagingError::NotFound`] if the message or the contact is gone.
    pub async fn web_view(
        &self,
        token: &str,
        context: &HitContext,
    ) -> Result<WebView, MessagingError> {
        let token = self.verify(token)?;
        if token.purpose != Purpose::WebView {
            return Err(MessagingError::InvalidToken);
        }
        let organization = token.organization_id;
        let sends = self.parts.store.sends();
        let delivery = sends.find_delivery(organization, token.delivery_id);
        let Some(delivery) = delivery.await? else {
            return self.render(&token, None).await;
        };
        let view = self.render(&token, Some(delivery)).await?;
        let hit = self.hit(&token, HitKind::WebView, None, context);
        if let Err(reason) = self.parts.committer.commit(hit).await {
            let reason = &reason as &dyn std::error::Error;
            warn!(reason, "a web view was not recorded");
        }
        Ok(view)
    }

    /// The results of an email over all its sends.
    ///
    /// # Errors
    /// [`MessagingError::NotFound`] if the organisation has no such email.
    pub async fn report(
        &self,
        actor: &Actor,
        email: EmailId,
    ) -> Result<EmailReport, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        self.require_email(organization, email).await?;
        let mut report = self
            .parts
            .store
            .tracking()
            .report(organization, email)
            .await?;
        for link in &mut report.links {
            let version = self
                .parts
                .versions
                .get(organization, link.version_id)
                .await?;
            link.url = version.and_then(|version| {
                version
                    .compiled
                    .link(link.link)
                    .map(|link| link.url.clone())
            });
        }
        Ok(report)
    }

    /// The results of the emails that were sent, one beside the other.
    pub async fn summaries(
        &self,
        actor: &Actor,
        listing: &SummaryListing,
    ) -> Result<Page<EmailSummary, SummaryCursor>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let summaries = self.parts.store.tracking().summaries(organization, listing);
        Ok(summaries.await?)
    }

    /// Who stands behind a number of an email's report. Their addresses, and what was answered there, show only to who may
    /// read contacts.
    pub async fn people(
        &self,
        actor: &Actor,
        email: EmailId,
        behind: &Behind,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Person, DeliveryId>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        self.require_email(organization, email).await?;
        let tracking = self.parts.store.tracking();
        let people = tracking.people(organization, email, behind, after, size);
        let mut people = people.await?;
        if !actor.may(Permission::ContactsRead) {
            for person in &mut people.items {
                person.address = None;
                person.reply = None;
            }
        }
        Ok(people)
    }

    /// The same to be taken along, with the addresses; a file is made of page after page.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsRead`] and [`Permission::ContactsExport`]; otherwise as [`people`](Self::people).
    pub async fn export(
        &self,
        actor: &Actor,
        email: EmailId,
        behind: &Behind,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Person, DeliveryId>, MessagingError> {
        actor.require(Permission::ContactsExport)?;
        let organization = actor.require(Permission::EmailsRead)?;
        self.require_email(organization, email).await?;
        let tracking = self.parts.store.tracking();
        let people = tracking.people(organization, email, behind, after, size);
        Ok(people.await?)
    }

    /// The results of an email by recipient domain, those with most messages first.
    pub async fn domains(
        &self,
        actor: &Actor,
        email: EmailId,
    ) -> Result<Vec<DomainReport>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        self.require_email(organization, email).await?;
        let tracking = self.parts.store.tracking();
        Ok(tracking.domains(organization, email, DOMAINS).await?)
    }

    async fn require_email(
        &self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<(), MessagingError> {
        let found = self.parts.store.emails().find(organization, email).await?;
        found
            .map(|_| ())
            .ok_or(MessagingError::NotFound { what: "email" })
    }

    /// What was sent to a contact and what happened to it, newest first. Empty for an unknown contact.
    pub async fn timeline(
        &self,
        actor: &Actor,
        contact: ContactId,
        after: Option<TimelineCursor>,
        size: PageSize,
    ) -> Result<Page<TimelineEntry, TimelineCursor>, MessagingError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let page = self
            .parts
            .store
            .tracking()
            .timeline(organization, contact, after, size);
        Ok(page.await?)
    }

    pub(super) fn verify(&self, token: &str) -> Result<TrackingToken, MessagingError> {
        let token = self.parts.tokens.verify(token);
        token.map_err(|_| MessagingError::InvalidToken)
    }

    async fn fixed_target(
        &self,
        token: &TrackingToken,
        link: u16,
    ) -> Result<String, MessagingError> {
        let versions = &self.parts.versions;
        let version = versions
            .get(token.organization_id, token.version_id)
            .await?;
        let link = version
            .as_ref()
            .and_then(|version| version.compiled.link(link));
        link.filter(|link| link.is_fixed())
            .map(|link| link.url.clone())
            .ok_or(MessagingError::InvalidToken)
    }

    pub(super) fn hit(
        &self,
        token: &TrackingToken,
        kind: HitKind,
        link: Option<u16>,
        context: &HitContext,
    ) -> Hit {
        Hit {
            organization_id: token.organization_id,
            id: HitId::generate(&*self.parts.ids),
            delivery_id: token.delivery_id,
            version_id: token.version_id,
            kind,
            link,
            at: context.at,
            network: context.ip.map(network_of),
            user_agent: context.user_agent.as_deref().and_then(stored_agent),
            reasons: judge(kind, context, &self.parts.rules),
        }
    }

    pub(super) async fn find_delivery(
        &self,
        organization: OrganizationId,
        id: DeliveryId,
    ) -> Result<Delivery, MessagingError> {
        let found = self
            .parts
            .store
            .sends()
            .find_delivery(organization, id)
            .await?;
        found.ok_or(GONE)
    }

    /// Renders the message of a delivery, or of a test, which has none, as to somebody made up.
    async fn render(
        &self,
        token: &TrackingToken,
        delivery: Option<Delivery>,
    ) -> Result<WebView, MessagingError> {
        let organization = token.organization_id;
        let version = self
            .parts
            .versions
            .get(organization, token.version_id)
            .await?;
        let version = version.ok_or(GONE)?;
        let is_test = delivery.is_none();
        let (mut recipient, address) = match delivery {
            None => {
                let sample = sample_recipient(ContactId::generate(&*self.parts.ids));
                let address = sample.address.clone();
                (sample, address)
            }
            Some(delivery) => {
                let contact = [delivery.contact_id];
                let found = self.parts.contacts.recipients(organization, &contact);
                let found = found.await?.into_iter().next().ok_or(GONE)?;
                (found, delivery.address)
            }
        };
        if version.compiled.shows_owner() {
            let contacts = &*self.parts.contacts;
            look_up_owners(contacts, organization, vec![&mut recipient]).await?;
        }
        let details = self.parts.organizations.details(organization).await?;
        let tracking = Tracking {
            signer: Arc::clone(&self.parts.tokens),
            organization_id: organization,
            delivery_id: token.delivery_id,
            version_id: version.id,
            // The view is counted by itself.
            opens: false,
            clicks: !is_test,
        };
        let base_url = self.parts.base_url.clone();
        let now = self.parts.clock.now();
        let rendered = tokio::task::spawn_blocking(move || {
            let records = recipient.records();
            let recipient = RecipientContext {
                contact_id: Some(recipient.contact_id),
                address: address.as_ref(),
                fields: &recipient.fields,
                records: &records,
                organization: &details,
                timezone: recipient.timezone.as_ref(),
                locale: recipient.locale.as_deref(),
                now,
            };
            let options = RenderOptions {
                base_url: &base_url,
                tracking: Some(tracking),
            };
            version.compiled.render(&recipient, &options)
        });
        let rendered = rendered.await.map_err(StoreError::backend)?;
        let rendered = rendered.map_err(|error| {
            MessagingError::invalid("email", "not_renderable", error.to_string())
        })?;
        Ok(WebView {
            subject: rendered.subject,
            html: rendered.html,
        })
    }

    pub(super) async fn publish<E: DomainEvent>(
        &self,
        uow: &mut dyn MessagingUnitOfWork,
        organization: OrganizationId,
        event: &E,
    ) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let ids = &*self.parts.ids;
        let envelope = Envelope::seal(organization, event, now, ids, Cause::root(ids))?;
        uow.outbox().append(&[envelope]).await
    }
}

pub(super) const GONE: MessagingError = MessagingError::NotFound { what: "message" };
