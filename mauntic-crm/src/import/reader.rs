use std::io::{self, Read, Seek};

use csv_core::ReadRecordResult;
use serde::{Deserialize, Serialize};

use super::{CsvError, CsvFormat, encoding::DecodedText};

/// Longest record, in bytes. A longer one is a quote that somebody forgot to close.
pub const MAX_RECORD: usize = 1024 * 1024;

/// How many unclosed quotes are mended by reading their lines again. Behind these, what such a quote
/// swallows goes with its row; else a hostile file could have every line read a thousand times.
const MAX_REREADS: u32 = 1_000;

/// Reads the records of a CSV file, one at a time, in bounded memory.
///
/// A record that makes no sense is reported and reading goes on behind its first line.
pub(crate) struct RecordReader<R> {
    text: DecodedText<R>,
    delimiter: u8,
    parser: csv_core::Reader,
    /// Decoded text; the present record starts at `start`, and the parser has seen all before `seen`.
    buffer: Vec<u8>,
    start: usize,
    seen: usize,
    ended: bool,
    /// Position and line of `start`.
    place: Place,
    /// The present record without quotes and delimiters, and where its values end.
    values: Vec<u8>,
    values_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    width: Option<usize>,
    rereads: u32,
}

/// A place between two records, from where reading can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Bytes of decoded text before it.
    pub(crate) position: u64,
    /// The number of the line that starts there, from 1.
    pub(crate) line: u64,
    /// Bytes of the file before it, which are others than those of the text unless it is in UTF-8.
    #[serde(default)]
    pub(crate) raw: u64,
}

impl Place {
    /// The start of a file.
    pub(crate) const START: Self = Self {
        position: 0,
        line: 1,
        raw: 0,
    };
}

/// One record of the file.
pub(crate) struct RawRecord<'a> {
    /// The number of the line it starts on.
    pub(crate) line: u64,
    /// The record as it stands in the file, without the line end.
    pub(crate) raw: &'a [u8],
    /// Its values, or why there are none.
    pub(crate) values: Result<Values<'a>, BadRecord>,
}

/// The values of a record.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Values<'a> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A value, empty if the record has fewer.
    pub(crate) fn get(&self, index: usize) -> &'a str {
        let Some(end) = self.ends.get(index) else {
            return "";
        };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text.get(start..*end).unwrap_or_default()
    }

    /// The values in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map(move |index| self.get(index))
    }
}

/// Why a record has no values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadRecord {
    UnclosedQuote,
    TooLong,
    TooManyValues,
    NotText,
    ZeroByte,
}

impl BadRecord {
    /// The reason, for people.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::UnclosedQuote => "a quote is opened and never closed",
            Self::TooLong => "the row is longer than 1 MiB",
            Self::TooManyValues => "the row has more values than the file has columns",
            Self::NotText => "the row is not valid in the encoding of the file",
            Self::ZeroByte => "the row holds a zero byte",
        }
    }
}

enum Step {
    Complete,
    Unclosed,
    TooLong,
    End,
}

impl<R: Read + Seek> RecordReader<R> {
    /// Reads on from a place; `Place::START` is the first record, header included.
    pub(crate) fn at(input: R, format: &CsvFormat, place: Place) -> io::Result<Self> {
        let (text, position) = DecodedText::at(input, format.encoding, place.position)?;
        Ok(Self {
            text,
            delimiter: format.delimiter.byte(),
            parser: csv_core::ReaderBuilder::new()
                .delimiter(format.delimiter.byte())
                .build(),
            buffer: Vec::new(),
            start: 0,
            seen: 0,
            ended: false,
            place: Place {
                position,
                // A mark of the byte order at the start was skipped.
                raw: place.raw + (position - place.position),
                line: place.line,
            },
            values: vec![0; 4096],
            values_len: 0,
            ends: vec![0; 64],
            ends_len: 0,
            width: None,
            rereads: 0,
        })
    }

    /// From now on a record with more values than this is bad.
    pub(crate) fn expect_width(&mut self, width: usize) {
        self.width = Some(width);
    }

    /// Where the next record starts.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The next record that holds anything; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<RawRecord<'_>>, CsvError> {
        loop {
            if !self.skip_line_ends()? {
                return Ok(None);
            }
            let (length, fault) = match self.parse()? {
                Step::End => return Ok(None),
                Step::Complete => self.judge(),
                Step::Unclosed => (self.after_fault()?, Some(BadRecord::UnclosedQuote)),
                Step::TooLong if self.buffer[self.start..].contains(&b'"') => {
                    (self.after_fault()?, Some(BadRecord::UnclosedQuote))
                }
                Step::TooLong => (self.after_fault()?, Some(BadRecord::TooLong)),
            };
            let line = self.place.line;
            let raw = self.start..self.start + length;
            self.move_to(self.start + length);
            if fault.is_none() && self.is_blank() {
                continue;
            }
            let values = match fault {
                Some(fault) => Err(fault),
                None => Self::values(&self.values[..self.values_len], &self.ends[..self.ends_len]),
            };
            let raw = trim_line_end(&self.buffer[raw]);
            return Ok(Some(RawRecord { line, raw, values }));
        }
    }

    fn values<'a>(values: &'a [u8], ends: &'a [usize]) -> Result<Values<'a>, BadRecord> {
        let text = std::str::from_utf8(values).map_err(|_| BadRecord::NotText)?;
        if values.contains(&0) {
            return Err(BadRecord::ZeroByte);
        }
        Ok(Values { text, ends })
    }

    fn is_blank(&self) -> bool {
        self.values[..self.values_len]
            .iter()
            .all(u8::is_ascii_whitespace)
    }

    /// A record over several lines with too many values, or with text behind a closing quote, is
    /// a quote that somebody forgot to close and that another row's quote closed.
    fn judge(&mut self) -> (usize, Option<BadRecord>) {
        let length = self.seen - self.start;
        let too_many = self.width.is_some_and(|width| self.ends_len > width);
        let record = trim_line_end(&self.buffer[self.start..self.seen]);
        let first_line = record.iter().position(|byte| is_line_end(*byte));
        match first_line {
            Some(line)
                if self.rereads < MAX_REREADS
                    && (too_many || !quotes_fit(record, self.delimiter)) =>
            {
                self.rereads += 1;
                (line + 1, Some(BadRecord::UnclosedQuote))
            }
            _ => (length, too_many.then_some(BadRecord::TooManyValues)),
        }
    }

    /// How much goes with a record that does not end: its first line.
    fn after_fault(&mut self) -> Result<usize, CsvError> {
        let seen = self.seen - self.start;
        let from = if self.rereads < MAX_REREADS {
            0
        } else {
            seen.saturating_sub(1)
        };
        self.rereads += 1;
        let mut from = self.start + from;
        loop {
            if let Some(end) = self.buffer[from..]
                .iter()
                .position(|byte| is_line_end(*byte))
            {
                return Ok(from + end + 1 - self.start);
            }
            if self.ended {
                return Ok(self.buffer.len() - self.start);
            }
            // A line without an end is not kept: only its first megabyte is in the report.
            let surplus = self.buffer.len() - self.start;
            if surplus > MAX_RECORD {
                let cut = self.start + MAX_RECORD;
                self.place.position += (self.buffer.len() - cut) as u64;
                self.place.raw += self.text.encoding().raw_len(&self.buffer[cut..]);
                self.buffer.truncate(cut);
            }
            from = self.buffer.len() - self.start;
            self.fill()?;
            from += self.start;
        }
    }

    /// Skips empty lines, so that a record starts on its first line; `false` at the end of the file.
    fn skip_line_ends(&mut self) -> Result<bool, CsvError> {
        loop {
            let rest = &self.buffer[self.start..];
            match rest.iter().position(|byte| !is_line_end(*byte)) {
                Some(skip) => {
                    self.move_to(self.start + skip);
                    return Ok(true);
                }
                None if self.ended => return Ok(false),
                None => {
                    self.move_to(self.buffer.len());
                    self.fill()?;
                }
            }
        }
    }

    /// Declares all before `end` done with.
    #[expect(
        clippy::naive_bytecount,
        reason = "a row has few bytes, too few to be worth another crate"
    )]
    fn move_to(&mut self, end: usize) {
        let done = &self.buffer[self.start..end];
        self.place.position += done.len() as u64;
        self.place.raw += self.text.encoding().raw_len(done);
        self.place.line += done.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.start = end;
        self.seen = end;
    }

    fn parse(&mut self) -> Result<Step, CsvError> {
        self.parser.reset();
        (self.values_len, self.ends_len) = (0, 0);
        loop {
            let at_end = self.seen == self.buffer.len();
            if at_end && !self.ended {
                if self.seen - self.start > MAX_RECORD {
                    return Ok(Step::TooLong);
                }
                self.fill()?;
                continue;
            }
            // The last line may lack its line end; with one, only an open quote can still want more.
            let input = if at_end {
                &b"\n"[..]
            } else {
                &self.buffer[self.seen..]
            };
            let (result, read, wrote, ended) = self.parser.read_record(
                input,
                &mut self.values[self.values_len..],
                &mut self.ends[self.ends_len..],
            );
            if !at_end {
                self.seen += read;
            }
            self.values_len += wrote;
            self.ends_len += ended;
            match result {
                ReadRecordResult::Record if self.seen - self.start > MAX_RECORD => {
                    return Ok(Step::TooLong);
                }
                ReadRecordResult::Record => return Ok(Step::Complete),
                ReadRecordResult::OutputFull => self.values.resize(self.values.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if at_end => return Ok(Step::Unclosed),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End => return Ok(Step::End),
            }
        }
    }

    fn fill(&mut self) -> Result<(), CsvError> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.seen -= self.start;
            self.start = 0;
        }
        self.ended = self.text.read(&mut self.buffer)? == 0;
        Ok(())
    }
}

/// Whether every quoted value ends where its quote is closed.
fn quotes_fit(record: &[u8], delimiter: u8) -> bool {
    let (mut quoted, mut at_start) = (false, true);
    let mut bytes = record.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if quoted && byte == b'"' {
            match bytes.peek().copied() {
                Some(b'"') => {
                    bytes.next();
                }
                Some(next) if next != delimiter => return false,
                _ => quoted = false,
            }
        } else if !quoted && at_start && byte == b'"' {
            quoted = true;
        }
        at_start = !quoted && byte == delimiter;
    }
    true
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn trim_line_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}
