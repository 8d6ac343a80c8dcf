use std::collections::BTreeSet;

use mauntic_core::SegmentId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rule::EngagementKind;
use crate::{Contact, FieldValues, Value};

/// Everything that rules can ask about one contact.
#[derive(Debug, Clone)]
pub struct ContactFacts {
    pub(super) contact: Contact,
    /// The field values with their texts in lower case.
    pub(super) lowered: FieldValues,
    pub(super) email_key: Option<String>,
    pub(super) stage: Option<String>,
    /// The segments that the contact is in.
    pub segments: BTreeSet<SegmentId>,
    /// The segments that it was put in or taken out of by hand.
    pub by_hand: BTreeSet<SegmentId>,
    /// What happened between the contact and emails.
    pub engagement: Vec<EngagementFact>,
}

/// How often something happened between a contact and an email on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngagementFact {
    /// What.
    pub kind: EngagementKind,
    /// The email.
    pub subject: Uuid,
    /// Whether a machine did it.
    pub machine: bool,
    /// The day in the organisation's zone, in days since 1970.
    pub day: i32,
    /// How often.
    pub count: i64,
}

impl ContactFacts {
    /// A contact with the segments that it is in and what happened between it and emails.
    #[must_use]
    pub fn new(
        contact: Contact,
        segments: BTreeSet<SegmentId>,
        engagement: Vec<EngagementFact>,
    ) -> Self {
        let parts = contact.parts();
        let lowered = parts
            .fields
            .iter()
            .map(|(alias, value)| (alias.clone(), lowered(value)))
            .collect();
        Self {
            lowered,
            email_key: parts.email.as_ref().map(mauntic_core::EmailAddress::key),
            stage: parts.stage.as_deref().map(str::to_ascii_lowercase),
            contact,
            segments,
            by_hand: BTreeSet::new(),
            engagement,
        }
    }

    /// The contact.
    #[must_use]
    pub fn contact(&self) -> &Contact {
        &self.contact
    }
}

fn lowered(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.to_ascii_lowercase()),
        Value::Set(values) => Value::Set(
            values
                .iter()
                .map(|value| value.to_ascii_lowercase())
                .collect(),
        ),
        other => other.clone(),
    }
}
