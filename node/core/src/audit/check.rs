//! Following a chain, and holding it against what the log says of it.

use std::collections::BTreeMap;

use crate::merkle::Hash;

use super::{AuditAction, Broken, ChainHead, Fault, Link};

/// A statement of the public log about the chain (`KIND_AUDIT_ANCHOR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The newest entry at that time, from 1.
    pub sequence: u64,
    /// Its hash.
    pub digest: Hash,
}

/// A chain being checked from its start, against the anchors of the log.
///
/// A database that was restored from a backup lacks the entries behind it, and goes on with others
/// in their places, the first of which says so. The anchors of what was lost stay in the log:
/// those are told apart from a chain that somebody wrote anew by the order of the log, in which
/// none of them comes behind an anchor of what was written since.
#[derive(Debug)]
pub struct Check {
    head: ChainHead,
    /// In the order of the log.
    anchors: Vec<Anchor>,
    /// Whether the chain holds what the anchor says, for each of them.
    holds: Vec<bool>,
    /// Places of anchors by the entry that they speak of.
    places: BTreeMap<u64, Vec<usize>>,
    /// For each restored backup, how many entries came out of it.
    restored: Vec<u64>,
}

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedChain {
    /// How far it goes.
    pub head: ChainHead,
    /// Up to which entry the log speaks for it. What comes behind could still have been written
    /// anew by whoever holds the node.
    pub anchored: u64,
    /// Where it goes on from a restored backup.
    pub restored: Vec<Restored>,
}

/// What a chain lacks since a backup was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The last entry that came out of the backup.
    pub kept: u64,
    /// The last entry that the log is known to speak of and that is lost; `kept` for none.
    pub lost: u64,
}

impl Check {
    /// Starts at the first entry, with the anchors in the order of the log.
    pub fn new(anchors: Vec<Anchor>) -> Self {
        let mut places = BTreeMap::<u64, Vec<usize>>::new();
        for (place, anchor) in anchors.iter().enumerate() {
            places.entry(anchor.sequence).or_default().push(place);
        }
        Self {
            head: ChainHead::EMPTY,
            holds: vec![false; anchors.len()],
            anchors,
            places,
            restored: Vec::new(),
        }
    }

    /// Takes the next links.
    ///
    /// # Errors
    /// [`Broken`] at the first that does not hold.
    pub fn take(&mut self, links: &[Link]) -> Result<(), Broken> {
        for link in links {
            self.head = self.head.follow(link)?;
            let entry = link.read()?;
            let is_mark = entry.action == i32::from(AuditAction::BackupRestored);
            if is_mark && entry.size < entry.sequence {
                self.restored.push(entry.size);
            }
            let places = self.places.get(&link.sequence);
            for place in places.into_iter().flatten().copied() {
                self.holds[place] = self.anchors[place].digest == link.hash;
            }
        }
        Ok(())
    }

    /// How far the chain was followed.
    pub const fn head(&self) -> ChainHead {
        self.head
    }

    /// Ends where the chain ends.
    ///
    /// # Errors
    /// [`Broken`] if the log speaks of entries that did not come, and no backup was restored that
    /// explains it.
    pub fn finish(self) -> Result<CheckedChain, Broken> {
        let mut restored: Vec<Restored> = self
            .restored
            .iter()
            .map(|&kept| Restored { kept, lost: kept })
            .collect();
        // Over all anchors before this one, in the order of the log.
        let mut anchored = 0;
        for (anchor, holds) in self.anchors.iter().zip(&self.holds) {
            if *holds {
                anchored = anchored.max(anchor.sequence);
                continue;
            }
            let explains = |mark: &&mut Restored| (anchored..anchor.sequence).contains(&mark.kept);
            let Some(mark) = restored.iter_mut().find(explains) else {
                let fault = if anchor.sequence > self.head.sequence {
                    Fault::Truncated
                } else {
                    Fault::OtherAnchored
                };
                return Err(Broken {
                    sequence: anchor.sequence,
                    fault,
                });
            };
            mark.lost = mark.lost.max(anchor.sequence);
        }
        Ok(CheckedChain {
            head: self.head,
            anchored,
            restored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Act, Actor, DONE, Purpose};

    fn chain(length: u64) -> Vec<Link> {
        let mut head = ChainHead::EMPTY;
        let links = (1..=length).map(|n| {
            let act = Act::new(Actor::Caller("hr".into()), AuditAction::CertificatesQueried)
                .outcome(DONE)
                .purpose(Purpose::Subsidy)
                .size(n);
            let link = head.link(&act, 1_800_000_000 + n);
            head = head.follow(&link).unwrap();
            link
        });
        links.collect()
    }

    fn anchor(link: &Link) -> Anchor {
        Anchor {
            sequence: link.sequence,
            digest: link.hash,
        }
    }

    fn verify(links: &[Link], anchors: &[Anchor]) -> Result<CheckedChain, Broken> {
        let mut check = Check::new(anchors.to_vec());
        check.take(links)?;
        check.finish()
    }

    #[test]
    fn a_chain_holds_up_to_its_anchors() {
        let links = chain(9);
        let checked = verify(&links, &[anchor(&links[6]), anchor(&links[2])]).unwrap();
        assert_eq!((checked.head.sequence, checked.anchored), (9, 7));
        assert_eq!(verify(&[], &[]).unwrap().head, ChainHead::EMPTY);
    }

    #[test]
    fn what_was_done_to_a_chain_shows() {
        let (links, anchors) = (chain(9), [anchor(&chain(9)[6])]);
        let check = |links: &[Link], sequence, fault| {
            assert_eq!(verify(links, &anchors), Err(Broken { sequence, fault }));
        };
        let changed = |change: fn(&mut Vec<Link>)| {
            let mut links = links.clone();
            change(&mut links);
            links
        };
        let at = |change: fn(&mut Link)| {
            let mut links = links.clone();
            change(&mut links[3]);
            links
        };
        // Changed, with and without its hash.
        check(&at(|link| link.entry[4] ^= 1), 4, Fault::Altered);
        check(&at(|link| link.hash.0[0] ^= 1), 4, Fault::Altered);
        check(&at(|link| link.entry.truncate(3)), 4, Fault::Unreadable);
        // Dropped, also with the rest renumbered; moved; repeated.
        check(&changed(|links| drop(links.remove(3))), 4, Fault::Missing);
        let renumbered = changed(|links| {
            links.remove(3);
            links
                .iter_mut()
                .zip(1..)
                .for_each(|(link, n)| link.sequence = n);
        });
        check(&renumbered, 4, Fault::Altered);
        check(&changed(|links| links.swap(3, 4)), 4, Fault::Missing);
        let repeated = changed(|links| links.insert(4, links[3].clone()));
        check(&repeated, 5, Fault::Missing);
        // Cut off, at its end and at its start.
        check(&links[..5], 7, Fault::Truncated);
        check(&links[1..], 1, Fault::Missing);
    }

    #[test]
    fn a_chain_written_anew_does_not_fit_its_anchors() {
        let mut head = ChainHead::EMPTY;
        let anew: Vec<Link> = (1..=9)
            .map(|n| {
                let act = Act::new(Actor::Node, AuditAction::NodeStarted);
                let link = head.link(&act, n);
                head = (&link).into();
                link
            })
            .collect();
        let expected = Broken {
            sequence: 7,
            fault: Fault::OtherAnchored,
        };
        assert_eq!(verify(&anew, &[anchor(&chain(9)[6])]), Err(expected));
        let none = Anchor {
            sequence: 0,
            digest: Hash([0; 32]),
        };
        assert!(verify(&chain(2), &[none]).is_err());
    }

    /// Three entries out of a backup, then what says so, then others.
    fn restored() -> Vec<Link> {
        let mut links = chain(3);
        let mut head = ChainHead::from(&links[2]);
        let mark = Act::new(Actor::Machine, AuditAction::BackupRestored).size(3);
        let later = Act::new(Actor::Node, AuditAction::NodeStarted);
        for act in [&mark, &later, &later, &later, &later] {
            let link = head.link(act, 1_900_000_000);
            head = (&link).into();
            links.push(link);
        }
        links
    }

    #[test]
    fn what_a_restored_backup_lacks_is_told_and_nothing_else_passes() {
        let (before, links) = (chain(20), restored());
        let check = |anchors: &[&Link], expected: Result<(u64, u64), (u64, Fault)>| {
            let anchors: Vec<Anchor> = anchors.iter().map(|link| anchor(link)).collect();
            let found = verify(&links, &anchors);
            let found = found.map(|chain| (chain.anchored, chain.restored[0].lost));
            assert_eq!(found.map_err(|b| (b.sequence, b.fault)), expected);
        };
        let (own, lost) = (&links, &before);
        check(&[&own[1]], Ok((2, 3)));
        check(&[&own[1], &lost[4], &lost[19]], Ok((2, 20)));
        check(&[&own[1], &lost[4], &lost[19], &own[6]], Ok((7, 20)));
        // The log spoke of what came since already.
        let anew = (20, Fault::Truncated);
        check(&[&own[1], &own[4], &lost[19]], Err(anew));
        check(&[&own[4], &lost[5]], Err((6, Fault::OtherAnchored)));
        // What came out of the backup must be what the log speaks of.
        let mut other = before[1].clone();
        other.hash.0[0] ^= 1;
        check(&[&other], Err((2, Fault::OtherAnchored)));
    }
}
