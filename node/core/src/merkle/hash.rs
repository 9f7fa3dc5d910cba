//! RFC 6962 section 2.1: leaf hashes, node hashes, and the root of a list.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A SHA-256 hash: of a leaf, of an inner node, or of a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// Why a text is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not canonical base64 (RFC 4648 section 4, padded) or not hex.
    #[error("a hash is not in the expected encoding")]
    Encoding,
    /// Decoded, but not to 32 bytes.
    #[error("a hash has {0} bytes instead of 32")]
    Length(usize),
}

impl Hash {
    /// Length of a hash in bytes.
    pub const LEN: usize = 32;

    /// The hash in `bytes`; `None` unless there are exactly 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base64 with padding, as checkpoints and proofs write it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads what [`Hash::to_base64`] writes and nothing else: other paddings and
    /// non-zero trailing bits are refused, so that one hash has one text.
    pub fn from_base64(text: &str) -> Result<Self, HashError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashError::Encoding)?;
        Self::from_slice(&bytes).ok_or(HashError::Length(bytes.len()))
    }

    /// Lowercase hex.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Reads 64 hex digits of either case.
    pub fn from_hex(text: &str) -> Result<Self, HashError> {
        let bytes = hex::decode(text).map_err(|_| HashError::Encoding)?;
        Self::from_slice(&bytes).ok_or(HashError::Length(bytes.len()))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// `SHA-256(0x00 || data)`: the hash of one leaf.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([0u8])
            .chain_update(data)
            .finalize()
            .into(),
    )
}

/// `SHA-256(0x01 || left || right)`: the hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1u8; 65];
    input[1..33].copy_from_slice(&left.0);
    input[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(input).into())
}

/// The root of the tree without leaves: the SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The Merkle Tree Hash of a list of leaf hashes.
///
/// The elements may as well be the roots of consecutive full subtrees of one size
/// (2^k leaves each), the last one of fewer leaves: RFC 6962 splits at the largest
/// power of two below the number of leaves, which is then the largest power of two
/// below the number of elements.
pub fn root_of(leaf_hashes: &[Hash]) -> Hash {
    // Complete subtrees from left to right, each larger than the next.
    let mut pending: Vec<Hash> = Vec::new();
    for (index, leaf) in leaf_hashes.iter().enumerate() {
        let mut node = *leaf;
        // As many trailing ones as the index has, so many subtrees end with this leaf.
        for _ in 0..index.trailing_ones() {
            if let Some(left) = pending.pop() {
                node = node_hash(&left, &node);
            }
        }
        pending.push(node);
    }
    pending
        .into_iter()
        .rev()
        .reduce(|right, left| node_hash(&left, &right))
        .unwrap_or_else(empty_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_root_is_the_published_one() {
        // RFC 6962 section 2.1: the hash of an empty list is the hash of an empty string.
        assert_eq!(
            root_of(&[]).to_hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn small_trees_split_at_the_largest_power_of_two() {
        let leaves: Vec<Hash> = (0u8..5).map(|n| leaf_hash(&[n])).collect();
        let ab = node_hash(&leaves[0], &leaves[1]);
        let cd = node_hash(&leaves[2], &leaves[3]);
        let abcd = node_hash(&ab, &cd);
        assert_eq!(root_of(&leaves[..1]), leaves[0]);
        assert_eq!(root_of(&leaves[..3]), node_hash(&ab, &leaves[2]));
        assert_eq!(root_of(&leaves), node_hash(&abcd, &leaves[4]));
    }

    #[test]
    fn texts_read_back_and_have_one_spelling() {
        let hash = leaf_hash(b"leaf");
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        assert_eq!(Hash::from_hex(&hash.to_hex()), Ok(hash));
        assert_eq!(Hash::from_base64("AAAA"), Err(HashError::Length(3)));
        assert_eq!(Hash::from_hex("00"), Err(HashError::Length(1)));
        let unpadded = hash.to_base64().replace('=', "");
        assert_eq!(Hash::from_base64(&unpadded), Err(HashError::Encoding));
        // 43 digits carry 258 bits: the last two must be zero.
        let zero = Hash([0; 32]).to_base64().replace("A=", "B=");
        assert_eq!(Hash::from_base64(&zero), Err(HashError::Encoding));
        assert_eq!(Hash::from_slice(&[0; 31]), None);
    }
}
