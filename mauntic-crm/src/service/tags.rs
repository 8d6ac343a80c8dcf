use std::collections::BTreeSet;

use mauntic_core::{Access, Actor, ContactId, Page, PageSize, Permission, UseCase};
use serde_json::json;

use super::{
    ContactPatch, ContactService, UpdateContact,
    batch::{MAX_BATCH, Writing},
};
use crate::{Contact, CrmError, Tag, audit};

/// Lists, renames and deletes tags, and puts them on contacts.
#[derive(Clone)]
pub struct TagService {
    contacts: ContactService,
}

impl TagService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("change", Access::Needs(Permission::ContactsWrite)),
        ("count", Access::Needs(Permission::ContactsRead)),
        ("delete", Access::Needs(Permission::ContactsWrite)),
        ("list", Access::Needs(Permission::ContactsRead)),
        ("rename", Access::Needs(Permission::ContactsWrite)),
    ];

    /// The use cases of tags, which write through those of contacts.
    #[must_use]
    pub fn new(contacts: ContactService) -> Self {
        Self { contacts }
    }

    /// One page of the tags, by name.
    pub async fn list(
        &self,
        actor: &Actor,
        after: Option<&Tag>,
        size: PageSize,
    ) -> Result<Page<Tag, Tag>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        Ok(self
            .contacts
            .store
            .tags()
            .list(organization, after, size)
            .await?)
    }

    /// How many contacts have the tag.
    pub async fn count(&self, actor: &Actor, tag: &Tag) -> Result<u64, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        Ok(self.contacts.store.tags().count(organization, tag).await?)
    }

    /// Puts tags on up to [`MAX_BATCH`] contacts and takes others off.
    pub async fn change(
        &self,
        actor: &Actor,
        ids: &[ContactId],
        add: &BTreeSet<Tag>,
        remove: &BTreeSet<Tag>,
    ) -> Result<Vec<Result<Contact, CrmError>>, CrmError> {
        let patch = ContactPatch {
            add_tags: add.clone(),
            remove_tags: remove.clone(),
            ..ContactPatch::default()
        };
        let commands: Vec<_> = ids
            .iter()
            .map(|id| UpdateContact {
                id: *id,
                version: None,
                patch: patch.clone(),
            })
            .collect();
        self.contacts.update_many(actor, &commands).await
    }

    /// Gives a tag another name on all contacts; where there is a tag of that name already, the two
    /// become one. Returns how many contacts changed.
    ///
    /// # Errors
    /// [`CrmError::TagNotFound`].
    pub async fn rename(&self, actor: &Actor, tag: &Tag, to: &Tag) -> Result<u64, CrmError> {
        if tag == to {
            self.must_exist(actor, tag, Permission::ContactsWrite)
                .await?;
            return Ok(0);
        }
        self.replace(actor, tag, Some(to)).await
    }

    /// Takes a tag off all contacts and forgets it. Returns how many contacts changed.
    ///
    /// # Errors
    /// [`CrmError::TagNotFound`].
    pub async fn delete(&self, actor: &Actor, tag: &Tag) -> Result<u64, CrmError> {
        self.replace(actor, tag, None).await
    }

    async fn must_exist(
        &self,
        actor: &Actor,
        tag: &Tag,
        permission: Permission,
    ) -> Result<(), CrmError> {
        let organization = actor.require(permission)?;
        if self.contacts.store.tags().exists(organization, tag).await? {
            Ok(())
        } else {
            Err(CrmError::TagNotFound)
        }
    }

    /// Works through the contacts in batches, each a transaction of its own, and forgets the tag in
    /// the end: what is interrupted can be called again.
    async fn replace(&self, actor: &Actor, tag: &Tag, by: Option<&Tag>) -> Result<u64, CrmError> {
        self.must_exist(actor, tag, Permission::ContactsWrite)
            .await?;
        let service = &self.contacts;
        let organization = actor.organization_id();
        let fields = service.fields(organization).await?;
        let (add, remove) = (
            by.cloned().into_iter().collect(),
            BTreeSet::from([tag.clone()]),
        );
        let (mut after, mut changed) = (None, 0);
        let mut told = Some(match by {
            Some(by) => audit::Change::new("tag.renamed", audit::Subject::nameless("tag"))
                .from(json!({"name": tag}))
                .to(json!({"name": by})),
            None => audit::Change::new("tag.deleted", audit::Subject::nameless("tag"))
                .from(json!({"name": tag})),
        });
        loop {
            let writing = Writing {
                // It is told of as a whole, with the first of it that is done.
                audited: None,
                ..service.writing(actor, &fields)
            };
            let mut uow = service.store.begin().await?;
            if let Some(change) = told.take() {
                audit::tell(uow.outbox(), actor, change, writing.now, writing.ids).await?;
            }
            let tags = uow.tags();
            let ids = tags
                .contacts_with(organization, tag, after, MAX_BATCH as u64)
                .await?;
            let Some(last) = ids.last().copied() else {
                uow.tags().delete(organization, tag).await?;
                uow.tags()
                    .add(organization, &Vec::from_iter(by.cloned()), writing.now)
                    .await?;
                uow.commit().await?;
                return Ok(changed);
            };
            let edit = |_, contact: &mut Contact, changes: &mut _| {
                contact.change_tags(&add, &remove, changes);
                Ok(())
            };
            writing.edit_within(&mut *uow, &ids, &edit).await?;
            uow.commit().await?;
            changed += ids.len() as u64;
            after = Some(last);
        }
    }
}
