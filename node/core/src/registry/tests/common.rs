//! What holds for all kinds.

use huren_proto::v1::{self, FilingStep, Kind};
use prost::Message;

use super::{
    super::{Checked, KINDS, MAX_KEY_BYTES, Writers, kind_named, of, read, submit},
    samples,
};
use crate::{
    codes::{Region, RegionLevel},
    record::RecordError,
};

fn all() -> Vec<(Kind, Vec<u8>)> {
    macro_rules! bodies {
        ($($kind:ident = $sample:expr;)*) => {
            vec![$((Kind::$kind, $sample.encode_to_vec())),*]
        };
    }
    bodies! {
        OccupationCatalogue = samples::occupation_catalogue();
        QualificationCatalogue = samples::qualification_catalogue();
        Standard = samples::standard();
        StandardFiling = samples::filing(FilingStep::Ministry);
        Expert = samples::expert();
        ExpertQualification = samples::expert_qualification();
        ExpertDispatch = samples::expert_dispatch();
        ExpertPerformance = samples::expert_performance();
        Resource = samples::resource();
        ItemBankEntry = samples::item_bank_entry();
        AnnualPlan = samples::annual_plan();
        Inspection = samples::inspection();
        Finding = samples::finding();
        Complaint = samples::complaint();
        Assessment = samples::assessment();
        InstitutionCredit = samples::institution_credit();
        PersonCredit = samples::person_credit();
        Agreement = samples::agreement();
        TitleMapping = samples::title_mapping();
        ShortageList = samples::shortage_list();
        UpstreamBatch = samples::upstream_batch();
        SectorShare = samples::sector_share();
        Funding = samples::funding();
        Committee = samples::committee();
        SubsidyClaim = samples::subsidy_claim();
        RecognitionRules = samples::recognition_rules();
        SessionResult = samples::session_result();
        DrawNotice = samples::draw_notice();
        Site = samples::site();
    }
}

fn checked(kind: Kind, bytes: &[u8]) -> Checked {
    read(kind, bytes).unwrap().unwrap()
}

#[test]
fn the_table_has_every_kind_once() {
    let numbers: Vec<i32> = KINDS.iter().map(|entry| entry.kind.into()).collect();
    assert_eq!(numbers, (6..=29).chain(31..=35).collect::<Vec<_>>());
    for entry in KINDS {
        let name = entry.kind.as_str_name().trim_start_matches("KIND_");
        assert_eq!(entry.name, name.to_ascii_lowercase());
        assert_eq!(kind_named(entry.name).map(|e| e.kind), Some(entry.kind));
        assert_eq!(of(entry.kind).map(|e| e.name), Some(entry.name));
        assert!(!entry.zh.is_empty() && !entry.zh.is_ascii());
    }
    for other in [Kind::Unspecified, Kind::Institution, Kind::AuditAnchor] {
        assert!(of(other).is_none());
        assert_eq!(read(other, &[]), Ok(None));
        let refused = submit(other, &[], &Region::ZHEJIANG, Region::ZHEJIANG).unwrap_err();
        assert_eq!(refused[0].code, "VALUE_UNKNOWN");
    }
    assert!(kind_named("institution").is_none());
}

#[test]
fn a_correct_entry_is_its_own_form() {
    let all = all();
    assert_eq!(all.len(), KINDS.len());
    for (kind, bytes) in all {
        let entry = checked(kind, &bytes);
        assert_eq!((entry.kind, &entry.body), (kind, &bytes));
        assert!(entry.key.is_ascii() && (1..=MAX_KEY_BYTES).contains(&entry.key.len()));
        let submitted = submit(kind, &bytes, &Region::ZHEJIANG, Region::ZHEJIANG);
        assert_eq!(submitted, Ok(bytes), "{kind:?}");
    }
}

#[test]
fn keys() {
    let keys: Vec<_> = all().iter().map(|(k, b)| checked(*k, b).key).collect();
    let person = format!("{}/3301/CX-2024-6", "07".repeat(32));
    let claim = format!("{}/330106", "07".repeat(32));
    let expected = [
        "2022/1",
        "20211123/1",
        "ZJ-PJGF-001/2023",
        "ZJ-PJGF-001/2023/ministry",
        "KP-0001/330106",
        "KP-0001/330106/assessor",
        "S000033010006/330106/3",
        "KP-0001/330106/annual/2024/1",
        "ZY-2024-017",
        "TK-0042",
        "S000033010006/330106/2024",
        "S000033010006/3301/JC-2024-3",
        "S000033010006/3301/JC-2024-3/2",
        "S000033010006/3301/TS-2024-12",
        "S000033010006/3301/annual/2024/1",
        "S000033010006/33/CX-2024-5",
        &person,
        "SFQ-2021-46",
        "ZC-2020-96",
        "33/2024",
        "SB-2024-06",
        "GX-2024-2",
        "JF-9",
        "ZJ-BZ/ZJ-PJGF-001/2023",
        &claim,
        "effects",
        "S000033010006/330106/2024/1/4",
        "inspection/institutions/3301/JC-2024-3",
        "S000033010006/330206/1/3302",
    ];
    assert_eq!(keys, expected);
}

/// No department's entry follows another's.
#[test]
fn where_cities_and_counties_write_the_key_names_the_region() {
    for (kind, bytes) in all() {
        let entry = checked(kind, &bytes);
        if entry.writers == Writers::PROVINCE {
            continue;
        }
        let region = entry.region.unwrap().to_string();
        assert!(entry.key.split('/').any(|part| part == region), "{kind:?}");
    }
}

#[test]
fn who_writes() {
    let all_levels = [
        Kind::Expert,
        Kind::ExpertQualification,
        Kind::ExpertDispatch,
        Kind::ExpertPerformance,
        Kind::AnnualPlan,
        Kind::Inspection,
        Kind::Finding,
        Kind::Complaint,
        Kind::Assessment,
        Kind::InstitutionCredit,
        Kind::PersonCredit,
        Kind::SubsidyClaim,
        Kind::SessionResult,
        Kind::DrawNotice,
        Kind::Site,
    ];
    for entry in KINDS {
        let expected = if all_levels.contains(&entry.kind) {
            Writers::ALL
        } else {
            Writers::PROVINCE
        };
        assert_eq!(entry.writers, expected, "{}", entry.name);
    }
    assert_eq!(Writers::PROVINCE.levels(), [RegionLevel::Province]);
    let check = |kind, bytes: &[u8], writer: &str, expected: &[(&str, &str)]| {
        let writer = Region::parse(writer).unwrap();
        let admitted = checked(kind, bytes).admits(&writer);
        assert_eq!(admitted.err(), expected.first().map(|(_, code)| *code));
        let refused = submit(kind, bytes, &writer, writer.province()).err();
        let refused = refused.unwrap_or_default();
        let refused: Vec<_> = refused.iter().map(|f| (f.field, f.code)).collect();
        assert_eq!(refused, expected, "{kind:?} by {writer}");
    };
    let expert = samples::expert().encode_to_vec();
    for writer in ["33", "3301", "330106"] {
        check(Kind::Expert, &expert, writer, &[]);
    }
    for writer in ["3302", "330105", "31"] {
        check(
            Kind::Expert,
            &expert,
            writer,
            &[("region", "WRITER_REGION")],
        );
    }
    let standard = samples::standard().encode_to_vec();
    check(Kind::Standard, &standard, "33", &[]);
    for writer in ["3301", "330106"] {
        check(Kind::Standard, &standard, writer, &[("", "WRITER_LEVEL")]);
    }
    let shortages = samples::shortage_list().encode_to_vec();
    let region = ("region", "WRITER_REGION");
    check(Kind::ShortageList, &shortages, "31", &[region]);
    let level = ("", "WRITER_LEVEL");
    check(Kind::ShortageList, &shortages, "3301", &[level, region]);
    // An institution of another province's directory.
    let plan = v1::AnnualPlan {
        institution: "S000031010006".into(),
        ..samples::annual_plan()
    };
    let plan = plan.encode_to_vec();
    let other = ("institution", "INSTITUTION_OTHER_PROVINCE");
    check(Kind::AnnualPlan, &plan, "33", &[other]);
    // An agency whose code says no province.
    let plan = v1::AnnualPlan {
        institution: "ZX3301".into(),
        ..samples::annual_plan()
    };
    check(Kind::AnnualPlan, &plan.encode_to_vec(), "33", &[]);
}

#[test]
fn a_log_takes_the_entries_of_its_province_only() {
    let bytes = samples::standard().encode_to_vec();
    let refused = submit(Kind::Standard, &bytes, &Region::JIANGSU, Region::ZHEJIANG);
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused[0].field, refused[0].code),
        ("writer_region", "WRITER_REGION")
    );
}

/// A field of a number that no message has.
const UNKNOWN_FIELD: [u8; 3] = [0xf8, 0x3f, 0x01];

#[test]
fn what_this_version_does_not_know() {
    for (kind, bytes) in all() {
        let longer = [&bytes[..], &UNKNOWN_FIELD].concat();
        assert_eq!(read(kind, &longer), Ok(None), "{kind:?}");
        let submitted = submit(kind, &longer, &Region::ZHEJIANG, Region::ZHEJIANG);
        assert_eq!(submitted.unwrap_err()[0].code, "BODY_UNKNOWN_FIELDS");
        let cut_off = &bytes[..bytes.len() - 1];
        assert_eq!(read(kind, b"\xff"), Err(RecordError::Undecodable));
        let submitted = submit(kind, b"\xff", &Region::ZHEJIANG, Region::ZHEJIANG);
        assert_eq!(submitted.unwrap_err()[0].code, "BODY_UNDECODABLE");
        assert_ne!(
            read(kind, cut_off).ok().flatten(),
            read(kind, &bytes).unwrap()
        );
        let empty = read(kind, b"");
        assert!(matches!(empty, Err(RecordError::Rule(_))), "{kind:?}");
    }
}

#[test]
fn an_entry_fits_into_a_leaf() {
    let mut catalogue = samples::occupation_catalogue();
    let line = catalogue.lines[0].clone();
    let code = |n: u32| format!("4-{:02}-{:02}-01", n / 100, n % 100);
    let lines = (0..600).map(|n| v1::OccupationLine {
        code: code(n),
        name: "职".repeat(40),
        ..line.clone()
    });
    catalogue.lines = lines.collect();
    let bytes = catalogue.encode_to_vec();
    let refused = submit(
        Kind::OccupationCatalogue,
        &bytes,
        &Region::ZHEJIANG,
        Region::ZHEJIANG,
    );
    let refused = refused.unwrap_err();
    assert_eq!((refused.len(), refused[0].code), (1, "BODY_TOO_LARGE"));
}
