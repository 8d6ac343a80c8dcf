//! The tables of all contexts: the same on both back ends, and led by the organisation.

use std::collections::{BTreeMap, BTreeSet};

use mauntic_core::{
    identity::storage::SeaOrmIdentityStore,
    storage::{
        Db, DbOptions, DbTarget,
        schema::{TableSchema, tables},
        test_database::TestDatabase,
    },
};
use mauntic_crm::storage::SeaOrmCrmStore;
use mauntic_messaging::storage::SeaOrmMessagingStore;

type Tables = BTreeMap<String, TableSchema>;

const LEADER: &str = "organization_id";
/// Tables, in any context or in one, that are not an organisation's: events and handlers are named across all, people
/// may be members of several organisations, and the rest is about organisations or the installation itself.
const SHARED: [&str; 16] = [
    "outbox",
    "outbox_delivery",
    "inbox",
    "identity.account",
    // Of persons, who may work in several organisations, and of nobody yet.
    "identity.detour",
    "identity.letter",
    "identity.linked_login",
    "identity.login_attempt",
    "identity.user_link",
    "identity.recovery_code",
    "identity.second_factor",
    "identity.session",
    "identity.set_up",
    "identity.organization",
    "identity.instance",
    "messaging.worker",
];
/// A queue whose rows the database numbers, which each back end does in its own way.
const NUMBERED: &str = "crm.segment_dirty";
/// Indexes across organisations: the table, the columns, and what is looked for without knowing the organisation.
const ACROSS: [(&str, &str, &str); 20] = [
    ("crm.bulk_change", "created_at", "work that waits"),
    ("crm.import", "created_at", "work that waits"),
    ("crm.segment", "lease_until", "work that was left behind"),
    ("crm.segment", "next_rebuild_at", "work that is due"),
    // PostgreSQL's index of tags cannot have a UUID beside them; it is joined with one that the organisation leads.
    ("crm.contact", "tags", "who has a rare tag"),
    ("identity.api_token", "secret_hash", "whose it is"),
    ("identity.idempotency", "created_at", "what is old"),
    ("identity.invitation", "secret_hash", "whose it is"),
    (
        "identity.membership",
        "user_id, organization_id",
        "where somebody works",
    ),
    ("identity.notification", "at", "what is old"),
    ("identity.oauth_client", "id", "whose it is"),
    ("identity.oauth_code", "expires_at", "what is old"),
    ("identity.oauth_code", "secret_hash", "whose it is"),
    ("identity.oauth_grant", "user_id", "what somebody granted"),
    ("identity.oauth_token", "expires_at", "what is old"),
    ("identity.oauth_token", "secret_hash", "whose it is"),
    ("messaging.captured_mail", "captured_at", "what is old"),
    ("messaging.delivery", "worker_id", "what a worker held"),
    ("messaging.hit", "at", "what is not counted, or old"),
    (
        "messaging.send_job",
        "state, scheduled_at",
        "work that is due",
    ),
];

/// The tables of every context, named as `context.table`.
async fn all_tables(database: &TestDatabase) -> Tables {
    let options = DbOptions::default();
    let identity = SeaOrmIdentityStore::open(&database.target, options)
        .await
        .unwrap();
    let crm = SeaOrmCrmStore::connect(&database.target, options)
        .await
        .unwrap();
    crm.migrate().await.unwrap();
    let messaging = SeaOrmMessagingStore::connect(&database.target, options)
        .await
        .unwrap();
    messaging.migrate().await.unwrap();
    let mut all = Tables::new();
    for db in [identity.db(), crm.db(), messaging.db()] {
        all.extend(tables_of(db).await);
    }
    all
}

async fn tables_of(db: &Db) -> impl Iterator<Item = (String, TableSchema)> {
    let tables = tables(db).await.unwrap().into_iter();
    tables.map(|(name, table)| (format!("{}.{name}", db.context()), table))
}

#[tokio::test]
async fn both_back_ends_have_the_same_tables() {
    let sqlite = all_tables(&TestDatabase::sqlite()).await;
    let mut postgres = all_tables(&TestDatabase::postgres().await).await;
    for table in postgres.values_mut() {
        table.indexes.retain(|index| index.kind == "btree");
    }
    let names: BTreeSet<_> = sqlite.keys().chain(postgres.keys()).collect();
    let differences: Vec<_> = names
        .into_iter()
        .filter(|name| *name != NUMBERED && sqlite.get(*name) != postgres.get(*name))
        .map(|name| {
            let (sqlite, postgres) = (sqlite.get(name), postgres.get(name));
            format!("{name}\n  SQLite:     {sqlite:?}\n  PostgreSQL: {postgres:?}")
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn the_organisation_leads_every_table_and_index() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let tables = all_tables(&database).await;
        let (mut wrong, mut across) = (Vec::new(), BTreeSet::<&(&str, &str, &str)>::new());
        for (name, table) in &tables {
            let (_, plain) = name.split_once('.').unwrap();
            if SHARED.contains(&plain) || SHARED.contains(&name.as_str()) || name == NUMBERED {
                continue;
            }
            let first = &table.columns[0].name;
            if first != LEADER {
                wrong.push(format!("the first column of {name} is {first}"));
            }
            for index in &table.indexes {
                let columns = index.columns.as_str();
                if columns.split(", ").next() == Some(LEADER) {
                    continue;
                }
                let exception = ACROSS
                    .iter()
                    .find(|(table, of, _)| *table == name && *of == columns);
                if exception.is_none() {
                    wrong.push(format!("{name} has an index of ({columns})"));
                }
                across.extend(exception);
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let only_there = usize::from(matches!(database.target, DbTarget::Sqlite(_)));
        assert_eq!(across.len() + only_there, ACROSS.len(), "{across:?}");
    }
}
