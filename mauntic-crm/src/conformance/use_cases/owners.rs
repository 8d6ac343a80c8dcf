//! Who is in charge of contacts.

use std::sync::Arc;

use mauntic_core::{
    Cause, ContactId, Envelope, FixedZone, IdSource, OrganizationId, PageSize, Principal, UserId,
    UuidV7Source, WorkerId, identity::MemberGone, testing::ManualClock,
};
use serde_json::json;
use uuid::Uuid;

use super::crm;
use crate::conformance::{noon, organization};
use crate::{
    AnyOwner, BulkService, Change, Contact, ContactFilter, ContactListing, ContactPatch, CrmStore,
    UpdateContact,
    bulk::{BulkAction, BulkState},
    segment::{NoEmailNames, SegmentService},
};

const WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(7));

fn gone(organization: OrganizationId, user_id: UserId) -> Envelope {
    let ids: &dyn IdSource = &UuidV7Source;
    let event = MemberGone { user_id };
    Envelope::seal(organization, &event, noon(), ids, Cause::root(ids)).unwrap()
}

/// However many they are, and nobody else's; the history says so.
pub async fn contacts_of_a_member_who_is_gone_have_no_owner(store: Arc<dyn CrmStore>) {
    let mut crm = crm(&store);
    crm.contacts = crm.contacts.with_owners(Arc::new(AnyOwner));
    let segments = SegmentService::new(
        Arc::clone(&store),
        Arc::<ManualClock>::default(),
        Arc::new(UuidV7Source),
        Arc::new(FixedZone::default()),
        Arc::new(NoEmailNames),
    );
    let bulk = BulkService::new(crm.contacts.clone(), segments).with_batch(2);
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
    let owned_by_ann = async || {
        let listing = ContactListing {
            filter: ContactFilter {
                owner: Some(ann),
                ..ContactFilter::default()
            },
            ..ContactListing::default()
        };
        let page = contacts.list(us, &listing).await.unwrap();
        page.items.iter().map(Contact::id).collect::<Vec<_>>()
    };
    assert_eq!(owned_by_ann().await, hers);

    // Of another organisation: nothing happens here.
    let handler = "test.departures";
    let changes = async || {
        let page = bulk.list(&crm.us, None, PageSize::default()).await;
        page.unwrap().items
    };
    let work = async || {
        while bulk.run_once(WORKER, &|| false).await.unwrap() {}
    };
    let elsewhere = gone(organization(2), ann);
    let applied = bulk.apply_owner_gone(handler, &elsewhere, ann);
    applied.await.unwrap();
    work().await;
    assert_eq!(owned_by_ann().await, hers);
    let here = gone(us, ann);
    for _ in 0..2 {
        let applied = bulk.apply_owner_gone(handler, &here, ann);
        applied.await.unwrap();
        work().await;
    }
    let made = changes().await;
    assert_eq!(made.len(), 1, "once");
    let change = &made[0];
    assert_eq!(change.actor, Principal::System);
    assert_eq!(change.action, BulkAction::SetOwner { owner: None });
    assert_eq!(change.state, BulkState::Completed);
    assert_eq!((change.total, change.done, change.refused), (5, 5, 0));
    let found = contacts.find_many(us, &hers).await.unwrap();
    assert_eq!(found.len(), hers.len());
    assert!(found.iter().all(|contact| contact.parts().owner.is_none()));
    assert_eq!(crm.names_of_changes(hers[0]).await[0], ["owner"]);
    assert_eq!(crm.names_of_changes(hers[0]).await.len(), 3, "once");
    let found = contacts.find_many(us, &[his.id()]).await.unwrap();
    assert_eq!(found, [his]);

    // Who is in charge of nobody leaves nothing to do.
    let eve = UserId::generate(&UuidV7Source);
    let idle = gone(us, eve);
    let applied = bulk.apply_owner_gone(handler, &idle, eve);
    applied.await.unwrap();
    assert_eq!(changes().await.len(), 1);
}
