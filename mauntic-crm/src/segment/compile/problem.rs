//! What is wrong with a rule, for those who wrote it.

use crate::segment::rule::Operator;

/// What is wrong, or perhaps not meant, with one test of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// Which test, counted from 0 in the order in which they stand in the rule.
    pub test: usize,
    /// Where it is in the JSON form, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl std::fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.help
            .as_deref()
            .map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

/// The rule does not suit the fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct InvalidRule {
    /// What is wrong with it; at least one thing.
    pub problems: Vec<RuleProblem>,
}

/// What is wrong with one test, and what would be right.
pub(in crate::segment) struct Wrong(pub(super) String, pub(super) Option<String>);

impl Wrong {
    pub(in crate::segment) fn new(message: impl Into<String>) -> Self {
        Self(message.into(), None)
    }

    pub(in crate::segment) fn help(mut self, help: impl Into<String>) -> Self {
        self.1 = Some(help.into());
        self
    }
}

pub(in crate::segment) type Checked<T> = Result<T, Wrong>;

pub(in crate::segment) fn unsuited(name: &str, what: &str, op: Operator, suited: &str) -> Wrong {
    Wrong::new(format!(
        "{name} is {what}, which cannot be compared with `{op}`"
    ))
    .help(format!("use {suited}"))
}
