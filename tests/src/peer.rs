//! An engine as another engine's peer, without a network; and peers that lie.

use std::{
    ops::Range,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream, stream::BoxStream};
use huren_core::{checkpoint::Origin, merkle::Hash};
use huren_node::engine::{Book, Engine, Peer, PeerError, PeerPackage};
use huren_proto::v1;

use crate::federation::Place;

/// What a peer does to its answers. Each method gets the true answer and leaves what is sent.
pub trait Lie: Send + Sync + 'static {
    /// Whether it answers at all; if not, the wire gives up on it.
    fn answers(&self) -> bool {
        true
    }

    /// Whether it answers when it is asked for a verdict; if not, it lets the asker wait.
    fn gives_verdicts(&self) -> bool {
        true
    }

    /// The heads of all logs that it holds.
    fn heads(&self, _heads: &mut Vec<v1::Head>) {}

    /// A consistency proof between two sizes of a log; none if it does not hold them.
    fn consistency(
        &self,
        _origin: &Origin,
        _sizes: (u64, u64),
        truth: Option<Vec<Hash>>,
    ) -> Option<Vec<Hash>> {
        truth
    }

    /// Packages of a log's tree of `size` leaves, as far as it holds them.
    fn packages(&self, _origin: &Origin, _size: u64, _packages: &mut Vec<PeerPackage>) {}

    /// How packages arrive.
    fn deliver(
        &self,
        packages: Vec<PeerPackage>,
    ) -> BoxStream<'static, Result<PeerPackage, PeerError>> {
        stream::iter(packages.into_iter().map(Ok)).boxed()
    }

    /// Pages of disclosures.
    fn disclosures(&self, _pages: &mut Vec<v1::GetDisclosuresResponse>) {}

    /// Trust lists.
    fn trust_lists(&self, _lists: &mut Vec<Vec<u8>>) {}
}

/// Tells the truth.
pub struct Honest;

impl Lie for Honest {}

/// One direction between two engines.
#[derive(Clone)]
pub struct Wire {
    far: Place,
    lie: Arc<dyn Lie>,
}

impl Wire {
    /// A wire to whatever engine runs in that place, which answers with `lie`.
    pub fn new(far: Place, lie: Arc<dyn Lie>) -> Self {
        Self { far, lie }
    }

    fn far(&self) -> Result<Arc<Engine>, PeerError> {
        let far = self.far.read().unwrap_or_else(PoisonError::into_inner);
        far.clone()
            .filter(|_| self.lie.answers())
            .ok_or(PeerError::Unreachable)
    }
}

fn heads(book: &Book, lie: &dyn Lie) -> Vec<v1::Head> {
    let mut heads = book
        .entries()
        .iter()
        .map(|entry| book.head(entry))
        .collect();
    lie.heads(&mut heads);
    heads
}

#[async_trait]
impl Peer for Wire {
    async fn heads(&self) -> Result<Vec<v1::Head>, PeerError> {
        Ok(heads(self.far()?.book(), self.lie.as_ref()))
    }

    async fn watch_heads(
        &self,
    ) -> Result<BoxStream<'static, Result<v1::Head, PeerError>>, PeerError> {
        let book = Arc::clone(self.far()?.book());
        let lie = Arc::clone(&self.lie);
        let changes = book.changes();
        // As on the real wire, what was shown already is not shown again.
        let shown: Vec<v1::Head> = Vec::new();
        let now = stream::iter([()]);
        let later = stream::unfold(changes, |mut changes| async move {
            changes.changed().await.ok()?;
            Some(((), changes))
        });
        let heads = now.chain(later).scan(shown, move |shown, ()| {
            let heads = heads(&book, lie.as_ref());
            let news: Vec<_> = heads
                .iter()
                .filter(|head| !shown.contains(head))
                .cloned()
                .collect();
            *shown = heads;
            std::future::ready(Some(stream::iter(news)))
        });
        Ok(heads.flatten().map(Ok).boxed())
    }

    async fn packages(
        &self,
        origin: &Origin,
        size: u64,
        first: u64,
        count: u32,
    ) -> Result<BoxStream<'static, Result<PeerPackage, PeerError>>, PeerError> {
        let far = self.far()?;
        let mut packages = Vec::new();
        for number in first..first + u64::from(count) {
            let held = far.proofs().package(origin, number, size).await;
            let Some((entries, proof)) = held.ok().flatten() else {
                break;
            };
            packages.push(PeerPackage {
                number,
                entries,
                proof,
            });
        }
        self.lie.packages(origin, size, &mut packages);
        Ok(self.lie.deliver(packages))
    }

    async fn consistency(
        &self,
        origin: &Origin,
        old: u64,
        new: u64,
    ) -> Result<Vec<Hash>, PeerError> {
        let proof = self.far()?.proofs().consistency(origin, old, new).await;
        let proof = proof.map_err(|_| PeerError::Unreachable)?;
        self.lie
            .consistency(origin, (old, new), proof)
            .ok_or(PeerError::Malformed)
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<v1::GetDisclosuresResponse, PeerError>>, PeerError> {
        let far = self.far()?;
        let mut pages = Vec::new();
        let mut next = range.start;
        while next < range.end {
            let end = range.end.min(next + Engine::DISCLOSURE_PAGE);
            let page = far.disclosures(origin, next..end).await;
            pages.push(page.map_err(|_| PeerError::Unreachable)?);
            next = end;
        }
        self.lie.disclosures(&mut pages);
        Ok(stream::iter(pages.into_iter().map(Ok)).boxed())
    }

    async fn trust_lists(&self, first_version: u64) -> Result<Vec<Vec<u8>>, PeerError> {
        let trust = self.far()?.trust();
        let newer = trust.lists().iter();
        let newer = newer.filter(|list| list.list.version >= first_version);
        let mut lists = newer.map(|list| list.note().into_bytes()).collect();
        self.lie.trust_lists(&mut lists);
        Ok(lists)
    }

    async fn verify(&self, question: v1::VerifyRequest) -> Result<v1::VerifyResponse, PeerError> {
        if !self.lie.gives_verdicts() {
            std::future::pending::<()>().await;
        }
        self.far()?
            .verify(question)
            .await
            .map_err(|_| PeerError::Unreachable)
    }
}
