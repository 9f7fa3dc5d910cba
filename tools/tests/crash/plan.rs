//! What the seed decides.

use std::{ops::RangeInclusive, time::Duration};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Chooses the seed. Its name must not begin with `HUREN_`: nodes refuse such variables if they
/// do not know them.
const VARIABLE: &str = "CRASH_SEED";

/// The seed where none is chosen: every run of the tests makes the same choices.
const SEED: u64 = 1;

/// All choices of one test, in order.
pub(crate) struct Plan {
    seed: u64,
    choices: ChaCha8Rng,
}

impl Plan {
    /// The plan of a test; tests with other names choose otherwise under the same seed.
    pub(crate) fn of(test: &str) -> Self {
        let seed = match std::env::var(VARIABLE) {
            Ok(text) => text.parse().expect("CRASH_SEED is a number below 2^64"),
            Err(_) => SEED,
        };
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        for (to, from) in key[8..].iter_mut().zip(test.bytes()) {
            *to = from;
        }
        Self {
            seed,
            choices: ChaCha8Rng::from_seed(key),
        }
    }

    /// How to get the same choices again.
    pub(crate) fn how_to_repeat(&self) -> String {
        format!("{VARIABLE}={}", self.seed)
    }

    /// A number from a range.
    pub(crate) fn number(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.choices.random_range(range)
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.number(1..=n) == 1
    }

    /// A time from 1 µs up to `longest`; each order of magnitude is as likely as the others, as
    /// most steps of a node are much shorter than the longest.
    pub(crate) fn delay(&mut self, longest: Duration) -> Duration {
        let micros = longest.as_secs_f64() * 1e6;
        Duration::from_secs_f64(micros.powf(self.choices.random()) / 1e6)
    }
}

/// Lets a delay of the plan pass. Blocks the thread, as timers of the runtime are too coarse;
/// clients and nodes go on meanwhile.
pub(crate) fn pass(delay: Duration) {
    std::thread::sleep(delay);
}
