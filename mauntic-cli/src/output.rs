//! What a command prints: its result to standard output, everything else to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use mauntic_messaging::{FieldProblem, MessagingError};
use serde::Serialize;

/// Prints results as text for people, or as one JSON object on one line for programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// As `--json` and `--quiet` say.
    #[must_use]
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether the result is for a program.
    #[must_use]
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether progress may be drawn.
    #[must_use]
    pub(crate) fn is_interactive(self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// Whether progress may be printed as lines.
    #[must_use]
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// The result of the command: the record itself, or the text made of it.
    ///
    /// # Errors
    /// If the record cannot be written as JSON or standard output is closed.
    pub(crate) fn result<T: Serialize>(
        self,
        record: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let line = if self.json {
            serde_json::to_string(record)?
        } else {
            text(record)
        };
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", line.trim_end_matches('\n'))?;
        Ok(())
    }

    /// Why the command did not succeed: a line for people, an object for programs; always to standard error.
    pub(crate) fn error(self, error: &anyhow::Error) {
        let problems = problems(error);
        let mut stderr = io::stderr().lock();
        let _ = if self.json {
            let mut record = serde_json::json!({"error": format!("{error:#}")});
            if !problems.is_empty() {
                record["problems"] = serde_json::json!(problems);
            }
            writeln!(stderr, "{record}")
        } else {
            writeln!(stderr, "error: {error:#}").and_then(|()| {
                problems.iter().try_for_each(|problem| {
                    let line = problem.line.map(|line| format!(", line {line}"));
                    let line = line.unwrap_or_default();
                    writeln!(stderr, "  {}{line}: {}", problem.field, problem.message)
                })
            })
        };
    }

    /// Something for the person at the terminal.
    pub(crate) fn note(self, text: impl std::fmt::Display) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }
}

/// What is wrong with each field, if that is the error.
fn problems(error: &anyhow::Error) -> &[FieldProblem] {
    let mut causes = error.chain();
    let invalid = causes.find_map(|cause| match cause.downcast_ref() {
        Some(MessagingError::Invalid { problems }) => Some(problems.as_slice()),
        _ => None,
    });
    invalid.unwrap_or_default()
}

/// A table for people.
#[must_use]
pub(crate) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// A number with thousands set apart.
#[must_use]
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
