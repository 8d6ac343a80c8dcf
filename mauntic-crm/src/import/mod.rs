//! Importing contacts from CSV files.
//!
//! [`ImportService`] is the way in: it looks at a file ([`Sniffed`]), maps its columns ([`Mapping`]),
//! shows what would happen ([`ImportPreview`]) and makes an [`Import`], which any worker can work on
//! and any other can go on with. A batch of rows and the new place in the file commit together, so
//! that whatever happens no row is lost and none is imported twice.
//!
//! Rows are matched by address, or by another unique field. A row that cannot be imported goes to the
//! report and stops nothing. If a file has several rows about one contact, the last one wins.

mod apply;
mod batch;
mod change;
mod doubts;
mod encoding;
mod error;
mod event;
mod format;
mod glance;
pub(crate) mod guard;
mod headings;
mod look;
mod mapping;
mod model;
mod options;
mod owners;
mod preview;
mod reader;
#[cfg(test)]
mod reader_tests;
mod repeats;
mod report;
mod row;
mod run;
mod service;
mod source;
#[cfg(test)]
mod source_systems;
mod store;
mod tags;
mod tell;
mod upload;

pub use encoding::{TextEncoding, UnknownEncoding};
pub use error::{CsvError, ImportError};
pub use event::ImportEnded;
pub use format::{CsvFormat, Delimiter, FormatHints, Sniffed, UnknownDelimiter};
pub use glance::{Glance, GlancedColumn};
pub(crate) use mapping::ID;
pub use mapping::{ColumnChoice, InvalidMapping, Mapping, Target, UnknownTarget};
pub use model::{
    Import, ImportCounts, ImportPlan, ImportProblem, ImportProgress, ImportSource, ImportState,
    ProblemKind, UnknownImportState, UnknownProblemKind,
};
pub use options::{EmptyCells, Existing, ImportOptions};
pub use preview::{ImportPreview, PreviewRow};
pub use reader::MAX_RECORD;
pub use run::Watch;
pub use service::{CreateImport, ImportFile, ImportService};
pub use store::{ImportQueries, ImportRepository};
pub use upload::Upload;

/// Most columns that a file may have.
pub const MAX_COLUMNS: usize = 1_000;
