//! Where fuzzing starts: what the committed vectors hold of every format.

use std::io::Write as _;

use huren_core::{
    disclosure::to_proto,
    merkle::encode_bundle,
    recognition::{Case, Evidence, Registers, Rules, Statement, decide},
    trust::TrustList,
    verdict::Verdict,
};
use huren_proto::v1::{self, submit_request::Body};
use prost::Message as _;
use serde_json::Value;

use crate::{
    known::{OPENINGS, RECEIPT, RECORDS, TRUST, string},
    receipts::answer_key,
    trust::own_role,
};

/// Good and nearly good bytes for a property.
pub fn seeds(property: &str) -> Vec<Vec<u8>> {
    let receipt = &*RECEIPT;
    let newest = TRUST.chain.newest();
    match property {
        "assertion" => vec![json(&receipt.checked.assertion)],
        "certificate_number" => codes(&["certificate_number"]),
        "checkpoint" => vec![
            receipt.proof.checkpoint.to_string().into(),
            receipt.proof.checkpoint.checkpoint().to_text().into(),
        ],
        "code" => codes(&[]),
        "decision" => vec![decision()],
        "disclosure" => {
            let (openings, _) = &*OPENINGS;
            let members: Vec<_> = openings.iter().flat_map(|o| o.for_members()).collect();
            [openings, &members]
                .map(|o| disclosures(to_proto(o)))
                .into()
        }
        "entry_bundle" => {
            let leaves = RECORDS.iter().map(|record| record.leaf.as_slice());
            let few = leaves.clone().take(2);
            vec![bundle(leaves), bundle(few), bundle([&b""[..], b"a"])]
        }
        "id_number" => codes(&["id_number", "id_document"]),
        "merkle_proof" => (0..=3u8)
            .flat_map(|kind| {
                [
                    vec![kind, 40, 5, 9],
                    vec![kind, 69, 64, 0, 2, 1, 1, 1, 0, 0],
                ]
            })
            .chain([[3, 0, 0, 0].into_iter().chain([0xff; 40]).collect()])
            .collect(),
        "normalise" => normaliser(),
        "note" => {
            let answer = receipt.receipt.asserted.clone();
            [answer, receipt.proof.checkpoint.to_string()]
                .into_iter()
                .chain(TRUST.notes.clone())
                .map(String::into_bytes)
                .collect()
        }
        "policy" => {
            let policy = newest.list.policy(&receipt.checked.origin);
            let simple = "log huren.example/log/33+00000000+AA== # none\n\nquorum none\n";
            vec![policy.expect("a policy").to_bytes(), simple.into()]
        }
        "receipt" => vec![receipt.json.clone().into_bytes()],
        "record" => RECORDS.iter().map(|record| record.leaf.clone()).collect(),
        "root_keys" => vec![TRUST.roots_text.clone().into_bytes()],
        "submission" => submissions(),
        "table" => tables(),
        "tile_path" => [
            "tile/0/x001/x234/067",
            "tile/0/x001/234.p/5",
            "tile/63/000.p/255",
            "tile/entries/x001/000",
            "tile/0/x018/x446/x744/x073/x709/x551/615",
        ]
        .map(Into::into)
        .into(),
        "tlog_proof" => vec![
            receipt.proof.to_string().into_bytes(),
            receipt
                .proof
                .to_string()
                .replace("@v1\n", "@v1\nextra AA==\n")
                .into(),
        ],
        "trust_list" => {
            let chain = TRUST.notes.join("\0").into_bytes();
            // As the property signs it by itself.
            let own = TrustList {
                version: 1,
                previous: String::new(),
                root: own_role(),
                ..newest.list.clone()
            };
            vec![chain, json(&own)]
        }
        "verifier_key" => {
            let members = &newest.list.members;
            let cosigner = members.iter().map(|member| member.mirror_key.clone());
            let logs = members.iter().map(|member| member.log_keys[0].key.clone());
            cosigner.chain(logs).map(String::into_bytes).collect()
        }
        _ => Vec::new(),
    }
}

/// A decision on a certificate of which nothing is known but that it is in force.
fn decision() -> Vec<u8> {
    let receipt = &*RECEIPT;
    let values = receipt.checked.certificate.iter();
    let case = Case {
        asking: "310118".into(),
        asking_log: "huren.sh.example/log/31".into(),
        purpose: "employment".into(),
        as_of: receipt.checked.assertion.as_of_date.clone(),
        home: receipt.checked.home.clone(),
        home_log: receipt.checked.origin.to_string(),
        verdict: Verdict::Valid,
        reasons: Vec::new(),
        leaf: receipt.checked.assertion.certificate.clone(),
        certificate: values
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        activity_region: "330106".into(),
        id_fails: false,
        other_holdings: 0,
        others_claimed: Vec::new(),
    };
    let agreement = v1::Agreement {
        parties: vec!["31".into(), "33".into()],
        ..Default::default()
    };
    let evidence = vec![Evidence {
        origin: case.asking_log.clone(),
        index: 4,
        kind: v1::Kind::Agreement as u32,
        key: String::new(),
        effective_date: 20_210_601,
        body: agreement.encode_to_vec(),
    }];
    let decision = decide(&case, &Registers::read(&case, &evidence), Rules::built_in());
    let statement = Statement {
        decided_by: "31".into(),
        time: "2026-01-01T00:00:00Z".into(),
        case,
        evidence,
        decision,
    };
    let note = statement.sign(&answer_key("31"));
    note.expect("a note").into_bytes()
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("JSON")
}

fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    encode_bundle(entries).expect("a bundle")
}

fn disclosures(disclosures: Vec<v1::Disclosure>) -> Vec<u8> {
    let message = v1::RecordDisclosures {
        disclosures,
        ..Default::default()
    };
    message.encode_to_vec()
}

/// Inputs of the code vectors, of these types or of all.
fn codes(types: &[&str]) -> Vec<Vec<u8>> {
    let vectors = include_str!("../../vectors/huren/codes-v1.json");
    let vectors: Value = serde_json::from_str(vectors).expect("vectors");
    let vectors = vectors["vectors"].as_array().expect("a list");
    let of_type = |vector: &&Value| types.is_empty() || types.contains(&string(&vector["type"]));
    let inputs = vectors.iter().filter(of_type);
    let mut inputs: Vec<_> = inputs
        .map(|vector| string(&vector["input"]).as_bytes().to_vec())
        .collect();
    inputs.sort();
    inputs.dedup();
    inputs
}

fn normaliser() -> Vec<Vec<u8>> {
    let vectors = include_str!("../../vectors/huren/normaliser-v1.json");
    let vectors: Value = serde_json::from_str(vectors).expect("vectors");
    let vectors = vectors["vectors"].as_array().expect("a list");
    let input = |vector: &Value| string(&vector["input"]).as_bytes().to_vec();
    vectors.iter().map(input).collect()
}

fn submissions() -> Vec<Vec<u8>> {
    let (openings, _) = &*OPENINGS;
    let values = |opening: &huren_core::disclosure::Opening| v1::GroupValues {
        group: opening.group.number(),
        fields: opening
            .values
            .iter()
            .flat_map(|values| values.iter())
            .map(|(name, value)| v1::Field {
                name: name.into(),
                value: value.into(),
            })
            .collect(),
    };
    let groups: Vec<_> = openings.iter().map(values).collect();
    let replaced = vec![groups[1].clone()];
    let institution = RECORDS.iter().find_map(|record| {
        let record = v1::Record::decode(record.record.as_slice()).ok()?;
        let kind = record.envelope?.kind;
        let body = v1::Institution::decode(record.body.as_slice()).ok()?;
        (kind == v1::Kind::Institution as i32).then_some(body)
    });
    let bodies = [
        Body::Certificate(v1::CertificateSubmission { groups }),
        Body::Status(v1::StatusSubmission {
            replaced,
            action: v1::StatusAction::Correct as i32,
            ..Default::default()
        }),
        Body::Institution(v1::InstitutionSubmission {
            institution,
            effective_date: 20_240_101,
        }),
    ];
    let request = |body| v1::SubmitRequest {
        writer_region: "33".into(),
        body: Some(body),
        ..Default::default()
    };
    bodies.map(|body| request(body).encode_to_vec()).into()
}

/// A certificate, a change of status and an institution, as provinces export them.
fn tables() -> Vec<Vec<u8>> {
    let (openings, _) = &*OPENINGS;
    let get = |field| openings.iter().find_map(|o| o.values.as_ref()?.get(field));
    let columns = [
        ("证书编号", "number"),
        ("姓名", "name"),
        ("证件号码", "id_number"),
        ("职业编码", "occupation_code"),
        ("职业名称", "occupation_name"),
        ("技能等级", "level"),
        ("评价机构名称", "institution_name"),
        ("发证日期", "issue_date"),
    ];
    let mut certificates = Vec::new();
    let header = columns.map(|(name, _)| name).join(",");
    let row = columns
        .map(|(_, field)| get(field).unwrap_or_default())
        .join(",");
    write!(certificates, "\u{feff}{header}\r\n{row}\r\n\"{row}\r\n").expect("memory");
    let number = get("number").unwrap_or_default();
    vec![
        certificates,
        format!("证书编号\t变更类型\t原因\t生效日期\n{number}\t撤销\t\t2024-04-01\n").into(),
        "机构代码;机构名称;机构类别;所在地区;生效日期\n3302000000001;\"某某\n中心\";社会评价组织;3302;2024-01-01\n".into(),
        // GB 18030: 证书编号,姓名
        b"\xd6\xa4\xca\xe9\xb1\xe0\xba\xc5,\xd0\xd5\xc3\xfb\nA,\xff\xff\n".to_vec(),
        b"PK\x03\x04".to_vec(),
        workbook(),
    ]
}

/// The smallest workbook that can be imported, not compressed, so that damage reaches its parts.
fn workbook() -> Vec<u8> {
    const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let relation = |id: &str, kind: &str, target: &str| {
        format!(r#"<Relationship Id="{id}" Type="{RELATIONS}/{kind}" Target="{target}"/>"#)
    };
    let relations = |all: &str| format!("<Relationships>{all}</Relationships>");
    let cell = |text: &str| format!(r#"<c t="inlineStr"><is><t>{text}</t></is></c>"#);
    let header: String = ["证书编号", "生效日期", "原因"].map(cell).concat();
    let row = format!(
        r#"<c r="A3"><v>330106199001011230</v></c><c r="B3" s="1"><v>45351.5</v></c>{}{}"#,
        cell("_x0041_&amp;&#20057;"),
        r#"<c r="D3" t="s"><f>A1</f><v>1</v></c>"#,
    );
    let parts = [
        ("[Content_Types].xml", "<Types/>".to_owned()),
        (
            "_rels/.rels",
            relations(&relation("a", "officeDocument", "xl/workbook.xml")),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            relations(
                &[
                    relation("s", "worksheet", "sheet.xml"),
                    relation("t", "sharedStrings", "strings.xml"),
                    relation("f", "styles", "styles.xml"),
                ]
                .concat(),
            ),
        ),
        (
            "xl/workbook.xml",
            r#"<workbook><sheets><sheet name="一" r:id="s"/></sheets></workbook>"#.to_owned(),
        ),
        (
            "xl/strings.xml",
            "<sst><si><t>变更类型</t></si><si><r><t>撤</t></r><r><t>销</t></r></si></sst>"
                .to_owned(),
        ),
        (
            "xl/styles.xml",
            r#"<styleSheet><cellXfs><xf/><xf numFmtId="14"/></cellXfs></styleSheet>"#.to_owned(),
        ),
        (
            "xl/sheet.xml",
            format!(
                r#"<worksheet><sheetData><row r="1"><c t="b"><v>1</v></c></row><row>{header}<c t="s"><v>0</v></c></row><row r="3">{row}</row></sheetData></worksheet>"#
            ),
        ),
    ];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in parts {
        archive.start_file(name, stored).expect("memory");
        archive.write_all(text.as_bytes()).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}
