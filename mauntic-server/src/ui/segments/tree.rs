//! Rules as trees: what they say, and what they say of one contact.

use mauntic_core::Permission;
use mauntic_crm::{
    CrmError,
    segment::{NameTable, Names, Proof, ProofKind, Rule},
};
use poem::Result;

use crate::{
    App,
    ui::{component::show::Node, failure, visitor::Visitor},
};

const ALL: &str = "all of these:";
const ANY: &str = "any of these:";
const NOT: &str = "not:";

/// The names of what a rule speaks of.
pub(super) async fn names(app: &App, visitor: &Visitor, rule: &Rule) -> Result<NameTable> {
    let mut names = NameTable::default();
    for id in rule.segments() {
        match app.segments.find(&visitor.actor, id).await {
            Ok(segment) => names.segments.push((id, segment.name.into())),
            // It stands by its id then.
            Err(CrmError::SegmentNotFound(_)) => {}
            Err(error) => return Err(failure::crm(error)),
        }
    }
    if visitor.may(Permission::EmailsRead) {
        let ids = rule.emails().into_iter().collect();
        let found = app.emails.names(&visitor.actor, &ids).await;
        let found = found.map_err(failure::messaging)?.into_iter();
        names
            .emails
            .extend(found.map(|(id, name)| (id, name.to_string())));
    }
    Ok(names)
}

/// What a rule says.
pub(super) fn of_rule(rule: &Rule, names: &dyn Names) -> Node {
    let text = match rule {
        Rule::All(parts) if !parts.is_empty() => ALL.to_owned(),
        Rule::Any(parts) if !parts.is_empty() => ANY.to_owned(),
        Rule::Not(_) => NOT.to_owned(),
        test => test.to_text(names),
    };
    let below = rule.children().iter();
    Node {
        text,
        below: below.map(|part| of_rule(part, names)).collect(),
    }
}

/// What a rule says of a contact: whether each part holds, and what was found.
pub(super) fn of_proof(proof: &Proof) -> Node {
    let says = match proof.kind {
        ProofKind::All if !proof.parts.is_empty() => ALL,
        ProofKind::Any if !proof.parts.is_empty() => ANY,
        ProofKind::Not => NOT,
        _ => proof.rule.as_str(),
    };
    let answer = if proof.holds { "✓ true" } else { "✗ false" };
    let found = match (&proof.observed, proof.kind) {
        (Some(value), _) => format!(" (has {value})"),
        (None, ProofKind::Test) => " (has nothing)".to_owned(),
        (None, _) => String::new(),
    };
    Node {
        text: format!("{answer}: {says}{found}"),
        below: proof.parts.iter().map(of_proof).collect(),
    }
}
