use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{Actor, Cause, DomainEvent, Envelope, Id, IdSource, Outbox, Principal, StoreError};

/// How many ids of many records an entry names.
const NAMED: usize = 20;
/// The longest text that an entry holds, in characters.
const MAX_TEXT: usize = 1_000;
/// The longest list that an entry holds.
const MAX_LIST: usize = 100;

/// A use case that changes something for somebody, as `service.use_case`, and the action that it leaves in the audit
/// log. Each context has a list of them, which a test holds to what its use cases do.
pub type Audited = (&'static str, &'static str);

/// What somebody did to what.
///
/// What it says of the values before and after is read for as long as the audit log is kept. So it holds no secrets,
/// and of people it holds ids and the names of what was changed, never the values: who is erased is erased there too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What was done, such as `segment.created`.
    pub action: String,
    /// What it was done to.
    pub subject: Subject,
    /// The changed values as they were; null for a creation.
    pub before: Value,
    /// The changed values as they are now, and how much was changed; null for a deletion of one.
    pub after: Value,
}

/// A record of any context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The kind, such as `segment`.
    pub kind: String,
    /// Its id; none for many records, and for what has a name alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
}

impl Subject {
    /// A record of that kind.
    #[must_use]
    pub fn new<K>(kind: &str, id: Id<K>) -> Self {
        Self {
            kind: kind.to_owned(),
            id: Some(id.as_uuid()),
        }
    }

    /// Something of that kind that has no id.
    #[must_use]
    pub fn nameless(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            id: None,
        }
    }
}

impl Change {
    /// Something was done to a record. The values come with [`from`](Self::from) and [`to`](Self::to).
    #[must_use]
    pub fn new(action: &str, subject: Subject) -> Self {
        Self {
            action: action.to_owned(),
            subject,
            before: Value::Null,
            after: Value::Null,
        }
    }

    /// The same was done to all of these, which is one change however many they are: it says how many, and names the
    /// first.
    #[must_use]
    pub fn of_all<K>(action: &str, kind: &str, ids: &[Id<K>]) -> Self {
        match ids {
            [id] => Self::new(action, Subject::new(kind, *id)),
            ids => Self::new(action, Subject::nameless(kind)).naming(ids),
        }
    }

    /// How many it was about, and the ids of the first.
    #[must_use]
    pub fn naming<K>(self, ids: &[Id<K>]) -> Self {
        let first: Vec<_> = ids.iter().take(NAMED).map(Id::as_uuid).collect();
        self.and(json!({"count": ids.len(), "ids": first}))
    }

    /// The values before.
    #[must_use]
    pub fn from(self, before: Value) -> Self {
        Self { before, ..self }
    }

    /// The values after.
    #[must_use]
    pub fn to(self, after: Value) -> Self {
        Self { after, ..self }
    }

    /// More values after, beside those that are there.
    #[must_use]
    pub fn and(mut self, more: Value) -> Self {
        match (&mut self.after, more) {
            (Value::Object(after), Value::Object(more)) => after.extend(more),
            (_, Value::Null) => {}
            (after, more) => *after = more,
        }
        self
    }

    /// The values of two objects that are different.
    #[must_use]
    pub fn between(self, before: Value, after: Value) -> Self {
        let (Value::Object(before), Value::Object(after)) = (before, after) else {
            return self;
        };
        let differing = |one: &Map<String, Value>, other: &Map<String, Value>| {
            let values = one
                .iter()
                .filter(|(key, value)| other.get(*key) != Some(value));
            Value::Object(
                values
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            )
        };
        let (old, new) = (differing(&before, &after), differing(&after, &before));
        self.from(old).to(new)
    }
}

/// Somebody changed something in a context, which the audit log is to hold.
///
/// It goes through the outbox, in the transaction of the change: there is an entry if and only if the change was
/// made, whatever database each context has. The id of its envelope names the entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeMade {
    /// Who.
    pub principal: Principal,
    /// From where, if it came over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What.
    pub change: Change,
}

impl DomainEvent for ChangeMade {
    const TYPE: &'static str = "audit.change_made.v1";
}

/// Tells the audit log of a change that somebody made, in the transaction of the change. What workers and handlers of
/// events do by themselves is not told: it follows from what somebody did.
///
/// # Errors
/// If the outbox fails.
pub async fn audit(
    outbox: &mut dyn Outbox,
    actor: &Actor,
    change: Change,
    now: DateTime<Utc>,
    ids: &dyn IdSource,
) -> Result<(), StoreError> {
    let made = ChangeMade {
        principal: actor.principal(),
        address: actor.address(),
        change: Change {
            before: shortened(change.before),
            after: shortened(change.after),
            ..change
        },
    };
    let organization = actor.organization_id();
    let envelope = Envelope::seal(organization, &made, now, ids, Cause::root(ids))?;
    outbox.append(&[envelope]).await
}

/// A value that is short enough to be kept with every change.
fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(MAX_TEXT) {
            Some((end, _)) => Value::String(format!("{}…", &text[..end])),
            None => Value::String(text),
        },
        Value::Array(list) => {
            let more = list.len().saturating_sub(MAX_LIST);
            let mut kept: Vec<_> = list.into_iter().take(MAX_LIST).map(shortened).collect();
            if more > 0 {
                kept.push(Value::String(format!("… and {more} more")));
            }
            Value::Array(kept)
        }
        Value::Object(map) => {
            let values = map.into_iter();
            Value::Object(values.map(|(key, value)| (key, shortened(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ContactId;

    fn contact(number: u128) -> ContactId {
        ContactId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn one_is_the_subject_and_many_are_counted() {
        let one = Change::of_all("contact.deleted", "contact", &[contact(7)]);
        assert_eq!(one.subject, Subject::new("contact", contact(7)));
        assert_eq!(one.after, Value::Null);
        let many: Vec<_> = (1..=1_000).map(contact).collect();
        let many = Change::of_all("contact.deleted", "contact", &many).and(json!({"tags": []}));
        assert_eq!(many.subject, Subject::nameless("contact"));
        assert_eq!(many.after["count"], 1_000);
        assert_eq!(many.after["ids"].as_array().map(Vec::len), Some(NAMED));
        assert_eq!(many.after["tags"], json!([]));
    }

    #[test]
    fn only_what_differs_is_kept() {
        let change = Change::new("segment.updated", Subject::nameless("segment")).between(
            json!({"name": "Fans", "rule": null, "old": 1}),
            json!({"name": "Friends", "rule": null, "new": 2}),
        );
        assert_eq!(change.before, json!({"name": "Fans", "old": 1}));
        assert_eq!(change.after, json!({"name": "Friends", "new": 2}));
    }

    #[test]
    fn long_values_are_cut_at_a_letter() {
        let long = "ä".repeat(MAX_TEXT + 1);
        let cut = shortened(json!({"text": long, "list": vec![0; MAX_LIST + 2]}));
        assert_eq!(cut["text"], format!("{}…", "ä".repeat(MAX_TEXT)));
        assert_eq!(cut["list"][MAX_LIST], "… and 2 more");
        let short = json!({"text": "ä".repeat(MAX_TEXT), "list": vec![0; MAX_LIST]});
        assert_eq!(shortened(short.clone()), short);
    }

    #[test]
    fn the_first_form_of_the_event_can_still_be_read() {
        let stored = json!({
            "principal": {"kind": "user", "id": Uuid::from_u128(1)},
            "address": "192.0.2.1",
            "change": {"action": "tag.renamed", "subject": {"kind": "tag"},
                "before": {"name": "a"}, "after": {"name": "b"}},
        });
        let made: ChangeMade = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(made.change.subject, Subject::nameless("tag"));
        assert_eq!(serde_json::to_value(&made).unwrap(), stored);
    }
}
