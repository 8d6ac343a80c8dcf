//! The tables of all contexts: the same on both back ends, and led by the organisation.

use std::collections::{BTreeMap, BTreeSet};

use mauntic_core::{
    identity::storage::SeaOrmIdentityStore,
    storage::{
        Db, DbOptions,
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
/// The key of a token, of an app, or of an invitation, tells which organisation it is for, so it must be found without
/// one.
const FOUND_WITHOUT: [(&str, &str); 5] = [
    ("identity.api_token", "secret_hash"),
    ("identity.invitation", "secret_hash"),
    ("identity.oauth_client", "id"),
    ("identity.oauth_code", "secret_hash"),
    ("identity.oauth_token", "secret_hash"),
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
    let postgres = all_tables(&TestDatabase::postgres().await).await;
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
async fn the_organisation_leads_every_table_and_key() {
    let mut wrong = Vec::new();
    for (name, table) in all_tables(&TestDatabase::sqlite()).await {
        let (_, plain) = name.split_once('.').unwrap();
        if SHARED.contains(&plain) || SHARED.contains(&name.as_str()) || name == NUMBERED {
            continue;
        }
        if table.columns[0].name != LEADER {
            wrong.push(format!(
                "the first column of {name} is {}",
                table.columns[0].name
            ));
        }
        let keys = table.indexes.iter().filter(|index| index.unique);
        wrong.extend(
            keys.filter(|key| {
                !key.columns.starts_with(LEADER)
                    && !FOUND_WITHOUT.contains(&(name.as_str(), key.columns.as_str()))
            })
            .map(|key| format!("{name} has the key ({})", key.columns)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
