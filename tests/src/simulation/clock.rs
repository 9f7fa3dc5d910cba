//! A member's clock: virtual time, and as wrong as its operator left it.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use huren_node::engine::Clock;
use tokio::time::Instant;

/// Where clocks start: 2027-01-15, behind every date in the samples.
const START: i64 = 1_800_000_000;

/// A clock that shows the runtime's virtual time, wrong by some seconds.
pub(super) struct SkewedClock {
    start: Instant,
    /// Seconds by which it is ahead.
    skew: AtomicI64,
}

impl SkewedClock {
    /// A clock that is right.
    pub(super) fn new(start: Instant) -> Self {
        let skew = AtomicI64::new(0);
        Self { start, skew }
    }

    /// Sets it wrong.
    pub(super) fn set_skew(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::Relaxed);
    }

    /// Seconds since 1970 as a right clock shows them.
    pub(super) fn truth(start: Instant) -> u64 {
        START.unsigned_abs() + start.elapsed().as_secs()
    }
}

#[async_trait]
impl Clock for SkewedClock {
    fn now(&self) -> u64 {
        let skew = self.skew.load(Ordering::Relaxed);
        Self::truth(self.start).saturating_add_signed(skew)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
