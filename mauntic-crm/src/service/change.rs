use std::collections::HashMap;

use mauntic_core::{Actor, ContactId, EmailAddress, Permission, StoreError, TimeZoneName};
use serde_json::{Map, Value as Json};

use super::{
    Change,
    apply::{settle, unchanged},
    batch::{Changed, Writing, at_most_a_batch, repeated_addresses, retried, taken},
    consent::plain_text,
    contacts::{ContactService, Results, only},
    patch::ContactPatch,
};
use crate::{Contact, CrmError, FieldSet, ParseContext};

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

impl ContactService {
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
        for origin in commands
            .iter()
            .filter_map(|command| command.origin.as_ref())
        {
            plain_text(origin, 191)?;
        }
        retried!(self.try_create(actor, commands))
    }

    async fn try_create(
        &self,
        actor: &Actor,
        commands: &[CreateContact],
    ) -> Result<Results<Contact>, CrmError> {
        let organization = actor.organization_id();
        let fields = self.fields(organization).await?;
        let patches: Vec<_> = commands.iter().map(|command| &command.patch).collect();
        let writing = Writing {
            strangers: self.strangers(organization, &patches).await?,
            ..self.writing(actor, &fields)
        };
        let repeated =
            repeated_addresses(commands.iter().map(|command| match &command.patch.email {
                Change::Set(email) => Some(email),
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
        let patches: Vec<_> = commands.iter().map(|command| &command.patch).collect();
        let writing = Writing {
            strangers: self.strangers(organization, &patches).await?,
            ..self.writing(actor, &fields)
        };
        let ids: Vec<_> = commands.iter().map(|command| command.id).collect();
        self.edit(&writing, &ids, |place, contact, changes| {
            let command = &commands[place];
            let current = contact.version();
            if command.version.is_some_and(|wanted| wanted != current) {
                return Err(CrmError::VersionMismatch { current });
            }
            command
                .patch
                .apply(contact, &writing, changes)
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
        plain_text(source, 191)?;
        let fields = self.fields(organization).await?;
        let patches: Vec<_> = commands.iter().map(|command| &command.patch).collect();
        let writing = Writing {
            source: source.to_owned(),
            strangers: self.strangers(organization, &patches).await?,
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
            return Err(StoreError::Conflict {
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
}
