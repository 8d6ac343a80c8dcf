//! DKIM: keys, signatures (RFC 6376, RFC 8301, RFC 8463), and the DNS records that belong to a sending domain.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use mail_auth::{
    common::{
        crypto::{DkimKey as SigningDkimKey, Ed25519Key, RsaKey, Sha256, SigningKey as _},
        headers::{HeaderStream, Writable, Writer},
    },
    dkim::{Signature, canonicalize::CanonicalHeaders},
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};

/// Every header that a signature covers.
///
/// The first four stand twice: the second entry is over-signing (RFC 6376 §8.15), so that a second `From` or
/// `Subject`, put in by someone on the way, breaks the signature. The others are signed as absent if they are
/// absent, so that they cannot be added either.
const SIGNED_HEADERS: [&str; 27] = [
    "From",
    "From",
    "To",
    "To",
    "Subject",
    "Subject",
    "Date",
    "Date",
    "Message-ID",
    "Reply-To",
    "Cc",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Precedence",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Feedback-ID",
    "CFBL-Address",
    "CFBL-Feedback-ID",
    "Auto-Submitted",
];

/// Why DKIM did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DkimError {
    /// No key could be made.
    #[error("a key could not be generated")]
    Generation,
    /// The key is not one we can sign with.
    #[error(
        "not a private key for DKIM: expected RSA of 2048 bits or more, or Ed25519, as PKCS #8 in PEM or DER"
    )]
    UnusableKey,
    /// The selector is not a DNS name.
    #[error("not a selector: expected up to 63 letters, digits and hyphens")]
    InvalidSelector,
    /// The message could not be signed.
    #[error("the message could not be signed: {0}")]
    Signing(String),
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAlgorithm {
    /// `rsa-sha256`, which everybody checks.
    Rsa,
    /// `ed25519-sha256`, shorter and faster, which some do not know yet.
    Ed25519,
}

/// A private key for DKIM. `Debug` hides it.
#[derive(Clone)]
pub struct PrivateKey {
    algorithm: KeyAlgorithm,
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

impl PrivateKey {
    /// Makes an RSA key of 2048 bits, the longest that every receiver takes and DNS carries easily.
    ///
    /// # Errors
    /// [`DkimError::Generation`].
    pub fn generate_rsa() -> Result<Self, DkimError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| DkimError::Generation)?;
        let der: Pkcs8V1Der<'static> = pair.as_der().map_err(|_| DkimError::Generation)?;
        Self::from_pkcs8(der.as_ref())
    }

    /// Makes an Ed25519 key.
    ///
    /// # Errors
    /// [`DkimError::Generation`].
    pub fn generate_ed25519() -> Result<Self, DkimError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| DkimError::Generation)?;
        let der: Pkcs8V1Der<'static> = pair.as_der().map_err(|_| DkimError::Generation)?;
        Self::from_pkcs8(der.as_ref())
    }

    /// Reads a key that was stored or made elsewhere.
    ///
    /// # Errors
    /// [`DkimError::UnusableKey`] if it is no key, of another kind, or RSA below 2048 bits (RFC 8301 §3.2).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, DkimError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self {
                algorithm: KeyAlgorithm::Ed25519,
                pkcs8: der.to_vec(),
                public: pair.public_key().as_ref().to_vec(),
            });
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| DkimError::UnusableKey)?;
        if pair.public_modulus_len() < 256 {
            return Err(DkimError::UnusableKey);
        }
        let public: PublicKeyX509Der<'static> = pair
            .public_key()
            .as_der()
            .map_err(|_| DkimError::UnusableKey)?;
        Ok(Self {
            algorithm: KeyAlgorithm::Rsa,
            pkcs8: der.to_vec(),
            public: public.as_ref().to_vec(),
        })
    }

    /// Reads a key in PEM (`-----BEGIN PRIVATE KEY-----`).
    ///
    /// # Errors
    /// [`DkimError::UnusableKey`], see [`from_pkcs8`](Self::from_pkcs8).
    pub fn from_pem(pem: &str) -> Result<Self, DkimError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| DkimError::UnusableKey)?;
        Self::from_pkcs8(der.secret_pkcs8_der())
    }

    /// The private key for storage; encrypt it.
    #[must_use]
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The private key in PEM, for other programs.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode(&self.pkcs8);
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        pem
    }

    /// How the key signs.
    #[must_use]
    pub const fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The value of the TXT record at `<selector>._domainkey.<domain>` (RFC 6376 §3.6.1, RFC 8463 §4).
    #[must_use]
    pub fn dns_value(&self) -> String {
        let kind = match self.algorithm {
            KeyAlgorithm::Rsa => "rsa",
            KeyAlgorithm::Ed25519 => "ed25519",
        };
        format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(&self.public))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The name of a key below `_domainkey`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector(String);

impl Selector {
    /// The selector as it stands in DNS.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Selector {
    type Err = DkimError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let right = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if text.is_empty()
            || text.len() > 63
            || !text.chars().all(right)
            || text.starts_with('-')
            || text.ends_with('-')
        {
            return Err(DkimError::InvalidSelector);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl TryFrom<String> for Selector {
    type Error = DkimError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.0
    }
}

/// Signs the messages of one domain. Parsing keys is slow: make one signer per domain and keep it.
pub struct DomainSigner {
    keys: Vec<(SigningDkimKey, Signature)>,
}

impl DomainSigner {
    /// Prepares a signer; every key adds one signature to each message.
    ///
    /// # Errors
    /// [`DkimError::UnusableKey`].
    pub fn new(domain: &str, keys: &[(Selector, PrivateKey)]) -> Result<Self, DkimError> {
        let keys = keys
            .iter()
            .map(|(selector, key)| {
                let key = signing_key(key)?;
                let template = Signature {
                    v: 1,
                    a: key.algorithm(),
                    d: domain.to_owned(),
                    s: selector.as_str().to_owned(),
                    h: SIGNED_HEADERS.map(str::to_owned).to_vec(),
                    ..Signature::default()
                };
                Ok((key, template))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// Puts one signature per key in front of the message, relaxed/relaxed. It computes for a quarter of a
    /// millisecond: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`DkimError::Signing`].
    pub fn sign(&self, message: &[u8], now: DateTime<Utc>) -> Result<Vec<u8>, DkimError> {
        let mut signed = Vec::with_capacity(message.len() + self.keys.len() * 1_024);
        let mut body_hash = None;
        for (key, template) in &self.keys {
            let (_, headers, names, body) = template.canonicalize(MessageReader(message));
            let mut signature = template.clone();
            // Both algorithms hash the body alike, so it is read once.
            signature.bh = body_hash
                .get_or_insert_with(|| key.hash(body))
                .as_ref()
                .to_vec();
            signature.t = u64::try_from(now.timestamp()).unwrap_or_default();
            signature.h = names;
            signature.b = key
                .sign(Signable {
                    headers,
                    signature: &signature,
                })
                .map_err(|error| DkimError::Signing(error.to_string()))?;
            signature.write(&mut signed, true);
        }
        signed.extend_from_slice(message);
        Ok(signed)
    }
}

impl fmt::Debug for DomainSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .keys
            .iter()
            .map(|(_, template)| format!("{}._domainkey.{}", template.s, template.d));
        f.debug_list().entries(names).finish()
    }
}

fn signing_key(key: &PrivateKey) -> Result<SigningDkimKey, DkimError> {
    match key.algorithm {
        KeyAlgorithm::Rsa => {
            let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8.as_slice()));
            RsaKey::<Sha256>::from_key_der(der).map(SigningDkimKey::from)
        }
        KeyAlgorithm::Ed25519 => {
            Ed25519Key::from_pkcs8_maybe_unchecked_der(&key.pkcs8).map(SigningDkimKey::from)
        }
    }
    .map_err(|_| DkimError::UnusableKey)
}

/// Reads a message that we wrote: header after header, then the body.
struct MessageReader<'a>(&'a [u8]);

impl<'a> HeaderStream<'a> for MessageReader<'a> {
    fn next_header(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let ends =
            |at: usize| self.0[at] == b'\n' && !matches!(self.0.get(at + 1), Some(b' ' | b'\t'));
        let end = (0..self.0.len()).find(|at| ends(*at))?;
        let (field, rest) = self.0.split_at(end + 1);
        let colon = field.iter().position(|byte| *byte == b':')?;
        self.0 = rest;
        Some((&field[..colon], &field[colon + 1..]))
    }

    fn body(&mut self) -> &'a [u8] {
        self.0.strip_prefix(b"\r\n").unwrap_or(self.0)
    }
}

/// What a signature signs: the headers, then itself without its value.
struct Signable<'a> {
    headers: CanonicalHeaders<'a>,
    signature: &'a Signature,
}

impl Writable for Signable<'_> {
    fn write(self, writer: &mut impl Writer) {
        self.headers.write(writer);
        self.signature.write(writer, false);
    }
}

#[cfg(test)]
mod tests;
