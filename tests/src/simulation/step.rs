//! What happens in a step.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use huren_core::{audit::Actor, codes::Region};
use huren_node::engine::AppendError;
use huren_proto::v1::{self, StatusAction};

use super::world::{Certificate, World};
use crate::{
    Leaves, Shown,
    members::{REGIONS, origin},
    samples::{certificate_in, change_in, erasure_in, question_in},
};

/// Submissions in a burst at most: more than one batch takes.
const BURST: u64 = 40;
/// Seconds by which clocks go wrong; the last are more than members bear with.
const SKEWS: [i64; 6] = [-30, 0, 5, 60, 110, 400];

impl World {
    /// Lets something happen, and time pass.
    pub(super) async fn step(&mut self) -> Result<(), String> {
        match self.dice.below(100) {
            0..30 => self.issue(1),
            30..35 => {
                let count = 1 + self.dice.below(BURST);
                self.issue(count);
            }
            35 => self.issue(280),
            36..48 => self.change(),
            48..60 => self.ask().await?,
            60..66 => self.cut(),
            66..70 => {
                let (slowest, lost) = (self.dice.below(2_000), self.dice.below(20));
                self.trace
                    .note(format_args!("the network: {slowest} ms, {lost} % lost"));
                self.network.degrade(slowest, lost);
            }
            70..76 => {
                self.trace.note(format_args!("the network heals"));
                self.network.heal();
            }
            76..82 => {
                if let Some(region) = self.pick(true) {
                    self.crash(region).await;
                }
            }
            82..91 => {
                if let Some(region) = self.pick(false) {
                    self.open(region).await;
                }
            }
            91..94 => self.sicken_disk(),
            94..96 => self.set_clock(),
            96 => self.change_key().await,
            97 => self.close_stolen_key().await,
            _ => self.fork().await,
        }
        let pause = 1 + self.dice.below(*self.dice.one_of(&[20, 200, 4_000]));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok(())
    }

    /// A member that runs or does not.
    fn pick(&self, running: bool) -> Option<Region> {
        self.dice.any(&self.members(running)).copied()
    }

    /// Hands certificates in at one member, mostly new ones.
    fn issue(&mut self, count: u64) {
        let Some(home) = self.pick(true) else {
            return;
        };
        for _ in 0..count {
            let known = {
                let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
                let own = |certificate: &(usize, &Certificate)| certificate.1.home == home;
                let own = ledger.certificates.iter().enumerate().filter(own);
                own.map(|(at, _)| at).collect::<Vec<_>>()
            };
            let again = !known.is_empty() && self.dice.percent(10);
            let at = if again {
                *self.dice.one_of(&known)
            } else {
                let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
                ledger.certificates.push(Certificate {
                    home,
                    serial: u32::try_from(known.len()).unwrap_or_default() + 1,
                    placed: Vec::new(),
                    pending: 0,
                    in_doubt: false,
                });
                ledger.certificates.len() - 1
            };
            self.hand_in(at);
        }
    }

    fn hand_in(&self, at: usize) {
        let certificate = {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.certificates[at].clone()
        };
        let request = certificate_in(certificate.home, certificate.serial);
        self.submit(certificate.home, request, Some(at));
    }

    /// Changes or erases a certificate.
    fn change(&mut self) {
        let Some(Certificate { home, serial, .. }) = self.any_certificate() else {
            return;
        };
        let actions = [
            StatusAction::Revoke,
            StatusAction::Suspend,
            StatusAction::Suspend,
            StatusAction::Reinstate,
            StatusAction::Reinstate,
        ];
        let request = match self.dice.percent(15) {
            true => erasure_in(home, serial),
            false => change_in(home, *self.dice.one_of(&actions), serial),
        };
        self.submit(home, request, None);
    }

    fn any_certificate(&self) -> Option<Certificate> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        self.dice.any(&ledger.certificates).cloned()
    }

    /// Submits, and writes down what is acknowledged, whenever that is.
    fn submit(&self, home: Region, request: v1::SubmitRequest, certificate: Option<usize>) {
        let Some(engine) = self.sites[&home].engine() else {
            return;
        };
        let (ledger, trace) = (Arc::clone(&self.ledger), self.trace.clone());
        if let Some(at) = certificate {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.certificates[at].pending += 1;
        }
        self.clients.spawn(async move {
            let answer = engine.submit(&request).await;
            let answer = answer.expect("submissions are in order");
            trace.note(format_args!("{home} answers {answer:?}"));
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(placed) = answer {
                ledger.placed.push((home, placed));
            }
            let Some(at) = certificate else {
                return;
            };
            let certificate = &mut ledger.certificates[at];
            certificate.pending -= 1;
            match answer {
                Ok(placed) => certificate.acknowledge(placed),
                // A batch that failed may be in the log all the same.
                Err(AppendError::Unavailable | AppendError::Full) => certificate.in_doubt = true,
                Err(_) => {}
            }
        });
    }

    /// Asks any member about any certificate, and compares the answer with the logs.
    async fn ask(&mut self) -> Result<(), String> {
        let (Some(at), Some(certificate)) = (self.pick(true), self.any_certificate()) else {
            return Ok(());
        };
        let Some(engine) = self.sites[&at].engine() else {
            return Ok(());
        };
        let mut question = question_in(certificate.home, certificate.serial, "张三");
        question.local_only = self.dice.percent(70);
        question.want_receipt = self.dice.percent(20);
        let before = self.versions();
        let Ok(answer) = engine.verify(question).await else {
            return Ok(());
        };
        let verdict = answer.verdict;
        self.trace
            .note(format_args!("{at} says {verdict} of {certificate:?}"));
        self.observe().await?;
        self.verdicts += 1;
        // Whoever answered judged by a list that it had then.
        let by = Region::parse(&answer.answered_by).map_err(|_| "an answer by nobody")?;
        let (from, to) = (before.get(&by), self.versions());
        let versions = from.copied().unwrap_or(1)..=to.get(&by).copied().unwrap_or(u64::MAX);
        let lists = self.keyring.chain().lists().iter();
        let lists = lists.filter(|list| versions.contains(&list.list.version));
        self.truth.check_verdict(&certificate, &answer, lists)
    }

    /// The version of the trust list in force at each member that runs.
    fn versions(&self) -> BTreeMap<Region, u64> {
        let sites = self.sites.iter();
        let running = sites.filter_map(|(at, site)| Some((*at, site.engine()?)));
        running
            .map(|(at, engine)| (at, engine.trust().newest().list.version))
            .collect()
    }

    /// Cuts one direction, both, or a member off from all.
    fn cut(&mut self) {
        let (from, to) = (*self.dice.one_of(&REGIONS), *self.dice.one_of(&REGIONS));
        match self.dice.below(3) {
            0 => self.network.cut(from, to),
            1 => {
                self.network.cut(from, to);
                self.network.cut(to, from);
            }
            _ => {
                for other in REGIONS {
                    self.network.cut(from, other);
                    self.network.cut(other, from);
                }
            }
        }
        self.trace.note(format_args!("cut at {from}, {to}"));
    }

    fn sicken_disk(&mut self) {
        let region = *self.dice.one_of(&REGIONS);
        let chance = *self.dice.one_of(&[0, 10, 40]);
        self.trace
            .note(format_args!("{region}: {chance} % of writes fail"));
        self.sites[&region].disk.set_failing(chance);
    }

    fn set_clock(&mut self) {
        let region = *self.dice.one_of(&REGIONS);
        let skew = *self.dice.one_of(&SKEWS);
        self.trace
            .note(format_args!("{region}: clock off by {skew} s"));
        self.skewed = self.skewed.max(skew.unsigned_abs());
        self.sites[&region].clock.set_skew(skew);
    }

    /// A ceremony: a member stops, gets a new record key from where its log ends, and starts
    /// with the list that says so. The others learn of it by the log.
    async fn change_key(&mut self) {
        let region = *self.dice.one_of(&REGIONS);
        self.crash(region).await;
        let held = self.sites[&region].store.log(&origin(region)).await;
        let Some(held) = held.ok().flatten() else {
            return;
        };
        self.keyring.change_key(region, held.head.size);
        self.trace.note(format_args!(
            "{region}: new record key from {}",
            held.head.size
        ));
        self.open_newest(region).await;
    }

    /// A ceremony in a hurry: a member's key turns out to be stolen, and the list that closes it
    /// before records that it has signed reaches somebody while everything runs. That member
    /// goes on with its next key when it starts again.
    async fn close_stolen_key(&mut self) {
        let (of, at) = (*self.dice.one_of(&REGIONS), self.pick(true));
        let size = self.truth.log(of).len() as u64;
        let Some(engine) = at.and_then(|at| self.sites[&at].engine()) else {
            return;
        };
        if size < 4 {
            return;
        }
        let trusted = 2 + self.dice.below(size - 2);
        self.keyring.change_key(of, trusted);
        self.thefts += 1;
        let notes = self.keyring.notes();
        let notes: Vec<&[u8]> = notes.iter().map(String::as_bytes).collect();
        let taken = engine.take_trust_lists(&notes, Actor::Machine).await;
        let taken = taken.map_err(|error| error.to_string());
        self.trace.note(format_args!(
            "{of}: its key is closed from {trusted} of {size} on; {at:?} takes the list: {taken:?}"
        ));
    }

    /// The liar shows one member another history of its own log from now on.
    async fn fork(&mut self) {
        let Some(liar) = self.liar.filter(|_| !self.fork.is_shown()) else {
            return;
        };
        let leaves = self.truth.log(liar);
        if leaves.len() < 3 {
            return;
        }
        let at = 2 + usize::try_from(self.dice.below(leaves.len() as u64 - 1)).unwrap_or(0);
        let history = Shown::instead_of(liar, &Leaves(leaves.to_vec()), at);
        self.trace
            .note(format_args!("{liar} forks its log at {at}"));
        self.fork.show(Shown {
            of: liar,
            checkpoint: Some(history.checkpoint(history.size())),
            history,
            witnessed: None,
        });
    }
}
