//! Contacts: what is written is read, within one organisation.

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{TimeZoneName, UserId};
use uuid::Uuid;

use super::{contact, noon, organization};
use crate::{
    ChangeSet, Channel, Contact, CrmStore, DoNotContact, Number, Reason, UniqueKey, Value,
};

/// A contact with something of everything.
fn full(number: u128) -> Contact {
    let (mut contact, changes) = (contact(number), &mut ChangeSet::default());
    let values = [
        (
            "firstname",
            Value::Text("Ann \"Q\" O'Neil \u{1f600}".to_owned()),
        ),
        ("score", Value::Number(Number::new(-0.125).unwrap())),
        ("visits", Value::Number(Number::from(42))),
        ("subscribed", Value::Boolean(false)),
        (
            "interests",
            Value::Set(BTreeSet::from(["b".to_owned(), "a".to_owned()])),
        ),
        ("since", Value::datetime(noon())),
    ];
    for (alias, value) in values {
        contact.set_value(&alias.parse().unwrap(), Some(value), changes);
    }
    contact.set_tags(
        ["vip", "Ünï"].map(|tag| tag.parse().unwrap()).into(),
        changes,
    );
    contact.set_owner(Some(UserId::from_uuid(Uuid::from_u128(5))), changes);
    contact.set_stage(Some("lead".to_owned()), changes);
    contact.set_points(-3, changes);
    contact.set_last_active(Some(noon()), changes);
    for (channel, reason) in [
        (Channel::Email, Reason::Bounced),
        (Channel::Sms, Reason::Manual),
    ] {
        let (source, comment) = ("test".to_owned(), "no such mailbox".to_owned());
        contact.forbid(
            DoNotContact {
                channel,
                reason,
                source,
                comment,
                at: noon(),
            },
            changes,
        );
    }
    contact.touch(noon());
    contact
}

/// Everything survives storage, by id and by address, after an insert and after an update.
pub async fn a_contact_reads_back_as_it_was_written(store: Arc<dyn CrmStore>) {
    let (ann, plain) = (full(1), Contact::new(full(2).id(), "test", noon()));
    let mut uow = store.begin().await.unwrap();
    uow.contacts()
        .insert_many(organization(1), &[ann.clone(), plain.clone()])
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let both = [ann.id(), plain.id()];
    let found = store
        .contacts()
        .find_many(organization(1), &both)
        .await
        .unwrap();
    assert_eq!(found, [ann.clone(), plain.clone()]);
    let keys = ["1@example.com".to_owned()];
    let found = store
        .contacts()
        .find_by_emails(organization(1), &keys)
        .await
        .unwrap();
    assert_eq!(found, std::slice::from_ref(&ann));

    // The two change places, but for the address.
    let mut now_plain = Contact::new(ann.id(), "test", noon());
    now_plain.touch(noon());
    let now_full = full(2);
    let mut uow = store.begin().await.unwrap();
    let changed = [now_plain, now_full];
    uow.contacts()
        .update_many(organization(1), &changed)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let found = store
        .contacts()
        .find_many(organization(1), &both)
        .await
        .unwrap();
    assert_eq!(found, changed);
}

/// Ids and addresses mean nothing in another organisation.
pub async fn contacts_of_another_organisation_are_unknown(store: Arc<dyn CrmStore>) {
    let (ours, theirs, ann) = (organization(1), organization(2), full(1));
    let mut uow = store.begin().await.unwrap();
    uow.contacts()
        .insert_many(ours, std::slice::from_ref(&ann))
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let keys = ["1@example.com".to_owned()];
    assert_eq!(
        store
            .contacts()
            .find_many(theirs, &[ann.id()])
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        store
            .contacts()
            .find_by_emails(theirs, &keys)
            .await
            .unwrap(),
        []
    );
    let mut uow = store.begin().await.unwrap();
    assert_eq!(
        uow.contacts()
            .find_many_for_update(theirs, &[ann.id()])
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        uow.contacts()
            .find_by_emails_for_update(theirs, &keys)
            .await
            .unwrap(),
        []
    );
    assert!(
        uow.contacts()
            .update_many(theirs, std::slice::from_ref(&ann))
            .await
            .is_err()
    );
    assert_eq!(
        uow.contacts()
            .delete_many(theirs, &[ann.id()])
            .await
            .unwrap(),
        []
    );
    // The same address is free there.
    let mut other = contact(2);
    other.set_email(ann.email().cloned(), &mut ChangeSet::default());
    assert_eq!(
        uow.contacts()
            .insert_many(theirs, &[other.clone()])
            .await
            .unwrap(),
        [other.id()]
    );
    uow.commit().await.unwrap();
    assert_eq!(
        store.contacts().find_many(ours, &[ann.id()]).await.unwrap(),
        [ann]
    );
}

/// With a contact go its marks, keys and tags, but nobody else's.
pub async fn a_deleted_contact_leaves_nothing(store: Arc<dyn CrmStore>) {
    let (ours, ann, bob) = (organization(1), full(1), full(2));
    let key = |contact: &Contact, key: &str| UniqueKey {
        contact_id: contact.id(),
        field: "number".parse().unwrap(),
        key: Some(key.to_owned()),
    };
    let mut uow = store.begin().await.unwrap();
    let both = [ann.clone(), bob.clone()];
    uow.contacts().insert_many(ours, &both).await.unwrap();
    let keys = [key(&ann, "k1"), key(&bob, "k2")];
    assert_eq!(uow.contacts().replace_keys(ours, &keys).await.unwrap(), []);
    let stolen = [key(&bob, "k1")];
    assert_eq!(
        uow.contacts().replace_keys(ours, &stolen).await.unwrap(),
        stolen
    );
    let unknown = contact(3).id();
    let deleted = uow
        .contacts()
        .delete_many(ours, &[unknown, ann.id()])
        .await
        .unwrap();
    assert_eq!(deleted, [ann.id()]);
    assert_eq!(
        uow.contacts().replace_keys(ours, &stolen).await.unwrap(),
        []
    );
    let plain = Contact::new(ann.id(), "test", noon());
    let added = [plain.clone()];
    uow.contacts().insert_many(ours, &added).await.unwrap();
    uow.commit().await.unwrap();
    let days = TimeZoneName::utc().last_days(noon(), 2);
    let growth = store.contacts().growth(ours, &days).await.unwrap();
    assert_eq!(growth.total, 2);
    let added: Vec<_> = growth.days.iter().map(|day| day.added).collect();
    assert_eq!(added, [0, 2]);
    let theirs = store.contacts().growth(organization(2), &days).await;
    assert_eq!(theirs.unwrap().total, 0);
    let found = store
        .contacts()
        .find_many(ours, &[ann.id(), bob.id()])
        .await
        .unwrap();
    assert_eq!(found, [plain, bob]);
}

/// A key belongs to the first who has it, until it is given up.
pub async fn a_key_has_one_owner(store: Arc<dyn CrmStore>) {
    let ours = organization(1);
    let key = |number: u128, key: Option<&str>| UniqueKey {
        contact_id: contact(number).id(),
        field: "number".parse().unwrap(),
        key: key.map(str::to_owned),
    };
    let mut uow = store.begin().await.unwrap();
    let twice = [key(1, Some("a")), key(2, Some("a")), key(3, Some("b"))];
    let lost = uow.contacts().replace_keys(ours, &twice).await.unwrap();
    assert_eq!(lost, [key(2, Some("a"))]);
    let again = [key(1, Some("a")), key(3, Some("c")), key(2, Some("b"))];
    let lost = uow.contacts().replace_keys(ours, &again).await.unwrap();
    assert_eq!(lost, [key(2, Some("b"))], "given up only in the same call");
    let freed = [key(1, None), key(2, Some("b"))];
    assert_eq!(uow.contacts().replace_keys(ours, &freed).await.unwrap(), []);
    assert_eq!(
        uow.contacts()
            .replace_keys(ours, &[key(4, Some("a"))])
            .await
            .unwrap(),
        []
    );
    // Another organisation has its own.
    assert_eq!(
        uow.contacts()
            .replace_keys(organization(2), &[key(5, Some("a"))])
            .await
            .unwrap(),
        []
    );
    uow.commit().await.unwrap();
}
