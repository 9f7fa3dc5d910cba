//! Other members as the engine sees them: no wire, no library of it.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use huren_core::{checkpoint::Origin, merkle::Hash};
use huren_proto::v1;

/// Another member's node.
#[async_trait]
pub trait Peer: Send + Sync + 'static {
    /// Current heads of all logs that it holds.
    async fn heads(&self) -> Result<Vec<v1::Head>, PeerError>;

    /// Current heads, then every change.
    async fn watch_heads(
        &self,
    ) -> Result<BoxStream<'static, Result<v1::Head, PeerError>>, PeerError>;

    /// Packages `first ..` of a log, `count` of them, proven against its tree of `size` leaves.
    async fn packages(
        &self,
        origin: &Origin,
        size: u64,
        first: u64,
        count: u32,
    ) -> Result<BoxStream<'static, Result<PeerPackage, PeerError>>, PeerError>;

    /// Consistency proof between two sizes of a log.
    async fn consistency(
        &self,
        origin: &Origin,
        old: u64,
        new: u64,
    ) -> Result<Vec<Hash>, PeerError>;

    /// Disclosures of a range of leaves, page by page in ascending order.
    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<v1::GetDisclosuresResponse, PeerError>>, PeerError>;

    /// Trust lists from a version on, as signed notes.
    async fn trust_lists(&self, first_version: u64) -> Result<Vec<Vec<u8>>, PeerError>;

    /// Asks it for a verdict.
    async fn verify(&self, question: v1::VerifyRequest) -> Result<v1::VerifyResponse, PeerError>;
}

/// A witness outside of the federation (C2SP `tlog-witness`).
#[async_trait]
pub trait Witness: Send + Sync + 'static {
    /// Hands it the body of an `add-checkpoint`; gives the status and the body of its answer, of
    /// which no more is read than [`huren_core::witness::MAX_ANSWER_LEN`].
    async fn add_checkpoint(&self, body: String) -> Result<(u16, Vec<u8>), PeerError>;
}

/// Witnesses outside of the federation by the names that the trust list gives them.
pub type Witnesses = BTreeMap<String, Arc<dyn Witness>>;

/// A package as it came, not yet checked.
#[derive(Clone, Debug)]
pub struct PeerPackage {
    /// Its number.
    pub number: u64,
    /// Its entries (tlog-tiles bundle).
    pub entries: Bytes,
    /// Its proof.
    pub proof: Vec<Hash>,
}

/// Why a peer did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It cannot be reached, or does not answer in time.
    #[error("the member's node cannot be reached")]
    Unreachable,
    /// It refused, with a reason code.
    #[error("the member's node refused: {0}")]
    Refused(String),
    /// It sent something that is not an answer.
    #[error("the member's node sent a malformed answer")]
    Malformed,
}

impl PeerError {
    /// The stable reason code.
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable => "PEER_UNREACHABLE",
            Self::Refused(_) => "PEER_REFUSED",
            Self::Malformed => "PEER_MALFORMED",
        }
    }
}

/// The other members by province code.
pub type Peers = BTreeMap<String, Arc<dyn Peer>>;
