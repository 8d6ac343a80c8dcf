use super::super::{
    Change, Errand, IdentityError, IdentityService, Letter, Membership, Message, Patience, Subject,
    User, WriteToMember,
};
use crate::{Actor, OrganizationId, Permission, Principal, UserId};

impl IdentityService {
    /// Mails another member of the actor's organisation, in the name of the person who acts: answers go to that person.
    ///
    /// # Errors
    /// [`IdentityError::UserNotFound`] if the other is no member, or blocked; [`IdentityError::Oneself`];
    /// [`IdentityError::NotByPrograms`] for a token or an app, which were let see members, not write to them;
    /// [`IdentityError::NotAPerson`] for the command line; [`IdentityError::TooManyFailures`] if the person wrote a lot
    /// lately.
    #[tracing::instrument(skip_all)]
    pub async fn write_to_member(
        &self,
        actor: &Actor,
        to: UserId,
        command: WriteToMember,
    ) -> Result<(), IdentityError> {
        let organization_id = actor.require(Permission::MembersRead)?;
        let from = match actor.principal() {
            Principal::User { id } => id,
            Principal::Token { .. } | Principal::App { .. } => {
                return Err(IdentityError::NotByPrograms);
            }
            Principal::System => return Err(IdentityError::NotAPerson),
        };
        if from == to {
            return Err(IdentityError::Oneself);
        }
        let found = self.active_member(organization_id, to).await?;
        found.ok_or(IdentityError::UserNotFound(to))?;
        let now = self.clock.now();
        self.count_try(&[writing_key(from)], now).await?;
        let errand = Errand::FromMember {
            organization_id,
            from,
            to,
            letter: Box::new(command),
        };
        let mut uow = self.store.begin().await?;
        self.queue(&mut *uow, errand, now).await?;
        // What people write to each other is in no log.
        let change = Change::new("member.written_to", Subject::new("user", to));
        self.audit(&mut *uow, actor, change, now).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Writes the letter of a member to another; `None` if one of them is a member no more, or blocked.
    pub(super) async fn write_from_member(
        &self,
        organization: OrganizationId,
        from: UserId,
        to: UserId,
        letter: &WriteToMember,
    ) -> Result<Option<Letter>, IdentityError> {
        let sender = self.active_member(organization, from).await?;
        let reader = self.active_member(organization, to).await?;
        let place = self.store.organizations().find(organization).await?;
        let (Some(sender), Some(reader), Some(place)) = (sender, reader, place) else {
            return Ok(None);
        };
        Ok(Some(Letter {
            to: reader.email,
            name: Some(reader.name),
            message: Message::FromMember {
                sender: sender.name,
                reply_to: sender.email,
                organization: place.name,
                letter: Box::new(letter.clone()),
            },
        }))
    }

    /// The user, if it is a member of the organisation and not blocked, there or everywhere.
    async fn active_member(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<User>, IdentityError> {
        let members = self.store.members();
        let place = members.find(organization, user).await?;
        let works = |place: &Membership| place.blocked_at.is_none();
        if !place.as_ref().is_some_and(works) {
            return Ok(None);
        }
        let found = members.find_user(user).await?;
        Ok(found.filter(|user| user.blocked_at.is_none()))
    }
}

/// What mails of one person are counted by: nobody wants their mailbox filled.
fn writing_key(user: UserId) -> (String, Patience) {
    (format!("write:{user}"), Patience::FOR_MEMBER_LETTERS)
}
