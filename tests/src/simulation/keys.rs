//! Trust lists that change while members run: each new one gives a member a new record key.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    codes::Region,
    keys::RecordSigner,
    trust::{RecordKey, RootKeys, TrustChain},
};

use crate::members::{self, REGIONS, member, record_signer, seed};

/// The lists so far, and which of its keys each member writes with.
pub(super) struct Keyring {
    roots: RootKeys,
    members: Vec<huren_core::trust::Member>,
    notes: Vec<String>,
    /// How often each member changed its record key.
    changes: BTreeMap<Region, u8>,
    /// The version without which each member's own key is not listed.
    needed: BTreeMap<Region, usize>,
}

impl Keyring {
    pub(super) fn new() -> Self {
        let mut keyring = Self {
            roots: members::roots(),
            members: REGIONS.map(member).to_vec(),
            notes: Vec::new(),
            changes: BTreeMap::new(),
            needed: BTreeMap::new(),
        };
        keyring.issue();
        keyring
    }

    /// All lists, verified.
    pub(super) fn chain(&self) -> TrustChain {
        members::verified(&self.roots, &self.notes)
    }

    /// What a member starts with: the lists that its store holds, or if those do not do, what
    /// its operator has.
    pub(super) fn held(&self, region: Region, notes: &[Vec<u8>]) -> TrustChain {
        let needed = self.needed.get(&region).copied().unwrap_or(1);
        if notes.len() < needed {
            members::verified(&self.roots, &self.notes[..needed])
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

    /// Gives a member a new record key from an index of its log on, where its old one ends.
    pub(super) fn change_key(&mut self, region: Region, at: u64) {
        *self.changes.entry(region).or_default() += 1;
        let signer = self.signer(region);
        let province = region.to_string();
        let own = self.members.iter_mut().find(|m| m.region == province);
        let keys = &mut own.expect("a member").record_keys;
        // The key that signs everything comes first; former ones stay with their windows.
        let former = keys[0].clone();
        keys[0] = RecordKey {
            public_key: BASE64_STANDARD.encode(signer.public_key()),
            from_index: at,
            until_index: None,
            ..former.clone()
        };
        keys.push(RecordKey {
            until_index: Some(at),
            ..former
        });
        self.issue();
        self.needed.insert(region, self.notes.len());
    }

    /// Signs the next list.
    fn issue(&mut self) {
        let previous = match self.notes.len() {
            0 => String::new(),
            _ => self.chain().newest().digest.to_hex(),
        };
        let version = self.notes.len() as u64 + 1;
        let note = members::trust_list(version, previous, self.members.clone());
        self.notes.push(note);
    }
}
