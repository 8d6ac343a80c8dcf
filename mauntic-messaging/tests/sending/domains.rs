//! How fast mail goes to one recipient domain: as fast as the settings and its server say, and no other waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use mauntic_core::storage::test_database::TestDatabase;
use mauntic_messaging::{
    sending::{HandOver, SmtpReply},
    transport::SendingLimits,
};

use super::support::{Sink, World, accepted};

on_both!(
    a_limit_of_a_domain_holds_up_no_other,
    a_host_that_asks_for_it_gets_less,
);

/// How many messages were taken for addresses of a domain.
fn taken_at(world: &World, domain: &str) -> usize {
    let taken = world.sink.taken();
    let at_domain = taken.iter().filter(|(to, _)| to.ends_with(domain));
    at_domain.map(|(_, count)| *count).sum()
}

async fn a_limit_of_a_domain_holds_up_no_other(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    *world.sink.limits.lock().unwrap() = SendingLimits {
        domains: [("slow.example".to_owned(), 10.0)].into(),
        ..SendingLimits::default()
    };
    world.people.crowd(50);
    for number in 101..=140 {
        let address = format!("p{number}@slow.example");
        world.people.add(number, Some(&address), false);
    }
    let id = world.create(1).await;
    let start = Instant::now();
    world
        .run_until(id, |_| taken_at(&world, "@example.com") == 50)
        .await;
    let slow = taken_at(&world, "@slow.example");
    assert!(slow < 40, "the others do not wait for it: {slow}");
    let tally = world.run_to_the_end(id).await.tally;
    let elapsed = start.elapsed();
    assert_eq!(tally.accepted, 90);
    // 40 at 10 a second: the first second's worth goes at once, and the rest over three.
    assert!(elapsed > Duration::from_millis(2_500), "{elapsed:?}");
}

async fn a_host_that_asks_for_it_gets_less(database: TestDatabase) {
    let is_content = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&is_content);
    let sink = Sink::new(move |address, _| {
        if address.ends_with("@busy.example") && !asks.load(Ordering::SeqCst) {
            HandOver::Deferred(SmtpReply::new(421, "4.7.28 slow down"))
        } else {
            accepted()
        }
    });
    let world = World::new(database, sink).await;
    world.people.crowd(20);
    world.people.add(101, Some("first@busy.example"), false);
    let first = world.create(1).await;
    world
        .run_until(first, |status| {
            status.tally.accepted == 20 && status.tally.deferred == 1
        })
        .await;

    // What is new to that domain is not even tried while it has its pause, and others go.
    is_content.store(true, Ordering::SeqCst);
    world.people.add(21, Some("p21@example.com"), false);
    world.people.add(102, Some("second@busy.example"), false);
    let second = world.create(2).await;
    world
        .run_until(second, |status| status.tally.accepted == 21)
        .await;
    for address in ["first@busy.example", "second@busy.example"] {
        let tried = usize::from(address.starts_with("first"));
        assert_eq!(world.sink.attempts(address), tried, "{address}");
    }

    // The pause is over, and then the refused message is due again as well.
    world.clock.advance(TimeDelta::seconds(20));
    let tally = world.run_to_the_end(second).await.tally;
    assert_eq!((tally.accepted, tally.deferred), (23, 0));
    world.clock.advance(TimeDelta::seconds(61));
    let tally = world.run_to_the_end(first).await.tally;
    assert_eq!((tally.accepted, tally.deferred), (21, 0));
}
