use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    ApiToken, AuditEntry, AuditFilter, Detour, Erasures, IdempotencyStore, Invitation, LinkedLogin,
    Member, Membership, Notification, OauthQueries, OauthRepository, Once, Organization,
    PresentedToken, Purpose, QueuedLetter, SecondFactor, Session, Slug, TokenHash, User, UserLink,
    Workplace,
};
use crate::{
    ApiTokenId, AuditEntryId, EmailAddress, Inbox, InvitationId, LetterId, NotificationId,
    OrganizationId, Outbox, Page, PageSize, SessionId, StoreError, UserId,
};

/// Keeps everything that Identity knows.
#[async_trait]
pub trait IdentityStore: Send + Sync {
    /// The committed organisations, for reading.
    fn organizations(&self) -> &dyn OrganizationQueries;

    /// The committed users and members, for reading.
    fn members(&self) -> &dyn MemberQueries;

    /// The committed tokens, for reading.
    fn tokens(&self) -> &dyn TokenQueries;

    /// The apps that are let in by OAuth, for reading.
    fn oauth(&self) -> &dyn OauthQueries;

    /// The committed sessions, for reading.
    fn sessions(&self) -> &dyn SessionQueries;

    /// The second factors of users, for reading.
    fn second_factors(&self) -> &dyn SecondFactorQueries;

    /// The logins at providers that let users in, for reading.
    fn linked_logins(&self) -> &dyn LinkedLoginQueries;

    /// The invitations that were not accepted yet, for reading.
    fn invitations(&self) -> &dyn InvitationQueries;

    /// The links that were mailed to users, for reading.
    fn links(&self) -> &dyn LinkQueries;

    /// The letters that wait to be sent.
    fn letters(&self) -> &dyn LetterQueue;

    /// What users are told, for reading.
    fn notifications(&self) -> &dyn NotificationQueries;

    /// How often logging in failed.
    fn login_attempts(&self) -> &dyn LoginAttempts;

    /// The committed audit log, for reading.
    fn audit(&self) -> &dyn AuditQueries;

    /// The answers to requests that may come again.
    fn idempotency(&self) -> &dyn IdempotencyStore;

    /// The erasing of organisations that are deleted.
    fn erasures(&self) -> &dyn Erasures;

    /// Notes the fingerprint of the installation's secret if none is noted, and returns the one that is.
    async fn secret_fingerprint(
        &self,
        fingerprint: &str,
        now: DateTime<Utc>,
    ) -> Result<String, StoreError>;

    /// Begins a transaction, for writing.
    async fn begin(&self) -> Result<Box<dyn IdentityUnitOfWork>, StoreError>;
}

/// One transaction over everything that Identity stores. Dropping it rolls back.
#[async_trait]
pub trait IdentityUnitOfWork: Send {
    /// The organisations, within this transaction.
    fn organizations(&mut self) -> &mut dyn OrganizationRepository;

    /// The users, within this transaction.
    fn users(&mut self) -> &mut dyn UserRepository;

    /// The memberships, within this transaction.
    fn memberships(&mut self) -> &mut dyn MembershipRepository;

    /// The tokens, within this transaction.
    fn tokens(&mut self) -> &mut dyn TokenRepository;

    /// The apps that are let in by OAuth, within this transaction.
    fn oauth(&mut self) -> &mut dyn OauthRepository;

    /// The sessions, within this transaction.
    fn sessions(&mut self) -> &mut dyn SessionRepository;

    /// The second factors of users, within this transaction.
    fn second_factors(&mut self) -> &mut dyn SecondFactorRepository;

    /// The logins at providers that let users in, within this transaction.
    fn linked_logins(&mut self) -> &mut dyn LinkedLoginRepository;

    /// The ways over providers that did not end yet, within this transaction.
    fn detours(&mut self) -> &mut dyn DetourRepository;

    /// The invitations, within this transaction.
    fn invitations(&mut self) -> &mut dyn InvitationRepository;

    /// The links that are mailed to users, within this transaction.
    fn links(&mut self) -> &mut dyn LinkRepository;

    /// The letters that wait to be sent, within this transaction.
    fn letters(&mut self) -> &mut dyn LetterRepository;

    /// What users are told, within this transaction.
    fn notifications(&mut self) -> &mut dyn NotificationRepository;

    /// The audit log, within this transaction.
    fn audit(&mut self) -> &mut dyn AuditRepository;

    /// The outbox, within this transaction.
    fn outbox(&mut self) -> &mut dyn Outbox;

    /// Which events were dealt with, within this transaction.
    fn inbox(&mut self) -> &mut dyn Inbox;

    /// Makes all changes permanent at once.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Reads organisations.
#[async_trait]
pub trait OrganizationQueries: Send + Sync {
    /// The organisation with the id, if any.
    async fn find(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError>;

    /// The organisation with the short name, if any.
    async fn find_by_slug(&self, slug: &Slug) -> Result<Option<Organization>, StoreError>;

    /// Up to two organisations with the name, whose letters A to Z may differ in case.
    async fn find_by_name(&self, name: &str) -> Result<Vec<Organization>, StoreError>;

    /// A page of all organisations, the oldest first.
    async fn list(
        &self,
        after: Option<OrganizationId>,
        size: PageSize,
    ) -> Result<Page<Organization, OrganizationId>, StoreError>;
}

/// Changes organisations.
#[async_trait]
pub trait OrganizationRepository: Send {
    /// Returns the organisation, if any, and keeps others from changing it or its members until the
    /// transaction ends.
    async fn find_for_update(
        &mut self,
        id: OrganizationId,
    ) -> Result<Option<Organization>, StoreError>;

    /// Adds an organisation. A taken short name is [`StoreError::Conflict`]; the transaction stays usable.
    async fn insert(&mut self, organization: &Organization) -> Result<(), StoreError>;

    /// Replaces a stored organisation; an unknown one is [`StoreError::Missing`]. The short name stays.
    async fn update(&mut self, organization: &Organization) -> Result<(), StoreError>;
}

/// Reads users and who is a member where.
#[async_trait]
pub trait MemberQueries: Send + Sync {
    /// The user with the address, whatever its case, if any.
    async fn find_user_by_email(&self, email: &EmailAddress) -> Result<Option<User>, StoreError>;

    /// The user with the id, if any.
    async fn find_user(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The membership, if the user has one in the organisation.
    async fn find(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Membership>, StoreError>;

    /// The same as a member of the organisation, as others see it.
    async fn find_member(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Member>, StoreError>;

    /// A page of the organisation's members, in the order of their ids.
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<UserId>,
        size: PageSize,
    ) -> Result<Page<Member, UserId>, StoreError>;

    /// The organisation's members whose names or addresses contain a text, whose letters A to Z may differ in case, up
    /// to so many, in the order of their ids.
    async fn search(
        &self,
        organization: OrganizationId,
        text: &str,
        size: PageSize,
    ) -> Result<Vec<Member>, StoreError>;

    /// Whether there is any user at all, or was when the installation was set up.
    async fn any_user(&self) -> Result<bool, StoreError>;

    /// The organisations that the user is a member of, by name; those where the user is blocked are left out.
    async fn workplaces(&self, user: UserId) -> Result<Vec<Workplace>, StoreError>;

    /// The user's memberships, in the order of the organisations' ids.
    async fn of_user(&self, user: UserId) -> Result<Vec<Membership>, StoreError>;
}

/// Reads sessions.
#[async_trait]
pub trait SessionQueries: Send + Sync {
    /// The session whose secret has that hash, if any, even if its time is over.
    async fn find_by_hash(&self, hash: &TokenHash) -> Result<Option<Session>, StoreError>;

    /// All sessions of the user, the latest first.
    async fn of_user(&self, user: UserId) -> Result<Vec<Session>, StoreError>;
}

/// Changes sessions.
#[async_trait]
pub trait SessionRepository: Send {
    /// Adds a session.
    async fn insert(&mut self, session: &Session, hash: &TokenHash) -> Result<(), StoreError>;

    /// Notes that a session was used; it only moves forward.
    async fn see(&mut self, id: SessionId, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Notes the organisation that is worked in; an unknown session is [`StoreError::Missing`].
    async fn work_in(
        &mut self,
        id: SessionId,
        organization: OrganizationId,
    ) -> Result<(), StoreError>;

    /// Ends a session of the user; `false` if the user has no such session.
    async fn delete(&mut self, user: UserId, id: SessionId) -> Result<bool, StoreError>;

    /// Ends the user's sessions but one; returns how many.
    async fn delete_others(&mut self, user: UserId, kept: SessionId) -> Result<u64, StoreError>;

    /// Ends all sessions of the user; returns how many.
    async fn delete_all(&mut self, user: UserId) -> Result<u64, StoreError>;

    /// Deletes sessions that were not used since a time, which is another for remembered ones, or made before a third;
    /// returns how many.
    async fn delete_unseen(
        &mut self,
        since: DateTime<Utc>,
        remembered_since: DateTime<Utc>,
        created_since: DateTime<Utc>,
    ) -> Result<u64, StoreError>;
}

/// Reads second factors.
#[async_trait]
pub trait SecondFactorQueries: Send + Sync {
    /// The user's second factor, if any, confirmed or not.
    async fn find(&self, user: UserId) -> Result<Option<SecondFactor>, StoreError>;

    /// How many recovery codes the user has left.
    async fn recovery_codes_left(&self, user: UserId) -> Result<u64, StoreError>;
}

/// Changes second factors.
#[async_trait]
pub trait SecondFactorRepository: Send {
    /// Returns the user's second factor, if any, and keeps others from changing it until the transaction ends.
    async fn find_for_update(&mut self, user: UserId) -> Result<Option<SecondFactor>, StoreError>;

    /// Stores a second factor in place of the one that the user had.
    async fn save(&mut self, factor: &SecondFactor) -> Result<(), StoreError>;

    /// Deletes the user's second factor and recovery codes; `false` if there was none.
    async fn delete(&mut self, user: UserId) -> Result<bool, StoreError>;

    /// Stores the hashes of recovery codes in place of those that the user had.
    async fn replace_recovery_codes(
        &mut self,
        user: UserId,
        hashes: &[TokenHash],
    ) -> Result<(), StoreError>;

    /// Uses a recovery code up; `false` if the user has none with that hash.
    async fn use_recovery_code(
        &mut self,
        user: UserId,
        hash: &TokenHash,
    ) -> Result<bool, StoreError>;
}

/// Reads the logins at providers that let users in.
#[async_trait]
pub trait LinkedLoginQueries: Send + Sync {
    /// The account's side of what a provider calls somebody, if it is linked.
    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<LinkedLogin>, StoreError>;

    /// Those of the user, the first linked first.
    async fn of_user(&self, user: UserId) -> Result<Vec<LinkedLogin>, StoreError>;
}

/// Changes the logins at providers that let users in. Lock the user first: "one way in stays" reads several.
#[async_trait]
pub trait LinkedLoginRepository: Send {
    /// Those of the user, the first linked first.
    async fn of_user(&mut self, user: UserId) -> Result<Vec<LinkedLogin>, StoreError>;

    /// Links a login. One that is linked with any account, or a second one of the provider for the user, is
    /// [`StoreError::Conflict`]; the transaction stays usable.
    async fn insert(&mut self, login: &LinkedLogin) -> Result<(), StoreError>;

    /// Notes a use; `false` if the user has no such login any more.
    async fn note_use(
        &mut self,
        user: UserId,
        issuer: &str,
        subject: &str,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Unlinks the user's login of a provider; `false` if there is none.
    async fn delete(&mut self, user: UserId, provider: &Slug) -> Result<bool, StoreError>;
}

/// Keeps the ways over providers that did not end yet.
#[async_trait]
pub trait DetourRepository: Send {
    /// Keeps one, with the hash of its secret.
    async fn insert(&mut self, detour: &Detour, hash: &TokenHash) -> Result<(), StoreError>;

    /// Hands one out and forgets it, so that of many who ask one gets it; even if its time is over.
    async fn take(&mut self, hash: &TokenHash) -> Result<Option<Detour>, StoreError>;

    /// Forgets those whose time was over at a time; returns how many.
    async fn delete_expired(&mut self, at: DateTime<Utc>) -> Result<u64, StoreError>;
}

/// Reads invitations.
#[async_trait]
pub trait InvitationQueries: Send + Sync {
    /// A page of the organisation's invitations, those that are too old included, the oldest first.
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<InvitationId>,
        size: PageSize,
    ) -> Result<Page<Invitation, InvitationId>, StoreError>;

    /// The invitation, if the organisation has it.
    async fn find(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>, StoreError>;

    /// The invitation whose secret has that hash, if any, even if it is too old.
    async fn find_by_hash(&self, hash: &TokenHash) -> Result<Option<Invitation>, StoreError>;
}

/// Changes invitations.
#[async_trait]
pub trait InvitationRepository: Send {
    /// Returns the invitation, if the organisation has it, and keeps others from changing it.
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>, StoreError>;

    /// The invitation of an address, whatever its case, if the organisation has one.
    async fn find_of_email(
        &mut self,
        organization: OrganizationId,
        email: &EmailAddress,
    ) -> Result<Option<Invitation>, StoreError>;

    /// The organisation's invitations that a member made, the oldest first.
    async fn of_inviter(
        &mut self,
        organization: OrganizationId,
        inviter: UserId,
    ) -> Result<Vec<Invitation>, StoreError>;

    /// Adds an invitation. An address that has one there already is [`StoreError::Conflict`]; the transaction stays
    /// usable.
    async fn insert(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// Stores a new secret and time; an unknown invitation is [`StoreError::Missing`].
    async fn update(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// Deletes an invitation; `false` if the organisation has none such.
    async fn delete(
        &mut self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<bool, StoreError>;

    /// Deletes the invitation of an address, whatever its case; `false` if it has none there.
    async fn delete_of_email(
        &mut self,
        organization: OrganizationId,
        email: &EmailAddress,
    ) -> Result<bool, StoreError>;

    /// Deletes invitations of all organisations whose time was over at a time; returns how many.
    async fn delete_expired(&mut self, at: DateTime<Utc>) -> Result<u64, StoreError>;
}

/// Reads the links that were mailed to users.
#[async_trait]
pub trait LinkQueries: Send + Sync {
    /// The link of that purpose whose secret has that hash, if any, even if its time is over.
    async fn find_by_hash(
        &self,
        purpose: Purpose,
        hash: &TokenHash,
    ) -> Result<Option<UserLink>, StoreError>;

    /// The user's link of that purpose, if any.
    async fn find(&self, user: UserId, purpose: Purpose) -> Result<Option<UserLink>, StoreError>;
}

/// Changes the links that are mailed to users.
#[async_trait]
pub trait LinkRepository: Send {
    /// As [`LinkQueries::find_by_hash`]; keeps others from using it until the transaction ends.
    async fn find_for_update(
        &mut self,
        purpose: Purpose,
        hash: &TokenHash,
    ) -> Result<Option<UserLink>, StoreError>;

    /// Returns the user's link of that purpose, if any, and keeps others from changing it.
    async fn find_of_user_for_update(
        &mut self,
        user: UserId,
        purpose: Purpose,
    ) -> Result<Option<UserLink>, StoreError>;

    /// Stores a link in place of the user's former one of the same purpose.
    async fn save(&mut self, link: &UserLink) -> Result<(), StoreError>;

    /// Deletes the user's link of that purpose; `false` if there was none.
    async fn delete(&mut self, user: UserId, purpose: Purpose) -> Result<bool, StoreError>;

    /// Deletes links whose time was over at a time; returns how many.
    async fn delete_expired(&mut self, at: DateTime<Utc>) -> Result<u64, StoreError>;
}

/// Hands out the letters that wait to be sent. Each method is a transaction of its own.
#[async_trait]
pub trait LetterQueue: Send + Sync {
    /// Takes a letter that is due, the oldest first, counts a try, and keeps it from others for the
    /// [lease](QueuedLetter::LEASE). The count that is returned has the try in it.
    async fn claim(&self, now: DateTime<Utc>) -> Result<Option<QueuedLetter>, StoreError>;

    /// Makes a letter that was not sent due again at a time.
    async fn put_off(&self, id: LetterId, until: DateTime<Utc>) -> Result<(), StoreError>;

    /// Forgets a letter that was sent, or given up.
    async fn done(&self, id: LetterId) -> Result<(), StoreError>;
}

/// Queues letters.
#[async_trait]
pub trait LetterRepository: Send {
    /// Adds a letter, due at once.
    async fn add(&mut self, letter: &QueuedLetter, now: DateTime<Utc>) -> Result<(), StoreError>;
}

/// Reads what users are told.
#[async_trait]
pub trait NotificationQueries: Send + Sync {
    /// A page of what a user was told in an organisation, the latest first; only what is not read yet if `unread`.
    async fn list(
        &self,
        organization: OrganizationId,
        user: UserId,
        unread: bool,
        before: Option<NotificationId>,
        size: PageSize,
    ) -> Result<Page<Notification, NotificationId>, StoreError>;

    /// How much of it is not read yet; no more than `most` are counted.
    async fn unread(
        &self,
        organization: OrganizationId,
        user: UserId,
        most: u32,
    ) -> Result<u32, StoreError>;
}

/// Changes what users are told. It goes with the membership.
#[async_trait]
pub trait NotificationRepository: Send {
    /// Adds one; `false`, and nothing is added, if the user is no member there, or blocked, or was told the same before.
    async fn add(
        &mut self,
        notification: &Notification,
        once: Option<&Once>,
    ) -> Result<bool, StoreError>;

    /// Notes that a user has read one; `false` if the user has no such one there.
    async fn mark_read(
        &mut self,
        organization: OrganizationId,
        user: UserId,
        id: NotificationId,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Notes that a user has read all of them there, or all up to one; returns how many were not read before.
    async fn mark_all_read(
        &mut self,
        organization: OrganizationId,
        user: UserId,
        up_to: Option<NotificationId>,
        at: DateTime<Utc>,
    ) -> Result<u64, StoreError>;

    /// Deletes up to so many from before a time, of all organisations; returns how many.
    async fn delete_old(&mut self, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError>;
}

/// Counts how often logging in failed, by keys of the caller's choice. Each method is a transaction of its own.
#[async_trait]
pub trait LoginAttempts: Send + Sync {
    /// The failures noted under these keys, and when the last of each was.
    async fn failures(
        &self,
        keys: &[String],
    ) -> Result<Vec<(String, u32, DateTime<Utc>)>, StoreError>;

    /// Notes a failure under each key, and returns the counts with it; of many at once, each gets another. Where the
    /// last one was not after `forgotten`, the count begins anew.
    async fn note_failure(
        &self,
        keys: &[String],
        now: DateTime<Utc>,
        forgotten: DateTime<Utc>,
    ) -> Result<Vec<(String, u32)>, StoreError>;

    /// Takes one failure back under each key.
    async fn take_back(&self, keys: &[String]) -> Result<(), StoreError>;

    /// Forgets the failures under a key.
    async fn forget(&self, key: &str) -> Result<(), StoreError>;

    /// Forgets failures that are not after a time; returns under how many keys.
    async fn forget_old(&self, before: DateTime<Utc>) -> Result<u64, StoreError>;
}

/// Changes users.
#[async_trait]
pub trait UserRepository: Send {
    /// Claims the set-up of the installation, which one transaction can do once; `false` if it is done, or there is a
    /// user.
    async fn claim_set_up(&mut self, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Returns the user, if any, and keeps others from changing it until the transaction ends.
    async fn find_for_update(&mut self, id: UserId) -> Result<Option<User>, StoreError>;

    /// Returns the user with the address, if any, and keeps others from changing it.
    async fn find_by_email_for_update(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<User>, StoreError>;

    /// Adds a user. A taken address is [`StoreError::Conflict`]; the transaction stays usable.
    async fn insert(&mut self, user: &User) -> Result<(), StoreError>;

    /// Replaces a stored user but for the address; an unknown one is [`StoreError::Missing`].
    async fn update(&mut self, user: &User) -> Result<(), StoreError>;

    /// Gives a user, whom the transaction keeps, another address. A taken one is [`StoreError::Conflict`]; the
    /// transaction stays usable.
    async fn change_email(&mut self, id: UserId, email: &EmailAddress) -> Result<(), StoreError>;
}

/// Changes memberships. Lock the organisation first: rules such as "one owner stays" read several.
#[async_trait]
pub trait MembershipRepository: Send {
    /// The membership, if the user has one in the organisation.
    async fn find(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Membership>, StoreError>;

    /// The user's memberships, in the order of the organisations' ids.
    async fn of_user(&mut self, user: UserId) -> Result<Vec<Membership>, StoreError>;

    /// The organisation's owners, without those who are blocked, here or everywhere, in the order of their ids.
    async fn owners(&mut self, organization: OrganizationId) -> Result<Vec<UserId>, StoreError>;

    /// Adds a membership; a second one is [`StoreError::Conflict`] and the transaction stays usable.
    async fn insert(&mut self, membership: &Membership) -> Result<(), StoreError>;

    /// Changes the role and whether it is blocked; an unknown membership is [`StoreError::Missing`].
    async fn update(&mut self, membership: &Membership) -> Result<(), StoreError>;

    /// Notes that the member was at work in the organisation, unless a later time is noted, or there is no such member.
    async fn see(
        &mut self,
        organization: OrganizationId,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Takes a membership away; an unknown one is [`StoreError::Missing`].
    async fn remove(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<(), StoreError>;
}

/// Reads tokens.
#[async_trait]
pub trait TokenQueries: Send + Sync {
    /// The token with that hash and all that decides whether it is good, in one indexed query.
    async fn present(&self, hash: &TokenHash) -> Result<Option<PresentedToken>, StoreError>;

    /// Notes a use, unless a later one is noted. It stands alone: no event, no audit entry.
    async fn note_use(
        &self,
        organization: OrganizationId,
        id: ApiTokenId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Whether there is any token, in any organisation.
    async fn any(&self) -> Result<bool, StoreError>;

    /// The token, if the organisation has it.
    async fn find(
        &self,
        organization: OrganizationId,
        id: ApiTokenId,
    ) -> Result<Option<ApiToken>, StoreError>;

    /// A page of the organisation's tokens, the oldest first.
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<ApiTokenId>,
        size: PageSize,
    ) -> Result<Page<ApiToken, ApiTokenId>, StoreError>;

    /// The organisation's tokens whose names contain a text, whose letters A to Z may differ in case, up to so many, the
    /// oldest first.
    async fn search(
        &self,
        organization: OrganizationId,
        text: &str,
        size: PageSize,
    ) -> Result<Vec<ApiToken>, StoreError>;
}

/// Changes tokens.
#[async_trait]
pub trait TokenRepository: Send {
    /// Returns the token, if the organisation has it, and keeps others from changing it.
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: ApiTokenId,
    ) -> Result<Option<ApiToken>, StoreError>;

    /// The tokens that a token made, which are kept from others.
    async fn made_by_for_update(
        &mut self,
        organization: OrganizationId,
        maker: ApiTokenId,
    ) -> Result<Vec<ApiToken>, StoreError>;

    /// The tokens that work for a member and were not revoked, which are kept from others.
    async fn of_member_for_update(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Vec<ApiToken>, StoreError>;

    /// Adds a token with the hash of its secret. A known hash is [`StoreError::Conflict`].
    async fn insert(&mut self, token: &ApiToken, hash: &TokenHash) -> Result<(), StoreError>;

    /// Replaces a stored token but for its secret; an unknown one is [`StoreError::Missing`].
    async fn update(&mut self, token: &ApiToken) -> Result<(), StoreError>;
}

/// Reads the audit log.
#[async_trait]
pub trait AuditQueries: Send + Sync {
    /// A page of the organisation's entries that fit, the newest first. However many entries there are, it reads about
    /// as many as fit: of times, it relies on ids that were made [within an hour](AuditEntry::ID_WITHIN) of them.
    async fn list(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
        size: PageSize,
    ) -> Result<Page<AuditEntry, AuditEntryId>, StoreError>;
}

/// Adds to the audit log.
#[async_trait]
pub trait AuditRepository: Send {
    /// Adds an entry; one whose id is there already stays as it is.
    async fn append(&mut self, entry: &AuditEntry) -> Result<(), StoreError>;
}
