//! Signed tokens: what stands in tracking links, the pixel, unsubscribe links, web view links and the return path.
//!
//! A token says which organisation, delivery and message version it belongs to, and is bound to one purpose by a
//! keyed MAC. Nobody without the installation's key can make one, so a click token is not an open redirect and an
//! unsubscribe token cannot be guessed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mauntic_core::{DeliveryId, EmailVersionId, OrganizationId, SecretKey};
use uuid::Uuid;

/// The first half of a token's first byte; another layout gets another number.
const LAYOUT: u8 = 1;
const IDS: usize = 48;
const MAC: usize = 16;
/// The longest target that a click token may carry, in bytes.
pub const MAX_TARGET: usize = 4_096;

/// What a tracking link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingToken {
    /// Whose mail it was.
    pub organization_id: OrganizationId,
    /// The row of the send ledger.
    pub delivery_id: DeliveryId,
    /// The saved version of the email that was rendered.
    pub version_id: EmailVersionId,
    /// What the link is for.
    pub purpose: Purpose,
}

/// What a tracking link is for. A token made for one purpose is refused for another.
#[derive(Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The pixel was loaded.
    Open,
    /// A link was followed.
    Click {
        /// The number of the link in its version.
        link: u16,
        /// Where it leads if that differs by recipient; `None` means the version's own target.
        target: Option<String>,
    },
    /// The recipient wants to leave.
    Unsubscribe,
    /// The recipient wants no more mail at all, whatever list the message went to.
    UnsubscribeAll,
    /// The recipient reads the mail in a browser.
    WebView,
}

impl fmt::Debug for Purpose {
    /// Leaves out the target, which may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::Click { link, .. } => f
                .debug_struct("Click")
                .field("link", link)
                .finish_non_exhaustive(),
            Self::Unsubscribe => f.write_str("Unsubscribe"),
            Self::UnsubscribeAll => f.write_str("UnsubscribeAll"),
            Self::WebView => f.write_str("WebView"),
        }
    }
}

impl Purpose {
    /// The path of the public endpoint that takes this kind of token.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        match self {
            Self::Open => "/t/o/",
            Self::Click { .. } => "/t/c/",
            Self::Unsubscribe | Self::UnsubscribeAll => "/u/",
            Self::WebView => "/v/",
        }
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Click { target: None, .. } => 1,
            Self::Click {
                target: Some(_), ..
            } => 2,
            Self::Unsubscribe => 3,
            Self::WebView => 4,
            Self::UnsubscribeAll => 5,
        }
    }
}

/// The delivery that a bounce came back for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnPath {
    /// Whose mail it was.
    pub organization_id: OrganizationId,
    /// The row of the send ledger.
    pub delivery_id: DeliveryId,
}

/// The text is not a token that this installation made for this use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid link of this installation")]
pub struct InvalidToken;

/// Makes and checks tokens.
#[derive(Debug, Clone)]
pub struct TokenSigner {
    /// One key per code of [`Purpose`].
    tracking: [SecretKey; 6],
    return_path: SecretKey,
}

impl TokenSigner {
    /// Derives a key for each purpose from the installation's key.
    #[must_use]
    pub fn new(root: &SecretKey) -> Self {
        let purposes = [
            "open",
            "click",
            "click-target",
            "unsubscribe",
            "web-view",
            "unsubscribe-all",
        ];
        Self {
            tracking: purposes.map(|purpose| root.derive(&format!("messaging/token/{purpose}"))),
            return_path: root.derive("messaging/token/return-path"),
        }
    }

    /// The text of a token; characters that need no escaping in a URL.
    #[must_use]
    pub fn sign(&self, token: &TrackingToken) -> String {
        let code = token.purpose.code();
        let mut bytes = Vec::with_capacity(1 + IDS + 2 + MAC);
        bytes.push(LAYOUT << 4 | code);
        bytes.extend_from_slice(token.organization_id.as_uuid().as_bytes());
        bytes.extend_from_slice(token.delivery_id.as_uuid().as_bytes());
        bytes.extend_from_slice(token.version_id.as_uuid().as_bytes());
        if let Purpose::Click { link, target } = &token.purpose {
            bytes.extend_from_slice(&link.to_be_bytes());
            bytes.extend_from_slice(target.as_deref().unwrap_or_default().as_bytes());
        }
        let mac = self.tracking[usize::from(code)].authenticate(&bytes);
        bytes.extend_from_slice(&mac[..MAC]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The address of a token under the public address of the installation, such as `https://mail.example.com`.
    #[must_use]
    pub fn url(&self, base: &str, token: &TrackingToken) -> String {
        [
            base.trim_end_matches('/'),
            token.purpose.path(),
            &self.sign(token),
        ]
        .concat()
    }

    /// Reads a token and checks that it was made here.
    ///
    /// # Errors
    /// [`InvalidToken`] for everything else.
    pub fn verify(&self, text: &str) -> Result<TrackingToken, InvalidToken> {
        // A longer text cannot be a token: refuse it before decoding it.
        if text.len() > (MAX_TARGET + 128) * 4 / 3 {
            return Err(InvalidToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)?;
        let (signed, mac) = bytes.split_last_chunk::<MAC>().ok_or(InvalidToken)?;
        let (&head, rest) = signed.split_first().ok_or(InvalidToken)?;
        let key = self
            .tracking
            .get(usize::from(head & 0x0f))
            .ok_or(InvalidToken)?;
        if head >> 4 != LAYOUT || !key.verify(signed, mac) {
            return Err(InvalidToken);
        }
        let (ids, rest) = rest.split_first_chunk::<IDS>().ok_or(InvalidToken)?;
        Ok(TrackingToken {
            organization_id: OrganizationId::from_uuid(uuid_at(ids, 0)),
            delivery_id: DeliveryId::from_uuid(uuid_at(ids, 16)),
            version_id: EmailVersionId::from_uuid(uuid_at(ids, 32)),
            purpose: purpose(head & 0x0f, rest)?,
        })
    }

    /// The local part of the return path of a delivery: `b+` and 62 letters and digits.
    ///
    /// At 64 octets it is the longest that SMTP allows (RFC 5321 §4.5.3.1.1), and since many hosts change the case
    /// of addresses, it means the same in upper case.
    #[must_use]
    pub fn return_path(&self, path: &ReturnPath) -> String {
        let mut bytes = [0; ReturnPath::BYTES];
        bytes[..16].copy_from_slice(path.organization_id.as_uuid().as_bytes());
        bytes[16..32].copy_from_slice(path.delivery_id.as_uuid().as_bytes());
        let mac = self.return_path.authenticate(&bytes[..32]);
        bytes[32..].copy_from_slice(&mac[..8]);
        format!("b+{}", base36(bytes))
    }

    /// Reads the local part of a return path, in any case, and checks that it was made here.
    ///
    /// # Errors
    /// [`InvalidToken`] for everything else.
    pub fn verify_return_path(&self, local_part: &str) -> Result<ReturnPath, InvalidToken> {
        let [b'b' | b'B', b'+', digits @ ..] = local_part.as_bytes() else {
            return Err(InvalidToken);
        };
        let bytes = from_base36(digits).ok_or(InvalidToken)?;
        let (ids, mac) = bytes.split_at(32);
        if !self.return_path.verify(ids, mac) {
            return Err(InvalidToken);
        }
        Ok(ReturnPath {
            organization_id: OrganizationId::from_uuid(uuid_at(ids, 0)),
            delivery_id: DeliveryId::from_uuid(uuid_at(ids, 16)),
        })
    }
}

impl ReturnPath {
    /// Two ids and a MAC of 64 bits, which no one can guess by sending mail.
    const BYTES: usize = 40;
    /// 36^62 is just above 2^320; base 32 would need 64 characters and `b+` would no longer fit.
    const DIGITS: usize = 62;
}

fn uuid_at(bytes: &[u8], start: usize) -> Uuid {
    Uuid::from_slice(&bytes[start..start + 16]).expect("a UUID is any 16 bytes")
}

fn purpose(code: u8, rest: &[u8]) -> Result<Purpose, InvalidToken> {
    if let Some(simple) = [
        (0, Purpose::Open),
        (3, Purpose::Unsubscribe),
        (4, Purpose::WebView),
        (5, Purpose::UnsubscribeAll),
    ]
    .into_iter()
    .find_map(|(known, purpose)| (known == code).then_some(purpose))
    {
        return if rest.is_empty() {
            Ok(simple)
        } else {
            Err(InvalidToken)
        };
    }
    let (link, target) = rest.split_first_chunk::<2>().ok_or(InvalidToken)?;
    let link = u16::from_be_bytes(*link);
    match (code, target) {
        (1, []) => Ok(Purpose::Click { link, target: None }),
        (2, target) => {
            let target = String::from_utf8(target.to_vec()).map_err(|_| InvalidToken)?;
            Ok(Purpose::Click {
                link,
                target: Some(target),
            })
        }
        _ => Err(InvalidToken),
    }
}

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Writes the bytes, read as one big-endian number, in base 36: four digits per round, since 36^4 fits 32 bits.
fn base36(bytes: [u8; ReturnPath::BYTES]) -> String {
    let mut limbs = [0_u64; ReturnPath::BYTES / 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *limb = u64::from(u32::from_be_bytes(*chunk));
    }
    let mut digits = [b'0'; ReturnPath::DIGITS];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for limb in &mut limbs {
            let value = remainder << 32 | *limb;
            *limb = value / 36;
            remainder = value % 36;
        }
        *digit = ALPHABET[usize::try_from(remainder).unwrap_or_default()];
    }
    digits.iter().copied().map(char::from).collect()
}

fn from_base36(digits: &[u8]) -> Option<[u8; ReturnPath::BYTES]> {
    if digits.len() != ReturnPath::DIGITS {
        return None;
    }
    let mut limbs = [0_u64; ReturnPath::BYTES / 4];
    for digit in digits {
        let mut carry = u64::from(char::from(*digit).to_digit(36)?);
        for limb in limbs.iter_mut().rev() {
            let value = *limb * 36 + carry;
            *limb = value & u64::from(u32::MAX);
            carry = value >> 32;
        }
        // More than 320 bits: no token of ours.
        if carry != 0 {
            return None;
        }
    }
    let mut bytes = [0; ReturnPath::BYTES];
    for (chunk, limb) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(limbs) {
        *chunk = u32::try_from(limb).ok()?.to_be_bytes();
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signer() -> TokenSigner {
        TokenSigner::new(
            &SecretKey::from_text("a text that is long enough to be a secret").unwrap(),
        )
    }

    fn tokens() -> impl Strategy<Value = TrackingToken> {
        let purpose = prop_oneof![
            Just(Purpose::Open),
            (
                any::<u16>(),
                proptest::option::of("https?://[a-z./?=&%]{0,200}")
            )
                .prop_map(|(link, target)| Purpose::Click { link, target }),
            Just(Purpose::Unsubscribe),
            Just(Purpose::UnsubscribeAll),
            Just(Purpose::WebView),
        ];
        (any::<[u128; 3]>(), purpose).prop_map(|(ids, purpose)| TrackingToken {
            organization_id: OrganizationId::from_uuid(Uuid::from_u128(ids[0])),
            delivery_id: DeliveryId::from_uuid(Uuid::from_u128(ids[1])),
            version_id: EmailVersionId::from_uuid(Uuid::from_u128(ids[2])),
            purpose,
        })
    }

    proptest! {
        #[test]
        fn a_token_comes_back_as_it_was(token in tokens()) {
            prop_assert_eq!(signer().verify(&signer().sign(&token)), Ok(token));
        }

        #[test]
        fn a_changed_token_is_refused(token in tokens(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(signer().sign(&token)).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(signer().verify(&URL_SAFE_NO_PAD.encode(bytes)), Err(InvalidToken));
        }

        #[test]
        fn a_shortened_or_longer_token_is_refused(token in tokens(), cut in 1_usize..60) {
            let text = signer().sign(&token);
            prop_assert_eq!(signer().verify(&text[..text.len() - cut]), Err(InvalidToken));
            prop_assert_eq!(signer().verify(&format!("{text}AAAA")), Err(InvalidToken));
        }

        #[test]
        fn rubbish_is_refused(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(signer().verify(&text), Err(InvalidToken));
            prop_assert_eq!(signer().verify(&URL_SAFE_NO_PAD.encode(bytes)), Err(InvalidToken));
            prop_assert_eq!(signer().verify_return_path(&text), Err(InvalidToken));
        }

        #[test]
        fn a_return_path_comes_back_in_any_case(ids in any::<[u128; 2]>()) {
            let path = ReturnPath {
                organization_id: OrganizationId::from_uuid(Uuid::from_u128(ids[0])),
                delivery_id: DeliveryId::from_uuid(Uuid::from_u128(ids[1])),
            };
            let local = signer().return_path(&path);
            prop_assert_eq!(local.len(), 64);
            prop_assert_eq!(signer().verify_return_path(&local), Ok(path));
            prop_assert_eq!(signer().verify_return_path(&local.to_uppercase()), Ok(path));
        }

        #[test]
        fn a_changed_return_path_is_refused(ids in any::<[u128; 2]>(), at in 2_usize..64, digit in 0_usize..36) {
            let path = ReturnPath {
                organization_id: OrganizationId::from_uuid(Uuid::from_u128(ids[0])),
                delivery_id: DeliveryId::from_uuid(Uuid::from_u128(ids[1])),
            };
            let local = signer().return_path(&path);
            let mut changed = local.clone().into_bytes();
            changed[at] = ALPHABET[digit];
            let changed = String::from_utf8(changed).unwrap();
            prop_assume!(changed != local);
            prop_assert_eq!(signer().verify_return_path(&changed), Err(InvalidToken));
            prop_assert_eq!(signer().verify_return_path(&format!("b+{}", "z".repeat(62))), Err(InvalidToken));
        }
    }

    #[test]
    fn another_installation_refuses_the_token() {
        let other = TokenSigner::new(
            &SecretKey::from_text("quite another text of thirty-two bytes").unwrap(),
        );
        let token = TrackingToken {
            organization_id: OrganizationId::from_uuid(Uuid::from_u128(1)),
            delivery_id: DeliveryId::from_uuid(Uuid::from_u128(2)),
            version_id: EmailVersionId::from_uuid(Uuid::from_u128(3)),
            purpose: Purpose::Unsubscribe,
        };
        assert_eq!(other.verify(&signer().sign(&token)), Err(InvalidToken));
    }

    #[test]
    fn a_token_of_one_purpose_is_refused_for_another() {
        let token = TrackingToken {
            organization_id: OrganizationId::from_uuid(Uuid::from_u128(1)),
            delivery_id: DeliveryId::from_uuid(Uuid::from_u128(2)),
            version_id: EmailVersionId::from_uuid(Uuid::from_u128(3)),
            purpose: Purpose::Open,
        };
        for other in [
            Purpose::Unsubscribe,
            Purpose::UnsubscribeAll,
            Purpose::WebView,
        ] {
            let mut bytes = URL_SAFE_NO_PAD.decode(signer().sign(&token)).unwrap();
            bytes[0] = LAYOUT << 4 | other.code();
            assert_eq!(
                signer().verify(&URL_SAFE_NO_PAD.encode(bytes)),
                Err(InvalidToken),
                "{other:?}"
            );
        }
    }

    #[test]
    fn the_address_names_the_endpoint() {
        let token = TrackingToken {
            organization_id: OrganizationId::from_uuid(Uuid::from_u128(1)),
            delivery_id: DeliveryId::from_uuid(Uuid::from_u128(2)),
            version_id: EmailVersionId::from_uuid(Uuid::from_u128(3)),
            purpose: Purpose::WebView,
        };
        let url = signer().url("https://m.example.com/", &token);
        let text = url.strip_prefix("https://m.example.com/v/").unwrap();
        assert_eq!(signer().verify(text), Ok(token));
    }
}
