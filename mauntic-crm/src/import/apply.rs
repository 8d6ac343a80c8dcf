use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use mauntic_core::{ContactId, EmailAddress, StoreError};

use super::{
    ImportCounts, ImportProblem, ProblemKind,
    batch::Batch,
    change::{Matching, Rules, id_elsewhere, key_of},
    row::ImportRow,
};
use crate::{
    ChangeSet, Channel, Contact, ContactChange, CrmUnitOfWork, FieldAlias, Reason, UniqueKey,
};

const TAKEN_EMAIL: &str = "another contact has this email address";
const SAME_CONTACT: &str = "another row near this one is about the same contact";

/// Makes batches of rows contacts, each within one transaction.
pub(crate) struct Applier<'a> {
    pub(crate) rules: Rules<'a>,
    /// Which contacts those that rows name, but that were merged into others, are now.
    pub(crate) merged: BTreeMap<ContactId, ContactId>,
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

/// The stored contacts that rows are about.
#[derive(Default)]
struct Found {
    /// By the keys of the rows.
    contacts: HashMap<String, Contact>,
    /// The keys of rows that are about a contact that another row has.
    late: HashSet<String>,
    taken: HashSet<ContactId>,
}

impl Found {
    /// Gives a row the contact that it is about, if it is among `contacts` and no other row has it.
    fn claim(&mut self, key: &str, id: ContactId, contacts: &mut HashMap<ContactId, Contact>) {
        if self.taken.contains(&id) {
            self.late.insert(key.to_owned());
        } else if let Some(contact) = contacts.remove(&id) {
            self.taken.insert(id);
            self.contacts.insert(key.to_owned(), contact);
        }
    }

    fn knows(&self, key: &str) -> bool {
        self.contacts.contains_key(key) || self.late.contains(key)
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
        let Found {
            contacts: mut found,
            late,
            ..
        } = self.find(uow, batch, &rows).await?;
        applied.existing += found.len() as u64;
        let (mut left, mut changes) = (Vec::new(), Vec::new());
        for index in rows {
            let key = &batch.rows[index].row.key;
            let Some(mut contact) = found.remove(key) else {
                if late.contains(key) {
                    applied.problems.push(batch.bad_row(index, SAME_CONTACT));
                } else {
                    left.push(index);
                }
                continue;
            };
            let mut change = ChangeSet::default();
            let row = &batch.rows[index].row;
            // The address of one that was merged was given up for that of the one who stayed.
            let merged = row.id.is_some_and(|id| self.merged.contains_key(&id));
            let without_address = (merged && contact.email().is_some()).then(|| ImportRow {
                email: None,
                ..row.clone()
            });
            let row = without_address.as_ref().unwrap_or(row);
            self.rules.change(&mut contact, row, &mut change);
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
    ) -> Result<Found, StoreError> {
        let organization = self.rules.import.organization_id;
        let keys: Vec<_> = rows
            .iter()
            .map(|index| batch.rows[*index].row.key.clone())
            .collect();
        let contacts = match self.rules.matching() {
            Matching::Address => {
                let contacts = uow
                    .contacts()
                    .find_by_emails_for_update(organization, &keys)
                    .await?;
                by_address(contacts).collect()
            }
            Matching::Field(field) => self.find_by_keys(uow, field, &keys).await?,
            Matching::Id => return self.find_by_id(uow, batch, rows).await,
        };
        Ok(Found {
            contacts,
            ..Found::default()
        })
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
        let mut contacts = by_id(contacts);
        Ok(ids
            .into_iter()
            .filter_map(|(key, id)| Some((key, contacts.remove(&id)?)))
            .collect())
    }

    /// The contacts that have the ids of rows, or into which those that had them were merged, or that had them
    /// elsewhere, or else the addresses. Of two rows that turn out to be about one contact, one has it.
    async fn find_by_id(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        rows: &[usize],
    ) -> Result<Found, StoreError> {
        let organization = self.rules.import.organization_id;
        let rows: Vec<_> = rows.iter().map(|index| &batch.rows[*index].row).collect();
        let ids: Vec<_> = rows.iter().filter_map(|row| row.id).collect();
        let wanted: BTreeSet<_> = ids.iter().chain(self.merged.values()).copied().collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        let here = uow
            .contacts()
            .find_many_for_update(organization, &wanted)
            .await?;
        let mut contacts = by_id(here);
        let mut found = Found::default();
        for id in &ids {
            found.claim(&id.to_string(), *id, &mut contacts);
        }
        for id in &ids {
            let key = id.to_string();
            if let Some(stayed) = self.merged.get(id)
                && !found.knows(&key)
            {
                found.claim(&key, *stayed, &mut contacts);
            }
        }
        let keys = ids.iter().map(ToString::to_string);
        let keys: Vec<_> = keys.filter(|key| !found.knows(key)).collect();
        let elsewhere = uow
            .imports()
            .find_by_keys(organization, &id_elsewhere(), &keys)
            .await?;
        let wanted: HashSet<_> = elsewhere.values().copied().collect();
        let wanted: Vec<_> = wanted.difference(&found.taken).copied().collect();
        let there = uow
            .contacts()
            .find_many_for_update(organization, &wanted)
            .await?;
        let mut contacts = by_id(there);
        for key in &keys {
            if let Some(id) = elsewhere.get(key) {
                found.claim(key, *id, &mut contacts);
            }
        }
        let mut addresses = HashMap::new();
        for row in rows.iter().filter(|row| !found.knows(&row.key)) {
            if let Some(email) = &row.email {
                addresses.entry(email.key()).or_insert(&row.key);
            }
        }
        let keys: Vec<_> = addresses.keys().cloned().collect();
        let there = uow
            .contacts()
            .find_by_emails_for_update(organization, &keys)
            .await?;
        // Of a contact that another row has, the address is refused later, if it still has it then.
        for (address, contact) in by_address(there) {
            if let Some(key) = addresses.get(&address)
                && found.taken.insert(contact.id())
            {
                found.contacts.insert((*key).clone(), contact);
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

fn by_id(contacts: Vec<Contact>) -> HashMap<ContactId, Contact> {
    contacts
        .into_iter()
        .map(|contact| (contact.id(), contact))
        .collect()
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
