//! The public registers in the fold: who may write which entry, and what holds on a day.

use huren_core::{
    codes::{Date, Region},
    register::{Changes, CheckedLeaf, DirectoryRow, Fold, Targets},
    registry::{self, Dated, KINDS},
};
use huren_proto::v1::{self, Kind};
use prost::Message;

use crate::common::{Federation, Writer, shortage_list};

/// What folding these leaves behind the adoption of the first list comes to.
fn fold(federation: &Federation, leaves: &[Vec<u8>]) -> Changes {
    let (province, chain) = (federation.province("33"), federation.chain());
    let adoption = province
        .writer()
        .adoption(1, chain.version(1).unwrap().digest);
    let mut fold = Fold::new(&chain, &province.origin, 0, 0, Targets::new());
    for leaf in std::iter::once(&adoption).chain(leaves) {
        let checked = CheckedLeaf::check(&chain, &province.origin, leaf);
        fold.step(checked).unwrap();
    }
    fold.finish()
}

/// Folds one entry that is written on behalf of a region.
fn check(writer: &str, kind: Kind, body: &impl Message, expected: Result<&str, &str>) {
    let federation = Federation::new();
    let region = Region::parse(writer).unwrap();
    let writer = federation.province("33").writer().for_region(region);
    let changes = fold(&federation, &[writer.register(kind, body)]);
    let outcome = match (&changes.directory[..], &changes.quarantined[..]) {
        ([row], []) => Ok(row.key.as_str()),
        ([], [row]) => Err(row.code.as_str()),
        other => panic!("{other:?}"),
    };
    assert_eq!(outcome, expected, "{kind:?} by {region}");
}

fn expert(region: &str) -> v1::Expert {
    v1::Expert {
        code: "KP-0001".to_owned(),
        region: region.to_owned(),
        teams: vec![v1::ExpertTeam::Assessor.into()],
        state: v1::ExpertState::Active.into(),
        ..Default::default()
    }
}

#[test]
fn an_entry_leaves_its_row() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let body = shortage_list();
    let leaf = writer.register(Kind::ShortageList, &body);
    let changes = fold(&federation, &[leaf]);
    assert_eq!(changes.quarantined, []);
    let row = DirectoryRow {
        index: 1,
        kind: 25,
        key: "33/2025".to_owned(),
        effective_date: 20_250_601,
        body: body.encode_to_vec(),
    };
    assert_eq!(changes.directory, [row]);
}

#[test]
fn an_entry_is_written_on_its_levels_of_government() {
    let list = shortage_list();
    check("33", Kind::ShortageList, &list, Ok("33/2025"));
    for writer in ["3302", "330206"] {
        check(writer, Kind::ShortageList, &list, Err("WRITER_LEVEL"));
    }
}

#[test]
fn an_entry_is_about_the_region_of_its_writer() {
    let expert = expert("330206");
    for writer in ["33", "3302", "330206"] {
        check(writer, Kind::Expert, &expert, Ok("KP-0001/330206"));
    }
    for writer in ["3301", "330203"] {
        check(writer, Kind::Expert, &expert, Err("WRITER_REGION"));
    }
    let elsewhere = v1::ShortageList {
        region: "31".to_owned(),
        ..shortage_list()
    };
    check("33", Kind::ShortageList, &elsewhere, Err("WRITER_REGION"));
}

#[test]
fn an_institution_is_judged_in_its_province() {
    let plan = |institution: &str| v1::AnnualPlan {
        institution: institution.to_owned(),
        region: "3302".to_owned(),
        year: 2025,
        state: v1::PlanState::Published.into(),
        ..Default::default()
    };
    let own = Ok("S000033010006/3302/2025");
    check("3302", Kind::AnnualPlan, &plan("S000033010006"), own);
    let other = Err("INSTITUTION_OTHER_PROVINCE");
    check("3302", Kind::AnnualPlan, &plan("S000031010006"), other);
}

/// Signed as it is, whatever rule it breaks.
fn anything(writer: &Writer<'_>, kind: Kind, body: Vec<u8>) -> Vec<u8> {
    let envelope = v1::Envelope {
        schema: 1,
        kind: kind.into(),
        writer_region: writer.region.to_string(),
        provenance: v1::Provenance::Issued.into(),
        effective_date: 20_250_601,
        ..Default::default()
    };
    let record = v1::Record {
        envelope: Some(envelope),
        body,
    };
    writer.sign_anything(record.encode_to_vec()).encode_to_vec()
}

#[test]
fn what_breaks_a_rule_and_what_is_newer_has_no_effect() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let check = |kind, body: Vec<u8>, expected: &str| {
        let changes = fold(&federation, &[anything(&writer, kind, body)]);
        assert_eq!(changes.directory, []);
        let [row] = &changes.quarantined[..] else {
            panic!()
        };
        assert_eq!((row.index, row.code.as_str()), (1, expected));
    };
    for entry in KINDS {
        // Nothing but defaults: every kind needs something.
        check(entry.kind, Vec::new(), "RECORD_RULE");
        check(entry.kind, vec![0xff], "LEAF_UNDECODABLE");
        check(entry.kind, vec![0xf8, 0x3f, 0x01], "SCHEMA_NEWER");
    }
    let changed = |change: fn(&mut v1::ShortageList)| {
        let mut list = shortage_list();
        change(&mut list);
        list.encode_to_vec()
    };
    let kind = Kind::ShortageList;
    check(kind, changed(|l| l.lines[0].degree = 9), "SCHEMA_NEWER");
    check(kind, changed(|l| l.lines[0].level_to = 9), "RECORD_RULE");
    check(kind, changed(|l| l.region = "330000".into()), "RECORD_RULE");
    check(kind, changed(|l| l.title.push(' ')), "RECORD_RULE");
}

/// Nothing is deleted: the register answers as of any day.
#[test]
fn the_register_says_what_held_on_a_day() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let entry = |state: v1::ExpertState, date| {
        let mut envelope = writer.envelope(Kind::Expert);
        envelope.effective_date = date;
        let body = v1::Expert {
            state: state.into(),
            ..expert("3302")
        };
        writer.sign(envelope, &body)
    };
    use v1::ExpertState::{Active, Ended, Suspended};
    let leaves = [
        entry(Active, 20_250_101),
        entry(Ended, 20_251_001),
        // Dated back: it holds from its own day on, not from its place on.
        entry(Suspended, 20_250_301),
        entry(Active, 20_250_301),
    ];
    let changes = fold(&federation, &leaves);
    assert_eq!((changes.quarantined.len(), changes.directory.len()), (0, 4));
    let rows = changes.directory.iter();
    let rows: Vec<_> = rows.filter_map(Dated::<v1::Expert>::of).collect();
    let check = |date, expected: Option<(u64, v1::ExpertState)>| {
        let date = Date::from_yyyymmdd(date).unwrap();
        let places = rows.iter().map(|row| (row.index, row.effective_date));
        let index = registry::as_of(places, date);
        assert_eq!(index, expected.map(|(index, _)| index), "{date}");
        let entries = registry::in_force(&rows, date);
        let states: Vec<_> = entries.iter().map(|expert| expert.state()).collect();
        let expected = expected.map(|(_, state)| state);
        assert_eq!(states, expected.into_iter().collect::<Vec<_>>(), "{date}");
    };
    check(20_241_231, None);
    check(20_250_228, Some((1, Active)));
    check(20_250_301, Some((4, Active)));
    check(20_250_930, Some((4, Active)));
    check(20_251_001, Some((2, Ended)));
}

#[test]
fn a_submission_is_the_body_of_its_leaf() {
    let federation = Federation::new();
    let writer = federation.province("33").writer();
    let written = v1::ShortageList {
        region: "330000".to_owned(),
        title: "　浙江省技能人才紧缺职业目录 ".to_owned(),
        ..shortage_list()
    };
    let kind = Kind::ShortageList;
    let bytes = written.encode_to_vec();
    let body = registry::submit(kind, &bytes, &writer.region, writer.region).unwrap();
    assert_eq!(body, shortage_list().encode_to_vec());
    let changes = fold(&federation, &[anything(&writer, kind, body.clone())]);
    assert_eq!(changes.directory[0].body, body);
}
