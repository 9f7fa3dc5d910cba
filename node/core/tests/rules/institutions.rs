//! Institutions' own keys: what they may sign, and at which places of a log.

use std::collections::HashMap;

use huren_core::{
    codes::Region,
    keys::RecordSigner,
    merkle::Hash,
    reason::Reason,
    record::UnverifiedRecord,
    register::{Changes, CheckedLeaf, Fold, InstitutionKeyRow, InstitutionKeys, KeysWanted},
    trust::TrustChain,
    verdict::Verdict,
};
use huren_proto::v1::{
    self,
    InstitutionState::{self, Active, Exited, Suspended},
    Kind, StatusAction,
};
use prost::Message as _;

use crate::common::{
    Federation, INSTITUTION, NUMBER, Province, Writer, evidence::Evidence, evidence::with_field,
    hash, institution_writer, openings, record_key, seed,
};

pub(crate) const OTHER: &str = "Y000133020500";

/// What a register knows of institutions' keys behind these changes, as a store keeps it.
fn held(changes: &Changes, wanted: &KeysWanted) -> InstitutionKeys {
    let mut newest = HashMap::new();
    for entry in &changes.directory {
        newest.insert(entry.key.clone(), entry.index);
    }
    let rows = changes.institution_keys.iter();
    let rows = rows.filter(|row| newest[&row.code] == row.index);
    let wanted = |row: &&InstitutionKeyRow| {
        wanted.ids.contains(&row.key_id) || wanted.codes.contains(&row.code)
    };
    rows.filter(wanted)
        .map(|row| (row.key_id, row.clone()))
        .collect()
}

/// Folds a log of Zhejiang's in two ranges.
fn fold_in_two(chain: &TrustChain, leaves: &[Vec<u8>], split: usize) -> Changes {
    let federation = Federation::new();
    let origin = &federation.province("33").origin;
    let mut all = Changes::default();
    let (mut next, mut adopted) = (0, 0);
    for range in [&leaves[..split], &leaves[split..]] {
        let checked: Vec<_> = range
            .iter()
            .map(|leaf| CheckedLeaf::check(chain, origin, leaf))
            .collect();
        let keys = held(&all, &KeysWanted::of(&checked));
        let mut targets = HashMap::new();
        for row in &all.certificates {
            let state = huren_core::register::TargetState {
                index: row.index,
                writer_region: row.writer_region,
                last_status: None,
            };
            targets.insert(row.leaf, state);
        }
        let mut fold = Fold::new(chain, origin, next, adopted, targets).with_institution_keys(keys);
        for leaf in checked {
            fold.step(leaf).unwrap();
        }
        (next, adopted) = (fold.next(), fold.adopted());
        let changes = fold.finish();
        all.certificates.extend(changes.certificates);
        all.statuses.extend(changes.statuses);
        all.directory.extend(changes.directory);
        all.institution_keys.extend(changes.institution_keys);
        all.adoptions.extend(changes.adoptions);
        all.quarantined.extend(changes.quarantined);
    }
    all
}

/// Expects leaves to be quarantined with these codes, and all others not, wherever the log is
/// folded in two.
fn check(chain: &TrustChain, leaves: &[Vec<u8>], expected: &[(u64, &str)]) -> Changes {
    let changes = fold_in_two(chain, leaves, 0);
    let rows = changes.quarantined.iter();
    let found: Vec<_> = rows.map(|row| (row.index, row.code.as_str())).collect();
    assert_eq!(found, expected);
    for split in 1..leaves.len() {
        assert_eq!(
            fold_in_two(chain, leaves, split),
            changes,
            "split at {split}"
        );
    }
    changes
}

fn certificate(writer: Writer<'_>, salt: u8) -> Vec<u8> {
    writer.certificate(&openings(NUMBER, salt))
}

pub(crate) fn adoption(province: &Province, chain: &TrustChain) -> Vec<u8> {
    province.writer().adoption(1, chain.newest().digest)
}

fn entry(province: &Province, state: InstitutionState, keys: &[&RecordSigner]) -> Vec<u8> {
    province.writer().entry(INSTITUTION, state, keys)
}

#[test]
fn a_key_counts_behind_its_entry_and_before_the_next() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = institution_writer(province);
    let other = Writer::new(&province.origin, seed("second", "33"), province.region);
    let (key, second) = (writer.signer(), other.signer());
    let leaves = [
        adoption(province, &chain),
        certificate(writer, 1),
        entry(province, Active, &[&key]),
        certificate(writer, 2),
        certificate(other, 3),
        // Two keys at a time, for a rotation.
        entry(province, Active, &[&key, &second]),
        certificate(writer, 4),
        certificate(other, 5),
        entry(province, Active, &[&second]),
        certificate(writer, 6),
        certificate(other, 7),
        entry(province, Suspended, &[&second]),
        certificate(other, 8),
        entry(province, Active, &[&second]),
        certificate(other, 9),
        entry(province, Exited, &[&second]),
        certificate(other, 10),
        entry(province, Active, &[]),
        certificate(other, 11),
    ];
    let (unknown, state) = ("KEY_UNKNOWN", "KEY_INSTITUTION_STATE");
    let expected = [
        (1, unknown),
        (4, unknown),
        (9, unknown),
        (12, state),
        (16, state),
        (18, unknown),
    ];
    let changes = check(&chain, &leaves, &expected);
    let found: Vec<_> = changes.certificates.iter().map(|row| row.index).collect();
    assert_eq!(found, [3, 6, 7, 10, 14]);
    assert_eq!(changes.institution_keys.len(), 7);
}

#[test]
fn it_signs_certificates_alone() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = institution_writer(province);
    let issued = certificate(writer, 1);
    let newer = |kind: Kind, target: Option<Hash>| {
        let envelope = v1::Envelope {
            schema: 2,
            kind: kind as i32,
            writer_region: "33".to_owned(),
            target: target.map(|hash| hash.0.to_vec()).unwrap_or_default(),
            ..Default::default()
        };
        let record = v1::Record {
            envelope: Some(envelope),
            body: b"later".to_vec(),
        };
        writer.sign_anything(record.encode_to_vec()).encode_to_vec()
    };
    let leaves = [
        adoption(province, &chain),
        entry(province, Active, &[&writer.signer()]),
        issued.clone(),
        writer.status(StatusAction::Revoke, hash(&issued), None),
        writer.erasure(hash(&issued), &[huren_core::disclosure::Group::Scores]),
        writer.entry(INSTITUTION, Active, &[&writer.signer()]),
        writer.adoption(1, chain.newest().digest),
        newer(Kind::StatusChange, Some(hash(&issued))),
        // A certificate of a later schema changes nothing, whatever it targets.
        newer(Kind::Certificate, Some(hash(&issued))),
        // The province may change what the institution issued.
        province
            .writer()
            .status(StatusAction::Revoke, hash(&issued), None),
    ];
    let kind = "KEY_KIND";
    let expected = [
        (3, kind),
        (4, kind),
        (5, kind),
        (6, kind),
        (7, kind),
        (8, "SCHEMA_NEWER"),
    ];
    let changes = check(&chain, &leaves, &expected);
    let found: Vec<_> = changes.statuses.iter().map(|row| row.index).collect();
    assert_eq!(found, [9]);
}

#[test]
fn it_signs_for_the_region_and_log_of_its_entry() {
    let federation = Federation::new();
    let mut list = federation.list();
    // Counties that keep directories of their own.
    let county = |code: &str| Region::parse(code).unwrap();
    let other = Writer::new(
        &federation.province("33").origin,
        seed("other county", "33"),
        county("330205"),
    );
    list.members[2].record_keys[1]
        .kinds
        .push("institution".to_owned());
    let keys = &mut list.members[2].record_keys;
    keys.push(record_key(&other.signer(), &["*"], county("330205")));
    let chain = federation.chain_of(&list);
    let (province, jiangsu) = (federation.province("33"), federation.province("32"));
    let writer = institution_writer(province).for_region(county("330206"));
    let entry =
        |writer: Writer<'_>, key: Writer<'_>| writer.entry(INSTITUTION, Active, &[&key.signer()]);
    let theirs = institution_writer(jiangsu);
    let leaves = [
        adoption(province, &chain),
        entry(province.county_writer(), writer),
        certificate(writer, 1),
        certificate(writer.for_region(county("330205")), 2),
        certificate(writer.for_region(Region::ZHEJIANG), 3),
        certificate(writer.for_region(Region::JIANGSU), 4),
        // Another county does not end what this one wrote, and writes for nobody else.
        entry(other, other),
        entry(other.for_region(county("330206")), other),
        certificate(writer, 5),
        // An institution of another province, in its own form and in this log's.
        certificate(theirs, 6),
        certificate(
            Writer::new(&province.origin, theirs.seed, Region::ZHEJIANG).with_sm2(),
            7,
        ),
        entry(jiangsu.writer(), theirs),
        certificate(theirs, 8),
        // The right key, for another log; and a signature that is none.
        certificate(
            Writer::new(&jiangsu.origin, writer.seed, writer.region).with_sm2(),
            9,
        ),
        {
            let mut leaf = certificate(writer, 10);
            *leaf.last_mut().unwrap() ^= 1;
            leaf
        },
        // The province takes the entry over, for all of it.
        entry(province.writer(), writer),
        certificate(writer.for_region(county("330205")), 11),
        entry(province.county_writer(), writer),
    ];
    let (region, unknown, signature) = ("KEY_REGION", "KEY_UNKNOWN", "SIGNATURE_INVALID");
    let expected = [
        (3, region),
        (4, region),
        (5, region),
        (6, region),
        (7, region),
        (9, unknown),
        (10, unknown),
        (11, unknown),
        (12, unknown),
        (13, signature),
        (14, signature),
        (17, region),
    ];
    let changes = check(&chain, &leaves, &expected);
    let found: Vec<_> = changes.certificates.iter().map(|row| row.index).collect();
    assert_eq!(found, [2, 8, 16]);
}

#[test]
fn entries_without_authority_give_nothing() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = institution_writer(province);
    let stranger = Writer::new(&province.origin, [9; 32], province.region);
    let given = |by: Writer<'_>| by.entry(INSTITUTION, Active, &[&writer.signer()]);
    let leaves = [
        given(province.writer()),
        adoption(province, &chain),
        certificate(writer, 1),
        // The county's key may not sign entries.
        given(province.county_writer()),
        certificate(writer, 2),
        given(stranger),
        certificate(writer, 3),
    ];
    let expected = [
        (0, "TRUST_NOT_ADOPTED"),
        (2, "KEY_UNKNOWN"),
        (3, "KEY_KIND"),
        (4, "KEY_UNKNOWN"),
        (5, "KEY_UNKNOWN"),
        (6, "KEY_UNKNOWN"),
    ];
    check(&chain, &leaves, &expected);
}

#[test]
fn a_key_is_of_one_institution_at_a_time() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = institution_writer(province);
    let key = writer.signer();
    let given = |code, keys: &[&RecordSigner]| province.writer().entry(code, Active, keys);
    let leaves = [
        adoption(province, &chain),
        given(INSTITUTION, &[&key]),
        given(OTHER, &[&key]),
        certificate(writer, 1),
        given(INSTITUTION, &[]),
        given(OTHER, &[&key]),
        certificate(writer, 2),
        given(INSTITUTION, &[&key]),
    ];
    let changes = check(&chain, &leaves, &[(2, "KEY_TAKEN"), (7, "KEY_TAKEN")]);
    let holders: Vec<_> = changes
        .institution_keys
        .iter()
        .map(|row| row.code.as_str())
        .collect();
    assert_eq!(holders, [INSTITUTION, OTHER]);
    assert_eq!(changes.certificates.len(), 2);
}

/// Which lists came later must not matter.
#[test]
fn a_list_that_comes_to_name_the_key_changes_nothing_before_it() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = institution_writer(province);
    let longer = federation.extend(&chain, |list| {
        let key = record_key(&writer.signer(), &["certificate"], Region::ZHEJIANG);
        list.members[2].record_keys.push(key);
    });
    let leaves = [
        adoption(province, &chain),
        certificate(writer, 1),
        entry(province, Active, &[&writer.signer()]),
        certificate(writer, 2),
        writer.status(StatusAction::Revoke, Hash([1; 32]), None),
    ];
    let expected = [(1, "KEY_UNKNOWN"), (4, "KEY_KIND")];
    assert_eq!(
        check(&chain, &leaves, &expected),
        check(&longer, &leaves, &expected)
    );
}

#[test]
fn what_was_verified_a_moment_ago_folds_as_if_checked() {
    let federation = Federation::new();
    let (province, chain) = (federation.province("33"), federation.chain());
    let writer = institution_writer(province);
    let leaves = [
        adoption(province, &chain),
        entry(province, Active, &[&writer.signer()]),
        certificate(writer, 1),
        entry(province, Active, &[]),
        certificate(writer, 2),
    ];
    let mut fold = Fold::new(&chain, &province.origin, 0, 0, HashMap::new());
    for leaf in &leaves {
        fold.step(CheckedLeaf::just_verified(leaf)).unwrap();
    }
    assert_eq!(fold.finish(), check(&chain, &leaves, &[(4, "KEY_UNKNOWN")]));
    let code = |leaf: &[u8]| {
        let checked = CheckedLeaf::just_signed(leaf);
        checked.institution().map(|(entry, _)| entry.code.clone())
    };
    assert_eq!(code(&leaves[1]).as_deref(), Some(INSTITUTION));
    assert_eq!(code(&leaves[2]), None);
}

#[test]
fn entries_name_keys_in_their_one_form() {
    let federation = Federation::new();
    let province = federation.province("33");
    let (a, b) = (
        institution_writer(province).signer(),
        province.writer().signer(),
    );
    let key = |signer: &RecordSigner| v1::InstitutionKey {
        alg: signer.algorithm().number(),
        public_key: signer.public_key(),
    };
    let check = |keys: Vec<v1::InstitutionKey>, expected: Result<(), &str>| {
        let body = v1::Institution {
            code: INSTITUTION.to_owned(),
            keys,
            ..Default::default()
        };
        let writer = province.writer();
        let record = v1::Record {
            envelope: Some(v1::Envelope {
                schema: 1,
                kind: Kind::Institution as i32,
                writer_region: "33".to_owned(),
                provenance: 1,
                effective_date: 20_250_601,
                ..Default::default()
            }),
            body: body.encode_to_vec(),
        };
        let leaf = writer.sign_anything(record.encode_to_vec()).encode_to_vec();
        let read = UnverifiedRecord::read_strict(&leaf);
        assert_eq!(
            read.map(|_| ()).map_err(|error| error.code()),
            expected,
            "{body:?}"
        );
    };
    let with = |alg: i32, public_key: Vec<u8>| v1::InstitutionKey { alg, public_key };
    let rule = Err("RECORD_RULE");
    check(vec![], Ok(()));
    check(vec![key(&b), key(&a)], Ok(()));
    check(vec![key(&a), key(&b)], rule);
    check(vec![key(&a), key(&a)], rule);
    check(vec![with(0, b.public_key())], rule);
    check(vec![with(1, a.public_key())], rule);
    check(vec![with(2, b.public_key())], rule);
    check(vec![with(2, a.public_key()[..64].to_vec())], rule);
    // Of an algorithm that comes later: not read, and no reason to refuse the entry.
    check(vec![with(9, vec![1, 2, 3])], Ok(()));
    check((0..8).map(|n| with(9, vec![n])).collect(), Ok(()));
    check((0..9).map(|n| with(9, vec![n])).collect(), rule);
}

#[test]
fn verdicts_take_a_certificate_of_its_own_institution_only() {
    let check = |code: Option<&str>, signed_by: Option<&str>, expected, reasons: &[Reason]| {
        let mut evidence = Evidence::new();
        let candidate = &mut evidence.candidates[0];
        if let Some(code) = code {
            candidate.openings = with_field("institution_code", code, 0);
        }
        candidate.signed_by = signed_by.map(str::to_owned);
        let answer = evidence.decide();
        assert_eq!(
            (answer.verdict, answer.reasons.as_slice()),
            (expected, reasons)
        );
    };
    let valid = (Verdict::Valid, [Reason::InForce]);
    let refused = (
        Verdict::NotFound,
        [Reason::NotFound, Reason::KeyInstitution],
    );
    check(None, None, valid.0, &valid.1);
    check(Some(OTHER), None, valid.0, &valid.1);
    check(Some(INSTITUTION), Some(INSTITUTION), valid.0, &valid.1);
    check(Some(OTHER), Some(INSTITUTION), refused.0, &refused.1);
    check(None, Some(INSTITUTION), refused.0, &refused.1);

    // Nor does it keep the number from whoever has it by right.
    let mut evidence = Evidence::new();
    evidence.candidates[0].signed_by = Some(INSTITUTION.to_owned());
    evidence.add_candidate("33", 9, openings(NUMBER, 100));
    let answer = evidence.decide();
    assert_eq!((answer.verdict, answer.subject), (Verdict::Valid, Some(1)));
    assert_eq!(answer.reasons, [Reason::InForce, Reason::KeyInstitution]);
}
