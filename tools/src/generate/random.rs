//! Random choices that are the same on every machine and in every version.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A stream of choices. Only the key stream of ChaCha20 (RFC 8439) is taken from elsewhere;
/// how numbers are made of it is written out here, because libraries change that.
pub(super) struct Random(ChaCha20Rng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha20Rng::from_seed(key))
    }

    /// A number below `end`, which is at least 1.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(end);
        (wide >> 64) as u64
    }

    /// A number of `from..=to`.
    pub(super) fn range(&mut self, from: u16, to: u16) -> u16 {
        let width = u64::from(to.saturating_sub(from)) + 1;
        from + u16::try_from(self.below(width)).unwrap_or_default()
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub(super) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// An index into `length` things, of which there is at least one.
    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// One of several things, of which there is at least one.
    pub(super) fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.index(things.len())]
    }

    /// A character of a text that is not empty.
    pub(super) fn pick_char(&mut self, text: &str) -> char {
        let at = self.index(text.chars().count());
        text.chars().nth(at).unwrap_or('某')
    }

    /// `count` decimal digits.
    pub(super) fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + self.below(10) as u8))
            .collect()
    }
}
