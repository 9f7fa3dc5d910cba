//! Columns back into the types that they came from.

use huren_core::{checkpoint::Origin, merkle::Hash, register::Effect};

use crate::Error;

pub(super) fn origin(text: String) -> Result<Origin, Error> {
    text.parse()
        .map_err(|_| Error::Corrupt("a log's name is no origin"))
}

pub(super) fn hash(bytes: &[u8]) -> Result<Hash, Error> {
    Hash::from_slice(bytes).ok_or(Error::Corrupt("a hash is not 32 bytes long"))
}

/// The hashes of a tile.
pub(super) fn hashes(bytes: &[u8]) -> Result<Vec<Hash>, Error> {
    bytes.chunks(Hash::LEN).map(hash).collect()
}

pub(super) fn key(bytes: &[u8]) -> Result<[u8; 32], Error> {
    bytes
        .try_into()
        .map_err(|_| Error::Corrupt("a tag is not 32 bytes long"))
}

pub(super) fn effect(number: i64) -> Result<Effect, Error> {
    u8::try_from(number)
        .ok()
        .and_then(Effect::from_number)
        .ok_or(Error::Corrupt("a status change has an unknown effect"))
}

/// Group numbers as the erasures table has them.
pub(super) fn groups(text: &str) -> Result<Vec<u32>, Error> {
    text.split(',')
        .filter(|number| !number.is_empty())
        .map(|number| number.parse())
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Corrupt("a group is no number"))
}
