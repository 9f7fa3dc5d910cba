//! The proof vectors of transparency-dev/merkle, refusals included.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should panic")]

use std::fs;
use std::path::{Path, PathBuf};

use huren_core::merkle::{
    Hash, leaf_hash, verify_consistency, verify_inclusion, verify_subtree_consistency,
    verify_subtree_inclusion,
};
use serde_json::Value;

const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/transparency-dev-merkle/testdata"
);

/// Vectors that want an empty range accepted as a subtree, whatever the tree's root
/// is. We refuse them: draft-ietf-plants-merkle-tree-certs-03 section 4.1, which
/// C2SP `tlog-witness` demands, knows no empty subtree, and a proof of one says nothing.
const EMPTY_SUBTREES: [&str; 6] = [
    "subtree-is-empty-sizes-are-equal-one-subtree-root-valid-proof-is-empty.json",
    "subtree-is-empty-sizes-are-equal-one-subtree-root-valid-tree-root-random-proof-is-empty.json",
    "subtree-is-empty-sizes-are-equal-zero-subtree-root-valid-proof-is-empty.json",
    "subtree-is-empty-sizes-are-equal-zero-subtree-root-valid-tree-root-random-proof-is-empty.json",
    "subtree-is-empty-subtree-root-valid-proof-is-empty.json",
    "subtree-is-empty-subtree-root-valid-tree-root-random-proof-is-empty.json",
];

struct Vector(Value);

impl Vector {
    fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap()
    }

    /// `None` for what is no hash: the vectors contain some to be refused.
    fn hash(&self, field: &str) -> Option<Hash> {
        Hash::from_base64(self.0[field].as_str().unwrap()).ok()
    }

    /// Some roots are arbitrary words ("don't care 1") in place of hashes, and two of
    /// those vectors want them accepted as equal: any hash stands in for a word.
    fn root(&self, field: &str) -> Option<Hash> {
        self.hash(field)
            .or_else(|| Some(leaf_hash(self.0[field].as_str()?.as_bytes())))
    }

    fn proof(&self) -> Option<Vec<Hash>> {
        let Some(proof) = self.0["proof"].as_array() else {
            return Some(Vec::new());
        };
        proof
            .iter()
            .map(|hash| Hash::from_base64(hash.as_str().unwrap()).ok())
            .collect()
    }
}

fn inclusion(v: &Vector) -> Option<()> {
    let (index, size) = (v.number("leafIdx"), v.number("treeSize"));
    verify_inclusion(
        index,
        size,
        &v.hash("leafHash")?,
        &v.proof()?,
        &v.root("root")?,
    )
    .ok()
}

fn consistency(v: &Vector) -> Option<()> {
    let (old, new) = (v.number("size1"), v.number("size2"));
    verify_consistency(old, new, &v.root("root1")?, &v.root("root2")?, &v.proof()?).ok()
}

fn subtree_inclusion(v: &Vector) -> Option<()> {
    let (index, start, end) = (v.number("leafIdx"), v.number("start"), v.number("end"));
    let (leaf, root) = (v.hash("leafHash")?, v.root("root")?);
    verify_subtree_inclusion(index, start, end, &leaf, &v.proof()?, &root).ok()
}

fn subtree_consistency(v: &Vector) -> Option<()> {
    let (start, end, size) = (v.number("start"), v.number("end"), v.number("size"));
    let (subtree, root) = (v.root("root1")?, v.root("root2")?);
    verify_subtree_consistency(start, end, size, &subtree, &root, &v.proof()?).ok()
}

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, found);
        } else {
            assert_eq!(path.extension().unwrap(), "json", "{}", path.display());
            found.push(path);
        }
    }
}

/// Runs every file of a folder; returns how many, and how many are to be accepted.
fn run(folder: &str, verify: fn(&Vector) -> Option<()>) -> (usize, usize) {
    let mut files = Vec::new();
    files_under(&Path::new(FOLDER).join(folder), &mut files);
    let mut accepted = 0;
    for file in &files {
        let vector = Vector(serde_json::from_slice(&fs::read(file).unwrap()).unwrap());
        let name = file.file_name().unwrap().to_str().unwrap();
        let want = !vector.0["wantErr"].as_bool().unwrap() && !EMPTY_SUBTREES.contains(&name);
        assert_eq!(verify(&vector).is_some(), want, "{}", file.display());
        accepted += usize::from(want);
    }
    (files.len(), accepted)
}

#[test]
fn all_518_files() {
    let mut total = 0;
    for (folder, verify, count, accepted) in [
        ("inclusion", inclusion as fn(&Vector) -> Option<()>, 98, 6),
        ("consistency", consistency, 98, 6),
        ("subtreeinclusion", subtree_inclusion, 204, 12),
        ("subtreeconsistency", subtree_consistency, 118, 6),
    ] {
        assert_eq!(run(folder, verify), (count, accepted), "{folder}");
        total += count;
    }
    assert_eq!(total, 518);
}

#[test]
fn the_empty_subtrees_are_the_only_exceptions() {
    let folder = Path::new(FOLDER).join("subtreeconsistency/additional");
    for name in EMPTY_SUBTREES {
        let vector: Value = serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
        assert_eq!(vector["wantErr"], false, "{name}");
        assert_eq!(vector["start"], vector["end"], "{name}");
    }
}
