//! Imports that stop and go on.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use chrono::TimeDelta;
use mauntic_core::{
    CLOSED, Clock as _, FixedZone, OrganizationId, PageSize, SegmentId, StoreError, UserId,
    UuidV7Source,
};
use uuid::Uuid;

use super::{Desk, OTHER_WORKER, WORKER, counts, text};
use crate::{
    Contact, CrmStore, OwnerName, Owners,
    conformance::{Staff, boss, organization},
    import::{CreateImport, ImportError, ImportFile, ImportOptions, ImportState},
    segment::{Rule, Segment, SegmentWorker},
};

/// An import that is left, or whose worker dies, goes on where it was: no row is lost and none counts twice.
pub async fn an_interrupted_import_goes_on_where_it_was(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let mut file = "email,firstname\n".to_owned();
    for number in 0..20 {
        write!(file, "{number}@example.com,\"N\n{number}\"\n").unwrap();
    }
    file.push_str("bad,row\n3@example.com,Again\n");
    let import = desk.create(&file, ImportOptions::default()).await.unwrap();
    let left = desk.batches(import.id, 2).await;
    assert_eq!(counts(&left), [4, 4, 0, 0, 0, 0]);
    // The next worker dies after one batch: its lease stays.
    let dead = desk.store.begin().await;
    let mut uow = dead.unwrap();
    let (now, id) = (desk.clock.now(), import.id);
    let claimed = uow
        .imports()
        .claim(None, OTHER_WORKER, now, now + TimeDelta::seconds(60))
        .await
        .unwrap();
    assert_eq!(claimed.unwrap().id, id);
    uow.commit().await.unwrap();
    assert!(
        !desk.service.run_once(WORKER, &|| false).await.unwrap(),
        "it is another worker's"
    );
    desk.clock.advance(TimeDelta::seconds(61));
    assert!(desk.service.run_once(WORKER, &|| false).await.unwrap());
    let done = desk.service.find(&desk.actor, id).await.unwrap();
    assert_eq!(
        (done.state, counts(&done)),
        (ImportState::Completed, [22, 20, 0, 0, 1, 1])
    );
    assert_eq!(desk.all().await.len(), 20);
    assert_eq!(
        text(&desk.contact("3@example.com").await, "firstname"),
        Some("Again")
    );
    let chunk = desk
        .store
        .imports()
        .chunk(organization(1), id, 0)
        .await
        .unwrap();
    assert_eq!(chunk, None, "the upload is gone");
}

/// However many imports were made since, those that have not ended are found, the latest first.
pub async fn imports_that_have_not_ended_are_found(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let mut made = Vec::new();
    for number in 0..5 {
        let file = format!("email\n{number}@example.com\n");
        let import = desk.create(file, ImportOptions::default()).await.unwrap();
        made.push(import.id);
    }
    desk.service.pause(&desk.actor, made[1]).await.unwrap();
    for id in &made[2..4] {
        desk.service.cancel(&desk.actor, *id).await.unwrap();
    }
    desk.finish(made[4]).await;
    let unfinished = async |organization, size| {
        let size = PageSize::clamped(size);
        let found = desk.store.imports().unfinished(organization, size).await;
        let found = found.unwrap().into_iter().map(|import| import.id);
        found.collect::<Vec<_>>()
    };
    assert_eq!(unfinished(organization(1), 2).await, [made[1], made[0]]);
    assert_eq!(unfinished(organization(1), 1).await, [made[1]]);
    assert_eq!(unfinished(organization(2), 2).await, []);
}

/// What a worker does after it lost its import is not kept.
pub async fn a_worker_that_lost_its_import_changes_nothing(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let import = desk
        .create(
            "email\na@example.com\nb@example.com\nc@example.com\n",
            ImportOptions::default(),
        )
        .await
        .unwrap();
    let id = import.id;
    let (now, until) = (desk.clock.now(), desk.clock.now() + TimeDelta::seconds(60));
    let mut uow = desk.store.begin().await.unwrap();
    let claimed = uow
        .imports()
        .claim(None, WORKER, now, until)
        .await
        .unwrap()
        .unwrap();
    uow.commit().await.unwrap();
    let mut uow = desk.store.begin().await.unwrap();
    assert!(uow.imports().save_progress(&claimed, WORKER).await.unwrap());
    assert!(
        !uow.imports()
            .save_progress(&claimed, OTHER_WORKER)
            .await
            .unwrap()
    );
    uow.commit().await.unwrap();
    let paused = desk.service.pause(&desk.actor, id).await.unwrap();
    assert_eq!(paused.state, ImportState::Paused);
    let mut uow = desk.store.begin().await.unwrap();
    assert!(!uow.imports().save_progress(&claimed, WORKER).await.unwrap());
    drop(uow);
    assert!(!desk.service.run_once(WORKER, &|| false).await.unwrap());
    assert_eq!(counts(&desk.finish(id).await), [0; 6]);
    desk.service.resume(&desk.actor, id).await.unwrap();
    assert_eq!(counts(&desk.finish(id).await), [3, 3, 0, 0, 0, 0]);
    let error = desk.service.cancel(&desk.actor, id).await.unwrap_err();
    assert!(matches!(
        error,
        ImportError::WrongState(ImportState::Completed)
    ));
}

/// Nothing is imported for an organisation that is blocked or to be deleted, until somebody says so once it is back.
pub async fn the_imports_of_a_closed_organization_are_paused(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let import = desk
        .create("email\na@example.com\n", ImportOptions::default())
        .await
        .unwrap();
    desk.standing.block(true);
    assert!(desk.service.run_once(WORKER, &|| false).await.unwrap());
    let paused = desk.service.find(&desk.actor, import.id).await.unwrap();
    assert_eq!(paused.state, ImportState::Paused);
    assert_eq!(paused.error.as_deref(), Some(CLOSED));
    assert_eq!(counts(&paused), [0; 6]);
    desk.standing.block(false);
    assert!(!desk.service.run_once(WORKER, &|| false).await.unwrap());
    desk.service.resume(&desk.actor, import.id).await.unwrap();
    let done = desk.finish(import.id).await;
    assert_eq!(
        (done.state, done.error.as_deref()),
        (ImportState::Completed, None)
    );
    assert_eq!(counts(&done), [1, 1, 0, 0, 0, 0]);
}

/// Segments do not follow each contact of a large import. Whenever it stands still, for whatever reason, they catch up
/// with what it has done.
pub async fn segments_catch_up_whenever_a_large_import_stops(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let ids = Arc::new(UuidV7Source);
    let zones = Arc::new(FixedZone::default());
    let worker = SegmentWorker::new(desk.store.clone(), desk.clock.clone(), ids, zones);
    let everybody = SegmentId::from_uuid(Uuid::from_u128(77));
    let (name, rule) = ("All".parse().unwrap(), Some(Rule::everyone()));
    let segment = Segment::new(everybody, name, String::new(), rule, desk.clock.now());
    let mut uow = desk.store.begin().await.unwrap();
    uow.segments()
        .insert(organization(1), &segment)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let members = async || {
        while worker.run_due_rebuilds(WORKER).await.unwrap() {}
        while worker.run_incremental(WORKER).await.unwrap() {}
        let found = desk.store.segments().find(organization(1), everybody).await;
        found.unwrap().unwrap().member_count
    };
    let large = |prefix: &str| {
        let padding = "x".repeat(600_000);
        let rows = (0..8).map(|number| format!("{prefix}{number}@example.com,{padding}\n"));
        format!("email,padding\n{}", rows.collect::<String>())
    };
    assert_eq!(members().await, 0);
    let file = large("a");
    let id = desk
        .create(&file, ImportOptions::default())
        .await
        .unwrap()
        .id;
    desk.batches(id, 1).await;
    assert_eq!(
        members().await,
        0,
        "it goes on, so that they would be behind again"
    );
    desk.service.pause(&desk.actor, id).await.unwrap();
    assert_eq!(members().await, 2);
    desk.service.resume(&desk.actor, id).await.unwrap();
    desk.batches(id, 1).await;
    desk.standing.block(true);
    assert!(desk.service.run_once(WORKER, &|| false).await.unwrap());
    desk.standing.block(false);
    assert_eq!(members().await, 4);
    desk.service.resume(&desk.actor, id).await.unwrap();
    desk.batches(id, 1).await;
    desk.service.cancel(&desk.actor, id).await.unwrap();
    assert_eq!(members().await, 6);
    // The file is another one when the import goes on.
    let name = format!("mauntic-large-{}.csv", SegmentId::generate(&UuidV7Source));
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, large("b")).unwrap();
    let command = CreateImport {
        name: "people.csv".to_owned(),
        file: ImportFile::Path(path.clone()),
        options: ImportOptions::default(),
    };
    let id = desk.service.create(&desk.actor, command).await.unwrap().id;
    desk.batches(id, 1).await;
    std::fs::write(&path, "email\nsomebody@example.com\n").unwrap();
    assert!(desk.service.run_once(WORKER, &|| false).await.unwrap());
    let failed = desk.service.find(&desk.actor, id).await.unwrap();
    assert_eq!(failed.state, ImportState::Failed);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(members().await, 8);
    desk.import(&file, ImportOptions::default()).await;
    assert_eq!(members().await, 10);
}

/// However the characters of a file are written, half of its rows are half of it, and an import that was left goes on
/// behind them.
pub async fn progress_counts_the_bytes_of_the_file(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let desk = Desk {
        service: desk.service.clone().with_batch(25),
        ..desk
    };
    let latin = |text: &str| -> Vec<u8> {
        let narrow = text.chars().map(|char| u8::try_from(u32::from(char)));
        narrow.map(Result::unwrap).collect()
    };
    let wide = |text: &str| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    for name in ["UTF-8", "windows-1252", "UTF-16LE"] {
        let prefix = name.to_lowercase();
        let rows = (0..100).map(|row| format!("{prefix}{row:03}@example.com,Zoë-é-{row:03}\n"));
        let text = format!("email,firstname\n{}", rows.collect::<String>());
        let file = match name {
            "windows-1252" => latin(&text),
            "UTF-16LE" => wide(&text),
            _ => text.clone().into_bytes(),
        };
        let import = desk.create(&file, ImportOptions::default()).await.unwrap();
        assert_eq!(import.plan.format.encoding.name(), name);
        assert_eq!(import.progress().seconds_left, None, "nobody knows yet");
        let mut left = desk.batches(import.id, 2).await;
        let fraction = left.progress().fraction;
        assert!((0.49..0.52).contains(&fraction), "{name}: {fraction}");
        // 50 rows in 5 seconds, which are about half of the file.
        left.busy_micros = 5_000_000;
        let progress = left.progress();
        let (rate, rest) = (progress.rows_per_second, progress.seconds_left.unwrap());
        assert!((rate - 10.0).abs() < 1e-9, "{name}: {rate}");
        assert!((4.6..5.3).contains(&rest), "{name}: {rest}");
        let done = desk.finish(import.id).await;
        assert_eq!(done.progress().seconds_left, None, "nothing is left");
        assert_eq!(counts(&done), [100, 100, 0, 0, 0, 0], "{name}");
        let first_behind = desk.contact(&format!("{prefix}050@example.com")).await;
        assert_eq!(text_of(&first_behind), Some("Zoë-é-050"), "{name}");
    }
}

fn text_of(contact: &Contact) -> Option<&str> {
    text(contact, "firstname")
}

/// The staff, if the boss has not left; cannot be asked some times.
#[derive(Default)]
struct Moody {
    failures: AtomicUsize,
    left: AtomicBool,
}

#[async_trait]
impl Owners for Moody {
    async fn find(
        &self,
        organization: OrganizationId,
        names: &[OwnerName],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        let failures = self.failures.load(Ordering::SeqCst);
        if failures > 0 {
            self.failures.store(failures - 1, Ordering::SeqCst);
            return Err(StoreError::backend("away"));
        }
        if self.left.load(Ordering::SeqCst) {
            return Ok(vec![None; names.len()]);
        }
        Staff.find(organization, names).await
    }
}

/// A desk whose owners are moody.
fn moody(store: Arc<dyn CrmStore>) -> (Desk, Arc<Moody>) {
    let (desk, owners) = (Desk::new(store), Arc::new(Moody::default()));
    let service = desk.service.clone().with_owners(owners.clone());
    (Desk { service, ..desk }, owners)
}

/// Nobody gets contacts who left before the import goes on, and an import waits for whoever knows the members.
pub async fn who_is_in_charge_is_asked_again(store: Arc<dyn CrmStore>) {
    let (desk, owners) = moody(store);
    let named = "email,owner\na@example.com,boss@example.com\n";
    owners.failures.store(2, Ordering::SeqCst);
    let import = desk.import(named, ImportOptions::default()).await;
    assert_eq!(counts(&import), [1, 1, 0, 0, 0, 0]);
    let contact = desk.contact("a@example.com").await;
    assert_eq!(contact.parts().owner, Some(boss()));

    let of_all = ImportOptions {
        owner: Some(boss()),
        ..ImportOptions::default()
    };
    let import = desk.create("email\nb@example.com\n", of_all).await.unwrap();
    owners.left.store(true, Ordering::SeqCst);
    assert!(desk.service.run_once(WORKER, &|| false).await.unwrap());
    let failed = desk.service.find(&desk.actor, import.id).await.unwrap();
    assert_eq!(failed.state, ImportState::Failed);
    let told = format!("no member of the organisation has the id {}", boss());
    assert_eq!(failed.error, Some(told));
    assert_eq!(counts(&failed), [0; 6]);
    owners.left.store(false, Ordering::SeqCst);
    owners.failures.store(1, Ordering::SeqCst);
    desk.service.resume(&desk.actor, import.id).await.unwrap();
    let done = desk.finish(import.id).await;
    assert_eq!(
        (done.state, counts(&done)),
        (ImportState::Completed, [1, 1, 0, 0, 0, 0])
    );
    let contact = desk.contact("b@example.com").await;
    assert_eq!(contact.parts().owner, Some(boss()));
}

/// An import that cannot find out who the owners are that its rows name says so, not that its file is bad, and can go on.
pub async fn an_import_says_that_owners_could_not_be_looked_up(store: Arc<dyn CrmStore>) {
    let (desk, owners) = moody(store);
    let named = "email,owner\na@example.com,boss@example.com\n";
    let import = desk.create(named, ImportOptions::default()).await.unwrap();
    owners.failures.store(5, Ordering::SeqCst);
    let failed = desk.finish(import.id).await;
    assert_eq!(failed.state, ImportState::Failed);
    assert_eq!(
        failed.error.as_deref(),
        Some(
            "the members of the organisation, whom the file names as owners, could not be looked up"
        )
    );
    assert_eq!(counts(&failed), [0; 6]);
    desk.service.resume(&desk.actor, import.id).await.unwrap();
    let done = desk.finish(import.id).await;
    assert_eq!(
        (done.state, counts(&done), done.error),
        (ImportState::Completed, [1, 1, 0, 0, 0, 0], None)
    );
    let contact = desk.contact("a@example.com").await;
    assert_eq!(contact.parts().owner, Some(boss()));
}
