//! A newsletter without the server: the CRM knows the readers, messaging mails them, and this program says how mail
//! leaves, which is into a folder.
//!
//! `cargo run -p mauntic-examples --bin newsletter`

mod folder;
mod readers;

use std::{path::Path, sync::Arc, time::Duration};

use mauntic_core::{
    Actor, AlwaysActive, FixedZone, OrganizationId, SecretKey, SegmentId, SystemClock,
    UuidV7Source,
    storage::{DbOptions, DbTarget},
};
use mauntic_crm::{
    ContactService, FieldService, UpsertContact,
    segment::{CreateSegment, NoEmailNames, SegmentService},
    storage::SeaOrmCrmStore,
};
use mauntic_messaging::{
    MessagingStore,
    content::{Body, EmailSource},
    domain::Signers,
    email::{Composer, ComposerParts, CreateEmail, EmailParts, EmailService, EmailVersions},
    sending::{CreateSend, Engine, EngineOptions, EnginePorts, JobState, SendService, SendStatus},
    storage::SeaOrmMessagingStore,
    token::TokenSigner,
};
use serde_json::{Map, json};
use tokio::sync::watch;

use self::{folder::Folder, readers::Readers};

/// Where the links in the mails lead. A program that wants to know of clicks answers there.
const BASE_URL: &str = "https://news.example.com";
const BODY: &str = r#"<html><body>
<p>Good morning, {{ contact.firstname | default("reader", true) }}!</p>
<p><a href="https://example.com/stories/1">The story of the day</a></p>
<p><a href="{{ unsubscribe_url }}">No more of this</a></p>
</body></html>"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let outbox = folder.path().join("outbox");
    let newsletter = Newsletter::open(folder.path(), &outbox).await?;
    let readers = newsletter.add_readers().await?;
    let status = newsletter.send(readers).await?;
    println!(
        "{} planned, {} skipped, {} accepted",
        status.tally.planned,
        status.tally.skipped_total(),
        status.tally.accepted
    );
    for entry in std::fs::read_dir(outbox.join("new"))? {
        let mail = std::fs::read_to_string(entry?.path())?;
        let headers = mail
            .lines()
            .filter(|line| line.starts_with("To:") || line.starts_with("Subject:"));
        println!("{}", headers.collect::<Vec<_>>().join("  "));
    }
    Ok(())
}

struct Newsletter {
    me: Actor,
    readers: Arc<Readers>,
    emails: EmailService,
    ports: EnginePorts,
}

impl Newsletter {
    async fn open(data: &Path, outbox: &Path) -> anyhow::Result<Self> {
        let target = DbTarget::Sqlite(data.to_owned());
        let crm = SeaOrmCrmStore::connect(&target, DbOptions::default()).await?;
        crm.migrate().await?;
        let messaging = SeaOrmMessagingStore::connect(&target, DbOptions::default()).await?;
        messaging.migrate().await?;
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(UuidV7Source));
        let (zones, names) = (Arc::new(FixedZone::default()), Arc::new(NoEmailNames));
        let me = Actor::system(OrganizationId::generate(&*ids));
        let readers = Arc::new(Readers {
            me: me.clone(),
            fields: FieldService::new(crm.clone(), clock.clone(), ids.clone()),
            contacts: ContactService::new(crm.clone(), clock.clone(), ids.clone(), zones.clone()),
            segments: SegmentService::new(crm, clock.clone(), ids.clone(), zones, names),
        });

        let store: Arc<dyn MessagingStore> = messaging;
        let versions = EmailVersions::new(Arc::clone(&store));
        let secret = SecretKey::random()?;
        let emails = EmailService::new(EmailParts {
            store: Arc::clone(&store),
            versions: versions.clone(),
            contacts: readers.clone(),
            organizations: readers.clone(),
            base_url: BASE_URL.to_owned(),
            clock: clock.clone(),
            ids: ids.clone(),
        });
        let composer = Composer::new(ComposerParts {
            store: Arc::clone(&store),
            versions,
            signers: Signers::new(Arc::clone(&store), secret.clone()),
            organizations: readers.clone(),
            tokens: Arc::new(TokenSigner::new(&secret)),
            base_url: BASE_URL.to_owned(),
            default_sender: Some("news@example.com".parse()?),
            must_be_signed: false,
            clock: clock.clone(),
        });
        let ports = EnginePorts {
            store,
            audience: readers.clone(),
            directory: readers.clone(),
            standing: Arc::new(AlwaysActive),
            builder: Arc::new(composer),
            transports: Arc::new(Folder::create(outbox)?),
            clock,
            ids,
        };
        Ok(Self {
            me,
            readers,
            emails,
            ports,
        })
    }

    /// Puts people into a segment by hand; with a rule, it would find them itself.
    async fn add_readers(&self) -> anyhow::Result<SegmentId> {
        let Readers {
            contacts, segments, ..
        } = &*self.readers;
        let mut commands = Vec::new();
        for (email, name) in [
            ("ann@example.com", "Ann"),
            ("bob@example.com", ""),
            ("cleo@example.com", "Cleo"),
        ] {
            let values = Map::from_iter([("firstname".to_owned(), json!(name))]);
            let patch = contacts.parse(&self.me, &values).await?;
            commands.push(UpsertContact {
                email: email.parse()?,
                patch,
            });
        }
        let mut people = Vec::new();
        for result in contacts
            .upsert_batch(&self.me, "example", &commands)
            .await?
        {
            people.push(result?.contact.id());
        }
        let command = CreateSegment {
            name: "Readers".parse()?,
            description: String::new(),
            rule: None,
        };
        let segment = segments.create(&self.me, command).await?;
        segments.add(&self.me, segment.id, &people).await?;
        Ok(segment.id)
    }

    /// Plans a send and works on it until it is over.
    async fn send(&self, segment: SegmentId) -> anyhow::Result<SendStatus> {
        let source = EmailSource {
            subject: "News for {{ contact.firstname | default(\"you\", true) }}".to_owned(),
            preheader: None,
            body: Body::Html(BODY.to_owned()),
            text: None,
            from_name: Some("The News".to_owned()),
            from_address: None,
            reply_to: None,
        };
        let email = self
            .emails
            .create(
                &self.me,
                CreateEmail {
                    name: "Today".parse()?,
                    source,
                },
            )
            .await?;
        let sends = SendService::new(self.ports.clone());
        let job = sends
            .create(
                &self.me,
                CreateSend {
                    email: email.email.id,
                    version: Some(email.email.version),
                    segment,
                    at: None,
                },
            )
            .await?;

        let (stop, stopped) = watch::channel(false);
        let engine = Engine::new(self.ports.clone(), EngineOptions::default());
        let engine = tokio::spawn(async move { engine.run(stopped).await });
        let status = loop {
            let status = sends.status(&self.me, job.id).await?;
            if status.job.state == JobState::Completed {
                break status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        stop.send(true)?;
        engine.await?;
        Ok(status)
    }
}
