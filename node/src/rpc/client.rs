//! Other members over gRPC: the engine's `Peer`, on the wire.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use huren_core::{
    checkpoint::Origin,
    merkle::Hash,
    trust::{Member, TrustList},
};
use huren_proto::v1::{
    self, federation_service_client::FederationServiceClient,
    verification_service_client::VerificationServiceClient,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    engine::{Peer, PeerError, PeerPackage, Peers},
    tls::{self, ClientTls, Identity, SpkiSha256},
};

use super::MAX_PACKAGE_BYTES;

/// How long a member may take for one answer, or for the next message of a stream.
const PATIENCE: Duration = Duration::from_secs(20);
/// Leaves asked for in one call for disclosures.
const DISCLOSURES: u64 = 8192;

/// Another member's node, over a channel that is made when it is first used.
pub struct RemotePeer {
    federation: FederationServiceClient<Channel>,
    verification: VerificationServiceClient<Channel>,
}

impl RemotePeer {
    /// A member behind a channel.
    pub fn new(channel: Channel) -> Self {
        Self {
            federation: FederationServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_PACKAGE_BYTES),
            verification: VerificationServiceClient::new(channel),
        }
    }
}

/// What is presented to each member and how each is checked, to be renewed while the node runs.
#[derive(Default)]
pub struct PeerTls(Mutex<BTreeMap<String, Arc<ClientTls>>>);

impl PeerTls {
    /// Presents another certificate to the members of a trust list from the next connection on,
    /// and binds them to the keys that the list names. Connections that are open go on. Where
    /// that cannot be done, what was in force stays in force.
    pub fn renew(&self, list: &TrustList, identity: &Identity) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for member in &list.members {
            let Some(tls) = held.get(&member.region) else {
                continue;
            };
            let renewed = tls::parse_roots(member.tls_ca.as_bytes())
                .and_then(|roots| tls.replace(identity, &roots, Some(pins(member))));
            if let Err(error) = renewed {
                tracing::warn!(member = member.region, %error, "its TLS stays as it was");
            }
        }
    }

    fn keep(&self, region: &str, tls: &Arc<ClientTls>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(region.to_owned(), Arc::clone(tls));
    }
}

fn pins(member: &Member) -> Vec<SpkiSha256> {
    let keys = member.tls_keys.iter();
    keys.filter_map(|key| key.parse().ok()).collect()
}

/// The other members of a trust list, each bound to the TLS keys that the list names. One
/// whose entry cannot be used is left out with a warning. `held` is what renews their TLS.
pub fn peers(list: &TrustList, own: &Origin, identity: &Identity, held: &PeerTls) -> Peers {
    let mut peers = Peers::new();
    for member in list
        .members
        .iter()
        .filter(|member| member.origin != own.as_str())
    {
        let made = tls::parse_roots(member.tls_ca.as_bytes())
            .and_then(|roots| ClientTls::new(identity, &roots, Some(pins(member))))
            .map_err(|error| error.to_string())
            .and_then(|tls| {
                let tls = Arc::new(tls);
                held.keep(&member.region, &tls);
                tls::channel(&member.grpc, tls).map_err(|error| error.to_string())
            });
        match made {
            Ok(channel) => {
                let peer: Arc<dyn Peer> = Arc::new(RemotePeer::new(channel));
                peers.insert(member.region.clone(), peer);
            }
            Err(error) => tracing::warn!(member = member.region, error, "member left out"),
        }
    }
    peers
}

#[async_trait]
impl Peer for RemotePeer {
    async fn heads(&self) -> Result<Vec<v1::Head>, PeerError> {
        let mut client = self.federation.clone();
        Ok(in_time(client.get_heads(v1::GetHeadsRequest {}))
            .await?
            .into_inner()
            .heads)
    }

    async fn watch_heads(
        &self,
    ) -> Result<BoxStream<'static, Result<v1::Head, PeerError>>, PeerError> {
        let mut client = self.federation.clone();
        let heads = in_time(client.watch_heads(v1::WatchHeadsRequest {}))
            .await?
            .into_inner();
        // No patience here: between changes there is nothing to hear.
        Ok(heads
            .map(|message| {
                message
                    .map_err(|status| peer_error(&status))?
                    .head
                    .ok_or(PeerError::Malformed)
            })
            .boxed())
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
        let mut client = self.federation.clone();
        let packages = in_time(client.get_packages(request)).await?.into_inner();
        Ok(patient(packages)
            .map(|message| {
                let v1::GetPackagesResponse {
                    package,
                    entries,
                    proof,
                } = message?;
                Ok(PeerPackage {
                    number: package,
                    entries,
                    proof: hashes(&proof)?,
                })
            })
            .boxed())
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
        let mut client = self.federation.clone();
        hashes(
            &in_time(client.get_consistency(request))
                .await?
                .into_inner()
                .proof,
        )
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<v1::GetDisclosuresResponse, PeerError>>, PeerError> {
        let client = self.federation.clone();
        let origin = origin.to_string();
        let calls = range
            .clone()
            .step_by(usize::try_from(DISCLOSURES).unwrap_or(1));
        let pages = futures::stream::iter(calls)
            .then(move |first_index| {
                let mut client = client.clone();
                let end_index = range.end.min(first_index + DISCLOSURES);
                let request = v1::GetDisclosuresRequest {
                    origin: origin.clone(),
                    first_index,
                    end_index,
                };
                async move {
                    let pages = in_time(client.get_disclosures(request)).await?.into_inner();
                    Ok::<_, PeerError>(patient(pages))
                }
            })
            .try_flatten();
        Ok(pages.boxed())
    }

    async fn trust_lists(&self, first_version: u64) -> Result<Vec<Vec<u8>>, PeerError> {
        let mut client = self.federation.clone();
        let request = v1::GetTrustListsRequest { first_version };
        Ok(in_time(client.get_trust_lists(request))
            .await?
            .into_inner()
            .lists)
    }

    async fn verify(&self, question: v1::VerifyRequest) -> Result<v1::VerifyResponse, PeerError> {
        let mut client = self.verification.clone();
        Ok(in_time(client.verify(question)).await?.into_inner())
    }
}

/// An answer, or nothing within [`PATIENCE`].
async fn in_time<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, PeerError> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer.map_err(|status| peer_error(&status)),
        Err(_) => Err(PeerError::Unreachable),
    }
}

/// A stream whose every next message comes within [`PATIENCE`], or that ends in an error.
fn patient<T: Send + 'static>(
    messages: tonic::Streaming<T>,
) -> BoxStream<'static, Result<T, PeerError>> {
    futures::stream::try_unfold(messages, |mut messages| async move {
        let next = in_time(messages.message()).await?;
        Ok(next.map(|message| (message, messages)))
    })
    .boxed()
}

fn hashes(bytes: &[Vec<u8>]) -> Result<Vec<Hash>, PeerError> {
    // No proof in a tree of fewer than 2^63 leaves is longer.
    if bytes.len() > 63 {
        return Err(PeerError::Malformed);
    }
    bytes
        .iter()
        .map(|hash| Hash::from_slice(hash).ok_or(PeerError::Malformed))
        .collect()
}

fn peer_error(status: &Status) -> PeerError {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
            PeerError::Unreachable
        }
        code => {
            let reason = status.get_details_error_info().map(|info| info.reason);
            PeerError::Refused(reason.unwrap_or_else(|| format!("{code:?}")))
        }
    }
}
