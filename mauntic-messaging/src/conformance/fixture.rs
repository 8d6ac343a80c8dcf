//! An organisation with contacts, an email and a send, as the cases need them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use mauntic_core::{
    Actor, Clock as _, ContactId, DeliveryId, EmailVersionId, OrganizationId, Page, Principal,
    SecretKey, SegmentId, SendJobId, StoreError, TimeZoneName, UserId, UuidV7Source, WorkerId,
    testing::ManualClock,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    ContactDirectory, MailingList, MessagingStore, OrganizationDirectory, Owner, Recipient,
    content::{Body, EmailSource, OrganizationDetails},
    email::{CreateEmail, EmailParts, EmailService, EmailVersions, SavedEmail},
    sending::{
        DeliveryRef, DeliveryState, Lane, NewSendJob, Outcome, PlannedDelivery, Report, SendJob,
        SendJobRef,
    },
    token::{Purpose, TokenSigner, TrackingToken},
    tracking::{HitCommitter, HitContext, Projector, TrackingParts, TrackingService, VerdictRules},
};

/// A browser that is nobody's scanner.
pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Every contact is called Ann, whatever the id, and is on the same mailing lists.
#[derive(Default)]
pub(crate) struct Everybody {
    pub(crate) lists: Mutex<Vec<MailingList>>,
    pub(crate) asked_for_owners: AtomicUsize,
}

#[async_trait]
impl ContactDirectory for Everybody {
    async fn mailing_lists(
        &self,
        _: OrganizationId,
        _: ContactId,
    ) -> Result<Vec<MailingList>, StoreError> {
        Ok(self.lists.lock().expect("no test panics with it").clone())
    }

    async fn recipients(
        &self,
        _: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Recipient>, StoreError> {
        Ok(ids.iter().map(|id| recipient_of(*id)).collect())
    }

    async fn owners(&self, _: OrganizationId, ids: &[UserId]) -> Result<Vec<Owner>, StoreError> {
        self.asked_for_owners.fetch_add(1, Ordering::SeqCst);
        let owner = |id: &UserId| Owner {
            id: *id,
            name: "Kim van Dam".to_owned(),
            address: "kim@example.net".parse().expect("an address"),
            signature: None,
        };
        Ok(ids.iter().filter(|id| **id == OWNER).map(owner).collect())
    }
}

#[async_trait]
impl OrganizationDirectory for Everybody {
    async fn details(&self, _: OrganizationId) -> Result<OrganizationDetails, StoreError> {
        Ok(OrganizationDetails {
            name: "Acme".to_owned(),
            address: "1 Example Street".to_owned(),
            timezone: TimeZoneName::utc(),
        })
    }

    async fn contact_fields(&self, _: OrganizationId) -> Result<Vec<String>, StoreError> {
        Ok(vec!["firstname".to_owned(), "lastname".to_owned()])
    }
}

/// Ann, under that id.
pub(crate) fn recipient_of(contact: ContactId) -> Recipient {
    let fields = json!({"firstname": "Ann"});
    Recipient {
        contact_id: contact,
        address: address_of(contact).parse().ok(),
        fields: fields.as_object().cloned().unwrap_or_default(),
        do_not_contact: false,
        locale: None,
        timezone: None,
        owner_id: Some(OWNER),
        owner: None,
    }
}

/// Who looks after everybody.
pub(crate) const OWNER: UserId = UserId::from_uuid(Uuid::from_u128(7));

/// Where a contact of these tests is mailed.
pub(crate) fn address_of(contact: ContactId) -> String {
    format!("c{}@example.com", contact.as_uuid().simple())
}

/// Everything around one store.
pub(crate) struct World {
    pub(crate) store: Arc<dyn MessagingStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) owner: Actor,
    pub(crate) emails: EmailService,
    pub(crate) tracking: TrackingService,
    pub(crate) projector: Projector,
    pub(crate) tokens: Arc<TokenSigner>,
    pub(crate) everybody: Arc<Everybody>,
}

impl World {
    pub(crate) fn new(store: Arc<dyn MessagingStore>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let versions = EmailVersions::new(Arc::clone(&store));
        let secret = SecretKey::random().expect("the system has random bytes");
        let tokens = Arc::new(TokenSigner::new(&secret));
        let base_url = "https://mail.example.com".to_owned();
        let everybody = Arc::new(Everybody::default());
        let emails = EmailService::new(EmailParts {
            store: Arc::clone(&store),
            versions: versions.clone(),
            contacts: everybody.clone(),
            organizations: everybody.clone(),
            base_url: base_url.clone(),
            clock: clock.clone(),
            ids: Arc::new(UuidV7Source),
        });
        let tracking = TrackingService::new(TrackingParts {
            store: Arc::clone(&store),
            tokens: Arc::clone(&tokens),
            committer: HitCommitter::start(Arc::clone(&store)),
            versions,
            contacts: everybody.clone(),
            organizations: everybody.clone(),
            base_url,
            rules: VerdictRules::default(),
            clock: clock.clone(),
            ids: Arc::new(UuidV7Source),
        });
        let projector = Projector::new(
            Arc::clone(&store),
            VerdictRules::default(),
            clock.clone(),
            Arc::new(UuidV7Source),
        );
        Self {
            owner: Actor::system(OrganizationId::generate(&UuidV7Source)),
            store,
            clock,
            emails,
            tracking,
            projector,
            tokens,
            everybody,
        }
    }

    pub(crate) fn organization(&self) -> OrganizationId {
        self.owner.organization_id()
    }

    /// An email with links 0 and 1 and 2, all fixed.
    pub(crate) async fn email(&self, name: &str) -> SavedEmail {
        let command = CreateEmail {
            name: name.parse().expect("a name"),
            source: source("Hello"),
        };
        self.emails
            .create(&self.owner, command)
            .await
            .expect("the email can be saved")
    }

    /// Deliveries of an email that were accepted now, to contacts that nobody has seen before.
    pub(crate) async fn deliver(&self, email: &SavedEmail, contacts: usize) -> Vec<DeliveryId> {
        let segment = SegmentId::generate(&UuidV7Source);
        self.deliver_to(segment, email, contacts).await
    }

    /// The same to a segment.
    pub(crate) async fn deliver_to(
        &self,
        segment: SegmentId,
        email: &SavedEmail,
        contacts: usize,
    ) -> Vec<DeliveryId> {
        let to: Vec<_> = (0..contacts)
            .map(|_| {
                let contact = ContactId::generate(&UuidV7Source);
                (contact, address_of(contact))
            })
            .collect();
        self.attempt(segment, email, &to, &accepted()).await
    }

    /// Deliveries of an email that all came to that end now.
    pub(crate) async fn attempt(
        &self,
        segment: SegmentId,
        email: &SavedEmail,
        to: &[(ContactId, String)],
        outcome: &Outcome,
    ) -> Vec<DeliveryId> {
        let now = self.clock.now();
        let ids = UuidV7Source;
        let mut job = SendJob::new(
            NewSendJob {
                id: SendJobId::generate(&ids),
                organization_id: self.organization(),
                email_id: email.email.id,
                email_version_id: email.current.id,
                segment_id: segment,
                lane: Lane::Bulk,
                scheduled_at: now,
                local_time: None,
                made_by: Principal::System,
            },
            now,
        );
        job.planned_up_to(None, now);
        let page: Vec<_> = to
            .iter()
            .map(|(contact_id, address)| PlannedDelivery {
                id: DeliveryId::generate(&ids),
                contact_id: *contact_id,
                address: address.parse().ok(),
                skip: None,
                not_before: None,
            })
            .collect();
        let worker = WorkerId::generate(&ids);
        let name = SendJobRef::from(&job);
        let mut uow = self.store.begin().await.unwrap();
        uow.workers()
            .enlist(worker, now, now + TimeDelta::hours(1))
            .await
            .unwrap();
        uow.sends().insert_job(&job).await.unwrap();
        let mut counts = uow.ledger().plan(&job, &page, now).await.unwrap();
        let leased = uow
            .ledger()
            .lease(&name, worker, to.len() as u64, now)
            .await
            .unwrap();
        let leased: Vec<_> = leased.iter().map(DeliveryRef::from).collect();
        let granted = uow.ledger().grant(worker, &leased, now).await.unwrap();
        let report = |delivery: &DeliveryRef| Report {
            delivery: *delivery,
            outcome: outcome.clone(),
        };
        let reports: Vec<_> = granted.iter().map(report).collect();
        let settled = uow.ledger().settle(worker, &reports, now).await.unwrap();
        counts.change(&settled, outcome.state, None);
        uow.sends().count(0, &counts, now).await.unwrap();
        uow.workers().dismiss(worker).await.unwrap();
        uow.commit().await.unwrap();
        page.into_iter().map(|planned| planned.id).collect()
    }

    pub(crate) fn token(
        &self,
        delivery: DeliveryId,
        version: EmailVersionId,
        purpose: Purpose,
    ) -> String {
        self.tokens.sign(&TrackingToken {
            organization_id: self.organization(),
            delivery_id: delivery,
            version_id: version,
            purpose,
        })
    }

    /// A person's request now.
    pub(crate) fn person(&self) -> HitContext {
        HitContext {
            ip: "198.51.100.7".parse().ok(),
            user_agent: Some(BROWSER.to_owned()),
            head: false,
            prefetch: false,
            at: self.clock.now(),
        }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Counts all hits that are old enough.
    pub(crate) async fn project(&self) -> usize {
        let mut rounds = 0;
        while self.projector.project_once().await.unwrap() {
            rounds += 1;
        }
        rounds
    }
}

/// What is on all pages of a list.
pub(crate) async fn every_page<T, C>(read: impl AsyncFn(Option<C>) -> Page<T, C>) -> Vec<T> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = read(after).await;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// Content that can be sent.
pub(crate) fn source(subject: &str) -> EmailSource {
    EmailSource {
        subject: subject.to_owned(),
        preheader: None,
        body: Body::Html(
            "<p>Hi {{ contact.firstname }}</p>
             <p><a href=\"https://example.com/0\">none</a> <a href=\"https://example.com/1\">one</a>
             <a href=\"https://example.com/2\">two</a></p>
             <p>{{ organization.address }} <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></p>"
                .to_owned(),
        ),
        text: None,
        from_name: None,
        from_address: None,
        reply_to: None,
    }
}

fn accepted() -> Outcome {
    Outcome {
        state: DeliveryState::Accepted,
        class: None,
        reply: "250 2.0.0 ok".to_owned(),
        retry_at: None,
        slow_down: false,
    }
}
