//! Writing the audit trail.
//!
//! Two ways in, and the rule between them: an administrative act is *recorded*, which returns
//! once it is on disk, so that nothing takes effect that is not written down. Refused calls and
//! questions are *noted*: that never waits, acts of one kind become one entry with a count, and
//! entries are written within a second. What a crash takes of those is that last second; what a
//! flood brings beyond all bounds is counted in an entry of its own.
//!
//! There is no task that owns the trail: whoever needs it written writes what has gathered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use huren_core::audit::{Act, Actor, AuditAction, ChainHead};
use huren_store::{AuditQuery, AuditRow, Error as StoreError, Store};
use tokio::sync::Notify;

use super::clock::Clock;

/// How long noted acts wait for others at most.
const GATHER: Duration = Duration::from_secs(1);
/// Kinds of noted acts that are told apart between two writes.
const MAX_KINDS: usize = 256;
/// Noted entries with all their subjects that wait at most, and from how many on writing does
/// not wait.
const MAX_FULL: usize = 64;
const CROWDED: usize = 8;
/// Recorded acts that wait at most.
const MAX_RECORDED: usize = 256;
/// How often a write is tried again because another program has written.
const ATTEMPTS: u32 = 8;

/// The audit trail of a node.
pub struct Audit {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// What came in and is in nobody's hands. Never locked across an await.
    waiting: Mutex<Waiting>,
    /// Whoever holds it writes.
    chain: tokio::sync::Mutex<Chain>,
    noted: Notify,
    crowded: Notify,
}

/// The act is not in the audit trail, so that it must not be done: try again.
#[derive(Debug, thiserror::Error)]
#[error("the audit trail cannot be written")]
pub struct AuditError(#[source] Option<StoreError>);

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self(Some(error))
    }
}

impl AuditError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        "AUDIT_UNAVAILABLE"
    }

    /// What failed, for who has nothing else to do.
    pub(super) fn into_store(self) -> StoreError {
        let busy = || StoreError::Unavailable("too many acts wait to be written down".into());
        self.0.unwrap_or_else(busy)
    }
}

#[derive(Default)]
struct Waiting {
    /// Number of the newest recorded act.
    ticket: u64,
    recorded: Vec<Waiter>,
    /// Noted acts, by what they have in common.
    tallies: BTreeMap<Act, Waiter>,
    /// Noted acts that have all the subjects that an entry can have.
    full: Vec<Waiter>,
    /// How many found no room. Not by actor: those may be without number.
    further: BTreeMap<AuditAction, u64>,
}

struct Waiter {
    /// Number of a recorded act.
    ticket: Option<u64>,
    time: u64,
    act: Act,
    /// Whether it was given up: it is not written again.
    abandoned: bool,
}

#[derive(Default)]
struct Chain {
    /// `None` until it was read, and after every failure.
    head: Option<ChainHead>,
    /// What is being written: it stays here until it is known to be on disk, whoever writes it.
    writing: Vec<Waiter>,
    /// Where the trail ends if `writing` went through; `None` if it was never sent.
    sent: Option<ChainHead>,
    /// Number of the newest recorded act on disk.
    done: u64,
}

impl Audit {
    /// The trail in a store. For a command beside the node too: two programs may write.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            waiting: Mutex::default(),
            chain: tokio::sync::Mutex::default(),
            noted: Notify::new(),
            crowded: Notify::new(),
        }
    }

    /// The row that an act becomes behind a head, for who has the database alone.
    pub fn row(head: &ChainHead, act: &Act, time: u64) -> AuditRow {
        AuditRow {
            link: head.link(act, time),
            time,
            action: act.action().into(),
            actor: act.actor().to_string(),
        }
    }

    /// Writes an act down, before it is done: behind `Ok` it is on disk.
    ///
    /// # Errors
    /// [`AuditError`]: the act must not be done. (A crash or a failing disk can leave it in the
    /// trail all the same, which says `ACCEPTED`.)
    pub async fn record(&self, act: Act) -> Result<(), AuditError> {
        let ticket = {
            let mut waiting = self.waiting();
            if waiting.recorded.len() >= MAX_RECORDED {
                return Err(AuditError(None));
            }
            waiting.ticket += 1;
            let waiter = Waiter {
                ticket: Some(waiting.ticket),
                time: self.clock.now(),
                act,
                abandoned: false,
            };
            waiting.recorded.push(waiter);
            waiting.ticket
        };
        let mut chain = self.chain.lock().await;
        // Whoever had it before wrote all that had gathered: mostly there is nothing left to do.
        while chain.done < ticket {
            if let Err(error) = self.write(&mut chain).await {
                self.waiting().abandon(ticket);
                chain.abandon(ticket);
                return Err(AuditError(Some(error)));
            }
        }
        Ok(())
    }

    /// Takes note of an act: it is written within a second, together with others of its kind.
    pub fn note(&self, act: Act) {
        let time = self.clock.now();
        let mut waiting = self.waiting();
        let kinds = waiting.tallies.len();
        match waiting.tallies.get_mut(&act.kind()) {
            Some(tally) => {
                if let Some(act) = tally.act.merge(act) {
                    let full = std::mem::replace(tally, Waiter::noted(time, act));
                    waiting.set_aside(full);
                }
            }
            None if kinds < MAX_KINDS => {
                let kind = act.kind();
                waiting.tallies.insert(kind, Waiter::noted(time, act));
            }
            None => waiting.count_further(&act),
        }
        if waiting.full.len() >= CROWDED {
            self.crowded.notify_one();
        }
        drop(waiting);
        self.noted.notify_one();
    }

    /// Writes everything that has gathered, and says how far the trail goes then.
    ///
    /// # Errors
    /// If the store fails; what was not written waits on.
    pub async fn flush(&self) -> Result<ChainHead, StoreError> {
        let mut chain = self.chain.lock().await;
        // Not until nothing is left: others may go on bringing more for ever.
        self.write(&mut chain).await?;
        match chain.head {
            Some(head) => Ok(head),
            None => self.store.audit_head().await,
        }
    }

    /// Writes what was noted, for ever.
    pub(super) async fn write_behind(&self) {
        loop {
            self.noted.notified().await;
            tokio::select! {
                biased;
                () = self.clock.sleep(GATHER) => {}
                () = self.crowded.notified() => {}
            }
            if let Err(error) = self.flush().await {
                tracing::error!(%error, "the audit trail could not be written");
                metrics::counter!("huren_alarms_total", "kind" => "audit").increment(1);
                self.clock.sleep(GATHER).await;
                self.noted.notify_one();
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what has gathered, in one transaction. A caller that is cut off here leaves it to
    /// the next one.
    async fn write(&self, chain: &mut Chain) -> Result<(), StoreError> {
        self.settle(chain).await?;
        let gathered = self.waiting().take(self.clock.now());
        chain.writing.extend(gathered);
        for _ in 0..ATTEMPTS {
            if chain.writing.is_empty() {
                return Ok(());
            }
            let expected = match chain.head.take() {
                Some(head) => head,
                None => self.store.audit_head().await?,
            };
            let mut head = expected;
            let rows = chain.writing.iter().map(|waiter| {
                let row = Self::row(&head, &waiter.act, waiter.time);
                head = (&row.link).into();
                row
            });
            let rows: Vec<AuditRow> = rows.collect();
            // Point of no return: from here on the entries may be on disk, whatever is
            // reported and whoever is cut off. `settle` finds out.
            chain.sent = Some(head);
            match self.store.append_audit(expected, rows).await {
                Ok(()) => {
                    chain.written(head);
                    return Ok(());
                }
                // A command beside the node has written: behind that, then.
                Err(StoreError::Conflict) => chain.sent = None,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Finds out what became of a write that nobody saw the end of.
    async fn settle(&self, chain: &mut Chain) -> Result<(), StoreError> {
        let Some(sent) = chain.sent else {
            return Ok(());
        };
        let query = AuditQuery {
            sequences: sent.sequence..sent.sequence + 1,
            ..AuditQuery::all(1)
        };
        let held = self.store.audit(&query).await?;
        if held.first().is_some_and(|row| row.link.hash == sent.hash) {
            chain.written(sent);
            // Others may have written behind it.
            chain.head = None;
        } else {
            chain.sent = None;
            chain.writing.retain(|waiter| !waiter.abandoned);
        }
        Ok(())
    }
}

impl Chain {
    fn abandon(&mut self, ticket: u64) {
        let mut own = self.writing.iter_mut();
        if let Some(own) = own.find(|waiter| waiter.ticket == Some(ticket)) {
            own.abandoned = true;
        }
        if self.sent.is_none() {
            self.writing.retain(|waiter| !waiter.abandoned);
        }
    }

    fn written(&mut self, head: ChainHead) {
        metrics::counter!("huren_audit_entries_total").increment(self.writing.len() as u64);
        let tickets = self.writing.iter().filter_map(|waiter| waiter.ticket);
        self.done = tickets.fold(self.done, u64::max);
        self.writing.clear();
        self.sent = None;
        self.head = Some(head);
    }
}

impl Waiter {
    const fn noted(time: u64, act: Act) -> Self {
        Self {
            ticket: None,
            time,
            act,
            abandoned: false,
        }
    }
}

impl Waiting {
    fn abandon(&mut self, ticket: u64) {
        self.recorded.retain(|waiter| waiter.ticket != Some(ticket));
    }

    fn set_aside(&mut self, full: Waiter) {
        if self.full.len() < MAX_FULL {
            self.full.push(full);
        } else {
            self.count_further(&full.act);
        }
    }

    fn count_further(&mut self, act: &Act) {
        metrics::counter!("huren_audit_further_total").increment(act.counted());
        let further = self.further.entry(act.action()).or_default();
        *further = further.saturating_add(act.counted());
    }

    fn take(&mut self, now: u64) -> Vec<Waiter> {
        let mut all = std::mem::take(&mut self.recorded);
        all.append(&mut self.full);
        all.extend(std::mem::take(&mut self.tallies).into_values());
        let further = std::mem::take(&mut self.further);
        all.extend(further.into_iter().map(|(action, count)| {
            Waiter::noted(now, Act::further(Actor::Unknown, action, count))
        }));
        // As they came, as far as the clock can tell.
        all.sort_by_key(|waiter| (waiter.time, waiter.ticket));
        all
    }
}

#[cfg(test)]
mod tests;
