//! A root key's signature in a file of its own, and putting such files together: so that the
//! holders of root keys need not meet, and no machine ever holds more than one of the keys.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    merkle::Hash,
    note::{Note, NoteSignature, NoteSigner, VerifierKey},
};

use super::{RootRole, TrustChain, TrustError, TrustList, chain};

/// One signature under the text of a list, apart from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachedSignature {
    /// Version of the list.
    pub version: u64,
    /// SHA-256 of its text.
    pub digest: Hash,
    signature: NoteSignature,
}

/// Why a detached signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not such a file.
    #[error("不是签名文件 / not a signature file")]
    Format,
    /// It is for another text: another proposal, or one that was changed since.
    #[error("签名 {0} 针对的是另一份文本 / the signature of {0} is for another text")]
    OtherText(String),
    /// The key is no root key, neither of the list held nor of the proposed one.
    #[error("{0} 既不是现有根密钥，也不是新根密钥 / {0} is no root key, old or new")]
    NotARoot(String),
    /// It does not verify.
    #[error("签名 {0} 无效 / the signature of {0} does not verify")]
    Invalid(String),
    /// The proposal itself is refused.
    #[error("提案不合规 / the proposal is refused: {zh} {0}", zh = .0.zh())]
    Proposal(#[from] TrustError),
}

impl SignatureError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format => "SIGNATURE_FORMAT",
            Self::OtherText(_) => "SIGNATURE_OTHER_TEXT",
            Self::NotARoot(_) => "SIGNATURE_NOT_A_ROOT",
            Self::Invalid(_) => "SIGNATURE_INVALID",
            Self::Proposal(error) => error.code(),
        }
    }
}

impl DetachedSignature {
    /// The first line of the file.
    pub const HEADER: &str = "huren/trust-signature/v1";

    /// Signs a proposal.
    pub fn sign(list: &TrustList, text: &str, signer: &NoteSigner) -> Self {
        Self {
            version: list.version,
            digest: chain::digest(text),
            signature: signer.sign(text),
        }
    }

    /// Name of the key.
    pub fn by(&self) -> &str {
        self.signature.name().as_str()
    }
}

impl fmt::Display for DetachedSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = Self::HEADER;
        let (version, digest) = (self.version, self.digest.to_hex());
        writeln!(
            f,
            "{header}\nversion {version}\ndigest {digest}\n{}",
            self.signature
        )
    }
}

impl FromStr for DetachedSignature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let mut lines = text.lines();
        let mut next = |prefix: &str| {
            let line = lines.next()?;
            line.strip_prefix(prefix)
        };
        let mut read = || {
            next(Self::HEADER).filter(|rest| rest.is_empty())?;
            let version = next("version ")?.parse().ok()?;
            let digest = hex::decode(next("digest ")?).ok()?;
            Some(Self {
                version,
                digest: Hash::from_slice(&digest)?,
                signature: next("")?.parse().ok()?,
            })
        };
        let found = read().ok_or(SignatureError::Format)?;
        match lines.next() {
            None => Ok(found),
            Some(_) => Err(SignatureError::Format),
        }
    }
}

/// How many keys of a root role have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Keys that signed, each counted once.
    pub have: usize,
    /// The threshold.
    pub need: usize,
}

impl Signed {
    /// Whether they are enough.
    pub const fn is_enough(self) -> bool {
        self.have >= self.need
    }
}

/// A proposal with the signatures found so far.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// What it says.
    pub list: TrustList,
    /// The signed note.
    pub note: Note,
    /// Names of the keys that signed, each once.
    pub by: Vec<String>,
    /// Root keys of the list held; `None` for a first list.
    pub previous: Option<Signed>,
    /// Root keys of the proposed list.
    pub new: Signed,
}

impl Assembled {
    /// Whether both thresholds are met.
    pub fn is_complete(&self) -> bool {
        self.new.is_enough() && self.previous.is_none_or(Signed::is_enough)
    }
}

/// Puts signatures under a proposal that follows `held`. One key counts once, however often it
/// signed.
///
/// # Errors
/// [`SignatureError`] of the first one that does not belong there. Too few are no error:
/// [`Assembled`] says how many are missing.
pub fn assemble(
    held: Option<&TrustChain>,
    text: &str,
    signatures: &[DetachedSignature],
) -> Result<Assembled, SignatureError> {
    let list = TrustChain::check_proposal(held, text)?;
    let old = held.map(|held| &held.newest().list.root);
    let known = |role: &RootRole| -> Vec<VerifierKey> {
        role.keys
            .iter()
            .filter_map(|key| key.parse().ok())
            .collect()
    };
    let (old_keys, new_keys) = (old.map(known).unwrap_or_default(), known(&list.root));
    let digest = chain::digest(text);
    let mut note = Note::new(text.to_owned()).map_err(|_| TrustError::Format)?;
    let mut signers: BTreeSet<[u8; 32]> = BTreeSet::new();
    let mut by = Vec::new();
    for detached in signatures {
        let name = || detached.by().to_owned();
        if detached.digest != digest {
            return Err(SignatureError::OtherText(name()));
        }
        let mut keys = old_keys.iter().chain(&new_keys);
        let key = keys.find(|key| detached.signature.is_by(key));
        let key = key.ok_or_else(|| SignatureError::NotARoot(name()))?;
        key.verify(text, &detached.signature)
            .map_err(|_| SignatureError::Invalid(name()))?;
        if signers.insert(key.public_key().to_bytes()) {
            note.add(detached.signature.clone())
                .map_err(|_| TrustError::Format)?;
            by.push(name());
        }
    }
    let count = |keys: &[VerifierKey], need| {
        let signed = |key: &&VerifierKey| signers.contains(&key.public_key().to_bytes());
        Signed {
            have: keys.iter().filter(signed).count(),
            need,
        }
    };
    Ok(Assembled {
        previous: old.map(|old| count(&old_keys, old.threshold)),
        new: count(&new_keys, list.root.threshold),
        list,
        note,
        by,
    })
}
