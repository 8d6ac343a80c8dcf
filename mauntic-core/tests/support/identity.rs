//! Ann, who owns Acme, on either back end.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use mauntic_core::{
    Actor, SecretKey, UuidV7Source,
    identity::{
        AuditFilter, Client, IdentityError, IdentityService, Letter, LogIn, LoggedIn, NewSession,
        Password, Postman, SessionSecret, SetUp, Undelivered, storage::SeaOrmIdentityStore,
    },
    storage::{DbOptions, test_database::TestDatabase},
    testing::ManualClock,
};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Makes a test of each case on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let database = mauntic_core::storage::test_database::TestDatabase::sqlite();
                super::$case(super::World::new(database).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let database = mauntic_core::storage::test_database::TestDatabase::postgres().await;
                super::$case(super::World::new(database).await).await;
            })*
        }
    };
}

pub(crate) struct World {
    pub(crate) service: IdentityService,
    pub(crate) clock: Arc<ManualClock>,
    _database: TestDatabase,
}

pub(crate) fn password(text: &str) -> Password {
    text.parse().unwrap()
}

pub(crate) fn client(address: &str) -> Client {
    let address: IpAddr = address.parse().unwrap();
    Client::new(Some(address), Some("Firefox")).calling_from(Some(address))
}

pub(crate) fn home() -> Client {
    client("203.0.113.7")
}

impl World {
    pub(crate) async fn new(database: TestDatabase) -> Self {
        let store = SeaOrmIdentityStore::open(&database.target, DbOptions::default()).await;
        let clock = Arc::<ManualClock>::default();
        let ids = Arc::new(UuidV7Source);
        let secret = SecretKey::from_text("a text that is long enough to be a secret").unwrap();
        let service = IdentityService::new(Arc::new(store.unwrap()), clock.clone(), ids);
        Self {
            service: service.with_secret(&secret),
            clock,
            _database: database,
        }
    }

    /// Ann, who owns Acme, in her first session.
    pub(crate) async fn ann(&self) -> LoggedIn {
        let command = SetUp {
            organization: "Acme".parse().unwrap(),
            timezone: "Europe/Oslo".parse().unwrap(),
            name: "Ann".parse().unwrap(),
            email: "ann@example.com".parse().unwrap(),
            password: password(PASSWORD),
            code: None,
        };
        let new = self.service.set_up(command, home()).await.unwrap();
        self.who(&new.secret).await.unwrap()
    }

    pub(crate) async fn log_in(
        &self,
        email: &str,
        text: &str,
    ) -> Result<NewSession, IdentityError> {
        let command = LogIn {
            email: email.parse().unwrap(),
            password: password(text),
            remember: false,
        };
        self.service.log_in(command, home()).await
    }

    pub(crate) async fn who(&self, secret: &SessionSecret) -> Option<LoggedIn> {
        self.service.logged_in(secret).await.unwrap()
    }

    /// What was done, the latest first.
    pub(crate) async fn log(&self, actor: &Actor) -> Vec<String> {
        let (all, size) = (AuditFilter::default(), mauntic_core::PageSize::default());
        let page = self.service.audit_log(actor, &all, None, size).await;
        let entries = page.unwrap().items.into_iter();
        entries.map(|entry| entry.change.action).collect()
    }
}

/// Keeps the letters, or loses them.
#[derive(Default)]
pub(crate) struct Letters {
    pub(crate) sent: Mutex<Vec<Letter>>,
    pub(crate) lost: bool,
    pub(crate) refused: bool,
}

#[async_trait]
impl Postman for Letters {
    async fn deliver(&self, letter: &Letter) -> Result<(), Undelivered> {
        if self.lost {
            return Err(Undelivered::Later("no way out".to_owned()));
        }
        if self.refused {
            return Err(Undelivered::Refused("no such mailbox".to_owned()));
        }
        self.sent.lock().unwrap().push(letter.clone());
        Ok(())
    }
}

impl World {
    /// The letters that are due.
    pub(crate) async fn letters(&self) -> Vec<Letter> {
        let letters = Letters::default();
        while self.service.deliver_letters(&letters).await.unwrap() {}
        letters.sent.into_inner().unwrap()
    }
}
