use mauntic_core::{Forbidden, StoreError};
use serde::{Deserialize, Serialize};

/// What is wrong with one field of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field, such as `html`.
    pub field: String,
    /// A stable name of the kind of problem, such as `unknown_variable`.
    pub code: String,
    /// What is wrong and how to mend it.
    pub message: String,
    /// The line of the field's text, counted from 1, where it is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Why a use case of messaging did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessagingError {
    /// The actor may not do that.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// There is no such record in the actor's organisation.
    #[error("there is no such {what}")]
    NotFound {
        /// The kind of record, such as `email`.
        what: &'static str,
    },
    /// The name, or another value that must be unique, is another record's.
    #[error("another {what} already has this {field}")]
    Taken {
        /// The kind of record, such as `email`.
        what: &'static str,
        /// The field, such as `name`.
        field: &'static str,
    },
    /// The record was changed by somebody else since it was read.
    #[error("the {what} was changed in the meantime; it is now at version {current}")]
    Outdated {
        /// The kind of record, such as `email`.
        what: &'static str,
        /// The version it has now.
        current: i64,
    },
    /// What is asked does not fit the state of the record, such as resuming what is not paused.
    #[error("the {what} {problem}")]
    WrongState {
        /// The kind of record, such as `send`.
        what: &'static str,
        /// Why not, such as `is already cancelled`.
        problem: &'static str,
    },
    /// Some fields are wrong.
    #[error("{} of the fields given cannot be used", problems.len())]
    Invalid {
        /// All that is wrong with them.
        problems: Vec<FieldProblem>,
    },
    /// The link was not made by this installation, or was changed.
    #[error("the link is not valid")]
    InvalidToken,
    /// There is more to do at the moment than can be done; try again.
    #[error("too much is waiting at the moment; try again shortly")]
    Busy,
    /// A secret cannot be read or made.
    #[error("a stored secret cannot be used")]
    Secret(#[from] mauntic_core::InvalidSecret),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MessagingError {
    /// One wrong field.
    pub fn invalid(
        field: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            problems: vec![FieldProblem {
                field: field.into(),
                code: code.into(),
                message: message.into(),
                line: None,
            }],
        }
    }
}
