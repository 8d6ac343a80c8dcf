/// Why a storage port could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another record already has this value of a unique field.
    #[error("the value of {field} is taken")]
    Conflict {
        /// The record and field, such as `contact.email`.
        field: &'static str,
    },
    /// The record to change is not there, or is another organisation's.
    #[error("there is no such {what}")]
    Missing {
        /// The kind of record, such as `contact`.
        what: &'static str,
    },
    /// A stored row does not make a valid record.
    #[error("a stored {what} is damaged: {detail}")]
    Corrupt {
        /// The kind of record.
        what: &'static str,
        /// Which column is wrong, without personal data.
        detail: String,
    },
    /// Others changed the same at the same time, such as two transactions that waited for each other. Nothing was
    /// changed; the same once more will likely succeed.
    #[error("others were changing the same at the same time; try again")]
    Contended,
    /// The database failed or cannot be reached.
    #[error("the database failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// A stored row that cannot be read back.
    pub fn corrupt(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            what,
            detail: detail.to_string(),
        }
    }

    /// A failure of the back end.
    pub fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Backend(error.into())
    }
}
