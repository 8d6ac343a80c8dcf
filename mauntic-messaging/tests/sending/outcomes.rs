//! What the mail server says, or does not say, and what comes of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::TimeDelta;
use mauntic_core::storage::test_database::TestDatabase;
use mauntic_messaging::sending::{HandOver, JobState, SkipReason, SmtpReply, Stage};

use crate::support::{Sink, World, accepted, is};

on_both!(
    what_is_refused_for_now_comes_again,
    a_dead_address_is_suppressed,
    a_refused_sender_stops_the_send,
    a_server_that_is_down_costs_nobody_their_mail,
    a_server_that_is_down_is_noted_until_it_answers,
    a_message_that_breaks_its_connection_holds_up_no_other,
    an_email_that_cannot_be_made_fails_the_send,
);

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

async fn an_email_that_cannot_be_made_fails_the_send(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(5);
    let id = world.create(666).await;
    let status = world.run_to_the_end(id).await;
    assert_eq!(status.job.state, JobState::Failed);
    assert!(status.job.note.unwrap().contains("no subject"));
    assert_eq!(world.sink.total(), 0);
}
