use chrono::{DateTime, Utc};

use super::super::{IdentityError, IdentityService, IdentityUnitOfWork, Notice, Notification};
use crate::{
    Actor, Envelope, NotificationId, Operator, OrganizationId, Page, PageSize, Principal, UserId,
};

/// Old ones that one transaction forgets.
const FORGOTTEN_AT_ONCE: u64 = 1_000;

impl IdentityService {
    /// A page of what the user was told in the organisation, the latest first; only what is not read yet if `unread`.
    ///
    /// # Errors
    /// [`IdentityError::NotAPerson`] for a token.
    pub async fn notifications(
        &self,
        actor: &Actor,
        unread: bool,
        before: Option<NotificationId>,
        size: PageSize,
    ) -> Result<Page<Notification, NotificationId>, IdentityError> {
        let (organization, user) = (actor.organization_id(), person(actor)?);
        let told = self.store.notifications();
        Ok(told.list(organization, user, unread, before, size).await?)
    }

    /// How much of it the user has not read yet; no more than `most` are counted.
    ///
    /// # Errors
    /// [`IdentityError::NotAPerson`] for a token.
    pub async fn unread_notifications(
        &self,
        actor: &Actor,
        most: u32,
    ) -> Result<u32, IdentityError> {
        let (organization, user) = (actor.organization_id(), person(actor)?);
        let told = self.store.notifications();
        Ok(told.unread(organization, user, most).await?)
    }

    /// Notes that the user has read one.
    ///
    /// # Errors
    /// [`IdentityError::NotificationNotFound`]; [`IdentityError::NotAPerson`] for a token.
    pub async fn mark_notification_read(
        &self,
        actor: &Actor,
        id: NotificationId,
    ) -> Result<(), IdentityError> {
        let (organization, user) = (actor.organization_id(), person(actor)?);
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let told = uow.notifications();
        if !told.mark_read(organization, user, id, now).await? {
            return Err(IdentityError::NotificationNotFound(id));
        }
        uow.commit().await?;
        Ok(())
    }

    /// Notes that the user has read all of them, or all up to one, so that nothing counts as read that came in since the
    /// user looked; returns how many were not read before.
    ///
    /// # Errors
    /// [`IdentityError::NotAPerson`] for a token.
    pub async fn mark_notifications_read(
        &self,
        actor: &Actor,
        up_to: Option<NotificationId>,
    ) -> Result<u64, IdentityError> {
        let (organization, user) = (actor.organization_id(), person(actor)?);
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let told = uow.notifications();
        let read = told.mark_all_read(organization, user, up_to, now).await?;
        uow.commit().await?;
        Ok(read)
    }

    /// Tells members what follows from an event, once however often the event comes. Whoever is no member any more, or
    /// blocked, is told nothing.
    pub async fn apply_notices(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        notices: Vec<Notice>,
    ) -> Result<(), IdentityError> {
        if notices.is_empty() {
            return Ok(());
        }
        let mut uow = self.store.begin().await?;
        let now = self.clock.now();
        if !uow.inbox().first_time(handler, envelope.id, now).await? {
            return Ok(());
        }
        let at = envelope.metadata.timestamp;
        for notice in notices {
            self.notify(&mut *uow, envelope.organization_id, notice, at)
                .await?;
        }
        uow.commit().await?;
        Ok(())
    }

    /// Forgets what members were told [long ago](Notification::KEPT), in all organisations; returns how many.
    pub async fn forget_old_notifications(&self, _: &Operator) -> Result<u64, IdentityError> {
        let before = self.clock.now() - Notification::KEPT;
        let mut forgotten = 0;
        loop {
            let mut uow = self.store.begin().await?;
            let told = uow.notifications();
            let gone = told.delete_old(before, FORGOTTEN_AT_ONCE).await?;
            uow.commit().await?;
            forgotten += gone;
            if gone < FORGOTTEN_AT_ONCE {
                return Ok(forgotten);
            }
        }
    }

    async fn notify(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        organization: OrganizationId,
        notice: Notice,
        at: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        if notice.once.is_some() {
            // Of two at the same moment that say the same, the second one waits and sees the first.
            uow.memberships().find(organization, notice.user_id).await?;
        }
        let notification = Notification {
            id: NotificationId::generate(&*self.ids),
            organization_id: organization,
            user_id: notice.user_id,
            kind: notice.kind,
            problem: notice.problem,
            heading: notice.heading,
            message: notice.message,
            about: notice.about,
            at,
            read_at: None,
        };
        let told = uow.notifications();
        told.add(&notification, notice.once.as_ref()).await?;
        Ok(())
    }
}

/// The user who acts: what somebody is told is nobody else's.
fn person(actor: &Actor) -> Result<UserId, IdentityError> {
    match actor.principal() {
        Principal::User { id } => Ok(id),
        Principal::Token { .. } | Principal::App { .. } | Principal::System => {
            Err(IdentityError::NotAPerson)
        }
    }
}
