//! The committed vectors of this project's own formats. They are made anew by every run and
//! compared: whoever changes one changes the protocol, and every record, disclosure, trust
//! list or receipt that exists stops verifying.

use std::{fs, path::Path};

use huren_core::{
    disclosure::{self, Group, GroupDigests, SecretKey, Values, holder_tag, number_tag},
    keys::RecordSigner,
    merkle::Hash,
    normalise,
    reason::Reason,
    receipt::{Receipt, question_digest, verify},
    record::UnverifiedRecord,
    trust::{RootKeys, TrustChain},
    verdict::Verdict,
};
use huren_proto::v1::{self, StatusAction};
use prost::Message;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::common::{
    Case, Federation, INSTITUTION, NUMBER, Writer, frame, hash, institution_writer, openings, seed,
    values,
};

/// Compares with the committed file. What was made instead is left in the build directory.
fn check(name: &str, made: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/huren");
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    let committed: Value = serde_json::from_str(&text).unwrap_or_default();
    if committed != *made {
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&copy, format!("{made:#}\n")).unwrap();
        panic!(
            "{name} has changed. A changed vector is a protocol change: what was signed or \
             digested before no longer verifies. What this program makes is in {}.",
            copy.display()
        );
    }
}

fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// A leaf with all that it is made of.
fn leaf(name: &str, writer: &Writer<'_>, leaf: &[u8]) -> Value {
    let signed = v1::SignedRecord::decode(leaf).unwrap();
    let record = v1::Record::decode(signed.record.as_slice()).unwrap();
    let envelope = record.envelope.unwrap();
    let signer = writer.signer();
    let input = writer.signing_input(&signed.record);
    let again = writer.sign_anything(signed.record.clone());
    assert_eq!(again, signed, "signatures of one input are the same");
    assert_eq!(
        *UnverifiedRecord::read_strict(leaf).unwrap().leaf(),
        hash(leaf)
    );
    json!({
        "name": name,
        "seed": hex::encode(writer.seed),
        "public_key": hex::encode(signer.public_key()),
        "key_id": signer.id().to_hex(),
        "origin": writer.origin.as_str(),
        "envelope": {
            "schema": envelope.schema,
            "kind": envelope.kind,
            "writer_region": envelope.writer_region,
            "provenance": envelope.provenance,
            "effective_date": envelope.effective_date,
            "target": hex::encode(envelope.target),
            "previous": hex::encode(envelope.previous),
        },
        "body": hex::encode(record.body),
        "record": hex::encode(&signed.record),
        "signing_input_sha256": sha256(&input).to_hex(),
        "signature": hex::encode(&signed.signature),
        "leaf": hex::encode(leaf),
        "leaf_hash": hash(leaf).to_hex(),
    })
}

#[test]
fn records() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let open = openings(NUMBER, 0);
    let certificate = writer.certificate(&open);
    let target = hash(&certificate);
    let mut vectors = vec![leaf("certificate", &writer, &certificate)];
    let mut previous = None;
    for number in 1..=7 {
        let action = StatusAction::try_from(number).unwrap();
        let replaced = match action {
            StatusAction::Correct => &open[1..2],
            StatusAction::Reissue => &open[..1],
            _ => &[],
        };
        let bytes = writer.change(action, target, previous, replaced);
        previous = Some(hash(&bytes));
        vectors.push(leaf(action.as_str_name(), &writer, &bytes));
    }
    let county = federation.province("33").county_writer();
    let others = [
        (
            "erasure",
            writer,
            writer.erasure(target, &[Group::HolderName, Group::HolderId]),
        ),
        ("institution", county, county.institution("3302000000001")),
        (
            "adoption",
            writer,
            writer.adoption(1, federation.chain().newest().digest),
        ),
        ("audit anchor", writer, writer.anchor(7, target)),
    ];
    vectors.extend(
        others
            .iter()
            .map(|(name, writer, bytes)| leaf(name, writer, bytes)),
    );
    check(
        "record-v1.json",
        &json!({ "version": 1, "algorithm": "ed25519", "records": vectors }),
    );
}

/// A certificate, its revocation and an adoption signed by an SM2 key; and an entry that gives
/// an institution a key of either algorithm.
#[test]
fn sm2_records() {
    let federation = Federation::new();
    let writer = federation.province("33").writer().with_sm2();
    let certificate = writer.certificate(&openings(NUMBER, 0));
    let revoke = writer.status(StatusAction::Revoke, hash(&certificate), None);
    let province = federation.province("33").writer();
    let (sm2, ed25519) = (
        institution_writer(federation.province("33")).signer(),
        RecordSigner::from_seed(&seed("institution", "33")),
    );
    let entry = province.entry(INSTITUTION, v1::InstitutionState::Active, &[&ed25519, &sm2]);
    let vectors = [
        leaf("institution with keys", &province, &entry),
        leaf("certificate", &writer, &certificate),
        leaf("STATUS_ACTION_REVOKE", &writer, &revoke),
        leaf(
            "adoption",
            &writer,
            &writer.adoption(1, federation.chain().newest().digest),
        ),
    ];
    check(
        "record-sm2-v1.json",
        &json!({ "version": 1, "records": vectors }),
    );
}

fn fields(values: &Values) -> Value {
    values
        .iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
}

#[test]
fn digests() {
    let open = openings(NUMBER, 0);
    let digests = GroupDigests::of(&open);
    let groups = open.iter().map(|opening| {
        let values = opening.values.as_ref().unwrap();
        let parts: Vec<&[u8]> = values
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
            .collect();
        let canonical = frame(&parts);
        let version = normalise::VERSION.to_be_bytes();
        let (name, salt) = (opening.group.name().as_bytes(), &opening.salt.0);
        let input = frame(&[b"huren/digest/v1\n", &version, name, salt, &canonical]);
        let digest = digests.get(opening.group).unwrap();
        assert_eq!(sha256(&input), *digest);
        json!({
            "group": opening.group.name(),
            "number": opening.group.number(),
            "normaliser": normalise::VERSION,
            "salt": hex::encode(salt),
            "values": fields(values),
            "canonical_sha256": sha256(&canonical).to_hex(),
            "digest": digest.to_hex(),
        })
    });
    let salt = |group| {
        open.iter()
            .find(|opening| opening.group == group)
            .unwrap()
            .salt
            .0
    };
    let (name_salt, id_salt) = (salt(Group::HolderName), salt(Group::HolderId));
    let derived = sha256(&frame(&[b"huren/salt/v1\n", &name_salt, &id_salt]));
    assert_eq!(derived.0[..16], salt(Group::Certificate));

    let key = SecretKey::new(seed("tags", "33"));
    let id = values(&[
        ("id_kind", "resident_id"),
        ("id_number", "11010519491231002X"),
    ]);
    let name = values(&[("name", "张三")]);
    let (question_salt, date) = ([0x51; 16], "2025-06-01");
    let ids = [id.clone()];
    check(
        "digest-v1.json",
        &json!({
            "version": 1,
            "groups": groups.collect::<Vec<_>>(),
            "certificate_salt": {
                "holder_name": hex::encode(name_salt),
                "holder_id": hex::encode(id_salt),
                "certificate": hex::encode(salt(Group::Certificate)),
            },
            "tags": {
                "key": hex::encode(seed("tags", "33")),
                "key_id": hex::encode(key.id()),
                "holder_id": fields(&id),
                "holder_tag": hex::encode(holder_tag(&key, &id).unwrap()),
                "number": NUMBER,
                "number_tag": hex::encode(number_tag(&key, NUMBER)),
                "submission": "content",
                "submission_tag": hex::encode(disclosure::submission_tag(&key, b"content")),
            },
            "questions": [
                {
                    "salt": hex::encode(question_salt),
                    "number": NUMBER,
                    "holder_name": null,
                    "holder_ids": [],
                    "as_of_date": date,
                    "digest": question_digest(&question_salt, NUMBER, None, &[], date),
                },
                {
                    "salt": hex::encode(question_salt),
                    "number": NUMBER,
                    "holder_name": fields(&name),
                    "holder_ids": [fields(&id)],
                    "as_of_date": date,
                    "digest": question_digest(&question_salt, NUMBER, Some(&name), &ids, date),
                },
            ],
        }),
    );
}

#[test]
fn trust_lists() {
    let federation = Federation::new();
    let chain = federation.chain();
    let chain = federation.extend(&chain, |list| {
        list.members[2].record_keys[1].until_index = Some(1_000);
    });
    let lists = chain.lists().iter().map(|list| {
        json!({ "version": list.list.version, "digest": list.digest.to_hex(), "note": list.note() })
    });
    let roots = federation.root_keys().to_text();
    let made = json!({ "version": 1, "roots": roots, "lists": lists.collect::<Vec<_>>() });
    check("trust-list-v1.json", &made);

    let roots: RootKeys = roots.parse().unwrap();
    let notes: Vec<String> = chain.lists().iter().map(|list| list.note()).collect();
    let read = TrustChain::verify(&roots, notes.iter().map(String::as_bytes)).unwrap();
    assert_eq!(read.newest().list, chain.newest().list);
}

#[test]
fn receipts() {
    let federation = Federation::new();
    let (_, receipt) = Case::corrected(&federation);
    receipt_vector("receipt-v1.json", &federation, &receipt);
    let case = Case::institutional(&federation);
    let receipt = case.receipt(Verdict::Valid, &[Reason::InForce]);
    receipt_vector("receipt-institution-v1.json", &federation, &receipt);
}

fn receipt_vector(name: &str, federation: &Federation, receipt: &Receipt) {
    let (json, roots) = (receipt.to_json().unwrap(), federation.root_keys().to_text());
    let checked = verify(json.as_bytes(), &roots.parse().unwrap()).unwrap();
    check(
        name,
        &json!({
            "version": 1,
            "roots": roots,
            "receipt": json,
            "says": {
                "home": checked.home,
                "origin": checked.origin.as_str(),
                "index": checked.index,
                "proven_size": checked.proven_size,
                "cosignatures": checked.cosignatures,
                "certificate": fields(&checked.certificate),
                "verdict": checked.assertion.verdict,
            },
        }),
    );
}
