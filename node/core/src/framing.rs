//! Length-prefixed framing for everything that is hashed or signed: each part stands
//! behind its length, so that no two lists of parts give the same bytes.

/// Appends a part behind its length (uint32, big-endian).
pub(crate) fn push(out: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(part);
}

/// The framed bytes of a list of parts.
pub(crate) fn frame<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        push(&mut out, part);
    }
    out
}
