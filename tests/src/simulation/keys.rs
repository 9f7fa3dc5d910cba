//! Trust lists that change while members run, and the keys that they name.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    codes::Region,
    keys::RecordSigner,
    trust::{self, RecordKey, RootKeys, SignedTrustList, TrustChain},
};

use crate::members::{self, next_list, record_signer, seed, trust_list_notes};

/// The lists so far, and which of its keys each member writes with.
pub(super) struct Keyring {
    roots: RootKeys,
    chain: TrustChain,
    /// How often each member changed its record key.
    changes: BTreeMap<Region, u8>,
    /// The version without which a member's own key is not listed.
    needed: BTreeMap<Region, usize>,
}

impl Keyring {
    pub(super) fn new() -> Self {
        let roots = members::roots();
        let chain = members::verified(&roots, &trust_list_notes(1, None));
        Self {
            roots,
            chain,
            changes: BTreeMap::new(),
            needed: BTreeMap::new(),
        }
    }

    /// All lists, verified.
    pub(super) const fn chain(&self) -> &TrustChain {
        &self.chain
    }

    /// All lists as signed notes: an operator's file.
    pub(super) fn notes(&self) -> Vec<String> {
        let lists = self.chain.lists().iter();
        lists.map(SignedTrustList::note).collect()
    }

    /// The version of the list without which a member's key is not listed.
    pub(super) fn needed(&self, region: Region) -> usize {
        self.needed.get(&region).copied().unwrap_or(1)
    }

    /// What a member starts with: the lists that its store holds, or if those do not do, what
    /// its operator has.
    pub(super) fn held(&self, region: Region, notes: &[Vec<u8>]) -> TrustChain {
        let needed = self.needed(region);
        if notes.len() < needed {
            let first = self.chain.first(needed as u64);
            first.expect("as many lists as there are")
        } else {
            members::verified(&self.roots, notes)
        }
    }

    /// The key with which a member writes now.
    pub(super) fn signer(&self, region: Region) -> RecordSigner {
        match self.changes.get(&region) {
            Some(changes) => RecordSigner::from_seed(&seed(region, 100 + changes)),
            None => record_signer(region),
        }
    }

    /// Gives a member a new record key from an index of its log on, where its former one ends:
    /// at the end of the log as planned, or before records that a thief may have signed.
    pub(super) fn change_key(&mut self, region: Region, at: u64) {
        let former = self.public_key(region);
        *self.changes.entry(region).or_default() += 1;
        let public_key = self.public_key(region);
        let note = next_list(&self.chain, |list| {
            let province = region.to_string();
            let own = list.members.iter_mut().find(|m| m.region == province);
            let trust::Member { record_keys, .. } = own.expect("a member");
            let key = record_keys.iter_mut().find(|k| k.public_key == former);
            let key = key.expect("its key");
            // A key that begins behind the place has no place at all.
            let at = at.max(key.from_index);
            key.until_index = Some(at);
            let next = RecordKey {
                public_key,
                from_index: at,
                until_index: None,
                ..key.clone()
            };
            record_keys.push(next);
        });
        self.chain = self.chain.extended(&note).expect("it follows");
        self.needed.insert(region, self.chain.lists().len());
    }

    fn public_key(&self, region: Region) -> String {
        BASE64_STANDARD.encode(self.signer(region).public_key())
    }
}
