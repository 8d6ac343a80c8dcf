use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, Principal};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

/// What one change did to a contact: the old and the new value of everything that is different.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeSet(BTreeMap<String, [Json; 2]>);

impl ChangeSet {
    /// Adds a change; a second one of the same name keeps the first's old value, and a change back
    /// is none.
    pub fn note(&mut self, name: &str, old: Json, new: Json) {
        let first = self.0.remove(name).map_or(old, |[first, _]| first);
        if first != new {
            self.0.insert(name.to_owned(), [first, new]);
        }
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is different: aliases of fields, `tags`, `owner`, `stage`, `do_not_contact.email`, ….
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether something of that name is different.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The old and the new value of each name; null is none.
    #[must_use]
    pub fn values(&self) -> &BTreeMap<String, [Json; 2]> {
        &self.0
    }
}

/// An entry in the history of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContactChange {
    /// Names the entry; entries sort by time.
    pub id: Uuid,
    /// Whose history it is in.
    pub contact_id: ContactId,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Principal,
    /// By which way, such as `api` or `import:<id>`.
    pub source: String,
    /// What.
    pub changes: ChangeSet,
}
