//! How the API shows imports.

use chrono::{DateTime, Utc};
use mauntic_crm::import::{
    Import, ImportCounts, ImportPreview, ImportProblem, ImportProgress, ImportState, PreviewRow,
    ProblemKind, Target,
};
use poem_openapi::{Enum, Object};
use uuid::Uuid;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ImportState", rename_all = "lowercase")]
enum StateName {
    Pending,
    Running,
    Paused,
    Completed,
    Failed,
    Cancelled,
}

impl From<ImportState> for StateName {
    fn from(state: ImportState) -> Self {
        match state {
            ImportState::Pending => Self::Pending,
            ImportState::Running => Self::Running,
            ImportState::Paused => Self::Paused,
            ImportState::Completed => Self::Completed,
            ImportState::Failed => Self::Failed,
            ImportState::Cancelled => Self::Cancelled,
        }
    }
}

/// What became of the rows; each row counts once.
#[derive(Debug, Object)]
#[oai(rename = "ImportCounts")]
struct CountsBody {
    /// Rows read.
    rows: u64,
    /// Rows that made a new contact.
    created: u64,
    /// Rows that changed a contact.
    updated: u64,
    /// Rows that said nothing new.
    unchanged: u64,
    /// Rows that could not be imported; the report says why.
    failed: u64,
    /// Rows about a contact that another row of the file is about too.
    duplicates: u64,
}

impl From<ImportCounts> for CountsBody {
    fn from(counts: ImportCounts) -> Self {
        Self {
            rows: counts.rows,
            created: counts.created,
            updated: counts.updated,
            unchanged: counts.unchanged,
            failed: counts.failed,
            duplicates: counts.duplicates,
        }
    }
}

/// How far an import is and how long it may take.
#[derive(Debug, Object)]
#[oai(rename = "ImportProgress", skip_serializing_if_is_none)]
pub(super) struct ProgressBody {
    state: StateName,
    counts: CountsBody,
    /// The part of the file that was dealt with, 0 to 1.
    fraction: f64,
    rows_per_second: f64,
    /// Time spent on it.
    seconds: f64,
    /// Time that the rest will take at that rate; absent if nothing is left or nobody knows.
    seconds_left: Option<f64>,
}

impl From<ImportProgress> for ProgressBody {
    fn from(progress: ImportProgress) -> Self {
        Self {
            state: progress.state.into(),
            counts: progress.counts.into(),
            fraction: progress.fraction,
            rows_per_second: progress.rows_per_second,
            seconds: progress.seconds,
            seconds_left: progress.seconds_left,
        }
    }
}

/// A column of a file and what it becomes.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
struct ImportColumn {
    /// The name that the file gives it.
    column: String,
    /// The alias of a field, or `full_name`, `tags`, `owner`, `stage`, …; absent if it is left out.
    field: Option<String>,
}

fn columns<'a>(pairs: impl Iterator<Item = (&'a String, Option<&'a Target>)>) -> Vec<ImportColumn> {
    let present = |(column, target): (&String, Option<&Target>)| ImportColumn {
        column: column.clone(),
        field: target.map(Target::to_string),
    };
    pairs.map(present).collect()
}

/// One import of a file.
#[derive(Debug, Object)]
#[oai(rename = "Import", skip_serializing_if_is_none)]
pub(super) struct ImportBody {
    id: Uuid,
    name: String,
    bytes: u64,
    encoding: String,
    delimiter: String,
    header: bool,
    columns: Vec<ImportColumn>,
    progress: ProgressBody,
    /// Why it failed.
    error: Option<String>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<Import> for ImportBody {
    fn from(import: Import) -> Self {
        let plan = &import.plan;
        Self {
            id: import.id.as_uuid(),
            name: plan.name.clone(),
            bytes: plan.bytes,
            encoding: plan.format.encoding.to_string(),
            delimiter: plan.format.delimiter.to_string(),
            header: plan.format.header,
            columns: columns(plan.columns.iter().zip(plan.mapping.targets())),
            progress: import.progress().into(),
            created_at: import.created_at,
            finished_at: import.finished_at,
            error: import.error,
        }
    }
}

/// A value of a row as it would be stored.
#[derive(Debug, Object)]
struct PreviewValue {
    field: String,
    value: String,
}

/// One row as it would be stored.
#[derive(Debug, Object)]
struct ImportPreviewRow {
    /// The number of the line on which it starts.
    line: u64,
    values: Vec<PreviewValue>,
}

impl From<PreviewRow> for ImportPreviewRow {
    fn from(row: PreviewRow) -> Self {
        let values = row.values.into_iter();
        Self {
            line: row.line,
            values: values
                .map(|(field, value)| PreviewValue { field, value })
                .collect(),
        }
    }
}

/// Why a row is in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ImportProblemKind", rename_all = "lowercase")]
enum ProblemKindName {
    /// It could not be imported.
    Bad,
    /// A later row is about the same contact.
    Duplicate,
}

/// A row that cannot become what it should.
#[derive(Debug, Object)]
#[oai(rename = "ImportProblem", skip_serializing_if_is_none)]
struct ImportProblemBody {
    line: u64,
    kind: ProblemKindName,
    column: Option<String>,
    value: Option<String>,
    reason: String,
    /// Of a duplicate, the line of the row that wins.
    other_line: Option<u64>,
}

impl From<ImportProblem> for ImportProblemBody {
    fn from(problem: ImportProblem) -> Self {
        Self {
            line: problem.line,
            kind: match problem.kind {
                ProblemKind::Bad => ProblemKindName::Bad,
                ProblemKind::Duplicate => ProblemKindName::Duplicate,
            },
            column: problem.column,
            value: problem.value,
            reason: problem.reason,
            other_line: problem.other_line,
        }
    }
}

/// What an import would do.
#[derive(Debug, Object)]
#[oai(rename = "ImportPreview")]
pub(super) struct ImportPreviewBody {
    encoding: String,
    delimiter: String,
    header: bool,
    columns: Vec<ImportColumn>,
    /// What would become of the rows; those about contacts that are there count as updated.
    counts: CountsBody,
    /// The first rows.
    rows: Vec<ImportPreviewRow>,
    /// The first rows with problems.
    problems: Vec<ImportProblemBody>,
}

impl From<ImportPreview> for ImportPreviewBody {
    fn from(preview: ImportPreview) -> Self {
        let pairs = preview.columns.iter();
        Self {
            encoding: preview.format.encoding.to_string(),
            delimiter: preview.format.delimiter.to_string(),
            header: preview.format.header,
            columns: columns(pairs.map(|(column, target)| (column, target.as_ref()))),
            counts: preview.counts.into(),
            rows: preview
                .rows
                .into_iter()
                .map(ImportPreviewRow::from)
                .collect(),
            problems: preview
                .problems
                .into_iter()
                .map(ImportProblemBody::from)
                .collect(),
        }
    }
}
