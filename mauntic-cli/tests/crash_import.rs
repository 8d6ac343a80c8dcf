//! An import is killed again and again; afterwards no row is lost and none is in twice.
//!
//! Larger, against an optimised build:
//! `TEST_BINARY=target/release/mauntic CRASH_ROWS=1000000 CRASH_KILLS=10 cargo test -p mauntic-cli --test crash_import postgres -- --nocapture`
#![expect(clippy::unwrap_used, reason = "a test without its database cannot run")]

#[path = "support/installation.rs"]
mod installation;

use std::{
    collections::HashMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use installation::{Installation, argument};
use mauntic_core::storage::{Db, DbOptions, test_database::TestDatabase};
use sea_orm::ConnectionTrait as _;
use serde_json::Value;

/// How often the test looks.
const LOOK: Duration = Duration::from_millis(10);
/// Contacts that are compared at a time.
const PAGE: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_into_postgres_survives_the_death_of_its_process() {
    survives(TestDatabase::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_into_sqlite_survives_the_death_of_its_process() {
    survives(TestDatabase::sqlite()).await;
}

/// What a file holds.
#[derive(Default)]
struct Expected {
    rows: usize,
    bad: usize,
    /// The last row of each address.
    people: HashMap<String, usize>,
}

impl Expected {
    fn duplicates(&self) -> usize {
        self.rows - self.bad - self.people.len()
    }
}

async fn survives(database: TestDatabase) {
    let (rows, kills) = (
        from_environment("CRASH_ROWS", 30_000),
        from_environment("CRASH_KILLS", 4),
    );
    let installation = Installation::on(&database.target);
    installation.result(&["migrate"]);
    let db = Db::connect(&database.target, "crm", DbOptions::default())
        .await
        .unwrap();
    let (text, expected) = people(rows);
    let file = installation.write("people.csv", text);
    let command = ["contacts", "import", argument(&file), "--tag", "fair"];
    let began = Instant::now();
    for kill in 0..kills {
        let mut process = installation.start("import", &command);
        let goal = i64::try_from(rows * kill / (kills + 1)).unwrap();
        let waiting = Instant::now();
        // Each takes over from one that was killed behind an earlier goal, so this one has begun as well.
        while rows_read(&db).await.is_none_or(|read| read < goal) {
            assert!(
                waiting.elapsed() < Duration::from_mins(2),
                "the import does not reach row {goal}"
            );
            assert!(
                process.0.try_wait().unwrap().is_none(),
                "the import ended early"
            );
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
        process.kill();
    }
    let summary = installation.result(&command);
    println!(
        "rows {rows}, kills {kills}, seconds {}: {summary}; expected: people {}, bad {}, repeated {}",
        began.elapsed().as_secs(),
        expected.people.len(),
        expected.bad,
        expected.duplicates(),
    );
    compare_counts(&summary, &expected);
    assert_eq!(
        count(&db, "SELECT COUNT(*) AS n FROM import").await,
        1,
        "every process did the same import"
    );
    assert_eq!(
        count(
            &db,
            "SELECT COUNT(*) AS n FROM import_problem WHERE kind = 'bad'"
        )
        .await,
        i64::try_from(expected.bad).unwrap()
    );
    compare_contacts(&db, &expected).await;
}

fn from_environment(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// Rows of which some are bad, and some about people of earlier rows, near and far.
fn people(rows: usize) -> (String, Expected) {
    let mut text = "email,firstname,city\n".to_owned();
    let mut expected = Expected {
        rows,
        ..Expected::default()
    };
    for row in 0..rows {
        if row % 50 == 7 {
            expected.bad += 1;
            writeln!(text, "not an address {row},Bad {row},Nowhere").unwrap();
            continue;
        }
        let person = match row {
            _ if row % 40 == 3 => row - 2,
            _ if row % 97 == 5 && row > rows / 2 => row - rows / 2,
            _ => row,
        };
        let email = format!("person{person}@town{}.example", person % 11);
        writeln!(text, "{email},Row {row},\"Town, {}\"", person % 11).unwrap();
        expected.people.insert(email, row);
    }
    (text, expected)
}

/// How far the import is, once there is one.
async fn rows_read(db: &Db) -> Option<i64> {
    let sql = db.dialect().statement("SELECT rows_read FROM import", []);
    let row = db.reader().query_one_raw(sql).await.unwrap()?;
    Some(row.try_get("", "rows_read").unwrap())
}

async fn count(db: &Db, sql: &str) -> i64 {
    let sql = db.dialect().statement(sql, []);
    let row = db.reader().query_one_raw(sql).await.unwrap();
    row.unwrap().try_get("", "n").unwrap()
}

fn compare_counts(summary: &Value, expected: &Expected) {
    let number = |name: &str| usize::try_from(summary[name].as_u64().unwrap()).unwrap();
    assert_eq!(summary["state"], "completed");
    assert_eq!(number("rows"), expected.rows);
    assert_eq!(number("failed"), expected.bad);
    assert_eq!(number("duplicates"), expected.duplicates());
    assert_eq!(number("created"), expected.people.len());
    assert_eq!((number("updated"), number("unchanged")), (0, 0));
}

/// Every person is there once, as the last row about them says.
async fn compare_contacts(db: &Db, expected: &Expected) {
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let sql = db.dialect().statement(
            format!(
                "SELECT email_key, CAST(fields AS TEXT) AS fields, CAST(tags AS TEXT) AS tags FROM contact
                 WHERE email_key > $1 ORDER BY email_key LIMIT {PAGE}"
            ),
            [after.as_str().into()],
        );
        let rows = db.reader().query_all_raw(sql).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = last.try_get("", "email_key").unwrap();
        for row in &rows {
            let email: String = row.try_get("", "email_key").unwrap();
            let (fields, tags): (String, String) = (
                row.try_get("", "fields").unwrap(),
                row.try_get("", "tags").unwrap(),
            );
            let fields: Value = serde_json::from_str(&fields).unwrap();
            let row = expected.people.get(&email).expect("somebody of the file");
            assert_eq!(
                fields["firstname"],
                format!("Row {row}"),
                "the last row about {email} wins"
            );
            assert_eq!(tags.replace(' ', ""), "[\"fair\"]");
        }
        seen += rows.len();
    }
    assert_eq!(seen, expected.people.len());
    let all = count(db, "SELECT COUNT(*) AS n FROM contact").await;
    assert_eq!(all, i64::try_from(seen).unwrap());
}
