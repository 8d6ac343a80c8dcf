//! Identity on SQLite.
#![cfg(all(feature = "sqlite", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::sync::Arc;

use mauntic_core::{
    identity::{IdentityStore, storage::SeaOrmIdentityStore},
    storage::{DbOptions, test_database::TestDatabase},
};

async fn new_store() -> (Arc<dyn IdentityStore>, TestDatabase) {
    let database = TestDatabase::sqlite();
    let store = SeaOrmIdentityStore::open(&database.target, DbOptions::default()).await;
    (Arc::new(store.unwrap()), database)
}

mauntic_core::identity_store_conformance!(new_store);
