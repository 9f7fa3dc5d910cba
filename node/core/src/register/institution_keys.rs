//! Keys that directory entries give to institutions, and what each may sign.

use std::collections::{BTreeSet, HashMap};

use huren_proto::v1;

use super::CheckedLeaf;
use crate::{
    codes::Region,
    keys::{Algorithm, RecordVerifier, key_id},
    merkle::Hash,
};

/// A key as an entry of an institution names it. It counts for the leaves behind the entry and
/// before the institution's next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstitutionKeyRow {
    /// Index of the entry's leaf.
    pub index: u64,
    /// Id of the key.
    pub key_id: Hash,
    /// Number of its algorithm as in `huren.v1.SignatureAlgorithm`.
    pub alg: i32,
    /// The public key.
    pub public_key: Vec<u8>,
    /// Code of the institution.
    pub code: String,
    /// On whose behalf the entry was written, as six digits.
    pub writer_region: u32,
    /// Whether the institution may assess.
    pub active: bool,
}

/// The keys that institutions of a log hold at a place of it, by id.
pub type InstitutionKeys = HashMap<Hash, InstitutionKeyRow>;

/// What a fold wants to know of institutions' keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysWanted {
    /// Ids of keys: who holds them?
    pub ids: BTreeSet<Hash>,
    /// Codes of institutions: which keys do they hold?
    pub codes: BTreeSet<String>,
}

impl KeysWanted {
    /// What folding these leaves wants to know.
    pub fn of<'a>(leaves: impl IntoIterator<Item = &'a CheckedLeaf>) -> Self {
        let mut wanted = Self::default();
        for leaf in leaves {
            leaf.want_keys(&mut wanted);
        }
        wanted
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.codes.is_empty()
    }
}

impl InstitutionKeyRow {
    /// Kind of the directory that institutions are in, as in `huren.v1.Kind`.
    pub const DIRECTORY: u32 = v1::Kind::Institution as u32;

    /// The keys of an entry at an index, written on behalf of a region. A key of an algorithm
    /// that this program does not know is left out: what it signs cannot be checked here.
    pub fn of(index: u64, writer: &Region, entry: &v1::Institution) -> Vec<Self> {
        let row = |key: &v1::InstitutionKey| {
            let algorithm = Algorithm::from_number(key.alg)?;
            Some(Self {
                index,
                key_id: key_id(algorithm.name(), &key.public_key),
                alg: key.alg,
                public_key: key.public_key.clone(),
                code: entry.code.clone(),
                writer_region: writer.number(),
                active: entry.state() == v1::InstitutionState::Active,
            })
        };
        entry.keys.iter().filter_map(row).collect()
    }

    /// Whether the key may sign a record of a kind for a region.
    ///
    /// # Errors
    /// The stable reason code of what it lacks.
    pub fn admits(&self, kind: i32, writer: &Region) -> Result<(), &'static str> {
        if kind != v1::Kind::Certificate as i32 {
            return Err("KEY_KIND");
        }
        if !self.active {
            return Err("KEY_INSTITUTION_STATE");
        }
        let own = Region::from_number(self.writer_region);
        if !own.is_some_and(|own| own.contains(writer)) {
            return Err("KEY_REGION");
        }
        Ok(())
    }

    /// What checks its signatures; `None` if it is damaged.
    pub fn verifier(&self) -> Option<RecordVerifier> {
        let algorithm = Algorithm::from_number(self.alg)?;
        RecordVerifier::new(algorithm, &self.public_key).ok()
    }
}
