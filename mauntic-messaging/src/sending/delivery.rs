use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, DeliveryId, EmailAddress, EmailId, EmailVersionId, OrganizationId, SendJobId,
};
use serde::{Deserialize, Serialize};

/// How much may be risked to get a message through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// At most once: what a crash leaves open stays open until somebody decides.
    Bulk,
    /// At least once: what a crash leaves open is sent again.
    Transactional,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent, never tried yet or safely not sent.
    Planned,
    /// A worker is preparing it.
    Leased,
    /// The intent is recorded: the message may be on the wire from now on.
    HandedOver,
    /// The next host took responsibility for it.
    Accepted,
    /// It was refused for good.
    Refused,
    /// It was refused for now, and is tried again.
    Deferred,
    /// Nobody knows whether the next host took it: the connection or the worker was lost.
    Unknown,
    /// Not to be sent, for a [`SkipReason`].
    Skipped,
}

impl DeliveryState {
    /// All states, in the order of a delivery's life.
    pub const ALL: [Self; 8] = [
        Self::Planned,
        Self::Leased,
        Self::HandedOver,
        Self::Accepted,
        Self::Refused,
        Self::Deferred,
        Self::Unknown,
        Self::Skipped,
    ];

    /// The name, as it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Leased => "leased",
            Self::HandedOver => "handed_over",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Deferred => "deferred",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }

    /// Whether a delivery may go from this state to another directly.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Planned | Self::Deferred => matches!(next, Self::Leased | Self::Skipped),
            Self::Leased => matches!(
                next,
                Self::Planned | Self::Deferred | Self::HandedOver | Self::Skipped
            ),
            // Back to planned or deferred only if the message cannot have been taken.
            Self::HandedOver => matches!(
                next,
                Self::Accepted | Self::Refused | Self::Deferred | Self::Unknown | Self::Planned
            ),
            // A late outcome, or somebody's decision to send again.
            Self::Unknown => matches!(
                next,
                Self::Accepted | Self::Refused | Self::Deferred | Self::Planned
            ),
            Self::Accepted | Self::Refused | Self::Skipped => false,
        }
    }
}

/// The text names no state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a state of a delivery: expected planned, leased, handed_over, accepted, refused, deferred, unknown or skipped"
)]
pub struct UnknownDeliveryState;

impl FromStr for DeliveryState {
    type Err = UnknownDeliveryState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text.trim())
            .ok_or(UnknownDeliveryState)
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why somebody in the audience is not mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The contact is marked do-not-contact for email.
    DoNotContact,
    /// The address is on the suppression list.
    Suppressed,
    /// The address left the mailing list that the send goes to.
    LeftList,
    /// The contact has no email address.
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

impl SkipReason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::DoNotContact,
        Self::Suppressed,
        Self::LeftList,
        Self::MissingAddress,
        Self::Deleted,
        Self::DuplicateAddress,
        Self::AlreadySent,
        Self::NotRenderable,
        Self::Cancelled,
    ];

    /// The name, as it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DoNotContact => "do_not_contact",
            Self::Suppressed => "suppressed",
            Self::LeftList => "left_list",
            Self::MissingAddress => "missing_address",
            Self::Deleted => "deleted",
            Self::DuplicateAddress => "duplicate_address",
            Self::AlreadySent => "already_sent",
            Self::NotRenderable => "not_renderable",
            Self::Cancelled => "cancelled",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// One row of the send ledger: one message to one contact.
///
/// There is one per email, contact, channel and occurrence (but for skipped ones), which is what
/// keeps anybody from being mailed twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Names it; part of tracking links and of the return path.
    pub id: DeliveryId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The send it belongs to.
    pub job_id: SendJobId,
    /// The email.
    pub email_id: EmailId,
    /// The version of the email that is sent.
    pub email_version_id: EmailVersionId,
    /// The recipient.
    pub contact_id: ContactId,
    /// Where the message goes; forgotten when the contact is deleted.
    pub address: Option<EmailAddress>,
    /// The [hash](crate::suppression::address_hash) of the address, which stays.
    pub address_hash: Option<String>,
    /// How much may be risked to get it through.
    pub lane: Lane,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why it was skipped, if it was.
    pub skip_reason: Option<SkipReason>,
    /// How often a host refused it for now.
    pub deferrals: u32,
    /// When it was first handed over.
    pub first_attempt_at: Option<DateTime<Utc>>,
    /// Not to be tried before; the epoch if there is nothing to wait for.
    pub next_attempt_at: DateTime<Utc>,
    /// The last reply of the next host, or what went wrong, such as why the message could not be made.
    pub reply: Option<String>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_taken_never_goes_back_by_itself() {
        for state in DeliveryState::ALL {
            for end in [DeliveryState::Accepted, DeliveryState::Refused] {
                assert!(!end.may_become(state), "{end} → {state}");
            }
        }
        assert!(!DeliveryState::Unknown.may_become(DeliveryState::Leased));
        assert!(!DeliveryState::Planned.may_become(DeliveryState::HandedOver));
    }

    #[test]
    fn names_read_back() {
        for state in DeliveryState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for reason in SkipReason::ALL {
            assert_eq!(SkipReason::from_name(reason.as_str()), Some(reason));
        }
    }
}
