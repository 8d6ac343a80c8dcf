use std::sync::Arc;

use mauntic_core::{
    Access, Actor, Clock, EmailAddress, IdSource, Page, PageSize, Permission, SegmentId,
    StoreError, UseCase,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    ListExit, ListExitCursor, ListExitFilter, Suppression, SuppressionCursor, SuppressionFilter,
    SuppressionReason, address_hash,
};
use crate::{FieldProblem, MessagingError, MessagingStore, MessagingUnitOfWork, audit};

/// Most addresses that one import takes.
const MAX_IMPORT: usize = 10_000;
/// Longest note, in bytes.
const MAX_NOTE: usize = 1_000;
/// Longest source, in bytes.
const MAX_SOURCE: usize = 191;

/// An address to suppress.
#[derive(Clone)]
pub struct NewSuppression {
    /// The address.
    pub address: EmailAddress,
    /// Why.
    pub reason: SuppressionReason,
    /// Where it comes from, such as `api`.
    pub source: String,
    /// What to remember about it.
    pub note: Option<String>,
}

/// What an import of suppressions did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedSuppressions {
    /// Addresses that are suppressed now and were not before.
    pub added: u64,
    /// Addresses that were suppressed already, or stood in the list twice.
    pub unchanged: u64,
}

/// The use cases of the suppression list.
#[derive(Clone)]
pub struct SuppressionService {
    store: Arc<dyn MessagingStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl SuppressionService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("add", Access::Needs(Permission::SuppressionsWrite)),
        ("erase", Access::Needs(Permission::SuppressionsWrite)),
        ("find", Access::Needs(Permission::SuppressionsRead)),
        ("import", Access::Needs(Permission::SuppressionsWrite)),
        ("list", Access::Needs(Permission::SuppressionsRead)),
        ("list_exits", Access::Needs(Permission::SuppressionsRead)),
        ("remove", Access::Needs(Permission::SuppressionsWrite)),
        ("remove_exit", Access::Needs(Permission::SuppressionsWrite)),
    ];

    /// The use cases over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn MessagingStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self { store, clock, ids }
    }

    /// Suppresses an address. One that is suppressed already keeps its entry, unless the new reason is
    /// [stronger](SuppressionReason::strength). Returns the entry.
    ///
    /// # Errors
    /// [`MessagingError::Invalid`] if the note or the source is too long.
    pub async fn add(
        &self,
        actor: &Actor,
        new: NewSuppression,
    ) -> Result<Suppression, MessagingError> {
        let organization = actor.require(Permission::SuppressionsWrite)?;
        let address = new.address.clone();
        self.insert(actor, vec![new]).await?;
        let entry = self.store.suppressions().find(organization, &address);
        entry.await?.ok_or(MessagingError::NotFound {
            what: "suppression",
        })
    }

    /// Suppresses many addresses at once.
    ///
    /// # Errors
    /// [`MessagingError::Invalid`] if there are more than 10,000, or a note or source is too long.
    pub async fn import(
        &self,
        actor: &Actor,
        list: Vec<NewSuppression>,
    ) -> Result<ImportedSuppressions, MessagingError> {
        actor.require(Permission::SuppressionsWrite)?;
        if list.len() > MAX_IMPORT {
            return Err(MessagingError::invalid(
                "addresses",
                "too_many",
                format!("at most {MAX_IMPORT} addresses at once"),
            ));
        }
        let given = list.len() as u64;
        let added = self.insert(actor, list).await?;
        Ok(ImportedSuppressions {
            added,
            unchanged: given - added,
        })
    }

    /// Allows mail to an address again. If its owner unsubscribed, and that is not the entry's reason, the entry stays
    /// with that reason: it takes a second decision to pass over it.
    ///
    /// # Errors
    /// [`MessagingError::NotFound`] if it is not suppressed.
    pub async fn remove(
        &self,
        actor: &Actor,
        address: &EmailAddress,
    ) -> Result<(), MessagingError> {
        let organization = actor.require(Permission::SuppressionsWrite)?;
        let hash = address_hash(&address.key());
        let mut uow = self.store.begin().await?;
        let removed = uow.suppressions().remove(organization, &hash).await?;
        if removed {
            let details = json!({"hash": hash});
            self.tell(&mut *uow, actor, "suppression.removed", details)
                .await?;
        }
        uow.commit().await?;
        found(removed)
    }

    /// Forgets an address at its owner's request, and still never mails it.
    ///
    /// # Errors
    /// [`MessagingError::NotFound`] if it is not suppressed.
    pub async fn erase(&self, actor: &Actor, address: &EmailAddress) -> Result<(), MessagingError> {
        let organization = actor.require(Permission::SuppressionsWrite)?;
        let hash = address_hash(&address.key());
        let mut uow = self.store.begin().await?;
        let erased = uow.suppressions().erase(organization, &hash).await?;
        if erased {
            let details = json!({"hash": hash});
            self.tell(&mut *uow, actor, "suppression.erased", details)
                .await?;
        }
        uow.commit().await?;
        found(erased)
    }

    /// The entry of an address, if it is suppressed.
    pub async fn find(
        &self,
        actor: &Actor,
        address: &EmailAddress,
    ) -> Result<Option<Suppression>, MessagingError> {
        let organization = actor.require(Permission::SuppressionsRead)?;
        let entry = self.store.suppressions().find(organization, address);
        Ok(entry.await?)
    }

    /// Suppressed addresses, newest first. An export reads page after page of the largest size.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &SuppressionFilter,
        after: Option<&SuppressionCursor>,
        size: PageSize,
    ) -> Result<Page<Suppression, SuppressionCursor>, MessagingError> {
        let organization = actor.require(Permission::SuppressionsRead)?;
        let page = self
            .store
            .suppressions()
            .list(organization, filter, after, size);
        Ok(page.await?)
    }

    /// Who left which mailing lists, the last one first.
    pub async fn list_exits(
        &self,
        actor: &Actor,
        filter: &ListExitFilter,
        after: Option<&ListExitCursor>,
        size: PageSize,
    ) -> Result<Page<ListExit, ListExitCursor>, MessagingError> {
        let organization = actor.require(Permission::SuppressionsRead)?;
        let suppressions = self.store.suppressions();
        let page = suppressions.list_exits(organization, filter, after, size);
        Ok(page.await?)
    }

    /// Allows what is sent to the mailing list of a segment to go to an address that left it, by its
    /// [hash](address_hash), again. Whether its contact is in the segment is for whoever keeps the segments.
    ///
    /// # Errors
    /// [`MessagingError::NotFound`] if it did not leave.
    pub async fn remove_exit(
        &self,
        actor: &Actor,
        address_hash: &str,
        segment: SegmentId,
    ) -> Result<(), MessagingError> {
        let organization = actor.require(Permission::SuppressionsWrite)?;
        let mut uow = self.store.begin().await?;
        let removed = uow
            .suppressions()
            .remove_exit(organization, address_hash, segment)
            .await?;
        if removed {
            let details = json!({"hash": address_hash, "segment": segment});
            self.tell(&mut *uow, actor, "list_exit.removed", details)
                .await?;
        }
        uow.commit().await?;
        if removed {
            Ok(())
        } else {
            Err(MessagingError::NotFound { what: "list exit" })
        }
    }

    async fn tell(
        &self,
        uow: &mut dyn MessagingUnitOfWork,
        actor: &Actor,
        action: &str,
        details: Value,
    ) -> Result<(), StoreError> {
        let change = audit::Change::new(action, audit::Subject::nameless("suppression"));
        let (change, now) = (change.to(details), self.clock.now());
        audit::tell(uow.outbox(), actor, change, now, &*self.ids).await
    }

    async fn insert(
        &self,
        actor: &Actor,
        list: Vec<NewSuppression>,
    ) -> Result<u64, MessagingError> {
        let now = self.clock.now();
        let mut entries = Vec::with_capacity(list.len());
        for (index, new) in list.into_iter().enumerate() {
            check(index, &new)?;
            let mut entry = Suppression::new(new.address.key(), new.reason, new.source, now);
            entry.note = new.note.filter(|note| !note.trim().is_empty());
            entries.push(entry);
        }
        let mut uow = self.store.begin().await?;
        let added = uow
            .suppressions()
            .add(actor.organization_id(), &entries)
            .await?;
        if let (Some(first), false) = (entries.first(), added.is_empty()) {
            let mut details = json!({"count": added.len(), "reason": first.reason});
            if entries.len() == 1 {
                details = json!({"hash": first.address_hash, "reason": first.reason});
            }
            self.tell(&mut *uow, actor, "suppression.added", details)
                .await?;
        }
        uow.commit().await?;
        Ok(added.len() as u64)
    }
}

fn found(changed: bool) -> Result<(), MessagingError> {
    if changed {
        Ok(())
    } else {
        Err(MessagingError::NotFound {
            what: "suppression",
        })
    }
}

fn check(index: usize, new: &NewSuppression) -> Result<(), MessagingError> {
    let too_long = |field: &str, max: usize| MessagingError::Invalid {
        problems: vec![FieldProblem {
            field: format!("addresses/{index}/{field}"),
            code: "too_long".to_owned(),
            message: format!("at most {max} bytes"),
            line: None,
        }],
    };
    if new.source.len() > MAX_SOURCE {
        return Err(too_long("source", MAX_SOURCE));
    }
    if new.note.as_ref().is_some_and(|note| note.len() > MAX_NOTE) {
        return Err(too_long("note", MAX_NOTE));
    }
    Ok(())
}
