use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{CodeChallenge, OauthClient, client::use_is_news};
use crate::{
    Actor, OauthClientId, OauthGrantId, OrganizationId, Permission, UserId,
    identity::{DisplayName, Holder, Refusal},
};

/// That a member lets a client act for them. There is one for each client and member, and it has as many tokens as there
/// are places where the member uses the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthGrant {
    /// Names the grant.
    pub id: OauthGrantId,
    /// Where the client may act.
    pub organization_id: OrganizationId,
    /// The client.
    pub client_id: OauthClientId,
    /// Whom it acts for: it may never do more than that member may at that time.
    pub user_id: UserId,
    /// What the member let it do.
    pub scopes: BTreeSet<Permission>,
    /// When the member said so last.
    pub given_at: DateTime<Utc>,
    /// When the member said so first.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl OauthGrant {
    /// Whether the member need not be asked again: it covers the scopes, and the client's answers go where they went
    /// when it was given.
    #[must_use]
    pub fn covers(&self, client: &OauthClient, scopes: &BTreeSet<Permission>) -> bool {
        scopes.is_subset(&self.scopes) && self.given_at >= client.redirects_at
    }
}

/// A grant as the member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnGrant {
    /// The grant.
    pub grant: OauthGrant,
    /// What the client is called.
    pub client: DisplayName,
    /// What the organisation is called.
    pub organization: DisplayName,
}

/// What the browser brings a client, which gets tokens for it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthCode {
    /// In which organisation.
    pub organization_id: OrganizationId,
    /// For which client.
    pub client_id: OauthClientId,
    /// What it is for.
    pub grant_id: OauthGrantId,
    /// What all tokens that come of it have in common.
    pub family: Uuid,
    /// Where the browser was sent with it.
    pub redirect_uri: String,
    /// What the client has to prove.
    pub challenge: Option<CodeChallenge>,
    /// What its tokens are for.
    pub scopes: BTreeSet<Permission>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    /// When it was used; whoever uses it again has stolen it, or was stolen from.
    pub used_at: Option<DateTime<Utc>>,
}

impl OauthCode {
    /// How long a client has to come with it.
    pub const LIFETIME: TimeDelta = TimeDelta::seconds(60);
    /// How long after that it is known again.
    pub const MEMORY: TimeDelta = TimeDelta::days(1);
}

/// What an [`OauthToken`] is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OauthTokenKind {
    /// It lets in to the API.
    Access,
    /// It brings newer tokens, once.
    Refresh,
}

impl OauthTokenKind {
    /// The name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }

    /// How long one works.
    #[must_use]
    pub fn lifetime(self) -> TimeDelta {
        match self {
            Self::Access => TimeDelta::minutes(60),
            Self::Refresh => TimeDelta::days(14),
        }
    }
}

/// A token of a client, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthToken {
    /// In which organisation.
    pub organization_id: OrganizationId,
    /// Which client has it.
    pub client_id: OauthClientId,
    /// What it is good for.
    pub kind: OauthTokenKind,
    /// What it is for; `None` where the client acts for itself.
    pub grant_id: Option<OauthGrantId>,
    /// What it has in common with all that came of the same code.
    pub family: Uuid,
    /// What it is for.
    pub scopes: BTreeSet<Permission>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    /// When it was used up, if it can be.
    pub used_at: Option<DateTime<Utc>>,
}

/// An access token and all that decides whether it is good, as one query finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedAccess {
    /// The token.
    pub token: OauthToken,
    /// The client.
    pub client: OauthClient,
    /// The grant that the token is of, if it is still there.
    pub grant: Option<OauthGrant>,
    /// Whether nobody may act in the organisation: it is blocked, or being erased.
    pub organization_closed: bool,
    /// Whether the organisation waits to be deleted.
    pub organization_closing: bool,
    /// The member whom the client acts for, or who allowed it to act for itself, as of now; `None` if there is none, or
    /// the member is gone.
    pub holder: Option<Holder>,
}

impl PresentedAccess {
    /// Whether this use is to be noted.
    #[must_use]
    pub fn use_is_news(&self, now: DateTime<Utc>) -> bool {
        let grant = self.grant.as_ref();
        use_is_news(self.client.last_used_at, now)
            || grant.is_some_and(|grant| use_is_news(grant.last_used_at, now))
    }

    /// Who acts with the token now.
    ///
    /// # Errors
    /// The [`Refusal`], if it is not good.
    pub fn admit(&self, now: DateTime<Utc>) -> Result<Actor, Refusal> {
        let (token, client) = (&self.token, &self.client);
        if token.expires_at <= now {
            return Err(Refusal::Expired);
        }
        if self.organization_closed {
            return Err(Refusal::OrganizationBlocked);
        }
        let (bound, user, allowed) = match (token.grant_id, &self.grant, &client.machine) {
            (Some(_), Some(grant), _) => (None, Some(grant.user_id), &grant.scopes),
            (None, _, Some(machine)) => (Some(machine), None, &machine.scopes),
            (Some(_), None, _) | (None, _, None) => return Err(Refusal::Revoked),
        };
        let free = bound.is_some_and(|machine| machine.given_by.is_none());
        let present = match self.holder {
            _ if free => None,
            None => return Err(Refusal::NotAMember),
            Some(Holder { blocked: true, .. }) => return Err(Refusal::UserBlocked),
            Some(holder) => Some(holder.role),
        };
        let roles = [bound.map(|machine| machine.role), present];
        let Some(role) = roles.into_iter().flatten().min() else {
            return Err(Refusal::Revoked);
        };
        let scopes = token.scopes.intersection(allowed).copied().collect();
        let actor = Actor::app(token.organization_id, client.id, user, role, scopes);
        Ok(if self.organization_closing {
            actor.while_closing()
        } else {
            actor
        })
    }
}
