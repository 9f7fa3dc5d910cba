//! What the node is doing for others at this moment, so that what can wait gives way to it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use huren_core::replicate::PACKAGE;

use super::{clock::Clock, replicate::RUN};

/// From so many leaves on, who is given them is far behind and asks for the next ones: a run of
/// packages.
const MANY: u64 = RUN as u64 * PACKAGE;

/// For how many seconds that is waited for once they were sent, which goes faster than taking them in.
const ASKS_ON: u64 = 2;

/// How much is under way.
#[derive(Default)]
pub(super) struct Load {
    under_way: Arc<AtomicUsize>,
    begun: AtomicUsize,
    /// When many leaves were given last, in seconds since 1970.
    given: Arc<AtomicU64>,
}

/// Something that is under way until this is dropped.
pub struct UnderWay {
    all: Arc<AtomicUsize>,
    ends: Option<Ends>,
}

/// Where it is noted when something ends, and by which clock.
type Ends = (Arc<AtomicU64>, Arc<dyn Clock>);

impl Load {
    /// Something begins that others wait for.
    pub(super) fn begin(&self) -> UnderWay {
        self.count(None)
    }

    /// Leaves are given to a member.
    pub(super) fn giving(&self, leaves: u64, clock: &Arc<dyn Clock>) -> UnderWay {
        let ends = || (Arc::clone(&self.given), Arc::clone(clock));
        self.count((leaves >= MANY).then(ends))
    }

    fn count(&self, ends: Option<Ends>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay {
            all: Arc::clone(&self.under_way),
            ends,
        }
    }

    /// How often something has begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        // Should the clock be set back, not until it comes there again.
        let asks_on = now.abs_diff(self.given.load(Ordering::Relaxed)) < ASKS_ON;
        self.under_way.load(Ordering::Relaxed) == 0 && !asks_on
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some((given, clock)) = &self.ends {
            given.store(clock.now(), Ordering::Relaxed);
        }
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn it_is_idle_when_all_that_began_has_ended() {
        let load = Load::default();
        assert!(load.is_idle(NOW));
        let (one, other) = (load.begin(), load.begin());
        drop(one);
        assert!(!load.is_idle(NOW));
        drop(other);
        assert!(load.is_idle(NOW));
        assert_eq!(load.begun(), 2);
    }

    /// Goes to the next second with every look.
    struct Ticking(AtomicU64);

    #[async_trait]
    impl Clock for Ticking {
        fn now(&self) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed)
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn who_is_far_behind_asks_for_more() {
        let load = Load::default();
        let clock: Arc<dyn Clock> = Arc::new(Ticking(AtomicU64::new(NOW)));
        drop(load.giving(MANY - 1, &clock));
        assert!(load.is_idle(NOW));
        let given = load.giving(MANY, &clock);
        let begun = NOW;
        clock.now();
        assert!(!load.is_idle(begun + 99), "it is under way");
        drop(given);
        let ended = begun + 1;
        for now in [ended - 1, ended, ended + ASKS_ON - 1] {
            assert!(!load.is_idle(now), "{now}");
        }
        for now in [ended - ASKS_ON, ended + ASKS_ON] {
            assert!(load.is_idle(now), "{now}");
        }
    }
}
