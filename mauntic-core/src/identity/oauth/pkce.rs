use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of what a client keeps until it comes for its tokens, in base64url (RFC 7636, method `S256`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

/// The text is no SHA-256 in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a code challenge: expected a SHA-256 in base64url, which is 43 characters")]
pub struct InvalidCodeChallenge;

impl CodeChallenge {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it was made of that verifier, which has 43 to 128 letters, digits, `-`, `.`, `_` and `~`.
    #[must_use]
    pub fn is_proven_by(&self, verifier: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(allowed)
            && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == self.0
    }
}

impl FromStr for CodeChallenge {
    type Err = InvalidCodeChallenge;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(hash) if hash.len() == 32 => Ok(Self(text.to_owned())),
            _ => Err(InvalidCodeChallenge),
        }
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_proven_by_its_verifier_alone() {
        // RFC 7636, appendix B.
        let challenge: CodeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
            .parse()
            .unwrap();
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(challenge.is_proven_by(verifier));
        assert!(!challenge.is_proven_by(&verifier.to_lowercase()));
        // As the method `plain` would have it.
        assert!(!challenge.is_proven_by(challenge.as_str()));
    }

    #[test]
    fn a_verifier_that_can_be_guessed_proves_nothing() {
        for short in ["", "abc"] {
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(short.as_bytes()));
            let challenge: CodeChallenge = challenge.parse().unwrap();
            assert!(!challenge.is_proven_by(short), "{short}");
        }
        for text in ["", "abc", &"A".repeat(44), &"=".repeat(43)] {
            assert!(text.parse::<CodeChallenge>().is_err(), "{text}");
        }
    }
}
