use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::identity::{
    NoRandomness, TokenHash,
    token::{is_whole, random_text},
};

/// What an [`OauthSecret`] is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OauthSecretKind {
    /// Proves who the client is.
    Client,
    /// Brings tokens, once.
    Code,
    /// Lets in to the API.
    Access,
    /// Brings newer tokens, once.
    Refresh,
}

impl OauthSecretKind {
    /// What every one of the kind begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Client => "mns_",
            Self::Code => "mnc_",
            Self::Access => "mna_",
            Self::Refresh => "mnr_",
        }
    }
}

/// A secret of an app: its prefix, 43 random letters and digits, and 6 that check the others, as in
/// [`TokenSecret`](crate::identity::TokenSecret). The database has its hash alone. `Debug` hides it.
#[derive(Clone)]
pub struct OauthSecret(String);

impl OauthSecret {
    /// A new secret.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random(kind: OauthSecretKind) -> Result<Self, NoRandomness> {
        random_text(kind.prefix()).map(Self)
    }

    /// The secret that somebody shows, if it can be one of the kind.
    #[must_use]
    pub fn presented(kind: OauthSecretKind, text: &str) -> Option<Self> {
        is_whole(kind.prefix(), text).then(|| Self(text.to_owned()))
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

impl fmt::Debug for OauthSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OauthSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_good_for_its_kind_alone() {
        let secret = OauthSecret::random(OauthSecretKind::Refresh).unwrap();
        let read = OauthSecret::presented(OauthSecretKind::Refresh, secret.reveal()).unwrap();
        assert_eq!(read.hash(), secret.hash());
        for kind in [
            OauthSecretKind::Client,
            OauthSecretKind::Code,
            OauthSecretKind::Access,
        ] {
            assert!(OauthSecret::presented(kind, secret.reveal()).is_none());
            let disguised = secret.reveal().replace("mnr_", kind.prefix());
            assert!(OauthSecret::presented(kind, &disguised).is_none());
        }
        assert_eq!(format!("{secret:?}"), "OauthSecret(…)");
    }
}
