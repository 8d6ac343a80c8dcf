//! What a rule asks, once its fields are known and its dates are counted from one day: the form that
//! both evaluators work on, so that a rule can only mean one thing.

use mauntic_core::SegmentId;
use uuid::Uuid;

use super::{
    pattern::Pattern,
    rule::{CountOperator, DoNotContactTest, EngagementKind},
};

/// A [`Rule`](super::Rule) made ready for evaluation; it has the same shape.
#[derive(Debug, Clone)]
pub struct Condition(pub(crate) Node);

/// A node of a condition.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test {
        /// The answer is the other way round.
        negated: bool,
        test: Test,
    },
}

/// A question about one contact, which is answered by yes or no, and by no if there is no value.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    IsSet(Source),
    Text(TextSource, TextTest),
    Number(NumberSource, NumberTest),
    Boolean(String, bool),
    /// The date is in one of the spans of days.
    Days(String, Vec<Days>),
    /// The month and day of the date, as `02-28`, are among these.
    MonthDays(String, Vec<String>),
    /// The instant is in one of the spans.
    Instants(InstantSource, Vec<Instants>),
    HasAny(SetSource, Vec<String>),
    HasAll(SetSource, Vec<String>),
    Owner(Vec<Uuid>),
    DoNotContact(DoNotContactTest),
    Segments(Vec<SegmentId>),
    Engagement(Engagement),
}

/// Something that has a value or has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Field(String),
    Email,
    Points,
    Stage,
    Owner,
    Tags,
    Instant(InstantColumn),
}

/// A text. All comparisons are with texts in lower case (A to Z).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextSource {
    Field(String),
    /// The key of the address.
    Email,
    EmailDomain,
    Stage,
}

/// What is asked of a text.
#[derive(Debug, Clone)]
pub(crate) enum TextTest {
    OneOf(Vec<String>),
    Less(String),
    AtMost(String),
    More(String),
    AtLeast(String),
    Between(String, String),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    Like(String),
    Matches(Pattern),
}

/// A number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NumberSource {
    Field(String),
    Points,
}

/// What is asked of a number.
#[derive(Debug, Clone)]
pub(crate) enum NumberTest {
    OneOf(Vec<f64>),
    Less(f64),
    AtMost(f64),
    More(f64),
    AtLeast(f64),
    Between(f64, f64),
}

/// An instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InstantSource {
    Field(String),
    Column(InstantColumn),
}

/// An instant that is no field value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstantColumn {
    CreatedAt,
    UpdatedAt,
    LastActive,
    IdentifiedAt,
}

/// A set of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetSource {
    /// Compared as they are.
    Tags,
    /// Compared in lower case (A to Z).
    Options(String),
}

/// Some days, the first and the last included, as they are stored; open where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) first: Option<String>,
    pub(crate) last: Option<String>,
}

/// Some time in microseconds since 1970, the end not included; open where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instants {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
}

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Engagement {
    pub(crate) kind: EngagementKind,
    pub(crate) email: Option<Uuid>,
    /// Days since 1970, this one included.
    pub(crate) since_day: Option<i32>,
    pub(crate) including_machine: bool,
    pub(crate) op: CountOperator,
    pub(crate) times: i64,
}

impl Condition {
    /// Which kinds of engagement it reads.
    pub(crate) fn engagement_kinds(&self) -> Vec<EngagementKind> {
        let mut kinds = Vec::new();
        self.0.visit(&mut |test| {
            if let Test::Engagement(engagement) = test {
                kinds.push(engagement.kind);
            }
        });
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

impl Node {
    /// Shows each test.
    pub(super) fn visit(&self, f: &mut dyn FnMut(&Test)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.visit(f)),
            Self::Not(node) => node.visit(f),
            Self::Test { test, .. } => f(test),
        }
    }
}
