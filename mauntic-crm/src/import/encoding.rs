use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
    str::FromStr,
};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::{Deserialize, Serialize};

use super::CsvError;

/// How much of a file is looked at, at a time.
const BLOCK: usize = 256 * 1024;

/// How the characters of a file are written as bytes: any encoding that browsers know
/// (<https://encoding.spec.whatwg.org>), by any of its names.
///
/// Latin-1 is read as Windows-1252, of which it is a part.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextEncoding(&'static Encoding);

impl TextEncoding {
    /// UTF-8, with or without a byte order mark.
    pub const UTF_8: Self = Self(&encoding_rs::UTF_8_INIT);

    /// The name, such as `UTF-8` or `windows-1252`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// How many bytes a text in UTF-8 has in this encoding. Where characters have one to four bytes, all but those of
    /// ASCII count as two, which is near enough for people who wait.
    pub(crate) fn raw_len(self, text: &[u8]) -> u64 {
        let (ascii, wide) = if self.0 == UTF_8 {
            return text.len() as u64;
        } else if self.0 == UTF_16LE || self.0 == UTF_16BE {
            (2, 2)
        } else if self.0.is_single_byte() {
            (1, 1)
        } else {
            (1, 2)
        };
        text.iter()
            .map(|byte| match *byte {
                ..0x80 => ascii,
                // Bytes that go on with a character.
                0x80..0xC0 => 0,
                // Beyond the first 65,536 characters, UTF-16 has two units for one.
                0xF0.. if ascii == 2 => 4,
                _ => wide,
            })
            .sum()
    }

    /// Finds out how a file is encoded, from its byte order mark or its content.
    ///
    /// Without a mark, UTF-16 is known by its zero bytes and UTF-8 by being valid; all else is Windows-1252.
    /// A file that starts with plain ASCII is read on up to the first byte that tells.
    ///
    /// # Errors
    /// [`CsvError::Binary`] if this is not text.
    pub fn detect(mut input: impl Read) -> Result<Self, CsvError> {
        let mut block = vec![0; BLOCK];
        let mut filled = fill(&mut input, &mut block)?;
        if let Some(marked) = by_mark(&block[..filled]) {
            return Ok(Self(marked));
        }
        if let Some(wide) = by_zero_bytes(&block[..filled])? {
            return Ok(Self(wide));
        }
        loop {
            match std::str::from_utf8(&block[..filled]) {
                Err(error) if error.error_len().is_some() => return Ok(Self(WINDOWS_1252)),
                // A character cut off at the end of the block is fine; one cut off by the end of the file is not.
                Err(_) if filled < BLOCK => return Ok(Self(WINDOWS_1252)),
                Ok(text) if text.is_ascii() && filled == BLOCK => {
                    filled = fill(&mut input, &mut block)?;
                }
                _ => return Ok(Self::UTF_8),
            }
        }
    }
}

/// The text names no encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no encoding is called {0:?}; try utf-8, utf-16le, latin1 or windows-1252")]
pub struct UnknownEncoding(String);

impl FromStr for TextEncoding {
    type Err = UnknownEncoding;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Encoding::for_label_no_replacement(text.trim().as_bytes());
        known
            .map(Self)
            .ok_or_else(|| UnknownEncoding(text.to_owned()))
    }
}

impl TryFrom<String> for TextEncoding {
    type Error = UnknownEncoding;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TextEncoding> for String {
    fn from(encoding: TextEncoding) -> Self {
        encoding.name().to_owned()
    }
}

impl fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn fill(input: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn by_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(bytes).map(|(encoding, _)| encoding)
}

fn by_zero_bytes(bytes: &[u8]) -> Result<Option<&'static Encoding>, CsvError> {
    for (magic, what) in [
        (
            &b"PK\x03\x04"[..],
            "a spreadsheet or archive; save it as CSV first",
        ),
        (b"\x1f\x8b", "a compressed file; unpack it first"),
        (b"%PDF", "a PDF"),
        (
            b"\xd0\xcf\x11\xe0",
            "an old Excel workbook; save it as CSV first",
        ),
    ] {
        if bytes.starts_with(magic) {
            return Err(CsvError::Binary(what));
        }
    }
    let zeros = |start: usize| {
        bytes[start.min(bytes.len())..]
            .iter()
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let many = bytes.len() / 40;
    let wide = match (even, odd) {
        (0, 0) => None,
        (0, odd) if odd > many => Some(UTF_16LE),
        (even, 0) if even > many => Some(UTF_16BE),
        _ => return Err(CsvError::Binary("it holds zero bytes")),
    };
    let controls = bytes
        .iter()
        .filter(|b| matches!(b, 1..=8 | 14..=26 | 28..=31))
        .count();
    if wide.is_none() && controls > bytes.len() / 20 {
        return Err(CsvError::Binary("it holds control characters"));
    }
    Ok(wide)
}

/// Reads a file as UTF-8, from any position in it.
///
/// A position counts bytes of UTF-8; in a UTF-8 file these are the bytes of the file, so reading
/// on from a position jumps there. What is UTF-8 already is not checked here and not copied.
pub(crate) struct DecodedText<R> {
    input: R,
    encoding: TextEncoding,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    pending: std::ops::Range<usize>,
    ended: bool,
    /// Decoded already, while looking for the position to start at.
    surplus: Vec<u8>,
}

impl<R: Read + Seek> DecodedText<R> {
    /// Starts at a position, which is 0 or one that was reached before.
    pub(crate) fn at(
        mut input: R,
        encoding: TextEncoding,
        position: u64,
    ) -> io::Result<(Self, u64)> {
        let utf8 = encoding.0 == UTF_8;
        input.seek(SeekFrom::Start(if utf8 { position } else { 0 }))?;
        let mut text = Self {
            input,
            encoding,
            decoder: (!utf8).then(|| encoding.0.new_decoder_with_bom_removal()),
            raw: if utf8 { Vec::new() } else { vec![0; BLOCK] },
            pending: 0..0,
            ended: false,
            surplus: Vec::new(),
        };
        let start = if utf8 {
            text.skip_utf8_mark(position)?
        } else {
            text.skip_to(position)?
        };
        Ok((text, start))
    }

    /// How the characters of the file are written.
    pub(crate) fn encoding(&self) -> TextEncoding {
        self.encoding
    }

    fn skip_utf8_mark(&mut self, position: u64) -> io::Result<u64> {
        if position > 0 {
            return Ok(position);
        }
        let mut mark = [0; 3];
        let start = if fill(&mut self.input, &mut mark)? == 3 && mark == *b"\xef\xbb\xbf" {
            3
        } else {
            0
        };
        self.input.seek(SeekFrom::Start(start))?;
        Ok(start)
    }

    fn skip_to(&mut self, position: u64) -> io::Result<u64> {
        let mut skipped = 0;
        let mut block = Vec::new();
        while skipped < position {
            block.clear();
            let read = match self.read(&mut block)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => read as u64,
            };
            if read > position - skipped {
                let surplus = usize::try_from(read - (position - skipped)).unwrap_or_default();
                self.surplus = block.split_off(block.len() - surplus);
                return Ok(position);
            }
            skipped += read;
        }
        Ok(position)
    }

    /// Adds a block of text to `out`; 0 at the end of the file.
    pub(crate) fn read(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        if !self.surplus.is_empty() {
            let length = self.surplus.len();
            out.append(&mut self.surplus);
            return Ok(length);
        }
        let before = out.len();
        out.resize(before + BLOCK, 0);
        let read = match &mut self.decoder {
            None => fill(&mut self.input, &mut out[before..])?,
            Some(_) => self.decode(&mut out[before..])?,
        };
        out.truncate(before + read);
        Ok(read)
    }

    fn decode(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(0);
        };
        let mut written = 0;
        loop {
            if self.pending.is_empty() && !self.ended {
                let filled = fill(&mut self.input, &mut self.raw)?;
                self.pending = 0..filled;
                self.ended = filled < self.raw.len();
            }
            let last = self.ended;
            let (result, read, wrote, _) =
                decoder.decode_to_utf8(&self.raw[self.pending.clone()], &mut out[written..], last);
            self.pending.start += read;
            written += wrote;
            match result {
                CoderResult::OutputFull => return Ok(written),
                CoderResult::InputEmpty if last => {
                    self.decoder = Some(encoding_rs::UTF_8.new_decoder_without_bom_handling());
                    return Ok(written);
                }
                CoderResult::InputEmpty => {}
            }
        }
    }
}
