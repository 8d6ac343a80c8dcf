//! Rules that are applied to everybody.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{Cause, Clock as _, Envelope, IdSource, SegmentId, TimeZoneName, UuidV7Source};
use serde_json::json;

use super::{Crm, crm, worker};
use crate::{ContactDeleted, CrmStore, conformance::organization, segment::Readiness};

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

/// Where the organisation counts its days in another zone, days begin at another moment, also those of the calendar.
pub async fn a_new_zone_moves_people(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    // Half past midnight in Berlin, and the evening before in UTC.
    let seen = crm.clock.now() - TimeDelta::minutes(13 * 60 + 30);
    let ann = crm
        .contact(json!({"email": "ann@example.com", "last_active": seen}))
        .await;
    let day = crm.clock.now().date_naive();
    let moving = crm.segment("Today", "last_active = today").await;
    let fixed = format!("last_active >= \"{day}\"");
    let fixed = crm.segment("Since that day", &fixed).await;
    crm.rebuild_all().await;
    for segment in [moving, fixed] {
        assert_eq!(crm.members(segment).await, [ann]);
    }
    *crm.zone.0.lock().unwrap() = TimeZoneName::utc();
    let event = {
        let ids: &dyn IdSource = &UuidV7Source;
        let changed = ContactDeleted { ids: Vec::new() };
        let cause = Cause::root(ids);
        Envelope::seal(organization(1), &changed, crm.clock.now(), ids, cause).unwrap()
    };
    let apply = async || {
        let applied = crm.segments.apply_timezone("crm.test", &event);
        applied.await.unwrap();
    };
    apply().await;
    crm.rebuild_all().await;
    for segment in [moving, fixed] {
        assert_eq!(crm.members(segment).await, []);
    }
    let found = crm.segments.find(&crm.us, moving).await.unwrap();
    assert_eq!(
        found.next_rebuild_at.unwrap() - crm.clock.now(),
        TimeDelta::hours(12),
        "the next midnight is that of the new zone"
    );
    apply().await;
    assert!(
        !crm.worker.run_due_rebuilds(worker(1)).await.unwrap(),
        "the event was applied already"
    );
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

/// It is known whether a segment is as its rule says, and what came later is not waited for.
pub async fn a_segment_is_known_to_be_up_to_date(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ready = async |id, as_of| readiness(&crm, id, as_of).await;
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
    crm.clock.advance(TimeDelta::seconds(10));
    crm.change(ann, json!({"country": "FR"})).await;
    let later = crm.clock.now();
    assert_eq!(ready(germans, began).await, Some(Readiness::Ready));
    for as_of in [later, later - TimeDelta::seconds(3)] {
        assert_eq!(
            ready(germans, as_of).await,
            Some(Readiness::AwaitsChanges),
            "clocks may differ"
        );
    }
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
    crm.clock.advance(TimeDelta::seconds(10));
    crm.rebuild_all().await;
    let built_at = crm.clock.now();
    crm.clock.advance(TimeDelta::seconds(1));
    queue(germans).await;
    for built in [germans, both] {
        let found = ready(built, began).await;
        assert_eq!(found, Some(Readiness::Ready), "built since then");
    }
    assert_eq!(
        ready(germans, built_at - TimeDelta::seconds(3)).await,
        Some(Readiness::AwaitsRebuild),
        "the clock of who built it may have been ahead"
    );
    queue(both).await;
    assert_eq!(
        ready(both, began).await,
        Some(Readiness::AwaitsRebuild),
        "what its rule asks for may have changed since it was built"
    );
    assert_eq!(ready(SegmentId::generate(&UuidV7Source), began).await, None);
}

/// However often segments are rebuilt, the wait for one whose rule asks for others ends; another rule is waited for.
pub async fn the_wait_for_a_segment_ends(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let queue = async |id| {
        let queued = crm.segments.queue_rebuild(&crm.us, id).await;
        queued.unwrap();
    };
    for country in ["DE", "FR", "FR"] {
        crm.contact(json!({"country": country})).await;
    }
    let germans = crm.segment("Germans", "country = \"DE\"").await;
    let both = crm.segment("Both", "segment = \"Germans\"").await;
    crm.rebuild_all().await;
    crm.follow().await;
    let began = crm.clock.now();
    for (minutes, found) in [(9, Readiness::AwaitsRebuild), (2, Readiness::Ready)] {
        crm.clock.advance(TimeDelta::minutes(minutes));
        queue(germans).await;
        queue(both).await;
        crm.rebuild_all().await;
        crm.clock.advance(TimeDelta::seconds(1));
        queue(germans).await;
        queue(both).await;
        let of_germans = readiness(&crm, germans, began).await;
        assert_eq!(of_germans, Some(Readiness::Ready), "it asks for no other");
        assert_eq!(readiness(&crm, both, began).await, Some(found));
    }

    crm.rebuild_all().await;
    crm.set_rule(germans, "country = \"FR\"").await.unwrap();
    let changed = crm.segments.find(&crm.us, germans).await.unwrap();
    assert_eq!((changed.built_at, changed.is_built()), (None, false));
    for waiting in [germans, both] {
        let found = readiness(&crm, waiting, began).await;
        assert_eq!(found, Some(Readiness::AwaitsRebuild), "another rule");
    }
    crm.rebuild_all().await;
    for built in [germans, both] {
        let found = readiness(&crm, built, began).await;
        assert_eq!(found, Some(Readiness::Ready));
    }
}

async fn readiness(crm: &Crm, segment: SegmentId, as_of: DateTime<Utc>) -> Option<Readiness> {
    let (segments, now) = (crm.store.segments(), crm.clock.now());
    let found = Readiness::of(segments, organization(1), segment, as_of, now).await;
    found.unwrap()
}
