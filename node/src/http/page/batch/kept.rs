//! Lists in memory: few, for a short while, and each for whoever knows its reference.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    bundle::{self, Receipts},
    lines::Line,
    result::{Answered, Standing},
};

/// Lists at a time, and of one network. Results and receipts of a thousand lines are a few MB.
const KEPT: usize = 16;
const PER_NETWORK: usize = 4;

/// How long one is kept, in seconds.
const TERM: u64 = 3600;

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
    pub(super) expires: u64,
    pub(super) progress: tokio::sync::Mutex<Progress>,
}

/// How far it is.
pub(super) struct Progress {
    /// What is still to be asked; what was asked is not kept.
    pub(super) waiting: VecDeque<Line>,
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
    /// Keeps a list under a reference that nobody guesses.
    ///
    /// # Errors
    /// If there are too many: the seconds until one of them is forgotten.
    pub(super) fn keep(&self, reference: &str, uploaded: Uploaded, now: u64) -> Result<(), u64> {
        let mut lists = self.current(now);
        let of_network = |list: &&Arc<List>| list.network == uploaded.network;
        if lists.len() >= KEPT || lists.values().filter(of_network).count() >= PER_NETWORK {
            let next = lists.values().map(|list| list.expires).min();
            return Err(next.unwrap_or(now).saturating_sub(now).max(1));
        }
        let list = List {
            network: uploaded.network,
            total: uploaded.lines.len(),
            expires: now + TERM,
            progress: tokio::sync::Mutex::new(Progress {
                waiting: uploaded.lines,
                answered: Vec::new(),
                receipts: Receipts::default(),
            }),
        };
        lists.insert(reference.to_owned(), Arc::new(list));
        Ok(())
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
        lists.retain(|_, list| list.expires > now);
        lists
    }
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
        assert!(lists.get("a", 1000 + TERM - 1).is_some());
        assert!(lists.get("b", 1000).is_none());
        assert!(lists.get("a", 1000 + TERM).is_none());
    }

    #[test]
    fn lists_are_few_and_of_one_network_fewer() {
        let lists = Lists::default();
        for kept in 0..PER_NETWORK {
            lists
                .keep(&format!("one {kept}"), uploaded(1), 1000)
                .unwrap();
        }
        assert_eq!(lists.keep("more", uploaded(1), 1060), Err(TERM - 60));
        for network in 2.. {
            if lists
                .keep(&format!("other {network}"), uploaded(network), 1000)
                .is_err()
            {
                assert_eq!(network as usize, 2 + KEPT - PER_NETWORK);
                break;
            }
        }
        lists.keep("more", uploaded(1), 1000 + TERM).unwrap();
    }
}
