//! Many contacts at once.

use std::sync::Arc;

use mauntic_core::{ContactId, UuidV7Source};
use serde_json::json;

use super::{crm, is_taken, tags};
use crate::{ContactPatch, CreateContact, CrmError, CrmStore, UpdateContact, UpsertContact, Value};

/// Each item of a batch succeeds or fails on its own.
pub async fn a_batch_says_what_became_of_each_item(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm
        .create(json!({"email": "ann@example.com"}))
        .await
        .unwrap();
    let mut commands = Vec::new();
    for email in [
        "ANN@example.com",
        "bob@example.com",
        "Bob@example.com",
        "cat@example.com",
    ] {
        let patch = crm.patch(json!({"email": email})).await;
        commands.push(CreateContact {
            patch,
            origin: Some("batch".to_owned()),
        });
    }
    let made = crm.contacts.create_many(&crm.us, &commands).await.unwrap();
    assert!(is_taken(&made[0], "email"));
    assert!(is_taken(&made[2], "email"));
    let (bob, cat) = (made[1].as_ref().unwrap(), made[3].as_ref().unwrap());
    assert_eq!(bob.parts().origin, "batch");

    let unknown = ContactId::generate(&UuidV7Source);
    let changes = [
        (
            bob.id(),
            json!({"email": "ann@example.com", "city": "Rome"}),
        ),
        (cat.id(), json!({"city": "Rome"})),
        (unknown, json!({"city": "Rome"})),
        (cat.id(), json!({"state": "Lazio"})),
        (ann.id(), json!({"email": null})),
    ];
    let mut commands = Vec::new();
    for (id, values) in changes {
        commands.push(UpdateContact {
            id,
            version: None,
            patch: crm.patch(values).await,
        });
    }
    let changed = crm.contacts.update_many(&crm.us, &commands).await.unwrap();
    assert!(
        is_taken(&changed[0], "email"),
        "given up only in the same batch"
    );
    assert!(matches!(changed[2], Err(CrmError::ContactNotFound(id)) if id == unknown));
    assert_eq!(changed[4].as_ref().unwrap().email(), None);
    let cat = crm.contacts.get(&crm.us, cat.id()).await.unwrap();
    assert_eq!(
        (cat.parts().fields.len(), cat.version()),
        (2, 2),
        "both changes, counted once"
    );
    assert_eq!(
        &crm.contacts.get(&crm.us, bob.id()).await.unwrap(),
        bob,
        "a refused change leaves no trace"
    );

    let deleted = crm
        .contacts
        .delete_many(&crm.us, &[bob.id(), unknown, cat.id()])
        .await
        .unwrap();
    assert!(matches!(
        deleted[..],
        [Ok(()), Err(CrmError::ContactNotFound(_)), Ok(())]
    ));
    let many = vec![unknown; crate::MAX_BATCH + 1];
    assert!(matches!(
        crm.contacts.delete_many(&crm.us, &many).await,
        Err(CrmError::TooMany { .. })
    ));
}

/// Twenty at once create the same address, and one wins; an upsert never loses.
pub async fn twenty_tasks_race_for_one_address(store: Arc<dyn CrmStore>) {
    let patch = crm(&store)
        .patch(json!({"email": "race@example.com"}))
        .await;
    let mut tasks = Vec::new();
    for number in 0..20_u32 {
        let (crm, patch) = (crm(&store), patch.clone());
        tasks.push(tokio::spawn(async move {
            if number % 2 == 0 {
                let made = crm
                    .contacts
                    .create(
                        &crm.us,
                        CreateContact {
                            patch,
                            origin: None,
                        },
                    )
                    .await;
                assert!(made.is_ok() || is_taken(&made, "email"), "{made:?}");
                return made.is_ok();
            }
            let email = "Race@example.com".parse().unwrap();
            let patch = ContactPatch {
                add_tags: tags([&format!("t{number}")]),
                ..ContactPatch::default()
            };
            let upserts = [UpsertContact { email, patch }];
            let mut done = crm
                .contacts
                .upsert_batch(&crm.us, "race", &upserts)
                .await
                .unwrap();
            done.remove(0).unwrap().created
        }));
    }
    let mut created = 0;
    for task in tasks {
        created += u32::from(task.await.unwrap());
    }
    assert_eq!(created, 1);
    let crm = crm(&store);
    let address = "race@example.com".parse().unwrap();
    let winner = crm
        .contacts
        .find_by_email(&crm.us, &address)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(winner.parts().tags.len(), 10, "no upsert was lost");
}

/// New addresses are added, known ones changed, in the order given.
pub async fn an_upsert_adds_or_changes(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm
        .create(json!({"email": "ann@example.com", "city": "Rome"}))
        .await
        .unwrap();
    let mut commands = Vec::new();
    for (email, values) in [
        ("ANN@example.com", json!({"firstname": "Ann"})),
        ("bob@example.com", json!({"firstname": "Rob"})),
        ("Bob@Example.com", json!({"firstname": "Bob"})),
        (
            "ann@example.com",
            json!({"country": "Italy", "email": "other@example.com"}),
        ),
    ] {
        commands.push(UpsertContact {
            email: email.parse().unwrap(),
            patch: crm.patch(values).await,
        });
    }
    let done = crm
        .contacts
        .upsert_batch(&crm.us, "sync", &commands)
        .await
        .unwrap();
    let done: Vec<_> = done.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        done.iter().map(|one| one.created).collect::<Vec<_>>(),
        [false, true, true, false]
    );
    let now = crm.contacts.get(&crm.us, ann.id()).await.unwrap();
    assert_eq!((now.parts().fields.len(), now.version()), (3, 2));
    assert_eq!(now.email(), ann.email());
    assert_eq!(done[0].contact, now);
    assert_eq!(
        done[1].contact.value("firstname"),
        Some(&Value::Text("Bob".to_owned()))
    );
    assert_eq!(done[1].contact.parts().origin, "sync");
}
