//! Who is in which segment, whatever happens.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Cause, Clock as _, ContactId, EmailId, Envelope, EventId, FixedZone, IdSource,
    OrganizationId, PageSize, Role, SegmentId, UserId, UuidV7Source, WorkerId,
    testing::ManualClock,
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::organization;
use crate::{
    ContactDeleted, ContactService, CreateContact, CrmError, CrmStore, UpdateContact,
    engagement::{Engaged, EngagementRecorder},
    segment::{
        CreateSegment, EngagementKind, NoEmailNames, Origin, Readiness, RuleInput, Segment,
        SegmentFilter, SegmentService, SegmentWorker, UpdateSegment,
    },
};

struct Crm {
    store: Arc<dyn CrmStore>,
    contacts: ContactService,
    segments: SegmentService,
    engagement: EngagementRecorder,
    worker: Arc<SegmentWorker>,
    clock: Arc<ManualClock>,
    us: Actor,
}

fn crm(store: &Arc<dyn CrmStore>) -> Crm {
    let clock = Arc::new(ManualClock::default());
    let ids = Arc::new(UuidV7Source);
    let zones = Arc::new(FixedZone("Europe/Berlin".parse().unwrap()));
    let user = UserId::generate(&*ids);
    Crm {
        store: Arc::clone(store),
        contacts: ContactService::new(Arc::clone(store), clock.clone(), ids.clone(), zones.clone()),
        segments: SegmentService::new(
            Arc::clone(store),
            clock.clone(),
            ids.clone(),
            zones.clone(),
            Arc::new(NoEmailNames),
        ),
        engagement: EngagementRecorder::new(Arc::clone(store), zones.clone(), clock.clone()),
        worker: Arc::new(
            SegmentWorker::new(Arc::clone(store), clock.clone(), ids, zones).with_chunk(3),
        ),
        clock,
        us: Actor::user(organization(1), user, Role::Owner),
    }
}

fn worker(number: u128) -> WorkerId {
    WorkerId::from_uuid(Uuid::from_u128(number))
}

impl Crm {
    async fn contact(&self, values: Json) -> ContactId {
        let values = values.as_object().unwrap().clone();
        let patch = self.contacts.parse(&self.us, &values).await.unwrap();
        let command = CreateContact {
            patch,
            origin: None,
        };
        self.contacts.create(&self.us, command).await.unwrap().id()
    }

    async fn change(&self, id: ContactId, values: Json) {
        let values = values.as_object().unwrap().clone();
        let patch = self.contacts.parse(&self.us, &values).await.unwrap();
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
            .unwrap();
    }

    async fn try_segment(&self, name: &str, rule: &str) -> Result<Segment, CrmError> {
        let command = CreateSegment {
            name: name.parse().unwrap(),
            description: String::new(),
            rule: (!rule.is_empty()).then(|| RuleInput::Text(rule.to_owned())),
        };
        self.segments.create(&self.us, command).await
    }

    async fn segment(&self, name: &str, rule: &str) -> SegmentId {
        self.try_segment(name, rule).await.unwrap().id
    }

    async fn set_rule(&self, id: SegmentId, rule: &str) -> Result<Segment, CrmError> {
        let rule = Some(Some(RuleInput::Text(rule.to_owned())));
        self.segments
            .update(
                &self.us,
                id,
                UpdateSegment {
                    rule,
                    ..UpdateSegment::default()
                },
            )
            .await
    }

    async fn list(&self, filter: &SegmentFilter) -> Vec<Segment> {
        let size = PageSize::default();
        let page = self.segments.list(&self.us, filter, None, size).await;
        page.unwrap().items
    }

    async fn follow(&self) {
        while self.worker.run_incremental(worker(1)).await.unwrap() {}
    }

    async fn rebuild_all(&self) {
        while self.worker.run_due_rebuilds(worker(1)).await.unwrap() {}
    }

    async fn members(&self, id: SegmentId) -> Vec<ContactId> {
        let mut members = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .segments
                .members(&self.us, id, after, PageSize::clamped(4))
                .await
                .unwrap();
            members.extend(page.items.iter().map(|member| member.contact_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(members.is_sorted(), "members come by contact");
        let segment = self.segments.find(&self.us, id).await.unwrap();
        assert_eq!(
            segment.member_count,
            i64::try_from(members.len()).unwrap(),
            "the count is kept"
        );
        members
    }
}

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

/// It is known whether a segment is as its rule says, and what came later is not waited for.
pub async fn a_segment_is_known_to_be_up_to_date(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ready = async |id, as_of| {
        let segments = crm.store.segments();
        let now = crm.clock.now();
        let found = Readiness::of(segments, organization(1), id, as_of, now).await;
        found.unwrap()
    };
    let queue = async |id| {
        let queued = crm.segments.queue_rebuild(&crm.us, id).await;
        queued.unwrap();
    };
    let ann = crm.contact(json!({"country": "DE"})).await;
    for _ in 0..4 {
        crm.contact(json!({"country": "FR"})).await;
    }
    let fans = crm.segment("Fans", "").await;
    let germans = crm.segment("Germans", "country = \"DE\"").await;
    let both = crm.segment("Both", "segment = \"Germans\"").await;
    let began = crm.clock.now();
    assert_eq!(ready(fans, began).await, Some(Readiness::Ready), "no rule");
    for unbuilt in [germans, both] {
        let found = ready(unbuilt, began).await;
        assert_eq!(found, Some(Readiness::AwaitsRebuild), "never built");
    }
    assert!(crm.worker.die_after_one_chunk(worker(1)).await.unwrap());
    assert_eq!(
        ready(germans, began).await,
        Some(Readiness::AwaitsRebuild),
        "being built"
    );
    crm.clock.advance(TimeDelta::minutes(10));
    crm.rebuild_all().await;
    assert_eq!(
        ready(germans, began).await,
        Some(Readiness::AwaitsChanges),
        "ann is new and was not checked yet"
    );
    crm.follow().await;
    for built in [germans, both] {
        assert_eq!(ready(built, began).await, Some(Readiness::Ready));
    }

    let began = crm.clock.now();
    crm.clock.advance(TimeDelta::seconds(1));
    crm.change(ann, json!({"country": "FR"})).await;
    let later = crm.clock.now();
    assert_eq!(ready(germans, began).await, Some(Readiness::Ready));
    assert_eq!(ready(germans, later).await, Some(Readiness::AwaitsChanges));
    assert_eq!(ready(fans, later).await, Some(Readiness::Ready), "no rule");
    let theirs = store.segments().has_dirty_by(organization(2), later).await;
    assert!(!theirs.unwrap(), "another organisation's contacts");
    crm.follow().await;
    assert_eq!(ready(germans, later).await, Some(Readiness::Ready));

    crm.clock.advance(TimeDelta::seconds(1));
    queue(germans).await;
    for waiting in [germans, both] {
        let found = ready(waiting, crm.clock.now()).await;
        assert_eq!(found, Some(Readiness::AwaitsRebuild), "queued");
    }
    queue(both).await;
    let began = crm.clock.now();
    crm.rebuild_all().await;
    crm.clock.advance(TimeDelta::seconds(1));
    queue(germans).await;
    for built in [germans, both] {
        let found = ready(built, began).await;
        assert_eq!(found, Some(Readiness::Ready), "built since then");
    }
    queue(both).await;
    assert_eq!(
        ready(both, began).await,
        Some(Readiness::AwaitsRebuild),
        "what its rule asks for may have changed since it was built"
    );
    assert_eq!(ready(SegmentId::generate(&UuidV7Source), began).await, None);
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

/// A rebuild whose worker is killed goes on where it was, once and by one worker.
pub async fn a_killed_rebuild_goes_on(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let mut all = Vec::new();
    for number in 0..10 {
        all.push(crm.contact(json!({"points": number})).await);
    }
    let some = crm.segment("Some", "points >= 2").await;
    assert!(crm.worker.die_after_one_chunk(worker(1)).await.unwrap());
    let halfway = crm.segments.find(&crm.us, some).await.unwrap();
    assert_eq!(
        halfway.build.map(|build| (build.cursor, build.added)),
        Some((Some(all[2]), 1))
    );
    assert!(
        !crm.worker.run_due_rebuilds(worker(2)).await.unwrap(),
        "the lease still holds"
    );
    crm.clock.advance(TimeDelta::minutes(10));
    crm.change(all[9], json!({"points": 0})).await;
    assert!(crm.worker.run_due_rebuilds(worker(2)).await.unwrap());
    assert_eq!(crm.members(some).await, all[2..9]);
    let built = crm.segments.find(&crm.us, some).await.unwrap();
    assert_eq!((built.build, built.last_added), (None, 7));
    assert_eq!(
        built.built_at,
        Some(crm.clock.now() - TimeDelta::minutes(10)),
        "as of the start"
    );
    assert!(!crm.worker.run_due_rebuilds(worker(1)).await.unwrap());
}

/// Several workers share the rebuilds: every segment is built once.
pub async fn workers_never_do_the_same_twice(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    for number in 0..20 {
        crm.contact(json!({"points": number})).await;
    }
    let mut segments = Vec::new();
    for number in 0..8 {
        segments.push(
            crm.segment(&format!("From {number}"), &format!("points >= {number}"))
                .await,
        );
    }
    let workers = (1..=4).map(|number| {
        let segments = Arc::clone(&crm.worker);
        tokio::spawn(async move {
            let mut done = 0;
            while segments.run_due_rebuilds(worker(number)).await.unwrap() {
                done += 1;
            }
            done
        })
    });
    let mut done = 0;
    for task in workers.collect::<Vec<_>>() {
        done += task.await.unwrap();
    }
    assert_eq!(done, 8);
    for (segment, fewer) in segments.into_iter().zip(0..) {
        assert_eq!(crm.members(segment).await.len(), 20 - fewer);
        assert_eq!(
            crm.segments
                .find(&crm.us, segment)
                .await
                .unwrap()
                .last_added,
            20 - i64::try_from(fewer).unwrap()
        );
    }
}

/// Time alone moves people in and out, at midnight in the organisation's zone.
pub async fn time_moves_people(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.contact(json!({"firstname": "Ann"})).await;
    let new = crm.segment("New", "created_at in the last 1 day").await;
    crm.rebuild_all().await;
    assert_eq!(crm.members(new).await, [ann]);
    // Noon in UTC is 14:00 in Berlin, so tomorrow begins in 10 hours.
    let due = crm
        .segments
        .find(&crm.us, new)
        .await
        .unwrap()
        .next_rebuild_at
        .unwrap();
    assert_eq!(due - crm.clock.now(), TimeDelta::hours(10));
    crm.clock.set(due);
    crm.rebuild_all().await;
    assert_eq!(crm.members(new).await, [ann]);
    crm.clock.advance(TimeDelta::hours(23));
    assert!(!crm.worker.run_due_rebuilds(worker(1)).await.unwrap());
    crm.clock.advance(TimeDelta::hours(1));
    crm.rebuild_all().await;
    assert_eq!(crm.members(new).await, []);
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

/// While contacts change, segments are rebuilt and several workers follow, no change gets lost.
pub async fn no_change_is_lost_in_the_crowd(store: Arc<dyn CrmStore>) {
    let crm = Arc::new(crm(&store));
    let mut all = Vec::new();
    for _ in 0..30 {
        all.push(crm.contact(json!({"points": 0})).await);
    }
    let high = crm.segment("High", "points >= 5").await;
    let low = crm.segment("Low", "segment != \"High\"").await;
    let writers = (0..4_usize).map(|task| {
        let (crm, all) = (Arc::clone(&crm), all.clone());
        tokio::spawn(async move {
            for step in 0..15_usize {
                let id = all[(task * 7 + step * 11) % all.len()];
                crm.change(id, json!({"points": (task + step * 3) % 10}))
                    .await;
            }
        })
    });
    let workers = (0..3_u128).map(|task| {
        let crm = Arc::clone(&crm);
        tokio::spawn(async move {
            for _ in 0..15 {
                if task == 0 {
                    crm.segments.queue_rebuild(&crm.us, high).await.unwrap();
                    crm.worker.run_due_rebuilds(worker(10)).await.unwrap();
                }
                crm.worker.run_incremental(worker(task)).await.unwrap();
            }
        })
    });
    for task in writers.chain(workers).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    crm.follow().await;
    let contacts = crm
        .store
        .contacts()
        .find_many(organization(1), &all)
        .await
        .unwrap();
    let expected: BTreeSet<_> = contacts
        .iter()
        .filter(|contact| contact.parts().points >= 5)
        .map(crate::Contact::id)
        .collect();
    assert_eq!(
        crm.members(high).await.into_iter().collect::<BTreeSet<_>>(),
        expected
    );
    crm.rebuild_all().await;
    assert_eq!(crm.members(low).await.len(), all.len() - expected.len());
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
