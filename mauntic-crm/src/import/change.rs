use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, IdSource};

use super::{Existing, Import, ImportPlan, Target, mapping::ID, row::ImportRow};
use crate::{
    ChangeSet, Contact, ContactParts, DoNotContact, Field, FieldAlias, Reason, Tag, UniqueKey,
};

/// What rows do to contacts.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) import: &'a Import,
    /// What the values of rows are numbered by.
    pub(crate) fields: &'a [Field],
    pub(crate) ids: &'a dyn IdSource,
    pub(crate) now: DateTime<Utc>,
}

/// What tells which contact a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching<'a> {
    /// The address.
    Address,
    /// The value of a unique field.
    Field(&'a FieldAlias),
    /// The id that the contact has or, where it was exported, had; else the address.
    Id,
}

impl ImportPlan {
    /// What tells which contact a row is about.
    pub(super) fn matching(&self) -> Matching<'_> {
        match &self.options.match_on {
            Some(alias) if alias.as_str() != "email" => Matching::Field(alias),
            None if self.mapping.column_of(&Target::Id).is_some() => Matching::Id,
            _ => Matching::Address,
        }
    }
}

/// What the ids that contacts had elsewhere are kept as: like the values of a unique field.
pub(super) fn id_elsewhere() -> FieldAlias {
    FieldAlias::trusted(ID.to_owned())
}

impl Rules<'_> {
    /// What tells which contact a row is about.
    pub(super) fn matching(&self) -> Matching<'_> {
        self.import.plan.matching()
    }

    /// A contact with the defaults of the fields, the values of a row and what all rows get.
    pub(super) fn new_contact(&self, row: &ImportRow) -> Result<Contact, String> {
        let options = &self.import.plan.options;
        let contact = Contact::new(
            ContactId::generate(self.ids),
            &self.import.origin(),
            self.now,
        );
        let mut parts = contact.into_parts();
        for field in self.fields {
            if let Some(default) = &field.default {
                parts.fields.insert(field.alias.clone(), default.clone());
            }
        }
        for said in &row.values {
            let alias = &self.fields[said.field].alias;
            match &said.value {
                Some(value) => parts.fields.insert(alias.clone(), value.clone()),
                None => parts.fields.remove(alias),
            };
        }
        let missing = self
            .fields
            .iter()
            .find(|field| field.required && !parts.fields.contains_key(&field.alias));
        if let Some(field) = missing {
            return Err(format!("the field {} must have a value", field.alias));
        }
        parts.email.clone_from(&row.email);
        parts.tags = options.tags.iter().chain(&row.tags).cloned().collect();
        parts.owner = row.owner.unwrap_or(options.owner);
        parts.stage = row.stage.clone().flatten();
        parts.points = row.points.unwrap_or_default();
        parts.last_active_at = row.last_active;
        parts.created_at = row.created_at.map_or(self.now, |at| at.min(self.now));
        let mut contact = self.with_consent(parts, row);
        contact.identify(self.now);
        Ok(contact)
    }

    fn with_consent(&self, parts: ContactParts, row: &ImportRow) -> Contact {
        let mut contact = Contact::from_parts(parts);
        self.change_consent(&mut contact, row, &mut ChangeSet::default());
        contact
    }

    /// See [`consent_after`].
    fn change_consent(&self, contact: &mut Contact, row: &ImportRow, changes: &mut ChangeSet) {
        for (channel, said) in &row.do_not_contact {
            let there = contact.parts().do_not_contact.get(channel);
            let there = there.map(|mark| mark.reason);
            match consent_after(there, *said) {
                after if after == there => {}
                Some(reason) => {
                    let mark = DoNotContact {
                        channel: *channel,
                        reason,
                        source: self.import.origin(),
                        comment: String::new(),
                        at: self.now,
                    };
                    contact.forbid(mark, changes);
                }
                None => drop(contact.allow(*channel, None, changes)),
            }
        }
    }

    /// Changes a contact as a row says. What an import added itself, a later row of it may change in any case.
    pub(super) fn change(&self, contact: &mut Contact, row: &ImportRow, changes: &mut ChangeSet) {
        let options = &self.import.plan.options;
        let own = contact.parts().origin == self.import.origin();
        let existing = if own {
            Existing::Update
        } else {
            options.existing
        };
        if existing == Existing::Skip {
            return;
        }
        let blanks_only = existing == Existing::FillBlanks;
        for said in &row.values {
            let field = &self.fields[said.field];
            let stored = contact.value(field.alias.as_str());
            let keeps = (blanks_only && stored.is_some())
                || (said.value.is_none() && field.required)
                || said.is_as_stored(stored);
            if !keeps {
                contact.set_value(&field.alias, said.value.clone(), changes);
            }
        }
        if let Some(email) = row
            .email
            .as_ref()
            .filter(|_| self.matching() != Matching::Address)
            && (!blanks_only || contact.email().is_none())
        {
            contact.set_email(Some(email.clone()), changes);
        }
        let add: BTreeSet<Tag> = options.tags.iter().chain(&row.tags).cloned().collect();
        contact.change_tags(&add, &BTreeSet::new(), changes);
        let parts = contact.parts();
        let (has_owner, has_stage) = (parts.owner.is_some(), parts.stage.is_some());
        if let Some(owner) = row
            .owner
            .or(options.owner.map(Some))
            .filter(|_| !blanks_only || !has_owner)
        {
            contact.set_owner(owner, changes);
        }
        if let Some(stage) = row.stage.clone().filter(|_| !blanks_only || !has_stage) {
            contact.set_stage(stage, changes);
        }
        if let Some(points) = row.points.filter(|_| !blanks_only) {
            contact.set_points(points, changes);
        }
        let seen = contact.parts().last_active_at;
        if let Some(at) = row
            .last_active
            .filter(|at| seen.is_none_or(|seen| seen < *at))
        {
            contact.set_last_active(Some(at), changes);
        }
        self.change_consent(contact, row, changes);
    }

    /// The unique values of a new contact, and the id that it had elsewhere.
    pub(super) fn keys_of<'a>(
        &'a self,
        contact: &'a Contact,
        row: &'a ImportRow,
    ) -> impl Iterator<Item = UniqueKey> + 'a {
        let unique = self.fields.iter().filter(|field| field.unique);
        let elsewhere = row.id.map(|id| UniqueKey {
            contact_id: contact.id(),
            field: id_elsewhere(),
            key: Some(id.to_string()),
        });
        unique
            .map(|field| key_of(contact, field))
            .filter(|key| key.key.is_some())
            .chain(elsewhere)
    }
}

/// Why somebody is not to be written to after a row said something of it: more than before, but never less. Who opted
/// out, or whose mailbox is gone, stays so; only what a user decided is taken back.
pub(super) fn consent_after(there: Option<Reason>, said: Option<Reason>) -> Option<Reason> {
    match (there, said) {
        (Some(Reason::Unsubscribed), _) | (Some(Reason::Bounced), None | Some(Reason::Manual)) => {
            there
        }
        _ => said,
    }
}

pub(super) fn key_of(contact: &Contact, field: &Field) -> UniqueKey {
    UniqueKey {
        contact_id: contact.id(),
        field: field.alias.clone(),
        key: contact.value(field.alias.as_str()).map(crate::Value::key),
    }
}
