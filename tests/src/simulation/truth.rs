//! What every log really holds, as far as anybody has seen it, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};

use huren_core::{
    codes::Region,
    merkle::{Hash, decode_bundle, empty_root, leaf_hash, root_of},
    record::{Body, UnverifiedRecord},
    replicate::PACKAGE,
    trust::SignedTrustList,
    verdict::LogView,
};
use huren_node::engine::Placed;
use huren_proto::v1::{self, StatusAction, Verdict};
use huren_store::{Head, HighWater, LogState, Store};

use super::{
    clock::SkewedClock,
    world::{Certificate, RECOSIGN, World},
};
use crate::members::{REGIONS, origin};

/// The logs, and what was seen of them.
pub(super) struct Truth {
    liar: Option<Region>,
    logs: BTreeMap<Region, Log>,
    /// The heads that each member's replica of each log had last.
    heads: BTreeMap<(Region, Region), Head>,
    /// Members at which a log is frozen.
    frozen: BTreeSet<(Region, Region)>,
}

#[derive(Default)]
struct Log {
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    /// When a quorum was first seen behind a size, in seconds since 1970: sizes and times grow.
    witnessed: Vec<(u64, u64)>,
}

/// Fails with a sentence unless something holds.
macro_rules! hold {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err(format!($($what)*));
        }
    };
}
pub(super) use hold;

impl Truth {
    pub(super) fn new(liar: Option<Region>) -> Self {
        Self {
            liar,
            logs: REGIONS.map(|region| (region, Log::default())).into(),
            heads: BTreeMap::new(),
            frozen: BTreeSet::new(),
        }
    }

    /// The leaves of a log, as its own member has them.
    pub(super) fn log(&self, of: Region) -> &[Vec<u8>] {
        &self.logs[&of].leaves
    }

    pub(super) fn leaves(&self) -> u64 {
        self.logs.values().map(|log| log.leaves.len() as u64).sum()
    }

    pub(super) fn frozen(&self) -> u64 {
        self.frozen.len() as u64
    }

    /// A replica as a store has it. None goes backwards, and but for a liar's all are of one
    /// history, whose leaves are taken down from whoever has them first.
    async fn see(
        &mut self,
        at: Region,
        of: Region,
        state: &LogState,
        store: &dyn Store,
    ) -> Result<(), String> {
        let head = state.head;
        let before = self.heads.insert((at, of), head);
        let before = before.unwrap_or(Head {
            size: 0,
            root: empty_root(),
        });
        if state.frozen.is_some() {
            self.frozen.insert((at, of));
            hold!(
                self.liar == Some(of),
                "the log {of} is frozen at {at}, and nobody lied"
            );
        }
        if head == before {
            return Ok(());
        }
        hold!(
            head.size > before.size,
            "the log {of} at {at} went from size {} to {}, or to another root",
            before.size,
            head.size
        );
        // Of a liar's log the others may have seen another history.
        let is_only_one = self.liar != Some(of) || at == of;
        if !is_only_one {
            return Ok(());
        }
        let log = self.logs.entry(of).or_default();
        let known = log.hashes.len() as u64;
        if head.size > known {
            for number in known / PACKAGE..head.size.div_ceil(PACKAGE) {
                let bundle = store.bundle(&origin(of), number).await;
                let bundle = bundle.ok().flatten();
                let bundle = bundle.ok_or(format!("{at} has no bundle {number} of {of}"))?;
                let entries = decode_bundle(&bundle.entries).map_err(|error| error.to_string())?;
                for (index, entry) in (number * PACKAGE..head.size).zip(entries) {
                    if index >= log.hashes.len() as u64 {
                        log.hashes.push(leaf_hash(entry));
                        log.leaves.push(entry.to_vec());
                    }
                }
            }
        }
        let held = usize::try_from(head.size).unwrap_or(usize::MAX);
        let held = log.hashes.get(..held);
        let held = held.ok_or(format!("{at} has not all leaves of {of}"))?;
        hold!(
            root_of(held) == head.root,
            "the log {of} at {at} has another history of {} leaves",
            head.size
        );
        Ok(())
    }

    /// When a quorum was first seen behind more than a size of a log.
    fn beyond(&self, of: Region, size: u64) -> Option<u64> {
        let witnessed = self.logs[&of].witnessed.iter();
        witnessed.clone().find(|(w, _)| *w > size).map(|(_, t)| *t)
    }

    /// An age is not made younger than it is: whoever knows a log up to a size knows it as of
    /// a time at which no quorum stood behind more.
    fn check_view(
        &mut self,
        (at, of): (Region, Region),
        view: &LogView,
        (now, skewed): (u64, u64),
    ) -> Result<(), String> {
        if self.liar == Some(of) {
            return Ok(());
        }
        let witnessed = &mut self.logs.entry(of).or_default().witnessed;
        if witnessed
            .last()
            .is_none_or(|(w, _)| *w < view.witnessed_size)
        {
            witnessed.push((view.witnessed_size, now));
        }
        let Some(time) = view.quorum_time else {
            return Ok(());
        };
        hold!(
            time <= now + skewed,
            "{at} knows the log {of} as of {time}, which is to come"
        );
        if let Some(beyond) = self.beyond(of, view.size) {
            hold!(
                time <= beyond + skewed + 1,
                "{at} knows the log {of} up to {} as of {time}, but a quorum stood behind more at {beyond}",
                view.size
            );
        }
        Ok(())
    }

    /// An answer fits the log at the sizes that it names.
    pub(super) fn check_verdict<'a>(
        &self,
        certificate: &Certificate,
        answer: &v1::VerifyResponse,
        lists: impl Iterator<Item = &'a SignedTrustList>,
    ) -> Result<(), String> {
        let home = certificate.home;
        if self.liar == Some(home) {
            return Ok(());
        }
        let name = origin(home).to_string();
        let extent = answer.as_of.iter().find(|extent| extent.origin == name);
        let extent = extent.ok_or(format!("an answer without the extent of {home}"))?;
        let says = Verdict::try_from(answer.verdict).unwrap_or_default();
        let standings: Option<Vec<Judged>> = lists
            .map(|list| self.standing(certificate, extent.size, list))
            .collect();
        let Some(standings) = standings else {
            // Not acknowledged: it may be there or not, but not twice.
            return Ok(());
        };
        let witnessed = |index: u64| index < extent.witnessed_size;
        let may = |(expected, is_spoiled): &Judged| match says {
            Verdict::Valid => {
                matches!(expected, Standing::InForce(at) if witnessed(*at))
                    && extent.age_seconds.is_some()
            }
            Verdict::Pending => matches!(expected, Standing::InForce(_)),
            Verdict::Revoked => *expected == Standing::Moved(StatusAction::Revoke),
            Verdict::Suspended => *expected == Standing::Moved(StatusAction::Suspend),
            // Who took the disclosures behind the erasure never had what opens the number.
            Verdict::NotFound => {
                *is_spoiled
                    || matches!(
                        expected,
                        Standing::Absent | Standing::Erased | Standing::Quarantined
                    )
            }
            Verdict::Unknown => true,
            _ => false,
        };
        hold!(
            standings.iter().any(may),
            "{says:?} of {certificate:?}, which is {standings:?} at size {} (witnessed {})",
            extent.size,
            extent.witnessed_size
        );
        Ok(())
    }

    /// Where an acknowledged certificate stands in the first `size` leaves of its log, judged
    /// by a trust list; `None` if that cannot be told.
    ///
    /// This is a judgement apart from the fold's: every leaf here was written by a sound node,
    /// so what a list takes away is all that has to be found out.
    pub(super) fn standing(
        &self,
        certificate: &Certificate,
        size: u64,
        list: &SignedTrustList,
    ) -> Option<Judged> {
        let log = &self.logs[&certificate.home];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let leaves = log.leaves.get(..size)?;
        let placed = certificate.placed.iter().rev();
        let mut standings = placed.map(|placed| {
            let origin = origin(certificate.home);
            let counts = |index: usize, record: &UnverifiedRecord| {
                let envelope = record.envelope();
                let (kind, writer) = (envelope.kind, &envelope.writer_region);
                let authority = list.authority();
                record.key_id().is_some_and(|key| {
                    let checked = authority.check(&origin, &key, index as u64, kind, writer);
                    checked.is_ok()
                })
            };
            stands(leaves, placed, counts)
        });
        let of_no_effect =
            |judged: &Judged| matches!(judged.0, Standing::Absent | Standing::Quarantined);
        let first = standings.next()?;
        let standing = match of_no_effect(&first) {
            true => standings.find(|s| !of_no_effect(s)).unwrap_or(first),
            false => first,
        };
        let is_told = certificate.pending == 0 && !certificate.in_doubt;
        (!of_no_effect(&standing) || is_told).then_some(standing)
    }
}

/// Where the certificate of one leaf stands, by the leaves that count.
fn stands(
    leaves: &[Vec<u8>],
    placed: &Placed,
    counts: impl Fn(usize, &UnverifiedRecord) -> bool,
) -> Judged {
    let (mut moved, mut last_status) = (None, None);
    let (mut erased, mut is_spoiled) = (false, false);
    let at = usize::try_from(placed.index).unwrap_or(usize::MAX);
    if at >= leaves.len() {
        return (Standing::Absent, false);
    }
    for (index, leaf) in leaves.iter().enumerate().skip(at) {
        let Ok(record) = UnverifiedRecord::read(leaf) else {
            continue;
        };
        if index == at && !counts(index, &record) {
            return (Standing::Quarantined, false);
        }
        if record.envelope().target != Some(placed.leaf) {
            continue;
        }
        match record.body() {
            Body::Erasure(_) => match counts(index, &record) {
                true => erased = true,
                false => is_spoiled = true,
            },
            _ if !counts(index, &record) => {}
            Body::StatusChange { action, .. } if record.envelope().previous == last_status => {
                last_status = Some(leaf_hash(leaf));
                moved = Some((*action, index as u64));
            }
            _ => {}
        }
    }
    let standing = match (erased, moved) {
        (true, _) => Standing::Erased,
        (false, None) => Standing::InForce(placed.index),
        (false, Some((StatusAction::Reinstate, at))) => Standing::InForce(at),
        (false, Some((action, _))) => Standing::Moved(action),
    };
    (standing, is_spoiled)
}

/// Where a certificate stands, and whether a thief has had it erased: that does not count, and
/// what opens it is gone all the same at whoever knew of the erasure before of the theft.
type Judged = (Standing, bool);

/// Where a certificate stands by its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not in it yet.
    Absent,
    /// A list took its effect away.
    Quarantined,
    /// Nothing moved it, or it was reinstated: what says so last stands at that index.
    InForce(u64),
    /// The last change moved it.
    Moved(StatusAction),
    /// What opens it is gone.
    Erased,
}

impl Certificate {
    /// Takes an acknowledgement down.
    pub(super) fn acknowledge(&mut self, placed: Placed) {
        // What was not known before is known now: the same submission is nowhere else.
        self.in_doubt = false;
        if !self.placed.iter().any(|known| known.index == placed.index) {
            self.placed.push(placed);
        }
    }
}

impl World {
    /// Looks at every replica in every store, whether or not its member runs.
    pub(super) async fn observe(&mut self) -> Result<(), String> {
        // The own log first: its leaves are there before anybody else's.
        for (at, site) in &self.sites {
            for of in REGIONS {
                let state = site.store.log(&origin(of)).await.ok().flatten();
                if let Some(state) = state {
                    self.truth.see(*at, of, &state, site.store.as_ref()).await?;
                }
            }
        }
        Ok(())
    }

    /// Everything that must hold after every step.
    pub(super) async fn check(&mut self) -> Result<(), String> {
        self.observe().await?;
        let now = SkewedClock::truth(self.start);
        for (at, site) in &self.sites {
            let Some(engine) = site.engine() else {
                continue;
            };
            for of in REGIONS {
                if let Some(entry) = engine.book().entry(&origin(of)) {
                    let times = (now, self.skewed);
                    self.truth.check_view((*at, of), &entry.view, times)?;
                }
            }
        }
        self.check_high_water()?;
        self.check_acknowledged().await
    }

    /// The high-water mark never lies behind a checkpoint that anybody saw.
    fn check_high_water(&self) -> Result<(), String> {
        for (of, site) in &self.sites {
            let shown = self.network.shown(*of);
            if self.liar == Some(*of) {
                continue;
            }
            let mark = HighWater::open(&site.high_water).and_then(|file| file.read());
            let mark = mark.map_err(|error| error.to_string())?;
            let size = mark.map_or(0, |(_, head)| head.size);
            hold!(
                size >= shown,
                "{of} showed size {shown} of its log, its high-water mark stands at {size}"
            );
        }
        Ok(())
    }

    /// What was acknowledged is in the own log at its place, whatever happened since, and the
    /// same submission is nowhere else.
    async fn check_acknowledged(&self) -> Result<(), String> {
        let ledger = self
            .ledger
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for (of, placed) in &ledger.placed {
            let hashes = &self.truth.logs[of].hashes;
            let index = usize::try_from(placed.index).unwrap_or(usize::MAX);
            hold!(
                hashes.get(index) == Some(&placed.leaf),
                "acknowledged and not there: {placed:?} of {of}"
            );
        }
        let mut places = BTreeSet::new();
        for certificate in &ledger.certificates {
            for placed in &certificate.placed {
                hold!(
                    places.insert((certificate.home, placed.index)),
                    "two certificates at one place: {certificate:?}"
                );
            }
        }
        Ok(())
    }

    /// Seconds within which everything must have come together once nothing is wrong any more:
    /// a pause after failures, a cosignature that was made by a clock that was ahead, and what
    /// waits for both.
    pub(super) const LIVELINESS: u64 = 4 * RECOSIGN;
}
