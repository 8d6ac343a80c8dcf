use std::collections::HashMap;

use mauntic_core::ContactId;

use super::{
    Change, UpsertContact,
    batch::{Changed, Refused, Writing, taken},
    contacts::Results,
    patch::ContactPatch,
};
use crate::{ChangeSet, Contact, CrmError, CrmUnitOfWork, FieldProblem, InvalidValue};

impl Writing<'_> {
    /// A new contact with what is given, defaults for the rest, and nothing required missing.
    pub(super) fn new_contact(
        &self,
        patch: &ContactPatch,
        origin: &str,
    ) -> Result<Changed, CrmError> {
        let mut contact = Contact::new(ContactId::generate(self.ids), origin, self.now);
        let mut changes = ChangeSet::default();
        let applied = patch.apply(&mut contact, self, &mut changes);
        let mut problems = applied.err().unwrap_or_default();
        for field in self.fields.iter().filter(|field| !field.is_column()) {
            let given = patch.values.contains_key(field.alias.as_str());
            if let (false, Some(default)) = (given, &field.default) {
                contact.set_value(&field.alias, Some(default.clone()), &mut changes);
            }
            let missing = field.required && contact.value(field.alias.as_str()).is_none();
            if missing
                && problems
                    .iter()
                    .all(|problem| problem.field != field.alias.as_str())
            {
                problems.push(FieldProblem::new(
                    field.alias.as_str(),
                    InvalidValue::Required,
                ));
            }
        }
        if !problems.is_empty() {
            return Err(CrmError::InvalidFields(problems));
        }
        contact.identify(self.now);
        Ok(Changed { contact, changes })
    }

    pub(super) fn upsert_one(
        &self,
        states: &mut HashMap<String, (Changed, bool)>,
        key: &str,
        command: &UpsertContact,
    ) -> Result<(), CrmError> {
        if let Some((state, _)) = states.get_mut(key) {
            let mut next = state.clone();
            let patch = ContactPatch {
                email: Change::Keep,
                ..command.patch.clone()
            };
            patch
                .apply(&mut next.contact, self, &mut next.changes)
                .map_err(CrmError::InvalidFields)?;
            *state = next;
            return Ok(());
        }
        let email = Change::Set(command.email.clone());
        let patch = ContactPatch {
            email,
            ..command.patch.clone()
        };
        let new = self.new_contact(&patch, &self.source)?;
        states.insert(key.to_owned(), (new, true));
        Ok(())
    }

    /// Those that did change, with the change counted.
    pub(super) fn finish(&self, states: impl Iterator<Item = Changed>) -> Vec<Changed> {
        let changed = states.filter(|state| !state.changes.is_empty());
        changed
            .map(|mut state| {
                state.contact.touch(self.now);
                state
            })
            .collect()
    }

    /// Changes each contact in its place of the list.
    pub(super) async fn edit_within<F>(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        ids: &[ContactId],
        edit: &F,
    ) -> Result<Results<Contact>, CrmError>
    where
        F: Fn(usize, &mut Contact, &mut ChangeSet) -> Result<(), CrmError> + Sync,
    {
        let found = uow
            .contacts()
            .find_many_for_update(self.organization, ids)
            .await?;
        let mut states: HashMap<_, _> = found
            .into_iter()
            .map(|contact| (contact.id(), unchanged(contact)))
            .collect();
        let mut results = Vec::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            results.push(match states.get_mut(id) {
                None => Err(CrmError::ContactNotFound(*id)),
                Some(state) => {
                    let mut next = state.clone();
                    let edited = edit(place, &mut next.contact, &mut next.changes);
                    edited.map(|()| *state = next)
                }
            });
        }
        let changed = self.finish(states.values().cloned());
        for state in &changed {
            states.insert(state.contact.id(), state.clone());
        }
        let refused = self.update(uow, changed).await?;
        let settled = results.into_iter().zip(ids).map(|(result, id)| {
            result?;
            let state = states.get(id).ok_or(CrmError::ContactNotFound(*id))?;
            settle(state.contact.clone(), &refused)
        });
        Ok(settled.collect())
    }
}

pub(super) fn unchanged(contact: Contact) -> Changed {
    Changed {
        contact,
        changes: ChangeSet::default(),
    }
}

pub(super) fn settle(contact: Contact, refused: &Refused) -> Result<Contact, CrmError> {
    match refused.get(&contact.id()) {
        Some(field) => Err(taken(field)),
        None => Ok(contact),
    }
}
