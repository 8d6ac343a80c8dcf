use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::{OauthSecret, OauthSecretKind, RedirectUri};
use crate::{
    OauthClientId, OrganizationId, Permission, Role, UserId, fingerprint,
    identity::{DisplayName, TokenHash},
};

/// How exact the last use of clients and grants is: noting every request would be a write for each.
const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A program that an organisation registered, so that members can let it act for them. Its id is what it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthClient {
    /// Names the client.
    pub id: OauthClientId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// What people call it.
    pub name: DisplayName,
    /// Where it may have browsers sent back to.
    pub redirect_uris: Vec<RedirectUri>,
    /// Since when these are what they are. Who let the client in before is asked again: its answers would go elsewhere.
    pub redirects_at: DateTime<Utc>,
    /// The hash of its secret; `None` for a public client, which can keep none: it proves itself with PKCE alone.
    pub secret_hash: Option<TokenHash>,
    /// What it may do for itself, without anybody who lets it act for them.
    pub machine: Option<MachineAccess>,
    /// Who registered it, unless it was done at the command line.
    pub created_by: Option<UserId>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What a client may do for itself (the grant `client_credentials`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineAccess {
    /// Bounds what it may do, …
    pub role: Role,
    /// … and so do these.
    pub scopes: BTreeSet<Permission>,
    /// Who allowed it: the client may never do more than that member may at that time, and nothing once the member is
    /// blocked or gone. `None` for the command line.
    pub given_by: Option<UserId>,
}

impl OauthClient {
    /// The most redirect URIs that a client may have.
    pub const MAX_REDIRECT_URIS: usize = 10;

    /// Tells whether somebody else changed it since it was read.
    #[must_use]
    pub fn version(&self) -> i64 {
        let machine = self.machine.as_ref();
        let machine = machine.map(|machine| (machine.role, &machine.scopes, machine.given_by));
        fingerprint(&(&self.name, &self.redirect_uris, machine))
    }

    /// Whether it has a secret to keep.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.secret_hash.is_some()
    }

    /// The redirect URI of that very text, if it is registered.
    #[must_use]
    pub fn redirect_uri(&self, text: &str) -> Option<&RedirectUri> {
        self.redirect_uris.iter().find(|uri| uri.as_str() == text)
    }

    /// Whether what somebody shows is its secret, or it has none and none is shown.
    #[must_use]
    pub fn is_proven_by(&self, secret: Option<&str>) -> bool {
        match (self.secret_hash, secret) {
            (None, None) => true,
            // Hashes are compared, so that the time taken tells nothing.
            (Some(hash), Some(text)) => OauthSecret::presented(OauthSecretKind::Client, text)
                .is_some_and(|secret| secret.hash() == hash),
            _ => false,
        }
    }
}

/// Whether a use now is to be noted, once a minute.
pub(super) fn use_is_news(last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    last.is_none_or(|last| now - last >= USE_NOTED_EVERY)
}
