use super::super::{
    Change, IdentityError, IdentityService, Password, PasswordHash, Purpose, Refusal, Subject, User,
};
use crate::{Actor, EmailAddress, Principal, UserId};

impl IdentityService {
    /// Sets the password of a user and ends all their sessions. Users set their own and tell the current one, if
    /// there is one; the operator sets that of any member of the organisation.
    #[tracing::instrument(skip_all)]
    pub async fn set_password(
        &self,
        actor: &Actor,
        user: UserId,
        current: Option<Password>,
        new: Password,
    ) -> Result<(), IdentityError> {
        let organization = actor.organization_id();
        let operator = match actor.principal() {
            Principal::System => true,
            Principal::User { id } if id == user => false,
            Principal::User { .. } | Principal::Token { .. } => {
                return Err(IdentityError::NotYourself);
            }
        };
        let members = self.store.members();
        let membership = members.find(organization, user).await?;
        membership.ok_or(IdentityError::UserNotFound(user))?;
        let found = members.find_user(user).await?;
        let old = found.ok_or(IdentityError::UserNotFound(user))?.password;
        if !operator && !self.is_current(old.clone(), current).await? {
            return Err(IdentityError::WrongPassword);
        }
        let hash = self.hasher.hash(new).await?;
        let mut uow = self.store.begin().await?;
        let found = uow.users().find_for_update(user).await?;
        let mut found = found.ok_or(IdentityError::UserNotFound(user))?;
        if found.password != old && !operator {
            // Somebody else changed it since it was checked.
            return Err(IdentityError::WrongPassword);
        }
        found.password = Some(hash);
        uow.users().update(&found).await?;
        uow.sessions().delete_all(user).await?;
        uow.links().delete(user, Purpose::PasswordReset).await?;
        let change = Change::new("user.password_set", Subject::new("user", user));
        self.audit(&mut *uow, actor, change, self.clock.now())
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// The user with that address, if the password is right and the user is not blocked.
    #[tracing::instrument(skip_all)]
    pub async fn verify_password(
        &self,
        email: &EmailAddress,
        password: Password,
    ) -> Result<User, IdentityError> {
        let user = self.store.members().find_user_by_email(email).await?;
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let right = self.hasher.verify(password.clone(), hash.clone()).await?;
        let (Some(mut user), Some(hash), true) = (user, hash, right) else {
            return Err(IdentityError::WrongPassword);
        };
        if user.blocked_at.is_some() {
            return Err(Refusal::UserBlocked.into());
        }
        if hash.is_outdated() {
            user.password = Some(self.rehash(user.id, password, &hash).await?);
        }
        Ok(user)
    }

    pub(super) async fn is_current(
        &self,
        stored: Option<PasswordHash>,
        given: Option<Password>,
    ) -> Result<bool, IdentityError> {
        match (stored, given) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(hash), Some(password)) => Ok(self.hasher.verify(password, Some(hash)).await?),
        }
    }

    async fn rehash(
        &self,
        id: UserId,
        password: Password,
        outdated: &PasswordHash,
    ) -> Result<PasswordHash, IdentityError> {
        let hash = self.hasher.hash(password).await?;
        let mut uow = self.store.begin().await?;
        if let Some(mut user) = uow.users().find_for_update(id).await?
            && user.password.as_ref() == Some(outdated)
        {
            user.password = Some(hash.clone());
            uow.users().update(&user).await?;
            uow.commit().await?;
            return Ok(hash);
        }
        // Somebody else changed it meanwhile.
        Ok(outdated.clone())
    }
}
