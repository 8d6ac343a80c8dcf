//! A send is killed again and again; afterwards nobody got two mails and nobody is missing.
//!
//! Larger, against an optimised build:
//! `TEST_BINARY=target/release/mauntic CRASH_RECIPIENTS=100000 CRASH_KILLS=40 CRASH_RATE=1500 cargo test -p mauntic-cli --test crash_send postgres -- --nocapture`
#![expect(clippy::unwrap_used, reason = "a test without its database cannot run")]

#[path = "support/installation.rs"]
mod installation;
#[path = "support/sink.rs"]
mod sink;

use std::{
    collections::HashMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use installation::{Installation, Running, argument};
use mauntic_core::storage::{Db, DbOptions, test_database::TestDatabase};
use sea_orm::ConnectionTrait as _;
use sink::Sink;

/// What the engine opens in each process.
const CONNECTIONS: usize = 16;
/// How often the test looks.
const LOOK: Duration = Duration::from_millis(20);

const EMAIL: &str = r#"<p>Dear {{ contact.firstname | default("friend", true) }},</p>
<p><a href="https://shop.example/offer">Our offer</a></p>
<p><a href="{{ unsubscribe_url }}">No more of this</a></p>"#;

struct Plan {
    recipients: usize,
    kills: usize,
    workers: usize,
    per_second: usize,
}

impl Plan {
    /// These sizes, unless the environment says otherwise.
    fn or_from_environment(self) -> Self {
        let read = |name: &str, usual: usize| {
            std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
        };
        Self {
            recipients: read("CRASH_RECIPIENTS", self.recipients),
            kills: read("CRASH_KILLS", self.kills),
            per_second: read("CRASH_RATE", self.per_second),
            ..self
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_on_postgres_survives_the_death_of_its_workers() {
    let plan = Plan {
        recipients: 3_000,
        kills: 6,
        workers: 2,
        per_second: 300,
    };
    survives(TestDatabase::postgres().await, plan.or_from_environment()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_on_sqlite_survives_the_death_of_its_worker() {
    let plan = Plan {
        recipients: 1_000,
        kills: 3,
        workers: 1,
        per_second: 200,
    };
    survives(TestDatabase::sqlite(), plan.or_from_environment()).await;
}

async fn survives(database: TestDatabase, plan: Plan) {
    let (installation, sink) = (Installation::on(&database.target), Sink::start());
    let send = begin(&installation, &sink, &plan);
    let db = Db::connect(&database.target, "messaging", DbOptions::default())
        .await
        .unwrap();
    let began = Instant::now();
    let workers = kill_and_restart(&installation, &sink, &plan).await;
    let ending = Instant::now();
    while state_of(&db).await != "completed" {
        assert!(
            ending.elapsed() < Duration::from_mins(3),
            "the send does not end: {}",
            installation.result(&["sends", "show", &send])
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let seconds = began.elapsed().as_secs();
    drop(workers);
    let ledger = ledger(&db).await;
    let status = installation.result(&["sends", "show", &send]);
    compare(&ledger, &sink.received(), &status, &plan, seconds);
}

/// Imports the recipients, puts them into a segment and starts a send that nobody works on yet.
fn begin(installation: &Installation, sink: &Sink, plan: &Plan) -> String {
    let mut people = "email,firstname,country\n".to_owned();
    for number in 0..plan.recipients {
        writeln!(people, "{},Person {number},DE", address(number)).unwrap();
    }
    let people = installation.write("people.csv", people);
    let imported = installation.result(&["contacts", "import", argument(&people)]);
    assert_eq!(imported["created"], plan.recipients);
    installation.result(&[
        "segments",
        "create",
        "Germans",
        "--where",
        "country = \"DE\"",
    ]);
    let rebuilt = installation.result(&["segments", "rebuild", "Germans"]);
    assert_eq!(rebuilt["members"], plan.recipients);
    let body = installation.write("offer.html", EMAIL);
    let subject = "An offer for {{ contact.firstname }}";
    installation.result(&[
        "emails",
        "create",
        "Offer",
        "--subject",
        subject,
        "--html",
        argument(&body),
    ]);
    let (url, rate) = (
        format!("smtp://{}?tls=none", sink.address),
        plan.per_second.to_string(),
    );
    installation.result(&["transport", "set", &url, "--per-second", &rate]);
    let send = installation.result(&["emails", "send", "Offer", "--segment", "Germans"]);
    send["send_id"].as_str().unwrap().to_owned()
}

fn address(number: usize) -> String {
    format!("person{number}@town{}.example", number % 7)
}

/// Kills a worker each time another part of the mail is out, at a random instant, and starts it again.
async fn kill_and_restart(installation: &Installation, sink: &Sink, plan: &Plan) -> Vec<Running> {
    let start = |number: usize| installation.start(&format!("worker-{number}"), &["work"]);
    let mut workers: Vec<_> = (0..plan.workers).map(start).collect();
    for kill in 0..plan.kills {
        let goal = plan.recipients * (kill + 1) / (plan.kills + 2);
        let waiting = Instant::now();
        while sink.received().len() < goal {
            assert!(
                waiting.elapsed() < Duration::from_mins(2),
                "the workers do not go on behind {} of {goal} mails",
                sink.received().len()
            );
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..300))).await;
        let number = kill % plan.workers;
        workers[number].kill();
        workers[number] = start(number);
    }
    workers
}

async fn state_of(db: &Db) -> String {
    let sql = db.dialect().statement("SELECT state FROM send_job", []);
    let row = db.reader().query_one_raw(sql).await.unwrap();
    row.unwrap().try_get("", "state").unwrap()
}

/// Address and state of every delivery.
async fn ledger(db: &Db) -> Vec<(String, String)> {
    let sql = db
        .dialect()
        .statement("SELECT address, state FROM delivery", []);
    let rows = db.reader().query_all_raw(sql).await.unwrap();
    let cells = rows.iter().map(|row| {
        let address: String = row.try_get("", "address").unwrap();
        (address, row.try_get("", "state").unwrap())
    });
    cells.collect()
}

fn compare(
    ledger: &[(String, String)],
    sink: &HashMap<String, u32>,
    status: &serde_json::Value,
    plan: &Plan,
    seconds: u64,
) {
    let in_state = |state: &str| ledger.iter().filter(|(_, is)| is == state).count();
    let (accepted, unknown) = (in_state("accepted"), in_state("unknown"));
    let by_address: HashMap<_, _> = ledger.iter().cloned().collect();
    let duplicates = sink.values().filter(|mails| **mails > 1).count();
    let missing = (0..plan.recipients)
        .map(address)
        .filter(|address| !sink.contains_key(address))
        .filter(|address| {
            by_address
                .get(address)
                .is_none_or(|state| state != "unknown")
        })
        .count();
    let unknown_but_there = ledger
        .iter()
        .filter(|(address, state)| state == "unknown" && sink.contains_key(address))
        .count();
    println!(
        "recipients {}, kills {}, seconds {seconds}; sink: {} recipients, duplicates {duplicates}, missing {missing}; \
         ledger: accepted {accepted}, unknown {unknown} (of them at the sink: {unknown_but_there})",
        plan.recipients,
        plan.kills,
        sink.len(),
    );
    assert_eq!(duplicates, 0, "somebody got two mails");
    assert_eq!(missing, 0, "somebody is missing without being unknown");
    assert_eq!(
        (ledger.len(), by_address.len()),
        (plan.recipients, plan.recipients)
    );
    assert_eq!(
        accepted + unknown,
        plan.recipients,
        "every delivery is settled"
    );
    for (address, state) in ledger {
        assert!(
            state != "accepted" || sink.contains_key(address),
            "{address} is accepted but not at the sink"
        );
    }
    for address in sink.keys() {
        let state = by_address.get(address).map(String::as_str);
        assert!(
            matches!(state, Some("accepted" | "unknown")),
            "{address} is at the sink, but {state:?}"
        );
    }
    assert_eq!(sink.len(), accepted + unknown_but_there);
    assert!(
        unknown <= 2 * CONNECTIONS * plan.kills,
        "{unknown} unknown are more than were in flight at {} kills",
        plan.kills
    );
    assert_eq!(status["planned"], plan.recipients);
    assert_eq!(status["accepted"], accepted);
    assert_eq!(status["unknown"], unknown);
}
