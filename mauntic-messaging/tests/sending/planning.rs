//! Plans: what they wait for, what breaks them, and that nobody else waits for it.

use std::{sync::atomic::Ordering, time::Duration};

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Clock as _, OrganizationId, UuidV7Source, storage::test_database::TestDatabase,
};
use mauntic_messaging::{
    Readiness,
    sending::{JobState, SendStatus, SendTime},
};

use crate::support::{Sink, World, segment};

on_both!(
    what_is_damaged_in_one_organisation_holds_up_no_other,
    a_send_that_cannot_be_planned_holds_up_no_other,
    a_send_waits_until_its_segment_is_up_to_date,
    a_send_to_a_segment_that_is_gone_fails,
    a_send_whose_segment_goes_while_it_is_read_says_so,
    a_send_whose_segment_goes_reaches_those_who_are_planned,
    mail_goes_out_while_the_rest_is_planned,
);

async fn what_is_damaged_in_one_organisation_holds_up_no_other(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(10);
    let other = OrganizationId::generate(&UuidV7Source);
    *world.transports.damaged.lock().unwrap() = Some(other);
    let theirs = Actor::system(other);
    let stuck = world.create_for(&theirs, 1, segment(1), None).await;
    let ours = world.create(1).await;
    let status = world.run_to_the_end(ours).await;
    assert_eq!(status.tally.accepted, 10);
    let status = async || world.service.status(&theirs, stuck).await.unwrap();
    let note = status().await.job.note.unwrap();
    assert!(note.contains("a stored transport is damaged"), "{note}");
    assert_eq!(status().await.tally.accepted, 0);

    *world.transports.damaged.lock().unwrap() = None;
    let finished = async {
        while status().await.job.finished_at.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    world.beside_an_engine(4, finished).await;
    let status = status().await;
    assert_eq!((status.tally.accepted, status.job.note), (10, None));
}

async fn a_send_that_cannot_be_planned_holds_up_no_other(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(10);
    *world.people.unreadable.lock().unwrap() = Some(segment(2));
    let stuck = world.create_for(&world.actor, 1, segment(2), None).await;
    let other = world.create(2).await;
    let status = world.run_to_the_end(other).await;
    assert_eq!(status.tally.accepted, 10);
    let note = world.status(stuck).await.job.note.unwrap();
    assert!(note.contains("a stored segment is damaged"), "{note}");

    *world.people.unreadable.lock().unwrap() = None;
    world.clock.advance(TimeDelta::seconds(11));
    let status = world.run_to_the_end(stuck).await;
    assert_eq!((status.tally.accepted, status.job.note), (10, None));
}

async fn a_send_waits_until_its_segment_is_up_to_date(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(4);
    world
        .people
        .behind(segment(2), Some(Readiness::AwaitsRebuild));
    let at = world.clock.now() - TimeDelta::hours(1);
    let at = Some(SendTime::At(at));
    let waiting = world.create_for(&world.actor, 1, segment(2), at).await;
    let created = world.status(waiting).await.job.created_at;
    let other = world.create(2).await;
    assert_eq!(world.run_to_the_end(other).await.tally.accepted, 4);
    for (readiness, reason) in [
        (Readiness::AwaitsRebuild, "it is being built"),
        (
            Readiness::AwaitsChanges,
            "contacts that changed are being checked",
        ),
    ] {
        world.people.behind(segment(2), Some(readiness));
        world.clock.advance(TimeDelta::seconds(2));
        let note = format!("waits until the segment is up to date: {reason}");
        let is_noted = |status: &SendStatus| status.job.note.as_deref() == Some(&note);
        world.run_until(waiting, is_noted).await;
        let status = world.status(waiting).await;
        assert_eq!(status.job.state, JobState::Planning);
        assert_eq!((status.tally.planned, status.job.started_at), (0, None));
    }
    // What changes later must not hold it up.
    let asked = world.people.asked_as_of.lock().unwrap().clone();
    assert!(asked.contains(&created), "{asked:?}, {created}");
    assert!(asked.iter().all(|as_of| *as_of <= world.clock.now()));

    // What changes before it is resumed counts as well.
    let paused = world.service.pause(&world.actor, waiting).await.unwrap();
    assert_eq!(paused.note, None, "it waits for nothing now");
    world.clock.advance(TimeDelta::minutes(5));
    let resumed_at = world.clock.now();
    let resumed = world.service.resume(&world.actor, waiting).await.unwrap();
    assert!(resumed.scheduled_at >= resumed_at);
    world.people.crowd(10);
    world.people.behind(segment(2), Some(Readiness::Ready));
    world.clock.advance(TimeDelta::seconds(2));
    let status = world.run_to_the_end(waiting).await;
    assert_eq!(status.job.state, JobState::Completed);
    assert_eq!((status.tally.accepted, status.job.note), (10, None));
    let asked = world.people.asked_as_of.lock().unwrap().last().copied();
    assert!(asked >= Some(resumed_at), "{asked:?}, {resumed_at}");
}

async fn a_send_whose_segment_goes_reaches_those_who_are_planned(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    // More than one page of a plan.
    world.people.crowd(5_100);
    world.people.first_page_only.store(true, Ordering::SeqCst);
    let id = world.create(1).await;
    world
        .run_until(id, |status| status.tally.accepted > 0)
        .await;
    world.people.behind(segment(1), None);
    world.clock.advance(TimeDelta::seconds(11));
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.job.state, JobState::Completed);
    assert_eq!(status.tally.accepted, 5_000);
    let note = status.job.note.unwrap();
    assert!(note.contains("its segment was deleted"), "{note}");
}

async fn a_send_to_a_segment_that_is_gone_fails(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(4);
    let id = world.create_for(&world.actor, 1, segment(2), None).await;
    world.people.behind(segment(2), None);
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.job.state, JobState::Failed);
    assert_eq!(status.job.note.as_deref(), Some("its segment was deleted"));
    assert_eq!(world.sink.total(), 0);
}

async fn a_send_whose_segment_goes_while_it_is_read_says_so(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(4);
    *world.people.deleted_after.lock().unwrap() = Some(3);
    let some = world.create(1).await;
    let status = world.run_to_the_end(some).await;
    assert_eq!(status.job.state, JobState::Completed);
    assert_eq!(status.tally.accepted, 3);
    let note = status.job.note.unwrap();
    assert!(note.contains("its segment was deleted"), "{note}");

    // Nobody of it was read: it was ready a moment before.
    *world.people.deleted_after.lock().unwrap() = Some(0);
    let nobody = world.create_for(&world.actor, 2, segment(2), None).await;
    let status = world.run_to_the_end(nobody).await;
    assert_eq!(status.job.state, JobState::Failed);
    assert_eq!(status.job.note.as_deref(), Some("its segment was deleted"));
    assert_eq!(world.sink.total(), 3);
}

async fn mail_goes_out_while_the_rest_is_planned(database: TestDatabase) {
    // More than one page of a plan.
    const PEOPLE: u128 = 5_100;
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(PEOPLE);
    world.people.first_page_only.store(true, Ordering::SeqCst);
    let id = world.create(1).await;
    world
        .run_until(id, |status| status.tally.accepted > 0)
        .await;
    let job = world.status(id).await.job;
    assert_eq!((job.state, job.planned), (JobState::Planning, false));
    assert!(job.started_at.is_some());
    world.people.first_page_only.store(false, Ordering::SeqCst);
    world.clock.advance(TimeDelta::seconds(11));
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.job.state, JobState::Completed);
    assert_eq!(status.tally.accepted, 5_100);
    assert!(world.sink.taken().values().all(|count| *count == 1));
}
