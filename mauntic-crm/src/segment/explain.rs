//! Why a contact is in a segment or not.

use serde::{Deserialize, Serialize};

use super::{
    condition::{Condition, Engagement, Node, Test},
    facts::ContactFacts,
    property::Property,
    rule::{Rule, SegmentTest},
    text::Names,
};
use crate::Value;

/// A part of a rule, whether it holds for a contact, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The part as text.
    pub rule: String,
    /// What joins the parts within: `all`, `any`, `not`; `test` if there are none.
    pub kind: ProofKind,
    /// Whether it holds.
    pub holds: bool,
    /// What the contact has, for a test; `None` if it has nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    /// The parts within.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Proof>,
}

/// What a part of a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofKind {
    /// All parts must hold.
    All,
    /// One part must hold.
    Any,
    /// The part must not hold.
    Not,
    /// A question about the contact.
    Test,
}

impl Condition {
    /// Evaluates a rule for a contact, with the answer and what was found at each part. The
    /// condition is the one that the rule was compiled to.
    #[must_use]
    pub fn explain(&self, rule: &Rule, facts: &ContactFacts, names: &dyn Names) -> Proof {
        explain(&self.0, rule, facts, names)
    }
}

fn explain(node: &Node, rule: &Rule, facts: &ContactFacts, names: &dyn Names) -> Proof {
    let (kind, within): (_, &[Node]) = match node {
        Node::All(nodes) => (ProofKind::All, nodes),
        Node::Any(nodes) => (ProofKind::Any, nodes),
        Node::Not(node) => (ProofKind::Not, std::slice::from_ref(&**node)),
        Node::Test { .. } => (ProofKind::Test, &[]),
    };
    let parts = within.iter().zip(rule.children());
    Proof {
        rule: rule.to_text(names),
        kind,
        holds: node.holds(facts),
        observed: match node {
            Node::Test { test, .. } => observed(test, rule, facts, names),
            _ => None,
        },
        parts: parts
            .map(|(node, rule)| explain(node, rule, facts, names))
            .collect(),
    }
}

fn observed(test: &Test, rule: &Rule, facts: &ContactFacts, names: &dyn Names) -> Option<String> {
    match rule {
        Rule::Field(field) => value(&field.name, facts),
        Rule::DoNotContact(_) => {
            let marks = facts.contact.parts().do_not_contact.values();
            joined(marks.map(|mark| format!("{} ({})", mark.channel, mark.reason)))
        }
        Rule::Segment(segments) => memberships(segments, facts, names),
        _ => match test {
            Test::Engagement(engagement) => Some(times(engagement, facts)),
            _ => None,
        },
    }
}

/// What a contact has of a field or property.
fn value(name: &str, facts: &ContactFacts) -> Option<String> {
    let parts = facts.contact.parts();
    let instant = |at: chrono::DateTime<chrono::Utc>| Value::datetime(at).to_string();
    match (name, Property::from_name(name)) {
        ("email", _) => parts.email.as_ref().map(ToString::to_string),
        ("points", _) => Some(parts.points.to_string()),
        ("last_active", _) => parts.last_active_at.map(instant),
        (_, Some(Property::EmailDomain)) => {
            parts.email.as_ref().map(|email| email.domain().to_owned())
        }
        (_, Some(Property::Tag)) => joined(parts.tags.iter().map(ToString::to_string)),
        (_, Some(Property::Owner)) => parts.owner.as_ref().map(ToString::to_string),
        (_, Some(Property::Stage)) => parts.stage.clone(),
        (_, Some(Property::CreatedAt)) => Some(instant(parts.created_at)),
        (_, Some(Property::UpdatedAt)) => Some(instant(parts.updated_at)),
        (_, Some(Property::IdentifiedAt)) => parts.identified_at.map(instant),
        (alias, None) => facts.contact.value(alias).map(ToString::to_string),
    }
}

fn memberships(test: &SegmentTest, facts: &ContactFacts, names: &dyn Names) -> Option<String> {
    let inside = test.ids.iter().filter(|id| facts.segments.contains(id));
    joined(inside.map(|id| {
        names
            .segment_name(*id)
            .map_or_else(|| id.to_string(), str::to_owned)
    }))
}

fn times(engagement: &Engagement, facts: &ContactFacts) -> String {
    match engagement.count(facts) {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn joined(texts: impl Iterator<Item = String>) -> Option<String> {
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}
