//! Small, obviously different values.

use std::sync::LazyLock;

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TileId, encode_bundle},
    register::{CertificateRow, Changes, Effect, StatusRow},
};
use huren_store::{
    Advance, Append, Bundle, DisclosureRow, Erased, Error, Head, Package, Role, Store, Tag,
};

pub(crate) fn own() -> &'static Origin {
    static NAME: LazyLock<Origin> = LazyLock::new(|| "huren.zj.example/log/33".parse().unwrap());
    &NAME
}

pub(crate) fn mirror() -> &'static Origin {
    static NAME: LazyLock<Origin> = LazyLock::new(|| "huren.ah.example/log/34".parse().unwrap());
    &NAME
}

/// 32 bytes that depend on all of `number`, in the bytes that are indexed too.
fn bytes(kind: u8, number: u64) -> [u8; 32] {
    let mut bytes = [kind; 32];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..16].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(crate) fn hash(number: u64) -> Hash {
    Hash(bytes(1, number))
}

pub(crate) fn tag(number: u64) -> Tag {
    Tag(bytes(2, number))
}

pub(crate) fn head(size: u64) -> Head {
    Head {
        size,
        root: match size {
            0 => huren_core::merkle::empty_root(),
            _ => Hash(bytes(3, size)),
        },
    }
}

pub(crate) fn checkpoint(size: u64) -> Vec<u8> {
    format!("checkpoint of {size}").into_bytes()
}

pub(crate) fn tile(level: u8, index: u64, width: u16) -> TileId {
    TileId::new(level, index, width).unwrap()
}

/// The first `width` hashes of a tile, which are the same for every width.
pub(crate) fn hashes(width: u16) -> Vec<Hash> {
    (0..u64::from(width)).map(hash).collect()
}

pub(crate) fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

pub(crate) fn bundle(number: u64, width: u16) -> Bundle {
    let start = number * 256;
    let leaves: Vec<Vec<u8>> = (start..start + u64::from(width)).map(leaf).collect();
    let entries = encode_bundle(leaves.iter().map(Vec::as_slice));
    Bundle {
        number,
        width,
        entries: entries.unwrap().into(),
    }
}

pub(crate) fn package(number: u64, width: u16) -> Package {
    Package {
        bundle: bundle(number, width),
        leaves: hashes(width),
    }
}

pub(crate) fn certificate(index: u64) -> CertificateRow {
    CertificateRow {
        index,
        leaf: hash(index),
        writer_region: 330_000,
    }
}

pub(crate) fn certificates(indexes: impl IntoIterator<Item = u64>) -> Changes {
    Changes {
        certificates: indexes.into_iter().map(certificate).collect(),
        ..Changes::default()
    }
}

pub(crate) fn status(index: u64, target_index: u64, effect: Effect) -> StatusRow {
    StatusRow {
        index,
        leaf: hash(index),
        target_index,
        effect,
        reason: 3,
        effective_date: 20_260_401,
    }
}

/// The disclosures of a certificate: number and holder are tagged after its index.
pub(crate) fn disclosure(index: u64) -> DisclosureRow {
    DisclosureRow {
        index,
        number_tag: Some(tag(index)),
        holder_tag: Some(tag(1_000_000 + index)),
        sealed: format!("sealed {index}").into_bytes(),
    }
}

/// An append that changes the head and nothing else.
pub(crate) fn bare_append(from: u64, to: u64) -> Append {
    Append {
        expected: head(from),
        head: head(to),
        checkpoint: checkpoint(to),
        bundles: Vec::new(),
        tiles: Vec::new(),
        changes: Changes::default(),
        erased: Erased::default(),
        disclosures: Vec::new(),
        submissions: Vec::new(),
    }
}

/// An append of certificates with all that belongs to them.
pub(crate) fn append(from: u64, to: u64) -> Append {
    Append {
        changes: certificates(from..to),
        disclosures: (from..to).map(disclosure).collect(),
        submissions: (from..to).map(|index| (tag(index), index)).collect(),
        ..bare_append(from, to)
    }
}

pub(crate) fn bare_advance(from: u64, to: u64) -> Advance {
    Advance {
        expected: head(from),
        head: head(to),
        checkpoint: checkpoint(to),
        tiles: Vec::new(),
    }
}

/// An own log of that many certificates.
pub(crate) async fn own_log(store: &dyn Store, size: u64) {
    store.create_log(own(), Role::Own).await.unwrap();
    if size > 0 {
        store.append(own(), append(0, size)).await.unwrap();
    }
}

/// A mirrored log of that many leaves, of which none is folded or disclosed.
pub(crate) async fn mirrored_log(store: &dyn Store, size: u64) {
    store.create_log(mirror(), Role::Mirror).await.unwrap();
    if size > 0 {
        store
            .advance(mirror(), bare_advance(0, size))
            .await
            .unwrap();
    }
}

/// The operation was refused, and the log is as it was.
pub(crate) async fn conflicts<T: std::fmt::Debug>(
    store: &dyn Store,
    origin: &Origin,
    operation: impl Future<Output = Result<T, Error>>,
) {
    let before = store.log(origin).await.unwrap();
    assert!(matches!(operation.await, Err(Error::Conflict)));
    assert_eq!(store.log(origin).await.unwrap(), before);
}
