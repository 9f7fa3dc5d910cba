//! A member that shows another history of a log to some.

use std::sync::{Arc, OnceLock};

use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    codes::Region,
    merkle::Hash,
};
use huren_node::engine::PeerPackage;
use huren_proto::v1;

use crate::{History, Leaves, Lie, origin};

/// Tells the truth until it is told to show a fork. Clones are the same liar.
#[derive(Clone, Default)]
pub struct Fork(Arc<OnceLock<Shown>>);

/// What is shown.
pub struct Shown {
    /// The log.
    pub of: Region,
    /// Its other history.
    pub history: History,
    /// The head shown, or nothing in its place but the true one.
    pub checkpoint: Option<SignedCheckpoint>,
    /// What a quorum is said to have cosigned, if it is not the truth.
    pub witnessed: Option<SignedCheckpoint>,
}

impl Shown {
    /// Another history of a log: the first `size` leaves are those of the true one but for the
    /// last, behind which others follow.
    pub fn instead_of(of: Region, truth: &Leaves, size: usize) -> History {
        let mut leaves = truth.0[..size - 1].to_vec();
        leaves.extend((0..4).map(|n| vec![n]));
        History::new(of, leaves)
    }
}

impl Fork {
    /// Shows this from now on.
    pub fn show(&self, shown: Shown) {
        let is_first = self.0.set(shown).is_ok();
        assert!(is_first, "one fork is enough");
    }

    /// Whether it shows one.
    pub(crate) fn is_shown(&self) -> bool {
        self.0.get().is_some()
    }

    fn of(&self, log: &Origin) -> Option<&Shown> {
        self.0.get().filter(|shown| origin(shown.of) == *log)
    }
}

impl Lie for Fork {
    fn heads(&self, heads: &mut Vec<v1::Head>) {
        let Some(shown) = self.0.get() else {
            return;
        };
        let name = origin(shown.of).to_string();
        for head in heads.iter_mut().filter(|head| head.origin == name) {
            if let Some(checkpoint) = &shown.checkpoint {
                head.checkpoint = checkpoint.to_string().into_bytes();
            }
            if let Some(witnessed) = &shown.witnessed {
                head.witnessed = witnessed.to_string().into_bytes();
            }
        }
    }

    fn consistency(
        &self,
        log: &Origin,
        (old, new): (u64, u64),
        truth: Option<Vec<Hash>>,
    ) -> Option<Vec<Hash>> {
        match self.of(log) {
            Some(shown) => shown.history.consistency(old, new),
            None => truth,
        }
    }

    fn packages(&self, log: &Origin, size: u64, packages: &mut Vec<PeerPackage>) {
        if let Some(shown) = self.of(log)
            && size <= shown.history.size()
        {
            *packages = vec![shown.history.package(0, size)];
        }
    }
}
