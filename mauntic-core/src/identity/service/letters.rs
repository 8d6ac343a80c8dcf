use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::json;
use tracing::{error, info, warn};

use super::{
    super::{
        Change, Client, Errand, IdentityError, IdentityService, IdentityUnitOfWork, Letter,
        LinkSecret, LinkedLogin, LoggedIn, Message, Organization, Password, Postman, Purpose,
        QueuedLetter, Subject, Undelivered, User, UserLink,
    },
    passwords::{hold_strong, known_of},
    sessions::reset_keys,
};
use crate::{EmailAddress, LetterId, OrganizationId, StoreError, UserId};

/// How many letters one round sends at most.
const AT_ONCE: u32 = 20;

impl IdentityService {
    /// Mails a link with which the owner of the address can set a new password, if there is an account of that address.
    /// Whether there is one shows neither in the answer nor in the time it takes: that is looked up when the letter is
    /// written.
    ///
    /// # Errors
    /// [`IdentityError::TooManyFailures`] if it was asked for too often, whatever the address.
    #[tracing::instrument(skip_all)]
    pub async fn request_password_reset(
        &self,
        email: EmailAddress,
        client: Client,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        self.count_try(&reset_keys(&email, &client), now).await?;
        let mut uow = self.store.begin().await?;
        self.queue(&mut *uow, Errand::PasswordReset { email }, now)
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// The address of the account whose password a link is about to set.
    ///
    /// # Errors
    /// [`IdentityError::DeadLink`].
    pub async fn password_reset(&self, secret: &LinkSecret) -> Result<EmailAddress, IdentityError> {
        let (_, user) = self.linked(Purpose::PasswordReset, secret).await?;
        Ok(user.email)
    }

    /// Sets a new password with a mailed link, once, and ends all sessions of the user. A second factor stays on, and so do
    /// linked logins, which it returns: somebody else may have linked one.
    ///
    /// # Errors
    /// [`IdentityError::DeadLink`]; [`IdentityError::GuessablePassword`], which leaves the link good.
    #[tracing::instrument(skip_all)]
    pub async fn reset_password(
        &self,
        secret: &LinkSecret,
        new: Password,
        client: &Client,
    ) -> Result<Vec<LinkedLogin>, IdentityError> {
        let (_, user) = self.linked(Purpose::PasswordReset, secret).await?;
        let places = self.store.members().workplaces(user.id).await?;
        hold_strong(&new, &known_of(&user, &places))?;
        let password = self.hasher.hash(new).await?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let mut user = self
            .use_link(&mut *uow, Purpose::PasswordReset, secret, now)
            .await?
            .0;
        user.password = Some(password);
        uow.users().update(&user).await?;
        uow.sessions().delete_all(user.id).await?;
        // A change that somebody else began is not to be confirmed with the account taken back.
        uow.links().delete(user.id, Purpose::EmailChange).await?;
        let change = Change::new("user.password_reset", Subject::new("user", user.id));
        self.audit_from(&mut *uow, user.id, client.address, &change, now)
            .await?;
        let linked = uow.linked_logins().of_user(user.id).await?;
        uow.commit().await?;
        info!(user.id = %user.id, "a password was reset by mail");
        Ok(linked)
    }

    /// Mails a link to another address, with which its owner confirms that the user logs in with it from then on.
    /// Nothing changes before, and whether somebody else has the address is not told. Whoever has a password tells it.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`]; [`IdentityError::LogInAgain`] if there is no password, and the login was a while
    /// ago; [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn request_email_change(
        &self,
        who: &LoggedIn,
        password: Option<Password>,
        email: EmailAddress,
    ) -> Result<(), IdentityError> {
        self.check_owner_is_there(who, password).await?;
        let now = self.clock.now();
        let keys = reset_keys(&email, &who.session.client);
        self.count_try(&keys, now).await?;
        let link = UserLink {
            user_id: who.user.id,
            purpose: Purpose::EmailChange,
            secret_hash: None,
            email: Some(email),
            expires_at: now + Purpose::EmailChange.lifetime(),
        };
        let mut uow = self.store.begin().await?;
        uow.links().save(&link).await?;
        let user_id = who.user.id;
        self.queue(&mut *uow, Errand::EmailChange { user_id }, now)
            .await?;
        let change = Change::new("user.email_change_requested", Subject::new("user", user_id))
            .from(json!({"email": who.user.email}))
            .to(json!({"email": link.email}));
        self.audit_from(&mut *uow, user_id, who.address, &change, now)
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// The address that waits to be confirmed, if any.
    pub async fn pending_email_change(
        &self,
        who: &LoggedIn,
    ) -> Result<Option<EmailAddress>, IdentityError> {
        let links = self.store.links();
        let found = links.find(who.user.id, Purpose::EmailChange).await?;
        let live = found.filter(|link| self.clock.now() < link.expires_at);
        Ok(live.and_then(|link| link.email))
    }

    /// Lets the address be as it is; the mailed link stops working.
    pub async fn cancel_email_change(&self, who: &LoggedIn) -> Result<(), IdentityError> {
        let mut uow = self.store.begin().await?;
        let links = uow.links();
        if links.delete(who.user.id, Purpose::EmailChange).await? {
            let now = self.clock.now();
            self.audit_oneself(&mut *uow, who, "user.email_change_cancelled", now)
                .await?;
        }
        uow.commit().await?;
        Ok(())
    }

    /// Changes the address of an account with a link that was mailed to the new one, once. The old one is told.
    ///
    /// # Errors
    /// [`IdentityError::DeadLink`]; [`IdentityError::EmailTaken`].
    #[tracing::instrument(skip_all)]
    pub async fn confirm_email_change(
        &self,
        secret: &LinkSecret,
        client: &Client,
    ) -> Result<EmailAddress, IdentityError> {
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let (user, link) = self
            .use_link(&mut *uow, Purpose::EmailChange, secret, now)
            .await?;
        let email = link.email.ok_or(IdentityError::DeadLink)?;
        match uow.users().change_email(user.id, &email).await {
            Err(StoreError::Conflict { .. }) => return Err(IdentityError::EmailTaken),
            done => done?,
        }
        // It was mailed to an address that is not the account's any more.
        uow.links().delete(user.id, Purpose::PasswordReset).await?;
        let errand = Errand::EmailChanged {
            user_id: user.id,
            old: user.email.clone(),
        };
        self.queue(&mut *uow, errand, now).await?;
        let change = Change::new("user.email_changed", Subject::new("user", user.id))
            .from(json!({"email": user.email}))
            .to(json!({"email": email}));
        self.audit_from(&mut *uow, user.id, client.address, &change, now)
            .await?;
        uow.commit().await?;
        Ok(email)
    }

    /// Writes and sends letters that are due; `false` if there were none. A letter that cannot be sent now is tried
    /// again, for some hours; one that was refused is not.
    #[tracing::instrument(skip_all)]
    pub async fn deliver_letters(&self, postman: &dyn Postman) -> Result<bool, IdentityError> {
        let letters = self.store.letters();
        for sent in 0..AT_ONCE {
            // One at a time: a slow server is not to hold others until another worker takes them for lost.
            let Some(queued) = letters.claim(self.clock.now()).await? else {
                return Ok(sent > 0);
            };
            let failed = match self.write(&queued.errand).await {
                Ok(Some(letter)) => postman.deliver(&letter).await.err(),
                Ok(None) => None,
                Err(error) => Some(Undelivered::Later(error.to_string())),
            };
            match failed {
                None => letters.done(queued.id).await?,
                Some(Undelivered::Later(problem))
                    if queued.attempts < QueuedLetter::MAX_ATTEMPTS =>
                {
                    warn!(letter = ?queued.errand, problem, "a letter to a user was not sent; it is tried again");
                    let again = self.clock.now() + QueuedLetter::pause(queued.attempts);
                    letters.put_off(queued.id, again).await?;
                }
                Some(Undelivered::Later(problem) | Undelivered::Refused(problem)) => {
                    error!(letter = ?queued.errand, problem, "a letter to a user was given up");
                    letters.done(queued.id).await?;
                }
            }
        }
        Ok(true)
    }

    pub(super) async fn queue(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        errand: Errand,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let letter = QueuedLetter {
            id: LetterId::generate(&*self.ids),
            errand,
            attempts: 0,
        };
        Ok(uow.letters().add(&letter, now).await?)
    }

    /// Writes a letter; `None` if there is nobody to write to, or nothing to say any more. Its link takes the place of
    /// one that was sent before.
    async fn write(&self, errand: &Errand) -> Result<Option<Letter>, IdentityError> {
        match errand {
            Errand::PasswordReset { email } => self.write_reset(email).await,
            Errand::EmailChange { user_id } => self.write_confirmation(*user_id).await,
            Errand::LockOut { email, address } => {
                self.write_down_lock_out(email, *address).await?;
                Ok(None)
            }
            Errand::Invitation {
                organization_id,
                invitation_id,
            } => {
                self.write_invitation(*organization_id, *invitation_id)
                    .await
            }
            Errand::Deletion {
                organization_id,
                user_id,
                due_at,
            } => {
                self.write_deletion(*organization_id, *user_id, *due_at)
                    .await
            }
            Errand::FromMember {
                organization_id,
                from,
                to,
                letter,
            } => {
                self.write_from_member(*organization_id, *from, *to, letter)
                    .await
            }
            Errand::EmailChanged { user_id, old } => {
                let user = self.store.members().find_user(*user_id).await?;
                Ok(user.map(|user| Letter {
                    to: old.clone(),
                    name: Some(user.name),
                    message: Message::EmailChanged,
                }))
            }
            Errand::LoginLinked {
                user_id,
                provider,
                address,
            } => {
                let user = self.store.members().find_user(*user_id).await?;
                Ok(user.map(|user| Letter {
                    to: user.email,
                    name: Some(user.name),
                    message: Message::LoginLinked {
                        provider: provider.clone(),
                        address: address.clone(),
                    },
                }))
            }
        }
    }

    /// Nothing is said of a deletion that was taken back, or planned again, before the letter was written.
    async fn write_deletion(
        &self,
        organization: OrganizationId,
        user: UserId,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<Option<Letter>, IdentityError> {
        let found = self.store.organizations().find(organization).await?;
        let true_still = |found: &Organization| {
            let planned = found.deletion.map(|deletion| deletion.due_at);
            planned == due_at
        };
        let Some(organization) = found.filter(true_still) else {
            return Ok(None);
        };
        let user = self.store.members().find_user(user).await?;
        Ok(user.map(|user| Letter {
            to: user.email,
            name: Some(user.name),
            message: Message::Deletion {
                organization: organization.name,
                due_at,
            },
        }))
    }

    async fn write_reset(&self, email: &EmailAddress) -> Result<Option<Letter>, IdentityError> {
        let user = self.store.members().find_user_by_email(email).await?;
        let Some(user) = user.filter(|user| user.blocked_at.is_none()) else {
            return Ok(None);
        };
        let secret = LinkSecret::random()?;
        let expires_at = self.clock.now() + Purpose::PasswordReset.lifetime();
        let link = UserLink {
            user_id: user.id,
            purpose: Purpose::PasswordReset,
            secret_hash: Some(secret.hash()),
            email: None,
            expires_at,
        };
        let linked = self.store.linked_logins().of_user(user.id).await?;
        let mut uow = self.store.begin().await?;
        uow.links().save(&link).await?;
        uow.commit().await?;
        Ok(Some(Letter {
            to: user.email,
            name: Some(user.name),
            message: Message::PasswordReset {
                secret,
                expires_at,
                linked,
            },
        }))
    }

    /// Notes that logging in with an address failed too often, if it is somebody's. Nothing is mailed.
    async fn write_down_lock_out(
        &self,
        email: &EmailAddress,
        address: Option<IpAddr>,
    ) -> Result<(), IdentityError> {
        let Some(user) = self.store.members().find_user_by_email(email).await? else {
            return Ok(());
        };
        let change = Change::new("user.login_locked_out", Subject::new("user", user.id));
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        self.audit_by_nobody(&mut *uow, user.id, address, &change, now)
            .await?;
        uow.commit().await?;
        Ok(())
    }

    async fn write_confirmation(&self, user: UserId) -> Result<Option<Letter>, IdentityError> {
        let now = self.clock.now();
        let secret = LinkSecret::random()?;
        let mut uow = self.store.begin().await?;
        let links = uow.links();
        let found = links
            .find_of_user_for_update(user, Purpose::EmailChange)
            .await?;
        let Some(mut link) = found.filter(|link| now < link.expires_at) else {
            return Ok(None);
        };
        link.secret_hash = Some(secret.hash());
        links.save(&link).await?;
        uow.commit().await?;
        let members = self.store.members();
        let (Some(to), Some(user)) = (link.email, members.find_user(user).await?) else {
            return Ok(None);
        };
        if members
            .find_user_by_email(&to)
            .await?
            .is_some_and(|other| other.id != user.id)
        {
            return Ok(None);
        }
        let expires_at = link.expires_at;
        Ok(Some(Letter {
            to,
            name: Some(user.name),
            message: Message::EmailChange { secret, expires_at },
        }))
    }

    async fn linked(
        &self,
        purpose: Purpose,
        secret: &LinkSecret,
    ) -> Result<(UserLink, User), IdentityError> {
        let links = self.store.links();
        let found = links.find_by_hash(purpose, &secret.hash()).await?;
        let live = found.filter(|link| self.clock.now() < link.expires_at);
        let link = live.ok_or(IdentityError::DeadLink)?;
        let user = self.store.members().find_user(link.user_id).await?;
        let user = user.filter(|user| user.blocked_at.is_none());
        Ok((link, user.ok_or(IdentityError::DeadLink)?))
    }

    /// Uses a link up. The user is locked before the link, in the order of everybody else.
    async fn use_link(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        purpose: Purpose,
        secret: &LinkSecret,
        now: DateTime<Utc>,
    ) -> Result<(User, UserLink), IdentityError> {
        let links = self.store.links();
        let known = links.find_by_hash(purpose, &secret.hash()).await?;
        let user = known.ok_or(IdentityError::DeadLink)?.user_id;
        let user = uow.users().find_for_update(user).await?;
        let user = user.filter(|user| user.blocked_at.is_none());
        let user = user.ok_or(IdentityError::DeadLink)?;
        let found = uow.links().find_for_update(purpose, &secret.hash()).await?;
        let link = found.filter(|link| now < link.expires_at && link.user_id == user.id);
        let link = link.ok_or(IdentityError::DeadLink)?;
        uow.links().delete(user.id, purpose).await?;
        Ok((user, link))
    }
}
