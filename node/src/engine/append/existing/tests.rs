//! A certificate stands where the register says, however a change names it.

use huren_core::{
    checkpoint::Origin,
    codes::Region,
    merkle::{Hash, empty_root},
    record::Envelope,
    register::{CertificateRow, Changes, Effect, StatusRow},
};
use huren_proto::v1;
use huren_store::{Append, DisclosureRow, Head, Memory, Role, Store as _, Tag};

use super::{Batch, ChangeTarget, Content, Existing, Prepared, Standing};
use crate::engine::prepare::PendingChange;

const NUMBER: Tag = Tag([1; 32]);
const CERTIFICATE: Hash = Hash([2; 32]);

/// The leaf of the change at an index.
const fn leaf(index: u8) -> Hash {
    Hash([0x10 + index; 32])
}

fn origin() -> Origin {
    "huren.test/log/33".parse().unwrap()
}

/// A log with one certificate and these changes of it behind.
async fn log(effects: &[Effect]) -> Memory {
    let store = Memory::new();
    store.create_log(&origin(), Role::Own).await.unwrap();
    let empty = Head {
        size: 0,
        root: empty_root(),
    };
    let row = |(index, effect): (u8, &Effect)| StatusRow {
        index: index.into(),
        leaf: leaf(index),
        target_index: 0,
        effect: *effect,
        reason: 0,
        effective_date: 20_240_401,
    };
    let append = Append {
        expected: empty,
        head: Head {
            size: 1 + effects.len() as u64,
            root: Hash([9; 32]),
        },
        checkpoint: Vec::new(),
        bundles: Vec::new(),
        tiles: Vec::new(),
        changes: Changes {
            certificates: vec![CertificateRow {
                index: 0,
                leaf: CERTIFICATE,
                writer_region: 330_000,
            }],
            statuses: (1..).zip(effects).map(row).collect(),
            ..Changes::default()
        },
        erased: huren_store::Erased::default(),
        disclosures: vec![DisclosureRow {
            index: 0,
            number_tag: Some(NUMBER),
            holder_tag: None,
            sealed: Vec::new(),
        }],
        submissions: Vec::new(),
    };
    store.append(&origin(), append).await.unwrap();
    store
}

fn change(target: ChangeTarget) -> Prepared {
    Prepared {
        tags: vec![Tag([3; 32])],
        content: Content::Change(Box::new(PendingChange {
            target,
            envelope: Envelope {
                kind: v1::Kind::StatusChange as i32,
                writer_region: Region::ZHEJIANG,
                provenance: v1::Provenance::Issued,
                effective_date: 20_240_401,
                target: None,
                previous: None,
            },
            body: Vec::new(),
            openings: Vec::new(),
        })),
    }
}

/// Where the certificate stands after changes: the same by number and by leaf, with the
/// predecessor that the fold will ask for.
async fn standing_after(effects: &[Effect]) -> Standing {
    let store = log(effects).await;
    let names = [
        ChangeTarget::Number(NUMBER.into()),
        ChangeTarget::Leaf(CERTIFICATE),
    ];
    let works = names.map(change);
    let found = Existing::look_up(&store, &origin(), &works).await;
    let found = found.unwrap();
    let batch = Batch::default();
    let by_number = found
        .target(&batch, &ChangeTarget::Number(NUMBER.into()))
        .unwrap();
    let by_leaf = found.target(&batch, &ChangeTarget::Leaf(CERTIFICATE));
    assert_eq!(by_leaf, Some(by_number));

    let folded = store.targets(&origin(), &[CERTIFICATE]).await.unwrap();
    assert_eq!(by_number.0, CERTIFICATE);
    assert_eq!(by_number.1.last_status, folded[&CERTIFICATE].last_status);
    by_number.1
}

#[tokio::test]
async fn what_was_revoked_can_be_reinstated_however_it_is_named() {
    let standing = standing_after(&[Effect::Revoke, Effect::Correct]).await;
    assert_eq!(standing.last_status, Some(leaf(2)));
    assert!(standing.admits(Effect::Reinstate) && !standing.admits(Effect::Revoke));
    let standing = standing_after(&[]).await;
    assert!(!standing.admits(Effect::Reinstate) && standing.admits(Effect::Revoke));
}

#[tokio::test]
async fn what_another_certificate_took_the_place_of_is_not_reinstated() {
    let standing = standing_after(&[Effect::Supersede]).await;
    assert!(!standing.admits(Effect::Reinstate));
}

#[tokio::test]
async fn nothing_builds_on_a_change_that_is_not_understood() {
    let standing = standing_after(&[Effect::Suspend, Effect::Newer]).await;
    assert_eq!(standing.last_status, Some(leaf(1)));
    assert!(standing.admits(Effect::Reinstate));
}

#[tokio::test]
async fn a_number_is_given_back_by_what_is_surely_void() {
    for (effects, held) in [
        (&[][..], 1),
        (&[Effect::Void], 0),
        (&[Effect::Void, Effect::Newer], 1),
    ] {
        let works = [change(ChangeTarget::Number(NUMBER.into()))];
        let store = log(effects).await;
        let found = Existing::look_up(&store, &origin(), &works).await;
        assert_eq!(found.unwrap().holding(&NUMBER).count(), held, "{effects:?}");
    }
}
