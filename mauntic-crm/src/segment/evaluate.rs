//! The evaluator in memory.

use mauntic_core::UserId;

use super::{
    condition::{
        Condition, Days, Engagement, InstantColumn, InstantSource, Instants, Node, NumberSource,
        NumberTest, SetSource, Source, Test, TextSource, TextTest,
    },
    facts::ContactFacts,
    pattern::like,
};
use crate::Value;

impl Condition {
    /// Whether it holds for a contact.
    #[must_use]
    pub fn holds(&self, facts: &ContactFacts) -> bool {
        self.0.holds(facts)
    }
}

impl Node {
    pub(super) fn holds(&self, facts: &ContactFacts) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(facts)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(facts)),
            Self::Not(node) => !node.holds(facts),
            Self::Test { negated, test } => test.holds(facts) != *negated,
        }
    }
}

impl Test {
    fn holds(&self, facts: &ContactFacts) -> bool {
        match self {
            Self::IsSet(source) => is_set(source, facts),
            Self::Text(source, test) => text(source, facts).is_some_and(|text| test.holds(text)),
            Self::Number(source, test) => {
                number(source, facts).is_some_and(|number| test.holds(number))
            }
            Self::Boolean(alias, wanted) => {
                facts.contact.value(alias) == Some(&Value::Boolean(*wanted))
            }
            Self::Days(alias, spans) => {
                let day = facts.contact.value(alias).and_then(Value::as_text);
                day.is_some_and(|day| spans.iter().any(|span| span.has(day)))
            }
            Self::MonthDays(alias, days) => {
                let day = facts
                    .contact
                    .value(alias)
                    .and_then(Value::as_text)
                    .and_then(|day| day.get(5..10));
                day.is_some_and(|day| days.iter().any(|wanted| wanted == day))
            }
            Self::Instants(source, spans) => {
                instant(source, facts).is_some_and(|at| spans.iter().any(|span| span.has(at)))
            }
            Self::HasAny(source, wanted) => wanted.iter().any(|wanted| has(source, facts, wanted)),
            Self::HasAll(source, wanted) => wanted.iter().all(|wanted| has(source, facts, wanted)),
            Self::Owner(wanted) => {
                let owner = facts.contact.parts().owner.as_ref().map(UserId::as_uuid);
                owner.is_some_and(|owner| wanted.contains(&owner))
            }
            Self::DoNotContact(test) => facts.contact.parts().do_not_contact.values().any(|mark| {
                test.channel.is_none_or(|channel| channel == mark.channel)
                    && test.reason.is_none_or(|reason| reason == mark.reason)
            }),
            Self::Segments(ids) => ids.iter().any(|id| facts.segments.contains(id)),
            Self::Engagement(test) => test.op.holds(test.count(facts), test.times),
        }
    }
}

impl Engagement {
    /// How often it happened.
    pub(super) fn count(&self, facts: &ContactFacts) -> i64 {
        let counted = facts.engagement.iter().filter(|fact| {
            fact.kind == self.kind
                && self.email.is_none_or(|email| email == fact.subject)
                && (self.including_machine || !fact.machine)
                && self.since_day.is_none_or(|day| fact.day >= day)
        });
        counted.map(|fact| fact.count).sum()
    }
}

impl TextTest {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::OneOf(wanted) => wanted.iter().any(|wanted| wanted == text),
            Self::Less(limit) => text < limit.as_str(),
            Self::AtMost(limit) => text <= limit.as_str(),
            Self::More(limit) => text > limit.as_str(),
            Self::AtLeast(limit) => text >= limit.as_str(),
            Self::Between(from, to) => text >= from.as_str() && text <= to.as_str(),
            Self::Contains(part) => text.contains(part),
            Self::StartsWith(part) => text.starts_with(part),
            Self::EndsWith(part) => text.ends_with(part),
            Self::Like(pattern) => like(pattern, text),
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }
}

impl NumberTest {
    fn holds(&self, number: f64) -> bool {
        match self {
            Self::OneOf(wanted) => wanted.contains(&number),
            Self::Less(limit) => number < *limit,
            Self::AtMost(limit) => number <= *limit,
            Self::More(limit) => number > *limit,
            Self::AtLeast(limit) => number >= *limit,
            Self::Between(from, to) => number >= *from && number <= *to,
        }
    }
}

impl Days {
    fn has(&self, day: &str) -> bool {
        self.first.as_deref().is_none_or(|first| day >= first)
            && self.last.as_deref().is_none_or(|last| day <= last)
    }
}

impl Instants {
    fn has(&self, at: i64) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

fn is_set(source: &Source, facts: &ContactFacts) -> bool {
    let parts = facts.contact.parts();
    match source {
        Source::Field(alias) => facts.contact.value(alias).is_some(),
        Source::Email => parts.email.is_some(),
        Source::Points => true,
        Source::Stage => parts.stage.is_some(),
        Source::Owner => parts.owner.is_some(),
        Source::Tags => !parts.tags.is_empty(),
        Source::Instant(column) => column_instant(*column, facts).is_some(),
    }
}

fn text<'a>(source: &TextSource, facts: &'a ContactFacts) -> Option<&'a str> {
    match source {
        TextSource::Field(alias) => facts.lowered.get(alias.as_str()).and_then(Value::as_text),
        TextSource::Email => facts.email_key.as_deref(),
        TextSource::EmailDomain => facts
            .email_key
            .as_deref()
            .and_then(|key| key.rsplit_once('@'))
            .map(|(_, domain)| domain),
        TextSource::Stage => facts.stage.as_deref(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "numbers in rules are doubles, on every back end"
)]
fn number(source: &NumberSource, facts: &ContactFacts) -> Option<f64> {
    match source {
        NumberSource::Field(alias) => facts.contact.value(alias).and_then(Value::as_number),
        NumberSource::Points => Some(facts.contact.parts().points as f64),
    }
}

fn instant(source: &InstantSource, facts: &ContactFacts) -> Option<i64> {
    match source {
        InstantSource::Field(alias) => {
            let value = facts.contact.value(alias).and_then(Value::as_datetime);
            value.map(|at| at.timestamp_micros())
        }
        InstantSource::Column(column) => column_instant(*column, facts),
    }
}

fn column_instant(column: InstantColumn, facts: &ContactFacts) -> Option<i64> {
    let parts = facts.contact.parts();
    let at = match column {
        InstantColumn::CreatedAt => Some(parts.created_at),
        InstantColumn::UpdatedAt => Some(parts.updated_at),
        InstantColumn::LastActive => parts.last_active_at,
        InstantColumn::IdentifiedAt => parts.identified_at,
    };
    at.map(|at| at.timestamp_micros())
}

fn has(source: &SetSource, facts: &ContactFacts, wanted: &str) -> bool {
    match source {
        SetSource::Tags => facts
            .contact
            .parts()
            .tags
            .iter()
            .any(|tag| tag.as_str() == wanted),
        SetSource::Options(alias) => match facts.lowered.get(alias.as_str()) {
            Some(Value::Set(values)) => values.contains(wanted),
            _ => false,
        },
    }
}
