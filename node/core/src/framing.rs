//! Length-prefixed framing for everything that is hashed or signed: each part stands
//! behind its length, so that no two lists of parts give the same bytes.

use sha2::{Digest as _, Sha256};

/// Appends a part behind its length (uint32, big-endian).
pub(crate) fn push(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&prefix(part));
    out.extend_from_slice(part);
}

/// The framed bytes of a list of parts.
pub(crate) fn frame<'a>(parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>) -> Vec<u8> {
    let parts = parts.into_iter();
    // At its full size from the start: growing would leave copies of secrets behind.
    let mut out = Vec::with_capacity(parts.clone().map(|part| 4 + part.len()).sum());
    for part in parts {
        push(&mut out, part);
    }
    out
}

/// SHA-256 of the framed bytes of a list of parts.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(prefix(part));
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The parts of framed bytes; ends at the first that is cut off.
pub(crate) fn parts(mut framed: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = framed.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        framed = rest;
        Some(part)
    })
}

fn prefix(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}
