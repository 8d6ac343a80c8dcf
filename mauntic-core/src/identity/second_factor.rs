use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use totp_rs::{Builder, Totp};

use super::{NoRandomness, TokenHash};
use crate::{EmailAddress, InvalidSecret, SecretKey, UserId};

/// 160 bits, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// Letters and digits that are not mistaken for each other on paper (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 60 random bits.
const RECOVERY_LEN: usize = 12;

/// An authenticator app (TOTP, RFC 6238) that a user proves to have at each login. `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// Whose it is.
    pub user_id: UserId,
    /// The secret that the app has too, encrypted.
    pub sealed_secret: Vec<u8>,
    /// The latest time step whose code was used. Codes of it and before are not taken again.
    pub last_step: i64,
    /// When the secret was made.
    pub created_at: DateTime<Utc>,
    /// Since when logins ask for it; `None` until a first code has shown that the app has the secret.
    pub confirmed_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactor")
            .field("user_id", &self.user_id)
            .field("confirmed_at", &self.confirmed_at)
            .finish_non_exhaustive()
    }
}

impl SecondFactor {
    /// How long a secret waits for its first code.
    pub const ENROLMENT: TimeDelta = TimeDelta::hours(1);

    /// A new secret, which no login asks for yet.
    ///
    /// # Errors
    /// [`InvalidSecret::NoRandomness`].
    pub fn begin(user: UserId, key: &SecretKey, now: DateTime<Utc>) -> Result<Self, InvalidSecret> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|_| InvalidSecret::NoRandomness)?;
        Ok(Self {
            user_id: user,
            sealed_secret: key.encrypt(&place(user), &secret)?,
            last_step: 0,
            created_at: now,
            confirmed_at: None,
        })
    }

    /// Whether logins ask for it.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.confirmed_at.is_some()
    }

    /// Whether its first code may still come.
    #[must_use]
    pub fn is_pending(&self, now: DateTime<Utc>) -> bool {
        !self.is_on() && now < self.created_at + Self::ENROLMENT
    }

    /// Takes a code, once: `false` if it is not that of now or of 30 seconds before or after, or was used.
    ///
    /// # Errors
    /// [`InvalidSecret::Undecryptable`] with another key.
    #[must_use = "the used step must be saved"]
    pub fn accept(
        &mut self,
        code: &str,
        key: &SecretKey,
        now: DateTime<Utc>,
    ) -> Result<bool, InvalidSecret> {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        let step = self.totp(key, None)?.check(code, seconds);
        let step = step.and_then(|step| i64::try_from(step).ok());
        let fresh = step.filter(|step| *step > self.last_step);
        if let Some(step) = fresh {
            self.last_step = step;
        }
        Ok(fresh.is_some())
    }

    /// What the app needs.
    ///
    /// # Errors
    /// [`InvalidSecret::Undecryptable`] with another key.
    pub fn enrolment(
        &self,
        account: &EmailAddress,
        key: &SecretKey,
    ) -> Result<Enrolment, InvalidSecret> {
        let totp = self.totp(key, Some(account))?;
        Ok(Enrolment {
            secret: totp.secret().to_base32(),
            uri: totp.to_url().map_err(|_| InvalidSecret::Undecryptable)?,
        })
    }

    fn totp(&self, key: &SecretKey, account: Option<&EmailAddress>) -> Result<Totp, InvalidSecret> {
        let secret = key.decrypt(&place(self.user_id), &self.sealed_secret)?;
        // A colon ends the issuer in the label.
        let account = account.map_or_else(String::new, ToString::to_string);
        Builder::new()
            .with_secret(secret)
            .with_issuer(Some("Mauntic"))
            .with_account_name(account.replace(':', "_"))
            .build()
            .map_err(|_| InvalidSecret::Undecryptable)
    }
}

fn place(user: UserId) -> String {
    format!("second factor/{user}")
}

/// What an authenticator app is given. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The secret in base 32, to be typed.
    pub secret: String,
    /// The address (`otpauth://totp/…`) for a QR code.
    pub uri: String,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment(…)")
    }
}

/// A code on paper that stands for the app once, such as `k7m2-p9xq-4tra`. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

/// The text is no recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a recovery code: expected 12 letters and digits")]
pub struct InvalidRecoveryCode;

impl RecoveryCode {
    /// How many a user is given.
    pub const COUNT: usize = 10;

    /// A new code.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; RECOVERY_LEN];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let letter = |byte: u8| char::from(ALPHABET[usize::from(byte % 32)]);
        Ok(Self(bytes.into_iter().map(letter).collect()))
    }

    /// The text to be shown once.
    #[must_use]
    pub fn reveal(&self) -> String {
        let (first, rest) = self.0.split_at(RECOVERY_LEN / 3);
        let (second, third) = rest.split_at(RECOVERY_LEN / 3);
        format!("{first}-{second}-{third}")
    }

    /// What is stored of it. It takes the key, for 60 bits alone could be guessed from a stolen database.
    #[must_use]
    pub fn hash(&self, user: UserId, key: &SecretKey) -> TokenHash {
        let text = format!("{user}/{}", self.0);
        key.derive("recovery codes").authenticate(text.as_bytes())
    }
}

impl FromStr for RecoveryCode {
    type Err = InvalidRecoveryCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            })
            .collect();
        let known = |c: u8| ALPHABET.contains(&c);
        if code.len() == RECOVERY_LEN && code.bytes().all(known) {
            Ok(Self(code))
        } else {
            Err(InvalidRecoveryCode)
        }
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_text("a text that is long enough to be a secret").unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// The secret and the code of RFC 6238, appendix B, shortened to six digits.
    fn of_the_standard() -> SecondFactor {
        let user = UserId::from_uuid(uuid::Uuid::from_u128(1));
        SecondFactor {
            user_id: user,
            sealed_secret: key()
                .encrypt(&place(user), b"12345678901234567890")
                .unwrap(),
            last_step: 0,
            created_at: at(0),
            confirmed_at: None,
        }
    }

    #[test]
    fn codes_are_those_of_the_standard_and_work_once() {
        let mut factor = of_the_standard();
        let now = at(1_111_111_109);
        assert!(!factor.accept("081805", &key(), now).unwrap());
        assert!(factor.accept("081804", &key(), now).unwrap());
        assert!(!factor.accept("081804", &key(), now).unwrap(), "used");
        // The next step is there already, and goes as well.
        assert!(factor.accept("050471", &key(), now).unwrap());
        assert!(!factor.accept("081804", &key(), now).unwrap(), "older");
    }

    #[test]
    fn another_key_or_user_cannot_use_the_secret() {
        let mut factor = of_the_standard();
        factor.user_id = UserId::from_uuid(uuid::Uuid::from_u128(2));
        assert!(factor.accept("081804", &key(), at(1_111_111_109)).is_err());
    }

    #[test]
    fn the_app_gets_an_address_with_the_secret() {
        let account = "ann@example.com".parse().unwrap();
        let enrolment = of_the_standard().enrolment(&account, &key()).unwrap();
        assert_eq!(enrolment.secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(
            enrolment
                .uri
                .starts_with("otpauth://totp/Mauntic:ann%40example"),
            "{}",
            enrolment.uri
        );
        assert!(
            enrolment.uri.contains("issuer=Mauntic"),
            "{}",
            enrolment.uri
        );
        assert!(!format!("{enrolment:?}").contains("GEZD"));
    }

    #[test]
    fn a_recovery_code_reads_back_however_it_is_typed() {
        let code = RecoveryCode::random().unwrap();
        let shown = code.reveal();
        assert_eq!(shown.len(), 14);
        assert_eq!(shown.parse::<RecoveryCode>().unwrap(), code);
        let typed = format!(" {} ", shown.to_uppercase().replace('-', " "));
        assert_eq!(typed.parse::<RecoveryCode>().unwrap(), code);
        let zero: RecoveryCode = "0000-1111-abcd".parse().unwrap();
        assert_eq!("oooo-ilil-abcd".parse::<RecoveryCode>().unwrap(), zero);
        for text in ["", "123456", "0000-1111-abcu", "ääää-ääää-ääää"] {
            assert!(text.parse::<RecoveryCode>().is_err(), "{text}");
        }
        let [ann, bob] = [1, 2].map(|n| UserId::from_uuid(uuid::Uuid::from_u128(n)));
        assert_ne!(code.hash(ann, &key()), code.hash(bob, &key()));
    }
}
