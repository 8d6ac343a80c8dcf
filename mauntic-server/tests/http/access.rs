//! Every use case of messaging over a whole installation: as every role, as tokens, and from another organisation.

use mauntic_core::{
    Actor, CapturedMailId, ContactId, EmailId, IdSource as _, Operator, OrganizationId, PageSize,
    Role, SegmentId, SendJobId, SendingDomainId, TimeZoneName, UseCase, UserId,
    identity::{AuditFilter, CreateOrganization},
    storage::{
        DbTarget,
        test_database::{FileWatch, TestDatabase},
    },
    testing::{
        AccessCase, CountingIds, Reach, Trace, access_cases, assert_access, assert_audited,
        assert_complete, assert_none_elsewhere,
    },
};
use mauntic_crm::{Change, ContactPatch, CreateContact, segment::CreateSegment};
use mauntic_messaging::{
    MessagingError,
    audit::AUDITED,
    content::{Body, EmailSource},
    domain::{AddSendingDomain, SendingDomainService, SendingHosts},
    email::{CreateEmail, EmailFilter, EmailService, PreviewRecipient, UpdateEmail},
    sending::{CreateSend, SendService},
    suppression::{
        ListExitFilter, NewSuppression, SuppressionFilter, SuppressionReason, SuppressionService,
        address_hash,
    },
    tracking::{Behind, SummaryListing, TrackingService},
    transport::{SendingLimits, TransportService, capture::CapturedMailService},
};
use mauntic_server::{App, Settings, settle_events};

/// One organisation with a contact, an email, a send, a captured mail, a sending domain and a suppressed address; and
/// another one without anything.
struct Fixture {
    app: App,
    own: OrganizationId,
    other: OrganizationId,
    ann: ContactId,
    fans: SegmentId,
    email: EmailId,
    send: SendJobId,
    mail: CapturedMailId,
    domain: SendingDomainId,
    all: PageSize,
    folder: tempfile::TempDir,
    _database: TestDatabase,
}

fn source(subject: &str) -> EmailSource {
    EmailSource {
        subject: subject.to_owned(),
        preheader: None,
        body: Body::Html("<p>Hi</p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a>".to_owned()),
        text: None,
        from_name: None,
        from_address: None,
        reply_to: None,
    }
}

fn gone(address: &str) -> NewSuppression {
    NewSuppression {
        address: address.parse().unwrap(),
        reason: SuppressionReason::Manual,
        source: "test".to_owned(),
        note: None,
    }
}

impl Fixture {
    async fn new() -> Self {
        let database = TestDatabase::chosen().await;
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            database: Some(format!("sqlite:{}", folder.path().display())),
            data: folder.path().to_owned(),
            // Nobody answers there, and nobody is asked elsewhere.
            dns_server: Some(std::net::SocketAddr::from(([127, 0, 0, 1], 9))),
            ..Settings::default()
        };
        let app = App::open(settings).await.unwrap();
        let organization = async |name: &str| {
            let command = CreateOrganization::named(name.parse().unwrap());
            let operator = Operator::local();
            let made = app.identity.create_organization(&operator, command).await;
            made.unwrap().id
        };
        let (own, other) = (organization("Own").await, organization("Other").await);
        let us = Actor::system(own);
        let patch = ContactPatch {
            email: Change::Set("ann@example.com".parse().unwrap()),
            ..ContactPatch::default()
        };
        let command = CreateContact {
            patch,
            origin: None,
        };
        let ann = app.contacts.create(&us, command).await.unwrap().id();
        let command = CreateSegment {
            name: "Fans".parse().unwrap(),
            description: String::new(),
            rule: None,
        };
        let fans = app.segments.create(&us, command).await.unwrap().id;
        app.segments.add(&us, fans, &[ann]).await.unwrap();
        let command = CreateEmail {
            name: "Hello".parse().unwrap(),
            source: source("Hello"),
        };
        let email = app.emails.create(&us, command).await.unwrap().email.id;
        let command = CreateSend {
            email,
            version: None,
            segment: fans,
            at: None,
        };
        let send = app.sends.create(&us, command).await.unwrap().id;
        let to = ["ann@example.com".parse().unwrap()];
        app.sends.send_test(&us, email, None, &to).await.unwrap();
        let all = PageSize::default();
        let mails = app.inbox.list(&us, None, None, all).await.unwrap();
        let command = AddSendingDomain {
            domain: "example.org".parse().unwrap(),
            return_path: None,
        };
        let domain = app.domains.add(&us, command).await.unwrap().id;
        app.suppressions
            .add(&us, gone("gone@example.com"))
            .await
            .unwrap();
        let mut uow = app.messaging_store.begin().await.unwrap();
        let (hash, now) = (address_hash("left@example.com"), app.clock.now());
        let chosen = uow.suppressions();
        let lists = [fans];
        let left = chosen.choose_lists(own, &hash, None, &lists, &[], now);
        left.await.unwrap();
        uow.commit().await.unwrap();
        Self {
            own,
            other,
            ann,
            fans,
            email,
            send,
            mail: mails.items[0].id,
            domain,
            all,
            app,
            folder,
            _database: database,
        }
    }

    /// What has to be so for a use case to succeed, where that is not what others need.
    async fn prepare(&self, use_case: &str) {
        let us = Actor::system(self.own);
        match use_case {
            "emails.delete" => self.app.sends.cancel(&us, self.send).await.map(drop),
            "sends.resume" => self.app.sends.pause(&us, self.send).await.map(drop),
            "domains.activate" => self.app.domains.rotate(&us, self.domain).await.map(drop),
            "sends.retry_unknown" => {
                let mut uow = self.app.messaging_store.begin().await.unwrap();
                let job = uow.sends().find_job_for_update(self.own, self.send).await;
                let mut job = job.unwrap().unwrap();
                job.planned = true;
                uow.sends().update_job(&job).await.unwrap();
                uow.commit().await.map_err(Into::into)
            }
            _ => Ok(()),
        }
        .unwrap();
    }

    /// For what a call makes or sees without naming a record: it is its caller's own.
    fn mine(&self, actor: &Actor) -> Reach {
        seen(actor.organization_id() == self.own)
    }

    async fn emails(&self, use_case: &str, actor: &Actor) -> Result<Reach, MessagingError> {
        let (emails, id, all) = (&self.app.emails, self.email, self.all);
        match use_case {
            "create" => {
                let command = CreateEmail {
                    name: "New".parse().unwrap(),
                    source: source("New"),
                };
                let made = emails.create(actor, command).await?.email.id;
                let ours = emails.get(&Actor::system(self.own), made).await;
                Ok(seen(ours.is_ok()))
            }
            "copy" => allowed(emails.copy(actor, id, "Again".parse().unwrap()).await),
            "update" => {
                let command = UpdateEmail {
                    name: Some("Renamed".parse().unwrap()),
                    source: None,
                    expected_version: None,
                };
                allowed(emails.update(actor, id, command).await)
            }
            "delete" => allowed(emails.delete(actor, id).await),
            "get" => allowed(emails.get(actor, id).await),
            "get_named" => allowed(emails.get_named(actor, "Hello").await),
            "list" => {
                let page = emails
                    .list(actor, &EmailFilter::default(), None, all)
                    .await?;
                Ok(seen(page.items.iter().any(|email| email.id == id)))
            }
            "names" => {
                let names = emails.names(actor, &[id].into()).await?;
                Ok(seen(names.contains_key(&id)))
            }
            "mentioning" => {
                let found = emails.mentioning(actor, "subject", 9).await?;
                Ok(seen(found.iter().any(|(found, _)| *found == id)))
            }
            "version" => allowed(emails.version(actor, id, 1).await),
            "versions" => allowed(emails.versions(actor, id, None, all).await),
            "check" => {
                assert_eq!(emails.check(actor, &source("Hi")).await?, []);
                Ok(self.mine(actor))
            }
            "preview" => allowed(emails.preview(actor, id, PreviewRecipient::Sample).await),
            "subjects" => {
                let (us, any) = (Actor::system(self.own), EmailFilter::default());
                let listed = self.app.emails.list(&us, &any, None, self.all).await?;
                let subjects = emails.subjects(actor, &listed.items).await?;
                Ok(seen(subjects.contains_key(&id)))
            }
            "preview_source" => {
                let hi = source("Hi");
                emails
                    .preview_source(actor, &hi, PreviewRecipient::Sample)
                    .await?;
                let ann = PreviewRecipient::Contact(self.ann);
                match emails.preview_source(actor, &hi, ann).await {
                    // The scope to read contacts is another one.
                    Err(MessagingError::Forbidden(_)) => Ok(self.mine(actor)),
                    shown => allowed(shown),
                }
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn sends(&self, use_case: &str, actor: &Actor) -> Result<Reach, MessagingError> {
        let (sends, id, all) = (&self.app.sends, self.send, self.all);
        match use_case {
            "create" => {
                let command = CreateSend {
                    email: self.email,
                    version: None,
                    segment: self.fans,
                    at: None,
                };
                allowed(sends.create(actor, command).await)
            }
            "preflight" => allowed(sends.preflight(actor, self.email, self.fans).await),
            "sender" => allowed(sends.sender(actor, self.email).await),
            "status" => allowed(sends.status(actor, id).await),
            "list" => {
                let page = sends.list(actor, None, None, all).await?;
                Ok(seen(page.items.iter().any(|status| status.job.id == id)))
            }
            "unfinished_to" => {
                let jobs = sends.unfinished_to(actor, self.fans).await?;
                Ok(seen(jobs.iter().any(|job| job.id == id)))
            }
            "deliveries" => allowed(sends.deliveries(actor, id, None, None, all).await),
            "pause" => allowed(sends.pause(actor, id).await),
            "resume" => allowed(sends.resume(actor, id).await),
            "cancel" => allowed(sends.cancel(actor, id).await),
            "retry_unknown" => allowed(sends.retry_unknown(actor, id).await),
            "send_test" => {
                let to = ["me@example.com".parse().unwrap()];
                allowed(sends.send_test(actor, self.email, None, &to).await)
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn tracking(&self, use_case: &str, actor: &Actor) -> Result<Reach, MessagingError> {
        let tracking = &self.app.tracking;
        match use_case {
            "activity" => {
                let days = tracking.activity(actor, &TimeZoneName::utc(), 2).await?;
                assert!(days.iter().all(|day| day.accepted == 0));
                Ok(self.mine(actor))
            }
            "report" => {
                let report = tracking.report(actor, self.email).await;
                let empty = |report: &mauntic_messaging::tracking::EmailReport| {
                    *report == mauntic_messaging::tracking::EmailReport::default()
                };
                match report {
                    // Nothing was sent yet, so there is nothing that others could see.
                    Ok(report) if empty(&report) => Ok(self.mine(actor)),
                    report => allowed(report),
                }
            }
            "summaries" => {
                let listing = SummaryListing::default();
                let page = tracking.summaries(actor, &listing).await?;
                // Nothing was sent yet, so there is nothing that others could see.
                assert_eq!(page.items, []);
                Ok(self.mine(actor))
            }
            "people" => {
                let behind = Behind::Unsubscribed;
                let people = tracking.people(actor, self.email, &behind, None, self.all);
                allowed(people.await)
            }
            "export" => {
                let behind = Behind::Unsubscribed;
                let people = tracking.export(actor, self.email, &behind, None, self.all);
                allowed(people.await)
            }
            "domains" => allowed(tracking.domains(actor, self.email).await),
            "timeline" => {
                let page = tracking.timeline(actor, self.ann, None, self.all).await?;
                assert_eq!(page.items, []);
                Ok(self.mine(actor))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn transports(&self, use_case: &str, actor: &Actor) -> Result<Reach, MessagingError> {
        let transports = &self.app.transports;
        let limits = SendingLimits::default();
        match use_case {
            "show" => transports.show(actor).await.map(drop)?,
            "test" => transports.test(actor).await.map(drop)?,
            "set_limits" => {
                let slow = SendingLimits {
                    connections: 3,
                    ..limits
                };
                transports.set_limits(actor, slow).await?;
                let ours = transports.show(&Actor::system(self.own)).await?;
                return Ok(seen(ours.limits.connections == 3));
            }
            "configure" => {
                let url = Some("smtp://mail.example.com:587");
                transports.configure(actor, url, limits, None).await?;
                let ours = transports.show(&Actor::system(self.own)).await?;
                let changed = serde_json::to_string(&ours)
                    .unwrap()
                    .contains("mail.example");
                return Ok(seen(changed));
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
        Ok(self.mine(actor))
    }

    async fn domains(&self, use_case: &str, actor: &Actor) -> Result<Reach, MessagingError> {
        let (domains, id) = (&self.app.domains, self.domain);
        match use_case {
            "add" => {
                let command = AddSendingDomain {
                    domain: "example.net".parse().unwrap(),
                    return_path: None,
                };
                let made = domains.add(actor, command).await?.id;
                let ours = domains.get(&Actor::system(self.own), made).await;
                Ok(seen(ours.is_ok()))
            }
            "list" => Ok(seen(domains.list(actor).await?.iter().any(|d| d.id == id))),
            "get" => allowed(domains.get(actor, id).await),
            "get_named" => {
                let name = "example.org".parse().unwrap();
                allowed(domains.get_named(actor, &name).await)
            }
            "check" => {
                let (hosts, dns) = (SendingHosts::default(), &*self.app.dns);
                allowed(domains.check(actor, id, &hosts, dns).await)
            }
            "rotate" => allowed(domains.rotate(actor, id).await),
            "activate" => allowed(domains.activate(actor, id).await),
            "delete" => allowed(domains.delete(actor, id).await),
            "dns_records" => {
                let hosts = SendingHosts::default();
                allowed(domains.dns_records(actor, id, &hosts).await)
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn suppressions(&self, use_case: &str, actor: &Actor) -> Result<Reach, MessagingError> {
        let (list, all) = (&self.app.suppressions, self.all);
        let us = Actor::system(self.own);
        let address = "gone@example.com".parse().unwrap();
        let new = "new@example.com".parse().unwrap();
        match use_case {
            "add" => {
                list.add(actor, gone("new@example.com")).await?;
                Ok(seen(list.find(&us, &new).await?.is_some()))
            }
            "import" => {
                list.import(actor, vec![gone("new@example.com")]).await?;
                Ok(seen(list.find(&us, &new).await?.is_some()))
            }
            "remove" => allowed(list.remove(actor, &address).await),
            "erase" => allowed(list.erase(actor, &address).await),
            "find" => Ok(seen(list.find(actor, &address).await?.is_some())),
            "list_exits" => {
                let filter = ListExitFilter::default();
                let page = list.list_exits(actor, &filter, None, all).await?;
                Ok(seen(!page.items.is_empty()))
            }
            "remove_exit" => {
                let hash = address_hash("left@example.com");
                allowed(list.remove_exit(actor, &hash, self.fans).await)
            }
            "list" => {
                let page = list
                    .list(actor, &SuppressionFilter::default(), None, all)
                    .await?;
                Ok(seen(!page.items.is_empty()))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn inbox(&self, use_case: &str, actor: &Actor) -> Result<Reach, MessagingError> {
        let (inbox, id) = (&self.app.inbox, self.mail);
        match use_case {
            "list" => {
                let page = inbox.list(actor, None, None, self.all).await?;
                Ok(seen(page.items.iter().any(|mail| mail.id == id)))
            }
            "count" => Ok(seen(inbox.count(actor).await? == 1)),
            "open" => allowed(inbox.open(actor, id).await),
            "delete" => allowed(inbox.delete(actor, id).await),
            "delete_all" => {
                inbox.delete_all(actor).await?;
                let left = inbox.count(&Actor::system(self.own)).await?;
                Ok(seen(left == 0))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }
}

fn seen(seen: bool) -> Reach {
    if seen { Reach::Allowed } else { Reach::Unseen }
}

fn allowed<T>(result: Result<T, MessagingError>) -> Result<Reach, MessagingError> {
    match result {
        // It was found, and the caller was told where it stands.
        Err(MessagingError::WrongState { .. }) => Ok(Reach::Allowed),
        result => result.map(|_| Reach::Allowed),
    }
}

fn reach(case: &AccessCase, result: Result<Reach, MessagingError>) -> Reach {
    match result {
        Ok(reach) => reach,
        Err(MessagingError::Forbidden(_)) => Reach::Forbidden,
        Err(MessagingError::NotFound { .. }) => Reach::Unseen,
        Err(error) => panic!("{} by {}: {error}", case.use_case, case.who),
    }
}

async fn check(
    use_cases: &[UseCase],
    call: impl AsyncFn(&Fixture, &str, &Actor) -> Result<Reach, MessagingError>,
) {
    let ids = CountingIds::default();
    let [own, other] = [ids.next(), ids.next()].map(OrganizationId::from_uuid);
    let cases = access_cases(use_cases, own, other, &ids);
    assert_access(&cases, async |case: &AccessCase| {
        let fixture = Fixture::new().await;
        // The same case with the organisations of this installation.
        let cases = access_cases(use_cases, fixture.own, fixture.other, &ids);
        let same = |found: &&AccessCase| found.use_case == case.use_case && found.who == case.who;
        let case = cases.iter().find(same).unwrap();
        reach(case, call(&fixture, case.use_case, &case.actor).await)
    })
    .await;
}

/// What a call by a person did.
async fn traced(
    use_case: String,
    call: impl AsyncFnOnce(&Fixture, &Actor) -> Result<Reach, MessagingError>,
) -> Trace {
    let fixture = Fixture::new().await;
    fixture.prepare(&use_case).await;
    let person = UserId::generate(&mauntic_core::UuidV7Source);
    let person = Actor::user(fixture.own, person, Role::Owner);
    let target = DbTarget::Sqlite(fixture.folder.path().to_owned());
    let watch = FileWatch::of(&target, "messaging").await;
    let before = watch.version().await;
    let reached = call(&fixture, &person).await;
    assert_eq!(reached.ok(), Some(Reach::Allowed), "{use_case}");
    let wrote = watch.version().await != before;
    settle_events(&fixture.app).await.unwrap();
    let filter = AuditFilter {
        by: Some(person.principal()),
        ..AuditFilter::default()
    };
    let identity = &fixture.app.identity;
    let log = identity
        .audit_log(&person, &filter, None, fixture.all)
        .await;
    let entries = log.unwrap().items.into_iter().rev();
    let actions = entries.map(|entry| entry.change.action).collect();
    Trace { wrote, actions }
}

macro_rules! access_tests {
    ($($name:ident: $service:ty, $($place:literal),+;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn every_use_case_asks_for_its_permission_and_stays_at_home() {
                check(<$service>::USE_CASES, async |fixture: &Fixture, use_case: &str, actor: &Actor| {
                    fixture.$name(use_case, actor).await
                })
                .await;
            }

            #[tokio::test]
            async fn what_somebody_changes_is_in_the_audit_log() {
                let (service, list) = (stringify!($name), <$service>::USE_CASES);
                assert_audited(service, list, AUDITED, &[], async |name| {
                    traced(format!("{service}.{name}"), async |fixture: &Fixture, person: &Actor| {
                        fixture.$name(name, person).await
                    })
                    .await
                })
                .await;
            }

            #[test]
            fn every_use_case_is_listed() {
                let places =
                    [$(concat!(env!("CARGO_MANIFEST_DIR"), "/../mauntic-messaging/src/", $place)),+];
                assert_complete(<$service>::USE_CASES, &places);
            }
        })*

        #[test]
        fn no_use_case_stands_elsewhere() {
            let places = [
                $($(concat!(env!("CARGO_MANIFEST_DIR"), "/../mauntic-messaging/src/", $place)),+),*
            ];
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../mauntic-messaging/src");
            assert_none_elsewhere(source, &places, &[]);
        }
    };
}

access_tests! {
    emails: EmailService, "email/service.rs";
    sends: SendService, "sending/service.rs";
    tracking: TrackingService, "tracking/service.rs", "tracking/unsubscribe.rs";
    transports: TransportService, "transport/service.rs";
    domains: SendingDomainService, "domain/service.rs";
    suppressions: SuppressionService, "suppression/service.rs";
    inbox: CapturedMailService, "transport/capture/service.rs";
}

#[test]
fn what_is_said_of_the_audit_log_is_of_these_services() {
    let services = [
        "emails",
        "sends",
        "transports",
        "domains",
        "suppressions",
        "inbox",
    ];
    for (use_case, _) in AUDITED {
        let service = use_case.split('.').next().unwrap();
        assert!(services.contains(&service), "{use_case}");
    }
}
