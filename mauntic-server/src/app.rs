use std::{ops::Deref, sync::Arc};

use mauntic_core::{
    Clock, DeadLetter, IdSource, Operator, OrganizationId, RelayStore, SecretKey, StoreError,
    SystemClock, UuidV7Source, Zones,
    identity::{
        IdentityError, IdentityService, IdentityStore, IdentityZones,
        storage::{IdentityMigrator, SeaOrmIdentityStore},
    },
    storage::{Db, DbOptions, DbTarget, SeaOrmRelayStore, migrate},
};
use mauntic_messaging::{
    MessagingStore, storage::SeaOrmMessagingStore, suppression::SuppressionService,
};

use crate::{InvalidSettings, Settings};

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
    /// What Identity keeps.
    pub identity_store: Arc<dyn IdentityStore>,
    /// In which zone organisations count their days.
    pub zones: Arc<dyn Zones>,
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
    /// As [`open`](Self::open), and if the tables are not there.
    pub async fn open_as_is(settings: Settings) -> Result<Self, OpenError> {
        Self::connect(settings, false).await
    }

    async fn connect(settings: Settings, migrating: bool) -> Result<Self, OpenError> {
        let target = settings.target()?;
        let secret = settings.secret_key()?;
        let stores = Stores::open(&target, settings.db_options(), migrating)
            .await
            .map_err(|source| OpenError::Store {
                place: target.describe(),
                source,
            })?;
        let app = Self::assemble(settings, secret, stores);
        app.identity
            .check_secret(&Operator::local(), &app.secret.fingerprint())
            .await?;
        Ok(app)
    }

    fn assemble(settings: Settings, secret: SecretKey, stores: Stores) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(UuidV7Source);
        let identity_store: Arc<dyn IdentityStore> = Arc::new(stores.identity.clone());
        let messaging: Arc<dyn MessagingStore> = stores.messaging.clone();
        Self(Arc::new(Parts {
            identity: IdentityService::new(identity_store.clone(), clock.clone(), ids.clone()),
            zones: Arc::new(IdentityZones::new(identity_store.clone(), clock.clone())),
            identity_store,
            suppressions: SuppressionService::new(messaging, clock.clone()),
            secret,
            clock,
            ids,
            outboxes: stores.outboxes(),
            databases: stores.databases(),
            settings,
        }))
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
        Ok(redriven)
    }
}

/// The stores of all contexts.
struct Stores {
    identity: SeaOrmIdentityStore,
    messaging: Arc<SeaOrmMessagingStore>,
}

impl Stores {
    async fn open(
        target: &DbTarget,
        options: DbOptions,
        migrating: bool,
    ) -> Result<Self, StoreError> {
        let identity =
            Db::connect(target, mauntic_core::identity::storage::CONTEXT, options).await?;
        let messaging = SeaOrmMessagingStore::connect(target, options).await?;
        if migrating {
            migrate::<IdentityMigrator>(&identity).await?;
            messaging.migrate().await?;
        }
        Ok(Self {
            identity: SeaOrmIdentityStore::new(identity),
            messaging,
        })
    }

    fn databases(&self) -> Vec<Db> {
        vec![self.identity.db().clone(), self.messaging.db().clone()]
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
