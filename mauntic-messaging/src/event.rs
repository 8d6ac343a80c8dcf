//! What messaging tells other contexts: events, written to the outbox with the change they tell of.
//!
//! Events are batch-shaped, since sends, hits and bounces come in batches. All are about one email.

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, DeliveryId, DomainEvent, EmailId, Principal, SegmentId, SendJobId};
use serde::{Deserialize, Serialize};

use crate::sending::JobState;

/// Most contacts that one event names; a larger batch becomes several events.
pub const MAX_EVENT_ITEMS: usize = 1_000;

/// Messages were accepted by the receiving side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailsSent {
    /// The email that was sent.
    pub email_id: EmailId,
    /// The send that they are part of, if they are.
    pub send_job_id: Option<SendJobId>,
    /// To whom.
    pub sent: Vec<Sent>,
}

/// One accepted message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// To whom.
    pub contact_id: ContactId,
    /// The row of the ledger.
    pub delivery_id: DeliveryId,
    /// When it was accepted.
    pub at: DateTime<Utc>,
}

impl DomainEvent for EmailsSent {
    const TYPE: &'static str = "messaging.emails_sent.v1";
}

/// An email was opened. A click that is not preceded by an open counts as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailsOpened {
    /// The email.
    pub email_id: EmailId,
    /// Who opened it, at most one entry for a delivery, verdict and batch of hits.
    pub opened: Vec<Engagement>,
}

impl DomainEvent for EmailsOpened {
    const TYPE: &'static str = "messaging.emails_opened.v1";
}

/// Links of an email were clicked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailsClicked {
    /// The email.
    pub email_id: EmailId,
    /// Who clicked, at most one entry for a delivery, verdict and batch of hits.
    pub clicked: Vec<Engagement>,
}

impl DomainEvent for EmailsClicked {
    const TYPE: &'static str = "messaging.emails_clicked.v1";
}

/// One contact's opens or clicks of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engagement {
    /// Who.
    pub contact_id: ContactId,
    /// The row of the ledger.
    pub delivery_id: DeliveryId,
    /// Whether a program did it, such as a mail scanner, and not a person.
    pub machine: bool,
    /// When the first of them was.
    pub at: DateTime<Utc>,
    /// How many hits.
    pub count: u32,
    /// Whether these are the delivery's first with this verdict.
    pub first: bool,
}

/// Messages were refused for good, or came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailsBounced {
    /// The email.
    pub email_id: EmailId,
    /// Whose messages.
    pub bounced: Vec<Bounced>,
}

impl DomainEvent for EmailsBounced {
    const TYPE: &'static str = "messaging.emails_bounced.v1";
}

/// One message that bounced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounced {
    /// To whom it should have gone.
    pub contact_id: ContactId,
    /// The row of the ledger.
    pub delivery_id: DeliveryId,
    /// When it bounced.
    pub at: DateTime<Utc>,
    /// Whether the address is dead (`true`), or the message was refused for another reason.
    pub hard: bool,
    /// The class of the bounce, such as `unknown_user` or `policy`.
    pub class: String,
}

/// Somebody asked for no more mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscribed {
    /// Who.
    pub contact_id: ContactId,
    /// The message that was answered so.
    pub delivery_id: DeliveryId,
    /// The email.
    pub email_id: EmailId,
    /// When.
    pub at: DateTime<Utc>,
}

impl DomainEvent for Unsubscribed {
    const TYPE: &'static str = "messaging.unsubscribed.v1";
}

/// Somebody left or joined mailing lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListsChosen {
    /// Who.
    pub contact_id: ContactId,
    /// The message whose link or page was used.
    pub delivery_id: DeliveryId,
    /// The email.
    pub email_id: EmailId,
    /// The lists that they are not on any more.
    pub left: Vec<SegmentId>,
    /// The lists that they are on now.
    pub joined: Vec<SegmentId>,
    /// When.
    pub at: DateTime<Utc>,
}

impl DomainEvent for ListsChosen {
    const TYPE: &'static str = "messaging.lists_chosen.v1";
}

/// Somebody who had asked for no more mail asked for it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resubscribed {
    /// Who.
    pub contact_id: ContactId,
    /// The message whose page was used.
    pub delivery_id: DeliveryId,
    /// The email.
    pub email_id: EmailId,
    /// When.
    pub at: DateTime<Utc>,
}

impl DomainEvent for Resubscribed {
    const TYPE: &'static str = "messaging.resubscribed.v1";
}

/// Something became of a send that whoever made it waits for, or must know: it is over, it was paused by itself, or no
/// mail goes out at the moment. What people do to a send is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendNoted {
    /// The send.
    pub send_job_id: SendJobId,
    /// Its email.
    pub email_id: EmailId,
    /// Where it stands; one that is running is held up.
    pub state: JobState,
    /// Why, for people to read.
    pub note: Option<String>,
    /// Who made it.
    pub made_by: Principal,
}

impl DomainEvent for SendNoted {
    const TYPE: &'static str = "messaging.send_noted.v1";
}
