//! The end of a game: nothing is wrong any more, and everything has to come together.

use std::{sync::PoisonError, time::Duration};

use huren_core::{
    audit::Actor,
    codes::Region,
    register::{Changes, CheckedLeaf, Fold, Targets},
};
use huren_proto::v1::{StatusAction, Verdict};
use huren_store::Store;

use super::{
    truth::{Standing, hold},
    world::World,
};
use crate::{
    audit::leaves,
    members::{REGIONS, origin},
    samples::question_in,
};

/// Certificates that everybody is asked about at the end.
const ASKED: u64 = 12;

impl World {
    /// Repairs everything, waits until all members know the same, and looks through all of it.
    pub(super) async fn come_together(&mut self) -> Result<(), String> {
        self.trace.note(format_args!("everything is repaired"));
        self.network.heal();
        for site in self.sites.values() {
            site.disk.set_failing(0);
            site.clock.set_skew(0);
        }
        for region in self.with_former_keys() {
            self.crash(region).await;
        }
        for region in REGIONS {
            if !self.is_running(region) {
                self.open(region).await;
            }
        }
        self.clients.close();
        self.install_lists().await?;
        let mut waited = 0;
        while let Some(apart) = self.apart() {
            hold!(
                waited < Self::LIVELINESS,
                "after {waited} s without faults: {apart}"
            );
            waited += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.check().await?;
        }
        self.trace.note(format_args!("together after {waited} s"));
        for of in self.honest() {
            self.look_through(of).await?;
        }
        self.ask_around().await
    }

    /// A member's operator installs the newest list, from where it reaches the others: who had
    /// it until now may be the liar, whose log nobody follows any more.
    async fn install_lists(&self) -> Result<(), String> {
        let first = self.honest()[0];
        let engine = self.sites[&first].engine();
        let engine = engine.ok_or(format!("{first} does not start"))?;
        let lists = self.keyring.notes();
        let lists: Vec<&[u8]> = lists.iter().map(String::as_bytes).collect();
        let taken = engine.take_trust_lists(&lists, Actor::Machine).await;
        taken.map(|_| ()).map_err(|error| error.to_string())
    }

    fn honest(&self) -> Vec<Region> {
        let mut honest = REGIONS.to_vec();
        honest.retain(|region| self.liar != Some(*region));
        honest
    }

    /// What is not yet as it should be.
    fn apart(&self) -> Option<String> {
        if !self.clients.is_empty() {
            return Some("a submission is not answered".into());
        }
        for (at, site) in &self.sites {
            let Some(engine) = site.engine() else {
                return Some(format!("{at} does not run"));
            };
            let version = engine.trust().newest().list.version;
            if version != self.keyring.chain().newest().list.version {
                return Some(format!("{at} has list {version}"));
            }
            if !engine.is_writable() && self.liar != Some(*at) {
                return Some(format!("the log of {at} takes nothing"));
            }
            for of in self.honest() {
                let size = self.truth.log(of).len() as u64;
                let entry = engine.book().entry(&origin(of));
                let Some(entry) = entry else {
                    return Some(format!("{at} has no log of {of}"));
                };
                let (state, view) = (&entry.state, &entry.view);
                let sizes = [
                    state.head.size,
                    state.folded,
                    state.disclosed,
                    view.witnessed_size,
                ];
                if sizes != [size; 4] {
                    return Some(format!(
                        "{at} has {sizes:?} (head, folded, disclosed, witnessed) of {size} leaves of {of}"
                    ));
                }
            }
        }
        None
    }

    /// Every leaf is everywhere as it was written, and every register is what a fold from the
    /// first leaf on gives.
    async fn look_through(&self, of: Region) -> Result<(), String> {
        let (log, truth, chain) = (origin(of), self.truth.log(of), self.keyring.chain());
        let mut fold = Fold::new(chain, &log, 0, 0, Targets::default());
        for leaf in truth {
            let checked = CheckedLeaf::check(chain, &log, leaf);
            fold.step(checked).map_err(|needs| needs.to_string())?;
        }
        let made = fold.finish();
        for (at, site) in &self.sites {
            let held = leaves(site.store.as_ref(), of, truth.len() as u64).await;
            hold!(held.0 == truth, "{at} holds other leaves of {of}");
            let register = register(site.store.as_ref(), of, &made).await;
            register.map_err(|what| format!("the register of {of} at {at}: {what}"))?;
        }
        Ok(())
    }

    /// Every member answers alike for certificates that were acknowledged.
    async fn ask_around(&mut self) -> Result<(), String> {
        let certificates = {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.certificates.clone()
        };
        for _ in 0..ASKED {
            let Some(certificate) = self.dice.any(&certificates) else {
                return Ok(());
            };
            let size = self.truth.log(certificate.home).len() as u64;
            let Some((standing, is_spoiled)) =
                self.truth
                    .standing(certificate, size, self.keyring.chain().newest())
            else {
                continue;
            };
            if self.liar == Some(certificate.home) {
                continue;
            }
            let expected = match standing {
                Standing::InForce(_) => Verdict::Valid,
                Standing::Moved(StatusAction::Revoke) => Verdict::Revoked,
                Standing::Moved(StatusAction::Suspend) => Verdict::Suspended,
                Standing::Erased => Verdict::Unknown,
                Standing::Quarantined => Verdict::NotFound,
                other => return Err(format!("{certificate:?} is {other:?} at the end")),
            };
            for (at, site) in &self.sites {
                let Some(engine) = site.engine() else {
                    continue;
                };
                let mut question = question_in(certificate.home, certificate.serial, "张三");
                question.want_receipt = false;
                // Of what is erased only its home knows for sure that it was there.
                question.local_only = standing != Standing::Erased;
                let answer = engine.verify(question).await;
                let answer = answer.map_err(|error| error.to_string())?;
                let reasons: Vec<_> = answer.reasons.iter().map(|r| r.code.as_str()).collect();
                let is_gone =
                    is_spoiled && [Verdict::Unknown, Verdict::NotFound].contains(&answer.verdict());
                hold!(
                    answer.verdict == expected as i32 || is_gone,
                    "at the end {at} says {:?} {reasons:?} of {certificate:?}, which is {expected:?}",
                    answer.verdict
                );
                self.verdicts += 1;
            }
        }
        Ok(())
    }
}

/// Compares a register with what a fold gave.
async fn register(store: &dyn Store, of: Region, made: &Changes) -> Result<(), String> {
    let log = &origin(of);
    let failed = |error: huren_store::Error| error.to_string();
    let adoptions = store.adoptions(log).await.map_err(failed)?;
    hold!(adoptions == made.adoptions, "adoptions {adoptions:?}");
    let (count, quarantined) = store.quarantined(log, 0, 1_000).await.map_err(failed)?;
    hold!(
        count == made.quarantined.len() as u64 && quarantined == made.quarantined,
        "quarantined {quarantined:?}"
    );
    let hashes: Vec<_> = made.certificates.iter().map(|row| row.leaf).collect();
    let targets = store.targets(log, &hashes).await.map_err(failed)?;
    hold!(
        targets.len() == hashes.len(),
        "{} certificates",
        targets.len()
    );
    for row in &made.certificates {
        let target = &targets[&row.leaf];
        hold!(
            (target.index, target.writer_region) == (row.index, row.writer_region),
            "certificate {target:?}"
        );
        let statuses = store
            .statuses(log, row.index..row.index + 1)
            .await
            .map_err(failed)?;
        let of_target = made.statuses.iter().filter(|s| s.target_index == row.index);
        hold!(statuses.iter().eq(of_target), "statuses {statuses:?}");
        hold!(
            target.last_status == statuses.last().map(|status| status.leaf),
            "last status of {target:?}"
        );
    }
    let size = made.certificates.last().map_or(0, |row| row.index + 1);
    let mut erased = store.erased(log, 0..size).await.map_err(failed)?;
    let rows = made.erasures.iter();
    let mut expected: Vec<_> = rows.map(|e| (e.target_index, e.groups.clone())).collect();
    erased.sort();
    expected.sort();
    hold!(erased == expected, "erasures {erased:?}");
    Ok(())
}
