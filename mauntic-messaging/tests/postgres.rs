//! The storage port's contract on PostgreSQL.
#![cfg(all(feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test without its store cannot run")]

use std::sync::Arc;

use mauntic_core::storage::{DbOptions, test_database::TestDatabase};
use mauntic_messaging::{MessagingStore, storage::SeaOrmMessagingStore};

async fn new_store() -> (TestDatabase, Arc<dyn MessagingStore>) {
    let database = TestDatabase::postgres().await;
    let store = SeaOrmMessagingStore::connect(&database.target, DbOptions::default())
        .await
        .unwrap();
    store.migrate().await.unwrap();
    (database, store)
}

mauntic_messaging::messaging_store_conformance!(new_store);
