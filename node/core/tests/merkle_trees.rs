//! Proofs and tiles against the recursive definitions and against other crates.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should panic")]

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use huren_core::merkle::{
    Hash, ProveError, RightEdge, TileId, consistency_proof, consistency_roots, empty_root,
    inclusion_proof, is_subtree, leaf_hash, node_hash, root, root_from_inclusion, root_of,
    subtree_consistency_proof, tiles_for_consistency, tiles_for_inclusion, tiles_for_root,
    tiles_for_subtree_consistency, verify_consistency, verify_inclusion,
    verify_subtree_consistency, verify_subtree_inclusion,
};
use proptest::prelude::*;

type TileMap = BTreeMap<TileId, Vec<Hash>>;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// `MTH` as RFC 6962 section 2.1 defines it.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

fn split(n: usize) -> usize {
    (0..)
        .map(|bit| 1 << bit)
        .take_while(|k| *k < n)
        .last()
        .unwrap()
}

/// `PATH` as RFC 6962 section 2.1.1 defines it.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, sibling) = if index < left.len() {
        (path(index, left), mth(right))
    } else {
        (path(index - left.len(), right), mth(left))
    };
    proof.push(sibling);
    proof
}

/// `SUBTREE_SUBPROOF` as draft-ietf-plants-merkle-tree-certs section 4.4.1 defines it.
fn subproof(start: usize, end: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if start == 0 && end == leaves.len() {
        return if known { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if end <= k {
        (subproof(start, end, left, known), mth(right))
    } else if k <= start {
        (subproof(start - k, end - k, right, known), mth(left))
    } else {
        (subproof(0, end - k, right, false), mth(left))
    };
    proof.push(sibling);
    proof
}

/// Every tile of the tree, by the definition in `tlog-tiles`.
fn tiles_by_definition(leaves: &[Hash]) -> TileMap {
    let mut tiles = TileMap::new();
    let mut hashes = leaves.to_vec();
    let mut span = 1;
    for level in 0.. {
        for (index, tile) in hashes.chunks(256).enumerate() {
            let id = TileId::new(level, index as u64, tile.len() as u16).unwrap();
            assert_eq!(
                TileId::in_tree(level, index as u64, leaves.len() as u64),
                Some(id)
            );
            tiles.insert(id, tile.to_vec());
        }
        span *= 256;
        hashes = leaves.chunks_exact(span).map(mth).collect();
        if hashes.is_empty() {
            return tiles;
        }
    }
    unreachable!()
}

/// Only the planned tiles, so that an evaluator that needs another one fails.
fn pick(all: &TileMap, planned: &[TileId]) -> TileMap {
    assert!(planned.is_sorted() && planned.windows(2).all(|pair| pair[0] != pair[1]));
    planned.iter().map(|id| (*id, all[id].clone())).collect()
}

fn check_tree(size: u64, ranges: &[(u64, u64)]) {
    let leaves = leaves(size);
    let all = tiles_by_definition(&leaves);
    let tree_root = mth(&leaves);
    assert_eq!(root_of(&leaves), tree_root);
    assert_eq!(
        root(size, &pick(&all, &tiles_for_root(size))),
        Ok(tree_root)
    );
    for &(start, end) in ranges
        .iter()
        .filter(|(start, end)| is_subtree(*start, *end))
    {
        let part = &leaves[start as usize..end as usize];
        let hash = mth(part);
        let planned = tiles_for_subtree_consistency(start, end, size);
        let proof = subtree_consistency_proof(start, end, size, &pick(&all, &planned)).unwrap();
        assert_eq!(proof, subproof(start as usize, end as usize, &leaves, true));
        verify_subtree_consistency(start, end, size, &hash, &tree_root, &proof).unwrap();
        if start == 0 {
            let tiles = pick(&all, &tiles_for_consistency(end, size));
            assert_eq!(consistency_proof(end, size, &tiles).unwrap(), proof);
            verify_consistency(end, size, &hash, &tree_root, &proof).unwrap();
            assert_eq!(
                consistency_roots(end, size, &hash, &proof),
                Ok((hash, tree_root))
            );
        }
        for index in [start, (start + end) / 2, end - 1] {
            let (leaf, inner) = (leaves[index as usize], path((index - start) as usize, part));
            verify_subtree_inclusion(index, start, end, &leaf, &inner, &hash).unwrap();
        }
    }
    for index in ranges
        .iter()
        .map(|(start, _)| *start)
        .filter(|index| *index < size)
    {
        let leaf = leaves[index as usize];
        let tiles = pick(&all, &tiles_for_inclusion(index, size));
        let proof = inclusion_proof(index, size, &tiles).unwrap();
        assert_eq!(proof, path(index as usize, &leaves));
        verify_inclusion(index, size, &leaf, &proof, &tree_root).unwrap();
    }
}

#[test]
fn every_subtree_of_small_trees() {
    for size in 0..=40 {
        let ranges: Vec<_> = (0..size)
            .flat_map(|start| (start + 1..=size).map(move |end| (start, end)))
            .collect();
        check_tree(size, &ranges);
    }
}

#[test]
fn trees_around_tile_borders() {
    for size in [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 70_000] {
        let near = |n: u64| [n.saturating_sub(1), n, n + 1];
        let places: Vec<u64> = [0, 256, 512, 4096, 32_768, 65_536, size / 2, size]
            .into_iter()
            .flat_map(near)
            .filter(|n| *n <= size)
            .collect();
        let mut ranges: Vec<_> = places
            .iter()
            .flat_map(|start| places.iter().map(|end| (*start, *end)))
            .collect();
        ranges.retain(|(start, end)| is_subtree(*start, *end));
        ranges.truncate(24);
        ranges.push((size - 1, size));
        check_tree(size, &ranges);
    }
}

#[test]
fn missing_and_impossible() {
    let all = tiles_by_definition(&leaves(300));
    let planned = tiles_for_inclusion(0, 300);
    for gone in &planned {
        let mut tiles = pick(&all, &planned);
        tiles.remove(gone);
        let ProveError::MissingTile(missing) = inclusion_proof(0, 300, &tiles).unwrap_err() else {
            panic!("another error");
        };
        assert_eq!(missing.id, *gone);
    }
    // A tile whose bytes are shorter than its name says.
    let mut tiles = all.clone();
    tiles.values_mut().for_each(|hashes| hashes.truncate(1));
    assert!(inclusion_proof(299, 300, &tiles).is_err());
    assert!(root(300, &tiles).is_err());
    for (start, end) in [(300, 301), (0, 0), (0, 301), (1, 3), (u64::MAX, u64::MAX)] {
        assert_eq!(
            subtree_consistency_proof(start, end, 300, &all),
            Err(ProveError::NoSuchProof {
                start,
                end,
                size: 300
            })
        );
        assert_eq!(tiles_for_subtree_consistency(start, end, 300), []);
    }
    assert!(inclusion_proof(u64::MAX, u64::MAX, &all).is_err());
}

#[test]
fn a_fork_is_shown_by_the_other_old_root() {
    let ours = leaves(11);
    let mut theirs = leaves(7);
    theirs[3] = leaf_hash(b"another");
    let proof = subproof(0, 7, &ours, true);
    let signed = mth(&theirs);
    assert!(verify_consistency(7, 11, &signed, &mth(&ours), &proof).is_err());
    assert_eq!(
        consistency_roots(7, 11, &signed, &proof),
        Ok((mth(&ours[..7]), mth(&ours)))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn appending_in_chunks_equals_appending_at_once(
        chunks in prop::collection::vec(prop_oneof![0usize..5, 200usize..600], 0..8),
    ) {
        let total: usize = chunks.iter().sum();
        let all = leaves(total as u64);
        let mut edge = RightEdge::empty();
        let mut tiles = TileMap::new();
        let mut rest = all.as_slice();
        for chunk in chunks {
            let before = edge.size();
            let (now, later) = rest.split_at(chunk);
            rest = later;
            let known = tiles.clone();
            let written = edge.append(now);
            let expected = tiles_by_definition(&all[..edge.size() as usize]);
            for (id, hashes) in &written {
                prop_assert_eq!(&expected[id], hashes);
                prop_assert!(!known.contains_key(id), "an unchanged tile is written again");
            }
            tiles.extend(written);
            for id in expected.keys() {
                prop_assert!(tiles.contains_key(id), "{:?} of {} after {}", id, edge.size(), before);
            }
            prop_assert_eq!(edge.root(), mth(&all[..edge.size() as usize]));
            prop_assert_eq!(&RightEdge::load(edge.size(), &tiles).unwrap(), &edge);
        }
        let mut at_once = RightEdge::empty();
        let written: TileMap = at_once.append(&all).into_iter().collect();
        prop_assert_eq!(at_once, edge);
        prop_assert_eq!(written, tiles_by_definition(&all));
    }

    #[test]
    fn an_older_edge_loads_from_wider_tiles(old in 0u64..1500, more in 0u64..1500) {
        let all = leaves(old + more);
        let mut tiles = tiles_by_definition(&all);
        let mut edge = RightEdge::load(old, &tiles).unwrap();
        prop_assert_eq!(edge.root(), mth(&all[..old as usize]));
        tiles.extend(edge.append(&all[old as usize..]));
        prop_assert_eq!(tiles, tiles_by_definition(&all));
        prop_assert_eq!(edge.root(), mth(&all));
    }

    #[test]
    fn no_changed_proof_is_accepted(
        size in 1u64..600, pick in any::<prop::sample::Index>(), change in any::<prop::sample::Index>(), bit in 0usize..256,
    ) {
        let all = leaves(size);
        let tiles = tiles_by_definition(&all);
        let index = pick.index(size as usize) as u64;
        let (leaf, tree_root) = (all[index as usize], mth(&all));
        let proof = inclusion_proof(index, size, &tiles).unwrap();
        let mut longer = proof.clone();
        longer.push(tree_root);
        prop_assert!(root_from_inclusion(index, size, &leaf, &longer).is_err());
        if !proof.is_empty() {
            prop_assert!(root_from_inclusion(index, size, &leaf, &proof[1..]).is_err());
            let mut changed = proof;
            let at = change.index(changed.len());
            changed[at].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify_inclusion(index, size, &leaf, &changed, &tree_root).is_err());
        }
    }

    #[test]
    fn arbitrary_proofs_never_panic(
        start: u64, length in prop_oneof![0u64..70, any::<u64>()], size: u64,
        proof in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70),
    ) {
        let hash = leaf_hash(b"");
        let end = start.saturating_add(length);
        let _ = verify_subtree_consistency(start, end, size, &hash, &hash, &proof);
        let _ = verify_subtree_consistency(0, end, size, &hash, &hash, &proof);
        let _ = verify_inclusion(start, size, &hash, &proof, &hash);
        let _ = verify_subtree_inclusion(start, start, end, &hash, &proof, &hash);
    }

    #[test]
    fn other_crates_agree(size in 1u64..700, pick in any::<prop::sample::Index>()) {
        let index = pick.index(size as usize) as u64;
        let old = index + 1;
        let all = leaves(size);
        let (old_root, tree_root) = (mth(&all[..old as usize]), mth(&all));
        let tiles = tiles_by_definition(&all);
        let inclusion = inclusion_proof(index, size, &tiles).unwrap();
        let consistency = consistency_proof(old, size, &tiles).unwrap();

        let mut ct = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
        (0..size).for_each(|n| ct.push(n.to_be_bytes().to_vec()));
        let root = ct.root();
        prop_assert_eq!(root.as_bytes().as_slice(), tree_root.as_bytes());
        let theirs = ct.prove_inclusion(index as usize);
        prop_assert_eq!(theirs.as_bytes(), bytes(&inclusion));
        if old < size {
            let theirs = ct.prove_consistency((size - old) as usize);
            prop_assert_eq!(theirs.as_bytes(), bytes(&consistency));
        }

        let tlog = |hash: &Hash| tlog_tiles::tlog::Hash(hash.0);
        let path: Vec<_> = inclusion.iter().map(tlog).collect();
        let leaf = all[index as usize];
        tlog_tiles::tlog::check_record(&path, size, tlog(&tree_root), index, tlog(&leaf)).unwrap();
        let path: Vec<_> = consistency.iter().map(tlog).collect();
        tlog_tiles::tlog::check_tree(&path, size, tlog(&tree_root), old, tlog(&old_root)).unwrap();

        let path: Vec<_> = inclusion.iter().map(sigstore).collect();
        sigstore_merkle::verify_inclusion_proof(
            &sigstore(&leaf), index, size, &path, &sigstore(&tree_root),
        )
        .unwrap();
        let path: Vec<_> = consistency.iter().map(sigstore).collect();
        sigstore_merkle::verify_consistency_proof(
            old, size, &path, &sigstore(&old_root), &sigstore(&tree_root),
        )
        .unwrap();
    }
}

/// The hash type of `sigstore_merkle`, which it does not export by name.
fn sigstore<T: serde::de::DeserializeOwned>(hash: &Hash) -> T {
    serde_json::from_value(hash.to_base64().into()).unwrap()
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn tile_paths_agree_with_tlog_tiles() {
    for (level, index, width) in [
        (0u8, 0u64, 256u16),
        (3, 999, 1),
        (1, 1_234_067, 255),
        (62, 1000, 7),
    ] {
        let ours = TileId::new(level, index, width).unwrap().path();
        let theirs = tlog_tiles::tile::Tile::new(8, level, index, width.into(), false);
        assert_eq!(
            theirs.path(),
            format!("tile/8/{}", ours.strip_prefix("tile/").unwrap())
        );
    }
}
