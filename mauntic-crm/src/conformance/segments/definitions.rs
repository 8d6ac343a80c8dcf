//! Segments as people make, find and look at them.

use std::sync::Arc;

use chrono::TimeDelta;
use mauntic_core::{Actor, Clock as _, OrganizationId, PageSize, Role, UserId, UuidV7Source};
use serde_json::json;
use uuid::Uuid;

use super::{crm, worker};
use crate::{
    Change, ContactPatch, CrmError, CrmStore, UpdateContact,
    conformance::{boss, organization},
    segment::{CreateSegment, RuleInput, SegmentFilter, UpdateSegment},
};

/// A preview saves nothing; mistakes in rules are told with their place.
pub async fn a_preview_shows_whom_a_rule_fits(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    for number in 0..12 {
        crm.contact(json!({"points": number, "country": "DE"}))
            .await;
    }
    let text = "country = \"Germany\" and points < 11 and city != \"Rome\"";
    let preview = crm
        .segments
        .preview(&crm.us, RuleInput::Text(text.to_owned()))
        .await
        .unwrap();
    assert_eq!(
        (preview.count, preview.sample.len(), preview.text.as_str()),
        (11, 10, text)
    );
    assert_eq!(crm.list(&SegmentFilter::default()).await, []);
    for (text, message) in [
        (
            "points = 1 and\n contry = \"DE\"",
            "line 2, column 2: no field is called `contry`; did you mean `country`?",
        ),
        (
            "points = 1 and city contains \"\"",
            "line 1, column 16: no contact has an empty text; use `is empty` or `is set`",
        ),
        (
            "segment = \"Nobody\"",
            "line 1, column 11: no segment is called \"Nobody\"",
        ),
    ] {
        let error = crm
            .segments
            .preview(&crm.us, RuleInput::Text(text.to_owned()))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let taken = crm.segment("VIP", "").await;
    assert!(matches!(
        crm.try_segment("vip", "").await,
        Err(CrmError::Taken { .. })
    ));
    let found = crm
        .segments
        .find_by_name(&crm.us, " vip ")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.id, taken);
}

/// Rules name the user in charge by address or id; an address of nobody is a mistake.
pub async fn rules_name_owners_by_address(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.contact(json!({"email": "ann@example.com"})).await;
    crm.contact(json!({"email": "bob@example.com"})).await;
    let patch = ContactPatch {
        owner: Change::Set(boss()),
        ..ContactPatch::default()
    };
    let command = UpdateContact {
        id: ann,
        version: None,
        patch,
    };
    crm.contacts.update(&crm.us, command).await.unwrap();
    let by_address = crm.segment("A", "not owner != \"Boss@Example.com\"").await;
    let by_id = crm
        .segment("I", &format!("owner in (\"{}\")", boss()))
        .await;
    let tree = json!({"field": {"name": "owner", "op": "in", "value": ["boss@example.com"]}});
    let command = CreateSegment {
        name: "T".parse().unwrap(),
        description: String::new(),
        rule: Some(RuleInput::Tree(serde_json::from_value(tree).unwrap())),
    };
    let by_tree = crm.segments.create(&crm.us, command).await.unwrap().id;
    crm.rebuild_all().await;
    for segment in [by_address, by_id, by_tree] {
        assert_eq!(crm.members(segment).await, [ann]);
        let segment = crm.segments.find(&crm.us, segment).await.unwrap();
        let text = crm.segments.rule_text(&crm.us, &segment).await.unwrap();
        assert!(text.unwrap().contains(&boss().to_string()));
    }
    let unknown = crm.try_segment("N", "owner = \"nobody@example.com\"").await;
    let said = unknown.unwrap_err().to_string();
    assert!(said.contains("addresses or ids of members"), "{said}");
}

/// A list is of those whose name has a part, capitals or not, or of those that are being rebuilt; page by page.
pub async fn a_list_of_segments_is_filtered(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let fans = crm.segment("Ünder FANS", "").await;
    crm.segment("Customers", "points > 1").await;
    let buyers = crm.segment("Fans who buy", "points > 2").await;
    let named = async |search: &str| {
        let filter = SegmentFilter {
            search: Some(search.to_owned()),
            building: false,
        };
        let found = crm.list(&filter).await.into_iter();
        found.map(|segment| segment.id).collect::<Vec<_>>()
    };
    assert_eq!(named("fAns").await, [buyers, fans]);
    assert_eq!(named(" ünder ").await, [fans]);
    assert_eq!(named("%").await, []);
    let building = SegmentFilter {
        search: None,
        building: true,
    };
    assert_eq!(crm.list(&building).await, []);
    let now = crm.clock.now();
    let mut uow = store.begin().await.unwrap();
    let until = now + TimeDelta::minutes(1);
    let claimed = uow
        .segments()
        .claim_rebuild(worker(1), now, until, Some(buyers))
        .await
        .unwrap();
    assert!(claimed.is_some());
    uow.commit().await.unwrap();
    let found = crm.list(&building).await;
    assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), [buyers]);
    let both = SegmentFilter {
        search: Some("customers".to_owned()),
        building: true,
    };
    assert_eq!(crm.list(&both).await, []);
    let size = PageSize::clamped(1);
    let filter = SegmentFilter {
        search: Some("fans".to_owned()),
        building: false,
    };
    let first = crm.segments.list(&crm.us, &filter, None, size).await;
    let first = first.unwrap();
    let rest = crm
        .segments
        .list(&crm.us, &filter, first.next.as_deref(), size)
        .await
        .unwrap();
    assert_eq!((first.items[0].id, rest.items[0].id), (buyers, fans));
    assert_eq!(rest.next, None);
}

/// Whoever has no right changes nothing, and other organisations' segments and contacts are unknown.
pub async fn segments_of_others_are_out_of_reach(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.contact(json!({"country": "DE"})).await;
    let ours = crm.segment("Ours", "country = \"DE\"").await;
    crm.rebuild_all().await;
    let member = |organization: OrganizationId, role| {
        Actor::user(organization, UserId::from_uuid(Uuid::from_u128(9)), role)
    };
    let (viewer, stranger) = (
        member(organization(1), Role::Viewer),
        member(organization(2), Role::Owner),
    );
    let service = &crm.segments;
    let create = || CreateSegment {
        name: "X".parse().unwrap(),
        description: String::new(),
        rule: None,
    };
    assert!(matches!(
        service.create(&viewer, create()).await,
        Err(CrmError::Forbidden(_))
    ));
    assert!(matches!(
        service
            .update(&viewer, ours, UpdateSegment::default())
            .await,
        Err(CrmError::Forbidden(_))
    ));
    assert!(matches!(
        service.delete(&viewer, ours).await,
        Err(CrmError::Forbidden(_))
    ));
    assert!(matches!(
        service.add(&viewer, ours, &[ann]).await,
        Err(CrmError::Forbidden(_))
    ));
    assert!(matches!(
        service.remove(&viewer, ours, &[ann]).await,
        Err(CrmError::Forbidden(_))
    ));
    assert!(matches!(
        service.queue_rebuild(&viewer, ours).await,
        Err(CrmError::Forbidden(_))
    ));
    assert_eq!(service.find(&viewer, ours).await.unwrap().member_count, 1);

    let size = PageSize::default();
    let unknown = |error: CrmError| matches!(error, CrmError::SegmentNotFound(id) if id == ours);
    assert!(unknown(service.find(&stranger, ours).await.unwrap_err()));
    assert!(unknown(
        service
            .update(&stranger, ours, UpdateSegment::default())
            .await
            .unwrap_err()
    ));
    assert!(unknown(service.delete(&stranger, ours).await.unwrap_err()));
    assert!(unknown(
        service.add(&stranger, ours, &[ann]).await.unwrap_err()
    ));
    assert!(unknown(
        service.remove(&stranger, ours, &[ann]).await.unwrap_err()
    ));
    assert!(unknown(
        service
            .members(&stranger, ours, None, size)
            .await
            .unwrap_err()
    ));
    assert!(unknown(
        service.explain(&stranger, ours, ann).await.unwrap_err()
    ));
    assert!(unknown(
        service.queue_rebuild(&stranger, ours).await.unwrap_err()
    ));
    assert!(unknown(service.used_by(&stranger, ours).await.unwrap_err()));
    assert!(matches!(
        service.of_contact(&stranger, ann).await,
        Err(CrmError::ContactNotFound(_))
    ));
    assert_eq!(
        service
            .find_by_name(&stranger, &ours.to_string())
            .await
            .unwrap(),
        None
    );
    let any = SegmentFilter::default();
    let seen = service.list(&stranger, &any, None, size).await;
    assert_eq!(seen.unwrap().items, []);
    let everyone = RuleInput::Text("everyone".to_owned());
    assert_eq!(service.preview(&stranger, everyone).await.unwrap().count, 0);
    let asking = CreateSegment {
        rule: Some(RuleInput::Text(format!("segment = \"{ours}\""))),
        ..create()
    };
    assert!(unknown(
        service.create(&stranger, asking).await.unwrap_err()
    ));
    assert_eq!(crm.members(ours).await, [ann]);
}

/// How many members a segment had is known by day, also where nothing changed, and ends with it.
pub async fn growth_is_noted_by_day(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let them = Actor::user(
        organization(2),
        UserId::generate(&UuidV7Source),
        Role::Owner,
    );
    let create = |name: &str| CreateSegment {
        name: name.parse().unwrap(),
        description: String::new(),
        rule: None,
    };
    let fans = crm.segments.create(&crm.us, create("Fans")).await.unwrap();
    let others = crm.segments.create(&them, create("Fans")).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..3 {
        let values = json!({"email": format!("fan{number}@example.com")});
        ids.push(crm.contact(values).await);
    }
    let members = async || {
        let growth = crm.segments.growth(&crm.us, fans.id, 4).await.unwrap();
        growth.iter().map(|day| day.members).collect::<Vec<_>>()
    };
    crm.segments.add(&crm.us, fans.id, &ids[..1]).await.unwrap();
    assert_eq!(members().await, [1], "nothing was noted yet");
    crm.worker.note_counts().await.unwrap();
    crm.segments.add(&crm.us, fans.id, &ids).await.unwrap();
    // Noted again on the same day, the last one counts.
    crm.worker.note_counts().await.unwrap();
    crm.clock.advance(TimeDelta::days(2));
    crm.worker.note_counts().await.unwrap();
    assert_eq!(members().await, [3, 3, 3]);
    crm.segments
        .remove(&crm.us, fans.id, &ids[..2])
        .await
        .unwrap();
    crm.worker.note_counts().await.unwrap();
    crm.segments.add(&crm.us, fans.id, &ids[..2]).await.unwrap();
    // Back to what it was the days before.
    crm.worker.note_counts().await.unwrap();
    crm.segments
        .remove(&crm.us, fans.id, &ids[..1])
        .await
        .unwrap();
    crm.worker.note_counts().await.unwrap();
    crm.clock.advance(TimeDelta::days(1));
    assert_eq!(members().await, [3, 3, 2, 2]);
    crm.clock.advance(TimeDelta::days(4));
    assert_eq!(
        members().await,
        [2, 2, 2, 2, 2],
        "what was noted before goes on"
    );
    let theirs = crm.segments.growth(&them, others.id, 30).await.unwrap();
    assert!(theirs.iter().all(|day| day.members == 0), "{theirs:?}");
    let unknown = crm.segments.growth(&them, fans.id, 30).await;
    assert!(
        matches!(unknown, Err(CrmError::SegmentNotFound(_))),
        "{unknown:?}"
    );
    crm.segments.delete(&crm.us, fans.id).await.unwrap();
    let left = store
        .segments()
        .counts(organization(1), fans.id, chrono::NaiveDate::MIN);
    assert_eq!(left.await.unwrap(), []);
}
