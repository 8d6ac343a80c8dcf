//! Sends that are paused, blocked, and cancelled.

use std::{sync::atomic::Ordering, time::Duration};

use mauntic_core::storage::test_database::TestDatabase;
use mauntic_messaging::{
    MessagingError,
    sending::{JobState, SkipReason},
};

use crate::support::{Sink, World, is};

on_both!(
    a_paused_send_waits_and_goes_on,
    nothing_is_sent_for_a_blocked_organization,
    a_cancelled_send_leaves_out_who_waits,
);

async fn a_paused_send_waits_and_goes_on(database: TestDatabase) {
    let mut sink = Sink::accepting();
    sink.delay = Duration::from_millis(5);
    let world = World::new(database, sink).await;
    world.people.crowd(300);
    let id = world.create(1).await;
    world
        .run_until(id, |status| status.tally.accepted > 20)
        .await;
    world.service.pause(&world.actor, id).await.unwrap();
    let before = world.sink.total();
    let a_moment = tokio::time::sleep(Duration::from_millis(200));
    world.beside_an_engine(4, a_moment).await;
    assert_eq!(world.sink.total(), before);
    world.service.resume(&world.actor, id).await.unwrap();
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.tally.accepted, 300);
    assert_eq!(world.sink.total(), 300);
    let again = world.service.pause(&world.actor, id).await;
    assert!(matches!(again, Err(MessagingError::WrongState { .. })));
}

async fn nothing_is_sent_for_a_blocked_organization(database: TestDatabase) {
    let mut sink = Sink::accepting();
    sink.delay = Duration::from_millis(5);
    let world = World::new(database, sink).await;
    world.people.crowd(300);
    let block = |blocked| world.people.blocked.store(blocked, Ordering::SeqCst);
    block(true);
    let id = world.create(1).await;
    world.run_until(id, is(JobState::Paused)).await;
    assert_eq!(world.sink.total(), 0);
    let note = world.status(id).await.job.note.unwrap();
    assert!(note.contains("blocked"), "{note}");
    block(false);
    world.service.resume(&world.actor, id).await.unwrap();
    world
        .run_until(id, |status| status.tally.accepted > 20)
        .await;
    block(true);
    world.run_until(id, is(JobState::Paused)).await;
    assert!(world.sink.total() < 300);
    block(false);
    world.service.resume(&world.actor, id).await.unwrap();
    let status = world.run_to_the_end(id).await;
    assert_eq!((status.tally.accepted, world.sink.total()), (300, 300));
}

async fn a_cancelled_send_leaves_out_who_waits(database: TestDatabase) {
    let mut sink = Sink::accepting();
    sink.delay = Duration::from_millis(5);
    let world = World::new(database, sink).await;
    world.people.crowd(300);
    let id = world.create(1).await;
    world
        .run_until(id, |status| status.tally.accepted > 20)
        .await;
    world.service.cancel(&world.actor, id).await.unwrap();
    let tally = world.run_to_the_end(id).await.tally;
    assert_eq!(tally.planned, tally.accepted);
    assert_eq!(tally.accepted + tally.skipped[&SkipReason::Cancelled], 300);
    assert_eq!(world.sink.total(), usize::try_from(tally.accepted).unwrap());
    // Those who were left out can get it by another send.
    let second = world.create(1).await;
    world.run_to_the_end(second).await;
    assert_eq!(world.sink.taken().len(), 300);
    assert_eq!(world.sink.total(), 300);
}
