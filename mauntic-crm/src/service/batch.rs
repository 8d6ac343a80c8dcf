//! Writes many contacts in one transaction and a fixed number of statements.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use mauntic_core::{
    Actor, Cause, ContactId, DomainEvent, EmailAddress, Envelope, IdSource, OrganizationId,
    Principal, StoreError, UserId,
};
use serde_json::Value as Json;

use crate::{
    ChangeSet, Channel, ConsentChanged, Contact, ContactChange, ContactCreated, ContactDeleted,
    ContactUpdated, CrmError, CrmUnitOfWork, EVENT_BATCH, FieldSet, Reason, Tag, UniqueKey,
    audit::{self, contacts_changed},
};

/// Most contacts that one call may deal with.
pub const MAX_BATCH: usize = 1_000;

/// Who writes, when, by which way, and why.
pub(super) struct Writing<'a> {
    pub(super) organization: OrganizationId,
    pub(super) principal: Principal,
    pub(super) source: String,
    pub(super) now: DateTime<Utc>,
    pub(super) cause: Cause,
    pub(super) ids: &'a dyn IdSource,
    pub(super) fields: &'a FieldSet,
    /// Users that are to be in charge and cannot be.
    pub(super) strangers: BTreeSet<UserId>,
    /// What the audit log is told of the contacts that are written; nothing if a worker or a handler writes.
    pub(super) audited: Option<Audited<'a>>,
}

/// What somebody does to contacts.
pub(super) struct Audited<'a> {
    pub(super) actor: &'a Actor,
    /// What it is called; new contacts are `contact.created` and deleted ones `contact.deleted` all the same.
    pub(super) action: &'static str,
    /// What else there is to say, beside the names of what was changed.
    pub(super) more: Json,
}

/// A contact, and how it differs from what is stored.
#[derive(Clone)]
pub(super) struct Changed {
    pub(super) contact: Contact,
    pub(super) changes: ChangeSet,
}

/// Contacts that were not written, and the field whose value another contact has.
pub(super) type Refused = HashMap<ContactId, String>;

impl Writing<'_> {
    /// Adds contacts but those whose address or unique value is taken.
    pub(super) async fn insert(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        new: Vec<Changed>,
    ) -> Result<Refused, CrmError> {
        let mut refused = Refused::new();
        let contacts: Vec<_> = new.iter().map(|new| new.contact.clone()).collect();
        let added = uow
            .contacts()
            .insert_many(self.organization, &contacts)
            .await?;
        let added: HashSet<_> = added.into_iter().collect();
        for contact in contacts
            .iter()
            .filter(|contact| !added.contains(&contact.id()))
        {
            refused.insert(contact.id(), "email".to_owned());
        }
        let mut kept = without(new, &refused);
        let lost = self.replace_keys(uow, &kept).await?;
        // They are in already, but nothing else of them is.
        let out: Vec<_> = lost.keys().copied().collect();
        uow.contacts().delete_many(self.organization, &out).await?;
        kept = without(kept, &lost);
        refused.extend(lost);
        self.record(uow, &kept, true).await?;
        Ok(refused)
    }

    /// Replaces contacts, which must be locked, but those whose new address or unique value is taken.
    /// [`StoreError::Conflict`] if somebody takes an address meanwhile.
    pub(super) async fn update(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        changed: Vec<Changed>,
    ) -> Result<Refused, CrmError> {
        let mut refused = self.taken_addresses(uow, &changed).await?;
        let changed = without(changed, &refused);
        let lost = self.replace_keys(uow, &changed).await?;
        let changed = without(changed, &lost);
        refused.extend(lost);
        let contacts: Vec<_> = changed
            .iter()
            .map(|changed| changed.contact.clone())
            .collect();
        uow.contacts()
            .update_many(self.organization, &contacts)
            .await?;
        self.record(uow, &changed, false).await?;
        Ok(refused)
    }

    /// Deletes contacts; returns those that were there.
    pub(super) async fn delete(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        ids: &[ContactId],
    ) -> Result<Vec<ContactId>, CrmError> {
        let deleted = uow.contacts().delete_many(self.organization, ids).await?;
        let mut events = Vec::new();
        for ids in deleted.chunks(EVENT_BATCH) {
            events.push(self.seal(&ContactDeleted { ids: ids.to_vec() })?);
        }
        uow.outbox().append(&events).await?;
        self.tell(uow, "contact.deleted", &deleted, Vec::new())
            .await?;
        Ok(deleted)
    }

    /// Tells the audit log what became of contacts, if somebody did it.
    async fn tell(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        action: &str,
        ids: &[ContactId],
        changed: Vec<&str>,
    ) -> Result<(), StoreError> {
        let Some(audited) = self.audited.as_ref().filter(|_| !ids.is_empty()) else {
            return Ok(());
        };
        let change = contacts_changed(action, ids, changed).and(audited.more.clone());
        audit::tell(uow.outbox(), audited.actor, change, self.now, self.ids).await
    }

    /// Those whose new address another contact has, or an earlier one of the batch takes.
    async fn taken_addresses(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        changed: &[Changed],
    ) -> Result<Refused, CrmError> {
        let wanted = changed
            .iter()
            .filter(|changed| changed.changes.has("email"));
        let wanted: Vec<_> = wanted
            .filter_map(|changed| Some((changed.contact.id(), changed.contact.email()?.key())))
            .collect();
        let keys: Vec<_> = wanted.iter().map(|(_, key)| key.clone()).collect();
        let owners = uow
            .contacts()
            .find_by_emails_for_update(self.organization, &keys)
            .await?;
        let mut owner_of: HashMap<String, ContactId> = owners
            .iter()
            .filter_map(|owner| Some((owner.email()?.key(), owner.id())))
            .collect();
        let refused = wanted.into_iter().filter_map(|(id, key)| {
            let owner = *owner_of.entry(key).or_insert(id);
            (owner != id).then(|| (id, "email".to_owned()))
        });
        Ok(refused.collect())
    }

    async fn replace_keys(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        changed: &[Changed],
    ) -> Result<Refused, CrmError> {
        let unique = self
            .fields
            .custom()
            .filter(|field| field.unique)
            .collect::<Vec<_>>();
        let keys = changed.iter().flat_map(|changed| {
            let of_it = unique
                .iter()
                .filter(|field| changed.changes.has(field.alias.as_str()));
            of_it.map(|field| UniqueKey {
                contact_id: changed.contact.id(),
                field: field.alias.clone(),
                key: changed
                    .contact
                    .value(field.alias.as_str())
                    .map(crate::Value::key),
            })
        });
        let keys: Vec<_> = keys.collect();
        let lost = uow
            .contacts()
            .replace_keys(self.organization, &keys)
            .await?;
        Ok(lost
            .into_iter()
            .map(|key| (key.contact_id, key.field.into()))
            .collect())
    }

    /// Tags, history, segments to check again, and events.
    async fn record(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        written: &[Changed],
        new: bool,
    ) -> Result<(), CrmError> {
        let tagged = written.iter().filter(|changed| changed.changes.has("tags"));
        let tags: BTreeSet<&Tag> = tagged
            .flat_map(|changed| &changed.contact.parts().tags)
            .collect();
        let tags: Vec<Tag> = tags.into_iter().cloned().collect();
        uow.tags().add(self.organization, &tags, self.now).await?;
        let history: Vec<_> = written
            .iter()
            .map(|changed| self.history_of(changed))
            .collect();
        uow.contacts()
            .record_changes(self.organization, &history)
            .await?;
        let ids: Vec<_> = written.iter().map(|changed| changed.contact.id()).collect();
        uow.contacts()
            .mark_dirty(self.organization, &ids, self.now)
            .await?;
        uow.outbox().append(&self.events(written, new)?).await?;
        let names = written.iter().flat_map(|changed| changed.changes.names());
        let names = names.collect();
        let of_known = self.audited.as_ref().map_or("", |audited| audited.action);
        let action = if new { "contact.created" } else { of_known };
        self.tell(uow, action, &ids, names).await?;
        Ok(())
    }

    fn history_of(&self, changed: &Changed) -> ContactChange {
        ContactChange {
            id: self.ids.next(),
            contact_id: changed.contact.id(),
            at: self.now,
            actor: self.principal,
            source: self.source.clone(),
            changes: changed.changes.clone(),
        }
    }

    fn events(&self, written: &[Changed], new: bool) -> Result<Vec<Envelope>, StoreError> {
        let mut events = Vec::new();
        for part in written.chunks(EVENT_BATCH) {
            let ids = part.iter().map(|changed| changed.contact.id()).collect();
            let source = self.source.clone();
            events.push(if new {
                self.seal(&ContactCreated { ids, source })?
            } else {
                let names = part.iter().flat_map(|changed| changed.changes.names());
                let changed = names.map(str::to_owned).collect();
                self.seal(&ContactUpdated {
                    ids,
                    changed,
                    source,
                })?
            });
            for (channel, reason, ids) in consent_changes(part) {
                let source = self.source.clone();
                events.push(self.seal(&ConsentChanged {
                    ids,
                    channel,
                    reason,
                    source,
                })?);
            }
        }
        Ok(events)
    }

    pub(super) fn seal<E: DomainEvent>(&self, event: &E) -> Result<Envelope, StoreError> {
        Envelope::seal(self.organization, event, self.now, self.ids, self.cause)
    }
}

/// Whose mark is another now, by channel and new reason.
fn consent_changes(
    changed: &[Changed],
) -> impl Iterator<Item = (Channel, Option<Reason>, Vec<ContactId>)> {
    let mut by_mark: BTreeMap<(Channel, Option<Reason>), Vec<ContactId>> = BTreeMap::new();
    for Changed { contact, changes } in changed {
        for channel in Channel::ALL {
            if changes.has(&channel.change_key()) {
                let reason = contact
                    .parts()
                    .do_not_contact
                    .get(channel)
                    .map(|mark| mark.reason);
                by_mark
                    .entry((*channel, reason))
                    .or_default()
                    .push(contact.id());
            }
        }
    }
    by_mark
        .into_iter()
        .map(|((channel, reason), ids)| (channel, reason, ids))
}

fn without(all: Vec<Changed>, refused: &Refused) -> Vec<Changed> {
    all.into_iter()
        .filter(|changed| !refused.contains_key(&changed.contact.id()))
        .collect()
}

pub(super) fn taken(field: &str) -> CrmError {
    CrmError::Taken {
        field: field.to_owned(),
    }
}

/// By which way an actor comes in, for origin and history.
pub(super) fn source_of(actor: &Actor) -> &'static str {
    match actor.principal() {
        Principal::User { .. } => "manual",
        Principal::Token { .. } | Principal::App { .. } => "api",
        Principal::System => "system",
    }
}

pub(super) fn at_most_a_batch(items: usize) -> Result<(), CrmError> {
    if items > MAX_BATCH {
        Err(CrmError::TooMany { max: MAX_BATCH })
    } else {
        Ok(())
    }
}

/// Keeps the first of each address; the places of the others.
pub(super) fn repeated_addresses<'a>(
    addresses: impl IntoIterator<Item = Option<&'a EmailAddress>>,
) -> HashSet<usize> {
    let mut seen = HashSet::new();
    let places = addresses.into_iter().enumerate();
    let repeated = places.filter(|(_, email)| email.is_some_and(|email| !seen.insert(email.key())));
    repeated.map(|(place, _)| place).collect()
}

/// Runs until nobody has taken an address or key in between or was changing the same, at most five times.
macro_rules! retried {
    ($attempt:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            match $attempt.await {
                Err($crate::CrmError::Store(
                    mauntic_core::StoreError::Conflict { .. } | mauntic_core::StoreError::Contended,
                )) if tries < 5 => {}
                done => break done,
            }
        }
    }};
}
pub(super) use retried;
