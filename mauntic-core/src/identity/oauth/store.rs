use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{OauthClient, OauthCode, OauthGrant, OauthToken, OwnGrant, PresentedAccess};
use crate::{
    OauthClientId, OauthGrantId, OrganizationId, Page, PageSize, StoreError, UserId,
    identity::TokenHash,
};

/// Reads the apps that are let in by OAuth.
#[async_trait]
pub trait OauthQueries: Send + Sync {
    /// The client with the id, whatever its organisation, if any: it says who it is before it says for whom.
    async fn find_client(&self, id: OauthClientId) -> Result<Option<OauthClient>, StoreError>;

    /// A page of the organisation's clients, the oldest first.
    async fn list_clients(
        &self,
        organization: OrganizationId,
        after: Option<OauthClientId>,
        size: PageSize,
    ) -> Result<Page<OauthClient, OauthClientId>, StoreError>;

    /// What the user lets the client do, if anything.
    async fn find_grant(
        &self,
        organization: OrganizationId,
        client: OauthClientId,
        user: UserId,
    ) -> Result<Option<OauthGrant>, StoreError>;

    /// All that the user lets clients do, in any organisation, the oldest first.
    async fn grants_of_user(&self, user: UserId) -> Result<Vec<OwnGrant>, StoreError>;

    /// The access token with that hash and all that decides whether it is good, in one indexed query.
    async fn present(&self, hash: &TokenHash) -> Result<Option<PresentedAccess>, StoreError>;

    /// Notes a use of a client, and of a grant, unless a later one is noted. It stands alone: no event, no audit entry.
    async fn note_use(
        &self,
        organization: OrganizationId,
        client: OauthClientId,
        grant: Option<OauthGrantId>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
}

/// Changes the apps that are let in by OAuth.
#[async_trait]
pub trait OauthRepository: Send {
    /// Returns the client, if the organisation has it, and keeps others from changing it.
    async fn find_client_for_update(
        &mut self,
        organization: OrganizationId,
        id: OauthClientId,
    ) -> Result<Option<OauthClient>, StoreError>;

    /// Returns the organisation's clients that act for themselves because the user let them, in the order of their ids,
    /// and keeps others from changing them.
    async fn clients_given_by_for_update(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Vec<OauthClient>, StoreError>;

    /// Adds a client.
    async fn insert_client(&mut self, client: &OauthClient) -> Result<(), StoreError>;

    /// Replaces a stored client but for when it was made and used; an unknown one is [`StoreError::Missing`].
    async fn update_client(&mut self, client: &OauthClient) -> Result<(), StoreError>;

    /// Deletes a client with its grants, codes and tokens; `false` if the organisation has none such.
    async fn delete_client(
        &mut self,
        organization: OrganizationId,
        id: OauthClientId,
    ) -> Result<bool, StoreError>;

    /// Returns what the user lets the client do, if anything, and keeps others from changing it.
    async fn find_grant_for_update(
        &mut self,
        organization: OrganizationId,
        client: OauthClientId,
        user: UserId,
    ) -> Result<Option<OauthGrant>, StoreError>;

    /// The grant, if the organisation has it.
    async fn grant(
        &mut self,
        organization: OrganizationId,
        id: OauthGrantId,
    ) -> Result<Option<OauthGrant>, StoreError>;

    /// Stores a grant. Where the user and the client have one, it gets the scopes and the time of this one, and keeps
    /// its id.
    async fn save_grant(&mut self, grant: &OauthGrant) -> Result<(), StoreError>;

    /// Deletes a grant of the user with its codes and tokens; `false` if the user has none such there.
    async fn delete_grant(
        &mut self,
        organization: OrganizationId,
        user: UserId,
        id: OauthGrantId,
    ) -> Result<bool, StoreError>;

    /// Deletes the user's grants in an organisation with their codes and tokens; returns how many.
    async fn delete_grants_of_user(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<u64, StoreError>;

    /// Adds a code with its hash. A known hash is [`StoreError::Conflict`].
    async fn insert_code(&mut self, code: &OauthCode, hash: &TokenHash) -> Result<(), StoreError>;

    /// Returns the code with that hash, if any, used or not, and keeps others from using it.
    async fn find_code_for_update(
        &mut self,
        hash: &TokenHash,
    ) -> Result<Option<OauthCode>, StoreError>;

    /// Notes that a code is used; an unknown one is [`StoreError::Missing`].
    async fn use_code(&mut self, hash: &TokenHash, at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Adds a token with its hash. A known hash is [`StoreError::Conflict`].
    async fn insert_token(
        &mut self,
        token: &OauthToken,
        hash: &TokenHash,
    ) -> Result<(), StoreError>;

    /// Returns the token with that hash, if any, used or not, and keeps others from using it.
    async fn find_token_for_update(
        &mut self,
        hash: &TokenHash,
    ) -> Result<Option<OauthToken>, StoreError>;

    /// Notes that a token is used up; an unknown one is [`StoreError::Missing`].
    async fn use_token(&mut self, hash: &TokenHash, at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Deletes one token; `false` if there is none with that hash.
    async fn delete_token(&mut self, hash: &TokenHash) -> Result<bool, StoreError>;

    /// Deletes all tokens that came of one code; returns how many.
    async fn delete_family(
        &mut self,
        organization: OrganizationId,
        family: Uuid,
    ) -> Result<u64, StoreError>;

    /// Whether tokens let in at all now that work for a user, or for nobody: the organisation is neither blocked nor
    /// being erased, and the user a member who is not blocked.
    async fn admits(
        &mut self,
        organization: OrganizationId,
        user: Option<UserId>,
    ) -> Result<bool, StoreError>;

    /// Deletes tokens that had expired at a time, and codes that had at another; returns how many rows.
    async fn delete_expired(
        &mut self,
        tokens: DateTime<Utc>,
        codes: DateTime<Utc>,
    ) -> Result<u64, StoreError>;
}
