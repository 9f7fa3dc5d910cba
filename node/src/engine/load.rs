//! What the node is doing for others at this moment, so that what can wait gives way to it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How much is under way.
#[derive(Default)]
pub(super) struct Load {
    under_way: Arc<AtomicUsize>,
    begun: AtomicUsize,
}

/// Something that is under way until this is dropped.
pub(super) struct UnderWay(Arc<AtomicUsize>);

impl Load {
    /// Something begins that others wait for.
    pub(super) fn begin(&self) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.under_way))
    }

    /// How often something has begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
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

    #[test]
    fn it_is_idle_when_all_that_began_has_ended() {
        let load = Load::default();
        assert!(load.is_idle());
        let (one, other) = (load.begin(), load.begin());
        drop(one);
        assert!(!load.is_idle());
        drop(other);
        assert!(load.is_idle());
        assert_eq!(load.begun(), 2);
    }
}
