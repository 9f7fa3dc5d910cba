//! A member that lies: about any log now and then, and about its own to one other member.

use std::sync::Arc;

use bytes::Bytes;
use huren_core::{checkpoint::Origin, merkle::Hash};
use huren_node::engine::PeerPackage;
use huren_proto::v1;

use super::dice::Dice;
use crate::{Fork, Lie};

/// How it answers one member. Clones lie alike.
#[derive(Clone)]
pub(super) struct Liar {
    dice: Arc<Dice>,
    /// Of a hundred answers so many are lies.
    chance: u64,
    /// The other history of its own log that this member is shown, once there is one.
    fork: Fork,
}

impl Liar {
    pub(super) fn new(dice: Arc<Dice>, chance: u64, fork: Fork) -> Self {
        Self { dice, chance, fork }
    }

    fn lies(&self) -> bool {
        self.dice.percent(self.chance)
    }

    /// Changes one bit of something.
    fn flip(&self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            let at = self.dice.below(bytes.len() as u64);
            bytes[usize::try_from(at).unwrap_or_default()] ^= 1 << self.dice.below(8);
        }
    }
}

impl Lie for Liar {
    fn heads(&self, heads: &mut Vec<v1::Head>) {
        self.fork.heads(heads);
        if self.lies() && !heads.is_empty() {
            let at = usize::try_from(self.dice.below(heads.len() as u64)).unwrap_or_default();
            match self.dice.below(4) {
                0 => drop(heads.remove(at)),
                1 => self.flip(&mut heads[at].checkpoint),
                2 => self.flip(&mut heads[at].witnessed),
                _ => heads[at].disclosed_size += 1 + self.dice.below(300),
            }
        }
    }

    fn consistency(
        &self,
        origin: &Origin,
        sizes: (u64, u64),
        truth: Option<Vec<Hash>>,
    ) -> Option<Vec<Hash>> {
        let mut proof = self.fork.consistency(origin, sizes, truth)?;
        if self.lies() {
            match proof.first_mut() {
                Some(hash) if self.dice.percent(50) => self.flip(&mut hash.0),
                _ => return None,
            }
        }
        Some(proof)
    }

    fn packages(&self, origin: &Origin, size: u64, packages: &mut Vec<PeerPackage>) {
        self.fork.packages(origin, size, packages);
        if !self.lies() {
            return;
        }
        let Some(last) = packages.last_mut() else {
            return;
        };
        match self.dice.below(4) {
            0 => drop(packages.pop()),
            1 => packages.reverse(),
            2 => {
                let mut entries = last.entries.to_vec();
                self.flip(&mut entries);
                last.entries = Bytes::from(entries);
            }
            _ => drop(last.proof.pop()),
        }
    }

    fn disclosures(&self, pages: &mut Vec<v1::GetDisclosuresResponse>) {
        let Some(page) = pages.last_mut().filter(|_| self.lies()) else {
            return;
        };
        match (self.dice.below(3), page.records.last_mut()) {
            (0, _) => drop(pages.pop()),
            (1, Some(record)) => {
                for disclosure in &mut record.disclosures {
                    self.flip(&mut disclosure.salt);
                }
            }
            _ => page.records.clear(),
        }
    }

    fn trust_lists(&self, lists: &mut Vec<Vec<u8>>) {
        if self.lies() {
            lists.insert(0, b"no list\n\n".to_vec());
        }
    }
}
