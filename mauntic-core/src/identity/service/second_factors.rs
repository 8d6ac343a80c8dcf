use chrono::{DateTime, Utc};
use tracing::info;

use super::{
    super::{
        Change, Client, Enrolment, IdentityError, IdentityService, IdentityUnitOfWork, LoggedIn,
        NoRandomness, Password, Patience, RecoveryCode, SecondFactor, Session, SessionSecret,
        Subject,
    },
    NewSession,
    sessions::{attempt_keys, is_over, network_key},
};
use crate::{Operator, UserId};

/// Whether a user's logins ask for a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondFactorState {
    /// Since when; `None` if they do not.
    pub on_since: Option<DateTime<Utc>>,
    /// How many recovery codes were not used yet.
    pub recovery_codes_left: u64,
}

impl IdentityService {
    /// Whether the user's own logins ask for a second factor.
    pub async fn second_factor(&self, who: &LoggedIn) -> Result<SecondFactorState, IdentityError> {
        let factors = self.store.second_factors();
        let found = factors.find(who.user.id).await?;
        Ok(SecondFactorState {
            on_since: found.and_then(|factor| factor.confirmed_at),
            recovery_codes_left: factors.recovery_codes_left(who.user.id).await?,
        })
    }

    /// Makes a secret for an authenticator app, or shows again the one that waits for its first code. Nothing changes
    /// for logins until [`confirm_second_factor`](Self::confirm_second_factor).
    ///
    /// # Errors
    /// [`IdentityError::SecondFactorOn`] if there is one already.
    #[tracing::instrument(skip_all)]
    pub async fn begin_second_factor(&self, who: &LoggedIn) -> Result<Enrolment, IdentityError> {
        let (key, now) = (self.secret()?, self.clock.now());
        let mut uow = self.store.begin().await?;
        // Locked by its user, for there may be no row of its own yet.
        uow.users().find_for_update(who.user.id).await?;
        let found = uow.second_factors().find_for_update(who.user.id).await?;
        let factor = match found {
            Some(factor) if factor.is_on() => return Err(IdentityError::SecondFactorOn),
            Some(factor) if factor.is_pending(now) => factor,
            _ => {
                let factor = SecondFactor::begin(who.user.id, key, now)?;
                uow.second_factors().save(&factor).await?;
                factor
            }
        };
        uow.commit().await?;
        Ok(factor.enrolment(&who.user.email, key)?)
    }

    /// Asks for the app at each login from now on, if a first code shows that it has the secret. Whoever has a password
    /// tells it: with a session that was left open, a stranger would lock the owner out. The user's other sessions end,
    /// for they began without it. The recovery codes are shown this once.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`]; [`IdentityError::LogInAgain`] if there is no password, and the login was a while
    /// ago; [`IdentityError::WrongCode`]; [`IdentityError::SecondFactorOff`] if none was begun within the hour;
    /// [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn confirm_second_factor(
        &self,
        who: &LoggedIn,
        password: Option<Password>,
        code: &str,
    ) -> Result<Vec<RecoveryCode>, IdentityError> {
        self.check_owner_is_there(who, password).await?;
        let (key, now) = (self.secret()?, self.clock.now());
        let user = who.user.id;
        let keys = code_keys(user, &who.session.client);
        self.count_try(&keys, now).await?;
        let mut uow = self.store.begin().await?;
        // A login at this moment sees either no session to end, or the factor.
        uow.users().find_for_update(user).await?;
        let found = uow.second_factors().find_for_update(user).await?;
        let mut factor = match found {
            Some(factor) if factor.is_on() => return Err(IdentityError::SecondFactorOn),
            Some(factor) if factor.is_pending(now) => factor,
            _ => return Err(IdentityError::SecondFactorOff),
        };
        if !factor.accept(&digits(code), key, now)? {
            return Err(IdentityError::WrongCode);
        }
        factor.confirmed_at = Some(now);
        uow.second_factors().save(&factor).await?;
        let codes = self.new_recovery_codes(&mut *uow, user).await?;
        uow.sessions().delete_others(user, who.session.id).await?;
        self.audit_oneself(&mut *uow, who, "user.second_factor_on", now)
            .await?;
        uow.commit().await?;
        self.forgive(&keys).await?;
        Ok(codes)
    }

    /// Makes new recovery codes; the old ones stop working. Whoever has a password tells it.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`]; [`IdentityError::LogInAgain`] if there is no password, and the login was a while
    /// ago; [`IdentityError::SecondFactorOff`]; [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn renew_recovery_codes(
        &self,
        who: &LoggedIn,
        password: Option<Password>,
    ) -> Result<Vec<RecoveryCode>, IdentityError> {
        self.check_owner_is_there(who, password).await?;
        let mut uow = self.store.begin().await?;
        let found = uow.second_factors().find_for_update(who.user.id).await?;
        if !found.is_some_and(|factor| factor.is_on()) {
            return Err(IdentityError::SecondFactorOff);
        }
        let codes = self.new_recovery_codes(&mut *uow, who.user.id).await?;
        let now = self.clock.now();
        self.audit_oneself(&mut *uow, who, "user.recovery_codes_renewed", now)
            .await?;
        uow.commit().await?;
        Ok(codes)
    }

    /// Asks for no second factor any more. Whoever has a password tells it.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`]; [`IdentityError::LogInAgain`] if there is no password, and the login was a while
    /// ago; [`IdentityError::SecondFactorOff`]; [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn end_second_factor(
        &self,
        who: &LoggedIn,
        password: Option<Password>,
    ) -> Result<(), IdentityError> {
        self.check_owner_is_there(who, password).await?;
        let mut uow = self.store.begin().await?;
        if !uow.second_factors().delete(who.user.id).await? {
            return Err(IdentityError::SecondFactorOff);
        }
        let now = self.clock.now();
        self.audit_oneself(&mut *uow, who, "user.second_factor_off", now)
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// Lets somebody who lost the app and the recovery codes log in with the password alone.
    ///
    /// # Errors
    /// [`IdentityError::SecondFactorOff`] if the user has none.
    #[tracing::instrument(skip_all)]
    pub async fn reset_second_factor(
        &self,
        _: &Operator,
        user: UserId,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        if !uow.second_factors().delete(user).await? {
            return Err(IdentityError::SecondFactorOff);
        }
        let change = Change::new("user.second_factor_reset", Subject::new("user", user));
        self.audit_by_nobody(&mut *uow, user, None, &change, now)
            .await?;
        uow.commit().await?;
        info!(user.id = %user, "the operator reset a second factor");
        Ok(())
    }

    /// Whether a login with that secret waits for the code of the second factor.
    pub async fn awaits_second_factor(
        &self,
        secret: &SessionSecret,
    ) -> Result<bool, IdentityError> {
        Ok(self.awaiting(secret).await?.is_some())
    }

    /// Ends a login that waits: with the code of the app, or a recovery code. The session that waited is gone, and
    /// another with a secret of its own is there. After several failures the next try has to wait.
    ///
    /// # Errors
    /// [`IdentityError::NoCodeAwaited`]; [`IdentityError::WrongCode`]; [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn give_second_factor(
        &self,
        secret: &SessionSecret,
        code: &str,
        client: Client,
    ) -> Result<NewSession, IdentityError> {
        let waiting = self.awaiting(secret).await?;
        let waiting = waiting.ok_or(IdentityError::NoCodeAwaited)?;
        let (user, now) = (waiting.user_id, self.clock.now());
        let keys = code_keys(user, &client);
        let counted = self.count_try(&keys, now).await?;
        let address = client.address;
        let (organization, remembered) = (waiting.organization_id, waiting.remembered);
        let new = self.new_session(user, organization, remembered, client, now)?;
        let mut uow = self.store.begin().await?;
        let stored = uow.users().find_for_update(user).await?;
        if stored.is_none_or(|user| user.blocked_at.is_some()) {
            return Err(IdentityError::NoCodeAwaited);
        }
        if !self.take_code(&mut *uow, user, code, now).await? {
            if is_over(&keys, &counted) {
                let change = Change::new("user.codes_locked_out", Subject::new("user", user));
                self.audit_by_nobody(&mut *uow, user, address, &change, now)
                    .await?;
                uow.commit().await?;
            }
            return Err(IdentityError::WrongCode);
        }
        // A session that was ended meanwhile, as by a new password, is not there any more.
        if !uow.sessions().delete(user, waiting.id).await? {
            return Err(IdentityError::NoCodeAwaited);
        }
        uow.sessions()
            .insert(&new.session, &new.secret.hash())
            .await?;
        let mut actions = vec!["user.logged_in"];
        if code.parse::<RecoveryCode>().is_ok() {
            actions.insert(0, "user.recovery_code_used");
        }
        for action in actions {
            let change = Change::new(action, Subject::new("user", user));
            self.audit_from(&mut *uow, user, address, &change, now)
                .await?;
        }
        uow.commit().await?;
        self.forgive(&keys).await?;
        Ok(new)
    }

    async fn awaiting(&self, secret: &SessionSecret) -> Result<Option<Session>, IdentityError> {
        let now = self.clock.now();
        let found = self.store.sessions().find_by_hash(&secret.hash()).await?;
        Ok(found.filter(|session| session.awaits_second_factor && now < session.ends_at()))
    }

    async fn take_code(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        user: UserId,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, IdentityError> {
        let key = self.secret()?;
        if let Ok(code) = code.parse::<RecoveryCode>() {
            let hash = code.hash(user, key);
            return Ok(uow.second_factors().use_recovery_code(user, &hash).await?);
        }
        let found = uow.second_factors().find_for_update(user).await?;
        let Some(mut factor) = found.filter(SecondFactor::is_on) else {
            return Ok(false);
        };
        let taken = factor.accept(&digits(code), key, now)?;
        if taken {
            uow.second_factors().save(&factor).await?;
        }
        Ok(taken)
    }

    async fn new_recovery_codes(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        user: UserId,
    ) -> Result<Vec<RecoveryCode>, IdentityError> {
        let key = self.secret()?;
        let codes = (0..RecoveryCode::COUNT).map(|_| RecoveryCode::random());
        let codes = codes.collect::<Result<Vec<_>, NoRandomness>>()?;
        let hashes: Vec<_> = codes.iter().map(|code| code.hash(user, key)).collect();
        uow.second_factors()
            .replace_recovery_codes(user, &hashes)
            .await?;
        Ok(codes)
    }

    /// Holds somebody who is logged in to know the password: a browser may have been left open. Tries are counted like
    /// those of a login.
    pub(super) async fn check_own_password(
        &self,
        who: &LoggedIn,
        password: Password,
    ) -> Result<(), IdentityError> {
        let keys = attempt_keys(&who.user.email, &who.session.client, true);
        self.count_try(&keys, self.clock.now()).await?;
        let user = self.store.members().find_user(who.user.id).await?;
        let hash = user.and_then(|user| user.password);
        if !self.hasher.verify(password, hash).await? {
            return Err(IdentityError::WrongPassword);
        }
        self.forgive(&keys).await
    }

    /// Notes what users changed of their own account, in every organisation that they are a member of.
    pub(super) async fn audit_oneself(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        who: &LoggedIn,
        action: &str,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let change = Change::new(action, Subject::new("user", who.user.id));
        self.audit_from(uow, who.user.id, who.address, &change, now)
            .await
    }
}

/// A code as apps show it may have a space in the middle.
fn digits(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace()).collect()
}

/// What wrong codes are counted by.
fn code_keys(user: UserId, client: &Client) -> Vec<(String, Patience)> {
    let network = network_key(client);
    vec![
        (
            format!("code-here:{user}:{network}"),
            Patience::FOR_ACCOUNT_HERE,
        ),
        (format!("code:{user}"), Patience::FOR_CODES),
    ]
}
