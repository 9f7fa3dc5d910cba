//! A member of another release, as what it once answered.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt as _, stream, stream::BoxStream};
use huren_core::{checkpoint::Origin, merkle::Hash};
use huren_node::engine::{Peer, PeerError, PeerPackage};
use huren_proto::v1;
use prost::Message;

use super::{Answer, Recording};

/// Answers what was recorded, whoever asks, and nothing else.
pub struct RecordedMember(pub Arc<Recording>);

impl RecordedMember {
    /// What was answered to a call with that message.
    fn answered<A: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<Vec<A>, PeerError> {
        let (path, request) = (format!("/huren.v1.{method}"), request.encode_to_vec());
        let mut calls = self.0.calls.iter();
        let call = calls.find(|call| call.path == path && call.request == request);
        match &call.ok_or(PeerError::Unreachable)?.answer {
            Answer::Refused(reason) => Err(PeerError::Refused(reason.clone())),
            Answer::Messages(messages) => {
                let read = |message: &super::Bytes| A::decode(message.0.as_slice());
                let read: Result<_, _> = messages.iter().map(read).collect();
                read.map_err(|_| PeerError::Malformed)
            }
        }
    }

    fn only<A: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<A, PeerError> {
        let mut answers = self.answered(method, request)?;
        answers.pop().ok_or(PeerError::Malformed)
    }
}

fn hashes(proof: &[impl AsRef<[u8]>]) -> Result<Vec<Hash>, PeerError> {
    let hashes = proof.iter().map(|hash| hash.as_ref().try_into().map(Hash));
    let hashes: Result<_, _> = hashes.collect();
    hashes.map_err(|_| PeerError::Malformed)
}

fn streamed<T: Send + 'static>(items: Vec<T>) -> BoxStream<'static, Result<T, PeerError>> {
    stream::iter(items.into_iter().map(Ok)).boxed()
}

#[async_trait]
impl Peer for RecordedMember {
    async fn heads(&self) -> Result<Vec<v1::Head>, PeerError> {
        let request = v1::GetHeadsRequest {};
        let answer: v1::GetHeadsResponse = self.only("FederationService/GetHeads", &request)?;
        Ok(answer.heads)
    }

    async fn watch_heads(
        &self,
    ) -> Result<BoxStream<'static, Result<v1::Head, PeerError>>, PeerError> {
        let request = v1::WatchHeadsRequest {};
        let answers: Vec<v1::WatchHeadsResponse> =
            self.answered("FederationService/WatchHeads", &request)?;
        let heads = answers.into_iter().filter_map(|answer| answer.head);
        // Nothing changes any more, and the stream stays open.
        Ok(streamed(heads.collect()).chain(stream::pending()).boxed())
    }

    async fn packages(
        &self,
        origin: &Origin,
        size: u64,
        first: u64,
        count: u32,
    ) -> Result<BoxStream<'static, Result<PeerPackage, PeerError>>, PeerError> {
        let request = v1::GetPackagesRequest {
            origin: origin.to_string(),
            tree_size: size,
            first_package: first,
            count,
        };
        let answers: Vec<v1::GetPackagesResponse> =
            self.answered("FederationService/GetPackages", &request)?;
        let package = |answer: v1::GetPackagesResponse| {
            Ok(PeerPackage {
                number: answer.package,
                entries: answer.entries,
                proof: hashes(&answer.proof)?,
            })
        };
        let packages: Result<_, PeerError> = answers.into_iter().map(package).collect();
        Ok(streamed(packages?))
    }

    async fn consistency(
        &self,
        origin: &Origin,
        old: u64,
        new: u64,
    ) -> Result<Vec<Hash>, PeerError> {
        let request = v1::GetConsistencyRequest {
            origin: origin.to_string(),
            old_size: old,
            new_size: new,
        };
        let answer: v1::GetConsistencyResponse =
            self.only("FederationService/GetConsistency", &request)?;
        hashes(&answer.proof)
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<v1::GetDisclosuresResponse, PeerError>>, PeerError> {
        let request = v1::GetDisclosuresRequest {
            origin: origin.to_string(),
            first_index: range.start,
            end_index: range.end,
        };
        Ok(streamed(
            self.answered("FederationService/GetDisclosures", &request)?,
        ))
    }

    async fn trust_lists(&self, first_version: u64) -> Result<Vec<Vec<u8>>, PeerError> {
        let request = v1::GetTrustListsRequest { first_version };
        let answer: v1::GetTrustListsResponse =
            self.only("FederationService/GetTrustLists", &request)?;
        Ok(answer.lists)
    }

    async fn verify(&self, question: v1::VerifyRequest) -> Result<v1::VerifyResponse, PeerError> {
        self.only("VerificationService/Verify", &question)
    }
}
