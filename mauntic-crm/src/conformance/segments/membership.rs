//! What brings people in and takes them out.

use std::sync::Arc;

use chrono::TimeDelta;
use mauntic_core::{
    Cause, Clock as _, ContactId, EmailId, Envelope, EventId, IdSource, UuidV7Source,
};
use serde_json::json;
use uuid::Uuid;

use super::crm;
use crate::{
    ContactDeleted, CrmError, CrmStore,
    conformance::organization,
    engagement::Engaged,
    segment::{EngagementKind, Origin, SegmentFilter, UpdateSegment},
};

/// A rebuild applies a rule to everybody, and a change to one contact needs no rebuild.
pub async fn members_follow_the_rule(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm
        .contact(json!({"firstname": "Ann", "country": "DE"}))
        .await;
    let bob = crm
        .contact(json!({"firstname": "Bob", "country": "FR"}))
        .await;
    let germans = crm.segment("Germans", "country = \"Germany\"").await;
    assert_eq!(crm.members(germans).await, []);
    crm.rebuild_all().await;
    assert_eq!(crm.members(germans).await, [ann]);
    let built = crm.segments.find(&crm.us, germans).await.unwrap();
    assert_eq!(
        (built.is_built(), built.last_added, built.next_rebuild_at),
        (true, 1, None)
    );
    crm.change(ann, json!({"country": "FR"})).await;
    crm.change(bob, json!({"country": "DE"})).await;
    crm.follow().await;
    assert_eq!(crm.members(germans).await, [bob]);
    crm.set_rule(germans, "country = \"FR\"").await.unwrap();
    crm.rebuild_all().await;
    assert_eq!(crm.members(germans).await, [ann]);
    let rule = Some(None);
    crm.segments
        .update(
            &crm.us,
            germans,
            UpdateSegment {
                rule,
                ..UpdateSegment::default()
            },
        )
        .await
        .unwrap();
    crm.rebuild_all().await;
    assert_eq!(crm.members(germans).await, []);
}

/// Nothing undoes what a person decided but a person.
pub async fn decisions_by_hand_stick(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.contact(json!({"country": "DE"})).await;
    let bob = crm.contact(json!({"country": "FR"})).await;
    let cid = crm.contact(json!({"country": "DE"})).await;
    let germans = crm.segment("Germans", "country = \"DE\"").await;
    crm.rebuild_all().await;
    let unknown = ContactId::from_uuid(Uuid::from_u128(1));
    assert_eq!(
        crm.segments
            .add(&crm.us, germans, &[bob, cid, unknown])
            .await
            .unwrap(),
        [bob]
    );
    assert_eq!(
        crm.segments.remove(&crm.us, germans, &[ann]).await.unwrap(),
        [ann]
    );
    assert_eq!(
        crm.segments.remove(&crm.us, germans, &[ann]).await.unwrap(),
        []
    );
    for _ in 0..2 {
        assert_eq!(crm.members(germans).await, [bob, cid]);
        for id in [ann, bob, cid] {
            crm.change(id, json!({"city": "Paris"})).await;
        }
        crm.follow().await;
        assert_eq!(crm.members(germans).await, [bob, cid]);
        crm.segments.queue_rebuild(&crm.us, germans).await.unwrap();
        crm.rebuild_all().await;
    }
    crm.change(cid, json!({"country": "FR"})).await;
    crm.follow().await;
    assert_eq!(
        crm.members(germans).await,
        [bob, cid],
        "cid was put in by hand too"
    );
    assert_eq!(
        crm.segments.add(&crm.us, germans, &[ann]).await.unwrap(),
        [ann]
    );
    let why = crm.segments.of_contact(&crm.us, ann).await.unwrap();
    assert_eq!(
        (why[0].segment.id, why[0].member.origin),
        (germans, Origin::Added)
    );
    crm.contacts.delete(&crm.us, bob).await.unwrap();
    assert_eq!(crm.members(germans).await, [ann, cid]);
}

/// Who leaves a mailing list is out of its segment for good, once for each event, and may come back.
pub async fn recipients_leave_and_join_mailing_lists(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.contact(json!({"country": "DE"})).await;
    let germans = crm.segment("Germans", "country = \"DE\"").await;
    let secret = crm.segment("Secret", "country = \"DE\"").await;
    let list_name = UpdateSegment {
        list_name: Some(Some("News".parse().unwrap())),
        ..UpdateSegment::default()
    };
    let list = crm
        .segments
        .update(&crm.us, germans, list_name)
        .await
        .unwrap();
    assert_eq!(crm.segments.find(&crm.us, germans).await.unwrap(), list);
    crm.rebuild_all().await;
    let event = || {
        let ids: &dyn IdSource = &UuidV7Source;
        let event = ContactDeleted { ids: Vec::new() };
        Envelope::seal(
            organization(1),
            &event,
            crm.clock.now(),
            ids,
            Cause::root(ids),
        )
        .unwrap()
    };
    let choose = async |event: &Envelope, id, origin| {
        let choices = [(id, origin), (secret, Origin::Removed)];
        let done = crm
            .segments
            .apply_list_choice("crm.test", event, ann, &choices);
        done.await.unwrap();
    };
    let leaving = event();
    choose(&leaving, germans, Origin::Removed).await;
    crm.change(ann, json!({"city": "Bonn"})).await;
    crm.follow().await;
    assert_eq!(crm.members(germans).await, []);
    assert_eq!(crm.members(secret).await, [ann], "it is no mailing list");
    choose(&event(), germans, Origin::Added).await;
    choose(&leaving, germans, Origin::Removed).await;
    assert_eq!(crm.members(germans).await, [ann], "a repeat does nothing");
}

/// What people decided about one record, and what it did, is true of the one it became.
pub async fn a_merge_takes_memberships_and_engagement_along(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.contact(json!({"country": "DE"})).await;
    let twin = crm.contact(json!({"country": "DE"})).await;
    let germans = crm.segment("Germans", "country = \"DE\"").await;
    let fans = crm.segment("Fans", "").await;
    let readers = crm.segment("Readers", "opened(any) >= 2").await;
    let guests = crm.segment("Guests", "").await;
    crm.rebuild_all().await;
    crm.segments.add(&crm.us, fans, &[twin]).await.unwrap();
    crm.segments
        .add(&crm.us, guests, &[ann, twin])
        .await
        .unwrap();
    crm.segments.remove(&crm.us, guests, &[twin]).await.unwrap();
    crm.segments
        .remove(&crm.us, germans, &[twin])
        .await
        .unwrap();
    let opened = |contact_id| Engaged {
        contact_id,
        kind: EngagementKind::Opened,
        email_id: EmailId::from_uuid(Uuid::from_u128(1)),
        machine: false,
        at: crm.clock.now(),
        count: 1,
    };
    let record = async |contact: ContactId| {
        let event = EventId::generate(&UuidV7Source);
        let engaged = [opened(contact)];
        let recorded = crm
            .engagement
            .record(organization(1), "crm.test", event, &engaged);
        recorded.await.unwrap();
    };
    record(ann).await;
    record(twin).await;
    crm.contacts.merge(&crm.us, ann, twin).await.unwrap();
    crm.follow().await;
    assert_eq!(crm.members(fans).await, [ann]);
    assert_eq!(crm.members(germans).await, [], "taken out by hand");
    assert_eq!(crm.members(guests).await, [], "who leaves stays out");
    assert_eq!(crm.members(readers).await, [ann], "once each");
    for segment in crm.list(&SegmentFilter::default()).await {
        let members = crm.members(segment.id).await.len();
        assert_eq!(segment.member_count, i64::try_from(members).unwrap());
    }
    let more = crm.segment("More", "opened(any) >= 3").await;
    crm.rebuild_all().await;
    record(twin).await;
    crm.follow().await;
    assert_eq!(crm.members(more).await, [ann], "it came late");
}

/// A segment that asks for another follows it, through rebuilds, changes and decisions by hand.
pub async fn segments_follow_segments(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.contact(json!({"country": "DE"})).await;
    let bob = crm.contact(json!({"country": "FR"})).await;
    let germans = crm.segment("Germans", "country = \"DE\"").await;
    let others = crm.segment("Others", "segment != \"germans\"").await;
    let both = crm
        .segment("Both", "segment in (\"Germans\", \"Others\")")
        .await;
    crm.rebuild_all().await;
    assert_eq!(
        (crm.members(others).await, crm.members(both).await),
        (vec![bob], vec![ann, bob])
    );
    crm.change(bob, json!({"country": "DE"})).await;
    crm.follow().await;
    assert_eq!(
        (crm.members(germans).await, crm.members(others).await),
        (vec![ann, bob], vec![])
    );
    assert_eq!(crm.members(both).await, [ann, bob]);
    crm.segments.remove(&crm.us, germans, &[ann]).await.unwrap();
    crm.follow().await;
    assert_eq!(crm.members(others).await, [ann]);
    crm.set_rule(germans, "nobody").await.unwrap();
    crm.rebuild_all().await;
    assert_eq!(crm.members(others).await, [ann, bob]);
    let used = crm.segments.delete(&crm.us, germans).await.unwrap_err();
    assert_eq!(
        used.to_string(),
        "the segment \"Germans\" is used by the rules of \"Others\", \"Both\""
    );
    let cycle = crm
        .set_rule(germans, "segment = \"Both\"")
        .await
        .unwrap_err();
    assert!(matches!(cycle, CrmError::Cycle(_)), "{cycle}");
    let own = crm
        .set_rule(germans, "not segment = \"Germans\"")
        .await
        .unwrap_err();
    assert_eq!(
        own.to_string(),
        "the rule depends on itself: \"Germans\" asks for \"Germans\""
    );
    crm.segments.delete(&crm.us, both).await.unwrap();
    assert!(matches!(
        crm.segments.find(&crm.us, both).await,
        Err(CrmError::SegmentNotFound(_))
    ));
}

/// What people did with emails counts once, and moves them.
pub async fn engagement_counts_once(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.contact(json!({"firstname": "Ann"})).await;
    let email = EmailId::from_uuid(Uuid::from_u128(0xE001));
    let rule = format!("opened(\"{email}\", last 30 days) >= 3");
    let keen = crm.segment("Keen", &rule).await;
    crm.rebuild_all().await;
    crm.follow().await;
    let engaged = |machine, count, contact_id| Engaged {
        contact_id,
        kind: EngagementKind::Opened,
        email_id: email,
        machine,
        at: crm.clock.now(),
        count,
    };
    let unknown = ContactId::from_uuid(Uuid::from_u128(1));
    let first = [
        engaged(false, 1, ann),
        engaged(false, 1, ann),
        engaged(true, 5, ann),
        engaged(false, 9, unknown),
    ];
    let event = |number| EventId::from_uuid(Uuid::from_u128(number));
    assert!(
        crm.engagement
            .record(organization(1), "test", event(1), &first)
            .await
            .unwrap()
    );
    assert!(
        !crm.engagement
            .record(organization(1), "test", event(1), &first)
            .await
            .unwrap()
    );
    crm.follow().await;
    assert_eq!(crm.members(keen).await, []);
    assert!(
        crm.engagement
            .record(organization(1), "test", event(2), &first[..1])
            .await
            .unwrap()
    );
    assert!(
        crm.engagement
            .record(organization(2), "test", event(3), &first)
            .await
            .unwrap()
    );
    crm.follow().await;
    assert_eq!(crm.members(keen).await, [ann]);
    let proof = crm
        .segments
        .explain(&crm.us, keen, ann)
        .await
        .unwrap()
        .proof
        .unwrap();
    assert_eq!(
        (proof.rule, proof.observed.as_deref()),
        (rule, Some("3 times"))
    );
    crm.clock.advance(TimeDelta::days(31));
    crm.rebuild_all().await;
    assert_eq!(crm.members(keen).await, []);
}
