//! Ranges of leaves: which are subtrees, and which ranges a proof consists of.

use std::ops::Range;

/// A full subtree: the leaves `[index * 2^height, (index + 1) * 2^height)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) height: u32,
    pub(super) index: u64,
}

/// Whether `[start, end)` is a subtree: not empty, and `start` a multiple of the
/// smallest power of two that is not below its size
/// (draft-ietf-plants-merkle-tree-certs section 4.1).
pub fn is_subtree(start: u64, end: u64) -> bool {
    if start >= end {
        return false;
    }
    // Only a whole tree of more than 2^63 leaves needs 2^64, which only 0 is a multiple of.
    match (end - start).checked_next_power_of_two() {
        Some(unit) => start & (unit - 1) == 0,
        None => start == 0,
    }
}

/// The largest power of two smaller than `n`, which must be above 1.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The ranges whose hashes prove that the subtree `[start, end)` is consistent with the
/// tree of `size` leaves, in the order of the proof (`SUBTREE_PROOF`,
/// draft-ietf-plants-merkle-tree-certs section 4.4.1).
///
/// With `start` 0 this is the consistency proof of RFC 9162 section 2.1.4, with one
/// leaf the inclusion proof of its section 2.1.3.
pub(super) fn proof_ranges(start: u64, end: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if !is_subtree(start, end) || end > size {
        return None;
    }
    let mut ranges = Vec::new();
    let mut tree = 0..size;
    // What remains of the subtree on the way down, and whether it is still the whole
    // of it, whose hash the verifier knows.
    let mut part = start..end;
    let mut known = true;
    while part != tree {
        let middle = tree.start + split(tree.end - tree.start);
        if part.end <= middle {
            ranges.push(middle..tree.end);
            tree.end = middle;
        } else {
            ranges.push(tree.start..middle);
            tree.start = middle;
            if part.start < middle {
                part.start = middle;
                known = false;
            }
        }
    }
    if !known {
        ranges.push(part);
    }
    ranges.reverse();
    Some(ranges)
}

/// The full subtrees that a range from a proof consists of, largest first: one, or
/// several along the right edge of the tree.
pub(super) fn nodes(range: &Range<u64>) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let height = (range.end - start).ilog2();
        nodes.push(Node {
            height,
            index: start >> height,
        });
        start += 1 << height;
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees() {
        for (start, end) in [
            (0, 1),
            (0, 7),
            (4, 8),
            (8, 13),
            (3, 4),
            (0, u64::MAX),
            (1 << 63, u64::MAX),
        ] {
            assert!(is_subtree(start, end), "{start} {end}");
        }
        for (start, end) in [
            (0, 0),
            (1, 1),
            (2, 1),
            (1, 3),
            (2, 5),
            (1, u64::MAX),
            (4, 9),
        ] {
            assert!(!is_subtree(start, end), "{start} {end}");
        }
    }

    #[test]
    fn examples_of_the_draft() {
        // draft-ietf-plants-merkle-tree-certs section 4.4.2.
        assert_eq!(proof_ranges(4, 8, 14).unwrap(), [0..4, 8..14]);
        assert_eq!(
            proof_ranges(8, 13, 14).unwrap(),
            [12..13, 13..14, 8..12, 0..8]
        );
        // Its section 4.3.1, as a tree of its own.
        assert_eq!(proof_ranges(2, 3, 5).unwrap(), [3..4, 0..2, 4..5]);
        assert_eq!(proof_ranges(0, 5, 4), None);
    }

    #[test]
    fn the_largest_trees() {
        assert_eq!(proof_ranges(0, 1, u64::MAX).unwrap().len(), 64);
        assert_eq!(nodes(&(0..u64::MAX)).len(), 64);
        assert_eq!(
            proof_ranges(u64::MAX - 1, u64::MAX, u64::MAX)
                .unwrap()
                .len(),
            63
        );
    }
}
