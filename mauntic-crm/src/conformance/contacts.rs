//! Contacts: what is written is read, within one organisation.

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::UserId;
use uuid::Uuid;

use super::{contact, noon, organization};
use crate::{ChangeSet, Channel, Contact, CrmStore, DoNotContact, Number, Reason, Value};

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
    assert_eq!(found, [ann.clone()]);

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
        .insert_many(ours, &[ann.clone()])
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
            .update_many(theirs, &[ann.clone()])
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
