//! What the node is doing for others at this moment, so that what can wait gives way to it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// From so many leaves on, who is given them is far behind and asks for the next ones.
const MANY: u64 = 2_048;

/// For how many seconds behind the last of those that is waited for. They are sent faster than they
/// are taken in.
const ASKS_ON: u64 = 2;

/// How much is under way.
#[derive(Default)]
pub(super) struct Load {
    under_way: Arc<AtomicUsize>,
    begun: AtomicUsize,
    /// When many leaves were given last, in seconds since 1970.
    given: AtomicU64,
}

/// Something that is under way until this is dropped.
pub struct UnderWay(Arc<AtomicUsize>);

impl Load {
    /// Something begins that others wait for.
    pub(super) fn begin(&self) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.under_way))
    }

    /// Leaves are given to a member.
    pub(super) fn give(&self, leaves: u64, now: u64) -> UnderWay {
        if leaves >= MANY {
            self.given.store(now, Ordering::Relaxed);
        }
        self.begin()
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
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn who_is_far_behind_asks_for_more() {
        let load = Load::default();
        drop(load.give(MANY - 1, NOW));
        assert!(load.is_idle(NOW));
        let given = load.give(MANY, NOW);
        assert!(!load.is_idle(NOW + ASKS_ON), "it is under way");
        drop(given);
        for now in [NOW - 1, NOW, NOW + 1] {
            assert!(!load.is_idle(now), "{now}");
        }
        for now in [NOW - ASKS_ON, NOW + ASKS_ON] {
            assert!(load.is_idle(now), "{now}");
        }
    }
}
