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
#[derive(Debug)]
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
    /// The key that is named last, as new keys stand behind old ones.
    fn named_last<'a>(
        &self,
        named: impl DoubleEndedIterator<Item = &'a str>,
        is_it: impl Fn(&K, &str) -> bool,
    ) -> Option<&K> {
        named.rev().find_map(|name| {
            let mut held = self.next.iter().chain([&self.current]);
            held.find(|key| is_it(key, name))
        })
    }
}

/// All signing keys of a node, whose log is `origin` wherever that is asked for.
#[derive(Debug)]
pub struct SigningKeys {
    /// Sign checkpoints.
    pub log: Rotating<NoteSigner>,
    /// Sign records.
    pub record: Rotating<RecordSigner>,
    /// Sign answers.
    pub answer: Rotating<NoteSigner>,
    /// Cosign mirrored logs.
    pub mirror: Rotating<Cosigner>,
    /// Cosign as a witness.
    pub witness: Rotating<Cosigner>,
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
        let named: Vec<String> = named.iter().map(VerifierKey::to_string).collect();
        let named = named.iter().map(String::as_str);
        self.log
            .named_last(named, |key, name| key.verifier_key().to_string() == name)
    }

    /// The key to sign a record with that comes to an index or behind it. Where the list names
    /// none, one is given all the same: the record is then refused at its place, with the reason.
    pub(super) fn record_at(
        &self,
        chain: &TrustChain,
        origin: &Origin,
        index: u64,
    ) -> &RecordSigner {
        let keys = member(chain, origin).map(|member| member.record_keys.as_slice());
        let valid = keys.unwrap_or_default().iter().rev().filter_map(|key| {
            let bytes = BASE64_STANDARD.decode(&key.public_key).ok()?;
            key.window()
                .contains(index)
                .then(|| key_id(&key.alg, &bytes))
        });
        let held = |id: Hash| {
            let mut held = self.record.next.iter().chain([&self.record.current]);
            held.find(|signer| *signer.id() == id)
        };
        valid
            .into_iter()
            .find_map(held)
            .unwrap_or(&self.record.current)
    }

    /// The key that signs answers.
    pub(super) fn answer(&self, chain: &TrustChain, origin: &Origin) -> Option<&NoteSigner> {
        let named = member(chain, origin)?
            .answer_keys
            .iter()
            .map(String::as_str);
        self.answer
            .named_last(named, |key, name| key.verifier_key().to_string() == name)
    }

    /// The key that cosigns mirrored logs.
    pub(super) fn mirror(&self, chain: &TrustChain, origin: &Origin) -> Option<&Cosigner> {
        let named = [member(chain, origin)?.mirror_key.as_str()].into_iter();
        self.mirror.named_last(named, is_cosigner)
    }

    /// The key that cosigns as a witness.
    pub fn witness(&self, chain: &TrustChain, origin: &Origin) -> Option<&Cosigner> {
        let named = [member(chain, origin)?.witness_key.as_str()].into_iter();
        self.witness.named_last(named, is_cosigner)
    }

    /// The roles for which the newest list names none of the keys held at the end of a log: a
    /// new one is in the list and its file is not here, or the list has not come yet.
    pub(super) fn unnamed(
        &self,
        chain: &TrustChain,
        origin: &Origin,
        size: u64,
    ) -> Vec<&'static str> {
        let record = self.record_at(chain, origin, size);
        let authority = chain.newest().authority();
        let named = [
            ("log", self.log_at(chain, origin, size + 1).is_some()),
            ("record", authority.holds_at(origin, record.id(), size)),
            ("answer", self.answer(chain, origin).is_some()),
            ("mirror", self.mirror(chain, origin).is_some()),
            ("witness", self.witness(chain, origin).is_some()),
        ];
        let unnamed = named.into_iter().filter(|(_, is_named)| !is_named);
        unnamed.map(|(role, _)| role).collect()
    }
}

fn member<'a>(chain: &'a TrustChain, origin: &Origin) -> Option<&'a Member> {
    chain.newest().list.member_of(origin)
}

fn is_cosigner(key: &Cosigner, name: &str) -> bool {
    key.verifier_key().to_string() == name
}
