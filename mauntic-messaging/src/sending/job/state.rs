//! Where a send stands.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

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
