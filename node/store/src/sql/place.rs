//! Numbers as the database keeps them: signed, and leaves of all logs in one order.

use std::ops::Range;

use crate::Error;

/// Bits of a place that hold the index; the schema explains places.
const INDEX_BITS: u32 = 40;
const INDEX_END: u64 = 1 << INDEX_BITS;

/// `logs.id`.
#[derive(Clone, Copy, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct LogId(pub(super) i64);

impl LogId {
    /// The place of a leaf of this log.
    pub(super) fn place(self, index: u64) -> Result<i64, Error> {
        if index >= INDEX_END {
            return Err(Error::Corrupt("a log has more than 2^40 leaves"));
        }
        Ok((self.0 << INDEX_BITS) | integer(index)?)
    }

    /// The places of all leaves of this log.
    pub(super) fn places(self) -> Range<i64> {
        (self.0 << INDEX_BITS)..((self.0 + 1) << INDEX_BITS)
    }
}

/// The index of the leaf at a place.
pub(super) fn index_at(place: i64) -> u64 {
    place.unsigned_abs() & (INDEX_END - 1)
}

/// A range of indexes as offsets within a log's places. Indexes that no log can have are
/// cut off, so that `0..u64::MAX` asks for everything.
pub(super) fn offsets(range: &Range<u64>) -> (i64, i64) {
    let clamp = |index: u64| index.min(INDEX_END).cast_signed();
    (clamp(range.start), clamp(range.end))
}

/// An unsigned number on its way into the database.
pub(super) fn integer(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::Corrupt("a number is beyond 2^63"))
}

/// An unsigned number on its way out.
pub(crate) fn unsigned<T: TryFrom<i64>>(value: i64) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::Corrupt("a number is out of its range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_order_by_log_then_index() {
        let (first, second) = (LogId(1), LogId(2));
        let last = first.place(INDEX_END - 1).unwrap();
        assert_eq!(last + 1, second.place(0).unwrap());
        assert_eq!(
            first.places(),
            first.place(0).unwrap()..second.place(0).unwrap()
        );
        assert_eq!(index_at(last), INDEX_END - 1);
        assert!(first.place(INDEX_END).is_err());
        assert_eq!(offsets(&(3..u64::MAX)), (3, 1 << INDEX_BITS));
    }
}
