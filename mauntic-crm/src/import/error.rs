use mauntic_core::{Forbidden, ImportId, SegmentId, StoreError, UserId};

use super::{InvalidMapping, MAX_COLUMNS};

/// Why the rows of a file cannot be read, or not be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// It is some other kind of file.
    #[error("this is not a CSV file: {0}")]
    Binary(&'static str),
    /// Its first row has too many columns.
    #[error("the file has {0} columns; at most {MAX_COLUMNS} can be imported")]
    TooManyColumns(usize),
    /// Its first row does not end.
    #[error("the first row of the file cannot be read: {0}")]
    Header(&'static str),
    /// It is another one than when the import began.
    #[error("the file has changed since the import began; start a new import")]
    Changed,
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
    /// Whom the rows name as owners cannot be found out.
    #[error(
        "the members of the organisation, whom the file names as owners, could not be looked up"
    )]
    Owners(#[source] StoreError),
    /// What is stored of the contacts that the rows are about cannot be found out.
    #[error("the contacts that the file is about could not be looked up")]
    Store(#[source] StoreError),
}

/// Why a use case of imports did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The actor may not do it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// There is no such import, or it is another organisation's.
    #[error("no import has the id {0}")]
    NotFound(ImportId),
    /// There is no such upload, or an import was made of it already.
    #[error("no upload has the id {0}")]
    UploadNotFound(ImportId),
    /// There is no such static segment.
    #[error("no static segment has the id {0}")]
    SegmentNotFound(SegmentId),
    /// The user who is to be in charge is no member of the organisation.
    #[error("no member of the organisation has the id {0}")]
    NotAMember(UserId),
    /// The import is not in a state in which that is possible.
    #[error("the import is {0}")]
    WrongState(super::ImportState),
    /// More bytes than an upload may have.
    #[error("the upload is larger than {max} bytes")]
    TooLarge {
        /// The most bytes.
        max: u64,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// Columns cannot become what was asked.
    #[error(transparent)]
    Mapping(#[from] InvalidMapping),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
