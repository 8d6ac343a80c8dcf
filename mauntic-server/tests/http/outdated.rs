//! A database that is not up to date is not served as it is.

use mauntic_core::storage::{DbTarget, test_database::TestDatabase};
use mauntic_server::{App, OpenError, Settings};

fn settings(database: &TestDatabase, folder: &std::path::Path) -> Settings {
    Settings {
        database: Some(match &database.target {
            DbTarget::Sqlite(folder) => format!("sqlite:{}", folder.display()),
            DbTarget::Postgres(url) => url.clone(),
        }),
        data: folder.to_owned(),
        ..Settings::default()
    }
}

/// Why it is not opened.
async fn refusal(settings: Settings) -> String {
    match App::open_as_is(settings).await {
        Err(error @ OpenError::Outdated { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is opened as it is"),
    }
}

#[tokio::test]
async fn without_migrating_a_database_must_be_up_to_date() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let folder = tempfile::tempdir().unwrap();
        let settings = || settings(&database, folder.path());
        let why = refusal(settings()).await;
        assert!(why.contains("mauntic migrate"), "{why}");
        drop(App::open(settings()).await.unwrap());
        drop(App::open_as_is(settings()).await.unwrap());
    }
}

#[tokio::test]
async fn each_context_must_be_up_to_date() {
    for context in ["identity", "crm", "messaging"] {
        let database = TestDatabase::sqlite();
        let folder = tempfile::tempdir().unwrap();
        drop(App::open(settings(&database, folder.path())).await.unwrap());
        let DbTarget::Sqlite(files) = &database.target else {
            panic!("it has files");
        };
        let mut removed = 0;
        for file in std::fs::read_dir(files).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_string_lossy().starts_with(context) {
                std::fs::remove_file(file.path()).unwrap();
                removed += 1;
            }
        }
        assert!(removed > 0, "{context}");
        refusal(settings(&database, folder.path())).await;
    }
}
