//! The keys that a node signs with. Each role has one in use and may have the next one beside
//! it: which of them signs is for the trust list to say, so a key changes at every member at
//! the same place of the log, and at no particular time.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    checkpoint::Origin,
    cosign::Cosigner,
    keys::{RecordSigner, key_id},
    merkle::Hash,
    note::{NoteSigner, VerifierKey},
    trust::{Member, TrustChain},
};

/// A key and the one that takes its place once the trust list says so.
pub struct Rotating<K> {
    /// In use so far.
    pub current: K,
    /// The next one, if it was made already.
    pub next: Option<K>,
}

impl<K> From<K> for Rotating<K> {
    fn from(current: K) -> Self {
        Self {
            current,
            next: None,
        }
    }
}

impl<K> Rotating<K> {
    fn held(&self) -> impl Iterator<Item = &K> {
        self.next.iter().chain([&self.current])
    }

    /// The key that is named last, as new keys stand behind old ones.
    fn named_last<N>(
        &self,
        named: impl IntoIterator<Item = N, IntoIter: DoubleEndedIterator>,
        is_it: impl Fn(&K, &N) -> bool,
    ) -> Option<&K> {
        let mut named = named.into_iter().rev();
        named.find_map(|name| self.held().find(|key| is_it(key, &name)))
    }
}

/// All signing keys of a node, whose log is `origin` wherever that is asked for.
pub struct SigningKeys {
    /// Sign checkpoints.
    pub log: Rotating<NoteSigner>,
    /// Sign records.
    pub record: Rotating<RecordSigner>,
    /// Sign answers.
    pub answer: Rotating<NoteSigner>,
    /// Cosign mirrored logs; none if the node does not.
    pub mirror: Option<Rotating<Cosigner>>,
    /// Cosign what is submitted, of the other members' logs and of those outside; none if the
    /// node does not.
    pub witness: Option<Rotating<Cosigner>>,
}

impl SigningKeys {
    /// The key that may sign the checkpoint of a size.
    pub(super) fn log_at(
        &self,
        chain: &TrustChain,
        origin: &Origin,
        size: u64,
    ) -> Option<&NoteSigner> {
        let named = member(chain, origin)?.log_keys_at(size);
        let same = |key: &NoteSigner, name: &VerifierKey| key.verifier_key() == name;
        self.log.named_last(named, same)
    }

    /// The key to sign a record with that comes to an index behind the adoption of a version.
    /// Where neither key has the right to, one is given all the same: the record is then refused
    /// at its place, with the reason.
    pub(super) fn record_at(
        &self,
        chain: &TrustChain,
        origin: &Origin,
        (adopted, index): (u64, u64),
    ) -> &RecordSigner {
        let valid = |version: u64| -> Vec<Hash> {
            let list = chain.version(version);
            let member = list.and_then(|list| list.list.member_of(origin));
            let keys = member.map(|member| member.record_keys.as_slice());
            let valid = keys.unwrap_or_default().iter();
            valid
                .filter(|key| key.window().contains(index))
                .filter_map(|key| {
                    let bytes = BASE64_STANDARD.decode(&key.public_key).ok()?;
                    Some(key_id(&key.alg, &bytes))
                })
                .collect()
        };
        let (then, now) = (valid(adopted), valid(chain.newest().list.version));
        let named = now.into_iter().filter(|id| then.contains(id));
        let named: Vec<Hash> = named.collect();
        let signer = self.record.named_last(named, |key, id| key.id() == id);
        signer.unwrap_or(&self.record.current)
    }

    /// The key that signs answers.
    pub(super) fn answer(&self, chain: &TrustChain, origin: &Origin) -> Option<&NoteSigner> {
        let named = member(chain, origin)?.answer_keys.iter();
        self.answer
            .named_last(named, |key, name| key.verifier_key().to_string() == **name)
    }

    /// The key that cosigns mirrored logs.
    pub(super) fn mirror(&self, chain: &TrustChain, origin: &Origin) -> Option<&Cosigner> {
        let named = [&member(chain, origin)?.mirror_key];
        self.mirror.as_ref()?.named_last(named, is_cosigner)
    }

    /// The key that cosigns as a witness.
    pub(super) fn witness(&self, chain: &TrustChain, origin: &Origin) -> Option<&Cosigner> {
        let named = [&member(chain, origin)?.witness_key];
        self.witness.as_ref()?.named_last(named, is_cosigner)
    }

    /// The public names of all of them, with their roles.
    pub(super) fn ids(&self) -> Vec<(&'static str, String)> {
        let noted = |key: &NoteSigner| key.verifier_key().to_string();
        let cosigns = |key: &Cosigner| key.verifier_key().to_string();
        let mut ids = Vec::new();
        ids.extend(self.log.held().map(|key| ("log", noted(key))));
        let record = self.record.held();
        ids.extend(record.map(|key| ("record", key.id().to_hex())));
        ids.extend(self.answer.held().map(|key| ("answer", noted(key))));
        let mirror = self.mirror.iter().flat_map(Rotating::held);
        ids.extend(mirror.map(|key| ("mirror", cosigns(key))));
        let witness = self.witness.iter().flat_map(Rotating::held);
        ids.extend(witness.map(|key| ("witness", cosigns(key))));
        ids
    }

    /// The roles for which the newest list names none of the keys held at the end of a log: the
    /// list names a new one whose file is not here.
    pub fn unnamed(&self, chain: &TrustChain, origin: &Origin, size: u64) -> Vec<&'static str> {
        let newest = chain.newest();
        let record = self.record_at(chain, origin, (newest.list.version, size));
        let named = [
            ("log", self.log_at(chain, origin, size + 1).is_some()),
            (
                "record",
                newest.authority().is_open(origin, record.id(), size),
            ),
            ("answer", self.answer(chain, origin).is_some()),
            (
                "mirror",
                self.mirror.is_none() || self.mirror(chain, origin).is_some(),
            ),
            (
                "witness",
                self.witness.is_none() || self.witness(chain, origin).is_some(),
            ),
        ];
        let unnamed = named.into_iter().filter(|(_, is_named)| !is_named);
        unnamed.map(|(role, _)| role).collect()
    }
}

fn member<'a>(chain: &'a TrustChain, origin: &Origin) -> Option<&'a Member> {
    chain.newest().list.member_of(origin)
}

fn is_cosigner(key: &Cosigner, name: &&String) -> bool {
    key.verifier_key().to_string() == **name
}
