use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::sending::SkipReason;

fn job() -> SendJob {
    let id = Uuid::from_u128(1);
    let new = NewSendJob {
        id: SendJobId::from_uuid(id),
        organization_id: OrganizationId::from_uuid(id),
        email_id: EmailId::from_uuid(id),
        email_version_id: EmailVersionId::from_uuid(id),
        segment_id: SegmentId::from_uuid(id),
        lane: Lane::Bulk,
        scheduled_at: DateTime::UNIX_EPOCH,
        local_time: None,
        made_by: Principal::System,
    };
    SendJob::new(new, DateTime::UNIX_EPOCH)
}

#[test]
fn a_paused_send_goes_on_where_it_was() {
    let mut send = job();
    send.pause().unwrap();
    send.resume(DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(send.state, JobState::Scheduled);
    send.planned_up_to(
        Some(ContactId::from_uuid(Uuid::from_u128(9))),
        DateTime::UNIX_EPOCH,
    );
    send.pause().unwrap();
    send.resume(DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(send.state, JobState::Planning);
    send.planned_up_to(None, DateTime::UNIX_EPOCH);
    send.pause().unwrap();
    assert!(send.pause().is_err());
    send.resume(DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(send.state, JobState::Sending);
}

#[test]
fn what_a_send_waits_for_is_noted_until_it_is_planned() {
    let mut send = job();
    assert!(send.wait_for_segment("it is being built"));
    assert!(!send.wait_for_segment("it is being built"), "no news");
    assert!(send.wait_for_segment("contacts are being checked"));
    let id = ContactId::from_uuid(Uuid::from_u128(9));
    send.planned_up_to(Some(id), DateTime::UNIX_EPOCH);
    assert_eq!(send.note, None);
    send.hold_up("no answer");
    assert!(!send.wait_for_segment("it is being built"));
    assert!(send.is_held_up());
}

#[test]
fn a_send_that_stands_still_or_is_over_waits_for_nothing() {
    let mut paused = job();
    assert!(paused.wait_for_segment("it is being built"));
    let (mut cancelled, mut failed) = (paused.clone(), paused.clone());
    paused.pause().unwrap();
    cancelled.cancel().unwrap();
    failed.fail("its email is gone".to_owned(), DateTime::UNIX_EPOCH);
    assert_eq!((paused.note, cancelled.note), (None, None));
    assert_eq!(failed.note.as_deref(), Some("its email is gone"));
}

#[test]
fn a_send_that_is_resumed_before_anybody_is_planned_begins_anew() {
    let mut send = job();
    let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
    send.pause().unwrap();
    send.resume(now).unwrap();
    assert_eq!((send.state, send.begins_at()), (JobState::Scheduled, now));
    send.pause().unwrap();
    send.resume(DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(send.begins_at(), now, "its time is still to come");
    let id = ContactId::from_uuid(Uuid::from_u128(9));
    send.planned_up_to(Some(id), now);
    send.pause().unwrap();
    send.resume(now + TimeDelta::hours(1)).unwrap();
    assert_eq!((send.state, send.begins_at()), (JobState::Planning, now));
}

#[test]
fn without_its_segment_a_send_goes_to_those_who_are_planned() {
    let mut nobody = job();
    nobody.lose_segment(DateTime::UNIX_EPOCH);
    assert_eq!(nobody.state, JobState::Failed);
    assert_eq!(nobody.note.as_deref(), Some(NO_SEGMENT));

    let mut some = job();
    let id = ContactId::from_uuid(Uuid::from_u128(9));
    some.planned_up_to(Some(id), DateTime::UNIX_EPOCH);
    some.lose_segment(DateTime::UNIX_EPOCH);
    assert_eq!((some.state, some.planned), (JobState::Sending, true));
    some.finish(DateTime::UNIX_EPOCH);
    assert_eq!(some.state, JobState::Completed);
    assert_eq!(some.note.as_deref(), Some(CUT_SHORT));
}

#[test]
fn what_is_over_stays_over() {
    let mut send = job();
    send.planned_up_to(None, DateTime::UNIX_EPOCH);
    send.finish(DateTime::UNIX_EPOCH);
    assert!(send.pause().is_err());
    assert!(send.resume(DateTime::UNIX_EPOCH).is_err());
    assert!(send.cancel().is_err());
}

#[test]
fn rate_and_time_left_follow_from_the_counters() {
    let mut send = job();
    send.planned_up_to(None, DateTime::UNIX_EPOCH);
    let tally = Tally {
        planned: 300,
        accepted: 90,
        refused: 10,
        ..Tally::default()
    };
    let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(10);
    let status = SendStatus::derive(send.clone(), tally.clone(), None, now);
    assert_eq!(status.rate_millis, 10_000);
    assert_eq!(status.eta, Some(now + TimeDelta::seconds(20)));

    let waiting = Waiting {
        next: now + TimeDelta::minutes(30),
        last: now + TimeDelta::hours(5),
    };
    let status = SendStatus::derive(send, tally, Some(waiting), now);
    assert_eq!(status.eta, Some(waiting.last));
}

#[test]
fn counters_read_back_by_name() {
    let mut tally = Tally {
        planned: 3,
        unknown: 1,
        ..Tally::default()
    };
    tally.skip(SkipReason::Suppressed, 2);
    let mut again = Tally::default();
    for (name, count) in tally.entries() {
        again.add(&name, count);
    }
    assert_eq!(again, tally);
    assert_eq!(again.waiting(), 2);
}
