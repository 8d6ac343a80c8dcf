//! People, what is known about them, and whether they may be written to.

mod change;
mod consent;
mod event;
mod likeness;
mod merge;
mod tag;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, EmailAddress, UserId};
use serde_json::{Value as Json, json};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use self::likeness::{Marks, is_gmail};
pub use self::{
    change::{ChangeSet, ContactChange},
    consent::{Channel, DoNotContact, Reason, UnknownChannel, UnknownReason},
    event::{
        ConsentChanged, ContactCreated, ContactDeleted, ContactMerged, ContactUpdated, EVENT_BATCH,
    },
    likeness::{Likeness, UnknownLikeness, mailbox},
    tag::{InvalidTag, Tag},
};
use crate::{FieldAlias, FieldValues, Number, Value};

/// A person, known by an address, a name, or nothing yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    parts: ContactParts,
}

/// Everything that makes up a [`Contact`], for storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactParts {
    /// Names the contact.
    pub id: ContactId,
    /// Where mail reaches them; no other contact of the organisation has it.
    pub email: Option<EmailAddress>,
    /// All other field values, core and custom.
    pub fields: FieldValues,
    /// Marks that people put on contacts.
    pub tags: BTreeSet<Tag>,
    /// The user in charge.
    pub owner: Option<UserId>,
    /// How far they are, by the name of the stage.
    pub stage: Option<String>,
    /// Their score.
    pub points: i64,
    /// When they were last seen to do something.
    pub last_active_at: Option<DateTime<Utc>>,
    /// When they first stopped being anonymous.
    pub identified_at: Option<DateTime<Utc>>,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
    /// When the record was last changed.
    pub updated_at: DateTime<Utc>,
    /// Counts the changes, from 1.
    pub version: i64,
    /// Where the record came from: `manual`, `api`, `import:<id>`, …
    pub origin: String,
    /// Where they must not be written to.
    pub do_not_contact: BTreeMap<Channel, DoNotContact>,
}

impl Contact {
    /// A contact without a name or address.
    #[must_use]
    pub fn new(id: ContactId, origin: &str, now: DateTime<Utc>) -> Self {
        Self {
            parts: ContactParts {
                id,
                email: None,
                fields: FieldValues::new(),
                tags: BTreeSet::new(),
                owner: None,
                stage: None,
                points: 0,
                last_active_at: None,
                identified_at: None,
                created_at: now,
                updated_at: now,
                version: 1,
                origin: origin.to_owned(),
                do_not_contact: BTreeMap::new(),
            },
        }
    }

    /// Rebuilds a stored contact.
    #[must_use]
    pub fn from_parts(parts: ContactParts) -> Self {
        Self { parts }
    }

    /// What it is made of.
    #[must_use]
    pub fn parts(&self) -> &ContactParts {
        &self.parts
    }

    /// Takes it apart.
    #[must_use]
    pub fn into_parts(self) -> ContactParts {
        self.parts
    }

    /// Names the contact.
    #[must_use]
    pub fn id(&self) -> ContactId {
        self.parts.id
    }

    /// The address, if one is known.
    #[must_use]
    pub fn email(&self) -> Option<&EmailAddress> {
        self.parts.email.as_ref()
    }

    /// The value of a field that has no column of its own.
    #[must_use]
    pub fn value(&self, alias: &str) -> Option<&Value> {
        self.parts.fields.get(alias)
    }

    /// The value of any field, those with a column of their own included.
    #[must_use]
    pub fn field_value(&self, alias: &str) -> Option<Value> {
        match alias {
            "email" => Value::text(self.parts.email.as_ref()?.as_str()),
            #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 points")]
            "points" => Number::new(self.parts.points as f64).map(Value::Number),
            "last_active" => self.parts.last_active_at.map(Value::datetime),
            _ => self.value(alias).cloned(),
        }
    }

    /// How often the contact was changed; what `If-Match` compares.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.parts.version
    }

    /// Whether nothing is known that tells who this is: no name, company, address or social account.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        const IDENTIFYING: &[&str] = &[
            "firstname",
            "lastname",
            "company",
            "facebook",
            "foursquare",
            "instagram",
            "linkedin",
            "skype",
            "twitter",
        ];
        self.parts.email.is_none()
            && !IDENTIFYING
                .iter()
                .any(|alias| self.parts.fields.contains_key(*alias))
    }

    /// Whether they may be written to on a channel, as far as do-not-contact goes.
    #[must_use]
    pub fn is_contactable(&self, channel: Channel) -> bool {
        !self.parts.do_not_contact.contains_key(&channel)
    }

    /// Sets or, with `None`, clears the address.
    pub fn set_email(&mut self, email: Option<EmailAddress>, changes: &mut ChangeSet) {
        if self.parts.email != email {
            changes.note(
                "email",
                text(self.parts.email.as_ref()),
                text(email.as_ref()),
            );
            self.parts.email = email;
        }
    }

    /// Sets or, with `None`, clears the value of a field that has no column of its own.
    pub fn set_value(&mut self, alias: &FieldAlias, value: Option<Value>, changes: &mut ChangeSet) {
        let old = self.parts.fields.get(alias);
        if old == value.as_ref() {
            return;
        }
        changes.note(alias.as_str(), json!(old), json!(value));
        match value {
            Some(value) => self.parts.fields.insert(alias.clone(), value),
            None => self.parts.fields.remove(alias),
        };
    }

    /// Replaces the tags.
    pub fn set_tags(&mut self, tags: BTreeSet<Tag>, changes: &mut ChangeSet) {
        if self.parts.tags != tags {
            changes.note("tags", json!(self.parts.tags), json!(tags));
            self.parts.tags = tags;
        }
    }

    /// Puts on and takes off tags; a tag in both ends up on.
    pub fn change_tags(
        &mut self,
        add: &BTreeSet<Tag>,
        remove: &BTreeSet<Tag>,
        changes: &mut ChangeSet,
    ) {
        let kept = self
            .parts
            .tags
            .difference(remove)
            .chain(add)
            .cloned()
            .collect();
        self.set_tags(kept, changes);
    }

    /// Puts somebody in charge, or nobody.
    pub fn set_owner(&mut self, owner: Option<UserId>, changes: &mut ChangeSet) {
        if self.parts.owner != owner {
            changes.note("owner", json!(self.parts.owner), json!(owner));
            self.parts.owner = owner;
        }
    }

    /// Moves the contact to a stage, or to none.
    pub fn set_stage(&mut self, stage: Option<String>, changes: &mut ChangeSet) {
        if self.parts.stage != stage {
            changes.note("stage", json!(self.parts.stage), json!(stage));
            self.parts.stage = stage;
        }
    }

    /// Sets the score.
    pub fn set_points(&mut self, points: i64, changes: &mut ChangeSet) {
        if self.parts.points != points {
            changes.note("points", json!(self.parts.points), json!(points));
            self.parts.points = points;
        }
    }

    /// Sets when they were last seen, or that they never were.
    pub fn set_last_active(&mut self, at: Option<DateTime<Utc>>, changes: &mut ChangeSet) {
        if self.parts.last_active_at != at {
            changes.note(
                "last_active",
                instant(self.parts.last_active_at),
                instant(at),
            );
            self.parts.last_active_at = at;
        }
    }

    /// Forbids a channel. A person's own opt-out is never replaced by another reason, and nothing
    /// changes if the reason is the same; `false` then.
    pub fn forbid(&mut self, mark: DoNotContact, changes: &mut ChangeSet) -> bool {
        let channel = mark.channel;
        let old = self
            .parts
            .do_not_contact
            .get(&channel)
            .map(|mark| mark.reason);
        if old == Some(mark.reason) || old == Some(Reason::Unsubscribed) {
            return false;
        }
        changes.note(&channel.change_key(), json!(old), json!(mark.reason));
        self.parts.do_not_contact.insert(channel, mark);
        true
    }

    /// Lifts the ban on a channel, if there is one, and if it is for that reason where one is given.
    pub fn allow(
        &mut self,
        channel: Channel,
        only: Option<Reason>,
        changes: &mut ChangeSet,
    ) -> bool {
        let old = self
            .parts
            .do_not_contact
            .get(&channel)
            .map(|mark| mark.reason);
        if old.is_none() || (only.is_some() && only != old) {
            return false;
        }
        changes.note(&channel.change_key(), json!(old), Json::Null);
        self.parts.do_not_contact.remove(&channel);
        true
    }

    /// Ends a change: counts it and notes when it was, and whether the contact is known by now.
    pub fn touch(&mut self, now: DateTime<Utc>) {
        self.parts.version += 1;
        self.parts.updated_at = now;
        self.identify(now);
    }

    /// Notes when the contact stopped being anonymous, the first time.
    pub fn identify(&mut self, now: DateTime<Utc>) {
        if self.parts.identified_at.is_none() && !self.is_anonymous() {
            self.parts.identified_at = Some(now);
        }
    }
}

fn text(email: Option<&EmailAddress>) -> Json {
    json!(email.map(EmailAddress::as_str))
}

fn instant(at: Option<DateTime<Utc>>) -> Json {
    json!(at.map(Value::datetime))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn ann() -> Contact {
        Contact::new(
            ContactId::from_uuid(Uuid::from_u128(1)),
            "manual",
            DateTime::UNIX_EPOCH,
        )
    }

    fn mark(reason: Reason) -> DoNotContact {
        DoNotContact {
            channel: Channel::Email,
            reason,
            source: "test".to_owned(),
            comment: String::new(),
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_self_unsubscribe_is_never_downgraded() {
        let (mut ann, mut changes) = (ann(), ChangeSet::default());
        assert!(ann.forbid(mark(Reason::Bounced), &mut changes));
        assert!(ann.forbid(mark(Reason::Unsubscribed), &mut changes));
        assert!(!ann.forbid(mark(Reason::Manual), &mut changes));
        assert!(!ann.forbid(mark(Reason::Bounced), &mut changes));
        assert!(!ann.is_contactable(Channel::Email));
        assert!(ann.is_contactable(Channel::Sms));
        assert!(!ann.allow(Channel::Email, Some(Reason::Bounced), &mut changes));
        assert!(ann.allow(Channel::Email, None, &mut changes));
        assert!(ann.is_contactable(Channel::Email));
        assert!(changes.is_empty(), "what is as it was has not changed");
    }

    #[test]
    fn setting_what_is_there_changes_nothing() {
        let (mut ann, mut changes) = (ann(), ChangeSet::default());
        let city: FieldAlias = "city".parse().unwrap();
        ann.set_value(&city, Value::text("Berlin"), &mut changes);
        assert_eq!(changes.names().collect::<Vec<_>>(), ["city"]);
        let mut again = ChangeSet::default();
        ann.set_value(&city, Value::text("Berlin"), &mut again);
        ann.set_email(None, &mut again);
        assert!(again.is_empty());
    }

    #[test]
    fn a_contact_is_identified_once() {
        let (mut ann, mut changes) = (ann(), ChangeSet::default());
        let (first, later) = (
            DateTime::UNIX_EPOCH,
            DateTime::from_timestamp(9, 0).unwrap(),
        );
        ann.touch(first);
        assert_eq!(ann.parts().identified_at, None);
        ann.set_email(Some("ann@example.com".parse().unwrap()), &mut changes);
        ann.touch(first);
        ann.touch(later);
        assert_eq!(ann.parts().identified_at, Some(first));
        assert_eq!(ann.version(), 4);
    }
}
