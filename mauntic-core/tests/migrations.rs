//! Migrations on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use mauntic_core::{
    identity::storage::{CONTEXT, IdentityMigrator, SeaOrmIdentityStore},
    storage::{
        Db, DbOptions, DbTarget, is_migrated, migrate, schema::tables, test_database::TestDatabase,
    },
};
use sea_orm_migration::MigratorTrait as _;
use tokio::task::JoinSet;

/// Some tasks share connections, as in one process; some have their own, as several processes do.
async fn migrate_from_many_tasks(target: &DbTarget) {
    let options = DbOptions {
        max_connections: 2,
        ..DbOptions::default()
    };
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let target = target.clone();
        tasks.spawn(async move {
            let db = Db::connect(&target, CONTEXT, options).await.unwrap();
            let mut sharing = JoinSet::new();
            for _ in 0..4 {
                let db = db.clone();
                sharing.spawn(async move { migrate::<IdentityMigrator>(&db).await.unwrap() });
            }
            sharing.join_all().await;
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_migrate_sqlite_at_once() {
    let database = TestDatabase::sqlite();
    migrate_from_many_tasks(&database.target).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_migrate_postgres_at_once() {
    let database = TestDatabase::postgres().await;
    migrate_from_many_tasks(&database.target).await;
}

#[tokio::test]
async fn both_back_ends_have_the_same_tables() {
    let databases = [TestDatabase::sqlite(), TestDatabase::postgres().await];
    let mut found = Vec::new();
    for database in &databases {
        let store = SeaOrmIdentityStore::open(&database.target, DbOptions::default()).await;
        found.push(tables(store.unwrap().db()).await.unwrap());
    }
    assert_eq!(found[0], found[1]);
    let mut names: Vec<_> = found[0].keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "account",
            "api_token",
            "audit_entry",
            "detour",
            "erasure",
            "idempotency",
            "inbox",
            "instance",
            "invitation",
            "letter",
            "linked_login",
            "login_attempt",
            "membership",
            "notification",
            "oauth_client",
            "oauth_code",
            "oauth_grant",
            "oauth_token",
            "organization",
            "outbox",
            "outbox_delivery",
            "recovery_code",
            "second_factor",
            "session",
            "set_up",
            "user_link"
        ]
    );
}

#[tokio::test]
async fn contexts_share_a_database_without_seeing_each_other() {
    let database = TestDatabase::postgres().await;
    for context in ["identity", "another"] {
        let db = Db::connect(&database.target, context, DbOptions::default()).await;
        let db = db.unwrap();
        migrate::<IdentityMigrator>(&db).await.unwrap();
        assert!(tables(&db).await.unwrap().contains_key("organization"));
    }
}

#[tokio::test]
async fn a_database_is_up_to_date_after_its_last_migration() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let db = Db::connect(&database.target, CONTEXT, DbOptions::default());
        let db = db.await.unwrap();
        assert!(!is_migrated::<IdentityMigrator>(&db).await.unwrap());
        assert!(tables(&db).await.unwrap().is_empty(), "asking makes none");
        IdentityMigrator::up(db.reader(), Some(1)).await.unwrap();
        assert!(!is_migrated::<IdentityMigrator>(&db).await.unwrap());
        migrate::<IdentityMigrator>(&db).await.unwrap();
        assert!(is_migrated::<IdentityMigrator>(&db).await.unwrap());
    }
}
