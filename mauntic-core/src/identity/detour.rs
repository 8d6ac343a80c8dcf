use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{InvalidSessionSecret, NoRandomness, SessionSecret, Slug, TokenHash};
use crate::UserId;

/// A way of a browser over a provider of logins, such as Google, and back. It ends once, in the browser where it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detour {
    /// The provider, as the configuration calls it.
    pub provider: Slug,
    /// What it is for.
    pub aim: Aim,
    /// When it is too late to come back.
    pub expires_at: DateTime<Utc>,
}

impl Detour {
    /// How long somebody may stay at the provider.
    pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);
}

/// What a [`Detour`] is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Aim {
    /// Log in to the account that is linked.
    LogIn {
        /// The page to go on to.
        next: String,
    },
    /// Link an account, whose owner proved who they are.
    Link {
        /// Whose.
        user_id: UserId,
    },
    /// Make an account with an invitation.
    Join {
        /// The hash of the secret in its link.
        invitation: TokenHash,
    },
}

/// The secret that a browser keeps during a [`Detour`]: 256 random bits, of which the database has a hash alone. What
/// the provider is told follows from it, and does not tell it. `Debug` hides it.
#[derive(Clone)]
pub struct DetourSecret(SessionSecret);

impl DetourSecret {
    /// A new secret.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random() -> Result<Self, NoRandomness> {
        SessionSecret::random().map(Self)
    }

    /// The text for the cookie: letters, digits, `-` and `_`.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.reveal()
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        self.derive("row")
    }

    /// What comes back from the provider with the browser (`state`), so that nobody can end a detour of their own in
    /// somebody else's browser.
    #[must_use]
    pub fn state(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("state"))
    }

    /// What the provider puts into what it signs (`nonce`), so that it holds for this detour alone.
    #[must_use]
    pub fn nonce(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("nonce"))
    }

    /// What proves to the provider that whoever brings its answer is who asked (the verifier of PKCE, RFC 7636).
    #[must_use]
    pub fn verifier(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("verifier"))
    }

    fn derive(&self, what: &str) -> TokenHash {
        let mut hasher = Sha256::new();
        hasher.update(b"mauntic detour ");
        hasher.update(what.as_bytes());
        hasher.update(self.0.hash());
        hasher.finalize().into()
    }
}

impl FromStr for DetourSecret {
    type Err = InvalidSessionSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Debug for DetourSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DetourSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_others_see_of_a_secret_is_never_the_same_and_never_the_secret() {
        let secret = DetourSecret::random().unwrap();
        let read: DetourSecret = secret.reveal().parse().unwrap();
        assert_eq!((read.hash(), read.state()), (secret.hash(), secret.state()));
        let seen = [
            secret.reveal(),
            secret.state(),
            secret.nonce(),
            secret.verifier(),
            URL_SAFE_NO_PAD.encode(secret.hash()),
        ];
        assert_eq!(BTreeSet::from(seen).len(), 5);
        // RFC 7636 §4.1: at least 43 characters.
        assert_eq!(secret.verifier().len(), 43);
        assert_eq!(format!("{secret:?}"), "DetourSecret(…)");
        assert!("abc".parse::<DetourSecret>().is_err());
    }

    #[test]
    fn what_is_stored_of_an_aim_stays_readable() {
        let stored = [
            r#"{"kind":"log_in","next":"/app/contacts"}"#.to_owned(),
            format!(r#"{{"kind":"link","user_id":"{}"}}"#, uuid::Uuid::nil()),
            format!(r#"{{"kind":"join","invitation":{:?}}}"#, [7; 32]).replace(' ', ""),
        ];
        for text in stored {
            let aim: Aim = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&aim).unwrap(), text);
        }
    }
}
