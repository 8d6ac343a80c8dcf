//! Engines: several at once, one that crashes, limits, and settings that change.

use std::{sync::atomic::Ordering, time::Duration};

use chrono::TimeDelta;
use mauntic_core::{PageSize, storage::test_database::TestDatabase};
use mauntic_messaging::{
    sending::{DeliveryState, Engine, EngineOptions},
    transport::SendingLimits,
};
use tokio::sync::watch;

use crate::support::{Sink, World};

on_both!(
    engines_share_a_send,
    a_crash_neither_doubles_nor_loses,
    what_an_organisation_changes_reaches_a_running_engine,
    limits_hold,
);

async fn engines_share_a_send(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(400);
    let id = world.create(1).await;
    let (stop, stopped) = watch::channel(false);
    let engines: Vec<_> = (0..3)
        .map(|_| {
            let (engine, stopped) = (world.engine(4), stopped.clone());
            tokio::spawn(async move { engine.run(stopped).await })
        })
        .collect();
    world.run_to_the_end(id).await;
    stop.send(true).unwrap();
    for engine in engines {
        engine.await.unwrap();
    }
    assert_eq!(world.status(id).await.tally.accepted, 400);
    assert_eq!(world.sink.taken().len(), 400);
    assert_eq!(world.sink.total(), 400);
}

async fn a_crash_neither_doubles_nor_loses(database: TestDatabase) {
    const CONNECTIONS: usize = 4;
    let mut sink = Sink::accepting();
    sink.delay = Duration::from_millis(3);
    let world = World::new(database, sink).await;
    world.people.crowd(600);
    let id = world.create(1).await;
    let mut kills = 0;
    // At different points: while enlisting, planning, leasing, handing over, committing.
    for step in 0..12_u64 {
        let (_stop, stopped) = watch::channel(false);
        let engine = world.engine(CONNECTIONS);
        let work = tokio::spawn(async move { engine.run(stopped).await });
        tokio::time::sleep(Duration::from_millis(40 + step * 23 % 170)).await;
        work.abort();
        let _ = work.await;
        kills += 1;
    }
    let status = world.run_to_the_end(id).await;
    let tally = &status.tally;
    let unknown = usize::try_from(tally.unknown).unwrap();
    let accepted = usize::try_from(tally.accepted).unwrap();
    assert_eq!(accepted + unknown, 600, "{tally:?}");
    assert!(unknown <= kills * CONNECTIONS * 2, "{unknown} unknown");
    let taken = world.sink.taken();
    assert!(taken.values().all(|count| *count == 1), "somebody got two");
    assert!(taken.len() >= accepted);
    let page = world
        .service
        .deliveries(
            &world.actor,
            id,
            Some(DeliveryState::Accepted),
            None,
            PageSize::clamped(1_000),
        )
        .await
        .unwrap();
    assert_eq!(page.items.len(), accepted);
    for delivery in page.items {
        assert_eq!(taken[delivery.address.unwrap().as_str()], 1);
    }
    // Somebody decides to send the unknown ones again: nobody is missing any more.
    let retried = world.service.retry_unknown(&world.actor, id).await.unwrap();
    assert_eq!(usize::try_from(retried).unwrap(), unknown);
    let tally = world.run_to_the_end(id).await.tally;
    assert_eq!((tally.accepted, tally.unknown), (600, 0));
    assert_eq!(world.sink.taken().len(), 600);
}

async fn what_an_organisation_changes_reaches_a_running_engine(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    let options = EngineOptions {
        connections: 4,
        batch: 50,
        // It outlives the turn of the clock.
        time_to_live: Duration::from_mins(10),
        idle: Duration::from_millis(20),
    };
    let engine = Engine::new(world.ports.clone(), options);
    let (stop, stopped) = watch::channel(false);
    let work = tokio::spawn(async move { engine.run(stopped).await });
    for (number, domain) in [(1, "example.net"), (2, "bounce.example.net")] {
        *world.builder.domain.lock().unwrap() = domain;
        let address = format!("p{number}@example.com");
        world.people.add(number, Some(&address), false);
        let id = world.create(1).await;
        while world.status(id).await.job.finished_at.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let from = world.sink.from.lock().unwrap()[&address].clone();
        assert!(from.ends_with(&format!("@{domain}")), "{from}");
        world.clock.advance(TimeDelta::seconds(61));
    }
    stop.send(true).unwrap();
    work.await.unwrap();
}

async fn limits_hold(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    *world.sink.limits.lock().unwrap() = SendingLimits {
        per_second: Some(40.0),
        ..SendingLimits::default()
    };
    world.people.crowd(100);
    let id = world.create(1).await;
    let start = std::time::Instant::now();
    let sent = world.beside_an_engine(8, async {
        world.run_to_the_end(id).await;
        start.elapsed()
    });
    let elapsed = sent.await;
    // The first second's worth goes at once; two engines keep to the limit together.
    assert!(elapsed > Duration::from_millis(1_300), "{elapsed:?}");
    assert!(world.sink.most.load(Ordering::SeqCst) <= 16);
}
