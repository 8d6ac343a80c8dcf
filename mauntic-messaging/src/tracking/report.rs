use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use mauntic_core::{DeliveryId, EmailId, EmailVersionId};
use serde::{Deserialize, Serialize};

use super::{HitKind, Reason};

/// A count with people and programs kept apart. A delivery that both opened counts on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Split {
    /// By a person, as far as one can tell.
    pub human: u64,
    /// By a program, such as a mail scanner or an image proxy.
    pub machine: u64,
}

impl Split {
    /// The side of a verdict.
    pub fn side(&mut self, machine: bool) -> &mut u64 {
        if machine {
            &mut self.machine
        } else {
            &mut self.human
        }
    }
}

/// The results of an email over all its sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EmailReport {
    /// Messages to be sent.
    pub planned: u64,
    /// People left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Messages that the next host took.
    pub accepted: u64,
    /// Messages that were refused for good.
    pub refused: u64,
    /// Messages that were refused for now and are tried again.
    pub deferred: u64,
    /// Messages that the next host may or may not have taken.
    pub unknown: u64,
    /// Refused messages by the class of the refusal, such as `hard`.
    pub bounced: BTreeMap<String, u64>,
    /// Deliveries that were opened; a human click counts as an open too.
    pub opened: Split,
    /// All loads of the pixel.
    pub opens: Split,
    /// Deliveries with a click.
    pub clicked: Split,
    /// All clicks.
    pub clicks: Split,
    /// Deliveries answered with the wish for no more mail.
    pub unsubscribed: Split,
    /// The links, as they are numbered in each version.
    pub links: Vec<LinkReport>,
}

/// What happened on a day, over all emails. Opens, clicks and unsubscribes are deliveries to which that happened for the
/// first time, on the day that it happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DayActivity {
    /// The date, in the zone that was asked for.
    pub date: NaiveDate,
    /// Messages that the next host took.
    pub accepted: u64,
    /// Messages that were refused for good.
    pub refused: u64,
    /// Opened.
    pub opened: Split,
    /// Clicked.
    pub clicked: Split,
    /// Answered with the wish for no more mail.
    pub unsubscribed: Split,
}

/// The results of one link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkReport {
    /// The version of the email that holds it.
    pub version_id: EmailVersionId,
    /// Its number in that version.
    pub link: u16,
    /// Where it leads, if the version still says so.
    pub url: Option<String>,
    /// Deliveries in which it was followed.
    pub clicked: Split,
    /// All clicks.
    pub clicks: Split,
}

/// One thing in the history of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimelineEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// The message.
    pub delivery_id: DeliveryId,
    /// The email.
    pub email_id: EmailId,
    /// What happened.
    pub event: TimelineEvent,
    /// Where the next page starts if this is the last entry of one.
    #[serde(skip)]
    pub cursor: TimelineCursor,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TimelineEvent {
    /// The message was sent, or is to be.
    Delivery {
        /// Where it stands, such as `accepted`.
        state: String,
    },
    /// Somebody, or something, reacted to it.
    Hit {
        /// How.
        hit: HitKind,
        /// The number of the link, for a click.
        link: Option<u16>,
        /// Whether a program did it.
        machine: bool,
        /// Why it is thought so.
        reasons: Vec<Reason>,
    },
}

/// Where the next page of a timeline starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineCursor {
    /// When the last one seen was.
    pub at: DateTime<Utc>,
    /// Its id, which decides among those of one instant.
    pub id: uuid::Uuid,
}
