//! What a condition can be about, and how that can be compared.

use mauntic_crm::{
    Field, FieldSet, FieldType,
    segment::{CountOperator, EngagementKind, Operator, Property},
};

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// A field, if it is known, or another property of the contact, compared by its kind.
    Field(Kind<'a>),
    /// Membership of segments.
    Segment,
    /// The marks that forbid writing to somebody.
    DoNotContact,
    /// What somebody did with emails.
    Engagement(EngagementKind),
    /// Everybody.
    Everyone,
    /// Nobody.
    Nobody,
    /// A condition in words of the text form.
    Written,
}

/// The kind of values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Text,
    Number,
    Boolean,
    Date,
    /// One of the field's options.
    Select(&'a Field),
    /// Any of the field's options.
    Multiselect(&'a Field),
    Tags,
    Owner,
}

/// The name of the subject of a condition that stands there as text.
pub(super) const WRITTEN: &str = "=text";
pub(super) const SEGMENT: &str = "=segment";
pub(super) const DO_NOT_CONTACT: &str = "=do_not_contact";
pub(super) const EVERYONE: &str = "=everyone";
pub(super) const NOBODY: &str = "=nobody";

/// The name of an engagement as a subject. No field can be called so.
pub(super) fn engagement(kind: EngagementKind) -> String {
    format!("={kind}")
}

impl<'a> Subject<'a> {
    /// The subject of a name: the alias of a field, the name of a property, or one of the others.
    pub(super) fn named(name: &str, fields: &'a FieldSet) -> Option<Self> {
        Some(match name {
            SEGMENT => Self::Segment,
            DO_NOT_CONTACT => Self::DoNotContact,
            EVERYONE => Self::Everyone,
            NOBODY => Self::Nobody,
            WRITTEN => Self::Written,
            _ => match name.strip_prefix('=') {
                Some(kind) => Self::Engagement(kind.parse().ok()?),
                None => Self::Field(Kind::named(name, fields)?),
            },
        })
    }

    /// The ways to compare, each with its words; the first is the usual one.
    pub(super) fn operators(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Field(kind) => {
                let words = |op: &Operator| (op.as_str(), words(*op, kind));
                kind.operators().iter().map(words).collect()
            }
            Self::Segment => vec![("in", "is in one of"), ("not in", "is in none of")],
            Self::DoNotContact => vec![
                ("is", "must not be written to"),
                ("is not", "may be written to"),
            ],
            Self::Engagement(_) => CountOperator::ALL
                .iter()
                .rev()
                .map(|op| (op.as_str(), count_words(*op)))
                .collect(),
            Self::Everyone | Self::Nobody | Self::Written => Vec::new(),
        }
    }
}

impl<'a> Kind<'a> {
    fn named(name: &str, fields: &'a FieldSet) -> Option<Self> {
        let Some(field) = fields.get(name) else {
            return Some(match Property::from_name(name)? {
                Property::Tag => Self::Tags,
                Property::Owner => Self::Owner,
                Property::EmailDomain | Property::Stage => Self::Text,
                Property::CreatedAt | Property::UpdatedAt | Property::IdentifiedAt => Self::Date,
            });
        };
        Some(match field.field_type {
            FieldType::Number => Self::Number,
            FieldType::Boolean => Self::Boolean,
            FieldType::Date | FieldType::Datetime => Self::Date,
            FieldType::Select => Self::Select(field),
            FieldType::Multiselect => Self::Multiselect(field),
            _ => Self::Text,
        })
    }

    fn operators(self) -> &'static [Operator] {
        use Operator as O;
        match self {
            Self::Text => &[
                O::Equal,
                O::NotEqual,
                O::In,
                O::NotIn,
                O::Contains,
                O::NotContains,
                O::StartsWith,
                O::NotStartsWith,
                O::EndsWith,
                O::NotEndsWith,
                O::IsSet,
                O::IsEmpty,
                O::Like,
                O::NotLike,
                O::Matches,
                O::NotMatches,
                O::Less,
                O::AtMost,
                O::More,
                O::AtLeast,
                O::Between,
                O::NotBetween,
            ],
            Self::Select(_) | Self::Owner => {
                &[O::Equal, O::NotEqual, O::In, O::NotIn, O::IsSet, O::IsEmpty]
            }
            Self::Number => &[
                O::Equal,
                O::NotEqual,
                O::AtLeast,
                O::More,
                O::AtMost,
                O::Less,
                O::Between,
                O::NotBetween,
                O::In,
                O::NotIn,
                O::IsSet,
                O::IsEmpty,
            ],
            Self::Boolean => &[O::Equal, O::NotEqual, O::IsSet, O::IsEmpty],
            Self::Date => &[
                O::Equal,
                O::NotEqual,
                O::Less,
                O::AtMost,
                O::More,
                O::AtLeast,
                O::Between,
                O::NotBetween,
                O::In,
                O::NotIn,
                O::IsSet,
                O::IsEmpty,
            ],
            Self::Tags | Self::Multiselect(_) => &[
                O::In,
                O::NotIn,
                O::HasAll,
                O::NotHasAll,
                O::Equal,
                O::NotEqual,
                O::Contains,
                O::NotContains,
                O::IsSet,
                O::IsEmpty,
            ],
        }
    }
}

/// An operator as people say it.
fn words(op: Operator, kind: Kind<'_>) -> &'static str {
    match kind {
        Kind::Date => date_words(op),
        Kind::Tags | Kind::Multiselect(_) => set_words(op),
        _ => plain_words(op),
    }
}

fn plain_words(op: Operator) -> &'static str {
    match op {
        Operator::Equal => "is",
        Operator::NotEqual => "is not",
        Operator::Less => "is less than",
        Operator::AtMost => "is at most",
        Operator::More => "is more than",
        Operator::AtLeast => "is at least",
        Operator::In => "is one of",
        Operator::NotIn => "is none of",
        Operator::Between => "is between",
        Operator::NotBetween => "is not between",
        Operator::Contains => "contains",
        Operator::NotContains => "does not contain",
        Operator::StartsWith => "starts with",
        Operator::NotStartsWith => "does not start with",
        Operator::EndsWith => "ends with",
        Operator::NotEndsWith => "does not end with",
        Operator::Like => "has the shape (% any, _ one)",
        Operator::NotLike => "has not the shape (% any, _ one)",
        Operator::Matches => "matches the regular expression",
        Operator::NotMatches => "does not match the regular expression",
        Operator::HasAll => "has all of",
        Operator::NotHasAll => "has not all of",
        Operator::IsSet => "is set",
        Operator::IsEmpty => "is empty",
    }
}

fn date_words(op: Operator) -> &'static str {
    match op {
        Operator::Equal => "is on or within",
        Operator::NotEqual => "is not on or within",
        Operator::Less => "is before",
        Operator::AtMost => "is not after",
        Operator::More => "is after",
        Operator::AtLeast => "is since",
        Operator::In => "is on or within one of",
        Operator::NotIn => "is on or within none of",
        other => plain_words(other),
    }
}

fn set_words(op: Operator) -> &'static str {
    match op {
        Operator::In => "has one of",
        Operator::NotIn => "has none of",
        Operator::Equal => "has",
        Operator::NotEqual => "has not",
        other => plain_words(other),
    }
}

fn count_words(op: CountOperator) -> &'static str {
    match op {
        CountOperator::Equal => "exactly",
        CountOperator::NotEqual => "not exactly",
        CountOperator::Less => "less than",
        CountOperator::AtMost => "at most",
        CountOperator::More => "more than",
        CountOperator::AtLeast => "at least",
    }
}
