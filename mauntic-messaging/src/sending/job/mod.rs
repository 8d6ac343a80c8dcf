//! A send: what it is made of, and the steps from one state to the next, with what it notes for people to read.

mod state;
mod status;
mod tally;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use mauntic_core::{
    CLOSED, ContactId, EmailId, EmailVersionId, OrganizationId, Principal, SegmentId, SendJobId,
};

use super::{Lane, LocalTime};

pub use self::{
    state::{JobState, UnknownJobState, WrongJobState},
    status::{SendStatus, Waiting},
    tally::Tally,
};

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
