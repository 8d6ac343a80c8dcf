use std::{fmt, path::PathBuf, str::FromStr};

use chrono::{DateTime, Utc};
use mauntic_core::{ImportId, OrganizationId, Principal, WorkerId};
use serde::{Deserialize, Serialize};

use super::{CsvFormat, ImportOptions, Mapping, reader::Place};
use crate::field::named;

named! {
    /// How far an import is.
    ImportState, UnknownImportState, "state of an import";
    /// It waits for a worker.
    Pending => "pending",
    /// A worker is at it.
    Running => "running",
    /// A person stopped it for now.
    Paused => "paused",
    /// All rows were dealt with.
    Completed => "completed",
    /// It cannot go on.
    Failed => "failed",
    /// A person stopped it for good; what was imported stays.
    Cancelled => "cancelled",
}

impl ImportState {
    /// Whether nothing more happens.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Where the bytes of an import are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ImportSource {
    /// A file on the host of the worker.
    Path {
        /// Where.
        path: PathBuf,
    },
    /// An upload, kept in the database until the import has ended.
    Stored,
}

/// What became of the rows so far; each row counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Rows read.
    pub rows: u64,
    /// Rows that made a new contact.
    pub created: u64,
    /// Rows that changed a contact.
    pub updated: u64,
    /// Rows that said nothing new.
    pub unchanged: u64,
    /// Rows that could not be imported; the report says why.
    pub failed: u64,
    /// Rows about a contact that another row of the file is about too: the last one wins.
    pub duplicates: u64,
}

/// What is to be done in an import; it does not change once the import is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportPlan {
    /// What people call it: the name of the file.
    pub name: String,
    /// Where the bytes are.
    pub source: ImportSource,
    /// What tells this content from others.
    pub fingerprint: String,
    /// How many bytes there are.
    pub bytes: u64,
    /// How the file is written.
    pub format: CsvFormat,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// What the columns become.
    pub mapping: Mapping,
    /// What else was asked for.
    pub options: ImportOptions,
    /// Who asked for it.
    pub actor: Principal,
    /// Where the first row stands.
    pub(crate) rows_at: Place,
}

/// One import of a file: what is to be done and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Names the import.
    pub id: ImportId,
    /// Whose contacts they become.
    pub organization_id: OrganizationId,
    /// What is to be done.
    pub plan: ImportPlan,
    /// How far it is.
    pub state: ImportState,
    /// What became of the rows so far.
    pub counts: ImportCounts,
    /// Where the next row starts.
    pub(crate) place: Place,
    /// Time spent on it.
    pub busy_micros: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// Who is at it, and until when others leave it alone.
    pub lease: Option<(WorkerId, DateTime<Utc>)>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Import {
    pub(crate) fn new(
        id: ImportId,
        organization_id: OrganizationId,
        plan: ImportPlan,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            organization_id,
            place: plan.rows_at,
            plan,
            state: ImportState::Pending,
            counts: ImportCounts::default(),
            busy_micros: 0,
            error: None,
            lease: None,
            created_at: now,
            finished_at: None,
        }
    }

    /// Where contacts that it makes come from, and the source of changes that it makes.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("import:{}", self.id)
    }

    /// Where the next row starts: bytes of text before it, the number of its line, and bytes of the file before it.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn place(&self) -> [u64; 3] {
        [self.place.position, self.place.line, self.place.raw]
    }

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn set_place(&mut self, [position, line, raw]: [u64; 3]) {
        self.place = Place {
            position,
            line,
            raw,
        };
    }

    /// How far it is and how long it may take.
    #[must_use]
    pub fn progress(&self) -> ImportProgress {
        #[expect(clippy::cast_precision_loss, reason = "shown to people, rounded")]
        let (done, bytes, seconds, rows) = (
            self.place.raw.min(self.plan.bytes) as f64,
            self.plan.bytes.max(1) as f64,
            self.busy_micros as f64 / 1e6,
            self.counts.rows as f64,
        );
        let fraction = if self.state == ImportState::Completed {
            1.0
        } else {
            done / bytes
        };
        let rate = if seconds > 0.0 { rows / seconds } else { 0.0 };
        let left = (fraction > 0.0 && seconds > 0.0 && !self.state.is_final())
            .then(|| seconds / fraction * (1.0 - fraction));
        ImportProgress {
            state: self.state,
            counts: self.counts,
            fraction,
            rows_per_second: rate,
            seconds,
            seconds_left: left,
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ImportProgress {
    /// Waiting, running, or what became of it.
    pub state: ImportState,
    /// What became of the rows so far.
    pub counts: ImportCounts,
    /// The part of the file that was dealt with, 0 to 1.
    pub fraction: f64,
    /// Rows in a second, over all the time spent on it.
    pub rows_per_second: f64,
    /// Time spent on it.
    pub seconds: f64,
    /// Time that the rest will take at that rate; `None` if nothing is left or nobody knows.
    pub seconds_left: Option<f64>,
}

named! {
    /// Why a row is in the report.
    ProblemKind, UnknownProblemKind, "kind of problem";
    /// It could not be imported.
    Bad => "bad",
    /// A later row is about the same contact.
    Duplicate => "duplicate",
}

/// A row that did not become what the others became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProblem {
    /// The number of the line on which the row starts.
    pub line: u64,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// The column that is wrong, if it is one.
    pub column: Option<String>,
    /// What stands in it.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// The row as it stands in the file; of a duplicate, nothing.
    pub raw: String,
    /// Of a duplicate, the line of the row that won.
    pub other_line: Option<u64>,
}

impl std::ops::AddAssign for ImportCounts {
    fn add_assign(&mut self, more: Self) {
        self.rows += more.rows;
        self.created += more.created;
        self.updated += more.updated;
        self.unchanged += more.unchanged;
        self.failed += more.failed;
        self.duplicates += more.duplicates;
    }
}
