use std::{fmt, net::IpAddr, str::FromStr};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    DisplayName, InvalidSessionSecret, LinkedLogin, NoRandomness, SessionSecret, Slug, TokenHash,
    WriteToMember,
};
use crate::{EmailAddress, InvitationId, LetterId, OrganizationId, Role, UserId};

/// The secret in a link that is mailed to somebody: 256 random bits. The database has its hash alone. `Debug` hides it.
#[derive(Debug, Clone)]
pub struct LinkSecret(SessionSecret);

impl LinkSecret {
    /// A new secret.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random() -> Result<Self, NoRandomness> {
        SessionSecret::random().map(Self)
    }

    /// The text for the link: letters, digits, `-` and `_`.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.reveal()
    }

    /// What is stored of it; a session with the same secret would have another hash.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let mut hasher = Sha256::new();
        hasher.update(b"mauntic link ");
        hasher.update(self.0.hash());
        hasher.finalize().into()
    }
}

impl FromStr for LinkSecret {
    type Err = InvalidSessionSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self)
    }
}

/// What a mailed link lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Set a password without knowing the present one.
    PasswordReset,
    /// Log in with another address from now on.
    EmailChange,
}

impl Purpose {
    /// The name in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::EmailChange => "email_change",
        }
    }

    /// How long a link is good for.
    #[must_use]
    pub fn lifetime(self) -> TimeDelta {
        match self {
            Self::PasswordReset => TimeDelta::hours(1),
            Self::EmailChange => TimeDelta::hours(24),
        }
    }
}

/// A link that was mailed, or is about to be. A user has one for each purpose; the next takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLink {
    /// Whose account it is about.
    pub user_id: UserId,
    /// What it lets its holder do.
    pub purpose: Purpose,
    /// The hash of its secret; `None` until the letter is written.
    pub secret_hash: Option<TokenHash>,
    /// The new address, if it is about one.
    pub email: Option<EmailAddress>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
}

/// What a letter is about. It is written when it is sent: so no secret waits in the queue, and queueing takes the same
/// time whether or not there is somebody to write to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Errand {
    /// Somebody wants to set a new password for that address.
    PasswordReset {
        /// The address that was typed; perhaps nobody's.
        email: EmailAddress,
    },
    /// A user wants to log in with another address, which is to be confirmed.
    EmailChange {
        /// Who.
        user_id: UserId,
    },
    /// A user logs in with another address now, which the old one is told.
    EmailChanged {
        /// Who.
        user_id: UserId,
        /// The address before.
        old: EmailAddress,
    },
    /// A login at a provider lets in to the account from now on, which its owner is told.
    LoginLinked {
        /// Whose account.
        user_id: UserId,
        /// The provider.
        provider: Slug,
        /// The address that the provider vouched for.
        address: EmailAddress,
    },
    /// Logging in with an address failed so often that the next try has to wait: that is for the audit log.
    LockOut {
        /// The address that was typed; perhaps nobody's.
        email: EmailAddress,
        /// Where the failures came from.
        address: Option<IpAddr>,
    },
    /// An organisation is to be deleted, or is kept after all, which its owners are told.
    Deletion {
        /// Which.
        organization_id: OrganizationId,
        /// The owner who is told.
        user_id: UserId,
        /// When its data is erased; `None` if it is kept after all.
        due_at: Option<DateTime<Utc>>,
    },
    /// A member writes to another.
    FromMember {
        /// Where both work.
        organization_id: OrganizationId,
        /// Who writes.
        from: UserId,
        /// To whom.
        to: UserId,
        /// What.
        letter: Box<WriteToMember>,
    },
    /// Somebody is invited.
    Invitation {
        /// Where to.
        organization_id: OrganizationId,
        /// The invitation.
        invitation_id: InvitationId,
    },
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PasswordReset { .. } => "PasswordReset(…)",
            Self::EmailChange { .. } => "EmailChange(…)",
            Self::EmailChanged { .. } => "EmailChanged(…)",
            Self::LoginLinked { .. } => "LoginLinked(…)",
            Self::LockOut { .. } => "LockOut(…)",
            Self::Deletion { .. } => "Deletion(…)",
            Self::FromMember { .. } => "FromMember(…)",
            Self::Invitation { .. } => "Invitation(…)",
        })
    }
}

/// A letter that waits to be written and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedLetter {
    /// Names it.
    pub id: LetterId,
    /// What it is about.
    pub errand: Errand,
    /// How often sending it was tried.
    pub attempts: u32,
}

impl QueuedLetter {
    /// After so many tries, which take about four hours, a letter is given up.
    pub const MAX_ATTEMPTS: u32 = 8;
    /// How long the outcome of a try is waited for. Handing a letter to a mail server takes minutes at the most.
    pub const LEASE: TimeDelta = TimeDelta::minutes(15);

    /// How long to wait after a try that failed, the first of which is number 1.
    #[must_use]
    pub fn pause(attempt: u32) -> TimeDelta {
        TimeDelta::minutes(1 << attempt.saturating_sub(1).min(Self::MAX_ATTEMPTS))
    }
}

/// A letter from the installation to one person.
#[derive(Clone)]
pub struct Letter {
    /// The address it goes to.
    pub to: EmailAddress,
    /// What the person is called, if that is known.
    pub name: Option<DisplayName>,
    /// What it says.
    pub message: Message,
}

/// What a [`Letter`] says.
#[derive(Debug, Clone)]
pub enum Message {
    /// Set a new password with this link.
    PasswordReset {
        /// The secret of the link.
        secret: LinkSecret,
        /// When it stops working.
        expires_at: DateTime<Utc>,
        /// What lets in beside the password, and stays.
        linked: Vec<LinkedLogin>,
    },
    /// Confirm with this link that the address is yours.
    EmailChange {
        /// The secret of the link.
        secret: LinkSecret,
        /// When it stops working.
        expires_at: DateTime<Utc>,
    },
    /// Your account has another address now.
    EmailChanged,
    /// A login at a provider lets in to your account now.
    LoginLinked {
        /// The provider, as the configuration calls it.
        provider: Slug,
        /// The address that the provider vouched for.
        address: EmailAddress,
    },
    /// Your organisation is to be deleted, or is kept after all.
    Deletion {
        /// What the organisation is called.
        organization: DisplayName,
        /// When its data is erased; `None` if it is kept.
        due_at: Option<DateTime<Utc>>,
    },
    /// A member of your organisation writes to you.
    FromMember {
        /// What the member is called.
        sender: DisplayName,
        /// Where answers go: the member's address.
        reply_to: EmailAddress,
        /// What the organisation is called.
        organization: DisplayName,
        /// What the member writes.
        letter: Box<WriteToMember>,
    },
    /// Become a member with this link.
    Invitation {
        /// The secret of the link.
        secret: LinkSecret,
        /// When it stops working.
        expires_at: DateTime<Utc>,
        /// What the organisation is called.
        organization: DisplayName,
        /// The role there.
        role: Role,
        /// Who invites, if that is a person.
        inviter: Option<DisplayName>,
    },
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// Why a letter was not delivered, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// It may go well later.
    Later(String),
    /// It was refused for good.
    Refused(String),
}

/// Sends letters to users.
#[async_trait]
pub trait Postman: Send + Sync {
    /// Hands a letter over.
    ///
    /// # Errors
    /// [`Undelivered`] says whether it is tried again.
    async fn deliver(&self, letter: &Letter) -> Result<(), Undelivered>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_of_a_link_is_not_that_of_a_session() {
        let secret = LinkSecret::random().unwrap();
        let read: LinkSecret = secret.reveal().parse().unwrap();
        assert_eq!(read.hash(), secret.hash());
        let session: SessionSecret = secret.reveal().parse().unwrap();
        assert_ne!(session.hash(), secret.hash());
        assert!(!format!("{secret:?}").contains(&secret.reveal()));
        assert!("abc".parse::<LinkSecret>().is_err());
    }

    #[test]
    fn pauses_grow() {
        let pauses: Vec<_> = (1..4)
            .map(|n| QueuedLetter::pause(n).num_minutes())
            .collect();
        assert_eq!(pauses, [1, 2, 4]);
        assert_eq!(QueuedLetter::pause(1_000), TimeDelta::minutes(256));
    }
}
