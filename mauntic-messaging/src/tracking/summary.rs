use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use mauntic_core::{EmailId, PageSize};
use serde::Serialize;

use super::Split;
use crate::email::EmailName;

/// The results of an email over all its sends, to be held against those of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmailSummary {
    /// The email.
    pub id: EmailId,
    /// What people call it.
    pub name: EmailName,
    /// When its last send began.
    pub last_sent_at: DateTime<Utc>,
    /// Messages to be sent.
    pub planned: u64,
    /// Messages that the next host took.
    pub accepted: u64,
    /// Messages that were refused for good.
    pub refused: u64,
    /// Deliveries that were opened; a human click counts as an open too.
    pub opened: Split,
    /// Deliveries with a click.
    pub clicked: Split,
    /// Deliveries answered with the wish for no more mail.
    pub unsubscribed: u64,
}

/// What a list of results is sorted by, the most first. Rates are parts of the messages that were accepted, but for those
/// that were refused, which are a part of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SummarySort {
    /// When the last send began.
    #[default]
    LastSent,
    /// How many messages were accepted.
    Accepted,
    /// The rate of those that people opened.
    Opened,
    /// The rate of those that people clicked in.
    Clicked,
    /// The rate of those that were refused.
    Refused,
    /// The rate of those that were answered with the wish for no more mail.
    Unsubscribed,
}

impl SummarySort {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::LastSent,
        Self::Accepted,
        Self::Opened,
        Self::Clicked,
        Self::Refused,
        Self::Unsubscribed,
    ];

    /// The name in addresses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastSent => "last_sent",
            Self::Accepted => "accepted",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Refused => "refused",
            Self::Unsubscribed => "unsubscribed",
        }
    }
}

/// The text names nothing that a list of results is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an order: expected last_sent, accepted, opened, clicked, refused or unsubscribed")]
pub struct UnknownSummarySort;

impl FromStr for SummarySort {
    type Err = UnknownSummarySort;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|sort| sort.as_str() == text)
            .ok_or(UnknownSummarySort)
    }
}

/// One page of a list of results: of emails that were sent and not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SummaryListing {
    /// Only emails whose last send began then or later.
    pub since: Option<DateTime<Utc>>,
    /// In what order.
    pub sort: SummarySort,
    /// Behind which email the page starts: what the page before gave as its next, in the same order.
    pub after: Option<SummaryCursor>,
    /// How many.
    pub size: PageSize,
}

/// Where the next page of a list of results starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryCursor {
    /// What the last email is sorted by, as a number.
    pub rank: i64,
    /// The last email.
    pub id: EmailId,
}

impl fmt::Display for SummaryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.rank, self.id)
    }
}

/// The text is not the cursor of a list of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: pass what the page before gave as its next")]
pub struct InvalidSummaryCursor;

impl FromStr for SummaryCursor {
    type Err = InvalidSummaryCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rank, id) = text.split_once('.').ok_or(InvalidSummaryCursor)?;
        let rank = rank.parse().map_err(|_| InvalidSummaryCursor)?;
        let id = id.parse().map_err(|_| InvalidSummaryCursor)?;
        Ok(Self { rank, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_and_orders_read_back() {
        let id = EmailId::from_uuid(uuid::Uuid::from_u128(7));
        let cursor = SummaryCursor { rank: -1, id };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["", "7", "x.1", "1.x"] {
            assert_eq!(wrong.parse::<SummaryCursor>(), Err(InvalidSummaryCursor));
        }
        for sort in SummarySort::ALL {
            assert_eq!(sort.as_str().parse(), Ok(sort));
        }
        assert_eq!("shoes".parse::<SummarySort>(), Err(UnknownSummarySort));
    }
}
