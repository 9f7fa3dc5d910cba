//! Choices that are the same whenever the seed is.

use std::sync::{Mutex, PoisonError};

use huren_node::engine::Random;

/// A generator of choices (SplitMix64). Whoever draws takes a turn, so the order of draws has
/// to be the same in every run, as it is on one thread. Good for games, never for secrets.
pub(super) struct Dice(Mutex<u64>);

impl Dice {
    /// Choices from a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// Choices of one's own, apart from those of others who began with the same seed.
    pub(super) fn apart(&self) -> Self {
        Self::new(self.next())
    }

    pub(super) fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a limit, which is not 0.
    pub(super) fn below(&self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Whether something happens that does so in this many of a hundred cases.
    pub(super) fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of several.
    pub(super) fn one_of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        let at = self.below(choices.len() as u64);
        &choices[usize::try_from(at).unwrap_or_default()]
    }

    /// One of several, if there are any.
    pub(super) fn any<'a, T>(&self, choices: &'a [T]) -> Option<&'a T> {
        (!choices.is_empty()).then(|| self.one_of(choices))
    }
}

impl Random for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}
