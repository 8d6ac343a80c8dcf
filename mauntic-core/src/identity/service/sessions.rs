use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use tracing::info;

use super::{
    super::{
        Change, Client, DisplayName, Errand, IdentityError, IdentityService, Invitation, LoggedIn,
        Membership, OauthCode, Organization, Password, Patience, Session, SessionSecret, Slug,
        Subject, User, Workplace,
    },
    calling,
    passwords::hold_strong,
};
use crate::{
    Actor, EmailAddress, Operator, OrganizationId, PageSize, Role, SessionId, StoreError,
    TimeZoneName, UserId,
};

/// The first organisation and who owns it.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// What people call the organisation.
    pub organization: DisplayName,
    /// The zone in which it counts its days.
    pub timezone: TimeZoneName,
    /// What the owner is called.
    pub name: DisplayName,
    /// The address that the owner logs in with.
    pub email: EmailAddress,
    /// The owner's password.
    pub password: Password,
    /// What [`set_up_code`](IdentityService::set_up_code) told the operator, if it is asked for.
    pub code: Option<String>,
}

/// What somebody logs in with.
#[derive(Debug, Clone)]
pub struct LogIn {
    /// The address.
    pub email: EmailAddress,
    /// The password.
    pub password: Password,
    /// Whether the session is to outlive a night without use.
    pub remember: bool,
}

/// A session and the secret for its cookie, which is shown this once.
#[derive(Debug)]
pub struct NewSession {
    /// The secret.
    pub secret: SessionSecret,
    /// The session.
    pub session: Session,
}

impl IdentityService {
    /// Whether nobody could log in ever, so that the first to come sets the installation up.
    pub async fn needs_set_up(&self) -> Result<bool, IdentityError> {
        Ok(!self.store.members().any_user().await?)
    }

    /// Whether whoever sets the installation up has to know the operator's code: there is more here than an empty
    /// organisation, which the first stranger to come is not to own.
    pub async fn set_up_asks_for_code(&self) -> Result<bool, IdentityError> {
        let organizations = self.store.organizations();
        let found = organizations.list(None, PageSize::clamped(2)).await?.items;
        let empty = found.iter().all(Organization::is_default) && found.len() < 2;
        Ok(!empty || self.store.tokens().any().await?)
    }

    /// The code for setting the installation up, if that is to be done and the code is asked for.
    pub async fn set_up_code(&self, _: &Operator) -> Result<Option<String>, IdentityError> {
        if !self.needs_set_up().await? || !self.set_up_asks_for_code().await? {
            return Ok(None);
        }
        Ok(Some(self.code_of_set_up()?))
    }

    fn code_of_set_up(&self) -> Result<String, IdentityError> {
        let mac = self.secret()?.authenticate(b"set up");
        Ok(hex(&mac[..8]))
    }

    /// Sets the installation up: its first organisation and the owner, who is logged in at once. Of many who try at
    /// the same time, one does it. An organisation that is there already, as after commands on the command line, is
    /// the first one.
    ///
    /// # Errors
    /// [`IdentityError::AlreadySetUp`] once there is a user; [`IdentityError::WrongSetUpCode`] if a code
    /// [is asked for](Self::set_up_asks_for_code), and this is another; [`IdentityError::GuessablePassword`].
    #[tracing::instrument(skip_all)]
    pub async fn set_up(
        &self,
        command: SetUp,
        client: Client,
    ) -> Result<NewSession, IdentityError> {
        if !self.needs_set_up().await? {
            return Err(IdentityError::AlreadySetUp);
        }
        if self.set_up_asks_for_code().await? {
            let given = command.code.as_deref().unwrap_or_default();
            // Hashes are compared, so that the time taken tells nothing.
            if hash(given.trim()) != hash(&self.code_of_set_up()?) {
                return Err(IdentityError::WrongSetUpCode);
            }
        }
        let about = [
            command.name.as_str(),
            command.email.as_str(),
            command.organization.as_str(),
        ];
        hold_strong(&command.password, &about)?;
        let first = self
            .organizations(&Operator::local(), None, PageSize::clamped(1))
            .await?;
        let first = first.items.into_iter().next();
        let password = self.hasher.hash(command.password).await?;
        let now = self.clock.now();
        let id = UserId::generate(&*self.ids);
        let user = User::new(id, command.email, command.name, Some(password), now);
        let mut uow = self.store.begin().await?;
        if !uow.users().claim_set_up(now).await? {
            return Err(IdentityError::AlreadySetUp);
        }
        let organization = if let Some(mut found) = first {
            found.name = command.organization;
            found.timezone = command.timezone;
            uow.organizations().update(&found).await?;
            found.id
        } else {
            let organization = Organization::new(
                OrganizationId::generate(&*self.ids),
                command.organization.clone(),
                Slug::suggested_by(&command.organization),
                command.timezone,
                now,
            );
            uow.organizations().insert(&organization).await?;
            organization.id
        };
        match uow.users().insert(&user).await {
            Err(StoreError::Conflict { .. }) => return Err(IdentityError::AlreadySetUp),
            done => done?,
        }
        let membership = Membership {
            organization_id: organization,
            user_id: user.id,
            role: Role::Owner,
            created_at: now,
            blocked_at: None,
        };
        uow.memberships().insert(&membership).await?;
        let actor = Actor::user(organization, user.id, Role::Owner);
        let actor = calling(actor, client.address);
        let change = Change::new("installation.set_up", Subject::new("user", user.id));
        self.audit(&mut *uow, &actor, change, now).await?;
        let new = self.new_session(user.id, Some(organization), false, client, now)?;
        uow.sessions()
            .insert(&new.session, &new.secret.hash())
            .await?;
        uow.commit().await?;
        info!(user.id = %user.id, "the installation was set up");
        Ok(new)
    }

    /// Begins a session, if address and password are right. If the user has a second factor, the session
    /// [waits](Session::awaits_second_factor) for [`give_second_factor`](Self::give_second_factor). Each login has a session of its own; one that the browser
    /// had before is to be ended. After several failures the next try has to wait.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`], whatever is wrong; [`IdentityError::TooManyFailures`] says how long to wait;
    /// [`IdentityError::PasswordTooWeak`] if a right one of another system would be refused here, and the way to a new
    /// one is mailed; [`Refusal::UserBlocked`](super::super::Refusal::UserBlocked), told only to those who know the password.
    #[tracing::instrument(skip_all)]
    pub async fn log_in(
        &self,
        command: LogIn,
        client: Client,
    ) -> Result<NewSession, IdentityError> {
        let now = self.clock.now();
        let known = self.is_known_network(&command.email, &client, now).await?;
        let keys = attempt_keys(&command.email, &client, known);
        // Counted as a failure until it is none, so that many at once do not all pass before the first has failed.
        let counted = self.count_try(&keys, now).await?;
        let verified = self.verify_password(&command.email, command.password).await;
        if matches!(verified, Err(IdentityError::WrongPassword)) {
            if is_over(&keys, &counted) {
                let email = command.email;
                self.note_lock_out(email, &client, now).await?;
            }
            return Err(IdentityError::WrongPassword);
        }
        self.forgive(&keys).await?;
        if matches!(verified, Err(IdentityError::PasswordTooWeak)) {
            self.mail_way_to_new_password(command.email, client).await?;
            return Err(IdentityError::PasswordTooWeak);
        }
        let user = verified?;
        let places = self.store.members().workplaces(user.id).await?;
        let organization = begin_in(&places);
        let address = client.address;
        let mut new = self.new_session(user.id, organization, command.remember, client, now)?;
        let mut uow = self.store.begin().await?;
        // A password that was changed since it was checked lets nobody in, nor does a block.
        let stored = uow.users().find_for_update(user.id).await?;
        let same = |stored: User| stored.password == user.password && stored.blocked_at.is_none();
        if !stored.is_some_and(same) {
            return Err(IdentityError::WrongPassword);
        }
        // Read with the user locked: one that is switched on at this moment is not to be passed by.
        let factor = uow.second_factors().find_for_update(user.id).await?;
        new.session.awaits_second_factor = factor.is_some_and(|factor| factor.is_on());
        uow.sessions()
            .insert(&new.session, &new.secret.hash())
            .await?;
        if !new.session.awaits_second_factor {
            let change = Change::new("user.logged_in", Subject::new("user", user.id));
            self.audit_from(&mut *uow, user.id, address, &change, now)
                .await?;
        }
        uow.commit().await?;
        Ok(new)
    }

    /// Mails a link to set a new password. One that was asked for too often is on its way already.
    async fn mail_way_to_new_password(
        &self,
        email: EmailAddress,
        client: Client,
    ) -> Result<(), IdentityError> {
        match self.request_password_reset(email, client).await {
            Err(IdentityError::TooManyFailures { .. }) => Ok(()),
            asked => asked,
        }
    }

    /// Who is logged in with that secret; `None` if the session is over, or the user blocked. Blocking a user or an
    /// organisation takes effect here, at the next request.
    pub async fn logged_in(
        &self,
        secret: &SessionSecret,
    ) -> Result<Option<LoggedIn>, IdentityError> {
        let now = self.clock.now();
        let found = self.store.sessions().find_by_hash(&secret.hash()).await?;
        let live = |session: &Session| now < session.ends_at() && !session.awaits_second_factor;
        let Some(mut session) = found.filter(live) else {
            return Ok(None);
        };
        let user = self.store.members().find_user(session.user_id).await?;
        let Some(user) = user.filter(|user| user.blocked_at.is_none()) else {
            return Ok(None);
        };
        let places = self.store.members().workplaces(user.id).await?;
        let (closed, workplaces) = places.into_iter().partition(|place| place.closed);
        let seen = session.see(now);
        let who = LoggedIn {
            session,
            user,
            workplaces,
            closed,
            address: None,
        };
        if seen {
            let mut uow = self.store.begin().await?;
            uow.sessions().see(who.session.id, now).await?;
            let place = who.workplace();
            if let Some(place) = place.filter(|_| who.closed_workplace().is_none()) {
                let (organization, user) = (place.organization_id, who.user.id);
                uow.memberships().see(organization, user, now).await?;
            }
            uow.commit().await?;
        }
        Ok(Some(who))
    }

    /// The user's own sessions that have not ended, the latest first.
    pub async fn own_sessions(&self, who: &LoggedIn) -> Result<Vec<Session>, IdentityError> {
        let now = self.clock.now();
        let mut sessions = self.store.sessions().of_user(who.user.id).await?;
        sessions.retain(|session| now < session.ends_at() && !session.awaits_second_factor);
        Ok(sessions)
    }

    /// Ends one of the user's own sessions: this one to log out, or another.
    ///
    /// # Errors
    /// [`IdentityError::SessionNotFound`] if the user has no such session.
    pub async fn end_session(&self, who: &LoggedIn, id: SessionId) -> Result<(), IdentityError> {
        let mut uow = self.store.begin().await?;
        if !uow.sessions().delete(who.user.id, id).await? {
            return Err(IdentityError::SessionNotFound(id));
        }
        let action = if id == who.session.id {
            "user.logged_out"
        } else {
            "user.session_ended"
        };
        let now = self.clock.now();
        self.audit_oneself(&mut *uow, who, action, now).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Ends the user's own sessions but this one; returns how many.
    pub async fn end_other_sessions(&self, who: &LoggedIn) -> Result<u64, IdentityError> {
        let mut uow = self.store.begin().await?;
        let ended = uow
            .sessions()
            .delete_others(who.user.id, who.session.id)
            .await?;
        if ended > 0 {
            let now = self.clock.now();
            self.audit_oneself(&mut *uow, who, "user.other_sessions_ended", now)
                .await?;
        }
        uow.commit().await?;
        Ok(ended)
    }

    /// Works in another of the user's organisations from now on, in this session.
    ///
    /// # Errors
    /// [`IdentityError::OrganizationNotFound`] if the user is no member there, or it is blocked.
    pub async fn switch_organization(
        &self,
        who: &LoggedIn,
        organization: OrganizationId,
    ) -> Result<(), IdentityError> {
        let here = |place: &Workplace| place.organization_id == organization;
        if !who.workplaces.iter().any(here) {
            return Err(IdentityError::OrganizationNotFound(organization));
        }
        let mut uow = self.store.begin().await?;
        uow.sessions().work_in(who.session.id, organization).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Forgets sessions, detours, mailed links, and codes and tokens of apps that are over, and failures that no longer
    /// count; returns how many rows.
    pub async fn forget_old_sessions(&self, _: &Operator) -> Result<u64, IdentityError> {
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let sessions = uow
            .sessions()
            .delete_unseen(
                now - Session::IDLE,
                now - Session::IDLE_REMEMBERED,
                now - Session::LONGEST,
            )
            .await?;
        let links = uow.links().delete_expired(now).await?;
        // Those who invited see for a while that nobody came.
        let forgotten = now - Invitation::LIFETIME;
        let links = links + uow.invitations().delete_expired(forgotten).await?;
        let links = links + uow.detours().delete_expired(now).await?;
        let codes = now - OauthCode::MEMORY;
        let links = links + uow.oauth().delete_expired(now, codes).await?;
        uow.commit().await?;
        let attempts = self.store.login_attempts();
        Ok(sessions + links + attempts.forget_old(now - Patience::MEMORY).await?)
    }

    pub(super) fn new_session(
        &self,
        user: UserId,
        organization: Option<OrganizationId>,
        remembered: bool,
        client: Client,
        now: DateTime<Utc>,
    ) -> Result<NewSession, IdentityError> {
        Ok(NewSession {
            secret: SessionSecret::random()?,
            session: Session {
                id: SessionId::generate(&*self.ids),
                user_id: user,
                organization_id: organization,
                remembered,
                created_at: now,
                seen_at: now,
                client,
                awaits_second_factor: false,
            },
        })
    }

    /// What was counted went right: here, slips are free again. What a stranger failed at elsewhere stays noted.
    pub(super) async fn forgive(&self, keys: &[(String, Patience)]) -> Result<(), IdentityError> {
        let attempts = self.store.login_attempts();
        let names = names(keys);
        attempts.take_back(&names).await?;
        if let Some(here) = names.first() {
            attempts.forget(here).await?;
        }
        Ok(())
    }

    /// Whether the user with that address, if there is one, is logged in from the client's network.
    async fn is_known_network(
        &self,
        email: &EmailAddress,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<bool, IdentityError> {
        let user = self.store.members().find_user_by_email(email).await?;
        // Asked for nobody too: the time taken is not to tell whether there is somebody.
        let user = user.map_or(UserId::from_uuid(uuid::Uuid::nil()), |user| user.id);
        let sessions = self.store.sessions().of_user(user).await?;
        Ok(sessions.iter().any(|session| {
            !session.awaits_second_factor
                && now < session.ends_at()
                && session.client.network.is_some()
                && session.client.network == client.network
        }))
    }

    /// Has it noted that logging in failed so often that the next try has to wait, once for each time that begins. That
    /// is done later, for it is not to be seen from the time taken whether there is such an account.
    async fn note_lock_out(
        &self,
        email: EmailAddress,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let mut uow = self.store.begin().await?;
        let address = client.address.or(client.network);
        self.queue(&mut *uow, Errand::LockOut { email, address }, now)
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// Counts a try as a failure, unless it has to wait; returns the counts with it. What goes right is taken back with
    /// [`forgive`](Self::forgive).
    pub(super) async fn count_try(
        &self,
        keys: &[(String, Patience)],
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, u32)>, IdentityError> {
        let attempts = self.store.login_attempts();
        let names = &names(keys);
        let patience = |key: &str| {
            let known = keys.iter().find(|(known, _)| known == key);
            known.map_or(Patience::FOR_ACCOUNT_HERE, |(_, patience)| *patience)
        };
        let before = attempts.failures(names).await?;
        let waits = before
            .iter()
            .filter_map(|(key, count, last)| patience(key).wait(*count, *last, now));
        if let Some(wait) = waits.max() {
            return Err(too_many(wait));
        }
        let counted = attempts
            .note_failure(names, now, now - Patience::MEMORY)
            .await?;
        // Others that came in at the same moment count as well.
        let crowded = counted.iter().filter_map(|(key, count)| {
            let earlier = count.saturating_sub(1);
            let seen = before.iter().find(|(known, ..)| known == key);
            let seen = seen.map_or(0, |(_, seen, _)| *seen);
            (earlier > seen).then(|| patience(key).wait(earlier, now, now))?
        });
        match crowded.max() {
            None => Ok(counted),
            Some(wait) => {
                attempts.take_back(names).await?;
                Err(too_many(wait))
            }
        }
    }
}

/// Where a session begins: an organisation that one can work in, if there is any.
pub(super) fn begin_in(places: &[Workplace]) -> Option<OrganizationId> {
    let open = places.iter().find(|place| !place.closed);
    open.or(places.first()).map(|place| place.organization_id)
}

fn names(keys: &[(String, Patience)]) -> Vec<String> {
    keys.iter().map(|(key, _)| key.clone()).collect()
}

pub(super) fn too_many(wait: TimeDelta) -> IdentityError {
    IdentityError::TooManyFailures {
        seconds: seconds(wait),
    }
}

/// At least a second, so that nobody is told to wait for none.
fn seconds(wait: TimeDelta) -> u64 {
    let millis = u64::try_from(wait.num_milliseconds()).unwrap_or_default();
    millis.div_ceil(1_000).max(1)
}

/// Whether this failure is the one after which the next try has to wait, by the first of its keys.
pub(super) fn is_over(keys: &[(String, Patience)], counted: &[(String, u32)]) -> bool {
    let Some((first, patience)) = keys.first() else {
        return false;
    };
    let count = counted.iter().find(|(key, _)| key == first);
    count.is_some_and(|(_, count)| patience.is_over_with(*count))
}

/// What failures are counted by; what failed elsewhere does not matter in a known network. Addresses are hashed: this is
/// no list of who tried to log in.
pub(super) fn attempt_keys(
    email: &EmailAddress,
    client: &Client,
    known: bool,
) -> Vec<(String, Patience)> {
    let account = hash(&email.key());
    let network = network_key(client);
    let mut keys = vec![
        (
            format!("here:{account}:{network}"),
            Patience::FOR_ACCOUNT_HERE,
        ),
        (format!("network:{network}"), Patience::FOR_NETWORK),
    ];
    if !known {
        keys.push((format!("account:{account}"), Patience::FOR_ACCOUNT));
    }
    keys
}

/// What wishes for a new password are counted by: letters cost, and nobody wants their mailbox filled.
pub(super) fn reset_keys(email: &EmailAddress, client: &Client) -> Vec<(String, Patience)> {
    let account = hash(&email.key());
    vec![
        (format!("reset:{account}"), Patience::FOR_LETTERS),
        (
            format!("reset-network:{}", network_key(client)),
            Patience::FOR_NETWORK,
        ),
    ]
}

/// What mailed invitations are counted by: nobody wants their mailbox filled, nor a server that is known for it.
pub(super) fn invitation_keys(
    organization: OrganizationId,
    email: &EmailAddress,
) -> Vec<(String, Patience)> {
    let address = hash(&email.key());
    vec![
        (
            format!("invite:{organization}:{address}"),
            Patience::FOR_LETTERS,
        ),
        (format!("invite:{organization}"), Patience::FOR_INVITATIONS),
    ]
}

/// What failures from one network are counted by.
pub(super) fn network_key(client: &Client) -> String {
    client
        .network
        .map_or_else(|| "unknown".to_owned(), |network| network.to_string())
}

fn hash(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    hex(&digest[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
