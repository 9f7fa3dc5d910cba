//! An engine as another engine's peer, without a network; and peers that lie.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream, stream::BoxStream};
use huren_core::{checkpoint::Origin, merkle::Hash};
use huren_node::engine::{Book, Engine, Peer, PeerError, PeerPackage};
use huren_proto::v1;

/// What a peer does to its answers.
pub trait Lie: Send + Sync + 'static {
    /// Changes a package on its way.
    fn package(&self, _package: &mut PeerPackage) {}

    /// Changes a page of disclosures on its way.
    fn disclosures(&self, _page: &mut v1::GetDisclosuresResponse) {}
}

/// Tells the truth.
pub struct Honest;

impl Lie for Honest {}

/// One direction between two engines. The far one is put in once it exists.
#[derive(Clone)]
pub struct Wire {
    far: Arc<OnceLock<Arc<Engine>>>,
    lie: Arc<dyn Lie>,
}

impl Wire {
    /// A wire on which the far end answers with `lie`.
    pub fn new(far: Arc<OnceLock<Arc<Engine>>>, lie: Arc<dyn Lie>) -> Self {
        Self { far, lie }
    }

    fn far(&self) -> Result<&Arc<Engine>, PeerError> {
        self.far.get().ok_or(PeerError::Unreachable)
    }
}

fn heads(book: &Book) -> Vec<v1::Head> {
    book.entries()
        .iter()
        .map(|entry| Book::head(entry))
        .collect()
}

#[async_trait]
impl Peer for Wire {
    async fn heads(&self) -> Result<Vec<v1::Head>, PeerError> {
        Ok(heads(self.far()?.book()))
    }

    async fn watch_heads(
        &self,
    ) -> Result<BoxStream<'static, Result<v1::Head, PeerError>>, PeerError> {
        let book = Arc::clone(self.far()?.book());
        let changes = book.changes();
        let now = heads(&book);
        let later = stream::unfold((book, changes), |(book, mut changes)| async move {
            changes.changed().await.ok()?;
            Some((stream::iter(heads(&book)), (book, changes)))
        });
        Ok(stream::iter(now).chain(later.flatten()).map(Ok).boxed())
    }

    async fn packages(
        &self,
        origin: &Origin,
        size: u64,
        first: u64,
        count: u32,
    ) -> Result<BoxStream<'static, Result<PeerPackage, PeerError>>, PeerError> {
        let mut packages = Vec::new();
        for number in first..first + u64::from(count) {
            let held = self.far()?.reader().package(origin, number, size).await;
            let (entries, proof) = held.ok().flatten().ok_or(PeerError::Malformed)?;
            let mut package = PeerPackage {
                number,
                entries,
                proof,
            };
            self.lie.package(&mut package);
            packages.push(Ok(package));
        }
        Ok(stream::iter(packages).boxed())
    }

    async fn consistency(
        &self,
        origin: &Origin,
        old: u64,
        new: u64,
    ) -> Result<Vec<Hash>, PeerError> {
        let proof = self.far()?.reader().consistency(origin, old, new).await;
        proof.ok().flatten().ok_or(PeerError::Malformed)
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<v1::GetDisclosuresResponse, PeerError>>, PeerError> {
        let mut pages = Vec::new();
        let mut next = range.start;
        while next < range.end {
            let end = range.end.min(next + Engine::DISCLOSURE_PAGE);
            let page = self.far()?.disclosures(origin, next..end).await;
            let mut page = page.map_err(|_| PeerError::Unreachable)?;
            self.lie.disclosures(&mut page);
            pages.push(Ok(page));
            next = end;
        }
        Ok(stream::iter(pages).boxed())
    }

    async fn trust_lists(&self, _first_version: u64) -> Result<Vec<Vec<u8>>, PeerError> {
        Ok(Vec::new())
    }

    async fn verify(&self, question: v1::VerifyRequest) -> Result<v1::VerifyResponse, PeerError> {
        self.far()?
            .verify(question)
            .await
            .map_err(|_| PeerError::Unreachable)
    }
}
