use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{
    Access, Actor, Cause, Clock, ContactId, EmailAddress, Envelope, IdSource, OrganizationId, Page,
    PageSize, Permission, Principal, StoreError, UseCase, UserId, Zones,
};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Change, ContactPatch,
    batch::{Audited, Writing, at_most_a_batch, retried, source_of},
};
use crate::{
    AnyOwner, ChangeSet, Contact, ContactChange, ContactCursor, ContactFilter, ContactGrowth,
    ContactListing, CrmError, CrmStore, FieldSet, OwnerName, Owners,
};

/// Adds, changes, finds and deletes contacts.
///
/// Whatever takes many does so in one transaction and a fixed number of statements, and says of
/// each item what became of it; items that are refused leave no trace.
#[derive(Clone)]
pub struct ContactService {
    pub(super) store: Arc<dyn CrmStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    pub(super) zones: Arc<dyn Zones>,
    pub(super) owners: Arc<dyn Owners>,
}

/// What became of each item of a batch, in the order given.
pub(super) type Results<T> = Vec<Result<T, CrmError>>;

impl ContactService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("apply_hard_bounce", Access::Itself),
        ("apply_resubscribe", Access::Itself),
        ("apply_unsubscribe", Access::Itself),
        ("count", Access::Needs(Permission::ContactsRead)),
        ("create", Access::Needs(Permission::ContactsWrite)),
        ("create_many", Access::Needs(Permission::ContactsWrite)),
        ("delete", Access::Needs(Permission::ContactsDelete)),
        ("delete_many", Access::Needs(Permission::ContactsDelete)),
        ("find_by_email", Access::Needs(Permission::ContactsRead)),
        ("find_many", Access::Needs(Permission::ContactsRead)),
        ("get", Access::Needs(Permission::ContactsRead)),
        ("growth", Access::Needs(Permission::ContactsRead)),
        ("history", Access::Needs(Permission::ContactsRead)),
        (
            "lift_do_not_contact",
            Access::Needs(Permission::ContactsWrite),
        ),
        (
            "lift_do_not_contact_many",
            Access::Needs(Permission::ContactsWrite),
        ),
        ("list", Access::Needs(Permission::ContactsRead)),
        (
            "merge",
            Access::NeedsAll(&[Permission::ContactsWrite, Permission::ContactsDelete]),
        ),
        ("merge_candidates", Access::Needs(Permission::ContactsRead)),
        ("parse", Access::Needs(Permission::ContactsWrite)),
        ("parse_many", Access::Needs(Permission::ContactsWrite)),
        (
            "set_do_not_contact",
            Access::Needs(Permission::ContactsWrite),
        ),
        (
            "set_do_not_contact_many",
            Access::Needs(Permission::ContactsWrite),
        ),
        ("update", Access::Needs(Permission::ContactsWrite)),
        ("update_many", Access::Needs(Permission::ContactsWrite)),
        ("upsert_batch", Access::Needs(Permission::ContactsWrite)),
    ];

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
            owners: Arc::new(AnyOwner),
        }
    }

    /// The same, but only these can be in charge of contacts.
    #[must_use]
    pub fn with_owners(self, owners: Arc<dyn Owners>) -> Self {
        Self { owners, ..self }
    }

    /// The contact; for one that was merged into another, that one.
    pub async fn get(&self, actor: &Actor, id: ContactId) -> Result<Contact, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let contacts = self.store.contacts();
        let mut found = contacts.find_many(organization, &[id]).await?;
        if found.is_empty() {
            let now = self.as_merged(organization, &[id]).await?;
            found = contacts.find_many(organization, &now).await?;
        }
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

    /// How many contacts there are, and how many were added on each of the last days of the organisation's zone, today
    /// included and last; at most 400 days.
    pub async fn growth(&self, actor: &Actor, days: u16) -> Result<ContactGrowth, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let zone = self.zones.zone_of(organization).await?;
        let days = zone.last_days(self.clock.now(), days.min(400));
        Ok(self.store.contacts().growth(organization, &days).await?)
    }

    /// How many contacts a filter lets through; on large lists this takes a moment.
    pub async fn count(&self, actor: &Actor, filter: &ContactFilter) -> Result<u64, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        Ok(self.store.contacts().count(organization, filter).await?)
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
        let writing = self.writing(actor, &fields);
        let deleted: BTreeSet<_> = retried!(self.try_delete(&writing, ids))?;
        let result = |id: &ContactId| {
            if deleted.contains(id) {
                Ok(())
            } else {
                Err(CrmError::ContactNotFound(*id))
            }
        };
        Ok(ids.iter().map(result).collect())
    }

    async fn try_delete(
        &self,
        writing: &Writing<'_>,
        ids: &[ContactId],
    ) -> Result<BTreeSet<ContactId>, CrmError> {
        let mut uow = self.store.begin().await?;
        let deleted = writing.delete(&mut *uow, ids).await?;
        uow.commit().await?;
        Ok(deleted.into_iter().collect())
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

    /// Those of the users that changes put in charge who cannot be.
    pub(super) async fn strangers(
        &self,
        organization: OrganizationId,
        patches: &[&ContactPatch],
    ) -> Result<BTreeSet<UserId>, StoreError> {
        let named: BTreeSet<_> = patches
            .iter()
            .filter_map(|patch| match patch.owner {
                Change::Set(owner) => Some(owner),
                Change::Keep | Change::Clear => None,
            })
            .collect();
        if named.is_empty() {
            return Ok(named);
        }
        let names: Vec<_> = named.iter().copied().map(OwnerName::Id).collect();
        let found = self.owners.find(organization, &names).await?;
        let known: BTreeSet<_> = found.into_iter().flatten().collect();
        Ok(&named - &known)
    }

    pub(super) fn writing<'a>(&'a self, actor: &'a Actor, fields: &'a FieldSet) -> Writing<'a> {
        Writing {
            organization: actor.organization_id(),
            principal: actor.principal(),
            source: source_of(actor).to_owned(),
            now: self.clock.now(),
            cause: Cause::root(&*self.ids),
            ids: &*self.ids,
            fields,
            strangers: BTreeSet::new(),
            audited: Some(Audited {
                actor,
                action: "contact.updated",
                more: Json::Null,
            }),
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
            strangers: BTreeSet::new(),
            audited: None,
        }
    }
}

/// The result of a batch of one.
pub(super) fn only<T>(results: Results<T>) -> Result<T, CrmError> {
    results
        .into_iter()
        .next()
        .unwrap_or(Err(CrmError::TooMany { max: 1 }))
}
