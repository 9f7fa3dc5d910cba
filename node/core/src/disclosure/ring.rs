//! A key, and those in whose place it came: as long as something is kept under one of these, it
//! is needed to find or to open it.

use crate::{checkpoint::Origin, merkle::Hash};

use super::{Opening, SealError, SecretKey, number_tag, seal, unseal};

/// Names a key without giving it away: see [`SecretKey::id`].
pub type KeyId = [u8; 8];

/// A key that is in use, and earlier ones.
#[derive(Clone, Debug)]
pub struct KeyRing {
    /// The key in use first.
    keys: Vec<SecretKey>,
}

impl From<SecretKey> for KeyRing {
    fn from(key: SecretKey) -> Self {
        Self { keys: vec![key] }
    }
}

impl KeyRing {
    /// With keys that were in use before.
    #[must_use]
    pub fn with_earlier(mut self, earlier: impl IntoIterator<Item = SecretKey>) -> Self {
        for key in earlier {
            if self.get(&key.id()).is_none() {
                self.keys.push(key);
            }
        }
        self
    }

    /// The key that is in use.
    pub fn current(&self) -> &SecretKey {
        #[expect(
            clippy::expect_used,
            reason = "a ring is made of one key and never loses one"
        )]
        self.keys.first().expect("a key")
    }

    /// All keys, the one in use first.
    pub fn keys(&self) -> &[SecretKey] {
        &self.keys
    }

    /// Their ids, in the same order.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(SecretKey::id).collect()
    }

    fn get(&self, id: &[u8]) -> Option<&SecretKey> {
        self.keys.iter().find(|key| key.id() == id)
    }

    /// Seals under the key in use: see [`seal`].
    ///
    /// # Errors
    /// As [`seal`].
    pub fn seal(
        &self,
        nonce: [u8; 24],
        place: (&Origin, &Hash),
        openings: &[Opening],
    ) -> Result<Vec<u8>, SealError> {
        seal(self.current(), nonce, place, openings)
    }

    /// Opens what was sealed under any of the keys: see [`unseal`].
    ///
    /// # Errors
    /// As [`unseal`]; also if it was sealed under none of them.
    pub fn unseal(
        &self,
        place: (&Origin, &Hash),
        sealed: &[u8],
    ) -> Result<Vec<Opening>, SealError> {
        let id = sealed.get(..8).ok_or(SealError)?;
        unseal(self.get(id).ok_or(SealError)?, place, sealed)
    }

    /// Whether something is sealed under the key in use.
    pub fn seals(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.current().id())
    }

    /// The tags of a number, that under the key in use first: a certificate is looked up by all
    /// of them.
    pub fn number_tags(&self, number: &str) -> Vec<[u8; 32]> {
        let tag = |key| number_tag(key, number);
        self.keys.iter().map(tag).collect()
    }

    /// Which keys the database is known to need from now on, the one in use first, when it was
    /// known to need `recorded` before. Where that was under another key, everything is to be put
    /// under the new one.
    ///
    /// # Errors
    /// [`KeyMissing`] if one of those is not here.
    pub fn taking_over(&self, recorded: &[KeyId]) -> Result<Vec<KeyId>, KeyMissing> {
        if let Some(id) = recorded.iter().find(|id| self.get(&id[..]).is_none()) {
            return Err(KeyMissing { id: *id });
        }
        let current = self.current().id();
        // Nobody knows which of the keys a database without a record is under.
        let known = if recorded.is_empty() {
            self.ids()
        } else {
            recorded.to_vec()
        };
        let others = known.into_iter().filter(|id| *id != current);
        Ok([current].into_iter().chain(others).collect())
    }
}

/// A key that something is still kept under is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key {} is still needed", hex::encode(.id))]
pub struct KeyMissing {
    /// Its id.
    pub id: KeyId,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::new([byte; 32])
    }

    fn ring(keys: [u8; 2]) -> KeyRing {
        KeyRing::from(key(keys[0])).with_earlier([key(keys[1])])
    }

    #[test]
    fn what_an_earlier_key_sealed_is_opened_and_what_another_sealed_is_not() {
        let origin: Origin = "huren.test/log/33".parse().unwrap();
        let place = (&origin, &Hash([7; 32]));
        let old = KeyRing::from(key(1)).seal([0; 24], place, &[]).unwrap();
        let new = ring([2, 1]).seal([0; 24], place, &[]).unwrap();
        assert_eq!(old.len(), new.len(), "a row can be written over");
        assert_eq!(ring([2, 1]).unseal(place, &old), Ok(Vec::new()));
        assert_eq!(ring([2, 1]).unseal(place, &new), Ok(Vec::new()));
        assert_eq!(ring([2, 3]).unseal(place, &old), Err(SealError));
        assert!(ring([2, 1]).seals(&new) && !ring([2, 1]).seals(&old));
    }

    #[test]
    fn no_key_is_let_go_of_that_is_needed() {
        let ids = |bytes: &[u8]| bytes.iter().map(|b| key(*b).id()).collect::<Vec<_>>();
        let missing = |byte| Err(KeyMissing { id: key(byte).id() });
        let one = KeyRing::from(key(1));
        for (keys, recorded, expected) in [
            // New, unchanged, changed, and changed in the middle of a change.
            (one.clone(), ids(&[]), Ok(ids(&[1]))),
            (one.clone(), ids(&[1]), Ok(ids(&[1]))),
            (ring([2, 1]), ids(&[1]), Ok(ids(&[2, 1]))),
            (
                ring([3, 2]).with_earlier([key(1)]),
                ids(&[2, 1]),
                Ok(ids(&[3, 2, 1])),
            ),
            // Done: an earlier key that lies there still is not needed.
            (ring([2, 1]), ids(&[2]), Ok(ids(&[2]))),
            // Changed back.
            (ring([1, 2]), ids(&[2, 1]), Ok(ids(&[1, 2]))),
            // Without a record anything may be under any of them.
            (ring([2, 1]), ids(&[]), Ok(ids(&[2, 1]))),
            // Not here.
            (one.clone(), ids(&[2]), missing(2)),
            (one, ids(&[1, 2]), missing(2)),
        ] {
            assert_eq!(keys.taking_over(&recorded), expected);
        }
    }
}
