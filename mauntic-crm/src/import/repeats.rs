use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

/// Most keys that are followed exactly. Rows beyond are imported all the same; they count as
/// updates where they are repetitions.
const MAX_FOLLOWED: usize = 1_000_000;

/// Bits per expected row; with four probes, one row in some hundred is followed for nothing.
const BITS_PER_ROW: u64 = 10;
const PROBES: u64 = 4;

/// Finds, in one pass over a file, which keys may occur more than once, in little memory.
pub(crate) struct RepeatScan {
    hasher: RandomState,
    bits: Vec<u64>,
    repeated: HashMap<u64, u64>,
}

impl RepeatScan {
    /// For a file of about so many rows.
    pub(crate) fn for_rows(rows: u64) -> Self {
        let words = (rows * BITS_PER_ROW / 64).clamp(1_024, 16 * 1024 * 1024);
        Self {
            hasher: RandomState::new(),
            bits: vec![0; usize::try_from(words).unwrap_or(1_024)],
            repeated: HashMap::new(),
        }
    }

    /// Notes the key of a row.
    pub(crate) fn see(&mut self, key: &str) {
        let hash = self.hasher.hash_one(key);
        let (mut probe, step) = (hash, hash.rotate_left(32) | 1);
        let mut seen = true;
        for _ in 0..PROBES {
            let bit = probe % (self.bits.len() as u64 * 64);
            let word = &mut self.bits[usize::try_from(bit / 64).unwrap_or_default()];
            let mask = 1 << (bit % 64);
            seen &= *word & mask != 0;
            *word |= mask;
            probe = probe.wrapping_add(step);
        }
        if seen && self.repeated.len() < MAX_FOLLOWED {
            self.repeated.insert(hash, 0);
        }
    }

    /// What was found; the bits are no longer needed.
    pub(crate) fn finish(self) -> Repeats {
        Repeats {
            hasher: self.hasher,
            lines: self.repeated,
        }
    }
}

/// The keys that may occur more than once, and the last line on which each did so far.
pub(crate) struct Repeats {
    hasher: RandomState,
    lines: HashMap<u64, u64>,
}

impl Repeats {
    /// Notes that a key stands on a line, and returns the last line on which it stood before.
    pub(crate) fn stands_on(&mut self, key: &str, line: u64) -> Option<u64> {
        if self.lines.is_empty() {
            return None;
        }
        let last = self.lines.get_mut(&self.hasher.hash_one(key))?;
        let before = std::mem::replace(last, line);
        (before > 0).then_some(before)
    }

    /// Whether no key may occur more than once.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_found_with_their_lines() {
        let mut scan = RepeatScan::for_rows(1_000);
        let keys: Vec<String> = (0..20_000)
            .map(|number| format!("{}", number % 19_999))
            .collect();
        for key in &keys {
            scan.see(key);
        }
        let mut repeats = scan.finish();
        let mut found = Vec::new();
        for (key, line) in keys.iter().zip(1..) {
            if let Some(first) = repeats.stands_on(key, line) {
                found.push((first, line));
            }
        }
        assert_eq!(found, [(1, 20_000)]);
    }
}
