use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, IdSource};

use super::{Existing, Import, row::ImportRow};
use crate::{
    ChangeSet, Channel, Contact, ContactParts, DoNotContact, Field, FieldAlias, Reason, Tag,
    UniqueKey,
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

impl Rules<'_> {
    /// The field that tells which contact a row is about, if it is not the address.
    pub(super) fn match_field(&self) -> Option<&FieldAlias> {
        let alias = self.import.plan.options.match_on.as_ref();
        alias.filter(|alias| alias.as_str() != "email")
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
        for (index, value) in &row.values {
            let alias = &self.fields[*index].alias;
            match value {
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
        if row.do_not_email == Some(true) {
            contact.forbid(self.mark(), &mut ChangeSet::default());
        }
        contact
    }

    fn mark(&self) -> DoNotContact {
        DoNotContact {
            channel: Channel::Email,
            reason: Reason::Manual,
            source: self.import.origin(),
            comment: String::new(),
            at: self.now,
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
        for (index, value) in &row.values {
            let field = &self.fields[*index];
            let keeps = (blanks_only && contact.value(field.alias.as_str()).is_some())
                || (value.is_none() && field.required);
            if !keeps {
                contact.set_value(&field.alias, value.clone(), changes);
            }
        }
        if let Some(email) = row.email.as_ref().filter(|_| self.match_field().is_some())
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
        match row.do_not_email {
            Some(true) => drop(contact.forbid(self.mark(), changes)),
            // Only what a user decided; what the contact said themselves stays.
            Some(false) => drop(contact.allow(Channel::Email, Some(Reason::Manual), changes)),
            None => {}
        }
    }

    pub(super) fn keys_of<'a>(
        &'a self,
        contact: &'a Contact,
    ) -> impl Iterator<Item = UniqueKey> + 'a {
        let unique = self.fields.iter().filter(|field| field.unique);
        unique
            .map(|field| key_of(contact, field))
            .filter(|key| key.key.is_some())
    }
}

pub(super) fn key_of(contact: &Contact, field: &Field) -> UniqueKey {
    UniqueKey {
        contact_id: contact.id(),
        field: field.alias.clone(),
        key: contact.value(field.alias.as_str()).map(crate::Value::key),
    }
}
