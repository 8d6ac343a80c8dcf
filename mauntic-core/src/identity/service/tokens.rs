use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::json;
use tracing::warn;

use super::super::{
    ApiToken, Change, DisplayName, IdentityError, IdentityService, IdentityUnitOfWork,
    OauthSecretKind, Refusal, Subject, TokenSecret, user::within,
};
use crate::{Actor, ApiTokenId, Operator, Page, PageSize, Permission, Principal, Role};

/// A new API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateToken {
    /// What people call it.
    pub name: DisplayName,
    /// The role that bounds it.
    pub role: Role,
    /// What it may do; `None` for all that the role and the creator may do today, but for having the organisation deleted.
    pub scopes: Option<BTreeSet<Permission>>,
    /// When it stops working, if ever.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token that was just made, with the secret that is shown this once.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The token.
    pub token: ApiToken,
    /// Its secret.
    pub secret: TokenSecret,
}

impl IdentityService {
    /// Says who acts with an API token, or the access token of an app, or why nobody does. Whatever ends a token counts
    /// from the next call on: nothing is remembered between calls.
    pub async fn authenticate(&self, token: &str) -> Result<Actor, IdentityError> {
        if token.starts_with(OauthSecretKind::Access.prefix()) {
            return self.admit_app(token).await;
        }
        let secret: TokenSecret = token.parse().map_err(|_| Refusal::Unknown)?;
        let presented = self.store.tokens().present(&secret.hash()).await?;
        let presented = presented.ok_or(Refusal::Unknown)?;
        let now = self.clock.now();
        let news = presented.token.use_is_news(now);
        let actor = presented.admit(now)?;
        if news && let Principal::Token { id } = actor.principal() {
            let noted = self
                .store
                .tokens()
                .note_use(actor.organization_id(), id, now);
            if let Err(error) = noted.await {
                // Whoever has a good token is let in even if its use cannot be noted.
                warn!(token.id = %id, error = &error as &dyn std::error::Error, "the use of a token was not noted");
            }
        }
        Ok(actor)
    }

    /// Creates a token. It may do no more than its creator; a token made by a token works for the
    /// same member, ends no later, and is revoked with it.
    #[tracing::instrument(skip_all)]
    pub async fn create_token(
        &self,
        actor: &Actor,
        command: CreateToken,
    ) -> Result<NewToken, IdentityError> {
        let organization_id = actor.require(Permission::TokensManage)?;
        within(actor.role(), &[command.role])?;
        let now = self.clock.now();
        if command.expires_at.is_some_and(|end| end <= now) {
            return Err(IdentityError::ExpiresInThePast);
        }
        let scopes = scopes(actor, command.role, command.scopes)?;
        let secret = TokenSecret::random()?;
        let user_id = self.member_behind(actor).await?;
        let mut uow = self.store.begin().await?;
        if let Some(user) = user_id {
            // Kept until this is done: a token is there when a membership ends, or is not made any more.
            let membership = uow.memberships().find(organization_id, user).await?;
            membership.ok_or(Refusal::NotAMember)?;
        }
        let end = latest_end(&mut *uow, actor).await?;
        let made_by = match actor.principal() {
            Principal::Token { id } => Some(id),
            Principal::User { .. } | Principal::App { .. } | Principal::System => None,
        };
        let token = ApiToken {
            id: ApiTokenId::generate(&*self.ids),
            organization_id,
            user_id,
            made_by,
            name: command.name,
            role: command.role,
            scopes,
            created_at: now,
            expires_at: [command.expires_at, end].into_iter().flatten().min(),
            last_used_at: None,
            revoked_at: None,
        };
        uow.tokens().insert(&token, &secret.hash()).await?;
        let change =
            Change::new("token.created", Subject::new("api_token", token.id)).to(json!(token));
        self.audit(&mut *uow, actor, change, now).await?;
        uow.commit().await?;
        Ok(NewToken { token, secret })
    }

    /// A page of the tokens of the actor's organisation, the oldest first, revoked ones included.
    pub async fn tokens(
        &self,
        actor: &Actor,
        after: Option<ApiTokenId>,
        size: PageSize,
    ) -> Result<Page<ApiToken, ApiTokenId>, IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        Ok(self.store.tokens().list(organization, after, size).await?)
    }

    /// The tokens of the actor's organisation whose names contain a text, up to so many, the oldest first.
    pub async fn search_tokens(
        &self,
        actor: &Actor,
        text: &str,
        size: PageSize,
    ) -> Result<Vec<ApiToken>, IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        Ok(self.store.tokens().search(organization, text, size).await?)
    }

    /// A token of the actor's organisation.
    ///
    /// # Errors
    /// [`IdentityError::TokenNotFound`].
    pub async fn token(&self, actor: &Actor, id: ApiTokenId) -> Result<ApiToken, IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        let found = self.store.tokens().find(organization, id).await?;
        found.ok_or(IdentityError::TokenNotFound(id))
    }

    /// Ends a token, from the next request on, and with it those that it made, and that those made. One of a role above
    /// the actor's own is for others to end.
    #[tracing::instrument(skip_all)]
    pub async fn revoke_token(&self, actor: &Actor, id: ApiTokenId) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let token = uow.tokens().find_for_update(organization, id).await?;
        let token = token.ok_or(IdentityError::TokenNotFound(id))?;
        // As with members: nobody takes more than they have.
        within(actor.role(), &[token.role])?;
        let mut ending = vec![token];
        while let Some(token) = ending.pop() {
            let made = uow.tokens().made_by_for_update(organization, token.id);
            ending.extend(made.await?);
            self.end_token(&mut *uow, actor, token, now).await?;
        }
        uow.commit().await?;
        Ok(())
    }

    /// Revokes one token, if it was not.
    pub(super) async fn end_token(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        mut token: ApiToken,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        if token.revoke(now) {
            uow.tokens().update(&token).await?;
            let change = Change::new("token.revoked", Subject::new("api_token", token.id))
                .from(json!({"name": token.name}));
            self.audit(uow, actor, change, now).await?;
        }
        Ok(())
    }

    /// Checks that the installation is started with the secret that it was first started with.
    /// `fingerprint` is [`SecretKey::fingerprint`](crate::SecretKey::fingerprint).
    pub async fn check_secret(&self, _: &Operator, fingerprint: &str) -> Result<(), IdentityError> {
        let noted = self
            .store
            .secret_fingerprint(fingerprint, self.clock.now())
            .await?;
        if noted == fingerprint {
            Ok(())
        } else {
            Err(IdentityError::AnotherSecret)
        }
    }
}

/// The scopes that an actor gives, within a role.
pub(super) fn scopes(
    actor: &Actor,
    role: Role,
    wanted: Option<BTreeSet<Permission>>,
) -> Result<BTreeSet<Permission>, IdentityError> {
    let Some(wanted) = wanted else {
        let all = Permission::ALL
            .into_iter()
            .map(|(permission, _)| permission);
        // What loses everything is asked for by name.
        let named = |permission: &Permission| *permission == Permission::OrganizationDelete;
        return Ok(all
            .filter(|permission| role.allows(*permission) && actor.may(*permission))
            .filter(|permission| !named(permission))
            .collect());
    };
    for permission in &wanted {
        if !actor.may(*permission) {
            return Err(IdentityError::BeyondOwnScope(*permission));
        }
        if !role.allows(*permission) {
            return Err(IdentityError::BeyondRole(*permission, role));
        }
    }
    Ok(wanted)
}

/// When a new token has to end: with the one that makes it.
async fn latest_end(
    uow: &mut dyn IdentityUnitOfWork,
    actor: &Actor,
) -> Result<Option<DateTime<Utc>>, IdentityError> {
    let id = match actor.principal() {
        Principal::Token { id } => id,
        Principal::App { .. } => return Err(IdentityError::NotByPrograms),
        Principal::User { .. } | Principal::System => return Ok(None),
    };
    let own = uow
        .tokens()
        .find_for_update(actor.organization_id(), id)
        .await?;
    let own = own.ok_or(IdentityError::TokenNotFound(id))?;
    if own.revoked_at.is_some() {
        // It was good a moment ago; what it makes now would outlive it.
        return Err(Refusal::Revoked.into());
    }
    Ok(own.expires_at)
}
