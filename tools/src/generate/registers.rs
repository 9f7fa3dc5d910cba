//! Entries of the registers that an invented province needs so that its certificates can be
//! recognised: standards of what its institutions assess, a catalogue and an agreement. All of
//! it is invented, and says so.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use huren_core::codes::Occupation;
use huren_proto::v1::Kind;
use serde_json::{Value, json};

use super::institutions::Institution;

/// From when on everything holds: the day of the invented directory.
pub const FROM: u32 = 20_190_101;

/// The files, by the kinds of registers that they are for.
pub const FILES: [&str; 3] = ["standard", "qualification_catalogue", "agreement"];

/// Writes the files `KIND.json` into a folder.
pub(super) fn write(folder: &Path, institutions: &[Institution]) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("无法建立 / cannot make {}", folder.display()))?;
    let welding = [("6-18-02-04", "焊工")];
    let entries = [standards(institutions), catalogue(&welding), agreement().1];
    for (name, entries) in FILES.iter().zip(entries) {
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, format!("{entries:#}\n"))
            .with_context(|| format!("无法写入 / cannot write {}", file.display()))?;
    }
    Ok(())
}

fn standards(institutions: &[Institution]) -> Value {
    let scopes = institutions
        .iter()
        .flat_map(|institution| &institution.scopes);
    let occupations: BTreeMap<String, (u16, &str)> = scopes
        .map(|scope| {
            (
                scope.occupation.to_string(),
                (scope.occupation.edition(), scope.name),
            )
        })
        .collect();
    let standard = |(code, (edition, name)): (String, (u16, &str))| {
        json!({
            "code": code, "edition": 2019, "kind": "STANDARD_KIND_NATIONAL",
            "title": format!("{name}国家职业技能标准"),
            "occupation_edition": edition, "occupation": code,
            "level_from": 1, "level_to": 8,
            "document_number": "虚构 invented", "state": "STANDARD_STATE_ISSUED",
        })
    };
    occupations.into_iter().map(standard).collect()
}

/// A few qualifications, which stand for all of them.
fn catalogue(lines: &[(&str, &str)]) -> Value {
    let lines = lines.iter().enumerate().map(|(at, (occupation, name))| {
        json!({
            "number": at + 1, "name": name, "category": "QUALIFICATION_CATEGORY_SKILLED",
            "access": "QUALIFICATION_ACCESS_REQUIRED", "department": "虚构 invented",
            "occupations": [occupation],
        })
    });
    json!([{
        "edition": FROM, "part": 1, "parts": 1,
        "title": "国家职业资格目录（虚构摘录 invented extract）",
        "document_number": "虚构 invented", "occupation_edition": 2022,
        "lines": lines.collect::<Value>(),
    }])
}

/// The catalogue of these occupations, and its kind.
pub(super) fn catalogue_of(occupations: &[(Occupation, &str)]) -> (Kind, Value) {
    let codes: Vec<(String, &str)> = occupations
        .iter()
        .map(|(occupation, name)| (occupation.to_string(), *name))
        .collect();
    let lines: Vec<(&str, &str)> = codes.iter().map(|(code, name)| (&**code, *name)).collect();
    (Kind::QualificationCatalogue, catalogue(&lines))
}

/// The agreement, and its kind.
pub(super) fn agreement() -> (Kind, Value) {
    let entries = json!([{
        "code": "INVENTED-1", "title": "三省一市互认协议（虚构 invented）",
        "document_number": "虚构 invented", "parties": ["31", "32", "33", "34"],
        "tracks": ["TRACK_QUALIFICATION", "TRACK_LEVEL", "TRACK_SPECIAL"],
        "level_from": 1, "level_to": 8, "valid_from": FROM,
        "state": "AGREEMENT_STATE_IN_FORCE",
    }]);
    (Kind::Agreement, entries)
}
