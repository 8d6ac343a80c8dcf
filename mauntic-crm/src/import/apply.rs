use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use mauntic_core::{ContactId, EmailAddress, StoreError};

use super::{
    ImportCounts, ImportProblem, ProblemKind,
    batch::Batch,
    change::{Matching, Rules, id_elsewhere, key_of},
};
use crate::{
    ChangeSet, Channel, Contact, ContactChange, CrmUnitOfWork, FieldAlias, Reason, UniqueKey,
};

const TAKEN_EMAIL: &str = "another contact has this email address";

/// Makes batches of rows contacts, each within one transaction.
pub(crate) struct Applier<'a> {
    pub(crate) rules: Rules<'a>,
    /// Whether most contacts are likely to be there: then they are looked for before any is added.
    pub(crate) expect_existing: bool,
}

/// What became of a batch.
#[derive(Default)]
pub(crate) struct Applied {
    pub(crate) counts: ImportCounts,
    /// Rows that could not be imported after all.
    pub(crate) problems: Vec<ImportProblem>,
    /// How many contacts were there already.
    pub(crate) existing: u64,
    pub(super) created: Vec<ContactId>,
    pub(super) updated: Vec<ContactId>,
    pub(super) unchanged: Vec<ContactId>,
    pub(super) changed_names: BTreeSet<String>,
    /// Who must not be written to by now, where and why, or without a reason may be again.
    pub(super) consent: BTreeMap<(Channel, Option<Reason>), Vec<ContactId>>,
}

impl Applied {
    fn note_consent(&mut self, contact: &Contact, channel: Channel) {
        let mark = contact.parts().do_not_contact.get(&channel);
        let key = (channel, mark.map(|mark| mark.reason));
        self.consent.entry(key).or_default().push(contact.id());
    }
}

/// A stored contact, what a row changes in it, and which row.
type Change = (usize, Contact, ChangeSet);

impl Applier<'_> {
    /// Adds and changes contacts as the rows say, tells of it, and counts.
    pub(crate) async fn apply(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
    ) -> Result<Applied, StoreError> {
        let mut applied = Applied::default();
        let mut waiting: Vec<usize> = (0..batch.rows.len()).collect();
        let by_address = self.rules.matching() == Matching::Address;
        // A row that lacks what a new contact must have can still change one.
        let mut look = self.expect_existing
            || !by_address
            || self.rules.fields.iter().any(|field| field.required);
        while !waiting.is_empty() {
            if look {
                waiting = self.update(uow, batch, waiting, &mut applied).await?;
            }
            waiting = self.insert(uow, batch, waiting, &mut applied).await?;
            if !by_address {
                let taken = waiting
                    .drain(..)
                    .map(|index| batch.bad_row(index, TAKEN_EMAIL));
                applied.problems.extend(taken);
            }
            look = true;
        }
        self.tell(uow, batch, &applied).await?;
        let bad = batch
            .problems
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Bad)
            .count();
        applied.counts.rows = batch.read;
        applied.counts.failed = (bad + applied.problems.len()) as u64;
        applied.counts.duplicates += batch.overruled;
        Ok(applied)
    }

    /// Adds contacts for rows, and returns those rows whose address is taken.
    async fn insert(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        rows: Vec<usize>,
        applied: &mut Applied,
    ) -> Result<Vec<usize>, StoreError> {
        let organization = self.rules.import.organization_id;
        let (mut made, mut of) = (Vec::new(), rows);
        let prepared = batch
            .prepared
            .as_ref()
            .filter(|_| of.len() == batch.rows.len());
        let (contacts, inserted) = if let Some(prepared) = prepared {
            let inserted = uow
                .contacts()
                .insert_prepared(organization, prepared)
                .await?;
            (prepared.contacts(), inserted)
        } else {
            of.retain(
                |index| match self.rules.new_contact(&batch.rows[*index].row) {
                    Ok(contact) => {
                        made.push(contact);
                        true
                    }
                    Err(reason) => {
                        applied.problems.push(batch.bad_row(*index, &reason));
                        false
                    }
                },
            );
            let inserted = uow.contacts().insert_many(organization, &made).await?;
            (&made[..], inserted)
        };
        let all = inserted.len() == contacts.len();
        let inserted: HashSet<_> = if all {
            HashSet::new()
        } else {
            inserted.into_iter().collect()
        };
        let (contacts, left): (Vec<_>, Vec<_>) = contacts
            .iter()
            .zip(of)
            .partition(|(contact, _)| all || inserted.contains(&contact.id()));
        let keys: Vec<_> = contacts
            .iter()
            .flat_map(|(contact, index)| self.rules.keys_of(contact, &batch.rows[*index].row))
            .collect();
        let taken = taken(uow.contacts().replace_keys(organization, &keys).await?);
        let unwanted: Vec<_> = taken.keys().copied().collect();
        if !unwanted.is_empty() {
            uow.contacts().delete_many(organization, &unwanted).await?;
        }
        for (contact, index) in contacts {
            if let Some(field) = taken.get(&contact.id()) {
                applied
                    .problems
                    .push(batch.bad_row(index, &taken_value(field)));
                continue;
            }
            for channel in contact.parts().do_not_contact.keys() {
                applied.note_consent(contact, *channel);
            }
            applied.created.push(contact.id());
            applied
                .counts
                .add(batch, index, |counts| &mut counts.created);
        }
        Ok(left.into_iter().map(|(_, index)| index).collect())
    }

    /// Changes the contacts that rows are about, and returns the rows about none.
    async fn update(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        rows: Vec<usize>,
        applied: &mut Applied,
    ) -> Result<Vec<usize>, StoreError> {
        let mut found = self.find(uow, batch, &rows).await?;
        applied.existing += found.len() as u64;
        let (mut left, mut changes) = (Vec::new(), Vec::new());
        for index in rows {
            let Some(mut contact) = found.remove(&batch.rows[index].row.key) else {
                left.push(index);
                continue;
            };
            let mut change = ChangeSet::default();
            self.rules
                .change(&mut contact, &batch.rows[index].row, &mut change);
            if change.is_empty() {
                applied.unchanged.push(contact.id());
                applied
                    .counts
                    .add(batch, index, |counts| &mut counts.unchanged);
            } else {
                changes.push((index, contact, change));
            }
        }
        self.refuse_taken_emails(uow, batch, &mut changes, applied)
            .await?;
        self.refuse_taken_keys(uow, batch, &mut changes, applied)
            .await?;
        self.save(uow, batch, changes, applied).await?;
        Ok(left)
    }

    /// The contacts that rows are about, by the keys of the rows.
    async fn find(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        rows: &[usize],
    ) -> Result<HashMap<String, Contact>, StoreError> {
        let organization = self.rules.import.organization_id;
        let keys: Vec<_> = rows
            .iter()
            .map(|index| batch.rows[*index].row.key.clone())
            .collect();
        match self.rules.matching() {
            Matching::Address => {
                let contacts = uow
                    .contacts()
                    .find_by_emails_for_update(organization, &keys)
                    .await?;
                Ok(by_address(contacts).collect())
            }
            Matching::Field(field) => self.find_by_keys(uow, field, &keys).await,
            Matching::Id => self.find_by_id(uow, batch, rows).await,
        }
    }

    async fn find_by_keys(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        field: &FieldAlias,
        keys: &[String],
    ) -> Result<HashMap<String, Contact>, StoreError> {
        let organization = self.rules.import.organization_id;
        let ids = uow
            .imports()
            .find_by_keys(organization, field, keys)
            .await?;
        let wanted: Vec<_> = ids.values().copied().collect();
        let contacts = uow
            .contacts()
            .find_many_for_update(organization, &wanted)
            .await?;
        let mut contacts: HashMap<_, _> = contacts
            .into_iter()
            .map(|contact| (contact.id(), contact))
            .collect();
        Ok(ids
            .into_iter()
            .filter_map(|(key, id)| Some((key, contacts.remove(&id)?)))
            .collect())
    }

    /// The contacts that have the ids of rows, or had them elsewhere, or else the addresses. Of two rows that turn out
    /// to be about one contact, the first has it.
    async fn find_by_id(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        rows: &[usize],
    ) -> Result<HashMap<String, Contact>, StoreError> {
        let organization = self.rules.import.organization_id;
        let rows: Vec<_> = rows.iter().map(|index| &batch.rows[*index].row).collect();
        let ids: Vec<_> = rows.iter().filter_map(|row| row.id).collect();
        let here = uow
            .contacts()
            .find_many_for_update(organization, &ids)
            .await?;
        let mut found: HashMap<_, _> = here
            .into_iter()
            .map(|contact| (contact.id().to_string(), contact))
            .collect();
        let elsewhere = ids.iter().map(ToString::to_string);
        let elsewhere: Vec<_> = elsewhere.filter(|id| !found.contains_key(id)).collect();
        found.extend(self.find_by_keys(uow, &id_elsewhere(), &elsewhere).await?);
        let mut addresses = HashMap::new();
        for row in rows.iter().filter(|row| !found.contains_key(&row.key)) {
            if let Some(email) = &row.email {
                addresses.entry(email.key()).or_insert(&row.key);
            }
        }
        let keys: Vec<_> = addresses.keys().cloned().collect();
        let there = uow
            .contacts()
            .find_by_emails_for_update(organization, &keys)
            .await?;
        let mut taken: HashSet<_> = found.values().map(Contact::id).collect();
        for (address, contact) in by_address(there) {
            if let Some(key) = addresses.get(&address)
                && taken.insert(contact.id())
            {
                found.insert((*key).clone(), contact);
            }
        }
        Ok(found)
    }

    async fn refuse_taken_emails(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        changes: &mut Vec<Change>,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        let new_key = |(_, contact, change): &Change| {
            let changed = change.values().contains_key("email");
            contact.email().filter(|_| changed).map(EmailAddress::key)
        };
        let keys: Vec<_> = changes.iter().filter_map(new_key).collect();
        if keys.is_empty() || self.rules.matching() == Matching::Address {
            return Ok(());
        }
        let holders = uow
            .contacts()
            .find_by_emails_for_update(self.rules.import.organization_id, &keys)
            .await?;
        let mut holders: HashMap<_, _> = holders
            .iter()
            .filter_map(|contact| Some((contact.email()?.key(), contact.id())))
            .collect();
        changes.retain(|change| {
            let Some(key) = new_key(change) else {
                return true;
            };
            let id = change.1.id();
            let mine = *holders.entry(key).or_insert(id) == id;
            if !mine {
                applied.problems.push(batch.bad_row(change.0, TAKEN_EMAIL));
            }
            mine
        });
        Ok(())
    }

    async fn refuse_taken_keys(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        changes: &mut Vec<Change>,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        let mut keys = Vec::new();
        for (_, contact, change) in changes.iter() {
            let unique = self.rules.fields.iter().filter(|field| field.unique);
            let changed = unique.filter(|field| change.values().contains_key(field.alias.as_str()));
            keys.extend(changed.map(|field| key_of(contact, field)));
        }
        let taken = taken(
            uow.contacts()
                .replace_keys(self.rules.import.organization_id, &keys)
                .await?,
        );
        changes.retain(|(index, contact, _)| match taken.get(&contact.id()) {
            None => true,
            Some(field) => {
                applied
                    .problems
                    .push(batch.bad_row(*index, &taken_value(field)));
                false
            }
        });
        Ok(())
    }

    async fn save(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        changes: Vec<Change>,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        let organization = self.rules.import.organization_id;
        let (mut contacts, mut history) = (
            Vec::with_capacity(changes.len()),
            Vec::with_capacity(changes.len()),
        );
        for (index, mut contact, changes) in changes {
            contact.touch(self.rules.now);
            applied.updated.push(contact.id());
            applied
                .counts
                .add(batch, index, |counts| &mut counts.updated);
            for name in changes.names() {
                if !applied.changed_names.contains(name) {
                    applied.changed_names.insert(name.to_owned());
                }
            }
            for channel in Channel::ALL {
                if changes.has(&channel.change_key()) {
                    applied.note_consent(&contact, *channel);
                }
            }
            history.push(ContactChange {
                id: self.rules.ids.next(),
                contact_id: contact.id(),
                at: self.rules.now,
                actor: self.rules.import.plan.actor,
                source: self.rules.import.origin(),
                changes,
            });
            contacts.push(contact);
        }
        uow.contacts().update_many(organization, &contacts).await?;
        uow.contacts().record_changes(organization, &history).await
    }
}

impl ImportCounts {
    /// Counts a row once: under `what`, unless an earlier row was about the same contact.
    fn add(&mut self, batch: &Batch, index: usize, what: impl Fn(&mut Self) -> &mut u64) {
        let count = if batch.rows[index].repeats {
            &mut self.duplicates
        } else {
            what(self)
        };
        *count += 1;
    }
}

fn by_address(contacts: Vec<Contact>) -> impl Iterator<Item = (String, Contact)> {
    contacts
        .into_iter()
        .filter_map(|contact| Some((contact.email()?.key(), contact)))
}

/// One field of each contact whose value another contact has.
fn taken(keys: Vec<UniqueKey>) -> BTreeMap<ContactId, FieldAlias> {
    keys.into_iter()
        .map(|key| (key.contact_id, key.field))
        .collect()
}

fn taken_value(field: &FieldAlias) -> String {
    format!("another contact has this value of {field}")
}
