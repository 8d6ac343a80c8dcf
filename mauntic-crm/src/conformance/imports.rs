//! Imports: every row is dealt with once, whatever happens in between.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::TimeDelta;
use mauntic_core::{
    Actor, CLOSED, Clock as _, ImportId, PageSize, Role, SegmentId, UserId, WorkerId,
    testing::{CountingIds, ManualClock, ManualStanding},
};
use uuid::Uuid;

use super::organization;
use crate::{
    Channel, Contact, ContactListing, CrmStore, Field, FieldType, Reason, Tag,
    import::{
        CreateImport, Delimiter, EmptyCells, Existing, FormatHints, Import, ImportCounts,
        ImportError, ImportFile, ImportOptions, ImportProblem, ImportService, ImportState,
        ProblemKind, Watch,
    },
    segment::{Origin, Segment},
};

struct Desk {
    store: Arc<dyn CrmStore>,
    clock: Arc<ManualClock>,
    standing: Arc<ManualStanding>,
    service: ImportService,
    actor: Actor,
}

const WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(7));
const OTHER_WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(8));

impl Desk {
    fn new(store: Arc<dyn CrmStore>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let standing = Arc::new(ManualStanding::default());
        let service = ImportService::new(
            Arc::clone(&store),
            clock.clone(),
            Arc::new(CountingIds::default()),
        );
        let actor = Actor::user(
            organization(1),
            UserId::from_uuid(Uuid::from_u128(5)),
            Role::Owner,
        );
        Self {
            store,
            clock,
            service: service.with_batch(2).with_standing(standing.clone()),
            standing,
            actor,
        }
    }

    async fn create(&self, text: &str, options: ImportOptions) -> Result<Import, ImportError> {
        let upload = self
            .service
            .upload(&self.actor, &mut text.as_bytes(), 1 << 30)
            .await?;
        let file = ImportFile::Upload(upload.id);
        let command = CreateImport {
            name: "people.csv".to_owned(),
            file,
            options,
        };
        self.service.create(&self.actor, command).await
    }

    async fn finish(&self, id: ImportId) -> Import {
        let watch = Watch {
            progress: &mut |_, _| {},
            stop: &|| false,
        };
        self.service
            .run_to_end(&self.actor, id, WORKER, watch)
            .await
            .unwrap()
    }

    async fn import(&self, text: &str, options: ImportOptions) -> Import {
        let import = self.create(text, options).await.unwrap();
        let import = self.finish(import.id).await;
        assert_eq!(import.state, ImportState::Completed, "{:?}", import.error);
        import
    }

    async fn contact(&self, email: &str) -> Contact {
        let keys = [email.to_lowercase()];
        let mut found = self
            .store
            .contacts()
            .find_by_emails(organization(1), &keys)
            .await
            .unwrap();
        found.pop().unwrap_or_else(|| panic!("{email} is there"))
    }

    async fn all(&self) -> Vec<Contact> {
        let listing = ContactListing {
            size: PageSize::clamped(1_000),
            ..ContactListing::default()
        };
        self.store
            .contacts()
            .list(organization(1), &listing)
            .await
            .unwrap()
            .items
    }

    async fn problems(&self, id: ImportId, kind: ProblemKind) -> Vec<ImportProblem> {
        let page = self
            .service
            .problems(&self.actor, id, kind, None, PageSize::clamped(100))
            .await;
        page.unwrap().items
    }

    async fn report(&self, id: ImportId) -> String {
        let pieces = self.service.report(&self.actor, id).await.unwrap();
        let pieces: Vec<_> = futures_util::StreamExt::collect(pieces).await;
        let bytes: Vec<u8> = pieces.into_iter().flat_map(Result::unwrap).collect();
        String::from_utf8(bytes).unwrap()
    }

    async fn add_field(&self, field: Field) {
        let mut uow = self.store.begin().await.unwrap();
        uow.fields().insert(organization(1), &field).await.unwrap();
        uow.commit().await.unwrap();
    }
}

fn counts(import: &Import) -> [u64; 6] {
    let ImportCounts {
        rows,
        created,
        updated,
        unchanged,
        failed,
        duplicates,
    } = import.counts;
    [rows, created, updated, unchanged, failed, duplicates]
}

fn text<'a>(contact: &'a Contact, alias: &str) -> Option<&'a str> {
    contact.value(alias).and_then(crate::Value::as_text)
}

fn unique(alias: &str) -> Field {
    Field {
        unique: true,
        ..Field::custom(alias.parse().unwrap(), alias, FieldType::Text)
    }
}

/// Columns become what their headings say, and what all rows get is on all contacts.
pub async fn rows_become_contacts(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.add_field(Field::custom(
        "shoe_size".parse().unwrap(),
        "Shoe size",
        FieldType::Number,
    ))
    .await;
    let options = ImportOptions {
        tags: vec!["fair".parse().unwrap()],
        owner: Some(UserId::from_uuid(Uuid::from_u128(9))),
        ..ImportOptions::default()
    };
    let file = "Email Address;First Name;Country;Shoe size;TAGS;Email Opt Out;Points;Stage;Colour\r\n\
                Ann@Example.com;Ann;Germany;38.5;vip|new;no;12;lead;red\r\n\
                bob@example.com;\"Bob; the\r\nsecond\";US;;;yes;;;\r\n\
                carol@example.com;Carol\r\n";
    let import = desk.import(file, options).await;
    assert_eq!(counts(&import), [3, 3, 0, 0, 0, 0]);
    let ann = desk.contact("ann@example.com").await;
    assert_eq!(ann.email().unwrap().as_str(), "Ann@example.com");
    assert_eq!(
        [text(&ann, "firstname"), text(&ann, "country")],
        [Some("Ann"), Some("DE")]
    );
    assert_eq!(ann.value("shoe_size").unwrap().as_number(), Some(38.5));
    assert_eq!(
        ann.parts().tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        ["fair", "new", "vip"]
    );
    assert_eq!(
        (ann.parts().points, ann.parts().stage.as_deref()),
        (12, Some("lead"))
    );
    assert_eq!(
        ann.parts().owner,
        Some(UserId::from_uuid(Uuid::from_u128(9)))
    );
    assert_eq!(ann.parts().origin, import.origin());
    assert!(ann.is_contactable(Channel::Email));
    let bob = desk.contact("bob@example.com").await;
    assert_eq!(text(&bob, "firstname"), Some("Bob; the  second"));
    assert_eq!(
        bob.parts().do_not_contact[&Channel::Email].reason,
        Reason::Manual
    );
    let tags = desk
        .store
        .tags()
        .list(organization(1), None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(tags.items.len(), 3);
    let ended = desk.service.find(&desk.actor, import.id).await.unwrap();
    assert!(ended.progress().fraction >= 1.0);
}

/// The same file again changes nothing, other values change what is different and leave a history.
pub async fn the_same_file_again_changes_nothing(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "email,firstname,lastname,tags\na@example.com,Ann,Lee,x\nb@example.com,Bob,Orr,\nc@example.com,Cy,,\n";
    desk.import(file, ImportOptions::default()).await;
    let before = desk.all().await;
    desk.clock.advance(TimeDelta::hours(1));
    let again = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&again), [3, 0, 0, 3, 0, 0]);
    assert_eq!(desk.all().await, before);
    let changed = desk
        .import(
            "email,lastname,tags\nA@EXAMPLE.com,Moor,y\nb@example.com,,\nd@example.com,Dee,\n",
            ImportOptions::default(),
        )
        .await;
    assert_eq!(counts(&changed), [3, 1, 1, 1, 0, 0]);
    let ann = desk.contact("a@example.com").await;
    assert_eq!(
        [text(&ann, "firstname"), text(&ann, "lastname")],
        [Some("Ann"), Some("Moor")]
    );
    assert_eq!(ann.parts().tags.len(), 2);
    assert_eq!(ann.version(), 2);
    let history = desk
        .store
        .contacts()
        .history(organization(1), ann.id(), None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(history.items[0].source, changed.origin());
    assert_eq!(
        history.items[0].changes.names().collect::<Vec<_>>(),
        ["lastname", "tags"]
    );
    assert_eq!(history.items[0].actor, desk.actor.principal());
    let bob = desk.contact("b@example.com").await;
    assert_eq!(
        text(&bob, "lastname"),
        Some("Orr"),
        "an empty cell keeps what is there"
    );
}

/// The start of an upload tells what its columns are and may become.
pub async fn an_upload_is_looked_at_before_it_is_imported(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "E-Mail;Shoe size;City\nann@example.com;;Oslo\nbob@example.com;42;Bergen\n";
    let mut bytes = file.as_bytes();
    let upload = desk
        .service
        .upload(&desk.actor, &mut bytes, 1 << 20)
        .await
        .unwrap()
        .id;
    let glance = async |actor, hints| desk.service.glance(actor, upload, hints).await;
    let seen = glance(&desk.actor, FormatHints::default()).await.unwrap();
    assert_eq!(seen.bytes, file.len() as u64);
    assert_eq!(seen.format.delimiter, Delimiter::Semicolon);
    let targets: Vec<_> = seen
        .columns
        .iter()
        .map(|column| column.target.as_ref().map(ToString::to_string))
        .collect();
    assert_eq!(
        targets,
        [Some("email".to_owned()), None, Some("city".to_owned())]
    );
    assert_eq!(seen.columns[1].sample, ["42"]);
    let comma = FormatHints {
        delimiter: Some(Delimiter::Comma),
        ..FormatHints::default()
    };
    let seen = glance(&desk.actor, comma).await.unwrap();
    assert_eq!(seen.columns.len(), 1);
    // Nobody else has it, and an import is looked at as an import.
    let other = Actor::system(organization(2));
    let unknown = glance(&other, FormatHints::default()).await.unwrap_err();
    assert!(
        matches!(unknown, ImportError::UploadNotFound(_)),
        "{unknown}"
    );
    let command = CreateImport {
        name: "people.csv".to_owned(),
        file: ImportFile::Upload(upload),
        options: ImportOptions::default(),
    };
    desk.service.create(&desk.actor, command).await.unwrap();
    let gone = glance(&desk.actor, FormatHints::default())
        .await
        .unwrap_err();
    assert!(matches!(gone, ImportError::UploadNotFound(_)), "{gone}");
}

/// Bad rows stop nothing, are reported with line, column, value and reason, and can be repaired.
pub async fn bad_rows_are_reported_and_repaired(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "name,email,birthday,country\n\
                \"Lee, Ann\",ann@example.com,,DE\n\
                Bob,bob@,,Atlantis\n\
                \"a\nb\",,,\n\
                Cy,cy@example.com,,,too,many\n\
                Dee,dee@example.com,,FR\n";
    let import = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&import), [5, 2, 0, 0, 3, 0]);
    let problems = desk.problems(import.id, ProblemKind::Bad).await;
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 4, 6]);
    assert_eq!(problems[0].raw, "Bob,bob@,,Atlantis");
    assert!(
        problems[0].reason.contains("not an email address")
            && problems[0].reason.contains("not a country")
    );
    assert_eq!(problems[1].column.as_deref(), Some("email"));
    let report = desk.report(import.id).await;
    assert!(report.starts_with("name,email,birthday,country,mauntic_line,mauntic_column,mauntic_value,mauntic_reason\r\n"), "{report}");
    let repaired = report
        .replace("Bob,bob@,,Atlantis", "Bob,bob@example.com,,IS")
        .replace("\"a\nb\",,", "Eve,eve@example.com,")
        .replace("\",too,many\"", "");
    let second = desk.import(&repaired, ImportOptions::default()).await;
    assert_eq!(counts(&second), [3, 3, 0, 0, 0, 0], "{repaired}");
    assert_eq!(
        text(&desk.contact("bob@example.com").await, "country"),
        Some("IS")
    );
    assert_eq!(desk.all().await.len(), 5);
}

/// A report that is opened in a spreadsheet runs nothing that the file brought, and imports like the file.
pub async fn a_report_runs_nothing_in_a_spreadsheet(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "firstname,email\n=1+1,nobody\n@SUM(A1),-2+3\n";
    let import = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&import), [2, 0, 0, 0, 2, 0]);
    let report = desk.report(import.id).await;
    for line in report.lines() {
        for cell in line.split(',') {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{report}");
        }
    }
    let repaired = report.replace(",nobody,", ",ann@example.com,");
    desk.import(&repaired, ImportOptions::default()).await;
    assert_eq!(
        text(&desk.contact("ann@example.com").await, "firstname"),
        Some("=1+1")
    );
}

/// The last row about a contact wins, within a batch and across batches; each row counts once.
pub async fn the_last_row_about_a_contact_wins(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "email,firstname,lastname\n\
                a@example.com,One,First\nA@example.com,Two,\n\
                b@example.com,Bob,\nc@example.com,Cy,\n\
                a@EXAMPLE.com,Three,\nb@example.com,Bob,\n\
                d@example.com,Dee,\n";
    let import = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&import), [7, 4, 0, 0, 0, 3]);
    let ann = desk.contact("a@example.com").await;
    assert_eq!(
        [text(&ann, "firstname"), text(&ann, "lastname")],
        [Some("Three"), Some("First")]
    );
    let problems = desk.problems(import.id, ProblemKind::Duplicate).await;
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| (problem.line, problem.other_line))
        .collect();
    assert_eq!(lines, [(2, Some(3)), (3, Some(6)), (4, Some(7))]);
    let whole = ImportService::with_batch(desk.service.clone(), 100);
    let desk = Desk {
        service: whole,
        ..desk
    };
    let again = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&again)[0], 7);
    assert_eq!(counts(&again)[5], 3);
    assert_eq!(
        desk.problems(again.id, ProblemKind::Duplicate).await,
        problems
    );
}

/// An import that is left, or whose worker dies, goes on where it was: no row is lost and none counts twice.
pub async fn an_interrupted_import_goes_on_where_it_was(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let mut file = "email,firstname\n".to_owned();
    for number in 0..20 {
        write!(file, "{number}@example.com,\"N\n{number}\"\n").unwrap();
    }
    file.push_str("bad,row\n3@example.com,Again\n");
    let import = desk.create(&file, ImportOptions::default()).await.unwrap();
    // Left after two batches.
    let batches = AtomicUsize::new(0);
    let stop = || batches.load(Ordering::SeqCst) >= 2;
    let mut progress = |_: &Import, _| {
        batches.fetch_add(1, Ordering::SeqCst);
    };
    let watch = Watch {
        progress: &mut progress,
        stop: &stop,
    };
    let left = desk
        .service
        .run_to_end(&desk.actor, import.id, WORKER, watch)
        .await
        .unwrap();
    assert_eq!(
        (left.state, counts(&left)),
        (ImportState::Pending, [4, 4, 0, 0, 0, 0])
    );
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

/// Empty cells keep or clear, `NULL` clears, and contacts that are there can be spared.
pub async fn empty_cells_and_existing_contacts_are_treated_as_asked(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.import(
        "email,firstname,lastname,city\na@example.com,Ann,Lee,Oslo\n",
        ImportOptions::default(),
    )
    .await;
    let skip = ImportOptions {
        existing: Existing::Skip,
        ..ImportOptions::default()
    };
    let import = desk
        .import(
            "email,firstname\na@example.com,Eve\nb@example.com,Bob\n",
            skip,
        )
        .await;
    assert_eq!(counts(&import), [2, 1, 0, 1, 0, 0]);
    let blanks = ImportOptions {
        existing: Existing::FillBlanks,
        ..ImportOptions::default()
    };
    let import = desk
        .import("email,firstname,company\na@example.com,Eve,Acme\n", blanks)
        .await;
    assert_eq!(counts(&import), [1, 0, 1, 0, 0, 0]);
    let import = desk
        .import(
            "email,lastname\na@example.com,NULL\n",
            ImportOptions::default(),
        )
        .await;
    assert_eq!(counts(&import), [1, 0, 1, 0, 0, 0]);
    let clear = ImportOptions {
        empty: EmptyCells::Clear,
        ..ImportOptions::default()
    };
    desk.import("email,city,position\na@example.com,,Boss\n", clear)
        .await;
    let ann = desk.contact("a@example.com").await;
    let values: Vec<_> = ann
        .parts()
        .fields
        .iter()
        .map(|(alias, value)| format!("{alias}={value}"))
        .collect();
    assert_eq!(values, ["company=Acme", "firstname=Ann", "position=Boss"]);
}

/// Rows can be matched by another unique field; a value that another contact has makes a bad row.
pub async fn rows_match_by_a_unique_field(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.add_field(unique("customer")).await;
    let by_customer = ImportOptions {
        match_on: Some("customer".parse().unwrap()),
        ..ImportOptions::default()
    };
    let file =
        "customer,email,firstname\nC1,one@example.com,One\nC2,,Two\nC3,three@example.com,Three\n";
    let import = desk.import(file, by_customer.clone()).await;
    assert_eq!(counts(&import), [3, 3, 0, 0, 0, 0]);
    let file = "customer,email,firstname\nc1,uno@example.com,Uno\nC2,three@example.com,Dos\nC4,three@example.com,Four\n,x@example.com,\n";
    let import = desk.import(file, by_customer).await;
    assert_eq!(counts(&import), [4, 0, 1, 0, 3, 0]);
    assert_eq!(
        text(&desk.contact("uno@example.com").await, "firstname"),
        Some("Uno")
    );
    let by_email =
        "email,customer\nnew@example.com,C3\nthree@example.com,C2\nfresh@example.com,C9\n";
    let import = desk.import(by_email, ImportOptions::default()).await;
    assert_eq!(counts(&import), [3, 1, 0, 0, 2, 0]);
    assert_eq!(
        desk.problems(import.id, ProblemKind::Bad).await[0].reason,
        "another contact has this value of customer"
    );
    let keys = ["new@example.com".to_owned()];
    assert!(
        desk.store
            .contacts()
            .find_by_emails(organization(1), &keys)
            .await
            .unwrap()
            .is_empty()
    );
}

/// All contacts of a file come into the static segment, also those that were there and those taken
/// out before.
pub async fn rows_come_into_a_static_segment(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.import(
        "email\na@example.com\nb@example.com\n",
        ImportOptions::default(),
    )
    .await;
    let id = SegmentId::from_uuid(Uuid::from_u128(77));
    let name = "Fair".parse().unwrap();
    let segment = Segment::new(id, name, String::new(), None, desk.clock.now());
    let ann = desk.contact("a@example.com").await.id();
    let mut uow = desk.store.begin().await.unwrap();
    let now = desk.clock.now();
    uow.segments()
        .insert(organization(1), &segment)
        .await
        .unwrap();
    uow.segments()
        .set_by_hand(organization(1), id, &[ann], Origin::Removed, now)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let options = ImportOptions {
        segment: Some(id),
        ..ImportOptions::default()
    };
    let file = "email\na@example.com\nb@example.com\nc@example.com\nnobody\n";
    let import = desk.import(file, options).await;
    assert_eq!(counts(&import), [4, 1, 0, 2, 1, 0]);
    let found = desk
        .store
        .segments()
        .find(organization(1), id)
        .await
        .unwrap();
    assert_eq!(found.unwrap().member_count, 3);
}

/// What cannot be is refused before anything is written, and the same content is not imported twice at once.
pub async fn what_cannot_be_imported_is_refused(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let plain = ImportOptions::default;
    assert!(matches!(
        desk.create("name,town\nAnn,Oslo\n", plain()).await,
        Err(ImportError::Mapping(_))
    ));
    assert!(matches!(
        desk.create("PK\u{3}\u{4}", plain()).await,
        Err(ImportError::Csv(_))
    ));
    let twice = ImportOptions {
        columns: ["a=email", "b=email"].map(|c| c.parse().unwrap()).to_vec(),
        ..plain()
    };
    assert!(matches!(
        desk.create("a,b\nx@example.com,\n", twice).await,
        Err(ImportError::Mapping(_))
    ));
    let segment = ImportOptions {
        segment: Some(mauntic_core::SegmentId::from_uuid(Uuid::from_u128(4))),
        ..plain()
    };
    assert!(matches!(
        desk.create("email\n", segment).await,
        Err(ImportError::SegmentNotFound(_))
    ));
    let first = desk
        .create("email\na@example.com\n", plain())
        .await
        .unwrap();
    let second = desk
        .create("email\na@example.com\n", plain())
        .await
        .unwrap();
    assert_eq!(first.id, second.id);
    let stranger = Actor::system(organization(2));
    assert!(matches!(
        desk.service.find(&stranger, first.id).await,
        Err(ImportError::NotFound(_))
    ));
    assert!(desk.service.cancel(&stranger, first.id).await.is_err());
    let viewer = Actor::user(
        organization(1),
        UserId::from_uuid(Uuid::from_u128(6)),
        Role::Viewer,
    );
    assert!(matches!(
        desk.service.cancel(&viewer, first.id).await,
        Err(ImportError::Forbidden(_))
    ));
    assert_eq!(
        desk.service
            .cancel(&desk.actor, first.id)
            .await
            .unwrap()
            .state,
        ImportState::Cancelled
    );
    assert!(desk.all().await.is_empty());
}

/// A file on the host is imported in place; one that is not the same any more is refused.
pub async fn a_file_that_changed_is_refused(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let path = std::env::temp_dir().join(format!("mauntic-import-{}.csv", std::process::id()));
    let path = path.with_extension(format!("{:p}.csv", Arc::as_ptr(&desk.store)));
    std::fs::write(&path, "email\na@example.com\nb@example.com\n").unwrap();
    let create = || CreateImport {
        name: "people.csv".to_owned(),
        file: ImportFile::Path(path.clone()),
        options: ImportOptions::default(),
    };
    let preview = desk.service.preview(&desk.actor, create()).await.unwrap();
    assert_eq!(
        (
            preview.counts.rows,
            preview.counts.created,
            preview.rows.len()
        ),
        (2, 2, 2)
    );
    let import = desk.service.create(&desk.actor, create()).await.unwrap();
    assert_eq!(
        desk.service.create(&desk.actor, create()).await.unwrap().id,
        import.id
    );
    std::fs::write(&path, "email\nsomebody@example.com\n").unwrap();
    let failed = desk.finish(import.id).await;
    assert_eq!(failed.state, ImportState::Failed);
    assert!(failed.error.unwrap().contains("has changed"));
    let import = desk.service.create(&desk.actor, create()).await.unwrap();
    assert_eq!(counts(&desk.finish(import.id).await), [1, 1, 0, 0, 0, 0]);
    let preview = desk.service.preview(&desk.actor, create()).await.unwrap();
    assert_eq!((preview.counts.created, preview.counts.updated), (0, 1));
    std::fs::remove_file(&path).unwrap();
}
