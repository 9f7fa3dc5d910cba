//! Time and randomness as arguments: tests bring their own.

use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;

/// What the engine knows of time.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970, UTC.
    fn now(&self) -> u64;

    /// Returns after that time has passed.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> u64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the clock"
        )]
        let now = std::time::SystemTime::now();
        now.duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Where salts and nonces come from.
pub trait Random: Send + Sync + 'static {
    /// Fills with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator, stretched by a thread-local cipher.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        rand::RngCore::fill_bytes(&mut rand::rng(), bytes);
    }
}

/// An array of random bytes.
pub(crate) fn random<const N: usize>(source: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    source.fill(&mut bytes);
    bytes
}
