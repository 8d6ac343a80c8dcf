//! A contact from its first to its last day.

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{Actor, PageSize, Role, UserId, UuidV7Source};
use serde_json::{Map, json};

use super::{crm, tags};
use crate::{
    Change, Channel, ContactPatch, CreateContact, CreateField, CrmError, CrmStore,
    DoNotContactCommand, FieldProblem, FieldType, InvalidValue, LiftDoNotContact, Reason,
    UpdateContact, UpdateField, UpsertContact, Value,
    conformance::{boss, organization},
};

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
        .insert_many(organization(1), std::slice::from_ref(&ann))
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

/// A contact is given to somebody who works in the organisation, and to nobody else.
pub async fn owners_work_in_the_organisation(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let stranger = UserId::generate(&UuidV7Source);
    let given = |owner| ContactPatch {
        owner: Change::Set(owner),
        ..ContactPatch::default()
    };
    let create = |email: &str, owner| CreateContact {
        patch: ContactPatch {
            email: Change::Set(email.parse().unwrap()),
            ..given(owner)
        },
        origin: None,
    };
    let refused = |error: CrmError| {
        let CrmError::InvalidFields(problems) = error else {
            panic!("{error}");
        };
        let expected = [FieldProblem::new("owner", InvalidValue::NotAMember)];
        assert_eq!(problems, expected);
    };
    let commands = [
        create("ann@example.com", boss()),
        create("bob@example.com", stranger),
    ];
    let mut made = crm.contacts.create_many(&crm.us, &commands).await.unwrap();
    refused(made.remove(1).unwrap_err());
    let ann = made.remove(0).unwrap();
    assert_eq!(ann.parts().owner, Some(boss()));
    let update = |owner| UpdateContact {
        id: ann.id(),
        version: None,
        patch: given(owner),
    };
    refused(
        crm.contacts
            .update(&crm.us, update(stranger))
            .await
            .unwrap_err(),
    );
    let upsert = |email: &str| UpsertContact {
        email: email.parse().unwrap(),
        patch: given(stranger),
    };
    let commands = [upsert("ann@example.com"), upsert("new@example.com")];
    let done = crm.contacts.upsert_batch(&crm.us, "test", &commands).await;
    for result in done.unwrap() {
        refused(result.unwrap_err());
    }
    // Who left the organisation stays in charge until somebody else is.
    let mut uow = store.begin().await.unwrap();
    let mut left = ann.clone();
    left.set_owner(Some(stranger), &mut crate::ChangeSet::default());
    uow.contacts()
        .update_many(organization(1), &[left])
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let same = crm.contacts.update(&crm.us, update(stranger)).await;
    assert_eq!(same.unwrap().parts().owner, Some(stranger));
    let given = crm.contacts.update(&crm.us, update(boss())).await;
    assert_eq!(given.unwrap().parts().owner, Some(boss()));
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
            .set_do_not_contact(&them, id, &forbid, None)
            .await
            .map(drop),
    );
    let lift = LiftDoNotContact {
        channel: Channel::Email,
        only: None,
    };
    unknown(
        contacts
            .lift_do_not_contact(&them, id, &lift, None)
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
            .set_do_not_contact(&viewer, id, &forbid, None)
            .await
            .map(drop),
    );
    let lift = LiftDoNotContact {
        channel: Channel::Email,
        only: None,
    };
    forbidden(
        contacts
            .lift_do_not_contact(&viewer, id, &lift, None)
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
