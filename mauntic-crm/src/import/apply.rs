use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use mauntic_core::{
    Cause, ContactId, DomainEvent, EmailAddress, Envelope, IdSource, SegmentId, StoreError,
};

use super::{
    Existing, Import, ImportCounts, ImportProblem, ProblemKind, batch::Batch, row::ImportRow,
};
use crate::{
    ChangeSet, Channel, ConsentChanged, Contact, ContactChange, ContactCreated, ContactParts,
    ContactUpdated, CrmUnitOfWork, DoNotContact, EVENT_BATCH, Field, FieldAlias, Reason, Tag,
    UniqueKey,
    segment::{ContactAddedToSegment, Origin},
};

/// Imports of fewer bytes have segments follow each contact; larger ones have segments rebuilt at the end.
pub(crate) const FOLLOWED_BYTES: u64 = 2 * 1024 * 1024;

const TAKEN_EMAIL: &str = "another contact has this email address";

/// Makes batches of rows contacts, each within one transaction.
pub(crate) struct Applier<'a> {
    pub(crate) import: &'a Import,
    /// What the values of rows are numbered by.
    pub(crate) fields: &'a [Field],
    pub(crate) ids: &'a dyn IdSource,
    pub(crate) now: DateTime<Utc>,
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
    created: Vec<ContactId>,
    updated: Vec<ContactId>,
    unchanged: Vec<ContactId>,
    changed_names: BTreeSet<String>,
    forbidden: Vec<ContactId>,
    allowed: Vec<ContactId>,
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
        let by_field = self.match_field().is_some();
        // A row that lacks what a new contact must have can still change one.
        let mut look =
            self.expect_existing || by_field || self.fields.iter().any(|field| field.required);
        while !waiting.is_empty() {
            if look {
                waiting = self.update(uow, batch, waiting, &mut applied).await?;
            }
            waiting = self.insert(uow, batch, waiting, &mut applied).await?;
            if by_field {
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

    fn match_field(&self) -> Option<&FieldAlias> {
        let alias = self.import.plan.options.match_on.as_ref();
        alias.filter(|alias| alias.as_str() != "email")
    }

    /// Adds contacts for rows, and returns those rows whose address is taken.
    async fn insert(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        rows: Vec<usize>,
        applied: &mut Applied,
    ) -> Result<Vec<usize>, StoreError> {
        let organization = self.import.organization_id;
        let (mut contacts, mut of) = (
            Vec::with_capacity(rows.len()),
            Vec::with_capacity(rows.len()),
        );
        for index in rows {
            match self.new_contact(&batch.rows[index].row) {
                Ok(contact) => {
                    contacts.push(contact);
                    of.push(index);
                }
                Err(reason) => applied.problems.push(batch.bad_row(index, &reason)),
            }
        }
        let inserted = uow.contacts().insert_many(organization, &contacts).await?;
        let mut left = Vec::new();
        if inserted.len() < contacts.len() {
            let inserted: HashSet<_> = inserted.into_iter().collect();
            let is_left = |contact: &Contact| !inserted.contains(&contact.id());
            left = contacts
                .iter()
                .zip(&of)
                .filter(|(contact, _)| is_left(contact))
                .map(|(_, row)| *row)
                .collect();
            let mut kept = contacts
                .iter()
                .map(|contact| !is_left(contact))
                .collect::<Vec<_>>()
                .into_iter();
            of.retain(|_| kept.next().unwrap_or_default());
            contacts.retain(|contact| inserted.contains(&contact.id()));
        }
        let keys: Vec<_> = contacts
            .iter()
            .flat_map(|contact| self.keys_of(contact))
            .collect();
        let taken = taken(uow.contacts().replace_keys(organization, &keys).await?);
        let unwanted: Vec<_> = taken.keys().copied().collect();
        if !unwanted.is_empty() {
            uow.contacts().delete_many(organization, &unwanted).await?;
        }
        for (contact, index) in contacts.iter().zip(of) {
            if let Some(field) = taken.get(&contact.id()) {
                applied
                    .problems
                    .push(batch.bad_row(index, &taken_value(field)));
                continue;
            }
            if !contact.is_contactable(Channel::Email) {
                applied.forbidden.push(contact.id());
            }
            applied.created.push(contact.id());
            applied
                .counts
                .add(batch, index, |counts| &mut counts.created);
        }
        Ok(left)
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
            self.change(&mut contact, &batch.rows[index].row, &mut change);
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
        let organization = self.import.organization_id;
        let keys: Vec<_> = rows
            .iter()
            .map(|index| batch.rows[*index].row.key.clone())
            .collect();
        let Some(field) = self.match_field() else {
            let contacts = uow
                .contacts()
                .find_by_emails_for_update(organization, &keys)
                .await?;
            let keyed = contacts.into_iter().map(|contact| {
                (
                    contact.email().map(EmailAddress::key).unwrap_or_default(),
                    contact,
                )
            });
            return Ok(keyed.collect());
        };
        let ids = uow
            .imports()
            .find_by_keys(organization, field, &keys)
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
        if keys.is_empty() || self.match_field().is_none() {
            return Ok(());
        }
        let holders = uow
            .contacts()
            .find_by_emails_for_update(self.import.organization_id, &keys)
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
            let unique = self.fields.iter().filter(|field| field.unique);
            let changed = unique.filter(|field| change.values().contains_key(field.alias.as_str()));
            keys.extend(changed.map(|field| key_of(contact, field)));
        }
        let taken = taken(
            uow.contacts()
                .replace_keys(self.import.organization_id, &keys)
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
        let organization = self.import.organization_id;
        let (mut contacts, mut history) = (
            Vec::with_capacity(changes.len()),
            Vec::with_capacity(changes.len()),
        );
        for (index, mut contact, changes) in changes {
            contact.touch(self.now);
            applied.updated.push(contact.id());
            applied
                .counts
                .add(batch, index, |counts| &mut counts.updated);
            for name in changes.names() {
                if !applied.changed_names.contains(name) {
                    applied.changed_names.insert(name.to_owned());
                }
            }
            if changes.values().contains_key(&Channel::Email.change_key()) {
                let ids = if contact.is_contactable(Channel::Email) {
                    &mut applied.allowed
                } else {
                    &mut applied.forbidden
                };
                ids.push(contact.id());
            }
            history.push(ContactChange {
                id: self.ids.next(),
                contact_id: contact.id(),
                at: self.now,
                actor: self.import.plan.actor,
                source: self.import.origin(),
                changes,
            });
            contacts.push(contact);
        }
        uow.contacts().update_many(organization, &contacts).await?;
        uow.contacts().record_changes(organization, &history).await
    }

    /// A contact with the defaults of the fields, the values of a row and what all rows get.
    fn new_contact(&self, row: &ImportRow) -> Result<Contact, String> {
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
    fn change(&self, contact: &mut Contact, row: &ImportRow, changes: &mut ChangeSet) {
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

    fn keys_of<'a>(&'a self, contact: &'a Contact) -> impl Iterator<Item = UniqueKey> + 'a {
        let unique = self.fields.iter().filter(|field| field.unique);
        unique
            .map(|field| key_of(contact, field))
            .filter(|key| key.key.is_some())
    }

    /// Whatever follows from the changes, in the same transaction.
    async fn tell(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        applied: &Applied,
    ) -> Result<(), StoreError> {
        let organization = self.import.organization_id;
        let options = &self.import.plan.options;
        let tags: BTreeSet<&Tag> = batch
            .rows
            .iter()
            .flat_map(|row| &row.row.tags)
            .chain(&options.tags)
            .collect();
        let tags: Vec<Tag> = tags.into_iter().cloned().collect();
        uow.tags().add(organization, &tags, self.now).await?;
        let mut events = self.events(applied)?;
        if let Some(segment) = options.segment {
            let all = [&applied.created[..], &applied.updated, &applied.unchanged].concat();
            let added = uow
                .segments()
                .set_by_hand(organization, segment, &all, Origin::Added, self.now)
                .await?;
            events.extend(self.added_to_segment(segment, &added)?);
        }
        if self.import.plan.bytes < FOLLOWED_BYTES {
            let changed = [&applied.created[..], &applied.updated].concat();
            uow.contacts()
                .mark_dirty(organization, &changed, self.now)
                .await?;
        }
        uow.outbox().append(&events).await
    }

    fn added_to_segment(
        &self,
        segment: SegmentId,
        contacts: &[ContactId],
    ) -> Result<Vec<Envelope>, StoreError> {
        let events = contacts.chunks(EVENT_BATCH).map(|ids| {
            self.seal(&ContactAddedToSegment {
                segment_id: segment,
                ids: ids.to_vec(),
            })
        });
        events.collect()
    }

    fn seal<E: DomainEvent>(&self, event: &E) -> Result<Envelope, StoreError> {
        let cause = Cause {
            correlation_id: self.import.id.as_uuid(),
            causation_id: None,
        };
        let organization = self.import.organization_id;
        Envelope::seal(organization, event, self.now, self.ids, cause)
    }

    fn events(&self, applied: &Applied) -> Result<Vec<Envelope>, StoreError> {
        let source = self.import.origin();
        let mut events = Vec::new();
        for ids in applied.created.chunks(EVENT_BATCH) {
            let (ids, source) = (ids.to_vec(), source.clone());
            events.push(self.seal(&ContactCreated { ids, source })?);
        }
        for ids in applied.updated.chunks(EVENT_BATCH) {
            events.push(self.seal(&ContactUpdated {
                ids: ids.to_vec(),
                changed: applied.changed_names.clone(),
                source: source.clone(),
            })?);
        }
        for (all, reason) in [
            (&applied.forbidden, Some(Reason::Manual)),
            (&applied.allowed, None),
        ] {
            for ids in all.chunks(EVENT_BATCH) {
                events.push(self.seal(&ConsentChanged {
                    ids: ids.to_vec(),
                    channel: Channel::Email,
                    reason,
                    source: source.clone(),
                })?);
            }
        }
        Ok(events)
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

fn key_of(contact: &Contact, field: &Field) -> UniqueKey {
    UniqueKey {
        contact_id: contact.id(),
        field: field.alias.clone(),
        key: contact.value(field.alias.as_str()).map(crate::Value::key),
    }
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
