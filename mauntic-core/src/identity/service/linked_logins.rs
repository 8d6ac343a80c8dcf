use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tracing::info;

use super::{
    super::{
        Aim, Change, Client, Detour, DetourSecret, DisplayName, Errand, IdentityError,
        IdentityService, LinkSecret, LinkedLogin, LoggedIn, Password, Patience, ProvenLogin,
        Refusal, Slug, Subject, TokenHash,
    },
    NewSession,
    sessions::{begin_in, network_key},
};
use crate::{EmailAddress, StoreError, UserId};

/// How long ago somebody without a password may have logged in to change how they log in.
const RECENT: TimeDelta = TimeDelta::minutes(15);

impl IdentityService {
    /// The providers that can be asked now, by who they are: a linked login of another one lets nobody in.
    #[must_use]
    pub fn with_issuers(self, issuers: impl IntoIterator<Item = String>) -> Self {
        Self {
            issuers: issuers.into_iter().collect(),
            ..self
        }
    }

    /// The logins at providers that let the user in, the first linked first.
    pub async fn linked_logins(&self, who: &LoggedIn) -> Result<Vec<LinkedLogin>, IdentityError> {
        Ok(self.store.linked_logins().of_user(who.user.id).await?)
    }

    /// Sends a browser to a provider, to log in with what that says. `next` is the page to go on to.
    ///
    /// # Errors
    /// [`IdentityError::TooManyFailures`] if many from that network did not come back.
    #[tracing::instrument(skip_all)]
    pub async fn begin_log_in(
        &self,
        provider: Slug,
        next: String,
        client: Client,
    ) -> Result<DetourSecret, IdentityError> {
        self.begin_detour(provider, Aim::LogIn { next }, &client)
            .await
    }

    /// Sends a browser to a provider, to link what that says with the user's own account. The password shows that it
    /// is the owner who sits there; whoever has none must have logged in a moment ago.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`]; [`IdentityError::LogInAgain`]; [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn begin_link(
        &self,
        who: &LoggedIn,
        password: Option<Password>,
        provider: Slug,
    ) -> Result<DetourSecret, IdentityError> {
        self.check_owner_is_there(who, password).await?;
        let user_id = who.user.id;
        self.begin_detour(provider, Aim::Link { user_id }, &who.session.client)
            .await
    }

    /// Sends a browser to a provider, to make an account with a mailed invitation.
    ///
    /// # Errors
    /// [`IdentityError::DeadLink`]; [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn begin_join(
        &self,
        secret: &LinkSecret,
        provider: Slug,
        client: Client,
    ) -> Result<DetourSecret, IdentityError> {
        self.invitation(secret).await?;
        let invitation = secret.hash();
        self.begin_detour(provider, Aim::Join { invitation }, &client)
            .await
    }

    /// Ends a detour of this browser, once: what it was for, if it came back with the state that it was sent with.
    ///
    /// # Errors
    /// [`IdentityError::DetourOver`].
    #[tracing::instrument(skip_all)]
    pub async fn end_detour(
        &self,
        secret: &DetourSecret,
        state: &str,
    ) -> Result<Detour, IdentityError> {
        // Whoever does not know the state cannot end it for its owner.
        if state != secret.state() {
            return Err(IdentityError::DetourOver);
        }
        let mut uow = self.store.begin().await?;
        let taken = uow.detours().take(&secret.hash()).await?;
        uow.commit().await?;
        let live = taken.filter(|detour| self.clock.now() < detour.expires_at);
        live.ok_or(IdentityError::DetourOver)
    }

    /// Begins a session with what a provider says. If the user has a second factor, the session waits for it, as after
    /// a password.
    ///
    /// # Errors
    /// [`IdentityError::LoginNotLinked`], whether or not there is an account of the person;
    /// [`Refusal::UserBlocked`](super::super::Refusal::UserBlocked).
    #[tracing::instrument(skip_all)]
    pub async fn log_in_with(
        &self,
        proven: &ProvenLogin,
        client: Client,
    ) -> Result<NewSession, IdentityError> {
        let now = self.clock.now();
        let logins = self.store.linked_logins();
        let found = logins.find(&proven.issuer, &proven.subject).await?;
        let user = found.ok_or(IdentityError::LoginNotLinked)?.user_id;
        let places = self.store.members().workplaces(user).await?;
        let organization = begin_in(&places);
        let mut new = self.new_session(user, organization, false, client.clone(), now)?;
        let mut uow = self.store.begin().await?;
        let stored = uow.users().find_for_update(user).await?;
        if stored.is_none_or(|user| user.blocked_at.is_some()) {
            return Err(Refusal::UserBlocked.into());
        }
        // It may have been unlinked since it was found.
        let logins = uow.linked_logins();
        let still = logins.note_use(user, &proven.issuer, &proven.subject, now);
        if !still.await? {
            return Err(IdentityError::LoginNotLinked);
        }
        // Read with the user locked: one that is switched on at this moment is not to be passed by.
        let factor = uow.second_factors().find_for_update(user).await?;
        new.session.awaits_second_factor = factor.is_some_and(|factor| factor.is_on());
        uow.sessions()
            .insert(&new.session, &new.secret.hash())
            .await?;
        if !new.session.awaits_second_factor {
            let change = Change::new("user.logged_in", Subject::new("user", user));
            self.audit_from(&mut *uow, user, client.address, &change, now)
                .await?;
        }
        uow.commit().await?;
        self.came_back(&client).await?;
        Ok(new)
    }

    /// Links what a provider says with the account of who began the detour, and tells its owner by mail.
    ///
    /// # Errors
    /// [`IdentityError::DetourOver`] if somebody else began it; [`IdentityError::AddressNotVerified`];
    /// [`IdentityError::LoginTaken`].
    #[tracing::instrument(skip_all)]
    pub async fn link_login(
        &self,
        who: &LoggedIn,
        detour: &Detour,
        proven: ProvenLogin,
    ) -> Result<(), IdentityError> {
        let user = who.user.id;
        let begun = detour.aim == Aim::Link { user_id: user };
        if !begun || detour.provider != proven.provider {
            return Err(IdentityError::DetourOver);
        }
        let now = self.clock.now();
        let login = linked(proven, user, now)?;
        let mut uow = self.store.begin().await?;
        let stored = uow.users().find_for_update(user).await?;
        if stored.is_none_or(|user| user.blocked_at.is_some()) {
            return Err(Refusal::UserBlocked.into());
        }
        match uow.linked_logins().insert(&login).await {
            Err(StoreError::Conflict { .. }) => return Err(IdentityError::LoginTaken),
            done => done?,
        }
        let errand = Errand::LoginLinked {
            user_id: user,
            provider: login.provider.clone(),
            address: login.email.clone(),
        };
        self.queue(&mut *uow, errand, now).await?;
        self.audit_from(&mut *uow, user, who.address, &linking(&login), now)
            .await?;
        uow.commit().await?;
        info!(user.id = %user, provider = login.provider.as_str(), "a login was linked");
        self.came_back(&who.session.client).await
    }

    /// Makes an account for the address that an invitation was mailed to, as a member, and logs in. The provider has to
    /// vouch for that address; the account has no password.
    ///
    /// # Errors
    /// [`IdentityError::AddressNotVerified`]; [`IdentityError::InvitedAsSomebodyElse`] if the provider vouches for
    /// another address; [`IdentityError::DeadLink`]; [`IdentityError::EmailTaken`] if there is an account by now, which
    /// is to log in; [`IdentityError::LoginTaken`].
    #[tracing::instrument(skip_all)]
    pub async fn accept_with(
        &self,
        invitation: &TokenHash,
        proven: ProvenLogin,
        client: Client,
    ) -> Result<NewSession, IdentityError> {
        let email = proven.email.clone();
        let email = email.ok_or(IdentityError::AddressNotVerified)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let invitation = self.take_invitation(&mut *uow, invitation).await?;
        if invitation.email.key() != email.key() {
            return Err(IdentityError::InvitedAsSomebodyElse);
        }
        let name = proven.name.clone().map_or_else(|| name_of(&email), Ok)?;
        let user = self.new_user(invitation.email.clone(), name, None, now);
        let new = self
            .join_as_new(&mut *uow, &invitation, &user, client.clone(), now)
            .await?;
        let login = LinkedLogin {
            last_used_at: Some(now),
            ..linked(proven, user.id, now)?
        };
        match uow.linked_logins().insert(&login).await {
            Err(StoreError::Conflict { .. }) => return Err(IdentityError::LoginTaken),
            done => done?,
        }
        self.audit_from(&mut *uow, user.id, client.address, &linking(&login), now)
            .await?;
        uow.commit().await?;
        self.came_back(&client).await?;
        Ok(new)
    }

    /// Lets the user's login at a provider lead here no more, unless nothing else would. Sessions stay.
    ///
    /// # Errors
    /// [`IdentityError::LastWayIn`]; [`IdentityError::LoginNotLinked`]; [`IdentityError::WrongPassword`];
    /// [`IdentityError::LogInAgain`]; [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn unlink_login(
        &self,
        who: &LoggedIn,
        password: Option<Password>,
        provider: &Slug,
    ) -> Result<(), IdentityError> {
        self.check_owner_is_there(who, password).await?;
        let (user, now) = (who.user.id, self.clock.now());
        let mut uow = self.store.begin().await?;
        let stored = uow.users().find_for_update(user).await?;
        let stored = stored.ok_or(IdentityError::UserNotFound(user))?;
        let logins = uow.linked_logins().of_user(user).await?;
        let gone = logins.iter().find(|login| login.provider == *provider);
        let gone = gone.ok_or(IdentityError::LoginNotLinked)?;
        let lets_in = |login: &LinkedLogin| {
            login.provider != *provider && self.issuers.contains(&login.issuer)
        };
        if stored.password.is_none() && !logins.iter().any(lets_in) {
            return Err(IdentityError::LastWayIn);
        }
        uow.linked_logins().delete(user, provider).await?;
        let change = Change::new("user.login_unlinked", Subject::new("user", user))
            .from(json!({"provider": provider, "email": gone.email}));
        self.audit_from(&mut *uow, user, who.address, &change, now)
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// Counted as a failure until somebody [comes back](Self::came_back), so that nobody fills the table.
    async fn begin_detour(
        &self,
        provider: Slug,
        aim: Aim,
        client: &Client,
    ) -> Result<DetourSecret, IdentityError> {
        let now = self.clock.now();
        self.count_try(&[detour_key(client)], now).await?;
        let secret = DetourSecret::random()?;
        let detour = Detour {
            provider,
            aim,
            expires_at: now + Detour::LIFETIME,
        };
        let mut uow = self.store.begin().await?;
        uow.detours().insert(&detour, &secret.hash()).await?;
        uow.commit().await?;
        Ok(secret)
    }

    async fn came_back(&self, client: &Client) -> Result<(), IdentityError> {
        let (key, _) = detour_key(client);
        Ok(self.store.login_attempts().take_back(&[key]).await?)
    }

    pub(super) async fn check_owner_is_there(
        &self,
        who: &LoggedIn,
        password: Option<Password>,
    ) -> Result<(), IdentityError> {
        if who.user.password.is_some() {
            let password = password.ok_or(IdentityError::WrongPassword)?;
            return self.check_own_password(who, password).await;
        }
        if self.clock.now() - who.session.created_at < RECENT {
            Ok(())
        } else {
            Err(IdentityError::LogInAgain)
        }
    }
}

fn linked(
    proven: ProvenLogin,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<LinkedLogin, IdentityError> {
    Ok(LinkedLogin {
        user_id: user,
        provider: proven.provider,
        issuer: proven.issuer,
        subject: proven.subject,
        email: proven.email.ok_or(IdentityError::AddressNotVerified)?,
        created_at: now,
        last_used_at: None,
    })
}

fn linking(login: &LinkedLogin) -> Change {
    Change::new("user.login_linked", Subject::new("user", login.user_id))
        .to(json!({"provider": login.provider, "email": login.email}))
}

/// What a person is called whose provider does not tell.
fn name_of(email: &EmailAddress) -> Result<DisplayName, IdentityError> {
    let before = email.as_str().split('@').next().unwrap_or_default();
    let name = before.parse().or_else(|_| email.as_str().parse());
    name.map_err(|_| IdentityError::AddressNotVerified)
}

/// What detours that do not end are counted by.
fn detour_key(client: &Client) -> (String, Patience) {
    let network = network_key(client);
    (format!("detour-network:{network}"), Patience::FOR_NETWORK)
}
