use std::collections::BTreeMap;

use mauntic_core::{ContactId, EmailAddress, OrganizationId, StoreError};
use serde::Serialize;

use super::{
    CsvFormat, ImportCounts, ImportPlan, ImportProblem, Mapping, ProblemKind, Target,
    batch::{Batch, BatchReader},
    change::{Matching, id_elsewhere},
    row::ImportRow,
};
use crate::{CrmStore, Field, Reason};

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
    note("mauntic_id", row.id.map(|id| id.to_string()));
    note("owner", row.owner.flatten().map(|owner| owner.to_string()));
    note("stage", row.stage.clone().flatten());
    note("points", row.points.map(|points| points.to_string()));
    note("last_active", row.last_active.map(|at| at.to_rfc3339()));
    let marks = row.do_not_contact.iter().map(|(channel, reason)| {
        let reason = reason.map_or("allowed", Reason::as_str);
        format!("{channel}:{reason}")
    });
    let marks: Vec<_> = marks.collect();
    note(
        "do_not_contact",
        (!marks.is_empty()).then(|| marks.join("|")),
    );
    note("created_at", row.created_at.map(|at| at.to_rfc3339()));
    for said in &row.values {
        let value = said.value.as_ref();
        let text = value.map_or_else(|| "NULL".to_owned(), ToString::to_string);
        note(fields[said.field].alias.as_str(), Some(text));
    }
    PreviewRow {
        line: row.line,
        values,
    }
}

/// How many of the contacts that rows are about are there, those that earlier rows were about left out.
pub(super) async fn existing(
    store: &dyn CrmStore,
    organization: OrganizationId,
    plan: &ImportPlan,
    batch: &Batch,
) -> Result<usize, StoreError> {
    let rows = batch.rows.iter().filter(|row| !row.repeats);
    let rows: Vec<_> = rows.map(|row| &row.row).collect();
    let there = contacts_of(store, organization, plan, &rows).await?;
    Ok(there.len())
}

/// The contacts that rows are about, by the keys of the rows, as far as they are there.
pub(super) async fn contacts_of(
    store: &dyn CrmStore,
    organization: OrganizationId,
    plan: &ImportPlan,
    rows: &[&ImportRow],
) -> Result<BTreeMap<String, ContactId>, StoreError> {
    let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    let imports = store.imports();
    let field = match plan.matching() {
        Matching::Address => None,
        Matching::Field(field) => Some(field),
        Matching::Id => {
            let ids: Vec<_> = rows.iter().filter_map(|row| row.id).collect();
            let elsewhere = id_elsewhere();
            let mut known = imports
                .find_by_keys(organization, Some(&elsewhere), &keys)
                .await?;
            let merged = store.contacts().merged_into(organization, &ids).await?;
            known.extend(merged.iter().map(|(id, stayed)| (id.to_string(), *stayed)));
            let here = store.contacts().find_many(organization, &ids).await?;
            known.extend(here.iter().map(|contact| {
                let id = contact.id();
                (id.to_string(), id)
            }));
            let left = rows.iter().filter(|row| !known.contains_key(&row.key));
            let addresses: BTreeMap<_, _> = left
                .filter_map(|row| Some((row.email.as_ref()?.key(), row.key.clone())))
                .collect();
            let unknown: Vec<_> = addresses.keys().cloned().collect();
            let there = imports.find_by_keys(organization, None, &unknown).await?;
            known.extend(
                there
                    .into_iter()
                    .filter_map(|(address, id)| Some((addresses.get(&address)?.clone(), id))),
            );
            return Ok(known);
        }
    };
    imports.find_by_keys(organization, field, &keys).await
}

/// Reads batches on a thread that may block, and hands over each with the fields of its values.
pub(super) fn next_batch(mut reader: BatchReader) -> Result<(BatchReader, Batch), super::CsvError> {
    let batch = reader.next()?;
    Ok((reader, batch))
}
