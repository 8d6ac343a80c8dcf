//! Do-not-contact marks.

use std::sync::Arc;

use mauntic_core::{Cause, ContactId, Envelope, IdSource, OrganizationId, UuidV7Source};
use serde_json::json;

use super::crm;
use crate::conformance::{noon, organization};
use crate::{
    Change, Channel, ContactDeleted, ContactPatch, CrmStore, DoNotContactCommand, LiftDoNotContact,
    Reason, UpdateContact,
};

fn event(organization: OrganizationId) -> Envelope {
    let ids: &dyn IdSource = &UuidV7Source;
    let event = ContactDeleted { ids: Vec::new() };
    Envelope::seal(organization, &event, noon(), ids, Cause::root(ids)).unwrap()
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
        .lift_do_not_contact(&crm.us, ann, &lift, None)
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
