//! The fold: who may write what at which place, and what each record then does.

use huren_core::{
    codes::Region,
    disclosure::Group,
    merkle::Hash,
    register::{
        AdoptionRow, CertificateRow, Changes, CheckedLeaf, Effect, ErasureRow, Fold,
        NeedsTrustList, Targets,
    },
    trust::TrustChain,
};
use huren_proto::v1::{self, Kind, StatusAction};
use prost::Message;

use crate::common::{Federation, NUMBER, Province, Writer, hash, openings, record_key, seed};

/// Folds a log of Zhejiang's from its start.
fn fold(chain: &TrustChain, leaves: &[Vec<u8>]) -> Result<Changes, NeedsTrustList> {
    let federation = Federation::new();
    let origin = &federation.province("33").origin;
    let mut fold = Fold::new(chain, origin, 0, 0, Targets::new());
    for leaf in leaves {
        fold.step(CheckedLeaf::check(chain, origin, leaf))?;
    }
    Ok(fold.finish())
}

/// Expects leaves to be quarantined with these codes, and all others not.
fn check(chain: &TrustChain, leaves: &[Vec<u8>], expected: &[(u64, &str)]) -> Changes {
    let changes = fold(chain, leaves).unwrap();
    let rows = changes.quarantined.iter();
    let found: Vec<_> = rows.map(|row| (row.index, row.code.as_str())).collect();
    assert_eq!(found, expected);
    changes
}

fn adoption(province: &Province, chain: &TrustChain, version: u64) -> Vec<u8> {
    province
        .writer()
        .adoption(version, chain.version(version).unwrap().digest)
}

fn certificate(writer: Writer<'_>, salt: u8) -> Vec<u8> {
    writer.certificate(&openings(NUMBER, salt))
}

/// A record of a schema that this version does not know.
fn newer(writer: Writer<'_>, kind: Kind, target: Option<Hash>) -> Vec<u8> {
    let envelope = v1::Envelope {
        schema: 2,
        kind: kind as i32,
        writer_region: writer.region.to_string(),
        target: target.map(|hash| hash.0.to_vec()).unwrap_or_default(),
        ..Default::default()
    };
    let record = v1::Record {
        envelope: Some(envelope),
        body: b"later".to_vec(),
    };
    writer.sign_anything(record.encode_to_vec()).encode_to_vec()
}

#[test]
fn every_kind_leaves_its_row() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = province.writer();
    let issued = certificate(province.county_writer(), 0);
    let target = hash(&issued);
    let revoke = writer.status(StatusAction::Revoke, target, None);
    let leaves = [
        adoption(province, &chain, 1),
        issued,
        revoke.clone(),
        writer.erasure(target, &[Group::HolderName, Group::Scores]),
        writer.institution("3302000000001"),
        writer.anchor(7, target),
    ];
    let changes = check(&chain, &leaves, &[]);
    assert_eq!(
        changes.adoptions,
        [AdoptionRow {
            index: 0,
            version: 1
        }]
    );
    let row = CertificateRow {
        index: 1,
        leaf: target,
        writer_region: 330_206,
    };
    assert_eq!(changes.certificates, [row]);
    let [status] = &changes.statuses[..] else {
        panic!()
    };
    assert_eq!(
        (status.index, status.leaf, status.target_index),
        (2, hash(&revoke), 1)
    );
    assert_eq!(
        (status.effect, status.effective_date),
        (Effect::Revoke, 20_250_601)
    );
    assert_eq!(status.reason, v1::StatusReason::Decision as u32);
    assert_eq!(
        changes.erasures,
        [ErasureRow {
            index: 3,
            target_index: 1,
            groups: vec![2, 5]
        }]
    );
    let [entry, anchor] = &changes.directory[..] else {
        panic!()
    };
    assert_eq!(
        (entry.index, entry.kind, entry.key.as_str()),
        (4, 4, "3302000000001")
    );
    let body = v1::Institution::decode(entry.body.as_slice()).unwrap();
    assert_eq!(
        (body.code.as_str(), entry.effective_date),
        ("3302000000001", 20_250_601)
    );
    assert_eq!(
        (anchor.index, anchor.kind, anchor.key.as_str()),
        (5, 30, "")
    );
    let body = v1::AuditAnchor::decode(anchor.body.as_slice()).unwrap();
    assert_eq!((body.sequence, body.digest), (7, target.0.to_vec()));
}

#[test]
fn a_key_ends_at_its_index() {
    let federation = Federation::new();
    let province = federation.province("33");
    let mut list = federation.list();
    list.members[2].record_keys[1].until_index = Some(3);
    list.members[2].record_keys[1].from_index = 2;
    let chain = federation.chain_of(&list);
    let county = |salt| certificate(province.county_writer(), salt);
    let leaves = [
        adoption(province, &chain, 1),
        county(1),
        county(2),
        county(3),
        county(4),
    ];
    let outside = "KEY_OUTSIDE_WINDOW";
    let changes = check(&chain, &leaves, &[(1, outside), (3, outside), (4, outside)]);
    assert_eq!(changes.certificates.len(), 1);
}

#[test]
fn keys_write_for_their_log_kinds_and_region() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let (writer, county) = (province.writer(), province.county_writer());
    let other_county = Region::parse("330205").unwrap();
    let jiangsu = federation.province("32").writer();
    let mine = certificate(county, 1);
    let theirs = certificate(writer.for_region(other_county), 2);
    let leaves = [
        adoption(province, &chain, 1),
        mine.clone(),
        theirs.clone(),
        // For another county, for the whole province, for another province.
        certificate(county.for_region(other_county), 3),
        certificate(county.for_region(Region::ZHEJIANG), 4),
        certificate(writer.for_region(Region::JIANGSU), 5),
        // A kind that the county's key may not sign.
        county.institution("1"),
        // Another county's certificate, revoked on one's own behalf.
        county.status(StatusAction::Revoke, hash(&theirs), None),
        county.status(StatusAction::Revoke, hash(&mine), None),
        // A key of another member, for this log and for its own.
        certificate(
            Writer::new(&province.origin, jiangsu.seed, Region::ZHEJIANG),
            6,
        ),
        certificate(jiangsu, 7),
        // The right key, for another log.
        certificate(
            Writer::new(jiangsu.origin, writer.seed, Region::ZHEJIANG),
            8,
        ),
        // Nobody's key.
        certificate(Writer::new(&province.origin, [9; 32], Region::ZHEJIANG), 9),
        // The province may change what its counties wrote.
        writer.status(StatusAction::Suspend, hash(&theirs), None),
    ];
    let expected = [
        (3, "KEY_REGION"),
        (4, "KEY_REGION"),
        (5, "KEY_REGION"),
        (6, "KEY_KIND"),
        (7, "KEY_REGION"),
        (9, "KEY_UNKNOWN"),
        (10, "KEY_UNKNOWN"),
        (11, "SIGNATURE_INVALID"),
        (12, "KEY_UNKNOWN"),
    ];
    let changes = check(&chain, &leaves, &expected);
    let found: Vec<_> = changes
        .statuses
        .iter()
        .map(|row| (row.index, row.effect))
        .collect();
    assert_eq!(found, [(8, Effect::Revoke), (13, Effect::Suspend)]);
}

#[test]
fn a_change_names_the_one_before() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = province.writer();
    let issued = certificate(writer, 1);
    let target = hash(&issued);
    let suspend = writer.status(StatusAction::Suspend, target, None);
    let reinstate = writer.status(StatusAction::Reinstate, target, Some(hash(&suspend)));
    let revoke = writer.status(StatusAction::Revoke, target, Some(hash(&reinstate)));
    let leaves = [
        adoption(province, &chain, 1),
        issued,
        // The first change has none before it.
        writer.status(StatusAction::Revoke, target, Some(Hash([1; 32]))),
        suspend.clone(),
        reinstate.clone(),
        revoke,
        // The old reinstatement once more, the old suspension, and two made on an old view.
        reinstate,
        suspend,
        writer.status(StatusAction::Reinstate, target, None),
        writer.status(StatusAction::Void, target, Some(Hash([1; 32]))),
    ];
    let predecessor = "STATUS_PREDECESSOR";
    let expected = [2, 6, 7, 8, 9].map(|index| (index, predecessor));
    let changes = check(&chain, &leaves, &expected);
    let found: Vec<_> = changes.statuses.iter().map(|row| row.effect).collect();
    assert_eq!(found, [Effect::Suspend, Effect::Reinstate, Effect::Revoke]);
}

#[test]
fn every_action_has_its_effect() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = province.writer();
    let issued = certificate(writer, 1);
    let target = hash(&issued);
    let mut leaves = vec![adoption(province, &chain, 1), issued];
    for number in 1..=7 {
        let action = StatusAction::try_from(number).unwrap();
        let replaced = &openings(NUMBER, 50)[..usize::from(action == StatusAction::Correct)];
        let previous = (number > 1).then(|| hash(leaves.last().unwrap()));
        leaves.push(writer.change(action, target, previous, replaced));
    }
    let changes = check(&chain, &leaves, &[]);
    let found: Vec<u8> = changes
        .statuses
        .iter()
        .map(|row| row.effect as u8)
        .collect();
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7]);
    assert!(
        (1..=7)
            .chain([255])
            .all(|n| Effect::from_number(n).map(|e| e as u8) == Some(n))
    );
    assert!(
        [0, 8, 254]
            .iter()
            .all(|n| Effect::from_number(*n).is_none())
    );
}

#[test]
fn repeated_records_and_unknown_targets() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = province.writer();
    let issued = certificate(writer, 1);
    let institution = writer.institution("1");
    let leaves = [
        adoption(province, &chain, 1),
        // Before its target is there.
        writer.status(StatusAction::Revoke, hash(&issued), None),
        issued.clone(),
        issued,
        writer.erasure(Hash([1; 32]), &[Group::Scores]),
        institution.clone(),
        // What is no certificate cannot be revoked.
        writer.status(StatusAction::Revoke, hash(&institution), None),
        b"junk".to_vec(),
        vec![0; 65_536],
    ];
    let expected = [
        (1, "TARGET_UNKNOWN"),
        (3, "RECORD_REPEATED"),
        (4, "TARGET_UNKNOWN"),
        (6, "TARGET_UNKNOWN"),
        (7, "LEAF_UNDECODABLE"),
        (8, "LEAF_TOO_LARGE"),
    ];
    check(&chain, &leaves, &expected);
}

#[test]
fn newer_records_make_their_targets_unknown() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let (writer, county) = (province.writer(), province.county_writer());
    let issued = certificate(writer, 1);
    let target = Some(hash(&issued));
    let leaves = [
        adoption(province, &chain, 1),
        issued,
        newer(writer, Kind::StatusChange, target),
        newer(writer, Kind::Finding, target),
        newer(writer, Kind::Certificate, None),
        newer(writer, Kind::StatusChange, Some(Hash([1; 32]))),
        // Not a certificate of this county, and not a kind that its key may sign.
        newer(county, Kind::StatusChange, target),
        newer(county, Kind::Finding, target),
    ];
    let schema = "SCHEMA_NEWER";
    let expected = [(4, schema), (5, schema), (6, schema), (7, "KEY_KIND")];
    let changes = check(&chain, &leaves, &expected);
    let found: Vec<_> = changes
        .statuses
        .iter()
        .map(|row| (row.index, row.effect))
        .collect();
    assert_eq!(found, [(2, Effect::Newer), (3, Effect::Newer)]);
}

/// A listed key of an algorithm that this program cannot check may well be right.
#[test]
fn signatures_of_later_algorithms_make_their_targets_unknown() {
    let federation = Federation::new();
    let province = federation.province("33");
    let mut list = federation.list();
    let later = huren_core::keys::RecordSigner::from_seed(&seed("later", "33"));
    let mut key = record_key(&later, &["*"], Region::ZHEJIANG);
    key.alg = "ml-dsa-44".to_owned();
    list.members[2].record_keys.push(key);
    let chain = federation.chain_of(&list);
    let writer = province.writer();
    let issued = certificate(writer, 1);
    let revoke = writer.status(StatusAction::Revoke, hash(&issued), None);
    let mut signed = v1::SignedRecord::decode(revoke.as_slice()).unwrap();
    signed.alg = 9;
    signed.key_id = huren_core::keys::key_id("ml-dsa-44", &later.public_key())
        .0
        .to_vec();
    let leaves = [
        adoption(province, &chain, 1),
        issued,
        signed.encode_to_vec(),
    ];
    let changes = check(&chain, &leaves, &[]);
    assert_eq!(changes.statuses[0].effect, Effect::Newer);
}

#[test]
fn a_log_begins_with_an_adoption() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let chain = federation.extend(&chain, |list| list.quorum = 3);
    let writer = province.writer();
    let leaves = [
        certificate(writer, 1),
        writer.adoption(1, Hash([1; 32])),
        adoption(province, &chain, 1),
        certificate(writer, 1),
        adoption(province, &chain, 1),
        adoption(province, &chain, 2),
        adoption(province, &chain, 1),
    ];
    let again = "TRUST_ADOPTION";
    let expected = [(0, "TRUST_NOT_ADOPTED"), (1, again), (4, again), (6, again)];
    let changes = check(&chain, &leaves, &expected);
    let found: Vec<_> = changes
        .adoptions
        .iter()
        .map(|row| (row.index, row.version))
        .collect();
    assert_eq!(found, [(2, 1), (5, 2)]);
}

#[test]
fn folding_waits_for_a_list_that_is_not_held() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let longer = federation.extend(&chain, |list| list.quorum = 3);
    let origin = &province.origin;
    let leaf = adoption(province, &longer, 2);
    let mut fold = Fold::new(&chain, origin, 7, 1, Targets::new());
    let step = fold.step(CheckedLeaf::check(&chain, origin, &leaf));
    assert_eq!(step, Err(NeedsTrustList { version: 2 }));
    assert_eq!((fold.next(), fold.adopted()), (7, 1));
    assert_eq!(fold.finish(), Changes::default());

    let mut fold = Fold::new(&longer, origin, 7, 1, Targets::new());
    assert_eq!(
        fold.step(CheckedLeaf::check(&longer, origin, &leaf)),
        Ok(())
    );
    assert_eq!((fold.next(), fold.adopted()), (8, 2));
}

/// A node that has not got a list yet must come to the same register as one that has.
#[test]
fn a_new_key_may_adopt_the_list_that_brings_it() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let signer = huren_core::keys::RecordSigner::from_seed(&seed("new", "33"));
    let longer = federation.extend(&chain, |list| {
        let key = record_key(&signer, &["*"], Region::ZHEJIANG);
        list.members[2].record_keys.push(key);
    });
    let new = Writer::new(&province.origin, seed("new", "33"), Region::ZHEJIANG);
    let issued = certificate(new, 1);
    let leaves = [
        adoption(province, &longer, 1),
        issued.clone(),
        new.adoption(2, longer.newest().digest),
        certificate(new, 2),
    ];
    // Its key holds from the adoption on, not before.
    check(&longer, &leaves, &[(1, "KEY_UNKNOWN")]);
    assert_eq!(fold(&chain, &leaves), Err(NeedsTrustList { version: 2 }));
    // A leaf that was checked without the list is not taken in later: it is not verified.
    let (origin, unchecked) = (&province.origin, &leaves[2]);
    let checked = CheckedLeaf::check(&chain, origin, unchecked);
    let mut fold = Fold::new(&longer, origin, 2, 1, Targets::new());
    assert_eq!(fold.step(checked), Err(NeedsTrustList { version: 2 }));
}

/// A stolen key is closed at a place behind which records stand already: by the list that says so
/// they have no effect, whether the log adopted it or not. What stands before stays.
#[test]
fn what_a_key_signed_behind_its_end_has_no_effect() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let closed = federation.extend(&chain, |list| {
        list.members[2].record_keys[1].until_index = Some(2);
    });
    let (before, now) = (chain.newest().authority(), closed.newest().authority());
    assert_eq!(before.narrowed_from(now, &province.origin), Some(2));
    assert_eq!(now.narrowed_from(now, &province.origin), None);
    let other = &federation.province("31").origin;
    assert_eq!(before.narrowed_from(now, other), None);
    let leaves = [
        adoption(province, &chain, 1),
        certificate(province.county_writer(), 1),
        certificate(province.county_writer(), 2),
        certificate(province.writer(), 3),
        adoption(province, &closed, 2),
        certificate(province.county_writer(), 4),
    ];
    let outside = "KEY_OUTSIDE_WINDOW";
    check(&chain, &leaves[..4], &[]);
    check(&closed, &leaves[..4], &[(2, outside)]);
    check(&closed, &leaves, &[(2, outside), (5, outside)]);
}

/// A later list changes nothing in front of the place from which on it closes a key.
#[test]
fn later_lists_do_not_change_what_was_folded() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let longer = federation.extend(&chain, |list| {
        list.members[2].record_keys[1].until_index = Some(4);
    });
    let leaves = [
        adoption(province, &chain, 1),
        certificate(province.county_writer(), 1),
        certificate(province.writer(), 2),
    ];
    assert_eq!(check(&chain, &leaves, &[]), check(&longer, &leaves, &[]));
    let adopted = [
        &leaves[..],
        &[adoption(province, &longer, 2), leaves[1].clone()],
    ]
    .concat();
    check(&longer, &adopted, &[(4, "KEY_OUTSIDE_WINDOW")]);
}

#[test]
fn what_was_signed_a_moment_ago_folds_as_if_checked() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let issued = certificate(province.writer(), 1);
    let leaves = [
        adoption(province, &chain, 1),
        issued.clone(),
        issued.clone(),
        b"x".to_vec(),
    ];
    let mut fold = Fold::new(&chain, &province.origin, 0, 0, Targets::new());
    for leaf in &leaves {
        fold.step(CheckedLeaf::just_signed(leaf)).unwrap();
    }
    let expected = [(2, "RECORD_REPEATED"), (3, "LEAF_UNDECODABLE")];
    assert_eq!(fold.finish(), check(&chain, &leaves, &expected));

    let checked = CheckedLeaf::just_signed(&issued);
    let row = CertificateRow {
        index: 5,
        leaf: hash(&issued),
        writer_region: 330_000,
    };
    assert_eq!(
        (checked.leaf(), checked.certificate(5)),
        (hash(&issued), Some(row))
    );
    assert_eq!(CheckedLeaf::just_signed(&leaves[0]).certificate(5), None);
}
