use std::{borrow::Cow, fmt, str::FromStr};

use mauntic_core::{EmailId, SegmentId};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::{moment::Moment, property::Property};
use crate::{Channel, Reason};

/// What makes a contact a member of a segment.
///
/// The JSON form names each node: `{"all": […]}`, `{"any": […]}`, `{"not": …}`, or one of the tests,
/// such as `{"field": {"name": "country", "op": "=", "value": "DE"}}`. See the [module](super) for
/// what each test means and for the text form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Every one of them holds; with none in it, everyone is meant.
    All(Vec<Rule>),
    /// At least one of them holds; with none in it, nobody is meant.
    Any(Vec<Rule>),
    /// It does not hold.
    Not(Box<Rule>),
    /// A field, or another property of the contact, has a value.
    Field(FieldTest),
    /// The contact must not be written to.
    DoNotContact(DoNotContactTest),
    /// The contact is in one of several segments, or in none of them.
    Segment(SegmentTest),
    /// The contact was sent, opened or clicked an email.
    Engagement(EngagementTest),
}

/// A test of one field, of `email.domain`, `tag`, `owner`, `stage`, `created_at`, `updated_at` or
/// `identified_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldTest {
    /// The alias of the field, or the name of the property.
    pub name: String,
    /// How to compare.
    pub op: Operator,
    /// What to compare with: nothing, one value, or several, as the operator needs.
    #[serde(default, skip_serializing_if = "Operand::is_none")]
    pub value: Operand,
}

/// What an [`Operator`] compares with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Operand {
    /// Nothing: for `is set` and `is empty`.
    #[default]
    None,
    /// One value.
    One(Literal),
    /// Several: for `in`, `not in`, `has all`, `not has all`, and, two of them, for `between`.
    Many(Vec<Literal>),
}

impl Operand {
    fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The values, however many.
    #[must_use]
    pub fn literals(&self) -> &[Literal] {
        match self {
            Self::None => &[],
            Self::One(literal) => std::slice::from_ref(literal),
            Self::Many(literals) => literals,
        }
    }
}

/// A value that a rule names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Literal {
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(#[serde(serialize_with = "whole_if_possible")] f64),
    /// A text; also absolute dates and instants, and ids.
    Text(String),
    /// A date that moves on with time.
    Relative(Relative),
}

/// A date that moves on with time: `{"relative": "today - 30 days"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relative {
    /// Which.
    pub relative: Moment,
}

/// Whether a contact must not be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoNotContactTest {
    /// On this channel; on any, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub channel: Option<Channel>,
    /// For this reason; for any, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reason: Option<Reason>,
}

/// Whether a contact is in other segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentTest {
    /// In one of them, or in none.
    pub op: Membership,
    /// Which segments.
    #[schemars(with = "Vec<uuid::Uuid>")]
    pub ids: Vec<SegmentId>,
}

/// In or not in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Membership {
    /// In at least one.
    #[serde(rename = "in")]
    In,
    /// In none.
    #[serde(rename = "not in")]
    NotIn,
}

/// How often something happened between a contact and an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EngagementTest {
    /// What happened.
    pub kind: EngagementKind,
    /// With which email; with any, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<uuid::Uuid>")]
    pub email: Option<EmailId>,
    /// Today or in that many days before; ever, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_days: Option<u32>,
    /// Also what security scanners and mail proxies did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub including_machine: bool,
    /// How to compare the number of times.
    #[serde(default)]
    pub op: CountOperator,
    /// The number of times.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// How it is written in rules.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What can happen between a contact and an email.
    EngagementKind {
        /// The email was handed over for them.
        Sent => "sent",
        /// They opened it.
        Opened => "opened",
        /// They clicked a link in it.
        Clicked => "clicked",
    }
}

impl FromStr for EngagementKind {
    type Err = UnknownEngagementKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|kind| kind.as_str() == text);
        found.copied().ok_or(UnknownEngagementKind)
    }
}

/// The text names no kind of engagement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of engagement: expected sent, opened or clicked")]
pub struct UnknownEngagementKind;

words! {
    /// How a number of times is compared.
    #[derive(Default)]
    CountOperator {
        /// Exactly so often.
        Equal => "=",
        /// Not so often.
        NotEqual => "!=",
        /// Less often.
        Less => "<",
        /// At most so often.
        AtMost => "<=",
        /// More often.
        More => ">",
        /// At least so often.
        #[default]
        AtLeast => ">=",
    }
}

impl CountOperator {
    /// Whether a count compares so.
    #[must_use]
    pub fn holds(self, count: i64, times: i64) -> bool {
        match self {
            Self::Equal => count == times,
            Self::NotEqual => count != times,
            Self::Less => count < times,
            Self::AtMost => count <= times,
            Self::More => count > times,
            Self::AtLeast => count >= times,
        }
    }
}

words! {
    /// How a field is compared. Each `not …`, and `!=`, is exactly what the other is not.
    Operator {
        /// The value is this one; for dates, within this day or span.
        Equal => "=",
        /// The value is another, or there is none.
        NotEqual => "!=",
        /// The value is less; for dates, before it begins.
        Less => "<",
        /// The value is this or less; for dates, before it ends.
        AtMost => "<=",
        /// The value is greater; for dates, after it ends.
        More => ">",
        /// The value is this or greater; for dates, since it began.
        AtLeast => ">=",
        /// The value is one of these.
        In => "in",
        /// The value is none of these, or there is none.
        NotIn => "not in",
        /// The value is one of the two, or lies between them.
        Between => "between",
        /// The value lies outside the two, or there is none.
        NotBetween => "not between",
        /// The text has this in it; the tags or options have this among them.
        Contains => "contains",
        /// The opposite of `contains`.
        NotContains => "not contains",
        /// The text starts with this.
        StartsWith => "starts with",
        /// The opposite of `starts with`.
        NotStartsWith => "not starts with",
        /// The text ends with this.
        EndsWith => "ends with",
        /// The opposite of `ends with`.
        NotEndsWith => "not ends with",
        /// The whole text has this shape: `%` stands for any characters, `_` for one, `\` before them for themselves.
        Like => "like",
        /// The opposite of `like`.
        NotLike => "not like",
        /// The regular expression is found in the text.
        Matches => "matches",
        /// The opposite of `matches`.
        NotMatches => "not matches",
        /// The tags or options include all of these.
        HasAll => "has all",
        /// The opposite of `has all`.
        NotHasAll => "not has all",
        /// There is a value.
        IsSet => "is set",
        /// There is no value.
        IsEmpty => "is empty",
    }
}

impl Operator {
    /// The operator without its `not`, and whether it had one.
    #[must_use]
    pub fn split(self) -> (Self, bool) {
        match self {
            Self::NotEqual => (Self::Equal, true),
            Self::NotIn => (Self::In, true),
            Self::NotBetween => (Self::Between, true),
            Self::NotContains => (Self::Contains, true),
            Self::NotStartsWith => (Self::StartsWith, true),
            Self::NotEndsWith => (Self::EndsWith, true),
            Self::NotLike => (Self::Like, true),
            Self::NotMatches => (Self::Matches, true),
            Self::NotHasAll => (Self::HasAll, true),
            Self::IsEmpty => (Self::IsSet, true),
            other => (other, false),
        }
    }
}

impl Rule {
    /// Most levels of nesting.
    pub const MAX_DEPTH: usize = 64;
    /// Most nodes.
    pub const MAX_NODES: usize = 2_000;
    /// Most values in all tests together.
    pub const MAX_VALUES: usize = 5_000;

    /// Everyone.
    #[must_use]
    pub fn everyone() -> Self {
        Self::All(Vec::new())
    }

    /// The rules directly within this one.
    #[must_use]
    pub fn children(&self) -> &[Rule] {
        match self {
            Self::All(rules) | Self::Any(rules) => rules,
            Self::Not(rule) => std::slice::from_ref(&**rule),
            _ => &[],
        }
    }

    /// Calls a function with this rule and every rule within.
    pub fn visit<'a>(&'a self, f: &mut dyn FnMut(&'a Rule)) {
        f(self);
        for child in self.children() {
            child.visit(f);
        }
    }

    /// Calls a function with every owner that it names.
    pub(super) fn each_owner(&mut self, f: &mut dyn FnMut(&mut String)) {
        match self {
            Self::All(rules) | Self::Any(rules) => {
                for rule in rules {
                    rule.each_owner(f);
                }
            }
            Self::Not(rule) => rule.each_owner(f),
            Self::Field(test) if test.name == Property::Owner.as_str() => {
                let literals: &mut [Literal] = match &mut test.value {
                    Operand::None => &mut [],
                    Operand::One(literal) => std::slice::from_mut(literal),
                    Operand::Many(literals) => literals,
                };
                for literal in literals {
                    if let Literal::Text(owner) = literal {
                        f(owner);
                    }
                }
            }
            _ => {}
        }
    }

    /// The segments that it names.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentId> {
        let mut ids = Vec::new();
        self.visit(&mut |rule| {
            if let Self::Segment(test) = rule {
                ids.extend_from_slice(&test.ids);
            }
        });
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The emails that it names.
    #[must_use]
    pub fn emails(&self) -> Vec<EmailId> {
        let mut ids = Vec::new();
        self.visit(&mut |rule| {
            if let Self::Engagement(EngagementTest {
                email: Some(email), ..
            }) = rule
            {
                ids.push(*email);
            }
        });
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether its answer for a contact that does not change may change at midnight.
    #[must_use]
    pub fn uses_time(&self) -> bool {
        let mut uses = false;
        self.visit(&mut |rule| {
            uses |= match rule {
                Self::Field(test) => {
                    let literals = test.value.literals().iter();
                    literals
                        .into_iter()
                        .any(|literal| matches!(literal, Literal::Relative(_)))
                }
                Self::Engagement(test) => test.last_days.is_some(),
                _ => false,
            };
        });
        uses
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn whole_if_possible<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
        return serializer.serialize_i64(*number as i64);
    }
    serializer.serialize_f64(*number)
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A date that moves on with time",
            "examples": ["today", "today - 30 days", "last 2 weeks", "this month", "anniversary + 1 day"],
        })
    }
}
