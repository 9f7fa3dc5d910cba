//! Lists in memory: few, for a short while, and each for whoever knows its reference.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    bundle::{self, Receipts},
    lines::Line,
    result::{Answered, Standing},
};

/// Lists at a time, and of one network. Results and receipts of a thousand lines are a few MB.
const KEPT: usize = 16;
const PER_NETWORK: usize = 4;

/// How long one is kept after somebody waited for a line of it, in seconds.
const TERM: u64 = 3600;

/// How long one is kept whose page nobody opens, in seconds.
const UNOPENED: u64 = 300;

/// Parts of a question that a line costs: one that is not confirmed a whole question, as in the
/// form. One that is confirmed tells nothing new, but makes work.
pub(super) const QUESTION: u32 = 10;
pub(super) const CONFIRMED: u32 = 1;

/// A list as it came in.
pub(super) struct Uploaded {
    pub(super) network: IpAddr,
    pub(super) lines: VecDeque<Line>,
}

/// A list.
pub(in crate::http::page) struct List {
    /// Whose allowance its lines come out of.
    pub(super) network: IpAddr,
    /// Lines in all; never none.
    pub(super) total: usize,
    /// When it is forgotten, in seconds since 1970.
    expires: AtomicU64,
    pub(super) progress: tokio::sync::Mutex<Progress>,
}

/// How far it is.
pub(super) struct Progress {
    /// What is still to be asked; what was asked is not kept.
    pub(super) waiting: VecDeque<Line>,
    /// Paid out of the allowance and not used up, in parts of a question.
    pub(super) paid: u32,
    answered: Vec<Answered>,
    receipts: Receipts,
}

impl Progress {
    pub(super) fn answered(&self) -> usize {
        self.answered.len()
    }

    /// Takes what became of the line in front.
    pub(super) fn push(&mut self, answered: Answered, receipt: Option<Vec<u8>>) {
        if let Some(receipt) = receipt {
            self.receipts.add(answered.row(), &receipt);
        }
        self.waiting.pop_front();
        self.answered.push(answered);
        if self.waiting.is_empty() {
            self.receipts.finish();
        }
    }
}

/// What became of a list.
pub(in crate::http::page) struct Tally {
    /// Lines of each kind.
    pub(in crate::http::page) counts: Vec<(Standing, usize)>,
    /// Lines that were not asked: where they stand, the code, and the sentence in both languages.
    pub(in crate::http::page) refused: Vec<(usize, &'static str, (&'static str, &'static str))>,
}

impl List {
    /// When it is forgotten, in seconds since 1970.
    pub(super) fn expires(&self) -> u64 {
        self.expires.load(Ordering::Relaxed)
    }

    pub(super) async fn tally(&self) -> Tally {
        let progress = self.progress.lock().await;
        let count = |standing| {
            let of = progress.answered.iter();
            of.filter(|answered| answered.standing() == standing)
                .count()
        };
        let refused = progress.answered.iter().filter_map(|answered| {
            let problem = answered.refusal()?;
            Some((answered.row(), problem.code(), problem.words()))
        });
        Tally {
            counts: Standing::ALL
                .map(|standing| (standing, count(standing)))
                .into(),
            refused: refused.collect(),
        }
    }

    /// A file of the results with its type; `None` until every line is answered.
    pub(super) async fn file(&self, name: &str) -> Option<(&'static str, Vec<u8>)> {
        let progress = self.progress.lock().await;
        if !progress.waiting.is_empty() {
            return None;
        }
        bundle::file(name, &progress.answered, &progress.receipts)
    }
}

/// The lists.
#[derive(Default)]
pub(in crate::http::page) struct Lists(Mutex<BTreeMap<String, Arc<List>>>);

impl Lists {
    /// Keeps a list under a reference that nobody guesses. Where all places are taken, whoever has
    /// most of them loses one to whoever has fewer.
    ///
    /// # Errors
    /// If there are too many: the seconds until one of them is forgotten.
    pub(super) fn keep(&self, reference: &str, uploaded: Uploaded, now: u64) -> Result<(), u64> {
        let mut lists = self.current(now);
        let wait = |soonest: u64| soonest.saturating_sub(now).max(1);
        let (own, soonest) = of_network(&lists, uploaded.network);
        if own >= PER_NETWORK {
            return Err(wait(soonest));
        }
        if lists.len() >= KEPT {
            let counted = |list: &Arc<List>| of_network(&lists, list.network).0;
            let first = lists.iter().max_by_key(|(_, list)| {
                let soonest = Reverse(list.expires());
                (counted(list), soonest)
            });
            match first.map(|(reference, list)| (reference.clone(), counted(list))) {
                Some((reference, most)) if most > own + 1 => lists.remove(&reference),
                _ => {
                    return Err(lists
                        .values()
                        .map(|list| wait(list.expires()))
                        .min()
                        .unwrap_or(1));
                }
            };
        }
        let list = List {
            network: uploaded.network,
            total: uploaded.lines.len(),
            expires: AtomicU64::new(now + UNOPENED),
            progress: tokio::sync::Mutex::new(Progress {
                waiting: uploaded.lines,
                paid: 0,
                answered: Vec::new(),
                receipts: Receipts::default(),
            }),
        };
        lists.insert(reference.to_owned(), Arc::new(list));
        Ok(())
    }

    /// Keeps a list for its term from now on; `None` if it is not there any more.
    pub(super) fn prolong(&self, reference: &str, now: u64) -> Option<()> {
        let lists = self.current(now);
        let expires = &lists.get(reference)?.expires;
        expires.store(now + TERM, Ordering::Relaxed);
        Some(())
    }

    /// Forgets what is over.
    pub(super) fn sweep(&self, now: u64) {
        drop(self.current(now));
    }

    pub(super) fn get(&self, reference: &str, now: u64) -> Option<Arc<List>> {
        self.current(now).get(reference).cloned()
    }

    pub(super) fn delete(&self, reference: &str) {
        self.current(0).remove(reference);
    }

    /// Those that are not over yet.
    fn current(&self, now: u64) -> MutexGuard<'_, BTreeMap<String, Arc<List>>> {
        // Whole at any time: a panic elsewhere leaves it usable.
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, list| list.expires() > now);
        lists
    }
}

/// How many a network has, and when the first of them is forgotten.
fn of_network(lists: &BTreeMap<String, Arc<List>>, network: IpAddr) -> (usize, u64) {
    let expires: Vec<u64> = lists
        .values()
        .filter(|list| list.network == network)
        .map(|list| list.expires())
        .collect();
    let soonest = expires.iter().copied().min().unwrap_or_default();
    (expires.len(), soonest)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::http::page::Problem;

    fn uploaded(network: u32) -> Uploaded {
        let line = Line {
            row: 2,
            asked: Err(Problem::Cell),
        };
        Uploaded {
            network: Ipv4Addr::from_bits(network).into(),
            lines: [line].into(),
        }
    }

    #[test]
    fn a_list_is_there_for_its_term_and_whoever_has_its_reference() {
        let lists = Lists::default();
        lists.keep("a", uploaded(1), 1000).unwrap();
        assert!(lists.get("a", 1000 + UNOPENED - 1).is_some());
        assert!(lists.get("b", 1000).is_none());
        lists.prolong("a", 1200).unwrap();
        assert!(lists.get("a", 1200 + TERM - 1).is_some());
        assert!(lists.get("a", 1200 + TERM).is_none());
        assert!(lists.prolong("a", 1200 + TERM).is_none());
    }

    #[test]
    fn a_list_that_nobody_opens_or_that_is_deleted_is_not_there() {
        let lists = Lists::default();
        lists.keep("a", uploaded(1), 1000).unwrap();
        lists.sweep(1000 + UNOPENED);
        assert!(lists.0.lock().unwrap().is_empty());
        lists.keep("b", uploaded(1), 2000).unwrap();
        lists.delete("b");
        assert!(lists.prolong("b", 2000).is_none());
    }

    #[test]
    fn lists_of_one_network_are_few() {
        let lists = Lists::default();
        for kept in 0..PER_NETWORK {
            let reference = format!("one {kept}");
            lists.keep(&reference, uploaded(1), 1000).unwrap();
        }
        lists.keep("other", uploaded(2), 900).unwrap();
        let wait = UNOPENED - 60;
        assert_eq!(lists.keep("more", uploaded(1), 1060), Err(wait));
        lists.keep("more", uploaded(1), 1000 + UNOPENED).unwrap();
    }

    #[test]
    fn who_has_many_makes_room_for_who_has_none() {
        let lists = Lists::default();
        for kept in 0..KEPT {
            let network = u32::try_from(kept / PER_NETWORK).unwrap();
            let reference = format!("{kept:02}");
            lists.keep(&reference, uploaded(network), 1000).unwrap();
            lists.prolong(&reference, 1000 + kept as u64).unwrap();
        }
        // The oldest of those who have most.
        lists.keep("new", uploaded(100), 1100).unwrap();
        assert!(lists.get("00", 1100).is_none() && lists.get("01", 1100).is_some());
        // Nobody loses the only one.
        let lists = Lists::default();
        for network in 0..KEPT {
            let reference = network.to_string();
            let network = u32::try_from(network).unwrap();
            lists.keep(&reference, uploaded(network), 1000).unwrap();
        }
        assert_eq!(lists.keep("new", uploaded(100), 1000), Err(UNOPENED));
    }
}
