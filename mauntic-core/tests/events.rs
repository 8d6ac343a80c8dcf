//! Outbox, inbox and relay on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use mauntic_core::{
    Envelope, EventId, RelayStore,
    conformance::EventStore,
    identity::storage::SeaOrmIdentityStore,
    storage::{
        Db, DbOptions, SeaOrmRelayStore, append_to_outbox, first_time, test_database::TestDatabase,
    },
};

struct Events(Db);

#[async_trait]
impl EventStore for Events {
    fn relay(&self) -> Arc<dyn RelayStore> {
        SeaOrmRelayStore::new(self.0.clone())
    }

    async fn append(&self, envelopes: &[Envelope], commit: bool) {
        let txn = self.0.begin().await.unwrap();
        append_to_outbox(&*txn, self.0.dialect(), envelopes)
            .await
            .unwrap();
        if commit {
            txn.commit().await.unwrap();
        }
    }

    async fn first_time(&self, handler: &'static str, event: EventId, commit: bool) -> bool {
        let txn = self.0.begin().await.unwrap();
        let now = DateTime::UNIX_EPOCH;
        let first = first_time(&*txn, self.0.dialect(), handler, event, now);
        let first = first.await.unwrap();
        if commit {
            txn.commit().await.unwrap();
        }
        first
    }
}

async fn new_store(database: TestDatabase) -> (Arc<dyn EventStore>, TestDatabase) {
    let store = SeaOrmIdentityStore::open(&database.target, DbOptions::default()).await;
    (Arc::new(Events(store.unwrap().db().clone())), database)
}

mod sqlite {
    use super::*;

    async fn new_store() -> (Arc<dyn EventStore>, TestDatabase) {
        super::new_store(TestDatabase::sqlite()).await
    }

    mauntic_core::event_store_conformance!(new_store);
}

mod postgres {
    use super::*;

    async fn new_store() -> (Arc<dyn EventStore>, TestDatabase) {
        super::new_store(TestDatabase::postgres().await).await
    }

    mauntic_core::event_store_conformance!(new_store);
}

mod damaged {
    use super::*;
    use mauntic_core::{Cause, DomainEvent, OrganizationId, testing::CountingIds};
    use sea_orm::ConnectionTrait as _;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Rang {}

    impl DomainEvent for Rang {
        const TYPE: &'static str = "testing.rang.v1";
    }

    async fn does_not_hold_up_the_others(database: TestDatabase) {
        let store = SeaOrmIdentityStore::open(&database.target, DbOptions::default()).await;
        let db = store.unwrap().db().clone();
        let events = Events(db.clone());
        let ids = CountingIds::default();
        let organization = OrganizationId::generate(&ids);
        let ring = |_| {
            let now = DateTime::UNIX_EPOCH;
            Envelope::seal(organization, &Rang {}, now, &ids, Cause::root(&ids)).unwrap()
        };
        let rings: Vec<_> = (0..2).map(ring).collect();
        events.append(&rings, true).await;
        let damage = "UPDATE outbox SET envelope = '{}' WHERE id = $1";
        let damage = db
            .dialect()
            .statement(damage, [rings[0].id.as_uuid().into()]);
        db.reader().execute_raw(damage).await.unwrap();
        let (relay, now) = (events.relay(), DateTime::UNIX_EPOCH);
        relay.fan_out(&[(Rang::TYPE, "a")], now, 10).await.unwrap();
        let claimed = relay.claim(now, now, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].envelope, rings[1]);
        let letters = relay.dead_letters(organization, 10).await.unwrap();
        assert_eq!(letters[0].event_id, rings[0].id);
    }

    #[tokio::test]
    async fn an_event_on_sqlite_does_not_hold_up_the_others() {
        does_not_hold_up_the_others(TestDatabase::sqlite()).await;
    }

    #[tokio::test]
    async fn an_event_on_postgres_does_not_hold_up_the_others() {
        does_not_hold_up_the_others(TestDatabase::postgres().await).await;
    }
}
