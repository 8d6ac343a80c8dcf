//! People, messages and mail servers for tests of sending.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    Actor, Clock, ContactId, EmailId, EmailVersionId, OrganizationId, SegmentId, SendJobId,
    Standing, StoreError, SystemClock, TimeZoneName, UuidV7Source,
    storage::{DbOptions, test_database::TestDatabase},
};
use mauntic_messaging::{
    Audience, AudienceMember, ContactDirectory, MessagingStore, Readiness, Recipient,
    content::{Body, EmailSource, Variables, compile},
    email::{Email, EmailVersion},
    sending::{
        BuildError, CreateSend, Delivery, Engine, EngineOptions, EnginePorts, HandOver, JobState,
        MessageBuilder, OutgoingMessage, PreparedEmail, SendService, SendStatus, SendTime, Sender,
        SmtpReply,
    },
    storage::SeaOrmMessagingStore,
    transport::{MailTransport, OpenTransport, SendingLimits, Transports},
};
use tokio::sync::watch;
use uuid::Uuid;

/// The time of the machine, which tests can turn forward.
#[derive(Default)]
pub(crate) struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    pub(crate) fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + TimeDelta::seconds(self.0.load(Ordering::SeqCst))
    }
}

/// Contacts of one organisation, all in one segment.
#[derive(Default)]
pub(crate) struct People {
    all: Mutex<BTreeMap<ContactId, Person>>,
    /// Whether only the first page of the audience can be read.
    pub(crate) first_page_only: AtomicBool,
    /// Whether their organisation is blocked.
    pub(crate) blocked: AtomicBool,
    /// A segment that cannot be read.
    pub(crate) unreadable: Mutex<Option<SegmentId>>,
    /// How many members can be read until their segment is deleted, if it is.
    pub(crate) deleted_after: Mutex<Option<usize>>,
    /// How far segments are that are not ready; without an answer they are gone.
    behind: Mutex<HashMap<SegmentId, Option<Readiness>>>,
    /// As of when it was asked how far segments are.
    pub(crate) asked_as_of: Mutex<Vec<DateTime<Utc>>>,
}

#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) address: Option<String>,
    pub(crate) do_not_contact: bool,
    pub(crate) timezone: Option<TimeZoneName>,
}

pub(crate) fn contact(number: u128) -> ContactId {
    ContactId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn segment(number: u128) -> SegmentId {
    SegmentId::from_uuid(Uuid::from_u128(number))
}

impl People {
    pub(crate) fn add(&self, number: u128, address: Option<&str>, do_not_contact: bool) {
        let person = Person {
            address: address.map(str::to_owned),
            do_not_contact,
            timezone: None,
        };
        self.all.lock().unwrap().insert(contact(number), person);
    }

    /// Moves somebody to a zone.
    pub(crate) fn settle_in(&self, number: u128, zone: &str) {
        let mut all = self.all.lock().unwrap();
        all.get_mut(&contact(number)).unwrap().timezone = Some(zone.parse().unwrap());
    }

    /// Sets how far a segment is; without an answer it is gone.
    pub(crate) fn behind(&self, segment: SegmentId, readiness: Option<Readiness>) {
        self.behind.lock().unwrap().insert(segment, readiness);
    }

    pub(crate) fn remove(&self, number: u128) {
        self.all.lock().unwrap().remove(&contact(number));
    }

    pub(crate) fn crowd(&self, people: u128) {
        for number in 1..=people {
            self.add(number, Some(&format!("p{number}@example.com")), false);
        }
    }
}

#[async_trait]
impl Standing for People {
    async fn is_active(&self, _: OrganizationId) -> Result<bool, StoreError> {
        Ok(!self.blocked.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Audience for People {
    async fn readiness(
        &self,
        _: OrganizationId,
        segment: SegmentId,
        as_of: DateTime<Utc>,
    ) -> Result<Option<Readiness>, StoreError> {
        self.asked_as_of.lock().unwrap().push(as_of);
        let behind = self.behind.lock().unwrap();
        let ready = Some(Readiness::Ready);
        Ok(behind.get(&segment).copied().unwrap_or(ready))
    }

    async fn size(&self, _: OrganizationId, segment: SegmentId) -> Result<Option<u64>, StoreError> {
        let is_gone = self.behind.lock().unwrap().get(&segment) == Some(&None);
        Ok((!is_gone).then(|| self.all.lock().unwrap().len() as u64))
    }

    async fn members(
        &self,
        _: OrganizationId,
        segment: SegmentId,
        after: Option<ContactId>,
        limit: u64,
    ) -> Result<Vec<AudienceMember>, StoreError> {
        if after.is_some() && self.first_page_only.load(Ordering::SeqCst) {
            return Err(StoreError::backend("the second page cannot be read yet"));
        }
        if *self.unreadable.lock().unwrap() == Some(segment) {
            return Err(StoreError::corrupt("segment", "its rule"));
        }
        let people = self.all.lock().unwrap();
        let rest = people.iter().filter(|(id, _)| Some(**id) > after);
        let mut size = usize::try_from(limit).unwrap();
        if let Some(left) = self.deleted_after.lock().unwrap().as_mut()
            && *left < size
        {
            size = *left;
            *left = 0;
            self.behind(segment, None);
        }
        let page = rest.take(size);
        Ok(page
            .map(|(id, person)| AudienceMember {
                contact_id: *id,
                address: person.address.as_ref().map(|a| a.parse().unwrap()),
                do_not_contact: person.do_not_contact,
                timezone: person.timezone.clone(),
            })
            .collect())
    }
}

#[async_trait]
impl ContactDirectory for People {
    async fn recipients(
        &self,
        _: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Recipient>, StoreError> {
        let people = self.all.lock().unwrap();
        let found = ids.iter().filter_map(|id| {
            let person = people.get(id)?;
            Some(Recipient {
                contact_id: *id,
                address: person.address.as_ref().map(|a| a.parse().unwrap()),
                fields: serde_json::Map::new(),
                do_not_contact: person.do_not_contact,
                locale: None,
                timezone: person.timezone.clone(),
                owner_id: None,
                owner: None,
            })
        });
        Ok(found.collect())
    }
}

/// Makes a short message for anybody but `broken@…`.
pub(crate) struct PlainBuilder {
    /// The domain of the return path, as it is when an email is prepared.
    pub(crate) domain: Mutex<&'static str>,
}

struct PlainEmail {
    domain: &'static str,
}

#[async_trait]
impl MessageBuilder for PlainBuilder {
    async fn current_version(
        &self,
        _: OrganizationId,
        email: EmailId,
    ) -> Result<Option<EmailVersionId>, StoreError> {
        Ok(Some(EmailVersionId::from_uuid(email.as_uuid())))
    }

    async fn sender(&self, _: OrganizationId, _: EmailVersionId) -> Result<Sender, BuildError> {
        Ok(Sender {
            address: "shop@example.net".parse().ok(),
            signed_by: None,
            must_be_signed: false,
        })
    }

    async fn prepare(
        &self,
        _: OrganizationId,
        version: EmailVersionId,
    ) -> Result<Arc<dyn PreparedEmail>, BuildError> {
        if version.as_uuid() == Uuid::from_u128(666) {
            return Err(BuildError::Email("it has no subject".to_owned()));
        }
        let domain = *self.domain.lock().unwrap();
        Ok(Arc::new(PlainEmail { domain }))
    }
}

impl PreparedEmail for PlainEmail {
    fn build(
        &self,
        delivery: &Delivery,
        recipient: &Recipient,
    ) -> Result<OutgoingMessage, BuildError> {
        let to = recipient.address.clone().unwrap();
        if to.local_part() == "broken" {
            return Err(BuildError::Recipient("nothing to greet".to_owned()));
        }
        let text = format!("From: shop@example.net\r\nTo: {to}\r\nSubject: Hi\r\n\r\n.Hello\r\n");
        Ok(OutgoingMessage {
            delivery_id: Some(delivery.id),
            envelope_from: format!("b+{}@{}", delivery.id.as_uuid().simple(), self.domain),
            envelope_to: to,
            bytes: text.into_bytes(),
        })
    }
}

type Answer = Box<dyn Fn(&str, usize) -> HandOver + Send + Sync>;

/// A mail server that counts what it takes, by address.
pub(crate) struct Sink {
    taken: Mutex<HashMap<String, usize>>,
    attempts: Mutex<HashMap<String, usize>>,
    /// The return path of the last message to each address.
    pub(crate) from: Mutex<HashMap<String, String>>,
    answer: Answer,
    pub(crate) delay: Duration,
    pub(crate) limits: Mutex<SendingLimits>,
    pub(crate) now: AtomicUsize,
    pub(crate) most: AtomicUsize,
}

pub(crate) fn accepted() -> HandOver {
    HandOver::Accepted(SmtpReply::new(250, "2.0.0 queued"))
}

impl Sink {
    pub(crate) fn new(answer: impl Fn(&str, usize) -> HandOver + Send + Sync + 'static) -> Self {
        Self {
            taken: Mutex::default(),
            attempts: Mutex::default(),
            from: Mutex::default(),
            answer: Box::new(answer),
            delay: Duration::ZERO,
            limits: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    pub(crate) fn accepting() -> Self {
        Self::new(|_, _| accepted())
    }

    /// How often each address was taken for.
    pub(crate) fn taken(&self) -> HashMap<String, usize> {
        self.taken.lock().unwrap().clone()
    }

    /// How often it was tried to send to an address.
    pub(crate) fn attempts(&self, address: &str) -> usize {
        let attempts = self.attempts.lock().unwrap();
        attempts.get(address).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> usize {
        self.taken().values().sum()
    }
}

#[async_trait]
impl MailTransport for Sink {
    async fn hand_over(&self, message: &OutgoingMessage) -> HandOver {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let address = message.envelope_to.to_string();
        {
            let mut from = self.from.lock().unwrap();
            from.insert(address.clone(), message.envelope_from.clone());
        }
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry(address.clone()).or_default();
            *attempt += 1;
            *attempt
        };
        let answer = (self.answer)(&address, attempt);
        if matches!(answer, HandOver::Accepted(_)) {
            *self.taken.lock().unwrap().entry(address).or_default() += 1;
        }
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        answer
    }

    async fn probe(&self) -> Result<String, String> {
        Ok("ready".to_owned())
    }
}

/// The same way out for everybody but an organisation whose settings are damaged.
pub(crate) struct Everybody {
    sink: Arc<Sink>,
    pub(crate) damaged: Mutex<Option<OrganizationId>>,
}

#[async_trait]
impl Transports for Everybody {
    async fn of(&self, organization: OrganizationId) -> Result<OpenTransport, StoreError> {
        if *self.damaged.lock().unwrap() == Some(organization) {
            return Err(StoreError::corrupt("transport", "password"));
        }
        let channel: Arc<dyn MailTransport> = self.sink.clone();
        let limits = self.sink.limits.lock().unwrap().clone();
        Ok(OpenTransport { limits, channel })
    }
}

/// A store, people, a sink, and what sends between them.
pub(crate) struct World {
    pub(crate) people: Arc<People>,
    pub(crate) sink: Arc<Sink>,
    pub(crate) clock: Arc<ShiftedClock>,
    pub(crate) builder: Arc<PlainBuilder>,
    pub(crate) transports: Arc<Everybody>,
    pub(crate) ports: EnginePorts,
    pub(crate) service: SendService,
    pub(crate) actor: Actor,
    _database: TestDatabase,
}

pub(crate) async fn open(database: &TestDatabase) -> Arc<dyn MessagingStore> {
    let store = SeaOrmMessagingStore::connect(&database.target, DbOptions::default());
    let store = store.await.unwrap();
    store.migrate().await.unwrap();
    store
}

impl World {
    pub(crate) async fn new(database: TestDatabase, sink: Sink) -> Self {
        let store = open(&database).await;
        let people = Arc::new(People::default());
        let sink = Arc::new(sink);
        let clock = Arc::new(ShiftedClock::default());
        let builder = Arc::new(PlainBuilder {
            domain: Mutex::new("example.net"),
        });
        let transports = Arc::new(Everybody {
            sink: Arc::clone(&sink),
            damaged: Mutex::default(),
        });
        let ports = EnginePorts {
            store,
            audience: people.clone(),
            directory: people.clone(),
            standing: people.clone(),
            builder: builder.clone(),
            transports: transports.clone(),
            clock: clock.clone(),
            ids: Arc::new(UuidV7Source),
        };
        Self {
            people,
            sink,
            clock,
            builder,
            transports,
            service: SendService::new(ports.clone()),
            ports,
            actor: Actor::system(OrganizationId::from_uuid(Uuid::from_u128(1))),
            _database: database,
        }
    }

    pub(crate) async fn create(&self, email: u128) -> SendJobId {
        self.create_for(&self.actor, email, segment(1), None).await
    }

    pub(crate) async fn create_at(&self, email: u128, at: Option<SendTime>) -> SendJobId {
        self.create_for(&self.actor, email, segment(1), at).await
    }

    pub(crate) async fn create_for(
        &self,
        actor: &Actor,
        email: u128,
        segment: SegmentId,
        at: Option<SendTime>,
    ) -> SendJobId {
        let stored = Email {
            id: EmailId::from_uuid(Uuid::from_u128(email)),
            name: format!("Email {email}").parse().unwrap(),
            version: 1,
            current_version_id: EmailVersionId::from_uuid(Uuid::from_u128(email)),
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
        };
        let organization = actor.organization_id();
        let mut uow = self.ports.store.begin().await.unwrap();
        let known = uow.emails().find_for_update(organization, stored.id).await;
        if known.unwrap().is_none() {
            uow.emails().insert(organization, &stored).await.unwrap();
        }
        uow.commit().await.unwrap();
        let command = CreateSend {
            email: EmailId::from_uuid(Uuid::from_u128(email)),
            version: None,
            segment,
            at,
        };
        self.service.create(actor, command).await.unwrap().id
    }

    /// An email that says something, so that it can be looked at before it is sent.
    pub(crate) async fn email_with_content(&self, number: u128) -> EmailId {
        self.create(number).await;
        let body = "<p>Hi</p><a href=\"{{ unsubscribe_url }}\">Leave</a>";
        let source = EmailSource {
            subject: "Hi".to_owned(),
            preheader: None,
            body: Body::Html(body.to_owned()),
            text: None,
            from_name: None,
            from_address: None,
            reply_to: None,
        };
        let email_id = EmailId::from_uuid(Uuid::from_u128(number));
        let version = EmailVersion {
            id: EmailVersionId::from_uuid(Uuid::from_u128(number)),
            email_id,
            number: 1,
            compiled: compile(&source, &Variables::new(["firstname"])).unwrap(),
            source,
            created_at: self.clock.now(),
        };
        let organization = self.actor.organization_id();
        let mut uow = self.ports.store.begin().await.unwrap();
        let emails = uow.emails();
        emails.insert_version(organization, &version).await.unwrap();
        uow.commit().await.unwrap();
        email_id
    }

    pub(crate) async fn status(&self, id: SendJobId) -> SendStatus {
        self.service.status(&self.actor, id).await.unwrap()
    }

    /// An engine that works fast and is soon missed.
    pub(crate) fn engine(&self, connections: usize) -> Engine {
        Engine::new(
            self.ports.clone(),
            EngineOptions {
                connections,
                batch: 50,
                time_to_live: Duration::from_millis(1_500),
                idle: Duration::from_millis(20),
            },
        )
    }

    /// Has an engine work while something else goes on.
    pub(crate) async fn beside_an_engine<T>(
        &self,
        connections: usize,
        what_goes_on: impl Future<Output = T>,
    ) -> T {
        let (stop, stopped) = watch::channel(false);
        let engine = self.engine(connections);
        let work = tokio::spawn(async move { engine.run(stopped).await });
        let came_of_it = what_goes_on.await;
        stop.send(true).unwrap();
        work.await.unwrap();
        came_of_it
    }

    /// Runs an engine until the send is as wanted.
    pub(crate) async fn run_until(&self, id: SendJobId, wanted: impl Fn(&SendStatus) -> bool) {
        let reached = tokio::time::timeout(Duration::from_mins(1), async {
            while !wanted(&self.status(id).await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let reached = self.beside_an_engine(8, reached).await;
        assert!(reached.is_ok(), "stuck: {:?}", self.status(id).await);
    }

    pub(crate) async fn run_to_the_end(&self, id: SendJobId) -> SendStatus {
        self.run_until(id, |status| status.job.finished_at.is_some())
            .await;
        self.status(id).await
    }
}

pub(crate) fn is(state: JobState) -> impl Fn(&SendStatus) -> bool {
    move |status| status.job.state == state
}
