//! Other members over gRPC: the engine's `Peer`, on the wire.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

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
use rustls::pki_types::CertificateDer;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    engine::{Peer, PeerError, PeerPackage, Peers},
    tls::{self, ClientTls, Identity, SpkiSha256},
};

use super::{MAX_PACKAGE_BYTES, traced::Traced};

/// How long a member may take for one answer, or for the next message of a stream.
const PATIENCE: Duration = Duration::from_secs(20);
/// Leaves asked for in one call for disclosures.
const DISCLOSURES: u64 = 8192;

/// Another member's node, over a channel that is made when it is first used.
pub struct RemotePeer {
    federation: FederationServiceClient<Traced>,
    verification: VerificationServiceClient<Traced>,
}

impl RemotePeer {
    /// A member behind a channel to an endpoint (`https://host:port`).
    pub fn new(channel: Channel, endpoint: &str) -> Self {
        let channel = Traced::new(channel, endpoint);
        Self {
            federation: FederationServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_PACKAGE_BYTES),
            verification: VerificationServiceClient::new(channel),
        }
    }
}

/// How the other members are reached, kept in step with the trust list: each bound to the TLS
/// keys that the list names.
#[derive(Default)]
pub struct Links {
    links: BTreeMap<String, Link>,
}

struct Link {
    entry: Reach,
    tls: Arc<ClientTls>,
    peer: Arc<dyn Peer>,
}

/// What decides how a member is reached: of its entry, and of this node.
#[derive(PartialEq, Eq)]
struct Reach {
    /// The key that this node presents. A connection that is open goes on with the one that it
    /// began with, which the next list may take out.
    presented: SpkiSha256,
    grpc: String,
    tls_keys: Vec<String>,
    tls_ca: String,
}

impl Links {
    /// The other members of a list. Where a member's entry and this node's key are as they were,
    /// the connection stays, and a renewed certificate is presented by later ones. One whose entry
    /// cannot be used is left out with a warning.
    pub fn follow(&mut self, list: &TrustList, own: &Origin, identity: &Identity) -> Peers {
        let mut before = std::mem::take(&mut self.links);
        let others = list.members.iter();
        for member in others.filter(|member| member.origin != own.as_str()) {
            let entry = Reach::of(member, identity);
            let known = before.remove(&member.region);
            let link = match known.filter(|known| known.entry == entry) {
                Some(known) => known.renewed(identity),
                None => Link::new(entry, identity),
            };
            match link {
                Ok(link) => drop(self.links.insert(member.region.clone(), link)),
                Err(error) => tracing::warn!(member = member.region, error, "member left out"),
            }
        }
        let peer = |(region, link): (&String, &Link)| (region.clone(), Arc::clone(&link.peer));
        self.links.iter().map(peer).collect()
    }
}

/// A channel to a member that is bound to the TLS keys of its entry. It connects when it is first
/// used.
///
/// # Errors
/// What of the entry cannot be used.
pub fn channel_to(member: &Member, identity: &Identity) -> Result<Channel, String> {
    let (_, channel) = Reach::of(member, identity).open(identity)?;
    Ok(channel)
}

impl Link {
    fn new(entry: Reach, identity: &Identity) -> Result<Self, String> {
        let (tls, channel) = entry.open(identity)?;
        let peer = Arc::new(RemotePeer::new(channel, &entry.grpc));
        Ok(Self { entry, tls, peer })
    }

    fn renewed(self, identity: &Identity) -> Result<Self, String> {
        let (roots, pins) = self.entry.expected()?;
        let replaced = self.tls.replace(identity, &roots, Some(pins));
        replaced.map_err(|error| error.to_string())?;
        Ok(self)
    }
}

impl Reach {
    fn of(member: &Member, identity: &Identity) -> Self {
        Self {
            presented: identity.spki_sha256(),
            grpc: member.grpc.clone(),
            tls_keys: member.tls_keys.clone(),
            tls_ca: member.tls_ca.clone(),
        }
    }

    fn open(&self, identity: &Identity) -> Result<(Arc<ClientTls>, Channel), String> {
        let (roots, pins) = self.expected()?;
        let tls = ClientTls::new(identity, &roots, Some(pins)).map_err(|e| e.to_string())?;
        let tls = Arc::new(tls);
        let channel = tls::channel(&self.grpc, Arc::clone(&tls)).map_err(|e| e.to_string())?;
        Ok((tls, channel))
    }

    fn expected(&self) -> Result<(Vec<CertificateDer<'static>>, Vec<SpkiSha256>), String> {
        let roots = tls::parse_roots(self.tls_ca.as_bytes()).map_err(|error| error.to_string())?;
        let pins = self.tls_keys.iter().filter_map(|key| key.parse().ok());
        Ok((roots, pins.collect()))
    }
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
