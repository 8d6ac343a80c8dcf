//! What the calls work on: a whole installation.

use mauntic_core::{
    Actor, CapturedMailId, ContactId, EmailId, Operator, OrganizationId, PageSize, SegmentId,
    SendJobId, SendingDomainId, identity::CreateOrganization, storage::test_database::TestDatabase,
    testing::Reach,
};
use mauntic_crm::{Change, ContactPatch, CreateContact, segment::CreateSegment};
use mauntic_messaging::{
    content::{Body, EmailSource},
    domain::AddSendingDomain,
    email::CreateEmail,
    sending::CreateSend,
    suppression::{NewSuppression, SuppressionReason, address_hash},
};
use mauntic_server::{App, Settings};

/// One organisation with a contact, an email, a send, a captured mail, a sending domain and a suppressed address; and
/// another one without anything.
pub(super) struct Fixture {
    pub(super) app: App,
    pub(super) own: OrganizationId,
    pub(super) other: OrganizationId,
    pub(super) ann: ContactId,
    pub(super) fans: SegmentId,
    pub(super) email: EmailId,
    pub(super) send: SendJobId,
    pub(super) mail: CapturedMailId,
    pub(super) domain: SendingDomainId,
    pub(super) all: PageSize,
    pub(super) folder: tempfile::TempDir,
    _database: TestDatabase,
}

pub(super) fn source(subject: &str) -> EmailSource {
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

pub(super) fn gone(address: &str) -> NewSuppression {
    NewSuppression {
        address: address.parse().unwrap(),
        reason: SuppressionReason::Manual,
        source: "test".to_owned(),
        note: None,
    }
}

impl Fixture {
    pub(super) async fn new() -> Self {
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
    pub(super) async fn prepare(&self, use_case: &str) {
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
    pub(super) fn mine(&self, actor: &Actor) -> Reach {
        seen(actor.organization_id() == self.own)
    }
}

pub(super) fn seen(seen: bool) -> Reach {
    if seen { Reach::Allowed } else { Reach::Unseen }
}
