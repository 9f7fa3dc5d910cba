//! Reading and signing records: what is refused, and what is taken for newer.

use huren_core::{
    codes::Region,
    disclosure::Group,
    keys::{Algorithm, RecordSigner, RecordVerifier},
    record::{Body, Draft, Envelope, MAX_LEAF_BYTES, RecordError, UnverifiedRecord},
};
use huren_proto::v1;
use proptest::prelude::*;
use prost::Message;

use crate::common::{Federation, NUMBER, Writer, hash, openings, shortage_list};

/// What a leaf is read as.
#[derive(Debug, PartialEq)]
enum Reading {
    Known,
    Newer,
    Refused(&'static str),
}

fn reading(leaf: &[u8]) -> Reading {
    match UnverifiedRecord::read(leaf) {
        Ok(record) if *record.body() == Body::Newer => Reading::Newer,
        Ok(_) => Reading::Known,
        Err(error) => Reading::Refused(error.code()),
    }
}

/// What is newer is kept and not appended; what is refused is neither.
fn check(what: &str, leaf: &[u8], expected: &Reading) {
    assert_eq!(reading(leaf), *expected, "{what}");
    let strict = UnverifiedRecord::read_strict(leaf)
        .map(|_| ())
        .map_err(|error| error.code());
    let expected = match expected {
        Reading::Known => Ok(()),
        Reading::Newer => Err("RECORD_NOT_CANONICAL"),
        Reading::Refused(code) => Err(*code),
    };
    assert_eq!(strict, expected, "{what}, strictly");
}

const RULE: Reading = Reading::Refused("RECORD_RULE");

/// A field of a number that no message of this version has.
const UNKNOWN_FIELD: [u8; 3] = [0xf8, 0x3f, 0x01];

fn with_unknown_field(bytes: &[u8]) -> Vec<u8> {
    [bytes, &UNKNOWN_FIELD].concat()
}

fn parts(leaf: &[u8]) -> (v1::SignedRecord, v1::Record) {
    let signed = v1::SignedRecord::decode(leaf).unwrap();
    let record = v1::Record::decode(signed.record.as_slice()).unwrap();
    (signed, record)
}

/// A genuine leaf with its record changed, signed again by the same writer.
fn changed(writer: &Writer<'_>, leaf: &[u8], change: impl FnOnce(&mut v1::Record)) -> Vec<u8> {
    let (_, mut record) = parts(leaf);
    change(&mut record);
    writer.sign_anything(record.encode_to_vec()).encode_to_vec()
}

fn with_envelope(
    writer: &Writer<'_>,
    leaf: &[u8],
    change: impl FnOnce(&mut v1::Envelope),
) -> Vec<u8> {
    changed(writer, leaf, |record| {
        change(record.envelope.as_mut().unwrap())
    })
}

fn with_body<M: Message + Default>(
    writer: &Writer<'_>,
    leaf: &[u8],
    change: impl FnOnce(&mut M),
) -> Vec<u8> {
    changed(writer, leaf, |record| {
        let mut body = M::decode(record.body.as_slice()).unwrap();
        change(&mut body);
        record.body = body.encode_to_vec();
    })
}

/// One leaf of every kind.
fn one_of_each(writer: &Writer<'_>) -> Vec<Vec<u8>> {
    let openings = openings(NUMBER, 0);
    let certificate = writer.certificate(&openings);
    let target = hash(&certificate);
    vec![
        certificate,
        writer.status(v1::StatusAction::Revoke, target, None),
        writer.change(
            v1::StatusAction::Correct,
            target,
            Some(target),
            &openings[1..2],
        ),
        writer.erasure(target, &[Group::HolderName, Group::HolderId]),
        writer.institution("3302000000001"),
        writer.adoption(1, target),
        writer.anchor(1, target),
        writer.register(v1::Kind::ShortageList, &shortage_list()),
    ]
}

#[test]
fn every_kind_reads_back_and_verifies() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let signer = RecordSigner::from_seed(&writer.seed);
    let key = RecordVerifier::new(Algorithm::Ed25519, &signer.public_key()).unwrap();
    for leaf in one_of_each(&writer) {
        check("genuine", &leaf, &Reading::Known);
        let read = || UnverifiedRecord::read_strict(&leaf).unwrap();
        assert_eq!(
            (read().key_id(), *read().leaf()),
            (Some(*signer.id()), hash(&leaf))
        );
        let verified = read().verify(writer.origin.as_str(), &key).unwrap();
        assert_eq!(
            (&verified.envelope, &verified.body),
            (read().envelope(), read().body())
        );
        let elsewhere = read().verify("huren.example/log/34", &key);
        assert_eq!(elsewhere, Err(RecordError::BadSignature));
    }
}

#[test]
fn what_this_version_does_not_know_is_newer() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    for leaf in one_of_each(&writer) {
        check(
            "field of the leaf",
            &with_unknown_field(&leaf),
            &Reading::Newer,
        );
        let (signed, record) = parts(&leaf);
        let longer = writer
            .sign_anything(with_unknown_field(&signed.record))
            .encode_to_vec();
        check("field of the record", &longer, &Reading::Newer);
        let longer = changed(&writer, &leaf, |r| r.body = with_unknown_field(&r.body));
        check("field of the body", &longer, &Reading::Newer);

        // A field of the envelope: field 1 of the record, its length in one byte.
        let envelope = with_unknown_field(&record.envelope.unwrap().encode_to_vec());
        let length = u8::try_from(envelope.len()).unwrap();
        assert!(length < 128);
        let envelope = [&[0x0a, length], envelope.as_slice()].concat();
        let rest = v1::Record {
            envelope: None,
            body: record.body,
        }
        .encode_to_vec();
        let longer = writer
            .sign_anything([envelope, rest].concat())
            .encode_to_vec();
        check("field of the envelope", &longer, &Reading::Newer);

        for schema in [0, 2, u32::MAX] {
            let other = with_envelope(&writer, &leaf, |e| e.schema = schema);
            check("schema", &other, &Reading::Newer);
        }
        for kind in [900, 1_000, i32::MAX] {
            let other = with_envelope(&writer, &leaf, |e| e.kind = kind);
            check("kind", &other, &Reading::Newer);
        }
        let other = with_envelope(&writer, &leaf, |e| e.provenance = 3);
        check("provenance", &other, &Reading::Newer);
    }
}

#[test]
fn unknown_numbers_within_bodies_are_newer() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let [certificate, revoke, correct, erasure, ..] = &one_of_each(&writer)[..] else {
        panic!()
    };
    let newer = |what, leaf: Vec<u8>| check(what, &leaf, &Reading::Newer);
    newer(
        "action",
        with_body(&writer, revoke, |b: &mut v1::StatusChange| b.action = 8),
    );
    newer(
        "reason",
        with_body(&writer, revoke, |b: &mut v1::StatusChange| b.reason = 10),
    );
    newer(
        "group",
        with_body(&writer, erasure, |b: &mut v1::Erasure| b.groups.push(6)),
    );
    newer(
        "group",
        with_body(&writer, certificate, |b: &mut v1::Certificate| {
            b.groups[4].group = 6;
        }),
    );
    newer(
        "group",
        with_body(&writer, correct, |b: &mut v1::StatusChange| {
            b.replaced[0].group = 6;
        }),
    );
    newer(
        "normaliser",
        with_body(&writer, certificate, |b: &mut v1::Certificate| {
            b.normaliser = 2;
        }),
    );
    newer(
        "normaliser",
        with_body(&writer, correct, |b: &mut v1::StatusChange| {
            b.normaliser = 2
        }),
    );
}

/// A newer record still says which certificate it is about.
#[test]
fn a_newer_record_keeps_its_target() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let revoke = &one_of_each(&writer)[1];
    let target = UnverifiedRecord::read(revoke).unwrap().envelope().target;
    let newer = with_envelope(&writer, revoke, |e| e.schema = 2);
    assert!(target.is_some());
    assert_eq!(
        UnverifiedRecord::read(&newer).unwrap().envelope().target,
        target
    );
}

#[test]
fn alternative_encodings_are_not_read_as_the_record() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    for leaf in one_of_each(&writer) {
        let (signed, record) = parts(&leaf);
        // The algorithm once more, with the same value: decoders take the last one.
        check(
            "repeated field",
            &[&leaf[..], &[0x10, 0x01]].concat(),
            &Reading::Newer,
        );
        // Body before envelope.
        let envelope = v1::Record {
            body: Vec::new(),
            ..record.clone()
        }
        .encode_to_vec();
        let body = v1::Record {
            envelope: None,
            ..record
        }
        .encode_to_vec();
        let swapped = writer
            .sign_anything([body, envelope].concat())
            .encode_to_vec();
        assert_eq!(swapped.len(), leaf.len());
        check("other order", &swapped, &Reading::Newer);
        // A default value written out: fields of number 0 are absent in the canonical form.
        let spelled = v1::SignedRecord { alg: 0, ..signed }.encode_to_vec();
        check(
            "default",
            &[&spelled[..], &[0x10, 0x00]].concat(),
            &Reading::Newer,
        );
    }
}

#[test]
fn malformed_leaves_are_refused() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let leaf = &one_of_each(&writer)[1];
    let undecodable = Reading::Refused("LEAF_UNDECODABLE");
    check("cut off", &leaf[..leaf.len() - 1], &undecodable);
    check("no protobuf", b"\xff\xff\xff", &undecodable);
    let record = writer.sign_anything(b"\x0a\x7f".to_vec()).encode_to_vec();
    check("record cut off", &record, &undecodable);
    check(
        "body cut off",
        &changed(&writer, leaf, |r| r.body = vec![0x08]),
        &undecodable,
    );
    check("empty", b"", &RULE);
    check(
        "no envelope",
        &changed(&writer, leaf, |r| r.envelope = None),
        &RULE,
    );
    check(
        "too large",
        &vec![0; MAX_LEAF_BYTES + 1],
        &Reading::Refused("LEAF_TOO_LARGE"),
    );

    let mut large = writer.institution("1");
    large = with_body(&writer, &large, |b: &mut v1::Institution| {
        b.name = "x".repeat(70_000)
    });
    check("too large", &large, &Reading::Refused("LEAF_TOO_LARGE"));
}

#[test]
fn rules_of_the_envelope() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let all = one_of_each(&writer);
    let refuse = |what, leaf: &[u8], change: fn(&mut v1::Envelope)| {
        check(what, &with_envelope(&writer, leaf, change), &RULE);
    };
    for leaf in &all {
        refuse("short target", leaf, |e| e.target = vec![1; 31]);
        refuse("long target", leaf, |e| e.target = vec![1; 33]);
        refuse("short previous", leaf, |e| e.previous = vec![1; 31]);
        refuse("no region", leaf, |e| e.writer_region = String::new());
        refuse("long form of a region", leaf, |e| {
            e.writer_region = "330000".to_owned()
        });
        refuse("no such province", leaf, |e| {
            e.writer_region = "99".to_owned()
        });
        refuse("no provenance", leaf, |e| e.provenance = 0);
        refuse("no kind", leaf, |e| e.kind = 0);
        refuse("no such day", leaf, |e| e.effective_date = 20_250_230);
    }
    for leaf in &all[1..] {
        refuse("no date", leaf, |e| e.effective_date = 0);
    }
    refuse("a certificate with a date", &all[0], |e| {
        e.effective_date = 20_250_601
    });
    refuse("a certificate with a predecessor", &all[0], |e| {
        e.previous = vec![1; 32]
    });
    for leaf in [&all[0], &all[4], &all[5], &all[6], &all[7]] {
        refuse("a target where there is none", leaf, |e| {
            e.target = vec![1; 32]
        });
    }
    for leaf in &all[1..4] {
        refuse("no target", leaf, |e| e.target = Vec::new());
    }
    for leaf in &all[3..] {
        refuse("previous where there is none", leaf, |e| {
            e.previous = vec![1; 32]
        });
    }
}

#[test]
fn rules_of_the_bodies() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let [
        certificate,
        revoke,
        correct,
        erasure,
        institution,
        adoption,
        anchor,
        register,
    ] = &one_of_each(&writer)[..]
    else {
        panic!()
    };
    let certificate = |what, change: fn(&mut v1::Certificate)| {
        check(what, &with_body(&writer, certificate, change), &RULE);
    };
    certificate("no normaliser", |b| b.normaliser = 0);
    certificate("short digest", |b| b.groups[0].digest = vec![1; 31]);
    certificate("group twice", |b| b.groups[1].group = 1);
    certificate("groups not ascending", |b| b.groups.reverse());
    certificate("no content", |b| drop(b.groups.remove(0)));
    certificate("no name", |b| drop(b.groups.remove(1)));
    certificate("no ID", |b| drop(b.groups.remove(2)));
    let status = |what, leaf: &[u8], change: fn(&mut v1::StatusChange)| {
        check(what, &with_body(&writer, leaf, change), &RULE);
    };
    status("no action", revoke, |b| b.action = 0);
    status("a revocation that replaces", correct, |b| b.action = 1);
    status("a correction of nothing", correct, |b| b.replaced.clear());
    let erasure = |what, change: fn(&mut v1::Erasure)| {
        check(what, &with_body(&writer, erasure, change), &RULE);
    };
    erasure("nothing erased", |b| b.groups.clear());
    erasure("not ascending", |b| b.groups.reverse());
    erasure("twice", |b| b.groups = vec![2, 2]);
    let institution = |what, change: fn(&mut v1::Institution)| {
        check(what, &with_body(&writer, institution, change), &RULE);
    };
    let refuse_anchor = |what, change: fn(&mut v1::AuditAnchor)| {
        check(what, &with_body(&writer, anchor, change), &RULE);
    };
    refuse_anchor("no entry", |b| b.sequence = 0);
    refuse_anchor("short digest", |b| b.digest.truncate(31));
    institution("no code", |b| b.code = String::new());
    institution("long code", |b| b.code = "1".repeat(33));
    let adoption = |what, change: fn(&mut v1::TrustListAdoption)| {
        check(what, &with_body(&writer, adoption, change), &RULE);
    };
    adoption("version 0", |b| b.version = 0);
    adoption("short digest", |b| b.digest = vec![1; 31]);
    let register = |what, change: fn(&mut v1::ShortageList)| {
        check(what, &with_body(&writer, register, change), &RULE);
    };
    register("a line twice", |b| b.lines.push(b.lines[0].clone()));
    register("not in its one form", |b| b.region = "330000".to_owned());
}

#[test]
fn signatures_are_checked_strictly() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let public_key = RecordSigner::from_seed(&writer.seed).public_key();
    let key = RecordVerifier::new(Algorithm::Ed25519, &public_key).unwrap();
    let (genuine, _) = parts(&one_of_each(&writer)[1]);
    let verify = |change: &dyn Fn(&mut v1::SignedRecord)| {
        let mut signed = genuine.clone();
        change(&mut signed);
        let record = UnverifiedRecord::read(&signed.encode_to_vec()).unwrap();
        record.verify(writer.origin.as_str(), &key).map(|_| ())
    };
    assert_eq!(verify(&|_| ()), Ok(()));
    for bit in 0..512 {
        let flipped = verify(&|signed| signed.signature[bit / 8] ^= 1 << (bit % 8));
        assert_eq!(flipped, Err(RecordError::BadSignature));
    }
    let bad = Err(RecordError::BadSignature);
    assert_eq!(verify(&|signed| signed.signature.push(0)), bad);
    assert_eq!(verify(&|signed| signed.signature.clear()), bad);
    assert_eq!(verify(&|signed| signed.key_id[0] ^= 1), bad);
    // A known algorithm, but not the key's: a leaf is not read under another one.
    assert_eq!(
        verify(&|signed| signed.alg = v1::SignatureAlgorithm::Sm2Sm3 as i32),
        bad
    );
    for alg in [0, 3, 9] {
        assert_eq!(
            verify(&|signed| signed.alg = alg),
            Err(RecordError::UnknownAlgorithm)
        );
    }
    assert!(RecordVerifier::new(Algorithm::Ed25519, &public_key[1..]).is_err());
}

#[test]
fn what_would_not_be_read_back_is_not_signed() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let signer = RecordSigner::from_seed(&writer.seed);
    let body = v1::Institution {
        code: "1".to_owned(),
        ..Default::default()
    }
    .encode_to_vec();
    let envelope = writer.envelope(v1::Kind::Institution);
    let sign = |envelope: Envelope, body: &[u8]| {
        let draft = Draft {
            envelope,
            body: body.to_vec(),
        };
        draft
            .sign(writer.origin.as_str(), &signer)
            .map(|_| ())
            .map_err(|error| error.code())
    };
    assert_eq!(sign(envelope.clone(), &body), Ok(()));
    let other = Envelope {
        kind: 900,
        ..envelope.clone()
    };
    assert_eq!(sign(other, &body), Err("RECORD_NOT_CANONICAL"));
    let other = Envelope {
        provenance: v1::Provenance::Unspecified,
        ..envelope.clone()
    };
    assert_eq!(sign(other, &body), Err("RECORD_RULE"));
    assert_eq!(
        sign(envelope, &with_unknown_field(&body)),
        Err("RECORD_NOT_CANONICAL")
    );
}

/// Records of all kinds with any content that this version would sign.
fn any_draft() -> impl Strategy<Value = (Region, v1::Provenance, usize, u32)> {
    (
        prop::sample::select(vec!["33", "3302", "330206"]),
        prop::sample::select(vec![v1::Provenance::Issued, v1::Provenance::Backfilled]),
        0usize..8,
        (1u32..=12, 1u32..=28).prop_map(|(month, day)| 20_250_000 + month * 100 + day),
    )
        .prop_map(|(region, provenance, kind, date)| {
            (Region::parse(region).unwrap(), provenance, kind, date)
        })
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = UnverifiedRecord::read(&bytes);
        let _ = UnverifiedRecord::read_strict(&bytes);
    }

    #[test]
    fn changed_leaves_are_read_without_panic_and_never_verify(
        kind in 0usize..8,
        place in any::<prop::sample::Index>(),
        flip in 1u8..=255,
    ) {
        let federation = Federation::new();
        let writer = federation.province("33").writer();
        let public_key = RecordSigner::from_seed(&writer.seed).public_key();
        let key = RecordVerifier::new(Algorithm::Ed25519, &public_key).unwrap();
        let mut leaf = one_of_each(&writer).swap_remove(kind);
        let place = place.index(leaf.len());
        leaf[place] ^= flip;
        if let Ok(record) = UnverifiedRecord::read_strict(&leaf) {
            prop_assert!(record.verify(writer.origin.as_str(), &key).is_err());
        }
    }

    #[test]
    fn what_is_signed_is_read_back((region, provenance, kind, date) in any_draft()) {
        let federation = Federation::new();
        let writer = federation.province("33").writer();
        let (_, record) = parts(&one_of_each(&writer)[kind]);
        let read = UnverifiedRecord::read(&one_of_each(&writer)[kind]).unwrap();
        let dated = read.envelope().effective_date != 0;
        let envelope = Envelope {
            writer_region: region,
            provenance,
            effective_date: if dated { date } else { 0 },
            ..read.envelope().clone()
        };
        let signer = RecordSigner::from_seed(&writer.seed);
        let key = RecordVerifier::new(Algorithm::Ed25519, &signer.public_key()).unwrap();
        let draft = Draft { envelope: envelope.clone(), body: record.body };
        let leaf = draft.sign(writer.origin.as_str(), &signer).unwrap();
        let verified = UnverifiedRecord::read_strict(&leaf)
            .unwrap()
            .verify(writer.origin.as_str(), &key)
            .unwrap();
        prop_assert_eq!(verified.envelope, envelope);
        prop_assert_eq!(&verified.body, read.body());
    }
}
