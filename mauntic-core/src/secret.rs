use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const NONCE: usize = 24;

/// A 256-bit key from which every other key of the installation is derived.
///
/// All processes on one database need the same one. `Debug` hides it.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

/// The secret is unusable, or something was not made with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// The text is not a key.
    #[error(
        "not a secret key: expected 32 bytes or more, for instance from `openssl rand -base64 32`"
    )]
    Malformed,
    /// The system gave no random bytes.
    #[error("the system's random source failed")]
    NoRandomness,
    /// The content was encrypted with another key, for another row, or was changed.
    #[error("the content cannot be decrypted with this secret key")]
    Undecryptable,
}

impl SecretKey {
    /// Makes a new random key.
    ///
    /// # Errors
    /// [`InvalidSecret::NoRandomness`].
    pub fn random() -> Result<Self, InvalidSecret> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| InvalidSecret::NoRandomness)?;
        Ok(Self(key))
    }

    /// Reads a key from text: any text of 32 bytes or more, by its SHA-256 hash.
    ///
    /// # Errors
    /// [`InvalidSecret::Malformed`] if the text is too short to be a secret.
    pub fn from_text(text: &str) -> Result<Self, InvalidSecret> {
        let text = text.trim();
        if text.len() < 32 {
            return Err(InvalidSecret::Malformed);
        }
        Ok(Self(Sha256::digest(text.as_bytes()).into()))
    }

    /// Makes the text of a new random key, for a file.
    ///
    /// # Errors
    /// [`InvalidSecret::NoRandomness`].
    pub fn random_text() -> Result<String, InvalidSecret> {
        Ok(STANDARD_NO_PAD.encode(Self::random()?.0))
    }

    /// The key for one purpose, such as `tracking`. Knowing it tells nothing of the others.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self(self.authenticate(purpose.as_bytes()))
    }

    /// What tells two keys apart without telling the key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = self.derive("fingerprint").0;
        let head = hash.iter().take(8);
        head.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// HMAC-SHA256 over the bytes.
    #[must_use]
    pub fn authenticate(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&self.0)
            .expect("HMAC takes keys of every length");
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }

    /// Whether a MAC, perhaps shortened to no less than 8 bytes, belongs to the bytes; in constant time.
    #[must_use]
    pub fn verify(&self, bytes: &[u8], mac: &[u8]) -> bool {
        let right = self.authenticate(bytes);
        mac.len() >= 8 && mac.len() <= right.len() && bool::from(right[..mac.len()].ct_eq(mac))
    }

    /// Encrypts content that only opens again in the same place (XChaCha20-Poly1305, the place as
    /// associated data).
    ///
    /// # Errors
    /// [`InvalidSecret::NoRandomness`].
    pub fn encrypt(&self, place: &str, content: &[u8]) -> Result<Vec<u8>, InvalidSecret> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| InvalidSecret::NoRandomness)?;
        let payload = Payload {
            msg: content,
            aad: place.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| InvalidSecret::NoRandomness)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`encrypt`](Self::encrypt) sealed for the same place.
    ///
    /// # Errors
    /// [`InvalidSecret::Undecryptable`].
    pub fn decrypt(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, InvalidSecret> {
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE>()
            .ok_or(InvalidSecret::Undecryptable)?;
        let payload = Payload {
            msg: sealed,
            aad: place.as_bytes(),
        };
        self.cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| InvalidSecret::Undecryptable)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derive("encryption").0.into())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_text("a text that is long enough to be a secret").unwrap()
    }

    #[test]
    fn content_opens_only_in_its_place_and_unchanged() {
        let mut sealed = key().encrypt("domain/1", b"private").unwrap();
        assert_eq!(key().decrypt("domain/1", &sealed).unwrap(), b"private");
        assert_eq!(
            key().decrypt("domain/2", &sealed),
            Err(InvalidSecret::Undecryptable)
        );
        sealed[30] ^= 1;
        assert_eq!(
            key().decrypt("domain/1", &sealed),
            Err(InvalidSecret::Undecryptable)
        );
    }

    #[test]
    fn a_mac_fits_its_bytes_and_key_alone() {
        let mac = key().derive("tracking").authenticate(b"token");
        assert!(key().derive("tracking").verify(b"token", &mac[..16]));
        assert!(!key().derive("tracking").verify(b"Token", &mac));
        assert!(!key().derive("verp").verify(b"token", &mac));
        assert!(!key().derive("tracking").verify(b"token", &mac[..4]));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(
            SecretKey::from_text("hunter2").unwrap_err(),
            InvalidSecret::Malformed
        );
    }
}
