use std::{ops::Deref, sync::Arc};

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Change, Clock, DeadLetter, Eraser, IdSource, Operator, OrganizationId, RelayStore,
    SecretKey, Standing, StoreError, Subject, SystemClock, UuidV7Source, Zones,
    identity::{
        AuditLog as _, IdentityError, IdentityService, IdentityStanding, IdentityStore,
        IdentityZones, Postman,
        storage::{IdentityMigrator, SeaOrmIdentityStore},
    },
    storage::{Db, DbOptions, DbTarget, SeaOrmEraser, SeaOrmRelayStore, is_migrated, migrate},
};
use mauntic_crm::{
    BulkService, ContactService, CrmStore, FieldService, Owners, TagService, ViewService,
    engagement::EngagementRecorder,
    export::ExportService,
    import::ImportService,
    segment::{SegmentService, SegmentWorker},
    storage::SeaOrmCrmStore,
};
use mauntic_messaging::{
    MessagingStore, OrganizationDirectory,
    domain::{DnsLookup, SendingDomainService, Signers, SystemDns},
    email::{Composer, ComposerParts, EmailParts, EmailService, EmailVersions},
    sending::{EnginePorts, SendService},
    storage::SeaOrmMessagingStore,
    suppression::SuppressionService,
    token::TokenSigner,
    tracking::{HitCommitter, Projector, TrackingParts, TrackingService, VerdictRules},
    transport::{ConfiguredTransports, TransportService, capture::CapturedMailService},
};
use serde_json::json;

use crate::{
    Images, InvalidSettings, LoginProviders, Settings,
    wiring::{
        CrmDirectory, MembersAsOwners, MessagingNames, Organizations, PresentZones, SystemMail,
    },
};

/// Everything that an installation can do: the use cases of all contexts over their stores. Cheap to clone.
///
/// The API, the public endpoints, the workers and the command line all call these and nothing below them.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of.
pub struct Parts {
    /// How the installation runs.
    pub settings: Settings,
    /// Organisations, members, tokens, audit log.
    pub identity: IdentityService,
    /// The providers that people can log in with.
    pub logins: LoginProviders,
    /// Sends letters to users.
    pub postman: Arc<dyn Postman>,
    /// What Identity keeps.
    pub identity_store: Arc<dyn IdentityStore>,
    /// In which zone organisations count their days.
    pub zones: Arc<dyn Zones>,
    /// Whether organisations are at work.
    pub standing: Arc<dyn Standing>,
    /// Who can be in charge of contacts.
    pub owners: Arc<dyn Owners>,
    /// Contacts.
    pub contacts: ContactService,
    /// What can be known of contacts.
    pub fields: FieldService,
    /// Tags of contacts.
    pub tags: TagService,
    /// What the CRM keeps.
    pub crm_store: Arc<dyn CrmStore>,
    /// Segments.
    pub segments: SegmentService,
    /// Rebuilds segments and follows changes of contacts.
    pub segment_worker: SegmentWorker,
    /// Imports of contacts.
    pub imports: ImportService,
    /// Changes of many contacts.
    pub bulk: BulkService,
    /// Saved views of the list of contacts.
    pub views: ViewService,
    /// Exports of contacts.
    pub exports: ExportService,
    /// Counts what contacts did with mail.
    pub engagement: EngagementRecorder,
    /// Emails.
    pub emails: EmailService,
    /// Sends.
    pub sends: SendService,
    /// What becomes of mail: opens, clicks, unsubscribes, and the results of it.
    pub tracking: TrackingService,
    /// Counts what becomes of mail.
    pub projector: Projector,
    /// Captured mail.
    pub inbox: CapturedMailService,
    /// How mail leaves.
    pub transports: TransportService,
    /// Domains that mail is sent from.
    pub domains: SendingDomainService,
    /// Answers what is published for domains.
    pub dns: Arc<dyn DnsLookup>,
    /// What the engine that hands mail over works with.
    pub engine: EnginePorts,
    /// What messaging keeps.
    pub messaging_store: Arc<dyn MessagingStore>,
    /// Images of emails.
    pub images: Images,
    /// Addresses that get no mail.
    pub suppressions: SuppressionService,
    /// The key that all others are derived from.
    pub secret: SecretKey,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn IdSource>,
    /// The outboxes of the contexts, by name.
    pub(crate) outboxes: Vec<(&'static str, Arc<dyn RelayStore>)>,
    /// Erase what the contexts have of an organisation, but for Identity, which does it by itself.
    pub(crate) erasers: Vec<Arc<dyn Eraser>>,
    databases: Vec<Db>,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Why an installation cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// The database fails.
    #[error("the database cannot be used ({place})")]
    Store {
        /// Which database, without its password.
        place: String,
        /// What went wrong.
        source: StoreError,
    },
    /// The tables are not there, or not all of what this version needs.
    #[error("the database is not up to date ({place}); `mauntic migrate` brings it up to date")]
    Outdated {
        /// Which database, without its password.
        place: String,
    },
    /// The secret is another than before.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl App {
    /// Opens an installation: connects every context and brings its tables up to date.
    ///
    /// # Errors
    /// If the settings are wrong, a database does not answer, or the secret is another than before.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::connect(settings, true).await
    }

    /// Opens an installation without changing its tables.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`OpenError::Outdated`] if the tables are not up to date.
    pub async fn open_as_is(settings: Settings) -> Result<Self, OpenError> {
        Self::connect(settings, false).await
    }

    async fn connect(settings: Settings, migrating: bool) -> Result<Self, OpenError> {
        let target = settings.target()?;
        let secret = settings.secret_key()?;
        let failed = |source| OpenError::Store {
            place: target.describe(),
            source,
        };
        let stores = Stores::open(&target, settings.db_options())
            .await
            .map_err(failed)?;
        if migrating {
            stores.migrate().await.map_err(failed)?;
        } else if !stores.is_migrated().await.map_err(failed)? {
            return Err(OpenError::Outdated {
                place: target.describe(),
            });
        }
        let app = Self::assemble(settings, secret, &stores)?;
        app.identity
            .check_secret(&Operator::local(), &app.secret.fingerprint())
            .await?;
        Ok(app)
    }

    fn assemble(
        settings: Settings,
        secret: SecretKey,
        stores: &Stores,
    ) -> Result<Self, InvalidSettings> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(UuidV7Source);
        let identity_store: Arc<dyn IdentityStore> = Arc::new(stores.identity.clone());
        let zones: Arc<dyn Zones> =
            Arc::new(IdentityZones::new(identity_store.clone(), clock.clone()));
        let standing: Arc<dyn Standing> = Arc::new(IdentityStanding::new(identity_store.clone()));
        let crm: Arc<dyn CrmStore> = stores.crm.clone();
        let owners: Arc<dyn Owners> = Arc::new(MembersAsOwners(identity_store.clone()));
        let contacts = ContactService::new(crm.clone(), clock.clone(), ids.clone(), zones.clone())
            .with_owners(owners.clone());
        let messaging = Messaging::assemble(&settings, &secret, stores, &standing, &clock, &ids);
        let segments = SegmentService::new(
            crm.clone(),
            clock.clone(),
            ids.clone(),
            zones.clone(),
            Arc::new(MessagingNames(messaging.store.clone())),
        )
        .with_owners(owners.clone());
        let bulk =
            BulkService::new(contacts.clone(), segments.clone()).with_standing(standing.clone());
        let postman = SystemMail::new(
            settings.system_mail.as_deref(),
            settings.sender(),
            settings.public_url(),
            messaging.store.clone(),
            clock.clone(),
            ids.clone(),
        )?;
        let logins = LoginProviders::new(&settings, &clock)?;
        let issuers = logins.iter().map(|provider| provider.issuer().to_owned());
        let identity = IdentityService::new(identity_store.clone(), clock.clone(), ids.clone())
            .with_secret(&secret)
            .with_grace(TimeDelta::days(settings.deletion_grace_days.into()))
            .with_founders(settings.organizations)
            .with_issuers(issuers);
        Ok(Self(Arc::new(Parts {
            postman: Arc::new(postman),
            logins,
            tags: TagService::new(contacts.clone()),
            contacts,
            fields: FieldService::new(crm.clone(), clock.clone(), ids.clone()),
            segments,
            segment_worker: SegmentWorker::new(
                crm.clone(),
                clock.clone(),
                ids.clone(),
                Arc::new(PresentZones(identity_store.clone())),
            ),
            imports: ImportService::new(crm.clone(), clock.clone(), ids.clone())
                .with_standing(standing.clone())
                .with_owners(owners.clone()),
            bulk,
            views: ViewService::new(crm.clone(), clock.clone(), ids.clone()),
            exports: ExportService::new(crm.clone(), clock.clone(), ids.clone())
                .with_owners(owners.clone()),
            engagement: EngagementRecorder::new(crm.clone(), zones.clone(), clock.clone()),
            crm_store: crm,
            identity_store,
            zones,
            standing,
            owners,
            emails: messaging.emails,
            sends: SendService::new(messaging.engine.clone()),
            tracking: messaging.tracking,
            projector: messaging.projector,
            inbox: CapturedMailService::new(messaging.store.clone(), clock.clone(), ids.clone()),
            transports: messaging.transports,
            domains: messaging.domains,
            dns: Arc::new(SystemDns::new(settings.dns_server)),
            engine: messaging.engine,
            images: Images::open(&settings, Arc::new(identity.clone()))?,
            identity,
            suppressions: SuppressionService::new(
                messaging.store.clone(),
                clock.clone(),
                ids.clone(),
            ),
            messaging_store: messaging.store,
            secret,
            clock,
            ids,
            outboxes: stores.outboxes(),
            erasers: stores.erasers(),
            databases: stores.databases(),
            settings,
        })))
    }

    /// Asks every context's database whether it answers.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if one does not.
    pub async fn check_databases(&self) -> Result<(), StoreError> {
        for db in &self.databases {
            db.ping().await?;
        }
        Ok(())
    }

    /// The database of each context.
    #[must_use]
    pub fn databases(&self) -> &[Db] {
        &self.databases
    }

    /// How many events wait to be dealt with.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn event_backlog(&self) -> Result<u64, StoreError> {
        let mut waiting = 0;
        for (_, outbox) in &self.outboxes {
            waiting += outbox.backlog().await?;
        }
        Ok(waiting)
    }

    /// The events of an organisation that were given up, of all contexts.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn dead_letters(
        &self,
        _: &Operator,
        organization: OrganizationId,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut letters = Vec::new();
        for (_, outbox) in &self.outboxes {
            letters.extend(outbox.dead_letters(organization, 1_000).await?);
        }
        Ok(letters)
    }

    /// Makes the organisation's given-up events due again; returns how many deliveries.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn redrive(
        &self,
        _: &Operator,
        organization: OrganizationId,
    ) -> Result<u64, StoreError> {
        let mut redriven = 0;
        for (_, outbox) in &self.outboxes {
            redriven += outbox.redrive(organization, self.clock.now()).await?;
        }
        if redriven > 0 {
            let change = Change::new("event.redriven", Subject::nameless("event"))
                .to(json!({"count": redriven}));
            let operator = Actor::system(organization);
            self.identity.record(&operator, change).await?;
        }
        Ok(redriven)
    }
}

/// The use cases of messaging, which share much.
struct Messaging {
    store: Arc<dyn MessagingStore>,
    emails: EmailService,
    tracking: TrackingService,
    projector: Projector,
    transports: TransportService,
    domains: SendingDomainService,
    engine: EnginePorts,
}

impl Messaging {
    fn assemble(
        settings: &Settings,
        secret: &SecretKey,
        stores: &Stores,
        standing: &Arc<dyn Standing>,
        clock: &Arc<dyn Clock>,
        ids: &Arc<dyn IdSource>,
    ) -> Self {
        let store: Arc<dyn MessagingStore> = stores.messaging.clone();
        let crm: Arc<dyn CrmStore> = stores.crm.clone();
        let identity: Arc<dyn IdentityStore> = Arc::new(stores.identity.clone());
        let directory = Arc::new(CrmDirectory {
            crm: crm.clone(),
            identity: identity.clone(),
            clock: clock.clone(),
        });
        let organizations: Arc<dyn OrganizationDirectory> =
            Arc::new(Organizations { identity, crm });
        let versions = EmailVersions::new(store.clone());
        let tokens = Arc::new(TokenSigner::new(secret));
        let signers = Signers::new(store.clone(), secret.clone());
        let base_url = settings.public_url();
        let rules = VerdictRules::default();
        let composer = Composer::new(ComposerParts {
            store: store.clone(),
            versions: versions.clone(),
            signers: signers.clone(),
            organizations: organizations.clone(),
            tokens: tokens.clone(),
            base_url: base_url.clone(),
            default_sender: Some(settings.sender()),
            must_be_signed: !settings.unsigned_mail,
            clock: clock.clone(),
        });
        let transports = ConfiguredTransports::new(
            store.clone(),
            clock.clone(),
            ids.clone(),
            secret.clone(),
            settings.sending_host(),
        );
        Self {
            emails: EmailService::new(EmailParts {
                store: store.clone(),
                versions: versions.clone(),
                contacts: directory.clone(),
                organizations: organizations.clone(),
                base_url: base_url.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
            }),
            tracking: TrackingService::new(TrackingParts {
                store: store.clone(),
                tokens,
                committer: HitCommitter::start(store.clone()),
                versions,
                contacts: directory.clone(),
                organizations,
                base_url,
                rules: rules.clone(),
                clock: clock.clone(),
                ids: ids.clone(),
            }),
            projector: Projector::new(store.clone(), rules, clock.clone(), ids.clone()),
            transports: TransportService::new(
                store.clone(),
                transports.clone(),
                clock.clone(),
                ids.clone(),
                secret.clone(),
            ),
            domains: SendingDomainService::new(
                store.clone(),
                signers,
                secret.clone(),
                clock.clone(),
                ids.clone(),
            )
            .with_hosts(settings.sending_hosts()),
            engine: EnginePorts {
                store: store.clone(),
                audience: directory.clone(),
                directory,
                standing: standing.clone(),
                builder: Arc::new(composer),
                transports,
                clock: clock.clone(),
                ids: ids.clone(),
            },
            store,
        }
    }
}

/// The stores of all contexts.
struct Stores {
    identity: SeaOrmIdentityStore,
    crm: Arc<SeaOrmCrmStore>,
    messaging: Arc<SeaOrmMessagingStore>,
}

impl Stores {
    async fn open(target: &DbTarget, options: DbOptions) -> Result<Self, StoreError> {
        let identity =
            Db::connect(target, mauntic_core::identity::storage::CONTEXT, options).await?;
        let crm = SeaOrmCrmStore::connect(target, options).await?;
        let messaging = SeaOrmMessagingStore::connect(target, options).await?;
        Ok(Self {
            identity: SeaOrmIdentityStore::new(identity),
            crm,
            messaging,
        })
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        migrate::<IdentityMigrator>(self.identity.db()).await?;
        self.crm.migrate().await?;
        self.messaging.migrate().await
    }

    async fn is_migrated(&self) -> Result<bool, StoreError> {
        Ok(is_migrated::<IdentityMigrator>(self.identity.db()).await?
            && self.crm.is_migrated().await?
            && self.messaging.is_migrated().await?)
    }

    fn databases(&self) -> Vec<Db> {
        vec![
            self.identity.db().clone(),
            self.crm.db().clone(),
            self.messaging.db().clone(),
        ]
    }

    fn erasers(&self) -> Vec<Arc<dyn Eraser>> {
        let databases = self.databases().into_iter();
        databases
            .filter(|db| db.context() != mauntic_core::identity::storage::CONTEXT)
            .map(|db| SeaOrmEraser::new(db) as Arc<dyn Eraser>)
            .collect()
    }

    fn outboxes(&self) -> Vec<(&'static str, Arc<dyn RelayStore>)> {
        let databases = self.databases().into_iter();
        databases
            .map(|db| {
                (
                    db.context(),
                    SeaOrmRelayStore::new(db) as Arc<dyn RelayStore>,
                )
            })
            .collect()
    }
}
