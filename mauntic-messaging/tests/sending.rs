//! Sends from plan to outcome, on both back ends, with people and a mail server made up.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use mauntic_core::{
    Actor, ApiTokenId, Clock as _, DomainEvent as _, OrganizationId, PageSize, Permission,
    Principal, RelayStore, Role, UserId, UuidV7Source,
    storage::{DbOptions, SeaOrmRelayStore, test_database::TestDatabase},
};
use mauntic_messaging::{
    MessagingError, Readiness,
    event::SendNoted,
    sending::{
        DeliveryState, Engine, EngineOptions, HandOver, JobState, LocalTime, SendStatus, SendTime,
        SkipReason, SmtpReply, Stage,
    },
    storage::SeaOrmMessagingStore,
    transport::SendingLimits,
};
use support::{Sink, World, accepted, is, segment};
use tokio::sync::watch;

macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() { super::$case(super::TestDatabase::sqlite()).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() { super::$case(super::TestDatabase::postgres().await).await; })*
        }
    };
}

on_both!(
    everybody_gets_it_once_or_is_left_out_for_a_reason,
    addresses_show_only_to_who_may_read_contacts,
    engines_share_a_send,
    a_crash_neither_doubles_nor_loses,
    a_paused_send_waits_and_goes_on,
    nothing_is_sent_for_a_blocked_organization,
    a_cancelled_send_leaves_out_who_waits,
    what_is_refused_for_now_comes_again,
    a_dead_address_is_suppressed,
    a_refused_sender_stops_the_send,
    a_server_that_is_down_costs_nobody_their_mail,
    a_server_that_is_down_is_noted_until_it_answers,
    a_message_that_breaks_its_connection_holds_up_no_other,
    what_is_damaged_in_one_organisation_holds_up_no_other,
    a_send_that_cannot_be_planned_holds_up_no_other,
    a_send_waits_until_its_segment_is_up_to_date,
    a_send_to_a_segment_that_is_gone_fails,
    a_send_whose_segment_goes_reaches_those_who_are_planned,
    a_look_before_a_send_is_scaled_up_to_the_whole_segment,
    what_an_organisation_changes_reaches_a_running_engine,
    mail_goes_out_while_the_rest_is_planned,
    an_email_that_cannot_be_made_fails_the_send,
    whoever_made_a_send_is_told_what_becomes_of_it,
    limits_hold,
    what_changed_since_the_plan_counts,
    everybody_gets_it_by_their_own_clock,
    who_waits_for_their_clock_is_paused_and_cancelled_with_the_rest,
);

async fn everybody_gets_it_once_or_is_left_out_for_a_reason(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(300);
    world.people.add(1_001, None, false);
    world.people.add(1_002, Some("no@example.com"), true);
    world.people.add(1_003, Some("P1@example.com"), false);
    world.people.add(1_004, Some("broken@example.com"), false);
    let first = world.create(1).await;
    let status = world.run_to_the_end(first).await;
    assert_eq!(status.job.state, JobState::Completed);
    let tally = status.tally;
    assert_eq!((tally.planned, tally.accepted), (300, 300));
    let reasons: Vec<_> = tally.skipped.into_iter().collect();
    assert_eq!(
        reasons,
        [
            (SkipReason::DoNotContact, 1),
            (SkipReason::MissingAddress, 1),
            (SkipReason::DuplicateAddress, 1),
            (SkipReason::NotRenderable, 1),
        ]
    );
    assert_eq!(world.sink.total(), 300);
    assert!(world.sink.taken().values().all(|count| *count == 1));
    let page = world.service.deliveries(
        &world.actor,
        first,
        Some(DeliveryState::Skipped),
        None,
        PageSize::clamped(10),
    );
    let page = page.await.unwrap();
    let reason = Some(SkipReason::NotRenderable);
    let broken = page.items.iter().find(|one| one.skip_reason == reason);
    assert_eq!(
        broken.unwrap().reply.as_deref(),
        Some("nothing to greet"),
        "it is told what was wrong"
    );

    assert_eq!(
        at_domains(&world).await,
        [("example.com".to_owned(), 300, 300)]
    );

    // A second send of the same email reaches only who is new.
    world.people.add(2_000, Some("new@example.com"), false);
    let second = world.create(1).await;
    let tally = world.run_to_the_end(second).await.tally;
    assert_eq!(tally.accepted, 1);
    assert_eq!(tally.skipped[&SkipReason::AlreadySent], 300);
    assert_eq!(world.sink.total(), 301);
}

/// What was planned and accepted at each recipient domain of the first email.
async fn at_domains(world: &World) -> Vec<(String, u64, u64)> {
    let email = mauntic_core::EmailId::from_uuid(uuid::Uuid::from_u128(1));
    let tracking = world.ports.store.tracking();
    let domains = tracking.domains(world.actor.organization_id(), email, 10);
    let domains = domains.await.unwrap().into_iter();
    domains
        .map(|of| (of.domain, of.planned, of.accepted))
        .collect()
}

async fn addresses_show_only_to_who_may_read_contacts(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(3);
    let id = world.create(1).await;
    world.run_to_the_end(id).await;
    for (scopes, shown) in [
        (vec![Permission::EmailsRead], 0),
        (vec![Permission::EmailsRead, Permission::ContactsRead], 3),
    ] {
        let token = ApiTokenId::generate(&UuidV7Source);
        let organization = world.actor.organization_id();
        let scopes = scopes.into_iter().collect();
        let actor = Actor::token(organization, token, Role::Owner, scopes);
        let page = world
            .service
            .deliveries(&actor, id, None, None, PageSize::default());
        let page = page.await.unwrap();
        assert_eq!(page.items.len(), 3);
        let addresses = page.items.iter().filter(|one| one.address.is_some());
        assert_eq!(addresses.count(), shown);
        let replies = page.items.iter().filter(|one| one.reply.is_some());
        assert_eq!(replies.count(), shown);
    }
}

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
    let (stop, stopped) = watch::channel(false);
    let engine = world.engine(4);
    let work = tokio::spawn(async move { engine.run(stopped).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.sink.total(), before);
    stop.send(true).unwrap();
    work.await.unwrap();
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

async fn what_is_refused_for_now_comes_again(database: TestDatabase) {
    let sink = Sink::new(|address, attempt| match attempt {
        1 | 2 if address.starts_with("p7@") => {
            HandOver::Deferred(SmtpReply::new(450, "4.7.1 Greylisted"))
        }
        _ => accepted(),
    });
    let world = World::new(database, sink).await;
    world.people.crowd(20);
    let id = world.create(1).await;
    world
        .run_until(id, |s| s.tally.accepted == 19 && s.tally.deferred == 1)
        .await;
    assert_eq!(world.sink.attempts("p7@example.com"), 1);
    world.clock.advance(TimeDelta::seconds(61));
    world
        .run_until(id, |_| world.sink.attempts("p7@example.com") == 2)
        .await;
    assert_eq!(world.status(id).await.tally.deferred, 1);
    world.clock.advance(TimeDelta::seconds(301));
    let tally = world.run_to_the_end(id).await.tally;
    assert_eq!((tally.accepted, tally.deferred), (20, 0));
}

async fn a_dead_address_is_suppressed(database: TestDatabase) {
    let sink = Sink::new(|address, _| {
        let reply = SmtpReply::new(550, "5.1.1 no such user");
        match address {
            "p3@example.com" => HandOver::Refused(Stage::Recipient, reply),
            _ => accepted(),
        }
    });
    let world = World::new(database, sink).await;
    world.people.crowd(10);
    let first = world.create(1).await;
    let tally = world.run_to_the_end(first).await.tally;
    assert_eq!((tally.accepted, tally.refused), (9, 1));
    let second = world.create(2).await;
    let tally = world.run_to_the_end(second).await.tally;
    assert_eq!(tally.skipped[&SkipReason::Suppressed], 1);
    assert_eq!(tally.accepted, 9);
}

async fn a_refused_sender_stops_the_send(database: TestDatabase) {
    let sink = Sink::new(|_, _| {
        HandOver::Refused(Stage::Sender, SmtpReply::new(550, "5.7.1 not from you"))
    });
    let world = World::new(database, sink).await;
    world.people.crowd(50);
    let id = world.create(1).await;
    world.run_until(id, is(JobState::Paused)).await;
    let status = world.status(id).await;
    assert_eq!(status.tally.refused, 0);
    assert!(status.job.note.unwrap().contains("not from you"));
}

async fn a_server_that_is_down_costs_nobody_their_mail(database: TestDatabase) {
    let sink = Sink::new(|_, attempt| match attempt {
        1 => HandOver::NotSent("no connection".to_owned()),
        _ => accepted(),
    });
    let world = World::new(database, sink).await;
    world.people.crowd(5);
    let id = world.create(1).await;
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.tally.accepted, 5);
    assert_eq!(world.sink.total(), 5);
}

async fn a_server_that_is_down_is_noted_until_it_answers(database: TestDatabase) {
    let up = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&up);
    let sink = Sink::new(move |_, _| {
        if answers.load(Ordering::SeqCst) {
            accepted()
        } else {
            HandOver::NotSent("mail.example.net:25 refuses connections".to_owned())
        }
    });
    let world = World::new(database, sink).await;
    world.people.crowd(20);
    let id = world.create(1).await;
    world.run_until(id, |status| status.job.is_held_up()).await;
    let note = world.status(id).await.job.note.unwrap();
    assert!(
        note.contains("mail.example.net:25 refuses connections"),
        "{note}"
    );
    up.store(true, Ordering::SeqCst);
    world
        .run_until(id, |status| {
            status.tally.accepted > 0 && !status.job.is_held_up()
        })
        .await;
    let status = world.run_to_the_end(id).await;
    assert_eq!((status.tally.accepted, status.job.note), (20, None));
}

async fn a_message_that_breaks_its_connection_holds_up_no_other(database: TestDatabase) {
    let sink = Sink::new(|address, _| match address {
        "p3@example.com" => HandOver::Broken("the connection broke".to_owned()),
        _ => accepted(),
    });
    let world = World::new(database, sink).await;
    world.people.crowd(20);
    let id = world.create(1).await;
    world
        .run_until(id, |s| s.tally.accepted == 19 && s.tally.deferred == 1)
        .await;
    assert_eq!(world.status(id).await.job.note, None);
    assert_eq!(world.sink.attempts("p3@example.com"), 1);
    world.clock.advance(TimeDelta::seconds(61));
    world
        .run_until(id, |_| world.sink.attempts("p3@example.com") == 2)
        .await;
}

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
    let (stop, stopped) = watch::channel(false);
    let engine = world.engine(4);
    let work = tokio::spawn(async move { engine.run(stopped).await });
    while status().await.job.finished_at.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(true).unwrap();
    work.await.unwrap();
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

async fn a_look_before_a_send_is_scaled_up_to_the_whole_segment(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    for number in 1..=2_500_u128 {
        let address = (number % 4 != 0).then(|| format!("p{number}@example.com"));
        world.people.add(number, address.as_deref(), false);
    }
    let email = world.email_with_content(1).await;
    let whole = world.service.preflight(&world.actor, email, segment(1));
    let whole = whole.await.unwrap();
    assert!(!whole.is_estimate());
    assert_eq!((whole.looked_at, whole.reachable()), (2_500, 1_875));
    assert_eq!(whole.left_out()[&SkipReason::MissingAddress], 625);
    assert_eq!(whole.readiness, Readiness::Ready);

    world
        .people
        .behind(segment(1), Some(Readiness::AwaitsChanges));
    let service = world.service.clone().looking_at(1_000);
    let part = service.preflight(&world.actor, email, segment(1)).await;
    let part = part.unwrap();
    assert!(part.is_estimate());
    assert_eq!((part.size, part.looked_at), (2_500, 1_000));
    assert_eq!((part.reachable(), part.left_out_total()), (1_875, 625));
    assert_eq!(part.left_out()[&SkipReason::MissingAddress], 625);
    assert_eq!(part.readiness, Readiness::AwaitsChanges);
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

async fn an_email_that_cannot_be_made_fails_the_send(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(5);
    let id = world.create(666).await;
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.job.state, JobState::Failed);
    assert!(status.job.note.unwrap().contains("no subject"));
    assert_eq!(world.sink.total(), 0);
}

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

async fn limits_hold(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    *world.sink.limits.lock().unwrap() = SendingLimits {
        per_second: Some(40.0),
        ..SendingLimits::default()
    };
    world.people.crowd(100);
    let id = world.create(1).await;
    let start = std::time::Instant::now();
    let other = world.engine(8);
    let (stop, stopped) = watch::channel(false);
    let work = tokio::spawn(async move { other.run(stopped).await });
    world.run_to_the_end(id).await;
    let elapsed = start.elapsed();
    stop.send(true).unwrap();
    work.await.unwrap();
    // The first second's worth goes at once; two engines keep to the limit together.
    assert!(elapsed > Duration::from_millis(1_300), "{elapsed:?}");
    assert!(world.sink.most.load(Ordering::SeqCst) <= 16);
}

async fn what_changed_since_the_plan_counts(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(10);
    let id = world.create(1).await;
    // Plan without sending: the send is paused as soon as it is planned.
    let limits = SendingLimits {
        per_second: Some(0.001),
        ..SendingLimits::default()
    };
    *world.sink.limits.lock().unwrap() = limits;
    world
        .run_until(id, |status| status.tally.accepted == 1)
        .await;
    let sent = world.sink.taken().into_keys().next().unwrap();
    assert_eq!(sent, "p1@example.com");
    world.people.remove(2);
    world.people.add(3, Some("p3@example.com"), true);
    world.people.add(4, None, false);
    world.people.add(5, Some("moved@example.org"), false);
    world.people.add(6, Some("p7@example.com"), false);
    *world.sink.limits.lock().unwrap() = SendingLimits::default();
    let tally = world.run_to_the_end(id).await.tally;
    for reason in [
        SkipReason::Deleted,
        SkipReason::DoNotContact,
        SkipReason::MissingAddress,
        SkipReason::DuplicateAddress,
    ] {
        assert_eq!(tally.skipped[&reason], 1, "{reason:?}");
    }
    assert_eq!((tally.planned, tally.accepted), (6, 6));
    let taken = world.sink.taken();
    assert!(taken.contains_key("moved@example.org"));
    let domains = [
        ("example.com".to_owned(), 5, 5),
        ("example.org".to_owned(), 1, 1),
    ];
    assert_eq!(at_domains(&world).await, domains);
}

/// What a clock shows that is so many hours ahead of UTC.
fn clock_in(world: &World, hours: i64) -> chrono::NaiveDateTime {
    use mauntic_core::Clock as _;
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
