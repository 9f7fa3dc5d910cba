//! Entry bundles of `tlog-tiles`, "Log entries": up to 256 entries, each after its
//! length as a big-endian uint16.

use super::tile::TILE_WIDTH;

/// The longest entry that a bundle can hold, in bytes.
pub const MAX_ENTRY_LEN: usize = u16::MAX as usize;

/// Why entries are no bundle, or bytes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Empty bundles are not served, so there are none.
    #[error("an entry bundle without entries")]
    Empty,
    /// More than 256 entries.
    #[error("an entry bundle with more than {TILE_WIDTH} entries")]
    TooManyEntries,
    /// An entry longer than 65,535 bytes.
    #[error("an entry of {0} bytes, of at most {MAX_ENTRY_LEN}")]
    EntryTooLong(usize),
    /// The bytes end within an entry or within a length.
    #[error("an entry bundle ends within entry {0}")]
    Truncated(usize),
}

/// Encodes 1 to 256 entries of at most 65,535 bytes each.
pub fn encode_bundle<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    let mut count = 0;
    for entry in entries {
        if count == TILE_WIDTH {
            return Err(BundleError::TooManyEntries);
        }
        let length =
            u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong(entry.len()))?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
        count += 1;
    }
    if count == 0 {
        Err(BundleError::Empty)
    } else {
        Ok(bundle)
    }
}

/// Decodes a whole bundle; the entries borrow from it.
///
/// Whether there are as many as the bundle's name says, and whether they hash to the
/// level 0 tile, is the caller's to check.
pub fn decode_bundle(bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        if entries.len() == usize::from(TILE_WIDTH) {
            return Err(BundleError::TooManyEntries);
        }
        let truncated = BundleError::Truncated(entries.len());
        let (length, tail) = rest.split_first_chunk().ok_or(truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail.split_at_checked(length).ok_or(truncated)?;
        entries.push(entry);
        rest = tail;
    }
    if entries.is_empty() {
        Err(BundleError::Empty)
    } else {
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits() {
        let long = vec![0u8; MAX_ENTRY_LEN + 1];
        assert_eq!(encode_bundle([]), Err(BundleError::Empty));
        assert_eq!(
            encode_bundle([long.as_slice()]),
            Err(BundleError::EntryTooLong(65_536))
        );
        assert_eq!(
            encode_bundle(std::iter::repeat_n(&b""[..], 257)),
            Err(BundleError::TooManyEntries)
        );
        assert_eq!(decode_bundle(&[]), Err(BundleError::Empty));
        assert_eq!(
            decode_bundle(&[0; 2 * 257]),
            Err(BundleError::TooManyEntries)
        );
        assert_eq!(decode_bundle(&[0, 0, 0]), Err(BundleError::Truncated(1)));
        assert_eq!(decode_bundle(&[0, 2, 9]), Err(BundleError::Truncated(0)));
        let longest = encode_bundle([&long[1..]]).unwrap();
        assert_eq!(decode_bundle(&longest), Ok(vec![&long[1..]]));
        assert_eq!(
            decode_bundle(&[0; 2 * 256]).map(|entries| entries.len()),
            Ok(256)
        );
    }

    proptest! {
        #[test]
        fn bundles_read_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..=256)) {
            let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
            prop_assert_eq!(decode_bundle(&bundle).unwrap(), entries);
        }

        #[test]
        fn any_bytes_decode_to_what_encodes_to_them(bytes in prop::collection::vec(0u8..4, 0..300)) {
            if let Ok(entries) = decode_bundle(&bytes) {
                prop_assert_eq!(encode_bundle(entries).unwrap(), bytes);
            }
        }
    }
}
