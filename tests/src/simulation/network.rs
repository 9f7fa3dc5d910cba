//! The wires between members: slow, reordering, and cut at times.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream, stream::BoxStream};
use huren_core::{checkpoint::Origin, codes::Region, merkle::Hash};
use huren_node::engine::{Peer, PeerError, PeerPackage};
use huren_proto::v1;

use super::{dice::Dice, trace::Trace};
use crate::{Wire, members::origin};

/// What the network is like.
pub(super) struct Network {
    dice: Dice,
    trace: Trace,
    state: Mutex<State>,
    /// The largest size of its own log that each member showed to another.
    shown: Mutex<BTreeMap<Region, u64>>,
}

#[derive(Default)]
struct State {
    /// Directions in which nothing passes.
    cut: BTreeSet<(Region, Region)>,
    /// The longest that a message takes, in milliseconds.
    slowest: u64,
    /// Of a hundred messages so many are lost.
    lost: u64,
}

/// The size that a head's checkpoint claims, whoever signed it.
fn claimed_size(head: &v1::Head) -> u64 {
    let text = String::from_utf8_lossy(&head.checkpoint);
    let size = text.lines().nth(1).and_then(|line| line.parse().ok());
    size.unwrap_or_default()
}

impl Network {
    pub(super) fn new(dice: Dice, trace: Trace) -> Self {
        Self {
            dice,
            trace,
            state: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a member shows of its own log.
    fn note_shown(&self, by: Region, heads: &[v1::Head]) {
        let own = origin(by).to_string();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let largest = shown.entry(by).or_default();
        let sizes = heads
            .iter()
            .filter(|head| head.origin == own)
            .map(claimed_size);
        *largest = sizes.fold(*largest, u64::max);
    }

    /// The largest size of its own log that a member showed to another.
    pub(super) fn shown(&self, by: Region) -> u64 {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get(&by).copied().unwrap_or_default()
    }

    /// Lets nothing pass in one direction any more.
    pub(super) fn cut(&self, from: Region, to: Region) {
        self.state().cut.insert((from, to));
    }

    /// Slows all wires down and lets them lose messages.
    pub(super) fn degrade(&self, slowest: u64, lost: u64) {
        let mut state = self.state();
        (state.slowest, state.lost) = (slowest, lost);
    }

    /// Lets everything pass again, and fast.
    pub(super) fn heal(&self) {
        *self.state() = State::default();
    }

    /// Carries a message, which takes its time and may overtake others.
    async fn carry(&self, from: Region, to: Region) -> Result<(), PeerError> {
        let delay = match self.state().slowest {
            0 => 1,
            slowest => 1 + self.dice.below(slowest),
        };
        let is_lost = self.dice.below(100) < self.state().lost;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        if is_lost || self.state().cut.contains(&(from, to)) {
            return Err(PeerError::Unreachable);
        }
        Ok(())
    }
}

/// One direction of asking between two members.
#[derive(Clone)]
pub(super) struct SlowWire {
    network: Arc<Network>,
    asks: Region,
    answers: Region,
    /// What the far engine says, once it is reached.
    wire: Wire,
}

/// Between two looks at the far member's heads, at most.
const WATCHED_MS: u64 = 300;
/// Former heads that may still be under way.
const FORMER: usize = 4;

impl SlowWire {
    pub(super) fn new(network: Arc<Network>, asks: Region, answers: Region, wire: Wire) -> Self {
        Self {
            network,
            asks,
            answers,
            wire,
        }
    }

    /// Asks, and has the answer brought back.
    async fn ask<T>(
        &self,
        what: &str,
        question: impl Future<Output = Result<T, PeerError>>,
    ) -> Result<T, PeerError> {
        let outcome = async {
            self.network.carry(self.asks, self.answers).await?;
            let answer = question.await?;
            self.network.carry(self.answers, self.asks).await?;
            Ok(answer)
        };
        let outcome: Result<T, PeerError> = outcome.await;
        let code = outcome.as_ref().err().map_or("ok", PeerError::code);
        let (asks, answers, trace) = (self.asks, self.answers, &self.network.trace);
        let event = format_args!("{asks} asks {answers} for {what}: {code}");
        match what {
            "news" => drop(trace.note_quietly(event)),
            _ => trace.note(event),
        }
        outcome
    }
}

#[async_trait]
impl Peer for SlowWire {
    async fn heads(&self) -> Result<Vec<v1::Head>, PeerError> {
        let heads = self.ask("heads", self.wire.heads()).await?;
        self.network.note_shown(self.answers, &heads);
        Ok(heads)
    }

    /// What is new is looked for now and then, and may arrive behind what is newer: late, or a
    /// second time.
    async fn watch_heads(
        &self,
    ) -> Result<BoxStream<'static, Result<v1::Head, PeerError>>, PeerError> {
        let wire = self.clone();
        let first = wire.heads().await?;
        let state = (wire, first.clone(), vec![first.clone()]);
        let later = stream::unfold(state, |(wire, mut shown, mut former)| async move {
            let pause = 1 + wire.network.dice.below(WATCHED_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let mut heads = match wire.ask("news", wire.wire.heads()).await {
                Ok(heads) => heads,
                // A stream that breaks does not come back by itself.
                Err(_) => return None,
            };
            wire.network.note_shown(wire.answers, &heads);
            if wire.network.dice.percent(5) {
                heads.clone_from(wire.network.dice.one_of(&former));
            }
            let news: Vec<_> = heads
                .iter()
                .filter(|h| !shown.contains(h))
                .cloned()
                .collect();
            shown.clone_from(&heads);
            former.push(heads);
            if former.len() > FORMER {
                former.remove(0);
            }
            Some((stream::iter(news), (wire, shown, former)))
        });
        let heads = stream::iter([stream::iter(first)]).chain(later).flatten();
        Ok(heads.map(Ok).boxed())
    }

    async fn packages(
        &self,
        origin: &Origin,
        size: u64,
        first: u64,
        count: u32,
    ) -> Result<BoxStream<'static, Result<PeerPackage, PeerError>>, PeerError> {
        let question = self.wire.packages(origin, size, first, count);
        self.ask("packages", question).await
    }

    async fn consistency(
        &self,
        origin: &Origin,
        old: u64,
        new: u64,
    ) -> Result<Vec<Hash>, PeerError> {
        let question = self.wire.consistency(origin, old, new);
        self.ask("consistency", question).await
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<v1::GetDisclosuresResponse, PeerError>>, PeerError> {
        let question = self.wire.disclosures(origin, range);
        self.ask("disclosures", question).await
    }

    async fn trust_lists(&self, first_version: u64) -> Result<Vec<Vec<u8>>, PeerError> {
        let question = self.wire.trust_lists(first_version);
        self.ask("trust lists", question).await
    }

    async fn verify(&self, question: v1::VerifyRequest) -> Result<v1::VerifyResponse, PeerError> {
        self.ask("a verdict", self.wire.verify(question)).await
    }
}
