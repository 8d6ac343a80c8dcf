//! The tables of all contexts: the same on both back ends, and led by the organisation.

use std::collections::BTreeMap;

use mauntic_core::storage::{
    Db, DbOptions,
    schema::{TableSchema, tables},
    test_database::TestDatabase,
};
use mauntic_messaging::storage::SeaOrmMessagingStore;

type Tables = BTreeMap<String, TableSchema>;

/// Each is named by event, handler or nothing; the organisation is a column of those that hold what is an organisation's.
const SHARED: [&str; 3] = ["outbox", "outbox_delivery", "inbox"];

/// The tables of every context, named as `context.table`.
async fn all_tables(database: &TestDatabase) -> Tables {
    let options = DbOptions::default();
    let messaging = SeaOrmMessagingStore::connect(&database.target, options)
        .await
        .unwrap();
    messaging.migrate().await.unwrap();
    let mut all = Tables::new();
    for db in [messaging.db()] {
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
    assert!(
        sqlite.keys().eq(postgres.keys()),
        "{:?} / {:?}",
        sqlite.keys(),
        postgres.keys()
    );
    for (name, table) in &sqlite {
        let other = &postgres[name];
        assert_eq!(
            table.columns, other.columns,
            "columns of {name}: SQLite, then PostgreSQL"
        );
        assert_eq!(
            table.indexes, other.indexes,
            "indexes of {name}: SQLite, then PostgreSQL"
        );
    }
}

#[tokio::test]
async fn the_organisation_leads_every_table_and_key() {
    let tables = all_tables(&TestDatabase::sqlite()).await;
    let own = tables.iter().filter(|(name, _)| {
        !SHARED
            .iter()
            .any(|shared| name.ends_with(&format!(".{shared}")))
    });
    for (name, table) in own {
        assert_eq!(
            table.columns[0].name, "organization_id",
            "first column of {name}"
        );
        for key in table.indexes.iter().filter(|index| index.unique) {
            assert!(
                key.columns.starts_with("organization_id"),
                "key ({}) of {name}",
                key.columns
            );
        }
    }
}
