//! Sends that go by the clocks of their recipients.

use chrono::TimeDelta;
use mauntic_core::{Clock as _, storage::test_database::TestDatabase};
use mauntic_messaging::sending::{JobState, LocalTime, SendTime, SkipReason};

use crate::support::{Sink, World};

on_both!(
    everybody_gets_it_by_their_own_clock,
    who_waits_for_their_clock_is_paused_and_cancelled_with_the_rest,
);

/// What a clock shows that is so many hours ahead of UTC.
fn clock_in(world: &World, hours: i64) -> chrono::NaiveDateTime {
    (world.clock.now() + TimeDelta::hours(hours)).naive_utc()
}

async fn everybody_gets_it_by_their_own_clock(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(4);
    // Zones without daylight saving, so that the test is the same all year. POSIX counts them westward.
    world.people.settle_in(1, "Etc/GMT-9");
    world.people.settle_in(2, "Etc/GMT+5");
    world.people.settle_in(3, "Etc/GMT-2");
    // It is that time two hours ahead of UTC now: nine hours ahead it is over, at UTC and behind it is to come.
    let local = LocalTime {
        time: clock_in(&world, 2),
        fallback: "UTC".parse().unwrap(),
    };
    let id = world.create_at(1, Some(SendTime::Local(local))).await;
    world
        .run_until(id, |status| status.tally.accepted == 2)
        .await;
    let got = |addresses: &[&str]| {
        let mut taken: Vec<_> = world.sink.taken().into_keys().collect();
        taken.sort();
        assert_eq!(taken, addresses);
    };
    got(&["p1@example.com", "p3@example.com"]);
    let status = world.status(id).await;
    assert_eq!(status.job.state, JobState::Sending);
    assert_eq!((status.tally.planned, status.tally.waiting()), (4, 2));
    let waiting = status.waiting.unwrap();
    assert_eq!(waiting.last - waiting.next, TimeDelta::hours(5));
    assert_eq!(status.eta, Some(waiting.last));

    world.clock.advance(TimeDelta::hours(2));
    world
        .run_until(id, |status| status.tally.accepted == 3)
        .await;
    got(&["p1@example.com", "p3@example.com", "p4@example.com"]);
    world.clock.advance(TimeDelta::hours(5));
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.job.state, JobState::Completed);
    assert_eq!((status.tally.accepted, status.waiting), (4, None));
    assert_eq!(world.sink.total(), 4);
}

async fn who_waits_for_their_clock_is_paused_and_cancelled_with_the_rest(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(3);
    world.people.settle_in(1, "Etc/GMT-3");
    world.people.settle_in(2, "Etc/GMT+3");
    world.people.settle_in(3, "Etc/GMT+6");
    let local = LocalTime {
        time: clock_in(&world, 2),
        fallback: "UTC".parse().unwrap(),
    };
    let id = world.create_at(1, Some(SendTime::Local(local))).await;
    world
        .run_until(id, |status| status.tally.accepted == 1)
        .await;
    world.service.pause(&world.actor, id).await.unwrap();
    // While it is paused, the time of the second goes by: they get it as soon as it goes on.
    world.clock.advance(TimeDelta::hours(6));
    assert_eq!(world.status(id).await.job.state, JobState::Paused);
    world.service.resume(&world.actor, id).await.unwrap();
    world
        .run_until(id, |status| status.tally.accepted == 2)
        .await;
    world.service.cancel(&world.actor, id).await.unwrap();
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.job.state, JobState::Cancelled);
    assert_eq!(status.tally.skipped[&SkipReason::Cancelled], 1);
    assert_eq!((status.tally.planned, status.waiting), (2, None));
    assert!(!world.sink.taken().contains_key("p3@example.com"));
}
