//! Reading contacts from CSV files.

mod encoding;
mod error;
mod format;
mod reader;
#[cfg(test)]
mod reader_tests;

pub use encoding::{TextEncoding, UnknownEncoding};
pub use error::CsvError;
pub use format::{CsvFormat, Delimiter, FormatHints, Sniffed, UnknownDelimiter};
pub use reader::MAX_RECORD;

/// Most columns that a file may have.
pub const MAX_COLUMNS: usize = 1_000;
