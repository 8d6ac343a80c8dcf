use std::collections::BTreeMap;

use mauntic_core::EmailAddress;
use serde::Serialize;

use super::{
    CsvFormat, ImportCounts, ImportProblem, Mapping, ProblemKind, Target,
    batch::{Batch, BatchReader},
    row::ImportRow,
};
use crate::Field;

/// How many rows and problems a preview shows.
const SHOWN: usize = 10;

/// What an import would do, found out by reading the whole file and writing nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportPreview {
    /// How the file is written.
    pub format: CsvFormat,
    /// The columns and what they become; `None` is left out.
    pub columns: Vec<(String, Option<Target>)>,
    /// What would become of the rows. Rows about contacts that are there count as updated.
    pub counts: ImportCounts,
    /// The first rows as they would be stored.
    pub rows: Vec<PreviewRow>,
    /// The first rows with problems.
    pub problems: Vec<ImportProblem>,
}

/// One row as it would be stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreviewRow {
    /// The number of the line on which it starts.
    pub line: u64,
    /// What the file says, by field and special target.
    pub values: BTreeMap<String, String>,
}

impl ImportPreview {
    pub(super) fn new(format: CsvFormat, columns: &[String], mapping: &Mapping) -> Self {
        let targets = mapping.targets().map(Option::<&Target>::cloned);
        Self {
            format,
            columns: columns.iter().cloned().zip(targets).collect(),
            counts: ImportCounts::default(),
            rows: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Adds what would become of a batch, of which so many contacts are there.
    pub(super) fn add(&mut self, batch: &Batch, fields: &[Field], existing: u64) {
        let bad = batch
            .problems
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Bad)
            .count();
        let repeats = batch.rows.iter().filter(|row| row.repeats).count() as u64;
        let existing = existing.min(batch.rows.len() as u64 - repeats);
        self.counts += ImportCounts {
            rows: batch.read,
            created: batch.rows.len() as u64 - repeats - existing,
            updated: existing,
            unchanged: 0,
            failed: bad as u64,
            duplicates: batch.overruled + repeats,
        };
        let rows = batch
            .rows
            .iter()
            .take(SHOWN.saturating_sub(self.rows.len()));
        self.rows
            .extend(rows.map(|row| preview_row(&row.row, fields)));
        let room = SHOWN.saturating_sub(self.problems.len());
        self.problems
            .extend(batch.problems.iter().take(room).cloned());
    }
}

fn preview_row(row: &ImportRow, fields: &[Field]) -> PreviewRow {
    let mut values = BTreeMap::new();
    let mut note = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            values.insert(name.to_owned(), value);
        }
    };
    note("email", row.email.as_ref().map(EmailAddress::to_string));
    let tags: Vec<_> = row.tags.iter().map(crate::Tag::as_str).collect();
    note("tags", (!tags.is_empty()).then(|| tags.join("|")));
    note("owner", row.owner.flatten().map(|owner| owner.to_string()));
    note("stage", row.stage.clone().flatten());
    note("points", row.points.map(|points| points.to_string()));
    note("last_active", row.last_active.map(|at| at.to_rfc3339()));
    note("do_not_email", row.do_not_email.map(|yes| yes.to_string()));
    note("created_at", row.created_at.map(|at| at.to_rfc3339()));
    for (index, value) in &row.values {
        let text = value
            .as_ref()
            .map_or_else(|| "NULL".to_owned(), ToString::to_string);
        note(fields[*index].alias.as_str(), Some(text));
    }
    PreviewRow {
        line: row.line,
        values,
    }
}

/// Reads batches on a thread that may block, and hands over each with the fields of its values.
pub(super) fn next_batch(mut reader: BatchReader) -> Result<(BatchReader, Batch), super::CsvError> {
    let batch = reader.next()?;
    Ok((reader, batch))
}
