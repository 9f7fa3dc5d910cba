use std::collections::{BTreeMap, BTreeSet};

use huren_core::{codes::Region, registry::draws::Draw};
use huren_proto::v1::{Inspection, submit_request::Body};
use prost::Message as _;
use serde_json::Value;

use super::*;
use crate::{files::Encoding, generate::Share, registry::entry};

fn args(folder: &Path, region: Region, seed: u64) -> GenArgs {
    GenArgs {
        region,
        count: 2_000,
        seed,
        faulty: Share::NONE,
        dir: Some(folder.to_owned()),
        out: None,
        encoding: Encoding::Utf8,
        institutions: None,
        registers: None,
        statuses: 0,
        statuses_out: None,
    }
}

/// Every file with its bytes.
fn files(region: Region, seed: u64) -> (Summary, BTreeMap<String, Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path(), region, seed);
    let summary = super::super::run(&args, &ProgressBar::hidden()).unwrap();
    let mut files = BTreeMap::new();
    for part in [folder.path().to_owned(), folder.path().join(REGISTERS)] {
        for file in fs::read_dir(part).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    (summary, files)
}

fn values(files: &BTreeMap<String, Vec<u8>>, kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_slice(&files[&format!("{kind}.json")]).unwrap();
    let entries = file.as_array().unwrap().iter();
    entries.map(|line| line["entry"].clone()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (summary, first) = files(Region::ZHEJIANG, 7);
    assert_eq!(files(Region::ZHEJIANG, 7), (summary.clone(), first.clone()));
    assert_ne!(first, files(Region::ZHEJIANG, 8).1);
    assert_eq!((summary.certificates, summary.statuses), (2_000, 50));
    let expected = [
        "qualification_catalogue",
        "committee",
        "standard",
        "standard_filing",
        "agreement",
        "expert",
        "expert_qualification",
        "expert_dispatch",
        "assessment",
        "annual_plan",
        "session_result",
        "inspection",
        "finding",
        "complaint",
    ];
    for kind in expected {
        assert!(summary.entries[kind] > 0, "{kind}");
        assert_eq!(values(&first, kind).len() as u64, summary.entries[kind]);
    }
    let readme = String::from_utf8_lossy(&first["README.md"]).into_owned();
    for kind in summary.entries.keys() {
        assert!(
            readme.contains(&format!("{REGISTERS}/{kind}.json")),
            "{kind}"
        );
    }
}

#[test]
fn every_member_has_a_province_with_histories() {
    for region in [Region::SHANGHAI, Region::JIANGSU, Region::ANHUI] {
        let (_, files) = files(region, 3);
        let directory = String::from_utf8_lossy(&files["institutions.csv"]).into_owned();
        let kinds = [
            "鉴定机构",
            "用人单位",
            "社会培训评价组织",
            "专项职业能力考核机构",
        ];
        for text in kinds.iter().chain(&["暂停", "退出"]) {
            assert!(directory.contains(text), "{region}: {text}");
        }
        let certificates = String::from_utf8_lossy(&files["certificates.csv"]).into_owned();
        let rows = certificates.lines().skip(1);
        let provinces: BTreeSet<&str> = rows
            .filter_map(|row| row.rsplit(',').nth(2))
            .filter_map(|work| work.get(..2))
            .collect();
        assert!(
            provinces.is_superset(&["31", "32", "33", "34"].into()),
            "{provinces:?}"
        );
    }
}

#[test]
fn inspections_can_be_drawn_again() {
    let (_, files) = files(Region::ZHEJIANG, 5);
    let certificates = Certificates::new(Region::ZHEJIANG, 5, 2_000, 0).unwrap();
    let listed = certificates.institutions();
    let codes: Vec<String> = listed.iter().map(|i| i.code.to_string()).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let people = experts::Experts::new(
        &mut Random::new(5 ^ STREAMS[3] << 32),
        Region::ZHEJIANG,
        listed,
    );
    for value in values(&files, "inspection") {
        let Ok(Body::Entry(entry)) = entry(huren_proto::v1::Kind::Inspection, &value, 1) else {
            panic!("an inspection");
        };
        let inspection = Inspection::decode(entry.body.as_slice()).unwrap();
        let draws = Draw::of_inspection(&inspection);
        assert_eq!(draws[0].outcome(&codes), []);
        assert_eq!(draws[1].outcome(&people.inspectors()), []);
    }
}
