mod guess;

use std::{fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::PasswordHash as PhcString,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// Memory in KiB, passes and lanes of Argon2id: what OWASP's cheat sheet of 2025 asks for at the least,
/// some 20 ms on a server's core. Raising them re-hashes each password at its owner's next login.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How many passwords are hashed at once; with the memory above, at most 76 MiB.
const AT_ONCE: usize = 4;
/// The salt and the hash of bcrypt, as digits of its own base 64.
const BCRYPT_DIGITS: usize = 53;
/// From the least that there is to a second on a server's core.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// A password as somebody typed it: 12 characters to 1,024 bytes. `Debug` hides it.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Shortest password, in characters.
    pub const MIN_CHARS: usize = 12;
    /// Longest password, in bytes.
    pub const MAX_LEN: usize = 1_024;

    /// A password that somebody shows to be let in, which may be shorter than one that is chosen here: it may have been
    /// chosen elsewhere. `None` for a text that is nobody's.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        (1..=Self::MAX_LEN)
            .contains(&text.len())
            .then(|| Self(text.to_owned()))
    }

    /// Whether it is shorter than one that is chosen here.
    pub(super) fn is_short(&self) -> bool {
        self.0.chars().count() < Self::MIN_CHARS
    }

    /// Whether it is one of those that are tried first: made of common words, repetitions, rows of keys, and of what
    /// is known about its owner, such as the name and the address.
    #[must_use]
    pub fn is_guessable(&self, about: &[&str]) -> bool {
        guess::worth(&self.0, about) < guess::LEAST
    }
}

/// The text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a usable password: expected 12 characters or more, and at most 1024 bytes")]
pub struct WeakPassword;

impl std::str::FromStr for Password {
    type Err = WeakPassword;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let presented = Self::presented(text).filter(|password| !password.is_short());
        presented.ok_or(WeakPassword)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// An Argon2id hash in the PHC format (`$argon2id$v=19$m=…`), or one that another system made with bcrypt, until its
/// owner logs in. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Reads a stored hash.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Reads a hash that another system made with bcrypt: `$2y$…`, `$2b$…` or `$2a$…`.
    ///
    /// # Errors
    /// [`InvalidBcryptHash`] if it is none, or so dear that checking it would hold up everybody else.
    pub fn from_bcrypt(text: &str) -> Result<Self, InvalidBcryptHash> {
        let text = text.trim();
        let mut known = ["$2y$", "$2b$", "$2a$"].iter();
        let rest = known.find_map(|prefix| text.strip_prefix(prefix));
        let (cost, rest) = rest
            .and_then(|rest| rest.split_once('$'))
            .ok_or(InvalidBcryptHash)?;
        let cost: u32 = cost.parse().map_err(|_| InvalidBcryptHash)?;
        let digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/');
        let whole = rest.len() == BCRYPT_DIGITS && rest.chars().all(digit);
        if !whole || !BCRYPT_COSTS.contains(&cost) {
            return Err(InvalidBcryptHash);
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn is_bcrypt(&self) -> bool {
        self.0.starts_with("$2")
    }

    /// The hash, for storage.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the hash was made with other parameters than those of today.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        let Ok(hash) = PhcString::new(&self.0) else {
            return true;
        };
        let params = Params::try_from(&hash);
        let same = params.is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
        });
        hash.algorithm.as_str() != "argon2id" || !same
    }
}

/// The text is no hash of bcrypt that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a bcrypt hash: expected $2y$, $2b$ or $2a$, a cost from 4 to 14, and 53 letters and digits"
)]
pub struct InvalidBcryptHash;

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Hashing failed for want of memory, random bytes or a thread.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed")]
pub struct HashingFailed(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Hashes and checks passwords on threads of their own, a few at a time, so that a flood of logins
/// takes neither all memory nor the threads that answer requests.
#[derive(Debug, Clone)]
pub struct PasswordHasher {
    turns: Arc<Semaphore>,
}

impl PasswordHasher {
    /// A hasher; clones share its limit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Hashes a password with a new salt.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashingFailed> {
        self.on_a_thread(move || {
            let hash = argon2().hash_password(password.0.as_bytes());
            hash.map(|hash| PasswordHash(hash.to_string()))
                .map_err(|error| HashingFailed(Box::new(error)))
        })
        .await
    }

    /// Whether the password is the one that was hashed. Without a hash the answer is no, after the
    /// same time, so that nobody learns from the clock which users exist; a hash of bcrypt takes longer, until its owner
    /// has logged in.
    pub async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<bool, HashingFailed> {
        self.on_a_thread(move || {
            let Some(hash) = hash else {
                let wasted = argon2().hash_password(password.0.as_bytes());
                return wasted
                    .map(|_| false)
                    .map_err(|error| HashingFailed(Box::new(error)));
            };
            if hash.is_bcrypt() {
                return Ok(bcrypt::verify(password.0.as_bytes(), &hash.0).unwrap_or(false));
            }
            let fits = PhcString::new(&hash.0).is_ok_and(|hash| {
                argon2()
                    .verify_password(password.0.as_bytes(), &hash)
                    .is_ok()
            });
            Ok(fits)
        })
        .await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashingFailed> + Send + 'static,
    ) -> Result<T, HashingFailed> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| HashingFailed(Box::new(error)))?;
        // The turn ends with the work, even if the caller has gone away.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| HashingFailed(Box::new(error)))?
    }
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self::new()
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .expect("the parameters are constants within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

    fn password(text: &str) -> Password {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn the_right_password_fits_and_no_other() {
        let hasher = PasswordHasher::new();
        let hash = hasher
            .hash(password("correct horse battery"))
            .await
            .unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!hash.is_outdated());
        let right = hasher.verify(password("correct horse battery"), Some(hash.clone()));
        assert!(right.await.unwrap());
        let wrong = hasher.verify(password("correct horse batterY"), Some(hash));
        assert!(!wrong.await.unwrap());
        let nobody = hasher.verify(password("correct horse battery"), None);
        assert!(!nobody.await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_bcrypt_fits_and_is_outdated() {
        // Made by libxcrypt.
        let hash = PasswordHash::from_bcrypt(BCRYPT).unwrap();
        assert!(hash.is_outdated());
        let hasher = PasswordHasher::new();
        let short = Password::presented("secret").unwrap();
        assert!(hasher.verify(short, Some(hash.clone())).await.unwrap());
        let wrong = Password::presented("Secret").unwrap();
        assert!(!hasher.verify(wrong, Some(hash)).await.unwrap());
        let dear = BCRYPT.replace("$04$", "$15$");
        for text in ["", "$2y$", &BCRYPT[1..], &BCRYPT[..59], "$1$abc$def", &dear] {
            assert_eq!(
                PasswordHash::from_bcrypt(text),
                Err(InvalidBcryptHash),
                "{text}"
            );
        }
    }

    #[test]
    fn a_hash_with_lesser_parameters_is_outdated() {
        let lesser = Argon2::from(Params::new(1_024, 1, 1, None).unwrap());
        let hash = lesser.hash_password(b"correct horse battery").unwrap();
        assert!(PasswordHash::from_stored(hash.to_string()).is_outdated());
        assert!(PasswordHash::from_stored("$2b$12$abc".to_owned()).is_outdated());
    }

    #[test]
    fn a_short_password_is_refused_and_none_is_shown() {
        assert!("hunter2".parse::<Password>().is_err());
        assert!("x".repeat(1_025).parse::<Password>().is_err());
        assert!(!format!("{:?}", password("correct horse")).contains("horse"));
        assert!(Password::presented("hunter2").is_some());
        assert!(Password::presented("").is_none());
        assert!(Password::presented(&"x".repeat(1_025)).is_none());
    }
}
