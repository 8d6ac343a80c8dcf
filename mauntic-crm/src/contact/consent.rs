use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::field::named;

named! {
    /// A way to reach people.
    Channel, UnknownChannel, "channel";
    /// Email.
    Email => "email",
    /// Text messages.
    Sms => "sms",
    /// Push notifications.
    Push => "push",
}

named! {
    /// Why a contact must not be written to.
    Reason, UnknownReason, "do-not-contact reason";
    /// They said so themselves; no other reason ever replaces this one.
    Unsubscribed => "unsubscribed",
    /// Messages do not arrive.
    Bounced => "bounced",
    /// A user decided so.
    Manual => "manual",
}

impl Channel {
    /// The name of a change of this mark in the history.
    pub(crate) fn change_key(self) -> String {
        format!("do_not_contact.{self}")
    }
}

/// The mark that a contact must not be written to on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoNotContact {
    /// Where.
    pub channel: Channel,
    /// Why.
    pub reason: Reason,
    /// Through what: `manual`, `email:<id>`, `import:<id>`, …
    pub source: String,
    /// What somebody wrote about it; may be empty.
    pub comment: String,
    /// Since when.
    pub at: DateTime<Utc>,
}
