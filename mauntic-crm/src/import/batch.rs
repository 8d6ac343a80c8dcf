use std::{collections::HashMap, ops::Range, sync::Arc};

use crate::{CrmStore, PreparedContacts};

use super::{
    CsvError, Import, ImportProblem, ProblemKind,
    doubts::{Doubt, StoredContacts},
    owners::RowOwners,
    reader::{Place, RecordReader, Values},
    repeats::{RepeatScan, Repeats},
    row::{BadCell, ImportRow, RowParser},
    source::ReadSeek,
};

/// Longest record and longest value that the report keeps, in bytes.
const MAX_RAW: usize = 64 * 1024;
const MAX_VALUE: usize = 1_000;

/// Some rows of a file, ready to become contacts.
pub(crate) struct Batch {
    /// No two are about the same contact.
    pub(crate) rows: Vec<BatchRow>,
    raw: Vec<u8>,
    /// Rows that are not among `rows`, and why.
    pub(crate) problems: Vec<ImportProblem>,
    /// How many rows were read.
    pub(crate) read: u64,
    /// How many of them were overruled by later ones among them.
    pub(crate) overruled: u64,
    /// The rows as new contacts, if somebody made them ready.
    pub(crate) prepared: Option<PreparedContacts>,
    /// Where the next batch starts.
    pub(crate) place: Place,
    /// Whether the file ends here.
    pub(crate) last: bool,
}

/// Makes the contacts of a batch ready ahead of its turn, if most of them are likely to be new.
pub(crate) type Prepare = Box<dyn Fn(&Batch) -> Option<PreparedContacts> + Send>;

pub(crate) struct BatchRow {
    pub(crate) row: ImportRow,
    raw: Range<usize>,
    /// An earlier batch had a row about the same contact.
    pub(crate) repeats: bool,
}

impl Batch {
    /// Puts a row that cannot be imported after all into the report.
    pub(crate) fn bad_row(&self, index: usize, reason: &str) -> ImportProblem {
        let row = &self.rows[index];
        ImportProblem {
            line: row.row.line,
            kind: ProblemKind::Bad,
            column: None,
            value: None,
            reason: reason.to_owned(),
            raw: text(&self.raw[row.raw.clone()], MAX_RAW),
            other_line: None,
        }
    }
}

/// Reads a file batch by batch. Blocking.
pub(crate) struct BatchReader {
    reader: RecordReader<Box<dyn ReadSeek>>,
    parser: RowParser,
    columns: Vec<String>,
    owners: RowOwners,
    stored: StoredContacts,
    repeats: Repeats,
    size: usize,
}

impl BatchReader {
    /// Reads on where the import is. Passes over the file once to learn which keys it repeats.
    pub(crate) fn open(
        mut file: Box<dyn ReadSeek>,
        import: &Import,
        parser: RowParser,
        mut owners: RowOwners,
        store: Arc<dyn CrmStore>,
        size: usize,
    ) -> Result<Self, CsvError> {
        let plan = &import.plan;
        let stored = StoredContacts::of(import, store);
        let mut scan = RepeatScan::for_rows(plan.bytes / 40);
        let mut reader = RecordReader::at(&mut file, &plan.format, plan.rows_at)?;
        reader.expect_width(plan.columns.len());
        while let Some(record) = reader.next()? {
            if let Some(key) = record.values.ok().and_then(|values| parser.key(values)) {
                scan.see(&key);
            }
        }
        let mut repeats = scan.finish();
        if !repeats.is_empty() && import.place != plan.rows_at {
            let mut reader = RecordReader::at(&mut file, &plan.format, plan.rows_at)?;
            reader.expect_width(plan.columns.len());
            let mut rows = Vec::with_capacity(size);
            while reader.place().position < import.place.position {
                let Some(record) = reader.next()? else { break };
                let Ok(values) = record.values else { continue };
                let Ok(row) = read(&parser, &plan.columns, record.line, values) else {
                    continue;
                };
                rows.push(row);
                if rows.len() == size {
                    note(&mut repeats, &mut rows, &parser, &mut owners, &stored)?;
                }
            }
            note(&mut repeats, &mut rows, &parser, &mut owners, &stored)?;
        }
        let mut reader = RecordReader::at(file, &plan.format, import.place)?;
        reader.expect_width(plan.columns.len());
        Ok(Self {
            reader,
            parser,
            columns: plan.columns.clone(),
            owners,
            stored,
            repeats,
            size,
        })
    }

    /// The next rows; the last batch may have none.
    pub(crate) fn next(&mut self) -> Result<Batch, CsvError> {
        let mut batch = Batch {
            rows: Vec::with_capacity(self.size),
            raw: Vec::new(),
            problems: Vec::new(),
            read: 0,
            overruled: 0,
            prepared: None,
            place: self.reader.place(),
            last: false,
        };
        let mut rows = Vec::with_capacity(self.size);
        while batch.read < self.size as u64 {
            let Some(record) = self.reader.next()? else {
                batch.last = true;
                break;
            };
            batch.read += 1;
            let line = record.line;
            let outcome = match record.values {
                Ok(values) => read(&self.parser, &self.columns, line, values),
                Err(fault) => Err(Complaint {
                    column: None,
                    value: None,
                    reason: fault.describe().to_owned(),
                }),
            };
            match outcome {
                Ok((row, doubt)) => {
                    let start = batch.raw.len();
                    batch
                        .raw
                        .extend_from_slice(&record.raw[..record.raw.len().min(MAX_RAW)]);
                    let raw = start..batch.raw.len();
                    rows.push(ReadRow { row, raw, doubt });
                }
                Err(complaint) => {
                    let raw = text(record.raw, MAX_RAW);
                    batch.problems.push(complaint.about(line, raw));
                }
            }
        }
        batch.place = self.reader.place();
        self.add(&mut batch, rows)?;
        batch.problems.sort_by_key(|problem| problem.line);
        Ok(batch)
    }

    /// Adds the rows that could be read, but those whose owner is nobody, and those with bad cells that are not what
    /// is stored.
    fn add(&mut self, batch: &mut Batch, rows: Vec<ReadRow>) -> Result<(), CsvError> {
        let named = self.owners.learn(rows.iter().map(|read| &read.row));
        named.map_err(CsvError::Owners)?;
        let doubtful = rows.iter().filter(|read| read.doubt.is_some());
        let stored = self.stored.find(doubtful.map(|read| &read.row))?;
        let mut by_key = HashMap::with_capacity(rows.len());
        for ReadRow {
            mut row,
            raw,
            doubt,
        } in rows
        {
            let there = stored.get(&row.key);
            let complaint = match doubt {
                Some(doubt) if !doubt.is_settled_by(there, self.parser.fields()) => {
                    Some(doubt.complaint)
                }
                _ => {
                    let name = row.owner_named.as_ref().map(|(_, name)| name.to_string());
                    self.owners.settle(&mut row).err().map(|cell| Complaint {
                        column: self.columns.get(cell.column).cloned(),
                        value: name,
                        reason: cell.reason,
                    })
                }
            };
            match complaint {
                None => add_row(batch, &mut by_key, &mut self.repeats, row, raw),
                Some(complaint) => {
                    let raw = text(&batch.raw[raw], MAX_RAW);
                    batch.problems.push(complaint.about(row.line, raw));
                }
            }
        }
        Ok(())
    }
}

/// Notes which rows stand where, of those that an earlier run took: not of those whose owner is nobody, or with bad
/// cells that are not what is stored.
fn note(
    repeats: &mut Repeats,
    rows: &mut Vec<(ImportRow, Option<Doubt>)>,
    parser: &RowParser,
    owners: &mut RowOwners,
    stored: &StoredContacts,
) -> Result<(), CsvError> {
    let named = owners.learn(rows.iter().map(|(row, _)| row));
    named.map_err(CsvError::Owners)?;
    let doubtful = rows.iter().filter(|(_, doubt)| doubt.is_some());
    let there = stored.find(doubtful.map(|(row, _)| row))?;
    for (mut row, doubt) in rows.drain(..) {
        let contact = there.get(&row.key);
        let refused = doubt.is_some_and(|doubt| !doubt.is_settled_by(contact, parser.fields()));
        if !refused && owners.settle(&mut row).is_ok() {
            repeats.stands_on(&row.key, row.line);
        }
    }
    Ok(())
}

/// A row that was read, where its record is kept, and what is not sure yet.
struct ReadRow {
    row: ImportRow,
    raw: Range<usize>,
    doubt: Option<Doubt>,
}

/// What the report says of a row that cannot be imported.
pub(super) struct Complaint {
    column: Option<String>,
    value: Option<String>,
    reason: String,
}

impl Complaint {
    fn about(self, line: u64, raw: String) -> ImportProblem {
        ImportProblem {
            line,
            kind: ProblemKind::Bad,
            column: self.column,
            value: self.value,
            reason: self.reason,
            raw,
            other_line: None,
        }
    }
}

/// What a record says, with a doubt if it depends on what is stored whether it can be.
fn read(
    parser: &RowParser,
    columns: &[String],
    line: u64,
    values: Values<'_>,
) -> Result<(ImportRow, Option<Doubt>), Complaint> {
    let bad = match parser.parse(line, values) {
        Ok(row) => return Ok((row, None)),
        Err(bad) => bad,
    };
    let complaint = bad_cells(columns, &bad.cells, |column| values.get(column).to_owned());
    match bad.rest {
        Some(row) => Ok((*row, Some(Doubt::new(&bad.cells, values, complaint)))),
        None => Err(complaint),
    }
}

fn add_row(
    batch: &mut Batch,
    by_key: &mut HashMap<String, usize>,
    repeats: &mut Repeats,
    row: ImportRow,
    raw: Range<usize>,
) {
    let line = row.line;
    let before = repeats.stands_on(&row.key, line);
    if let Some(index) = by_key.get(&row.key) {
        let earlier: &mut BatchRow = &mut batch.rows[*index];
        batch.problems.push(overruled(earlier.row.line, line));
        batch.overruled += 1;
        earlier.row.overlay(row);
        earlier.raw = raw;
        return;
    }
    if let Some(before) = before {
        batch.problems.push(overruled(before, line));
    }
    by_key.insert(row.key.clone(), batch.rows.len());
    batch.rows.push(BatchRow {
        row,
        raw,
        repeats: before.is_some(),
    });
}

fn overruled(line: u64, by: u64) -> ImportProblem {
    ImportProblem {
        line,
        kind: ProblemKind::Duplicate,
        column: None,
        value: None,
        reason: format!("line {by} is about the same contact"),
        raw: String::new(),
        other_line: Some(by),
    }
}

/// The first bad cell, and what is wrong with all of them.
fn bad_cells(columns: &[String], cells: &[BadCell], value: impl Fn(usize) -> String) -> Complaint {
    let name = |cell: &BadCell| columns.get(cell.column).cloned().unwrap_or_default();
    let first = cells.first();
    let reason = match cells {
        [only] => only.reason.clone(),
        several => {
            let reasons = several
                .iter()
                .map(|cell| format!("{}: {}", name(cell), cell.reason));
            reasons.collect::<Vec<_>>().join("; ")
        }
    };
    Complaint {
        column: first.map(name),
        value: first.map(|cell| text(value(cell.column).as_bytes(), MAX_VALUE)),
        reason,
    }
}

/// Text for the report: cut, and without what a database cannot keep.
fn text(bytes: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).replace('\0', "\u{fffd}")
}
