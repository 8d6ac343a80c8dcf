//! What those who made sends are told of them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Clock as _, DomainEvent as _, Principal, RelayStore, Role, UserId, UuidV7Source,
    storage::{DbOptions, SeaOrmRelayStore, test_database::TestDatabase},
};
use mauntic_messaging::{
    event::SendNoted,
    sending::{HandOver, JobState},
    storage::SeaOrmMessagingStore,
};

use crate::support::{Sink, World, accepted, segment};

on_both!(whoever_made_a_send_is_told_what_becomes_of_it);

/// What those who made sends were told since this was asked last, the first first.
async fn noted(outbox: &dyn RelayStore, world: &World) -> Vec<SendNoted> {
    let now = world.clock.now();
    let routes = [(SendNoted::TYPE, "test.makers")];
    while outbox.fan_out(&routes, now, 1_000).await.unwrap() > 0 {}
    let until = now + TimeDelta::minutes(1);
    let pending = outbox.claim(now, until, 1_000).await.unwrap();
    outbox.done(&pending).await.unwrap();
    let told = pending
        .iter()
        .map(|one| one.envelope.open::<SendNoted>().unwrap());
    told.map(Option::unwrap).collect()
}

async fn whoever_made_a_send_is_told_what_becomes_of_it(database: TestDatabase) {
    let store = SeaOrmMessagingStore::connect(&database.target, DbOptions::default());
    let outbox = SeaOrmRelayStore::new(store.await.unwrap().db().clone());
    let up = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&up);
    let sink = Sink::new(move |_, _| {
        if answers.load(Ordering::SeqCst) {
            accepted()
        } else {
            HandOver::NotSent("no answer".to_owned())
        }
    });
    let world = World::new(database, sink).await;
    world.people.crowd(20);
    let user = UserId::generate(&UuidV7Source);
    let maker = Actor::user(world.actor.organization_id(), user, Role::Member);
    let id = world.create_for(&maker, 1, segment(1), None).await;
    let made_by = world.status(id).await.job.made_by;
    assert_eq!(made_by, Some(Principal::User { id: user }));
    world.run_until(id, |status| status.job.is_held_up()).await;
    let told = noted(&*outbox, &world).await;
    assert_eq!(told.len(), 1, "it says the same all the time: {told:?}");
    assert_eq!(
        (told[0].send_job_id, told[0].made_by),
        (id, made_by.unwrap())
    );
    assert!(told[0].state.is_running(), "{told:?}");
    assert!(
        told[0].note.as_ref().unwrap().contains("no answer"),
        "{told:?}"
    );
    up.store(true, Ordering::SeqCst);
    world.run_to_the_end(id).await;
    let told = noted(&*outbox, &world).await;
    let states: Vec<_> = told.iter().map(|one| one.state).collect();
    assert_eq!(states, [JobState::Completed]);

    let broken = world.create_for(&maker, 666, segment(1), None).await;
    world.run_to_the_end(broken).await;
    let told = noted(&*outbox, &world).await;
    assert_eq!((told.len(), told[0].state), (1, JobState::Failed));
    assert!(
        told[0].note.as_ref().unwrap().contains("no subject"),
        "{told:?}"
    );

    // What people do to a send they know, and of what the operator makes there is nobody to tell.
    let stopped = world.create_for(&maker, 2, segment(1), None).await;
    world.service.cancel(&maker, stopped).await.unwrap();
    world.run_to_the_end(stopped).await;
    let quiet = world.create(3).await;
    world.run_to_the_end(quiet).await;
    let told = noted(&*outbox, &world).await;
    assert!(told.is_empty(), "{told:?}");
}
