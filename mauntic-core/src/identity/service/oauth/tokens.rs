use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tracing::warn;
use uuid::Uuid;

use super::super::super::{
    Client, IdentityError, IdentityService, IdentityUnitOfWork, OauthClient, OauthError,
    OauthGrant, OauthSecret, OauthSecretKind, OauthToken, OauthTokenKind, Patience, Refusal,
    TokenRequest,
};
use super::super::{
    calling,
    sessions::{network_key, too_many},
};
use super::grants::about;
use crate::{Actor, OauthClientId, OauthGrantId, Permission, Role};

/// What an app shows to be itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientProof {
    /// Its id, as it says it.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<String>,
}

/// Tokens that were just made, which are shown this once.
#[derive(Debug, Clone)]
pub struct IssuedTokens {
    /// Lets in to the API.
    pub access: OauthSecret,
    /// How long that works.
    pub expires_in: TimeDelta,
    /// Brings newer tokens, once; none for an app that acts for itself, which can come again as it is.
    pub refresh: Option<OauthSecret>,
    /// What the access token is for.
    pub scopes: BTreeSet<Permission>,
}

const CODE: OauthError = OauthError::InvalidGrant(
    "the code is wrong, too old, used, or for another client, redirect_uri or code_verifier",
);
const REFRESH: OauthError = OauthError::InvalidGrant(
    "the refresh token is wrong, too old, used or revoked, or for another client",
);
const NOT_ADMITTED: OauthError =
    OauthError::InvalidGrant("the user or the organisation is not let in any more");
const TOO_MUCH: OauthError = OauthError::InvalidScope("more is asked for than there is to have");

impl IdentityService {
    /// Gives an app tokens: for a code that a browser brought, for a refresh token, or because it may act for itself. A
    /// code that comes twice ends all that came of it; a refresh token that comes twice ends the whole grant, for one of
    /// the two who have it stole it.
    ///
    /// # Errors
    /// [`IdentityError::Oauth`] with what to tell the app; [`IdentityError::TooManyFailures`] after many wrong secrets
    /// from one network.
    #[tracing::instrument(skip_all)]
    pub async fn issue_tokens(
        &self,
        proof: &ClientProof,
        request: TokenRequest,
        from: &Client,
    ) -> Result<IssuedTokens, IdentityError> {
        let client = self.prove(proof, from).await?;
        match request {
            TokenRequest::Code {
                code,
                redirect_uri,
                verifier,
            } => {
                self.for_code(&client, &code, &redirect_uri, verifier.as_deref())
                    .await
            }
            TokenRequest::Refresh { token, scopes } => {
                self.for_refresh(&client, &token, scopes, from).await
            }
            TokenRequest::Machine { scopes } => self.for_itself(&client, scopes).await,
        }
    }

    /// Ends a token that an app has no more use for, and with a refresh token those that came of the same code (RFC
    /// 7009). One that is unknown, or another app's, is as good as ended.
    ///
    /// # Errors
    /// As [`issue_tokens`](Self::issue_tokens), of who the app is.
    #[tracing::instrument(skip_all)]
    pub async fn revoke_issued(
        &self,
        proof: &ClientProof,
        token: &str,
        from: &Client,
    ) -> Result<(), IdentityError> {
        let client = self.prove(proof, from).await?;
        let mut kinds = [OauthSecretKind::Access, OauthSecretKind::Refresh].into_iter();
        let Some(secret) = kinds.find_map(|kind| OauthSecret::presented(kind, token)) else {
            return Ok(());
        };
        let mut uow = self.store.begin().await?;
        let hash = secret.hash();
        let found = uow.oauth().find_token_for_update(&hash).await?;
        let Some(token) = found.filter(|token| token.client_id == client.id) else {
            return Ok(());
        };
        match token.kind {
            OauthTokenKind::Access => {
                uow.oauth().delete_token(&hash).await?;
            }
            OauthTokenKind::Refresh => {
                uow.oauth()
                    .delete_family(token.organization_id, token.family)
                    .await?;
            }
        }
        uow.commit().await?;
        Ok(())
    }

    /// Says who acts with an access token, or why nobody does.
    pub(in crate::identity::service) async fn admit_app(
        &self,
        token: &str,
    ) -> Result<Actor, IdentityError> {
        let secret = OauthSecret::presented(OauthSecretKind::Access, token.trim());
        let secret = secret.ok_or(Refusal::Unknown)?;
        let presented = self.store.oauth().present(&secret.hash()).await?;
        let presented = presented.ok_or(Refusal::Unknown)?;
        let now = self.clock.now();
        let actor = presented.admit(now)?;
        if presented.use_is_news(now) {
            let client = presented.client.id;
            let grant = presented.grant.map(|grant| grant.id);
            let organization = actor.organization_id();
            let noted = self
                .store
                .oauth()
                .note_use(organization, client, grant, now);
            if let Err(error) = noted.await {
                // Whoever has a good token is let in even if its use cannot be noted.
                warn!(client.id = %client, error = &error as &dyn std::error::Error, "the use of an app was not noted");
            }
        }
        Ok(actor)
    }

    /// The client that shows who it is. Only failures are counted, and only after one is anybody made wait: an app may
    /// come often, and many times at once, and nobody keeps it out by showing wrong secrets.
    async fn prove(
        &self,
        proof: &ClientProof,
        from: &Client,
    ) -> Result<OauthClient, IdentityError> {
        let now = self.clock.now();
        let client = match proof.id.parse::<OauthClientId>().ok() {
            Some(id) => self.store.oauth().find_client(id).await?,
            None => None,
        };
        // What is no client has one count, however many ids are made up.
        let named = client.as_ref().map(|client| client.id.to_string());
        let named = named.unwrap_or_else(|| "unknown".to_owned());
        let proven = client.filter(|client| client.is_proven_by(proof.secret.as_deref()));
        if let Some(client) = proven {
            return Ok(client);
        }
        let keys = [format!("oauth:{named}:{}", network_key(from))];
        let attempts = self.store.login_attempts();
        let before = attempts.failures(&keys).await?;
        let waits = before
            .iter()
            .filter_map(|(_, count, last)| Patience::FOR_NETWORK.wait(*count, *last, now));
        if let Some(wait) = waits.max() {
            return Err(too_many(wait));
        }
        attempts
            .note_failure(&keys, now, now - Patience::MEMORY)
            .await?;
        Err(OauthError::InvalidClient.into())
    }

    async fn for_code(
        &self,
        client: &OauthClient,
        text: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<IssuedTokens, IdentityError> {
        let secret = OauthSecret::presented(OauthSecretKind::Code, text).ok_or(CODE)?;
        let (hash, now) = (secret.hash(), self.clock.now());
        let mut uow = self.store.begin().await?;
        let found = uow.oauth().find_code_for_update(&hash).await?;
        let code = found.filter(|code| code.client_id == client.id);
        let code = code.ok_or(CODE)?;
        if code.used_at.is_some() {
            let organization = code.organization_id;
            uow.oauth().delete_family(organization, code.family).await?;
            uow.commit().await?;
            warn!(client.id = %client.id, "a code came twice: all that came of it was ended");
            return Err(CODE.into());
        }
        // A verifier without a challenge is refused as well: somebody may have taken the challenge away on the way here.
        let proven = match (&code.challenge, verifier) {
            (Some(challenge), Some(verifier)) => challenge.is_proven_by(verifier),
            (None, None) => true,
            _ => false,
        };
        if code.expires_at <= now || code.redirect_uri != redirect_uri || !proven {
            return Err(CODE.into());
        }
        let grant = uow
            .oauth()
            .grant(code.organization_id, code.grant_id)
            .await?;
        let grant = grant.ok_or(CODE)?;
        hold_admitted(&mut *uow, &grant).await?;
        uow.oauth().use_code(&hash, now).await?;
        let issue = Issue {
            client,
            grant: Some(grant.id),
            family: code.family,
            now,
        };
        let issued = issue.both(&mut *uow, code.scopes.clone(), code.scopes);
        let issued = issued.await?;
        uow.commit().await?;
        Ok(issued)
    }

    async fn for_refresh(
        &self,
        client: &OauthClient,
        text: &str,
        wanted: Option<BTreeSet<Permission>>,
        from: &Client,
    ) -> Result<IssuedTokens, IdentityError> {
        let secret = OauthSecret::presented(OauthSecretKind::Refresh, text).ok_or(REFRESH)?;
        let (hash, now) = (secret.hash(), self.clock.now());
        let mut uow = self.store.begin().await?;
        let found = uow.oauth().find_token_for_update(&hash).await?;
        let token = found
            .filter(|token| token.client_id == client.id && token.kind == OauthTokenKind::Refresh);
        let token = token.ok_or(REFRESH)?;
        let grant = match token.grant_id {
            Some(id) => uow.oauth().grant(token.organization_id, id).await?,
            None => None,
        };
        let grant = grant.ok_or(REFRESH)?;
        if token.used_at.is_some() {
            self.end_stolen(&mut *uow, client, &grant, from, now)
                .await?;
            uow.commit().await?;
            warn!(client.id = %client.id, grant.id = %grant.id, "a refresh token came twice: its grant was ended");
            return Err(REFRESH.into());
        }
        if token.expires_at <= now {
            return Err(REFRESH.into());
        }
        hold_admitted(&mut *uow, &grant).await?;
        let scopes = wanted.unwrap_or_else(|| token.scopes.clone());
        if !scopes.is_subset(&token.scopes) {
            return Err(TOO_MUCH.into());
        }
        uow.oauth().use_token(&hash, now).await?;
        let issue = Issue {
            client,
            grant: Some(grant.id),
            family: token.family,
            now,
        };
        // The next refresh token is for as much as this one was (RFC 6749 §6).
        let issued = issue.both(&mut *uow, scopes, token.scopes).await?;
        uow.commit().await?;
        Ok(issued)
    }

    async fn for_itself(
        &self,
        client: &OauthClient,
        wanted: Option<BTreeSet<Permission>>,
    ) -> Result<IssuedTokens, IdentityError> {
        let machine = client.machine.as_ref();
        let machine = machine.ok_or(OauthError::UnauthorizedClient(
            "this app may not act for itself",
        ))?;
        let scopes = wanted.unwrap_or_else(|| machine.scopes.clone());
        if !scopes.is_subset(&machine.scopes) {
            return Err(TOO_MUCH.into());
        }
        let mut uow = self.store.begin().await?;
        let admitted = uow
            .oauth()
            .admits(client.organization_id, machine.given_by)
            .await?;
        if !admitted {
            return Err(OauthError::UnauthorizedClient(
                "the organisation is closed, or who let the app act for itself is not let in any more",
            )
            .into());
        }
        let issue = Issue {
            client,
            grant: None,
            family: self.ids.next(),
            now: self.clock.now(),
        };
        let access = issue
            .one(&mut *uow, OauthTokenKind::Access, scopes.clone())
            .await?;
        uow.commit().await?;
        Ok(IssuedTokens {
            access,
            expires_in: OauthTokenKind::Access.lifetime(),
            refresh: None,
            scopes,
        })
    }

    /// Ends a grant of which somebody else has a token, in the name of the app: nobody knows who else it was.
    async fn end_stolen(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        client: &OauthClient,
        grant: &OauthGrant,
        from: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        uow.oauth()
            .delete_grant(grant.organization_id, grant.user_id, grant.id)
            .await?;
        let actor = Actor::app(
            grant.organization_id,
            client.id,
            Some(grant.user_id),
            Role::Viewer,
            BTreeSet::new(),
        );
        let change = about("oauth_grant.revoked", grant);
        let reason = "a refresh token was used twice";
        let change = change.from(json!({"name": client.name, "reason": reason}));
        self.audit(uow, &calling(actor, from.address), change, now)
            .await
    }
}

async fn hold_admitted(
    uow: &mut dyn IdentityUnitOfWork,
    grant: &OauthGrant,
) -> Result<(), IdentityError> {
    let admitted = uow
        .oauth()
        .admits(grant.organization_id, Some(grant.user_id));
    if admitted.await? {
        Ok(())
    } else {
        Err(NOT_ADMITTED.into())
    }
}

/// What tokens that are made together have in common.
struct Issue<'a> {
    client: &'a OauthClient,
    grant: Option<OauthGrantId>,
    family: Uuid,
    now: DateTime<Utc>,
}

impl Issue<'_> {
    async fn both(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        scopes: BTreeSet<Permission>,
        refreshed: BTreeSet<Permission>,
    ) -> Result<IssuedTokens, IdentityError> {
        let access = self
            .one(uow, OauthTokenKind::Access, scopes.clone())
            .await?;
        let refresh = self.one(uow, OauthTokenKind::Refresh, refreshed).await?;
        Ok(IssuedTokens {
            access,
            expires_in: OauthTokenKind::Access.lifetime(),
            refresh: Some(refresh),
            scopes,
        })
    }

    async fn one(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        kind: OauthTokenKind,
        scopes: BTreeSet<Permission>,
    ) -> Result<OauthSecret, IdentityError> {
        let secret = OauthSecret::random(match kind {
            OauthTokenKind::Access => OauthSecretKind::Access,
            OauthTokenKind::Refresh => OauthSecretKind::Refresh,
        })?;
        let token = OauthToken {
            organization_id: self.client.organization_id,
            client_id: self.client.id,
            kind,
            grant_id: self.grant,
            family: self.family,
            scopes,
            created_at: self.now,
            expires_at: self.now + kind.lifetime(),
            used_at: None,
        };
        uow.oauth().insert_token(&token, &secret.hash()).await?;
        Ok(secret)
    }
}
