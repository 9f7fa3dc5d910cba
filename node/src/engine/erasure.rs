//! How far an erasure of the own log has come, and the proof of it.

use futures::future::join_all;
use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    receipt::erasure::{
        ErasureAssertion, ErasureProof, ErasureReason, MemberErased, ProvenErasure,
    },
    record::{Body, UnverifiedRecord},
};
use huren_store::Error as StoreError;

use super::{Engine, wire::rfc3339};

/// How an erasure stands.
#[derive(Debug)]
pub struct ErasureState {
    /// The other members, by region.
    pub members: Vec<MemberErasure>,
    /// The proof; `None` until a quorum has cosigned a checkpoint that covers it.
    pub proof: Option<ErasureProof>,
}

/// What a member said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberErasure {
    /// Its province.
    pub region: String,
    /// Whether it answers.
    pub reachable: bool,
    /// Whether it has folded the log behind the erasure: the fold applies it.
    pub erased: bool,
}

/// Why nothing is said of an erasure.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// There is no such erasure in force in the own log.
    #[error("there is no erasure with effect at that index of the own log")]
    NotAnErasure,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ErasureError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnErasure => "ERASURE_NOT_FOUND",
            Self::Store(_) => "STORE",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::NotAnErasure => "本省日志的该序号处没有生效的删除记录。",
            Self::Store(_) => "本节点暂时无法读取数据，请稍后重试。",
        }
    }
}

impl Engine {
    /// Asks every member how far it has taken the own log, and proves the erasure at `index`
    /// as far as it has come.
    ///
    /// # Errors
    /// [`ErasureError`].
    pub async fn erasure(
        &self,
        index: u64,
        reason: ErasureReason,
    ) -> Result<ErasureState, ErasureError> {
        let erasure = self.own_leaf(index).await?;
        let (quarantined, rows) = self.store.quarantined(&self.origin, index, 1).await?;
        let is_void = quarantined > 0 && rows.first().is_some_and(|row| row.index == index);
        let record = UnverifiedRecord::read(&erasure);
        let record = record.map_err(|_| ErasureError::NotAnErasure)?;
        let (Body::Erasure(_), Some(target), false) =
            (record.body(), record.envelope().target, is_void)
        else {
            return Err(ErasureError::NotAnErasure);
        };
        let targets = self.store.targets(&self.origin, &[target]).await?;
        let certificate = targets.get(&target).ok_or(ErasureError::NotAnErasure)?;

        let members = self.members_erased(index).await;
        let places = (index, certificate.index);
        let proof = self.prove_erasure(places, &record, &erasure, reason, &members);
        Ok(ErasureState {
            proof: proof.await?,
            members,
        })
    }

    async fn own_leaf(&self, index: u64) -> Result<Vec<u8>, ErasureError> {
        let folded = self.book.entry(&self.origin);
        let folded = folded.map_or(0, |entry| entry.state.folded);
        let leaf = match index < folded {
            true => self.reader.leaf(&self.origin, index).await?,
            false => None,
        };
        leaf.map(|leaf| leaf.to_vec())
            .ok_or(ErasureError::NotAnErasure)
    }

    /// Asks all members at once; one that is slow holds up this answer and nothing else.
    async fn members_erased(&self, index: u64) -> Vec<MemberErasure> {
        let chain = self.trust();
        let peers = self.peers();
        let own = self.region.to_string();
        let others = chain.newest().list.members.iter();
        let others = others.filter(|member| member.region != own);
        let asked = others.map(|member| async {
            let heads = match peers.get(&member.region) {
                Some(peer) => peer.heads().await.ok(),
                None => None,
            };
            let of_own = |heads: &Vec<_>| erased_by(heads, &self.origin, index);
            MemberErasure {
                region: member.region.clone(),
                reachable: heads.is_some(),
                erased: heads.as_ref().is_some_and(of_own),
            }
        });
        join_all(asked).await
    }

    async fn prove_erasure(
        &self,
        (index, certificate): (u64, u64),
        record: &UnverifiedRecord,
        erasure: &[u8],
        reason: ErasureReason,
        members: &[MemberErasure],
    ) -> Result<Option<ErasureProof>, StoreError> {
        let Some(entry) = self.book.shown(&self.origin) else {
            return Ok(None);
        };
        let Ok(witnessed) = SignedCheckpoint::parse(&entry.state.notes.witnessed) else {
            return Ok(None);
        };
        let Some(original) = self.reader.leaf(&self.origin, certificate).await? else {
            return Ok(None);
        };
        let proven = self
            .proven(&self.origin, index, (erasure, &[]), &witnessed)
            .await?;
        let original = self
            .proven(&self.origin, certificate, (&original, &[]), &witnessed)
            .await?;
        let (Some(proven), Some(original)) = (proven, original) else {
            return Ok(None);
        };
        let chain = self.trust();
        let time = rfc3339(self.clock.now());
        let members = members.iter().map(|member| MemberErased {
            region: member.region.clone(),
            time: member.erased.then(|| time.clone()),
        });
        let assertion = ErasureAssertion {
            answered_by: self.region.to_string(),
            time: time.clone(),
            erasure: record.leaf().to_hex(),
            reason: reason.code().to_owned(),
            members: members.collect(),
            trust_list_version: chain.newest().list.version,
        };
        let signing = self.signing();
        let signer = signing.answer(&chain, &self.origin);
        Ok(signer
            .and_then(|signer| assertion.sign(signer))
            .map(|asserted| ErasureProof {
                format: ErasureProof::FORMAT.to_owned(),
                proven: ProvenErasure {
                    erasure: proven,
                    certificate: original,
                    trust_lists: chain.lists().iter().map(|list| list.note()).collect(),
                },
                asserted,
            }))
    }
}

/// Whether a member that shows these heads has taken the log behind that index. A member gives
/// nothing of a log whose disclosures it has restored and not caught up with: its size is 0 then.
fn erased_by(heads: &[huren_proto::v1::Head], origin: &Origin, index: u64) -> bool {
    let mut heads = heads.iter();
    heads.any(|head| head.origin == origin.as_str() && head.disclosed_size > index)
}
