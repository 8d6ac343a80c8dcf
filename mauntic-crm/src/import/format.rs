use std::{
    collections::BTreeSet,
    fmt,
    io::{Read, Seek, SeekFrom},
    str::FromStr,
};

use mauntic_core::EmailAddress;
use serde::{Deserialize, Serialize};

use super::{
    CsvError, MAX_COLUMNS, TextEncoding,
    guard::unguarded,
    reader::{Place, RecordReader, Values},
};

/// How many records are looked at to find the delimiter and the header.
const SAMPLE: usize = 50;

/// What separates the values of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `;`, which spreadsheets write where the comma is the decimal point.
    Semicolon,
    /// The tab character.
    Tab,
    /// `|`
    Pipe,
}

impl Delimiter {
    /// All of them, the likeliest first.
    pub const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe];

    /// The character.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }
}

/// The text is no delimiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a delimiter: expected comma, semicolon, tab or pipe, or the character itself")]
pub struct UnknownDelimiter;

impl FromStr for Delimiter {
    type Err = UnknownDelimiter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "," | "comma" => Ok(Self::Comma),
            ";" | "semicolon" => Ok(Self::Semicolon),
            "\t" | "\\t" | "tab" => Ok(Self::Tab),
            "|" | "pipe" => Ok(Self::Pipe),
            _ => Err(UnknownDelimiter),
        }
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
            Self::Pipe => "pipe",
        })
    }
}

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvFormat {
    /// How characters are encoded.
    pub encoding: TextEncoding,
    /// What stands between values.
    pub delimiter: Delimiter,
    /// Whether the first record names the columns.
    pub header: bool,
}

/// What a person says about a file; the rest is found out from the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FormatHints {
    /// How characters are encoded.
    pub encoding: Option<TextEncoding>,
    /// What stands between values.
    pub delimiter: Option<Delimiter>,
    /// Whether the first record names the columns.
    pub header: Option<bool>,
}

/// What the start of a file tells about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sniffed {
    /// How the file is written.
    pub format: CsvFormat,
    /// The names of the columns; `column 1`, `column 2`, … where the file gives none.
    pub columns: Vec<String>,
    /// The first records behind the header, as the file has them.
    pub sample: Vec<Vec<String>>,
    /// Where the first record behind the header starts.
    pub(crate) rows_at: Place,
}

impl Sniffed {
    /// Looks at the start of a file.
    ///
    /// # Errors
    /// [`CsvError`] if this is not a CSV file that can be imported.
    pub fn read(mut input: impl Read + Seek, hints: FormatHints) -> Result<Self, CsvError> {
        input.seek(SeekFrom::Start(0))?;
        // Whatever a person says about the encoding, a file that is not text at all is refused.
        let detected = TextEncoding::detect(&mut input);
        let encoding = match hints.encoding {
            Some(encoding) if !matches!(detected, Err(CsvError::Binary(_))) => encoding,
            _ => detected?,
        };
        let start = preamble(&mut input, encoding)?;
        let delimiter = match hints.delimiter.or(start.1) {
            Some(delimiter) => delimiter,
            None => likeliest_delimiter(&mut input, encoding, start.0)?,
        };
        let format = CsvFormat {
            encoding,
            delimiter,
            header: true,
        };
        let records = records(&mut input, format, start.0)?;
        let Some((first, rest)) = records.split_first() else {
            return Err(CsvError::Empty);
        };
        if first.values.len() > MAX_COLUMNS {
            return Err(CsvError::TooManyColumns(first.values.len()));
        }
        let header = hints
            .header
            .unwrap_or_else(|| looks_like_header(&first.values));
        let (names, sample) = if header {
            (&first.values[..], rest)
        } else {
            (&[][..], &records[..])
        };
        let columns = (0..first.values.len())
            .map(|index| column_name(names, index))
            .collect();
        Ok(Self {
            format: CsvFormat { header, ..format },
            columns,
            sample: sample.iter().map(|record| record.values.clone()).collect(),
            rows_at: if header { first.next } else { start.0 },
        })
    }
}

impl Sniffed {
    /// The first column in which most of the sample are addresses.
    pub(crate) fn address_column(&self) -> Option<usize> {
        (0..self.columns.len()).find(|column| {
            let is_address = |row: &&Vec<String>| {
                row.get(*column)
                    .is_some_and(|value| value.trim().parse::<EmailAddress>().is_ok())
            };
            self.sample.iter().filter(is_address).count() * 2 > self.sample.len()
        })
    }
}

struct Sampled {
    values: Vec<String>,
    next: Place,
}

fn records(
    input: &mut (impl Read + Seek),
    format: CsvFormat,
    start: Place,
) -> Result<Vec<Sampled>, CsvError> {
    let mut reader = RecordReader::at(input, &format, start)?;
    let mut records = Vec::new();
    while records.len() <= SAMPLE {
        let Some(record) = reader.next()? else { break };
        let values = match record.values {
            Ok(values) => values.iter().map(str::to_owned).collect::<Vec<_>>(),
            Err(fault) if records.is_empty() => return Err(CsvError::Header(fault.describe())),
            Err(_) => continue,
        };
        let next = reader.place();
        records.push(Sampled { values, next });
    }
    Ok(records)
}

/// Excel may write `sep=;` as a line of its own before the header.
fn preamble(
    input: &mut (impl Read + Seek),
    encoding: TextEncoding,
) -> Result<(Place, Option<Delimiter>), CsvError> {
    let format = CsvFormat {
        encoding,
        delimiter: Delimiter::Tab,
        header: true,
    };
    let mut reader = RecordReader::at(input, &format, Place::START)?;
    let delimiter = match reader.next()? {
        None => return Err(CsvError::Empty),
        Some(record) => std::str::from_utf8(record.raw)
            .ok()
            .and_then(|line| line.strip_prefix("sep="))
            .and_then(|delimiter| delimiter.parse().ok()),
    };
    Ok((
        if delimiter.is_some() {
            reader.place()
        } else {
            Place::START
        },
        delimiter,
    ))
}

/// The delimiter that cuts most records into as many values as the first one, and into most values.
fn likeliest_delimiter(
    input: &mut (impl Read + Seek),
    encoding: TextEncoding,
    start: Place,
) -> Result<Delimiter, CsvError> {
    let mut best = (0, Delimiter::Comma);
    for delimiter in Delimiter::ALL {
        let format = CsvFormat {
            encoding,
            delimiter,
            header: true,
        };
        let mut reader = RecordReader::at(&mut *input, &format, start)?;
        let (mut columns, mut alike, mut all) = (0, 0, 0);
        while all < SAMPLE {
            let Some(record) = reader.next()? else { break };
            all += 1;
            let count = record.values.as_ref().map_or(0, Values::len);
            if all == 1 {
                columns = count;
            }
            alike += usize::from(count == columns);
        }
        if columns < 2 {
            continue;
        }
        // How alike counts for more than how many, in steps coarse enough that one ragged row does not matter.
        let score = (alike * 10 / all) * 10_000 + columns.min(9_999);
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    Ok(best.1)
}

/// A row with an address or a number in it is somebody's; names of columns are neither, and differ.
fn looks_like_header(values: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    let is_data = |value: &&String| {
        let value = value.trim();
        value.parse::<EmailAddress>().is_ok() || value.parse::<f64>().is_ok()
    };
    let distinct = values
        .iter()
        .filter(|value| !value.trim().is_empty())
        .all(|value| seen.insert(value.trim().to_lowercase()));
    !seen.is_empty() && distinct && !values.iter().any(|value| is_data(&value))
}

fn column_name(names: &[String], index: usize) -> String {
    match names.get(index).map(|name| unguarded(name.trim())) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("column {}", index + 1),
    }
}
