use std::fmt;

use serde::{Deserialize, Serialize};

use super::blocks::BlockId;

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The email can be saved and sent, but somebody should look.
    Warning,
    /// The email cannot be saved.
    Error,
}

/// A part of an email that people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The subject.
    Subject,
    /// The preview text.
    Preheader,
    /// The HTML or MJML body.
    Body,
    /// The text body.
    Text,
    /// The sender's name.
    FromName,
    /// The sender's address.
    FromAddress,
    /// The address for answers.
    ReplyTo,
}

impl Part {
    /// The name of the part, as it stands in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Preheader => "preheader",
            Self::Body => "body",
            Self::Text => "text",
            Self::FromName => "from_name",
            Self::FromAddress => "from_address",
            Self::ReplyTo => "reply_to",
        }
    }
}

/// Where a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    /// In which part.
    pub part: Part,
    /// In which line, counted from 1; `None` if it concerns the whole part.
    pub line: Option<u32>,
    /// At which character of the line, counted from 1.
    pub column: Option<u32>,
    /// In which block, if the body is made of blocks; it has no lines then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockId>,
}

impl Location {
    /// The whole part.
    #[must_use]
    pub const fn whole(part: Part) -> Self {
        Self {
            part,
            line: None,
            column: None,
            block: None,
        }
    }

    /// A block of the body.
    #[must_use]
    pub const fn block(block: BlockId) -> Self {
        Self {
            block: Some(block),
            ..Self::whole(Part::Body)
        }
    }

    /// The place of a byte of the part's source.
    #[must_use]
    pub fn at(part: Part, source: &str, offset: usize) -> Self {
        let offset = source.floor_char_boundary(offset);
        let before = &source[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        Self {
            part,
            line: u32::try_from(line).ok(),
            column: u32::try_from(column).ok(),
            block: None,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.name())?;
        if let Some(block) = self.block {
            write!(f, ", block {block}")?;
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        self.column
            .map_or(Ok(()), |column| write!(f, ", column {column}"))
    }
}

/// What is wrong with an email, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Whether the email can be saved nevertheless.
    pub severity: Severity,
    /// A stable name of the kind of problem, such as `unknown_variable`.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// Where.
    pub location: Location,
    /// What to write instead, or what to add.
    pub fix: Option<String>,
}

impl Problem {
    /// A problem that stops the email from being saved.
    #[must_use]
    pub fn error(code: &str, location: Location, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: code.to_owned(),
            message: message.into(),
            location,
            fix: None,
        }
    }

    /// A problem that somebody should look at.
    #[must_use]
    pub fn warning(code: &str, location: Location, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, location, message)
        }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)?;
        self.fix
            .as_ref()
            .map_or(Ok(()), |fix| write!(f, " ({fix})"))
    }
}
