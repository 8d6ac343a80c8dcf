use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{DisplayName, TokenHash};
use crate::{EmailAddress, InvitationId, OrganizationId, Role, UserId};

/// An offer to somebody to become a member of an organisation, which is mailed to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invitation {
    /// Names it.
    pub id: InvitationId,
    /// Where to.
    pub organization_id: OrganizationId,
    /// Who is invited; an organisation invites an address once at a time.
    pub email: EmailAddress,
    /// The role that goes with it.
    pub role: Role,
    /// The member who invited; `None` for the operator and for tokens of nobody.
    pub invited_by: Option<UserId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its link stops working.
    pub expires_at: DateTime<Utc>,
    /// The hash of the secret in its link; `None` until the letter is written.
    #[serde(skip)]
    pub secret_hash: Option<TokenHash>,
}

impl Invitation {
    /// How long the link works.
    pub const LIFETIME: TimeDelta = TimeDelta::days(7);

    /// Whether the link may still be used.
    #[must_use]
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        now < self.expires_at
    }
}

/// An invitation as whoever holds its link sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// The invitation.
    pub invitation: Invitation,
    /// What the organisation is called.
    pub organization: DisplayName,
    /// Whether the address has an account already.
    pub has_account: bool,
}
