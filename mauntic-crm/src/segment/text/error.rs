use std::{fmt, ops::Range};

/// Why a text is no rule, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}{}", help.as_deref().map(|help| format!("; {help}")).unwrap_or_default())]
pub struct RuleTextError {
    /// Where it is wrong, in bytes from the start.
    pub offset: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
    /// What would be right.
    pub help: Option<String>,
    /// The line, and below it a caret under the place.
    pub excerpt: String,
}

/// What is wrong with the text of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Something stands where something else should.
    Unexpected {
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: String,
    },
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { found, expected } => write!(f, "expected {expected}, found {found}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl RuleTextError {
    pub(super) fn new(
        text: &str,
        span: Range<usize>,
        problem: Problem,
        help: Option<String>,
    ) -> Self {
        let offset = floor(text, span.start);
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            offset,
            line: before.matches('\n').count() + 1,
            column: text[line_start..offset].chars().count() + 1,
            problem,
            help,
            excerpt: excerpt(text, line_start, offset, span.end),
        }
    }
}

fn floor(text: &str, mut offset: usize) -> usize {
    offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// At most this many characters of a line are shown before and behind the place.
const AROUND: usize = 40;

fn excerpt(text: &str, line_start: usize, offset: usize, end: usize) -> String {
    let line_end = text[offset..]
        .find('\n')
        .map_or(text.len(), |newline| offset + newline);
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let before: Vec<char> = text[line_start..offset].chars().map(printable).collect();
    let shown = &before[before.len().saturating_sub(AROUND)..];
    let cut = if shown.len() < before.len() {
        "…"
    } else {
        ""
    };
    let behind: String = text[offset..line_end]
        .chars()
        .map(printable)
        .take(AROUND)
        .collect();
    let end = floor(text, end.clamp(offset, line_end));
    let width = text[offset..end].chars().take(AROUND).count().max(1);
    let indent = " ".repeat(cut.chars().count() + shown.len());
    let shown: String = shown.iter().collect();
    format!("{cut}{shown}{behind}\n{indent}{}", "^".repeat(width))
}

/// The name most like the one written, if one is like it.
pub(in crate::segment) fn did_you_mean<'a>(
    written: &str,
    names: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    let most = (written.chars().count() / 3).clamp(1, 3);
    names
        .map(|name| (distance(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many characters must be added, dropped or replaced (Levenshtein); two swapped count once more.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let text = "country = \"DE\"\nand größe ~ 5";
        let error = RuleTextError::new(text, 27..28, Problem::Other("no".to_owned()), None);
        assert_eq!((error.line, error.column), (2, 11));
        assert_eq!(error.excerpt, "and größe ~ 5\n          ^");
    }

    #[test]
    fn names_that_are_alike_are_found() {
        let names = ["country", "county_code", "city"];
        assert_eq!(did_you_mean("contry", names.into_iter()), Some("country"));
        assert_eq!(did_you_mean("birthday", names.into_iter()), None);
    }
}
