//! Who is in charge of contacts.

use std::sync::Arc;

use mauntic_core::{
    Cause, ContactId, Envelope, IdSource, OrganizationId, UserId, UuidV7Source,
    identity::MemberGone,
};
use serde_json::json;

use super::crm;
use crate::conformance::{noon, organization};
use crate::{Change, Contact, ContactPatch, CrmStore, UpdateContact};

fn gone(organization: OrganizationId, user_id: UserId) -> Envelope {
    let ids: &dyn IdSource = &UuidV7Source;
    let event = MemberGone { user_id };
    Envelope::seal(organization, &event, noon(), ids, Cause::root(ids)).unwrap()
}

/// However many they are, and nobody else's; the history says so.
pub async fn contacts_of_a_member_who_is_gone_have_no_owner(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let [ann, bob] = [(); 2].map(|()| UserId::generate(&UuidV7Source));
    let owned = async |number: usize, owner: UserId| -> Contact {
        let email = format!("p{number}@example.com");
        let made = crm.create(json!({"email": email})).await.unwrap();
        let command = UpdateContact {
            id: made.id(),
            version: None,
            patch: ContactPatch {
                owner: Change::Set(owner),
                ..ContactPatch::default()
            },
        };
        crm.contacts.update(&crm.us, command).await.unwrap()
    };
    let mut hers: Vec<ContactId> = Vec::new();
    for number in 0..5 {
        hers.push(owned(number, ann).await.id());
    }
    let his = owned(5, bob).await;
    let us = organization(1);
    let contacts = store.contacts();
    assert_eq!(contacts.owned_by(us, ann, None, 9).await.unwrap(), hers);
    let page = contacts.owned_by(us, ann, Some(hers[1]), 2).await.unwrap();
    assert_eq!(page, hers[2..4]);
    let foreign = contacts.owned_by(organization(2), ann, None, 9).await;
    assert_eq!(foreign.unwrap(), []);

    // Of another organisation: nothing happens here.
    let elsewhere = gone(organization(2), ann);
    crm.contacts
        .apply_owner_gone(&elsewhere, ann)
        .await
        .unwrap();
    assert_eq!(contacts.owned_by(us, ann, None, 9).await.unwrap(), hers);
    let here = gone(us, ann);
    for _ in 0..2 {
        crm.contacts.apply_owner_gone(&here, ann).await.unwrap();
    }
    let found = contacts.find_many(us, &hers).await.unwrap();
    assert_eq!(found.len(), hers.len());
    assert!(found.iter().all(|contact| contact.parts().owner.is_none()));
    assert_eq!(crm.names_of_changes(hers[0]).await[0], ["owner"]);
    assert_eq!(crm.names_of_changes(hers[0]).await.len(), 3, "once");
    let found = contacts.find_many(us, &[his.id()]).await.unwrap();
    assert_eq!(found, [his]);
}
