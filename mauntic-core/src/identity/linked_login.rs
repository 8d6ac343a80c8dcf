use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{DisplayName, Slug};
use crate::{EmailAddress, UserId};

/// A login at a provider, such as Google, that lets somebody in to an account here. An account has at most one for each
/// provider, and a login is linked with at most one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkedLogin {
    /// Whose account it lets in to.
    pub user_id: UserId,
    /// The provider, as the configuration called it when it was linked.
    pub provider: Slug,
    /// Who the provider is. The name in the configuration can come to mean another one; this cannot.
    pub issuer: String,
    /// Whom the provider knows: its own name for the person, which is never given to another.
    pub subject: String,
    /// The address that the provider vouched for when it was linked. It decides nothing later.
    pub email: EmailAddress,
    /// When it was linked.
    pub created_at: DateTime<Utc>,
    /// When it was used last.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What a provider says of somebody, after all checks of what it said.
#[derive(Clone, PartialEq, Eq)]
pub struct ProvenLogin {
    /// The provider, as the configuration calls it.
    pub provider: Slug,
    /// Who the provider is.
    pub issuer: String,
    /// Whom it knows.
    pub subject: String,
    /// The person's address, if the provider vouches for it.
    pub email: Option<EmailAddress>,
    /// What the person is called, if the provider tells.
    pub name: Option<DisplayName>,
}

impl std::fmt::Debug for ProvenLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProvenLogin")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
