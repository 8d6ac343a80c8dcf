use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use mauntic_core::{
    Actor, Cause, Clock, ContactId, EmailAddress, Envelope, IdSource, OrganizationId, Page,
    PageSize, Permission, Principal, TimeZoneName, Zones,
};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{
    batch::{
        Changed, Refused, Writing, at_most_a_batch, repeated_addresses, retried, source_of, taken,
    },
    patch::ContactPatch,
};
use crate::{
    ChangeSet, Contact, ContactChange, ContactCursor, ContactListing, CrmError, CrmStore,
    FieldProblem, FieldSet, InvalidValue, ParseContext,
};

/// Adds a contact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateContact {
    /// What is known; defaults of fields fill the rest.
    pub patch: ContactPatch,
    /// Where the contact comes from, if it is not simply who adds it.
    pub origin: Option<String>,
}

/// Changes a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateContact {
    /// Which.
    pub id: ContactId,
    /// Only if it still is at this version.
    pub version: Option<i64>,
    /// How.
    pub patch: ContactPatch,
}

/// Adds a contact, or changes the one with that address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpsertContact {
    /// Which; capitals do not matter.
    pub email: EmailAddress,
    /// What is known; it does not change the address.
    pub patch: ContactPatch,
}

/// What became of one [`UpsertContact`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upserted {
    /// The contact as it is now.
    pub contact: Contact,
    /// Whether it is new.
    pub created: bool,
}

/// Adds, changes, finds and deletes contacts.
///
/// Whatever takes many does so in one transaction and a fixed number of statements, and says of
/// each item what became of it; items that are refused leave no trace.
#[derive(Clone)]
pub struct ContactService {
    pub(super) store: Arc<dyn CrmStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    zones: Arc<dyn Zones>,
}

/// What became of each item of a batch, in the order given.
pub(super) type Results<T> = Vec<Result<T, CrmError>>;

impl ContactService {
    /// The use cases over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn CrmStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        zones: Arc<dyn Zones>,
    ) -> Self {
        Self {
            store,
            clock,
            ids,
            zones,
        }
    }

    /// Reads values by field into a change, with times in the organisation's zone.
    ///
    /// # Errors
    /// [`CrmError::InvalidFields`] with all that is wrong.
    pub async fn parse(
        &self,
        actor: &Actor,
        values: &Map<String, Json>,
    ) -> Result<ContactPatch, CrmError> {
        let organization = actor.require(Permission::ContactsWrite)?;
        let fields = self.fields(organization).await?;
        let zone = self.zones.zone_of(organization).await?;
        Self::parse_with(&fields, &zone, values)
    }

    /// Reads many changes at once; see [`parse`](Self::parse).
    pub async fn parse_many(
        &self,
        actor: &Actor,
        items: &[Map<String, Json>],
    ) -> Result<Vec<Result<ContactPatch, CrmError>>, CrmError> {
        let organization = actor.require(Permission::ContactsWrite)?;
        let fields = self.fields(organization).await?;
        let zone = self.zones.zone_of(organization).await?;
        Ok(items
            .iter()
            .map(|values| Self::parse_with(&fields, &zone, values))
            .collect())
    }

    fn parse_with(
        fields: &FieldSet,
        zone: &TimeZoneName,
        values: &Map<String, Json>,
    ) -> Result<ContactPatch, CrmError> {
        let context = ParseContext {
            zone: zone.clone(),
            ..ParseContext::default()
        };
        let values = values.iter().map(|(name, json)| (name.as_str(), json));
        ContactPatch::from_json(fields, values, &context).map_err(CrmError::InvalidFields)
    }

    /// The contact.
    pub async fn get(&self, actor: &Actor, id: ContactId) -> Result<Contact, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let found = self.store.contacts().find_many(organization, &[id]).await?;
        found
            .into_iter()
            .next()
            .ok_or(CrmError::ContactNotFound(id))
    }

    /// The contacts with these ids, by id; unknown ones are left out.
    pub async fn find_many(
        &self,
        actor: &Actor,
        ids: &[ContactId],
    ) -> Result<Vec<Contact>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        at_most_a_batch(ids.len())?;
        Ok(self.store.contacts().find_many(organization, ids).await?)
    }

    /// The contact with an address, if there is one; capitals do not matter.
    pub async fn find_by_email(
        &self,
        actor: &Actor,
        email: &EmailAddress,
    ) -> Result<Option<Contact>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let found = self
            .store
            .contacts()
            .find_by_emails(organization, &[email.key()])
            .await?;
        Ok(found.into_iter().next())
    }

    /// One page of the contacts.
    pub async fn list(
        &self,
        actor: &Actor,
        listing: &ContactListing,
    ) -> Result<Page<Contact, ContactCursor>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        Ok(self.store.contacts().list(organization, listing).await?)
    }

    /// One page of what was done to a contact, the latest first.
    pub async fn history(
        &self,
        actor: &Actor,
        id: ContactId,
        after: Option<Uuid>,
        size: PageSize,
    ) -> Result<Page<ContactChange, Uuid>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        self.get(actor, id).await?;
        Ok(self
            .store
            .contacts()
            .history(organization, id, after, size)
            .await?)
    }

    /// Adds a contact.
    ///
    /// # Errors
    /// [`CrmError::Taken`] if another contact has the address or a unique value,
    /// [`CrmError::InvalidFields`] if values do not suit their fields or required ones are missing.
    pub async fn create(&self, actor: &Actor, command: CreateContact) -> Result<Contact, CrmError> {
        only(self.create_many(actor, &[command]).await?)
    }

    /// Adds up to [`MAX_BATCH`](crate::MAX_BATCH) contacts; see [`create`](Self::create).
    #[tracing::instrument(skip_all, fields(contacts = commands.len()))]
    pub async fn create_many(
        &self,
        actor: &Actor,
        commands: &[CreateContact],
    ) -> Result<Vec<Result<Contact, CrmError>>, CrmError> {
        actor.require(Permission::ContactsWrite)?;
        at_most_a_batch(commands.len())?;
        retried!(self.try_create(actor, commands))
    }

    async fn try_create(
        &self,
        actor: &Actor,
        commands: &[CreateContact],
    ) -> Result<Results<Contact>, CrmError> {
        let organization = actor.organization_id();
        let fields = self.fields(organization).await?;
        let writing = self.writing(actor, &fields);
        let repeated =
            repeated_addresses(commands.iter().map(|command| match &command.patch.email {
                super::Change::Set(email) => Some(email),
                _ => None,
            }));
        let mut results = Vec::with_capacity(commands.len());
        for (place, command) in commands.iter().enumerate() {
            let origin = command.origin.as_deref().unwrap_or(&writing.source);
            results.push(if repeated.contains(&place) {
                Err(taken("email"))
            } else {
                writing.new_contact(&command.patch, origin)
            });
        }
        let mut uow = self.store.begin().await?;
        let new = results.iter().flatten().cloned().collect();
        let refused = writing.insert(&mut *uow, new).await?;
        uow.commit().await?;
        let settled = results
            .into_iter()
            .map(|result| settle(result?.contact, &refused));
        Ok(settled.collect())
    }

    /// Changes a contact.
    ///
    /// # Errors
    /// As [`create`](Self::create), and [`CrmError::ContactNotFound`], and
    /// [`CrmError::VersionMismatch`] if it is not at the version that was asked for.
    pub async fn update(&self, actor: &Actor, command: UpdateContact) -> Result<Contact, CrmError> {
        only(self.update_many(actor, &[command]).await?)
    }

    /// Changes up to [`MAX_BATCH`](crate::MAX_BATCH) contacts; see [`update`](Self::update). Changes
    /// of the same contact are made in order.
    #[tracing::instrument(skip_all, fields(contacts = commands.len()))]
    pub async fn update_many(
        &self,
        actor: &Actor,
        commands: &[UpdateContact],
    ) -> Result<Vec<Result<Contact, CrmError>>, CrmError> {
        let organization = actor.require(Permission::ContactsWrite)?;
        let fields = self.fields(organization).await?;
        let writing = self.writing(actor, &fields);
        let ids: Vec<_> = commands.iter().map(|command| command.id).collect();
        self.edit(&writing, &ids, |place, contact, changes| {
            let command = &commands[place];
            let current = contact.version();
            if command.version.is_some_and(|wanted| wanted != current) {
                return Err(CrmError::VersionMismatch { current });
            }
            command
                .patch
                .apply(contact, &fields, writing.now, changes)
                .map_err(CrmError::InvalidFields)
        })
        .await
    }

    /// Adds up to [`MAX_BATCH`](crate::MAX_BATCH) contacts, or changes those whose address is known.
    /// Items with the same address are taken in order.
    #[tracing::instrument(skip_all, fields(contacts = commands.len()))]
    pub async fn upsert_batch(
        &self,
        actor: &Actor,
        source: &str,
        commands: &[UpsertContact],
    ) -> Result<Vec<Result<Upserted, CrmError>>, CrmError> {
        let organization = actor.require(Permission::ContactsWrite)?;
        at_most_a_batch(commands.len())?;
        let fields = self.fields(organization).await?;
        let writing = Writing {
            source: source.to_owned(),
            ..self.writing(actor, &fields)
        };
        retried!(self.try_upsert(&writing, commands))
    }

    async fn try_upsert(
        &self,
        writing: &Writing<'_>,
        commands: &[UpsertContact],
    ) -> Result<Results<Upserted>, CrmError> {
        let mut uow = self.store.begin().await?;
        let keys: Vec<_> = commands.iter().map(|command| command.email.key()).collect();
        let known = uow
            .contacts()
            .find_by_emails_for_update(writing.organization, &keys)
            .await?;
        let mut states: HashMap<String, (Changed, bool)> = known
            .into_iter()
            .filter_map(|contact| Some((contact.email()?.key(), (unchanged(contact), false))))
            .collect();
        let mut results = Vec::with_capacity(commands.len());
        for (command, key) in commands.iter().zip(&keys) {
            results.push(writing.upsert_one(&mut states, key, command));
        }
        let (new, old): (Vec<_>, Vec<_>) = states.values().cloned().partition(|(_, new)| *new);
        let new = new.into_iter().map(|(state, _)| state).collect();
        let old = writing.finish(old.into_iter().map(|(state, _)| state));
        let mut refused = writing.insert(&mut *uow, new).await?;
        if refused.values().any(|field| field == "email") {
            // Somebody added the address since we looked: look again.
            return Err(mauntic_core::StoreError::Conflict {
                field: "contact.email",
            }
            .into());
        }
        let updated: HashMap<_, _> = old
            .iter()
            .map(|state| (state.contact.id(), state.contact.clone()))
            .collect();
        refused.extend(writing.update(&mut *uow, old).await?);
        uow.commit().await?;
        Ok(results
            .into_iter()
            .zip(keys)
            .map(|(result, key)| {
                result?;
                let (state, created) = states.get(&key).ok_or_else(|| taken("email"))?;
                let contact = updated.get(&state.contact.id()).unwrap_or(&state.contact);
                Ok(Upserted {
                    contact: settle(contact.clone(), &refused)?,
                    created: *created,
                })
            })
            .collect())
    }

    /// Deletes a contact and all that is known of it.
    pub async fn delete(&self, actor: &Actor, id: ContactId) -> Result<(), CrmError> {
        only(self.delete_many(actor, &[id]).await?)
    }

    /// Deletes up to [`MAX_BATCH`](crate::MAX_BATCH) contacts and all that is known of them.
    #[tracing::instrument(skip_all, fields(contacts = ids.len()))]
    pub async fn delete_many(
        &self,
        actor: &Actor,
        ids: &[ContactId],
    ) -> Result<Vec<Result<(), CrmError>>, CrmError> {
        let organization = actor.require(Permission::ContactsDelete)?;
        at_most_a_batch(ids.len())?;
        let fields = self.fields(organization).await?;
        let mut uow = self.store.begin().await?;
        let deleted = self.writing(actor, &fields).delete(&mut *uow, ids).await?;
        uow.commit().await?;
        let deleted: BTreeSet<_> = deleted.into_iter().collect();
        let result = |id: &ContactId| {
            if deleted.contains(id) {
                Ok(())
            } else {
                Err(CrmError::ContactNotFound(*id))
            }
        };
        Ok(ids.iter().map(result).collect())
    }

    /// Changes each contact in its place of the list, in one transaction.
    pub(super) async fn edit<F>(
        &self,
        writing: &Writing<'_>,
        ids: &[ContactId],
        edit: F,
    ) -> Result<Results<Contact>, CrmError>
    where
        F: Fn(usize, &mut Contact, &mut ChangeSet) -> Result<(), CrmError> + Sync,
    {
        at_most_a_batch(ids.len())?;
        retried!(self.try_edit(writing, ids, &edit))
    }

    async fn try_edit<F>(
        &self,
        writing: &Writing<'_>,
        ids: &[ContactId],
        edit: &F,
    ) -> Result<Results<Contact>, CrmError>
    where
        F: Fn(usize, &mut Contact, &mut ChangeSet) -> Result<(), CrmError> + Sync,
    {
        let mut uow = self.store.begin().await?;
        let results = writing.edit_within(&mut *uow, ids, edit).await?;
        uow.commit().await?;
        Ok(results)
    }

    pub(super) async fn fields(&self, organization: OrganizationId) -> Result<FieldSet, CrmError> {
        Ok(FieldSet::with_custom(
            self.store.fields().list_custom(organization).await?,
        ))
    }

    pub(super) fn writing<'a>(&'a self, actor: &Actor, fields: &'a FieldSet) -> Writing<'a> {
        Writing {
            organization: actor.organization_id(),
            principal: actor.principal(),
            source: source_of(actor).to_owned(),
            now: self.clock.now(),
            cause: Cause::root(&*self.ids),
            ids: &*self.ids,
            fields,
        }
    }

    /// Writes what follows from an event.
    pub(super) fn writing_because<'a>(
        &'a self,
        envelope: &Envelope,
        source: &str,
        fields: &'a FieldSet,
    ) -> Writing<'a> {
        Writing {
            organization: envelope.organization_id,
            principal: Principal::System,
            source: source.to_owned(),
            now: self.clock.now(),
            cause: envelope.as_cause(),
            ids: &*self.ids,
            fields,
        }
    }
}

impl Writing<'_> {
    /// A new contact with what is given, defaults for the rest, and nothing required missing.
    fn new_contact(&self, patch: &ContactPatch, origin: &str) -> Result<Changed, CrmError> {
        let mut contact = Contact::new(ContactId::generate(self.ids), origin, self.now);
        let mut changes = ChangeSet::default();
        let applied = patch.apply(&mut contact, self.fields, self.now, &mut changes);
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

    fn upsert_one(
        &self,
        states: &mut HashMap<String, (Changed, bool)>,
        key: &str,
        command: &UpsertContact,
    ) -> Result<(), CrmError> {
        if let Some((state, _)) = states.get_mut(key) {
            let mut next = state.clone();
            let patch = ContactPatch {
                email: super::Change::Keep,
                ..command.patch.clone()
            };
            patch
                .apply(&mut next.contact, self.fields, self.now, &mut next.changes)
                .map_err(CrmError::InvalidFields)?;
            *state = next;
            return Ok(());
        }
        let email = super::Change::Set(command.email.clone());
        let patch = ContactPatch {
            email,
            ..command.patch.clone()
        };
        let new = self.new_contact(&patch, &self.source)?;
        states.insert(key.to_owned(), (new, true));
        Ok(())
    }

    /// Those that did change, with the change counted.
    fn finish(&self, states: impl Iterator<Item = Changed>) -> Vec<Changed> {
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
        uow: &mut dyn crate::CrmUnitOfWork,
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

fn unchanged(contact: Contact) -> Changed {
    Changed {
        contact,
        changes: ChangeSet::default(),
    }
}

fn settle(contact: Contact, refused: &Refused) -> Result<Contact, CrmError> {
    match refused.get(&contact.id()) {
        Some(field) => Err(taken(field)),
        None => Ok(contact),
    }
}

/// The result of a batch of one.
pub(super) fn only<T>(results: Results<T>) -> Result<T, CrmError> {
    results
        .into_iter()
        .next()
        .unwrap_or(Err(CrmError::TooMany { max: 1 }))
}
