use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A number for what a small record says: the same for the same content, another for (as good as) any other. Where
/// changes of a record are not counted, it tells whether somebody else changed it since it was read.
#[must_use]
pub fn fingerprint(record: &impl Serialize) -> i64 {
    let written = serde_json::to_vec(record).unwrap_or_default();
    let hash: [u8; 32] = Sha256::digest(written).into();
    let (first, _) = hash.split_at(8);
    let number = first
        .iter()
        .fold(0_i64, |number, byte| (number << 8) | i64::from(*byte));
    // Not below zero, so that it reads like a version.
    number & i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_content_alone() {
        let one = fingerprint(&("Acme", "UTC"));
        assert_eq!(one, fingerprint(&("Acme", "UTC")));
        assert_ne!(one, fingerprint(&("Acme", "Europe/Oslo")));
        assert!(one >= 0);
    }
}
