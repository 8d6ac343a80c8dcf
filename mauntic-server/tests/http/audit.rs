//! The audit log across contexts, each with its own database: an entry is there if and only if the change was made.

use std::{collections::BTreeSet, fmt::Write as _};

use mauntic_core::{
    Actor, ContactId, PageSize, Role, UserId, UuidV7Source, WorkerId, identity::AuditFilter,
    storage::test_database::TestDatabase,
};
use mauntic_crm::{
    Change, ContactFilter, ContactPatch, CreateBulkChange, CreateContact, CrmError,
    bulk::{BulkAction, Whom},
    import::{CreateImport, ImportFile, ImportOptions, Watch},
    segment::CreateSegment,
};
use mauntic_server::settle_events;
use serde_json::{Value, json};

use crate::support::Installation;

/// A person of the first organisation who comes from somewhere.
fn person(installation: &Installation) -> Actor {
    let organization = installation.ours.organization_id();
    let user = UserId::generate(&UuidV7Source);
    Actor::user(organization, user, Role::Owner).calling_from("192.0.2.7".parse().unwrap())
}

/// What the person left in the log, the latest first, as the API tells it.
async fn log(installation: &Installation, person: &Actor) -> Vec<Value> {
    settle_events(&installation.app).await.unwrap();
    let path = format!("/api/identity/audit?by={}", person.principal());
    let answer = installation.call(&installation.owner, "GET", &path, None);
    let page = answer.await.ok(200);
    page["items"].as_array().unwrap().clone()
}

fn named(email: &str) -> CreateContact {
    CreateContact {
        patch: ContactPatch {
            email: Change::Set(email.parse().unwrap()),
            ..ContactPatch::default()
        },
        origin: None,
    }
}

fn segment(name: &str) -> CreateSegment {
    CreateSegment {
        name: name.parse().unwrap(),
        description: String::new(),
        rule: None,
    }
}

async fn what_is_refused_leaves_no_entry(database: TestDatabase) {
    let installation = Installation::on(database).await;
    let (app, ann) = (&installation.app, person(&installation));
    let fans = app.segments.create(&ann, segment("Fans")).await.unwrap();
    let again = app.segments.create(&ann, segment("FANS")).await;
    assert!(matches!(again, Err(CrmError::Taken { .. })), "{again:?}");
    let entries = log(&installation, &ann).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    let entry = &entries[0];
    assert_eq!(entry["action"], "segment.created");
    assert_eq!(entry["what"], "made the segment");
    assert_eq!(entry["subject_id"], fans.id.to_string());
    assert_eq!(entry["address"], "192.0.2.7");
    assert_eq!(entry["after"]["name"], "Fans");
    // Whoever asks for it again does not get it twice.
    assert_eq!(log(&installation, &ann).await, entries);
    let stranger = installation.call(&installation.stranger, "GET", "/api/identity/audit", None);
    let theirs = stranger.await.ok(200).to_string();
    assert!(!theirs.contains("Fans"), "{theirs}");
}

async fn one_call_is_one_entry_however_many_it_is_about(database: TestDatabase) {
    let installation = Installation::on(database).await;
    let (app, ann) = (&installation.app, person(&installation));
    let people: Vec<_> = (0..300)
        .map(|n| named(&format!("p{n}@example.com")))
        .collect();
    let made = app.contacts.create_many(&ann, &people).await.unwrap();
    assert!(made.iter().all(Result::is_ok));
    let mut file = "email,firstname\n".to_owned();
    for number in 0..5_000 {
        writeln!(file, "q{number}@example.com,Zebulon").unwrap();
    }
    let mut bytes = file.as_bytes();
    let upload = app.imports.upload(&ann, &mut bytes, 1 << 20).await.unwrap();
    let command = CreateImport {
        name: "people.csv".to_owned(),
        file: ImportFile::Upload(upload.id),
        options: ImportOptions::default(),
    };
    let import = app.imports.create(&ann, command).await.unwrap();
    let watch = Watch {
        progress: &mut |_, _| {},
        stop: &|| false,
    };
    let worker = WorkerId::generate(&UuidV7Source);
    let ended = app.imports.run_to_end(&ann, import.id, worker, watch).await;
    assert_eq!(ended.unwrap().counts.created, 5_000);
    let command = CreateBulkChange {
        whom: Whom::All(ContactFilter::default()),
        action: BulkAction::Tags {
            add: BTreeSet::from(["vip".parse().unwrap()]),
            remove: BTreeSet::new(),
        },
        at_most: None,
    };
    let bulk = app.bulk.create(&ann, command).await.unwrap();
    assert_eq!(bulk.total, 5_300);
    while app.bulk.run_once(worker, &|| false).await.unwrap() {}
    let entries = log(&installation, &ann).await;
    let actions: Vec<_> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(
        actions,
        ["bulk_change.created", "import.created", "contact.created"]
    );
    assert_eq!(entries[0]["after"]["count"], 5_300);
    assert_eq!(
        entries[0]["after"]["action"],
        json!({"add_tags": ["vip"], "remove_tags": []})
    );
    assert_eq!(entries[1]["after"]["name"], "people.csv");
    assert_eq!(entries[2]["after"]["count"], 300);
    assert_eq!(entries[2]["subject_id"], Value::Null);
    // Nobody else left anything for it either.
    let (any, size) = (AuditFilter::default(), PageSize::clamped(1_000));
    let all = app.identity.audit_log(&ann, &any, None, size);
    let by_worker = all.await.unwrap().items.into_iter();
    let by_worker = by_worker.filter(|entry| entry.change.action.starts_with("contact."));
    assert_eq!(by_worker.count(), 1);
}

async fn whoever_is_deleted_is_not_in_the_log(database: TestDatabase) {
    let installation = Installation::on(database).await;
    let (app, ann) = (&installation.app, person(&installation));
    let values = json!({"email": "zebulon@example.com", "firstname": "Zebulon"});
    let patch = app
        .contacts
        .parse(&ann, values.as_object().unwrap())
        .await
        .unwrap();
    let create = CreateContact {
        patch,
        origin: None,
    };
    let made = app.contacts.create(&ann, create).await.unwrap().id();
    let values = json!({"lastname": "Zebulonsen"});
    let patch = app
        .contacts
        .parse(&ann, values.as_object().unwrap())
        .await
        .unwrap();
    let update = mauntic_crm::UpdateContact {
        id: made,
        version: None,
        patch,
    };
    app.contacts.update(&ann, update).await.unwrap();
    let filter = ContactFilter {
        search: Some("zebulon".to_owned()),
        ..ContactFilter::default()
    };
    drop(app.exports.contacts(&ann, filter).await.unwrap());
    app.contacts.delete(&ann, made).await.unwrap();
    let refused = app.contacts.delete(&ann, made).await;
    assert!(matches!(refused, Err(CrmError::ContactNotFound(_))));
    let entries = log(&installation, &ann).await;
    let actions: Vec<_> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(
        actions,
        [
            "contact.deleted",
            "contact.exported",
            "contact.updated",
            "contact.created"
        ]
    );
    let subject = |place: usize| entries[place]["subject_id"].as_str().unwrap().parse();
    assert_eq!(subject(0), Ok::<ContactId, _>(made));
    assert_eq!(entries[1]["after"]["search"], true);
    assert_eq!(entries[2]["after"]["changed"], json!(["lastname"]));
    let text = Value::from(entries).to_string().to_lowercase();
    assert!(!text.contains("zebulon"), "{text}");
}

async fn secrets_are_not_in_the_log(database: TestDatabase) {
    let installation = Installation::on(database).await;
    let (app, ann) = (&installation.app, person(&installation));
    let limits = mauntic_messaging::transport::SendingLimits::default();
    for password in ["hunter2", "hunter3"] {
        let url = format!("smtp://ann:{password}@mail.example.com:587");
        let configured = app
            .transports
            .configure(&ann, Some(&url), limits.clone(), None);
        configured.await.unwrap();
    }
    let entries = log(&installation, &ann).await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[1]["before"]["url"], "capture");
    assert_eq!(entries[1]["after"]["has_password"], true);
    let text = Value::from(entries).to_string();
    assert!(text.contains("mail.example.com"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
}

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(TestDatabase::sqlite()).await; })+
        }
        mod postgres {
            use super::*;
            $(#[tokio::test] async fn $case() { super::$case(TestDatabase::postgres().await).await; })+
        }
    };
}

on_both! {
    what_is_refused_leaves_no_entry,
    one_call_is_one_entry_however_many_it_is_about,
    whoever_is_deleted_is_not_in_the_log,
    secrets_are_not_in_the_log,
}
