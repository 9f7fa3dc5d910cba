//! Evidence that a log contradicted itself, for anybody who knows its key: two checkpoints
//! that it signed and that cannot both be of one append-only log.
//!
//! [`Evidence`] is what a node finds, keeps and passes on to the others. [`EvidenceFile`] adds
//! the trust lists that name the log's keys: [`verify`] needs nothing else but the root keys.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    merkle::{self, Hash},
    replicate::{CheckpointRefusal, read_checkpoint},
    trust::{Member, RootKeys, TrustChain, TrustError},
};

/// Two checkpoints that a log signed, and where their sizes differ a consistency proof that
/// verifies to the larger root and yields another smaller root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The smaller checkpoint (signed note).
    pub smaller: String,
    /// The larger one, or the other one of the same size.
    pub larger: String,
    /// Consistency proof, base64 hashes; empty when the sizes are the same. Where the smaller
    /// tree is one full subtree RFC 9162 leaves its root out of the proof, as the verifier
    /// has it already: here the root that belongs to the larger tree stands in front.
    pub proof: Vec<String>,
}

impl Evidence {
    /// The longest evidence that members pass on to each other, in bytes: two checkpoints of
    /// the largest size that is read, with every character escaped, and a proof.
    pub const MAX_BYTES: usize = 4 * crate::replicate::MAX_CHECKPOINT_BYTES + 8 * 1024;

    /// Evidence out of two checkpoints of one size.
    pub fn of_one_size(one: &SignedCheckpoint, other: &SignedCheckpoint) -> Self {
        Self {
            smaller: one.to_string(),
            larger: other.to_string(),
            proof: Vec::new(),
        }
    }

    /// Evidence out of two checkpoints of different sizes, the consistency proof of the larger
    /// tree, and the root which that tree has at the smaller size.
    pub fn of_history(
        smaller: &SignedCheckpoint,
        larger: &SignedCheckpoint,
        root_before: &Hash,
        proof: &[Hash],
    ) -> Self {
        let left_out = smaller
            .checkpoint()
            .size
            .is_power_of_two()
            .then_some(root_before);
        Self {
            smaller: smaller.to_string(),
            larger: larger.to_string(),
            proof: left_out
                .into_iter()
                .chain(proof)
                .map(Hash::to_base64)
                .collect(),
        }
    }

    /// Reads what [`Evidence::to_json`] wrote.
    ///
    /// # Errors
    /// `Oversize` or `Format`.
    pub fn from_json(json: &[u8]) -> Result<Self, EvidenceError> {
        if json.len() > Self::MAX_BYTES {
            return Err(EvidenceError::Oversize);
        }
        serde_json::from_slice(json).map_err(|_| EvidenceError::Format)
    }

    /// As it is kept and passed on.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which these types rule out.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Checks that the log of `member` contradicted itself.
    ///
    /// # Errors
    /// [`EvidenceError`] with the first thing that is missing for a proof.
    pub fn check(&self, member: &Member, origin: &Origin) -> Result<Contradiction, EvidenceError> {
        let read = |note: &str| match read_checkpoint(member, origin, note.as_bytes()) {
            Ok(signed) => Ok(signed.checkpoint().clone()),
            Err(CheckpointRefusal::Signature) => Err(EvidenceError::Signature),
            Err(CheckpointRefusal::OtherLog) => Err(EvidenceError::OtherLog),
            Err(_) => Err(EvidenceError::Checkpoint),
        };
        let (smaller, larger) = (read(&self.smaller)?, read(&self.larger)?);
        let root_before = match smaller.size.cmp(&larger.size) {
            std::cmp::Ordering::Greater => return Err(EvidenceError::Order),
            std::cmp::Ordering::Equal => larger.root,
            std::cmp::Ordering::Less => self.root_before(&smaller, &larger)?,
        };
        if root_before == smaller.root {
            return Err(EvidenceError::Consistent);
        }
        Ok(Contradiction {
            smaller,
            larger,
            root_before,
        })
    }

    /// The root that the larger tree has at the smaller size.
    fn root_before(
        &self,
        smaller: &Checkpoint,
        larger: &Checkpoint,
    ) -> Result<Hash, EvidenceError> {
        let proof: Vec<Hash> = self
            .proof
            .iter()
            .map(|line| Hash::from_base64(line).map_err(|_| EvidenceError::Proof))
            .collect::<Result<_, _>>()?;
        let (before, proof) = match proof.split_first() {
            Some((root, rest)) if smaller.size.is_power_of_two() => (root, rest),
            _ => (&smaller.root, proof.as_slice()),
        };
        let roots = merkle::consistency_roots(smaller.size, larger.size, before, proof);
        match roots {
            Ok((old, new)) if new == larger.root => Ok(old),
            _ => Err(EvidenceError::Proof),
        }
    }

    /// Whether it proves that the log of `member` contradicted itself.
    pub fn proves(&self, member: &Member, origin: &Origin) -> bool {
        self.check(member, origin).is_ok()
    }
}

/// A proven contradiction: the log signed both, and the larger tree does not begin with the
/// smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The smaller checkpoint.
    pub smaller: Checkpoint,
    /// The larger one, or the other one of the same size.
    pub larger: Checkpoint,
    /// The root that the larger tree has at the smaller size.
    pub root_before: Hash,
}

/// Evidence with everything that a third party needs besides the root keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceFile {
    /// [`EvidenceFile::FORMAT`].
    pub format: String,
    /// The log.
    pub origin: String,
    /// As in [`Evidence`].
    pub smaller: String,
    /// As in [`Evidence`].
    pub larger: String,
    /// As in [`Evidence`].
    pub proof: Vec<String>,
    /// The trust lists, version 1 first (signed notes).
    pub trust_lists: Vec<String>,
}

impl EvidenceFile {
    /// The format of this version.
    pub const FORMAT: &str = "huren/evidence/v1";
    /// The longest file that is read, in bytes.
    pub const MAX_BYTES: usize = 64 << 20;

    /// A file of the evidence about a log.
    pub fn new(origin: &Origin, evidence: Evidence, chain: &TrustChain) -> Self {
        let Evidence {
            smaller,
            larger,
            proof,
        } = evidence;
        Self {
            format: Self::FORMAT.to_owned(),
            origin: origin.to_string(),
            smaller,
            larger,
            proof,
            trust_lists: chain.lists().iter().map(|list| list.note()).collect(),
        }
    }

    /// As readable JSON.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which these types rule out.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

/// Evidence that holds, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Province whose log it is.
    pub region: String,
    /// That log.
    pub origin: Origin,
    /// What it signed.
    pub contradiction: Contradiction,
    /// Version of the trust list whose keys verify both signatures: the newest that does.
    pub trust_list_version: u64,
    /// Newest version in the file. Where it is a later one the federation has closed the key
    /// since, and so has judged the contradiction.
    pub newest_version: u64,
}

/// Checks an evidence file with nothing but root keys.
///
/// # Errors
/// [`EvidenceError`] with the first thing that is missing for a proof.
pub fn verify(json: &[u8], roots: &RootKeys) -> Result<Proven, EvidenceError> {
    if json.len() > EvidenceFile::MAX_BYTES {
        return Err(EvidenceError::Oversize);
    }
    let value: serde_json::Value =
        serde_json::from_slice(json).map_err(|_| EvidenceError::Format)?;
    match value.get("format").and_then(|format| format.as_str()) {
        Some(EvidenceFile::FORMAT) => {}
        Some(other) if other.starts_with("huren/evidence/") => {
            return Err(EvidenceError::NewerFormat);
        }
        _ => return Err(EvidenceError::Format),
    }
    let file: EvidenceFile = serde_json::from_value(value).map_err(|_| EvidenceError::Format)?;
    let origin: Origin = file.origin.parse().map_err(|_| EvidenceError::Format)?;
    let notes = file.trust_lists.iter().map(String::as_bytes);
    let chain = TrustChain::verify(roots, notes)?;
    let evidence = Evidence {
        smaller: file.smaller,
        larger: file.larger,
        proof: file.proof,
    };
    // A key that the federation has closed since was the log's when it signed.
    let mut refusal = EvidenceError::UnknownLog;
    for signed in chain.lists().iter().rev() {
        let Some(member) = signed.list.member_of(&origin) else {
            continue;
        };
        match evidence.check(member, &origin) {
            Ok(contradiction) => {
                return Ok(Proven {
                    region: member.region.clone(),
                    origin,
                    contradiction,
                    trust_list_version: signed.list.version,
                    newest_version: chain.newest().list.version,
                });
            }
            // What a list that knows the keys says is nearer to the cause.
            Err(EvidenceError::Signature) if refusal != EvidenceError::UnknownLog => {}
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Why evidence proves nothing. [`EvidenceError::is_undecided`] tells 'proves nothing' from
/// 'cannot tell'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Longer than any evidence is.
    #[error("longer than any evidence is")]
    Oversize,
    /// Not evidence of this format.
    #[error("not evidence of format {}", EvidenceFile::FORMAT)]
    Format,
    /// Written in a newer format than this program knows.
    #[error("the evidence is of a format that this program does not know")]
    NewerFormat,
    /// The trust lists do not verify from the root keys.
    #[error("the trust lists do not verify from these root keys: {0}")]
    Trust(#[from] TrustError),
    /// The log is of no member.
    #[error("the log belongs to no member")]
    UnknownLog,
    /// A checkpoint cannot be read.
    #[error("one of the two is not a checkpoint")]
    Checkpoint,
    /// A checkpoint is of another log.
    #[error("one of the checkpoints is of another log")]
    OtherLog,
    /// A checkpoint is not signed by a key of the log that is valid for its size.
    #[error("one of the checkpoints is not signed by the log")]
    Signature,
    /// The first checkpoint is larger than the second one.
    #[error("the first checkpoint is larger than the second one")]
    Order,
    /// The proof does not lead to the larger root.
    #[error("the consistency proof does not lead to the larger checkpoint's root")]
    Proof,
    /// The smaller tree is the beginning of the larger one.
    #[error("the two checkpoints agree: there is no contradiction")]
    Consistent,
}

impl EvidenceError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Oversize => "EVIDENCE_OVERSIZE",
            Self::Format => "EVIDENCE_FORMAT",
            Self::NewerFormat => "EVIDENCE_NEWER",
            Self::Trust(_) => "EVIDENCE_TRUST",
            Self::UnknownLog => "EVIDENCE_LOG_UNKNOWN",
            Self::Checkpoint => "EVIDENCE_CHECKPOINT",
            Self::OtherLog => "EVIDENCE_OTHER_LOG",
            Self::Signature => "EVIDENCE_SIGNATURE",
            Self::Order => "EVIDENCE_ORDER",
            Self::Proof => "EVIDENCE_PROOF",
            Self::Consistent => "EVIDENCE_CONSISTENT",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::Oversize => "超过证据的大小上限。",
            Self::Format => "不是本格式的证据文件。",
            Self::NewerFormat => "证据格式比本程序新，请升级后再验。",
            Self::Trust(_) => "信任清单无法由所给根公钥验证。",
            Self::UnknownLog => "日志不属于任何成员。",
            Self::Checkpoint => "两份检查点中有一份无法识别。",
            Self::OtherLog => "两份检查点中有一份属于别的日志。",
            Self::Signature => "两份检查点中有一份没有该日志的有效签名。",
            Self::Order => "两份检查点大小顺序颠倒。",
            Self::Proof => "一致性证明不能推出较大检查点的根。",
            Self::Consistent => "两份检查点前后一致，不构成矛盾。",
        }
    }

    /// Whether this says 'cannot tell' (exit 2) rather than 'proves nothing' (exit 1).
    pub const fn is_undecided(&self) -> bool {
        matches!(self, Self::NewerFormat)
    }
}

/// Why a frozen log goes on, in the words of the operator who lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReason {
    /// Somebody else signed with the log's key.
    KeyStolen,
    /// The log went on from an older database.
    OlderDatabase,
    /// Two nodes wrote one log.
    TwoWriters,
    /// A fault of the program.
    ProgramFault,
    /// The member did it, and the federation has dealt with it.
    MemberJudged,
}

impl ReleaseReason {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::KeyStolen,
        Self::OlderDatabase,
        Self::TwoWriters,
        Self::ProgramFault,
        Self::MemberJudged,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::KeyStolen => "KEY_STOLEN",
            Self::OlderDatabase => "OLDER_DATABASE",
            Self::TwoWriters => "TWO_WRITERS",
            Self::ProgramFault => "PROGRAM_FAULT",
            Self::MemberJudged => "MEMBER_JUDGED",
        }
    }

    /// In Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::KeyStolen => "日志私钥被他人使用",
            Self::OlderDatabase => "日志由旧数据库续写",
            Self::TwoWriters => "两个节点同时写同一日志",
            Self::ProgramFault => "程序缺陷",
            Self::MemberJudged => "系成员所为，联盟已作处理",
        }
    }

    /// In English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::KeyStolen => "somebody else signed with the log's key",
            Self::OlderDatabase => "the log went on from an older database",
            Self::TwoWriters => "two nodes wrote one log",
            Self::ProgramFault => "a fault of the program",
            Self::MemberJudged => "the member did it, and the federation has dealt with it",
        }
    }

    /// The reason with that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}
