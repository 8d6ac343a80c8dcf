//! What was backed up while Mauntic ran can be restored, on both back ends.
#![expect(clippy::unwrap_used, reason = "a test without its files cannot run")]

#[path = "support/installation.rs"]
mod installation;

use std::{path::Path, process::Command};

use installation::{Installation, argument};
use mauntic_core::storage::{DbTarget, test_database::TestDatabase};

/// An installation with a contact, and a server on it while it is backed up into the folder `backup`.
fn backed_up(database: &TestDatabase) -> Installation {
    let installation = Installation::on(&database.target);
    installation.result(&[
        "contacts",
        "create",
        "ann@example.com",
        "--set",
        "firstname=Ann",
    ]);
    let images = installation.file("images/an-organisation");
    std::fs::create_dir_all(&images).unwrap();
    std::fs::write(images.join("image.png"), "the image").unwrap();
    let mut server = installation.start("serve", &["serve", "--listen", "127.0.0.1:0"]);
    let folder = installation.file("backup");
    let copied = installation.result(&["backup", argument(&folder)]);
    assert_eq!(copied["secret"], true, "{copied}");
    assert_eq!(copied["images"], 1, "{copied}");
    server.kill();
    let again = installation.run(&["backup", argument(&folder)]);
    assert_eq!(again.status.code(), Some(4), "a folder that is not empty");
    let there = installation.write("a-file", "x");
    let refused = installation.run(&["backup", argument(&there)]);
    assert!(!refused.status.success());
    installation
}

fn knows_ann(installation: &Installation) {
    let ann = installation.result(&["contacts", "show", "ann@example.com"]);
    assert!(ann.to_string().contains("Ann"), "{ann}");
}

fn has_the_image(folder: &Path) {
    let image = std::fs::read_to_string(folder.join("images/an-organisation/image.png"));
    assert_eq!(image.unwrap(), "the image");
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let folder = to.join(entry.file_name());
            std::fs::create_dir_all(&folder).unwrap();
            copy(&entry.path(), &folder);
            continue;
        }
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn sqlite_files_are_copied_and_restored() {
    let database = TestDatabase::sqlite();
    let installation = backed_up(&database);
    let elsewhere = TestDatabase::sqlite();
    let DbTarget::Sqlite(folder) = &elsewhere.target else {
        panic!("it is on SQLite");
    };
    std::fs::create_dir_all(folder).unwrap();
    copy(&installation.file("backup"), folder);
    has_the_image(folder);
    let restored = Installation::on(&elsewhere.target);
    std::fs::copy(folder.join("secret"), restored.file("secret")).unwrap();
    knows_ann(&restored);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_dumped_and_restored() {
    let database = TestDatabase::postgres().await;
    let elsewhere = TestDatabase::postgres().await;
    tokio::task::block_in_place(|| {
        let installation = backed_up(&database);
        let DbTarget::Postgres(url) = &elsewhere.target else {
            panic!("it is on PostgreSQL");
        };
        let status = Command::new("pg_restore")
            .args(["--clean", "--if-exists", "--no-owner", "--dbname", url])
            .arg(installation.file("backup").join("mauntic.dump"))
            .status()
            .unwrap();
        assert!(status.success());
        let restored = Installation::on(&elsewhere.target);
        copy(
            &installation.file("backup"),
            restored.file("secret").parent().unwrap(),
        );
        knows_ann(&restored);
        has_the_image(restored.file("secret").parent().unwrap());
    });
}

#[test]
fn without_data_there_is_nothing_to_copy() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let output = installation.run(&["backup", "copy"]);
    assert_eq!(output.status.code(), Some(3));
}
