//! The use cases of contacts, fields and tags, over the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mauntic_core::{
    Actor, Cause, ContactId, Envelope, FixedZone, IdSource, OrganizationId, PageSize, Role, UserId,
    UuidV7Source, testing::ManualClock,
};
use serde_json::{Map, Value as Json, json};

use super::organization;
use crate::{
    Change, Channel, Contact, ContactDeleted, ContactPatch, ContactService, CreateContact,
    CreateField, CrmError, CrmStore, DoNotContactCommand, FieldOption, FieldService, FieldType,
    LiftDoNotContact, Reason, Tag, TagService, UpdateContact, UpdateField, UpsertContact, Value,
};

struct Crm {
    contacts: ContactService,
    fields: FieldService,
    tags: TagService,
    us: Actor,
}

fn crm(store: &Arc<dyn CrmStore>) -> Crm {
    let clock = Arc::new(ManualClock::default());
    let ids = Arc::new(UuidV7Source);
    let zones = Arc::new(FixedZone::default());
    let contacts = ContactService::new(Arc::clone(store), clock, ids.clone(), zones);
    let user = UserId::generate(&*ids);
    Crm {
        tags: TagService::new(contacts.clone()),
        contacts,
        fields: FieldService::new(Arc::clone(store), ids),
        us: Actor::user(organization(1), user, Role::Owner),
    }
}

impl Crm {
    async fn patch(&self, values: Json) -> ContactPatch {
        let Json::Object(values) = values else {
            panic!("an object")
        };
        self.contacts.parse(&self.us, &values).await.unwrap()
    }

    async fn create(&self, values: Json) -> Result<Contact, CrmError> {
        let Json::Object(values) = values else {
            panic!("an object")
        };
        let patch = self.contacts.parse(&self.us, &values).await?;
        self.contacts
            .create(
                &self.us,
                CreateContact {
                    patch,
                    origin: None,
                },
            )
            .await
    }

    async fn update(&self, id: ContactId, values: Json) -> Result<Contact, CrmError> {
        let patch = self.patch(values).await;
        self.contacts
            .update(
                &self.us,
                UpdateContact {
                    id,
                    version: None,
                    patch,
                },
            )
            .await
    }

    async fn reason(&self, id: ContactId) -> Option<Reason> {
        let contact = self.contacts.get(&self.us, id).await.unwrap();
        contact
            .parts()
            .do_not_contact
            .get(&Channel::Email)
            .map(|mark| mark.reason)
    }

    async fn names_of_changes(&self, id: ContactId) -> Vec<Vec<String>> {
        let page = self
            .contacts
            .history(&self.us, id, None, PageSize::default())
            .await
            .unwrap();
        let names =
            |change: &crate::ContactChange| change.changes.names().map(str::to_owned).collect();
        page.items.iter().map(names).collect()
    }
}

fn tags<const N: usize>(names: [&str; N]) -> BTreeSet<Tag> {
    names.map(|name| name.parse().unwrap()).into()
}

fn is_taken<T>(result: &Result<T, CrmError>, by: &str) -> bool {
    matches!(result, Err(CrmError::Taken { field }) if field == by)
}

/// Created, read, changed in part, deleted; each step is in the history.
pub async fn a_contact_lives(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let made = json!({"email": "Ann@Example.com", "firstname": "Ann", "country": "Germany", "phone": "030 901820"});
    let ann = crm.create(made).await.unwrap();
    assert_eq!(ann.value("country"), Some(&Value::Text("DE".to_owned())));
    assert_eq!(
        ann.value("phone"),
        Some(&Value::Text("+4930901820".to_owned()))
    );
    assert_eq!(ann.version(), 1);
    assert_eq!(crm.contacts.get(&crm.us, ann.id()).await.unwrap(), ann);
    let address = "aNN@example.COM".parse().unwrap();
    assert_eq!(
        crm.contacts.find_by_email(&crm.us, &address).await.unwrap(),
        Some(ann.clone())
    );

    let changed = crm
        .update(
            ann.id(),
            json!({"city": "Berlin", "country": null, "points": 5}),
        )
        .await
        .unwrap();
    assert_eq!(
        changed.value("city"),
        Some(&Value::Text("Berlin".to_owned()))
    );
    assert_eq!(changed.value("country"), None);
    assert_eq!(changed.value("firstname"), ann.value("firstname"));
    assert_eq!((changed.parts().points, changed.version()), (5, 2));
    let same = crm
        .update(ann.id(), json!({"city": " Berlin "}))
        .await
        .unwrap();
    assert_eq!(same, changed, "nothing changed, so nothing is counted");
    assert_eq!(
        crm.names_of_changes(ann.id()).await,
        [
            vec!["city", "country", "points"],
            vec!["country", "email", "firstname", "phone"]
        ]
    );

    crm.contacts.delete(&crm.us, ann.id()).await.unwrap();
    let gone = crm.contacts.get(&crm.us, ann.id()).await;
    assert!(matches!(gone, Err(CrmError::ContactNotFound(id)) if id == ann.id()));
    let again = crm.contacts.delete(&crm.us, ann.id()).await;
    assert!(matches!(again, Err(CrmError::ContactNotFound(_))));
    let mut uow = store.begin().await.unwrap();
    uow.contacts()
        .insert_many(organization(1), &[ann.clone()])
        .await
        .unwrap();
    uow.commit().await.unwrap();
    assert_eq!(
        crm.names_of_changes(ann.id()).await,
        Vec::<Vec<String>>::new(),
        "the history went too"
    );
}

/// Whoever read an older version is told.
pub async fn an_update_can_ask_for_a_version(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm
        .create(json!({"email": "ann@example.com"}))
        .await
        .unwrap();
    let patch = crm.patch(json!({"city": "Berlin"})).await;
    let at = |version| UpdateContact {
        id: ann.id(),
        version: Some(version),
        patch: patch.clone(),
    };
    let wrong = crm.contacts.update(&crm.us, at(2)).await;
    assert!(matches!(
        wrong,
        Err(CrmError::VersionMismatch { current: 1 })
    ));
    assert_eq!(
        crm.contacts.update(&crm.us, at(1)).await.unwrap().version(),
        2
    );
    let stale = crm.contacts.update(&crm.us, at(1)).await;
    assert!(matches!(
        stale,
        Err(CrmError::VersionMismatch { current: 2 })
    ));
}

/// All that is wrong with an input is said at once, and nothing is written.
pub async fn bad_values_are_all_named(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let values = json!({"email": "ann", "country": "Atlantis", "shoe_size": 4, "points": 1.5, "firstname": "Ann", "city": ["x"]});
    let Err(CrmError::InvalidFields(problems)) = crm.create(values).await else {
        panic!("refused")
    };
    let names: BTreeSet<_> = problems
        .iter()
        .map(|problem| problem.field.as_str())
        .collect();
    assert_eq!(
        names,
        BTreeSet::from(["email", "country", "shoe_size", "points", "city"])
    );
    // Values that did not come through `parse` are checked as well.
    let mut patch = ContactPatch::default();
    patch
        .values
        .insert("country".parse().unwrap(), Value::text("Atlantis"));
    patch
        .values
        .insert("email".parse().unwrap(), Value::text("ann@example.com"));
    let refused = crm
        .contacts
        .create(
            &crm.us,
            CreateContact {
                patch,
                origin: None,
            },
        )
        .await;
    assert!(matches!(refused, Err(CrmError::InvalidFields(problems)) if problems.len() == 2));
}

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

/// Ids of another organisation are unknown to every use case.
pub async fn another_organisation_is_out_of_reach(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm
        .create(json!({"email": "ann@example.com"}))
        .await
        .unwrap();
    let them = Actor::user(
        organization(2),
        UserId::generate(&UuidV7Source),
        Role::Owner,
    );
    let (contacts, id) = (&crm.contacts, ann.id());
    let unknown = |result: Result<(), CrmError>| {
        assert!(
            matches!(result, Err(CrmError::ContactNotFound(found)) if found == id),
            "{result:?}"
        );
    };
    unknown(contacts.get(&them, id).await.map(drop));
    unknown(
        contacts
            .history(&them, id, None, PageSize::default())
            .await
            .map(drop),
    );
    let patch = crm.patch(json!({"city": "Rome"})).await;
    unknown(
        contacts
            .update(
                &them,
                UpdateContact {
                    id,
                    version: None,
                    patch,
                },
            )
            .await
            .map(drop),
    );
    unknown(contacts.delete(&them, id).await);
    let forbid = DoNotContactCommand {
        channel: Channel::Email,
        reason: Reason::Manual,
        comment: String::new(),
    };
    unknown(
        contacts
            .set_do_not_contact(&them, id, &forbid)
            .await
            .map(drop),
    );
    let lift = LiftDoNotContact {
        channel: Channel::Email,
        only: None,
    };
    unknown(
        contacts
            .lift_do_not_contact(&them, id, &lift)
            .await
            .map(drop),
    );
    let tagged = crm
        .tags
        .change(&them, &[id], &tags(["x"]), &tags([]))
        .await
        .unwrap();
    unknown(tagged.into_iter().next().unwrap().map(drop));
    assert_eq!(contacts.find_many(&them, &[id]).await.unwrap(), []);
    assert_eq!(
        contacts
            .find_by_email(&them, ann.email().unwrap())
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        contacts
            .list(&them, &crate::ContactListing::default())
            .await
            .unwrap()
            .items,
        []
    );
    assert_eq!(contacts.get(&crm.us, id).await.unwrap(), ann);
}

/// Somebody who may only read changes nothing.
pub async fn a_viewer_changes_nothing(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm
        .create(json!({"email": "ann@example.com"}))
        .await
        .unwrap();
    let viewer = Actor::user(
        organization(1),
        UserId::generate(&UuidV7Source),
        Role::Viewer,
    );
    let forbidden = |result: Result<(), CrmError>| {
        assert!(matches!(result, Err(CrmError::Forbidden(_))), "{result:?}");
    };
    let (contacts, id, tag) = (&crm.contacts, ann.id(), "x".parse().unwrap());
    contacts.get(&viewer, id).await.unwrap();
    forbidden(contacts.parse(&viewer, &Map::new()).await.map(drop));
    forbidden(
        contacts
            .create(&viewer, CreateContact::default())
            .await
            .map(drop),
    );
    let update = UpdateContact {
        id,
        version: None,
        patch: ContactPatch::default(),
    };
    forbidden(contacts.update(&viewer, update).await.map(drop));
    forbidden(contacts.upsert_batch(&viewer, "x", &[]).await.map(drop));
    forbidden(contacts.delete(&viewer, id).await);
    let forbid = DoNotContactCommand {
        channel: Channel::Email,
        reason: Reason::Manual,
        comment: String::new(),
    };
    forbidden(
        contacts
            .set_do_not_contact(&viewer, id, &forbid)
            .await
            .map(drop),
    );
    let lift = LiftDoNotContact {
        channel: Channel::Email,
        only: None,
    };
    forbidden(
        contacts
            .lift_do_not_contact(&viewer, id, &lift)
            .await
            .map(drop),
    );
    forbidden(crm.tags.rename(&viewer, &tag, &tag).await.map(drop));
    forbidden(crm.tags.delete(&viewer, &tag).await.map(drop));
    let field = CreateField::new("Shoe size", FieldType::Number);
    forbidden(crm.fields.create(&viewer, field).await.map(drop));
    let alias = "shoe_size".parse().unwrap();
    forbidden(
        crm.fields
            .update(&viewer, &alias, UpdateField::default())
            .await
            .map(drop),
    );
    forbidden(crm.fields.delete(&viewer, &alias).await);
}

/// Custom fields with everything that they can ask for.
pub async fn a_custom_field_is_kept(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let options = ["red", "green"].map(FieldOption::plain).to_vec();
    let colour = CreateField {
        options,
        default: Some(json!("RED")),
        ..CreateField::new("Colour", FieldType::Select)
    };
    let colour = crm.fields.create(&crm.us, colour).await.unwrap();
    assert_eq!(
        (colour.alias.as_str(), &colour.default),
        ("colour", &Value::text("red"))
    );
    let number = CreateField {
        unique: true,
        indexed: true,
        ..CreateField::new("Customer no.", FieldType::Text)
    };
    let number = crm.fields.create(&crm.us, number).await.unwrap();
    assert_eq!(number.alias.as_str(), "customer_no");
    let again = crm
        .fields
        .create(&crm.us, CreateField::new("Customer no", FieldType::Text))
        .await
        .unwrap();
    assert_eq!(again.alias.as_str(), "customer_no2");
    let listed = crm.fields.list(&crm.us).await.unwrap();
    assert_eq!(
        listed.custom().collect::<Vec<_>>(),
        [&colour, &number, &again]
    );

    let ann = crm
        .create(json!({"email": "ann@example.com", "customer_no": "K1"}))
        .await
        .unwrap();
    assert_eq!(ann.value("colour"), Some(&Value::Text("red".to_owned())));
    let bob = crm
        .create(json!({"email": "bob@example.com", "customer_no": "k1"}))
        .await;
    assert!(is_taken(&bob, "customer_no"), "{bob:?}");
    let bob = crm
        .create(json!({"email": "bob@example.com", "customer_no": "K2", "colour": "green"}))
        .await
        .unwrap();
    assert!(is_taken(
        &crm.update(bob.id(), json!({"customer_no": "K1"})).await,
        "customer_no"
    ));
    crm.update(ann.id(), json!({"customer_no": null}))
        .await
        .unwrap();
    crm.update(bob.id(), json!({"customer_no": "K1"}))
        .await
        .unwrap();
    let cat = crm
        .create(json!({"email": "cat@example.com", "customer_no": "K2"}))
        .await
        .unwrap();

    let required = UpdateField {
        required: Some(true),
        ..UpdateField::default()
    };
    crm.fields
        .update(&crm.us, &number.alias, required)
        .await
        .unwrap();
    let without = crm.create(json!({"email": "dan@example.com"})).await;
    assert!(
        matches!(without, Err(CrmError::InvalidFields(problems)) if problems[0].field == "customer_no")
    );
    let cleared = crm.update(cat.id(), json!({"customer_no": ""})).await;
    assert!(matches!(cleared, Err(CrmError::InvalidFields(_))));

    crm.fields.delete(&crm.us, &number.alias).await.unwrap();
    crm.fields.delete(&crm.us, &colour.alias).await.unwrap();
    let bob = crm.contacts.get(&crm.us, bob.id()).await.unwrap();
    assert_eq!(bob.parts().fields, BTreeMap::new());
    let gone = crm.fields.delete(&crm.us, &number.alias).await;
    assert!(matches!(gone, Err(CrmError::FieldNotFound(_))));
}

/// Definitions that make no sense are refused.
pub async fn senseless_fields_are_refused(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let option = FieldOption::plain("a|b");
    let refused = [
        CreateField::new("  ", FieldType::Text),
        CreateField::new("Colour", FieldType::Select),
        CreateField {
            options: vec![FieldOption::plain("a")],
            ..CreateField::new("Colour", FieldType::Text)
        },
        CreateField {
            options: vec![option],
            ..CreateField::new("Colour", FieldType::Select)
        },
        CreateField {
            default: Some(json!("x")),
            unique: true,
            ..CreateField::new("Number", FieldType::Text)
        },
        CreateField::new("nul \0", FieldType::Text),
    ];
    for field in refused {
        let result = crm.fields.create(&crm.us, field).await;
        assert!(matches!(result, Err(CrmError::Invalid(_))), "{result:?}");
    }
    let taken = CreateField {
        alias: "email".parse().ok(),
        ..CreateField::new("Mail", FieldType::Email)
    };
    assert!(is_taken(&crm.fields.create(&crm.us, taken).await, "alias"));
    let wrong = CreateField {
        default: Some(json!("x")),
        ..CreateField::new("Number", FieldType::Number)
    };
    let wrong = crm.fields.create(&crm.us, wrong).await;
    assert!(matches!(wrong, Err(CrmError::InvalidFields(_))));
    let core = crm.fields.delete(&crm.us, &"city".parse().unwrap()).await;
    assert!(matches!(core, Err(CrmError::CoreField(_))));
}

/// A renamed tag is renamed everywhere, a deleted one is gone.
pub async fn tags_are_renamed_and_deleted_everywhere(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let mut commands = Vec::new();
    for number in 0..5 {
        let mut patch = crm
            .patch(json!({"email": format!("{number}@example.com")}))
            .await;
        patch.add_tags = if number < 3 {
            tags(["old", "kept"])
        } else {
            tags(["kept", "new"])
        };
        commands.push(CreateContact {
            patch,
            origin: None,
        });
    }
    let made = crm.contacts.create_many(&crm.us, &commands).await.unwrap();
    let first = made[0].as_ref().unwrap().id();
    let [old, new, kept] = ["old", "new", "kept"].map(|name| name.parse::<Tag>().unwrap());
    let listed = || async {
        let page = crm
            .tags
            .list(&crm.us, None, PageSize::clamped(2))
            .await
            .unwrap();
        let rest = crm
            .tags
            .list(&crm.us, page.next.as_ref(), PageSize::default())
            .await
            .unwrap();
        page.items
            .into_iter()
            .chain(if page.next.is_some() {
                rest.items
            } else {
                vec![]
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [kept.clone(), new.clone(), old.clone()]);
    assert_eq!(crm.tags.rename(&crm.us, &old, &new).await.unwrap(), 3);
    assert_eq!(listed().await, [kept.clone(), new.clone()]);
    assert_eq!(crm.tags.count(&crm.us, &new).await.unwrap(), 5);
    assert_eq!(crm.tags.delete(&crm.us, &kept).await.unwrap(), 5);
    assert_eq!(
        crm.contacts.get(&crm.us, first).await.unwrap().parts().tags,
        tags(["new"])
    );
    assert_eq!(crm.names_of_changes(first).await.len(), 3);
    let gone = crm.tags.delete(&crm.us, &kept).await;
    assert!(matches!(gone, Err(CrmError::TagNotFound)));
    let changed = crm
        .tags
        .change(&crm.us, &[first], &tags(["a"]), &tags(["new"]))
        .await
        .unwrap();
    assert_eq!(changed[0].as_ref().unwrap().parts().tags, tags(["a"]));
}

fn event(organization: OrganizationId) -> Envelope {
    let ids: &dyn IdSource = &UuidV7Source;
    let event = ContactDeleted { ids: Vec::new() };
    Envelope::seal(organization, &event, super::noon(), ids, Cause::root(ids)).unwrap()
}

/// What follows from an event happens once, and an own opt-out outlives a bounce.
pub async fn an_unsubscribe_is_applied_once(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm
        .create(json!({"email": "ann@example.com"}))
        .await
        .unwrap()
        .id();
    let bob = crm
        .create(json!({"email": "bob@example.com"}))
        .await
        .unwrap()
        .id();
    let (contacts, both) = (
        &crm.contacts,
        [bob, ann, ContactId::generate(&UuidV7Source)],
    );
    let unsubscribed = event(organization(1));
    contacts
        .apply_unsubscribe("crm.test", &unsubscribed, &[ann], "email:1")
        .await
        .unwrap();
    assert_eq!(
        (crm.reason(ann).await, crm.reason(bob).await),
        (Some(Reason::Unsubscribed), None)
    );
    let lift = LiftDoNotContact {
        channel: Channel::Email,
        only: None,
    };
    contacts
        .lift_do_not_contact(&crm.us, ann, &lift)
        .await
        .unwrap();
    contacts
        .apply_unsubscribe("crm.test", &unsubscribed, &[ann], "email:1")
        .await
        .unwrap();
    assert_eq!(crm.reason(ann).await, None, "a repeat does nothing");

    contacts
        .apply_unsubscribe("crm.test", &event(organization(1)), &[ann], "email:1")
        .await
        .unwrap();
    contacts
        .apply_hard_bounce("crm.bounce", &event(organization(1)), &both, "email:2")
        .await
        .unwrap();
    contacts
        .apply_hard_bounce("crm.bounce", &event(organization(2)), &both, "email:2")
        .await
        .unwrap();
    assert_eq!(crm.reason(ann).await, Some(Reason::Unsubscribed));
    assert_eq!(crm.reason(bob).await, Some(Reason::Bounced));
    let manual = DoNotContactCommand {
        channel: Channel::Email,
        reason: Reason::Manual,
        comment: "asked".to_owned(),
    };
    contacts
        .set_do_not_contact_many(&crm.us, &both, &manual)
        .await
        .unwrap();
    assert_eq!(
        (crm.reason(ann).await, crm.reason(bob).await),
        (Some(Reason::Unsubscribed), Some(Reason::Manual))
    );
    let email = Change::Set("cat@example.com".parse().unwrap());
    let patch = ContactPatch {
        email,
        ..ContactPatch::default()
    };
    let cat = contacts
        .update(
            &crm.us,
            UpdateContact {
                id: ann,
                version: None,
                patch,
            },
        )
        .await
        .unwrap();
    assert!(
        !cat.is_contactable(Channel::Email),
        "other changes leave the mark"
    );
}
