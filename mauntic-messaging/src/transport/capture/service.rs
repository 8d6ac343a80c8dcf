use std::sync::Arc;

use mauntic_core::{
    Access, Actor, CapturedMailId, Clock, IdSource, Page, PageSize, Permission, UseCase,
};
use serde_json::json;

use super::{CapturedMail, MailContent};
use crate::{MessagingError, MessagingStore, audit};

/// A captured mail with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedMail {
    /// What the list shows.
    pub mail: CapturedMail,
    /// The parts.
    pub content: MailContent,
    /// The message as it would have been sent.
    pub source: Vec<u8>,
}

/// Lets people look at captured mail.
pub struct CapturedMailService {
    store: Arc<dyn MessagingStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl CapturedMailService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("count", Access::Needs(Permission::InboxRead)),
        ("delete", Access::Needs(Permission::InboxDelete)),
        ("delete_all", Access::Needs(Permission::InboxDelete)),
        ("list", Access::Needs(Permission::InboxRead)),
        ("open", Access::Needs(Permission::InboxRead)),
    ];

    /// A service over that store.
    #[must_use]
    pub fn new(
        store: Arc<dyn MessagingStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self { store, clock, ids }
    }

    /// The captured mail, the newest first; only to one address if one is given.
    ///
    /// # Errors
    /// Needs [`Permission::InboxRead`].
    pub async fn list(
        &self,
        actor: &Actor,
        to: Option<&str>,
        after: Option<CapturedMailId>,
        size: PageSize,
    ) -> Result<Page<CapturedMail, CapturedMailId>, MessagingError> {
        let organization = actor.require(Permission::InboxRead)?;
        let queries = self.store.captured();
        Ok(queries.list_captured(organization, to, after, size).await?)
    }

    /// How many mails are captured.
    ///
    /// # Errors
    /// Needs [`Permission::InboxRead`].
    pub async fn count(&self, actor: &Actor) -> Result<u64, MessagingError> {
        let organization = actor.require(Permission::InboxRead)?;
        Ok(self.store.captured().count_captured(organization).await?)
    }

    /// One mail with its parts and its source.
    ///
    /// # Errors
    /// Needs [`Permission::InboxRead`]; [`MessagingError::NotFound`].
    pub async fn open(
        &self,
        actor: &Actor,
        id: CapturedMailId,
    ) -> Result<OpenedMail, MessagingError> {
        let organization = actor.require(Permission::InboxRead)?;
        let found = self
            .store
            .captured()
            .find_captured(organization, id)
            .await?;
        let (mail, source) = found.ok_or(MessagingError::NotFound {
            what: "captured mail",
        })?;
        Ok(OpenedMail {
            mail,
            content: MailContent::parse(&source),
            source,
        })
    }

    /// Deletes one mail.
    ///
    /// # Errors
    /// Needs [`Permission::InboxDelete`]; [`MessagingError::NotFound`].
    pub async fn delete(&self, actor: &Actor, id: CapturedMailId) -> Result<(), MessagingError> {
        match self.remove(actor, Some(id)).await? {
            0 => Err(MessagingError::NotFound {
                what: "captured mail",
            }),
            _ => Ok(()),
        }
    }

    /// Deletes all captured mail; returns how many.
    ///
    /// # Errors
    /// Needs [`Permission::InboxDelete`].
    pub async fn delete_all(&self, actor: &Actor) -> Result<u64, MessagingError> {
        self.remove(actor, None).await
    }

    async fn remove(
        &self,
        actor: &Actor,
        id: Option<CapturedMailId>,
    ) -> Result<u64, MessagingError> {
        let organization = actor.require(Permission::InboxDelete)?;
        let mut uow = self.store.begin().await?;
        let removed = uow.captured().delete_captured(organization, id).await?;
        if removed > 0 {
            let all = audit::Subject::nameless("captured_mail");
            let change = match id {
                Some(id) => {
                    let subject = audit::Subject::new("captured_mail", id);
                    audit::Change::new("captured_mail.deleted", subject)
                }
                None => audit::Change::new("captured_mail.all_deleted", all)
                    .to(json!({"count": removed})),
            };
            audit::tell(uow.outbox(), actor, change, self.clock.now(), &*self.ids).await?;
        }
        uow.commit().await?;
        Ok(removed)
    }
}
