//! How the API shows sends and deliveries.

use chrono::{DateTime, Utc};
use mauntic_messaging::{
    Readiness,
    sending::{
        Delivery, DeliveryState, JobState, Preflight, SendJob, SendStatus, SkipReason, Tally,
        TestResult,
    },
};
use poem_openapi::{Enum, Object};
use uuid::Uuid;

/// Where a send stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "SendState", rename_all = "snake_case")]
enum StateName {
    /// Waits for its time.
    Scheduled,
    /// The audience is being written to the ledger.
    Planning,
    /// Messages are being handed over.
    Sending,
    Paused,
    Cancelled,
    /// Every delivery has its outcome.
    Completed,
    /// It cannot go on; the note says why.
    Failed,
}

impl From<JobState> for StateName {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Scheduled => Self::Scheduled,
            JobState::Planning => Self::Planning,
            JobState::Sending => Self::Sending,
            JobState::Paused => Self::Paused,
            JobState::Cancelled => Self::Cancelled,
            JobState::Completed => Self::Completed,
            JobState::Failed => Self::Failed,
        }
    }
}

/// Why somebody in the audience is not mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "SkipReason", rename_all = "snake_case")]
pub(super) enum SkipReasonName {
    /// The contact is marked do-not-contact for email.
    DoNotContact,
    /// The address is on the suppression list.
    Suppressed,
    /// The address left the mailing list that the send goes to.
    LeftList,
    MissingAddress,
    /// The contact was deleted after planning.
    Deleted,
    /// Another contact of the same send has the address.
    DuplicateAddress,
    /// The contact got this email, or is getting it, from another send.
    AlreadySent,
    /// The message could not be made for this contact.
    NotRenderable,
    /// The send was cancelled before the contact's turn.
    Cancelled,
}

impl From<SkipReason> for SkipReasonName {
    fn from(reason: SkipReason) -> Self {
        match reason {
            SkipReason::DoNotContact => Self::DoNotContact,
            SkipReason::Suppressed => Self::Suppressed,
            SkipReason::LeftList => Self::LeftList,
            SkipReason::MissingAddress => Self::MissingAddress,
            SkipReason::Deleted => Self::Deleted,
            SkipReason::DuplicateAddress => Self::DuplicateAddress,
            SkipReason::AlreadySent => Self::AlreadySent,
            SkipReason::NotRenderable => Self::NotRenderable,
            SkipReason::Cancelled => Self::Cancelled,
        }
    }
}

/// How many are left out for a reason.
#[derive(Debug, Object)]
struct SkippedCount {
    reason: SkipReasonName,
    count: i64,
}

/// The counters of a send. Everybody in the audience is either planned or skipped; everybody planned is
/// accepted, refused, deferred, unknown or waiting.
#[derive(Debug, Object)]
#[oai(rename = "SendCounts")]
struct CountsBody {
    /// Messages to be sent.
    planned: i64,
    /// People left out.
    skipped: i64,
    skipped_by_reason: Vec<SkippedCount>,
    /// Messages that the next host took.
    accepted: i64,
    /// Messages that were refused for good.
    refused: i64,
    /// Messages that were refused for now and are tried again.
    deferred: i64,
    /// Messages that the next host may or may not have taken.
    unknown: i64,
    /// Messages that were not tried yet.
    waiting: i64,
}

impl From<&Tally> for CountsBody {
    fn from(tally: &Tally) -> Self {
        let skipped = tally.skipped.iter();
        Self {
            planned: tally.planned,
            skipped: tally.skipped_total(),
            skipped_by_reason: skipped
                .map(|(reason, count)| SkippedCount {
                    reason: (*reason).into(),
                    count: *count,
                })
                .collect(),
            accepted: tally.accepted,
            refused: tally.refused,
            deferred: tally.deferred,
            unknown: tally.unknown,
            waiting: tally.waiting(),
        }
    }
}

/// What would become of a send.
#[derive(Debug, Object)]
#[oai(rename = "Preflight", skip_serializing_if_is_none)]
pub(super) struct PreflightBody {
    /// How many are in the segment.
    segment_size: u64,
    /// Whether the segment is up to date. If not, a send waits for that, and more or fewer may be in it then.
    up_to_date: bool,
    /// How many of them were looked at: the first ones of a large segment.
    looked_at: u64,
    /// Whether the counts are estimated from those who were looked at, since these were not all.
    estimated: bool,
    /// How many would get a message.
    reachable: u64,
    /// How many would be left out.
    left_out_by_reason: Vec<SkippedCount>,
    /// How many seconds it takes at the least, if there is a limit to the speed.
    seconds: Option<u64>,
    /// Whom it is from; absent if that depends on the recipient.
    from_address: Option<String>,
    /// The sending domain whose keys sign the messages; absent if nothing does.
    signed_by: Option<String>,
    /// Why it cannot be sent as it is.
    refusal: Option<String>,
}

impl From<Preflight> for PreflightBody {
    fn from(flight: Preflight) -> Self {
        let left_out = flight.left_out().into_iter();
        Self {
            segment_size: flight.size,
            up_to_date: flight.readiness == Readiness::Ready,
            looked_at: flight.looked_at,
            estimated: flight.is_estimate(),
            reachable: flight.reachable(),
            left_out_by_reason: left_out
                .map(|(reason, count)| SkippedCount {
                    reason: reason.into(),
                    count: i64::try_from(count).unwrap_or(i64::MAX),
                })
                .collect(),
            seconds: flight.seconds(),
            refusal: flight.sender.refusal(),
            from_address: flight.sender.address.map(|address| address.to_string()),
            signed_by: flight.sender.signed_by.map(|domain| domain.to_string()),
        }
    }
}

/// One email sent to one segment.
#[derive(Debug, Object)]
#[oai(rename = "Send", skip_serializing_if_is_none)]
pub(super) struct SendBody {
    id: Uuid,
    email_id: Uuid,
    /// The version of the email, fixed when the send was made.
    email_version_id: Uuid,
    segment_id: Uuid,
    state: StateName,
    /// When it starts; of a send by local time, when the first clock on earth shows that time.
    scheduled_at: DateTime<Utc>,
    /// The time that each recipient's own clock shows when they get it, if it goes by that.
    local_time: Option<String>,
    /// The time zone that counts for contacts without one, if it goes by local time.
    local_time_fallback: Option<String>,
    /// When the first message could go out.
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// What holds it up or ended it.
    note: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<SendJob> for SendBody {
    fn from(job: SendJob) -> Self {
        let local = job.local_time;
        Self {
            id: job.id.as_uuid(),
            email_id: job.email_id.as_uuid(),
            email_version_id: job.email_version_id.as_uuid(),
            segment_id: job.segment_id.as_uuid(),
            state: job.state.into(),
            scheduled_at: job.scheduled_at,
            local_time: local
                .as_ref()
                .map(|local| local.time.format("%Y-%m-%dT%H:%M:%S").to_string()),
            local_time_fallback: local.map(|local| local.fallback.to_string()),
            started_at: job.started_at,
            finished_at: job.finished_at,
            note: job.note,
            created_at: job.created_at,
        }
    }
}

/// A send with its counters, its rate and the time left.
#[derive(Debug, Object)]
#[oai(rename = "SendStatus", skip_serializing_if_is_none)]
pub(super) struct StatusBody {
    send: SendBody,
    counts: CountsBody,
    /// Messages accepted or refused each second since the start.
    per_second: f64,
    /// When it will be done at that rate, or when the last recipient's time comes if it goes by local time; absent if
    /// nothing is moving or nothing is left.
    eta: Option<DateTime<Utc>>,
    /// When the next recipients' time comes, if it goes by local time and some still wait.
    next_at: Option<DateTime<Utc>>,
}

impl From<SendStatus> for StatusBody {
    fn from(status: SendStatus) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "shown to people, rounded")]
        let per_second = status.rate_millis as f64 / 1_000.0;
        Self {
            counts: (&status.tally).into(),
            per_second,
            eta: status.eta,
            next_at: status.waiting.map(|waiting| waiting.next),
            send: status.job.into(),
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "DeliveryState", rename_all = "snake_case")]
pub(super) enum DeliveryStateName {
    /// To be sent, never tried yet or safely not sent.
    Planned,
    /// A worker is preparing it.
    Leased,
    /// The message may be on the wire.
    HandedOver,
    /// The next host took responsibility for it.
    Accepted,
    /// It was refused for good.
    Refused,
    /// It was refused for now, and is tried again.
    Deferred,
    /// Nobody knows whether the next host took it.
    Unknown,
    /// Not to be sent.
    Skipped,
}

impl From<DeliveryStateName> for DeliveryState {
    fn from(name: DeliveryStateName) -> Self {
        match name {
            DeliveryStateName::Planned => Self::Planned,
            DeliveryStateName::Leased => Self::Leased,
            DeliveryStateName::HandedOver => Self::HandedOver,
            DeliveryStateName::Accepted => Self::Accepted,
            DeliveryStateName::Refused => Self::Refused,
            DeliveryStateName::Deferred => Self::Deferred,
            DeliveryStateName::Unknown => Self::Unknown,
            DeliveryStateName::Skipped => Self::Skipped,
        }
    }
}

impl From<DeliveryState> for DeliveryStateName {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Planned => Self::Planned,
            DeliveryState::Leased => Self::Leased,
            DeliveryState::HandedOver => Self::HandedOver,
            DeliveryState::Accepted => Self::Accepted,
            DeliveryState::Refused => Self::Refused,
            DeliveryState::Deferred => Self::Deferred,
            DeliveryState::Unknown => Self::Unknown,
            DeliveryState::Skipped => Self::Skipped,
        }
    }
}

/// One message to one contact.
#[derive(Debug, Object)]
#[oai(rename = "Delivery", skip_serializing_if_is_none)]
pub(super) struct DeliveryBody {
    id: Uuid,
    contact_id: Uuid,
    /// Where the message goes; absent if the contact has no address.
    address: Option<String>,
    state: DeliveryStateName,
    /// Why it was skipped, if it was.
    skip_reason: Option<SkipReasonName>,
    /// How often a host refused it for now.
    deferrals: u32,
    first_attempt_at: Option<DateTime<Utc>>,
    /// The last reply of the next host, or what went wrong.
    reply: Option<String>,
    updated_at: DateTime<Utc>,
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.as_uuid(),
            contact_id: delivery.contact_id.as_uuid(),
            address: delivery.address.map(|address| address.to_string()),
            state: delivery.state.into(),
            skip_reason: delivery.skip_reason.map(Into::into),
            deferrals: delivery.deferrals,
            first_attempt_at: delivery.first_attempt_at,
            reply: delivery.reply,
            updated_at: delivery.updated_at,
        }
    }
}

/// What became of one test message.
#[derive(Debug, Object)]
#[oai(rename = "TestResult")]
pub(super) struct TestResultBody {
    address: String,
    /// Whether the next host took it.
    accepted: bool,
    /// What the next host said.
    reply: String,
}

impl From<TestResult> for TestResultBody {
    fn from(result: TestResult) -> Self {
        Self {
            address: result.address.to_string(),
            accepted: result.accepted,
            reply: result.reply,
        }
    }
}
