use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use mauntic_core::{
    CLOSED, ContactId, EmailId, EmailVersionId, OrganizationId, Principal, SegmentId, SendJobId,
};
use serde::{Deserialize, Serialize};

use super::{Lane, LocalTime, SkipReason};

/// Where a send stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its time.
    Scheduled,
    /// The audience is being written to the ledger, while messages to those who are in it are handed over.
    Planning,
    /// The whole audience is in the ledger, and messages are being handed over.
    Sending,
    /// Somebody stopped it for now.
    Paused,
    /// Somebody stopped it for good.
    Cancelled,
    /// Every delivery has its outcome.
    Completed,
    /// It cannot go on; the note says why.
    Failed,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Planning,
        Self::Sending,
        Self::Paused,
        Self::Cancelled,
        Self::Completed,
        Self::Failed,
    ];

    /// The states in which messages are handed over.
    pub const RUNNING: [Self; 2] = [Self::Planning, Self::Sending];

    /// The name, as it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Planning => "planning",
            Self::Sending => "sending",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether messages are being handed over.
    #[must_use]
    pub fn is_running(self) -> bool {
        Self::RUNNING.contains(&self)
    }

    /// Whether nothing more happens by itself.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed | Self::Failed)
    }
}

/// The text names no state of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a state of a send")]
pub struct UnknownJobState;

impl FromStr for JobState {
    type Err = UnknownJobState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text.trim())
            .ok_or(UnknownJobState)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The send cannot go from its state to the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a send that is {from} cannot be {wanted}")]
pub struct WrongJobState {
    /// Where the send stands.
    pub from: JobState,
    /// What was asked for, such as `paused`.
    pub wanted: &'static str,
}

/// What a note begins with if the mail server cannot be used.
const HELD_UP: &str = "no mail goes out: ";
/// What a note begins with if the rest of the audience cannot be planned.
const NOT_PLANNED: &str = "the rest of the audience cannot be planned: ";

/// What a note begins with until the members of the segment are those that they should be.
const WAITS: &str = "waits until the segment is up to date: ";
/// Why a send ends whose segment is gone before anybody was planned.
const NO_SEGMENT: &str = "its segment was deleted";
/// The note of a send whose segment is gone before everybody was planned.
const CUT_SHORT: &str =
    "its segment was deleted before everybody in it was planned: nobody more is added";

/// One email sent to one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendJob {
    /// Names the send.
    pub id: SendJobId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The email.
    pub email_id: EmailId,
    /// The version of the email, fixed when the send was made.
    pub email_version_id: EmailVersionId,
    /// Who gets it.
    pub segment_id: SegmentId,
    /// How much may be risked to get it through.
    pub lane: Lane,
    /// Where it stands.
    pub state: JobState,
    /// When it starts.
    pub scheduled_at: DateTime<Utc>,
    /// What each recipient's own clock shows when they get it, if they are not to get it as soon as it starts.
    pub local_time: Option<LocalTime>,
    /// The last contact that is in the ledger.
    pub plan_cursor: Option<ContactId>,
    /// Whether the whole audience is in the ledger.
    pub planned: bool,
    /// When the first message could go out.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// What holds it up or ended it, for people to read.
    pub note: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it; not known of sends from before that was kept.
    pub made_by: Option<Principal>,
}

/// What a new send is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSendJob {
    /// Names the send.
    pub id: SendJobId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The email.
    pub email_id: EmailId,
    /// The version to send.
    pub email_version_id: EmailVersionId,
    /// Who gets it.
    pub segment_id: SegmentId,
    /// How much may be risked to get it through.
    pub lane: Lane,
    /// When it starts.
    pub scheduled_at: DateTime<Utc>,
    /// What each recipient's own clock shows when they get it.
    pub local_time: Option<LocalTime>,
    /// Who makes it.
    pub made_by: Principal,
}

impl SendJob {
    /// A send that waits for its time.
    #[must_use]
    pub fn new(new: NewSendJob, now: DateTime<Utc>) -> Self {
        Self {
            id: new.id,
            organization_id: new.organization_id,
            email_id: new.email_id,
            email_version_id: new.email_version_id,
            segment_id: new.segment_id,
            lane: new.lane,
            state: JobState::Scheduled,
            scheduled_at: new.scheduled_at,
            local_time: new.local_time,
            plan_cursor: None,
            planned: false,
            started_at: None,
            finished_at: None,
            note: None,
            created_at: now,
            made_by: Some(new.made_by),
        }
    }

    /// The instant whose members of the segment it goes to.
    #[must_use]
    pub fn begins_at(&self) -> DateTime<Utc> {
        self.scheduled_at.max(self.created_at)
    }

    /// Stops the send until it is resumed.
    ///
    /// # Errors
    /// [`WrongJobState`] if it is over or paused.
    pub fn pause(&mut self) -> Result<(), WrongJobState> {
        match self.state {
            JobState::Scheduled | JobState::Planning | JobState::Sending => {
                self.state = JobState::Paused;
                self.forget_wait();
                Ok(())
            }
            from => Err(WrongJobState {
                from,
                wanted: "paused",
            }),
        }
    }

    /// Stops the send until it is resumed, because nothing is sent for its organisation now.
    ///
    /// # Errors
    /// [`WrongJobState`] if it is over or paused.
    pub fn stand_still(&mut self) -> Result<(), WrongJobState> {
        self.pause()?;
        self.note = Some(CLOSED.to_owned());
        Ok(())
    }

    /// Lets a paused send, or one that failed and whose cause is mended, go on where it was. If nobody is planned yet, it
    /// begins now at the earliest, so that it goes to those who are in the segment now; what recipients' own clocks
    /// show when they get it stays as it is.
    ///
    /// # Errors
    /// [`WrongJobState`] if it is neither.
    pub fn resume(&mut self, now: DateTime<Utc>) -> Result<(), WrongJobState> {
        match self.state {
            JobState::Paused | JobState::Failed => {
                self.go_on();
                if self.state == JobState::Scheduled {
                    self.scheduled_at = self.scheduled_at.max(now);
                }
                Ok(())
            }
            from => Err(WrongJobState {
                from,
                wanted: "resumed",
            }),
        }
    }

    fn go_on(&mut self) {
        self.note = None;
        self.finished_at = None;
        self.state = match (self.planned, self.plan_cursor) {
            (true, _) => JobState::Sending,
            (false, Some(_)) => JobState::Planning,
            // The schedule decides whether it is time.
            (false, None) => JobState::Scheduled,
        };
    }

    /// Stops the send for good.
    ///
    /// # Errors
    /// [`WrongJobState`] if it is over.
    pub fn cancel(&mut self) -> Result<(), WrongJobState> {
        if matches!(self.state, JobState::Cancelled | JobState::Completed) {
            return Err(WrongJobState {
                from: self.state,
                wanted: "cancelled",
            });
        }
        self.state = JobState::Cancelled;
        self.forget_wait();
        // Until everybody who waits is counted as left out.
        self.finished_at = None;
        Ok(())
    }

    /// Sends what is unknown again: a completed send goes on.
    ///
    /// # Errors
    /// [`WrongJobState`] if the send was cancelled or is not planned yet.
    pub fn reopen(&mut self) -> Result<(), WrongJobState> {
        if !self.planned || self.state == JobState::Cancelled {
            return Err(WrongJobState {
                from: self.state,
                wanted: "sent again",
            });
        }
        if self.state == JobState::Completed {
            self.go_on();
        }
        Ok(())
    }

    /// Notes that the mail server cannot be used at the moment; `false` if that is noted already.
    pub fn hold_up(&mut self, reason: &str) -> bool {
        let note = format!("{HELD_UP}{reason}; it is tried again within a minute");
        let news = self.note.as_deref() != Some(&note);
        self.note = Some(note);
        news
    }

    /// Notes that the rest of the audience cannot be planned at the moment; `false` if that is noted already. What holds
    /// up all mail is noted rather than this.
    pub fn stop_planning(&mut self, reason: &str) -> bool {
        let note = format!("{NOT_PLANNED}{reason}; it is tried again in a few seconds");
        let news = !self.is_held_up() && self.note.as_deref() != Some(&note);
        if news {
            self.note = Some(note);
        }
        news
    }

    /// Notes that the audience is not planned before its segment is up to date; `false` if that is noted already. What
    /// holds up all mail is noted rather than this.
    pub fn wait_for_segment(&mut self, reason: &str) -> bool {
        let note = format!("{WAITS}{reason}");
        let news = !self.is_held_up() && self.note.as_deref() != Some(&note);
        if news {
            self.note = Some(note);
        }
        news
    }

    /// Takes back what [`hold_up`](Self::hold_up) noted; `false` if it noted nothing.
    pub fn go_through(&mut self) -> bool {
        let held_up = self.is_held_up();
        if held_up {
            self.note = None;
        }
        held_up
    }

    /// Whether the mail server could not be used when it was tried last.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        self.note
            .as_deref()
            .is_some_and(|note| note.starts_with(HELD_UP))
    }

    /// Ends the send because it cannot go on.
    pub fn fail(&mut self, note: String, now: DateTime<Utc>) {
        self.state = JobState::Failed;
        self.note = Some(note);
        self.finished_at = Some(now);
    }

    /// Notes how far the ledger reaches; without a cursor the whole audience is in it.
    pub fn planned_up_to(&mut self, cursor: Option<ContactId>, now: DateTime<Utc>) {
        self.started_at.get_or_insert(now);
        self.forget_wait();
        if let Some(cursor) = cursor {
            self.plan_cursor = Some(cursor);
            return;
        }
        self.planned = true;
        self.state = JobState::Sending;
    }

    /// Takes back why the audience is not planned yet.
    fn forget_wait(&mut self) {
        self.note
            .take_if(|note| note.starts_with(NOT_PLANNED) || note.starts_with(WAITS));
    }

    /// The segment is gone: nobody more is added to those who are planned. Without anybody, the send fails.
    pub fn lose_segment(&mut self, now: DateTime<Utc>) {
        if self.plan_cursor.is_none() {
            self.fail(NO_SEGMENT.to_owned(), now);
            return;
        }
        self.planned_up_to(None, now);
        self.note = Some(CUT_SHORT.to_owned());
    }

    /// Ends the send because every delivery has its outcome, or was left out when it was cancelled.
    pub fn finish(&mut self, now: DateTime<Utc>) {
        if self.state == JobState::Sending {
            self.state = JobState::Completed;
            self.note.take_if(|note| *note != CUT_SHORT);
        }
        self.finished_at = Some(now);
    }
}

/// The counters of a send, or changes to them.
///
/// Everybody in the audience is either planned or skipped; everybody planned is accepted, refused,
/// deferred, unknown, or waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Deliveries to be made.
    pub planned: i64,
    /// People left out, by reason.
    pub skipped: BTreeMap<SkipReason, i64>,
    /// Messages that the next host took.
    pub accepted: i64,
    /// Messages that were refused for good.
    pub refused: i64,
    /// Messages that were refused for now and will be tried again.
    pub deferred: i64,
    /// Messages that the next host may or may not have taken.
    pub unknown: i64,
}

impl Tally {
    /// Everybody left out.
    #[must_use]
    pub fn skipped_total(&self) -> i64 {
        self.skipped.values().sum()
    }

    /// Planned deliveries that were not tried yet.
    #[must_use]
    pub fn waiting(&self) -> i64 {
        self.planned - self.accepted - self.refused - self.deferred - self.unknown
    }

    /// Adds up.
    pub fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.deferred += other.deferred;
        self.unknown += other.unknown;
        for (reason, count) in &other.skipped {
            self.skip(*reason, *count);
        }
    }

    /// Counts somebody as left out.
    pub fn skip(&mut self, reason: SkipReason, by: i64) {
        *self.skipped.entry(reason).or_default() += by;
    }

    /// The counters by name, without those that are zero.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, i64)> {
        let plain = [
            ("planned", self.planned),
            ("accepted", self.accepted),
            ("refused", self.refused),
            ("deferred", self.deferred),
            ("unknown", self.unknown),
        ];
        let skipped = self.skipped.iter();
        plain
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .chain(skipped.map(|(reason, count)| (format!("skipped:{}", reason.as_str()), *count)))
            .filter(|(_, count)| *count != 0)
            .collect()
    }

    /// Adds to the counter of that name; an unknown name does nothing.
    pub fn add(&mut self, name: &str, count: i64) {
        let counter = match name {
            "planned" => &mut self.planned,
            "accepted" => &mut self.accepted,
            "refused" => &mut self.refused,
            "deferred" => &mut self.deferred,
            "unknown" => &mut self.unknown,
            other => {
                let reason = other.strip_prefix("skipped:").unwrap_or_default();
                if let Some(reason) = SkipReason::from_name(reason) {
                    self.skip(reason, count);
                }
                return;
            }
        };
        *counter += count;
    }
}

/// The times of deliveries that wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Before which none of them goes.
    pub next: DateTime<Utc>,
    /// After which all of them may go.
    pub last: DateTime<Utc>,
}

/// A send with its counters, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendStatus {
    /// The send.
    pub job: SendJob,
    /// Its counters.
    pub tally: Tally,
    /// Messages accepted or refused each second since the start, in thousandths.
    pub rate_millis: i64,
    /// When it will be done at that rate; `None` if nothing is moving or nothing is left.
    pub eta: Option<DateTime<Utc>>,
    /// The times that deliveries wait for, if the send goes by the clocks of its recipients and some wait.
    pub waiting: Option<Waiting>,
}

impl SendStatus {
    /// Derives rate and time left from the counters, and from the times that deliveries wait for.
    #[must_use]
    pub fn derive(
        job: SendJob,
        tally: Tally,
        waiting: Option<Waiting>,
        now: DateTime<Utc>,
    ) -> Self {
        let done = tally.accepted + tally.refused + tally.unknown;
        let until = job.finished_at.unwrap_or(now);
        let elapsed = job
            .started_at
            .map_or(0, |start| (until - start).num_milliseconds());
        let rate_millis = if elapsed > 0 {
            done * 1_000_000 / elapsed
        } else {
            0
        };
        let left = tally.planned - done;
        let moving = job.state == JobState::Sending && rate_millis > 0 && left > 0;
        let eta = moving.then(|| {
            now.checked_add_signed(chrono::TimeDelta::milliseconds(
                left.saturating_mul(1_000_000) / rate_millis,
            ))
        });
        // While deliveries wait for their time, the rate says nothing about the end.
        let last = waiting.map(|times| times.last).filter(|last| *last > now);
        let eta = match last {
            Some(last) => (job.state == JobState::Sending).then_some(last),
            None => eta.flatten(),
        };
        Self {
            job,
            tally,
            rate_millis,
            eta,
            waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

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
}
