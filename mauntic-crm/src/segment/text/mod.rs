//! The text form of rules: `country = "DE" and (tag = "vip" or opened("Welcome", last 30 days) >= 2)`.

mod error;
mod leaf;
mod lexer;
mod moment;
mod parser;
mod printer;
mod tokens;

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use mauntic_core::{EmailId, SegmentId};
use uuid::Uuid;

use super::rule::Rule;
use crate::FieldSet;
pub(super) use error::did_you_mean;
pub use error::{Problem, RuleTextError};

type Parsed<T> = Result<T, RuleTextError>;

/// Longest text of a rule, in bytes.
pub const MAX_RULE_TEXT: usize = 100_000;

/// Knows the names of the emails and segments that rules speak of.
///
/// In a text, an email or segment stands by its name or by its id; in the rule, always by its id.
pub trait Names: Sync {
    /// The email of that name.
    fn email(&self, name: &str) -> Option<EmailId>;

    /// The segment of that name.
    fn segment(&self, name: &str) -> Option<SegmentId>;

    /// The name of an email.
    fn email_name(&self, id: EmailId) -> Option<&str>;

    /// The name of a segment.
    fn segment_name(&self, id: SegmentId) -> Option<&str>;

    /// A name like the one given, for whoever mistyped it.
    fn similar(&self, name: &str) -> Option<&str>;
}

/// A list of names. Capitals do not matter (A to Z).
#[derive(Debug, Clone, Default)]
pub struct NameTable {
    /// Emails and their names.
    pub emails: Vec<(EmailId, String)>,
    /// Segments and their names.
    pub segments: Vec<(SegmentId, String)>,
}

impl Names for NameTable {
    fn email(&self, name: &str) -> Option<EmailId> {
        let found = self
            .emails
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(id, _)| *id)
    }

    fn segment(&self, name: &str) -> Option<SegmentId> {
        let found = self
            .segments
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(id, _)| *id)
    }

    fn email_name(&self, id: EmailId) -> Option<&str> {
        self.emails
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, name)| name.as_str())
    }

    fn segment_name(&self, id: SegmentId) -> Option<&str> {
        self.segments
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, name)| name.as_str())
    }

    fn similar(&self, name: &str) -> Option<&str> {
        let emails = self.emails.iter().map(|(_, name)| name.as_str());
        did_you_mean(
            name,
            emails.chain(self.segments.iter().map(|(_, name)| name.as_str())),
        )
    }
}

/// A rule read from text, with the place of each of its tests.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedRule {
    /// The rule.
    pub rule: Rule,
    /// Where each test stands in the text, in the order in which they stand there.
    pub places: Vec<Range<usize>>,
}

impl ParsedRule {
    /// An error about one of the tests, found after the text was read.
    #[must_use]
    pub fn error_at(
        &self,
        text: &str,
        test: usize,
        problem: String,
        help: Option<String>,
    ) -> RuleTextError {
        let place = self.places.get(test).cloned().unwrap_or(0..0);
        RuleTextError::new(text, place, Problem::Other(problem), help)
    }
}

impl Rule {
    /// Reads the text form.
    ///
    /// ```
    /// use mauntic_crm::{FieldSet, segment::{NameTable, Rule}};
    ///
    /// let names = NameTable::default();
    /// let rule = Rule::parse(r#"country = "DE" and not tag = "vip""#, &FieldSet::core(), &names)?;
    /// assert_eq!(rule.to_text(&names), r#"country = "DE" and not tag = "vip""#);
    ///
    /// let error = Rule::parse(r#"contry = "DE""#, &FieldSet::core(), &names).unwrap_err();
    /// assert_eq!(error.help.as_deref(), Some("did you mean `country`?"));
    /// # Ok::<(), mauntic_crm::segment::RuleTextError>(())
    /// ```
    ///
    /// # Errors
    /// [`RuleTextError`] with the place, what stands there and what should.
    pub fn parse(text: &str, fields: &FieldSet, names: &dyn Names) -> Result<Self, RuleTextError> {
        Self::parse_with_places(text, fields, names).map(|parsed| parsed.rule)
    }

    /// Reads the text form, and remembers where each test stands.
    ///
    /// # Errors
    /// As [`Rule::parse`].
    pub fn parse_with_places(
        text: &str,
        fields: &FieldSet,
        names: &dyn Names,
    ) -> Result<ParsedRule, RuleTextError> {
        parser::parse(text, fields, names)
    }

    /// Writes the text form. What has no name stands by its id.
    #[must_use]
    pub fn to_text(&self, names: &dyn Names) -> String {
        printer::print(self, names)
    }
}

/// The names of emails and segments that a text speaks of, to be looked up before it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MentionedNames {
    /// Of emails.
    pub emails: Vec<String>,
    /// Of segments.
    pub segments: Vec<String>,
}

impl MentionedNames {
    /// Collects the names.
    ///
    /// # Errors
    /// [`RuleTextError`] if the text is no rule.
    pub fn in_text(text: &str, fields: &FieldSet) -> Result<Self, RuleTextError> {
        let collector = Collector::default();
        parser::parse(text, fields, &collector)?;
        Ok(collector
            .0
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
struct Collector(Mutex<MentionedNames>);

impl Collector {
    fn note(&self, f: impl FnOnce(&mut MentionedNames)) {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Names for Collector {
    fn email(&self, name: &str) -> Option<EmailId> {
        self.note(|names| names.emails.push(name.to_owned()));
        Some(EmailId::from_uuid(Uuid::nil()))
    }

    fn segment(&self, name: &str) -> Option<SegmentId> {
        self.note(|names| names.segments.push(name.to_owned()));
        Some(SegmentId::from_uuid(Uuid::nil()))
    }

    fn email_name(&self, _: EmailId) -> Option<&str> {
        None
    }

    fn segment_name(&self, _: SegmentId) -> Option<&str> {
        None
    }

    fn similar(&self, _: &str) -> Option<&str> {
        None
    }
}
