use super::{
    ImportPlan, ImportProblem,
    guard::guarded_cell,
    mapping::REPORT_COLUMNS,
    reader::{Place, RecordReader},
};
use crate::import::{CsvFormat, TextEncoding};

/// The header of a report: the columns of the file, and what is wrong with each row.
pub(super) fn header(plan: &ImportPlan) -> Vec<u8> {
    let data = plan
        .columns
        .iter()
        .filter(|column| !REPORT_COLUMNS.contains(&column.as_str()));
    line(plan, data.map(String::as_str).chain(REPORT_COLUMNS))
}

/// The rows of a report, each with its values as in the file, but for formulas, which are made text.
pub(super) fn rows(plan: &ImportPlan, problems: &[ImportProblem]) -> Vec<u8> {
    problems
        .iter()
        .flat_map(|problem| row(plan, problem))
        .collect()
}

fn row(plan: &ImportPlan, problem: &ImportProblem) -> Vec<u8> {
    let mut values = values_of(plan, &problem.raw);
    let data: Vec<usize> = (0..plan.columns.len())
        .filter(|index| !REPORT_COLUMNS.contains(&plan.columns[*index].as_str()))
        .collect();
    values.resize(plan.columns.len().max(values.len()), String::new());
    // What the file has no column for would shift the columns of the report: it goes with the last value.
    if values.len() > plan.columns.len() {
        let surplus = values.split_off(plan.columns.len());
        if let Some(last) = values.last_mut() {
            for value in surplus {
                last.push(char::from(plan.format.delimiter.byte()));
                last.push_str(&value);
            }
        }
    }
    let about = [
        problem.line.to_string(),
        problem.column.clone().unwrap_or_default(),
        problem.value.clone().unwrap_or_default(),
        problem.reason.clone(),
    ];
    let values = data.iter().map(|index| values[*index].as_str());
    line(plan, values.chain(about.iter().map(String::as_str)))
}

fn values_of(plan: &ImportPlan, raw: &str) -> Vec<String> {
    let format = CsvFormat {
        encoding: TextEncoding::UTF_8,
        ..plan.format
    };
    let Ok(mut reader) =
        RecordReader::at(std::io::Cursor::new(raw.as_bytes()), &format, Place::START)
    else {
        return Vec::new();
    };
    match reader.next() {
        Ok(Some(record)) => match record.values {
            Ok(values) => values.iter().map(str::to_owned).collect(),
            // A row that cannot be taken apart goes into the first column as it is.
            Err(_) => vec![raw.to_owned()],
        },
        _ => Vec::new(),
    }
}

fn line<'a>(plan: &ImportPlan, values: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(plan.format.delimiter.byte())
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let values = values.map(guarded_cell);
    let written = writer.write_record(values.map(|value| value.into_owned().into_bytes()));
    debug_assert!(written.is_ok(), "memory takes any record");
    writer.into_inner().unwrap_or_default()
}
