use super::MAX_COLUMNS;

/// Why a file cannot be read as CSV at all.
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
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
}
