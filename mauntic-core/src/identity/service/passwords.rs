use super::super::{
    IdentityError, IdentityService, LoggedIn, Password, PasswordHash, Purpose, Refusal, User,
    Workplace,
};
use crate::{EmailAddress, UserId};

/// Holds a new password to be none of those that are tried first, for somebody of whom that is known.
pub(super) fn hold_strong(password: &Password, about: &[&str]) -> Result<(), IdentityError> {
    if password.is_guessable(about) {
        Err(IdentityError::GuessablePassword)
    } else {
        Ok(())
    }
}

/// What is known about a user, which a password is not to be made of.
pub(super) fn known_of<'a>(user: &'a User, places: &'a [Workplace]) -> Vec<&'a str> {
    let places = places.iter().map(|place| place.name.as_str());
    [user.name.as_str(), user.email.as_str()]
        .into_iter()
        .chain(places)
        .collect()
}

impl IdentityService {
    /// Sets the user's own password and ends all their sessions, and what was mailed before. Whoever has a password
    /// tells it; tries are counted like those of a login.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`]; [`IdentityError::TooManyFailures`]; [`IdentityError::LogInAgain`] if there is
    /// no password yet, and the login was a while ago; [`IdentityError::GuessablePassword`].
    #[tracing::instrument(skip_all)]
    pub async fn set_password(
        &self,
        who: &LoggedIn,
        current: Option<Password>,
        new: Password,
    ) -> Result<(), IdentityError> {
        hold_strong(&new, &known_of(&who.user, &who.workplaces))?;
        self.check_owner_is_there(who, current).await?;
        let (user, now) = (who.user.id, self.clock.now());
        let hash = self.hasher.hash(new).await?;
        let mut uow = self.store.begin().await?;
        let found = uow.users().find_for_update(user).await?;
        let mut found = found.ok_or(IdentityError::UserNotFound(user))?;
        if found.password != who.user.password {
            // Somebody else changed it since it was checked.
            return Err(IdentityError::WrongPassword);
        }
        found.password = Some(hash);
        uow.users().update(&found).await?;
        uow.sessions().delete_all(user).await?;
        // Whatever was mailed is over, a new address too: somebody else may have begun that.
        for purpose in [Purpose::PasswordReset, Purpose::EmailChange] {
            uow.links().delete(user, purpose).await?;
        }
        self.audit_oneself(&mut *uow, who, "user.password_set", now)
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// The user with that address, if the password is right and the user is not blocked.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`], whatever is wrong; [`Refusal::UserBlocked`]; [`IdentityError::PasswordTooWeak`] if
    /// another system took the password, and here it would have been refused.
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
        if hash.is_bcrypt() {
            let places = self.store.members().workplaces(user.id).await?;
            if password.is_short() || password.is_guessable(&known_of(&user, &places)) {
                return Err(IdentityError::PasswordTooWeak);
            }
        }
        if hash.is_outdated() {
            user.password = Some(self.rehash(user.id, password, &hash).await?);
        }
        Ok(user)
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
