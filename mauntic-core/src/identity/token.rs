use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::DisplayName;
use crate::{Actor, ApiTokenId, OrganizationId, Permission, Role, UserId};

const PREFIX: &str = "mnt_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 characters of 62 hold 256 bits.
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;
/// How exact [`ApiToken::last_used_at`] is: noting every request would be a write for each.
const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The secret text of an API token: `mnt_`, 43 random letters and digits, and 6 that check the others.
///
/// The prefix and the checksum let scanners find leaked tokens (`mnt_[0-9A-Za-z]{49}`) without asking
/// Mauntic; the checksum is the first 8 bytes of the SHA-256 of all before it, as a big-endian number
/// modulo 62⁶, in base 62. The database has the secret's hash alone. `Debug` hides it.
///
/// ```
/// use mauntic_core::identity::TokenSecret;
///
/// let secret = TokenSecret::random()?;
/// assert_eq!(secret.reveal().parse::<TokenSecret>()?.hash(), secret.hash());
/// assert!("mnt_x".parse::<TokenSecret>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenSecret(String);

/// The SHA-256 hash of a token's secret. With 256 random bits in the secret, no slower hash is needed.
pub type TokenHash = [u8; 32];

/// The text is no token: mistyped or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an API token: expected mnt_ and 49 letters and digits, the last 6 of which check the others"
)]
pub struct InvalidTokenSecret;

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source failed")]
pub struct NoRandomness;

impl TokenSecret {
    /// What every token begins with.
    pub const PREFIX: &str = PREFIX;

    /// Makes a new secret.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random() -> Result<Self, NoRandomness> {
        random_text(PREFIX).map(Self)
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl std::str::FromStr for TokenSecret {
    type Err = InvalidTokenSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if is_whole(PREFIX, text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTokenSecret)
        }
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// A prefix, 256 random bits as letters and digits, and what checks them.
pub(super) fn random_text(prefix: &str) -> Result<String, NoRandomness> {
    let mut text = prefix.to_owned();
    let mut bytes = [0; 64];
    while text.len() < prefix.len() + SECRET_LEN {
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let missing = prefix.len() + SECRET_LEN - text.len();
        // Bytes beyond the last whole multiple of 62 would make some characters likelier.
        let fair = bytes.iter().filter(|byte| **byte < 248).take(missing);
        text.extend(fair.map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
    let checksum = checksum(&text);
    Ok(text + &checksum)
}

/// Whether a text is of the form that [`random_text`] makes, and neither mistyped nor cut off.
pub(super) fn is_whole(prefix: &str, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    let plain = rest.len() == SECRET_LEN + CHECKSUM_LEN
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain {
        return false;
    }
    let (secret, check) = text.split_at(prefix.len() + SECRET_LEN);
    checksum(secret) == check
}

fn checksum(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut rest = hash[..8]
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let mut digits = [0; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(rest % 62).unwrap_or_default()];
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

/// What a program may act with in an organisation, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Names the token.
    pub id: ApiTokenId,
    /// The organisation that it works in.
    pub organization_id: OrganizationId,
    /// The member whom it works for: it may never do more than that member may at that time, and
    /// nothing once the member is blocked or gone. `None` for tokens made at the command line.
    pub user_id: Option<UserId>,
    /// The token that made it, if one did; it is revoked with that.
    #[serde(default)]
    pub made_by: Option<ApiTokenId>,
    /// What people call it.
    pub name: DisplayName,
    /// Bounds what it may do, …
    pub role: Role,
    /// … and so do these.
    pub scopes: BTreeSet<Permission>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it stops working, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A token and all that decides whether it is good, as one query finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedToken {
    /// The token.
    pub token: ApiToken,
    /// Whether nobody may act in its organisation: it is blocked, or being erased.
    pub organization_closed: bool,
    /// Whether its organisation waits to be deleted.
    pub organization_closing: bool,
    /// The member whom it works for, as of now; `None` if it works for nobody or the member is gone.
    pub holder: Option<Holder>,
}

/// The member whom a token works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The role as of now.
    pub role: Role,
    /// Whether the user is blocked, everywhere or in the organisation.
    pub blocked: bool,
}

/// Why a token does not let its bearer in. It is told only to those who have the whole secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such token.
    #[error("there is no such API token")]
    Unknown,
    /// Its time is over.
    #[error("the API token has expired")]
    Expired,
    /// Somebody revoked it.
    #[error("the API token was revoked")]
    Revoked,
    /// The user is blocked.
    #[error("the user is blocked")]
    UserBlocked,
    /// The user is not a member of the organisation any more.
    #[error("the user is no longer a member of the organisation")]
    NotAMember,
    /// The organisation is blocked, or being erased.
    #[error("the organisation is blocked, or being deleted")]
    OrganizationBlocked,
}

impl PresentedToken {
    /// Who acts with the token now.
    ///
    /// # Errors
    /// The [`Refusal`], if it is not good.
    pub fn admit(self, now: DateTime<Utc>) -> Result<Actor, Refusal> {
        let Self {
            token,
            organization_closed,
            organization_closing,
            holder,
        } = self;
        if token.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if token.expires_at.is_some_and(|end| end <= now) {
            return Err(Refusal::Expired);
        }
        if organization_closed {
            return Err(Refusal::OrganizationBlocked);
        }
        let role = match (token.user_id, holder) {
            (None, _) => token.role,
            (Some(_), None) => return Err(Refusal::NotAMember),
            (Some(_), Some(Holder { blocked: true, .. })) => return Err(Refusal::UserBlocked),
            (Some(_), Some(holder)) => token.role.min(holder.role),
        };
        let actor = Actor::token(token.organization_id, token.id, role, token.scopes);
        Ok(if organization_closing {
            actor.while_closing()
        } else {
            actor
        })
    }
}

impl ApiToken {
    /// Whether its use now is to be noted, once a minute.
    #[must_use]
    pub fn use_is_news(&self, now: DateTime<Utc>) -> bool {
        self.last_used_at
            .is_none_or(|last| now - last >= USE_NOTED_EVERY)
    }

    /// Revokes it; `false` if it was already.
    #[must_use = "nothing needs saving if nothing changed"]
    pub fn revoke(&mut self, now: DateTime<Utc>) -> bool {
        if self.revoked_at.is_some() {
            return false;
        }
        self.revoked_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(user: Option<u128>, holder: Option<Holder>) -> PresentedToken {
        let id = uuid::Uuid::from_u128(1);
        PresentedToken {
            token: ApiToken {
                id: ApiTokenId::from_uuid(id),
                organization_id: OrganizationId::from_uuid(id),
                user_id: user.map(|user| UserId::from_uuid(uuid::Uuid::from_u128(user))),
                made_by: None,
                name: "nightly import".parse().unwrap(),
                role: Role::Admin,
                scopes: BTreeSet::from([Permission::ContactsRead, Permission::ContactsDelete]),
                created_at: DateTime::UNIX_EPOCH,
                expires_at: None,
                last_used_at: None,
                revoked_at: None,
            },
            organization_closed: false,
            organization_closing: false,
            holder,
        }
    }

    #[test]
    fn a_token_does_no_more_than_its_holder() {
        let holder = Some(Holder {
            role: Role::Viewer,
            blocked: false,
        });
        let actor = presented(Some(2), holder)
            .admit(DateTime::UNIX_EPOCH)
            .unwrap();
        assert!(actor.may(Permission::ContactsRead));
        assert!(!actor.may(Permission::ContactsDelete));
    }

    #[test]
    fn whatever_ends_a_token_refuses_it() {
        let now = DateTime::UNIX_EPOCH;
        let blocked = Some(Holder {
            role: Role::Owner,
            blocked: true,
        });
        assert_eq!(
            presented(Some(2), blocked).admit(now),
            Err(Refusal::UserBlocked)
        );
        assert_eq!(
            presented(Some(2), None).admit(now),
            Err(Refusal::NotAMember)
        );
        let mut expired = presented(None, None);
        expired.token.expires_at = Some(now);
        assert_eq!(expired.admit(now), Err(Refusal::Expired));
        let mut revoked = presented(None, None);
        assert!(revoked.token.revoke(now));
        assert!(!revoked.token.revoke(now));
        assert_eq!(revoked.admit(now), Err(Refusal::Revoked));
        let mut closed = presented(None, None);
        closed.organization_closed = true;
        assert_eq!(closed.admit(now), Err(Refusal::OrganizationBlocked));
    }

    #[test]
    fn a_changed_secret_is_refused_before_the_database_is_asked() {
        let secret = TokenSecret::random().unwrap();
        assert_eq!(secret.reveal().len(), 53);
        let mut changed = secret.reveal().to_owned().into_bytes();
        changed[10] = if changed[10] == b'a' { b'b' } else { b'a' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(changed.parse::<TokenSecret>().is_err());
        assert!("mnt_ä".repeat(9).parse::<TokenSecret>().is_err());
    }

    #[test]
    fn the_checksum_is_the_documented_one() {
        // Computed by hand with another program.
        let text = format!("mnt_{}", "0".repeat(43));
        assert_eq!(checksum(&text), "LVHtVN");
    }

    #[test]
    fn use_is_noted_once_a_minute() {
        let mut token = presented(None, None).token;
        let now = DateTime::UNIX_EPOCH;
        assert!(token.use_is_news(now));
        token.last_used_at = Some(now);
        assert!(!token.use_is_news(now + TimeDelta::seconds(59)));
        assert!(token.use_is_news(now + TimeDelta::seconds(60)));
    }
}
