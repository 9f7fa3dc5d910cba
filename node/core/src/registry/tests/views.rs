//! What the registers say as of a day.

use huren_proto::v1::{
    Agreement, AgreementState, Assessment, AssessmentKind, CreditState, Expert, FilingState,
    FilingStep, InstitutionCredit, Standard, StandardFiling, StandardKind, StandardRef,
    StandardState,
};

use super::{
    super::{
        Dated, Entry,
        agreements::{self, Outside, Presented},
        catalogue::Qualifications,
        credit::{institution_listed, person_listed},
        plans,
        standards::{Filed, Usability, functions_missing, usability},
        supervision, upstream,
    },
    samples,
};
use crate::{
    codes::{Date, Level, Occupation, Region, Track},
    merkle::Hash,
    register::DirectoryRow,
};

fn date(number: u32) -> Date {
    Date::from_yyyymmdd(number).unwrap()
}

fn occupation(code: &str) -> Occupation {
    Occupation::parse(2022, code).unwrap()
}

fn dated<E>(index: u64, effective_date: u32, entry: E) -> Dated<E> {
    Dated {
        index,
        effective_date,
        entry,
    }
}

#[test]
fn rows_of_the_register_are_read_by_their_kind() {
    let entry = samples::standard();
    let row = DirectoryRow {
        index: 9,
        kind: 8,
        key: entry.key(),
        effective_date: 20_230_501,
        body: prost::Message::encode_to_vec(&entry),
    };
    let expected = dated(9, 20_230_501, entry);
    assert_eq!(Dated::<Standard>::of(&row), Some(expected));
    assert_eq!(Dated::<Expert>::of(&row), None);
}

#[test]
fn an_occupation_takes_the_track_of_the_edition_in_force() {
    let edition = |edition, part, parts, occupations: &[&str]| {
        let mut entry = samples::qualification_catalogue();
        (entry.edition, entry.part, entry.parts) = (edition, part, parts);
        entry.lines[1].occupations = occupations.iter().map(|code| (*code).into()).collect();
        // Professional qualifications route nothing.
        entry.lines[0].occupations = vec!["4-03-02-07".into()];
        entry
    };
    let rows = [
        dated(
            0,
            20_170_912,
            edition(20_170_912, 1, 1, &["4-03-02-01", "6-18-02-04"]),
        ),
        dated(1, 20_211_123, edition(20_211_123, 1, 2, &["6-18-02-04"])),
        // Half of the later edition comes late.
        dated(
            2,
            20_211_201,
            edition(20_211_123, 2, 2, &["6-30-05-01-014"]),
        ),
        // A correction of the earlier edition does not bring it back.
        dated(
            3,
            20_230_101,
            edition(20_170_912, 1, 1, &["4-03-02-01", "4-03-02-02"]),
        ),
    ];
    let check = |on, code: &str, expected| {
        let catalogue = Qualifications::as_of(&rows, date(on));
        let track = catalogue.and_then(|catalogue| catalogue.track(&occupation(code)));
        assert_eq!(track, expected, "{code} on {on}");
    };
    check(20_170_911, "6-18-02-04", None);
    check(20_170_912, "4-03-02-01", Some(Track::Q));
    check(20_211_122, "4-03-02-01", Some(Track::Q));
    // A part is missing: nothing can be said.
    check(20_211_123, "6-18-02-04", None);
    check(20_211_201, "6-18-02-04", Some(Track::Q));
    check(20_211_201, "4-03-02-01", Some(Track::L));
    check(20_211_201, "4-03-02-07", Some(Track::L));
    check(20_240_101, "4-03-02-01", Some(Track::L));
    // A job of a listed occupation is covered; an occupation of which a job is listed is not.
    check(20_240_101, "6-18-02-04-001", Some(Track::Q));
    check(20_240_101, "6-30-05-01-014", Some(Track::Q));
    check(20_240_101, "6-30-05-01", Some(Track::L));
    let catalogue = Qualifications::as_of(&rows, date(20_240_101)).unwrap();
    assert_eq!(catalogue.edition(), 20_211_123);
    let earlier = Occupation::parse(2015, "6-18-02-04").unwrap();
    assert_eq!(catalogue.track(&earlier), None);
}

#[test]
fn a_norm_is_usable_once_both_filings_are_dated() {
    let norm = samples::standard();
    let province = samples::filing(FilingStep::Province);
    let ministry = StandardFiling {
        filed_on: 20_230_601,
        ..samples::filing(FilingStep::Ministry)
    };
    let check = |standard: &Standard, filings: &[&StandardFiling], on, expected| {
        let filed = Filed::of(standard, filings.iter().copied());
        assert_eq!(usability(standard, &filed, date(on)), expected);
    };
    use Usability::*;
    check(&norm, &[], 20_240_101, Unfiled);
    check(&norm, &[&province], 20_240_101, Unfiled);
    check(&norm, &[&ministry], 20_240_101, Unfiled);
    check(&norm, &[&province, &ministry], 20_230_531, Unfiled);
    check(&norm, &[&province, &ministry], 20_230_601, Usable);
    let withdrawn = StandardFiling {
        state: FilingState::Withdrawn.into(),
        ..ministry.clone()
    };
    check(&norm, &[&province, &withdrawn], 20_240_101, Unfiled);
    let other = StandardFiling {
        standard: Some(StandardRef {
            edition: 2020,
            ..samples::reference()
        }),
        ..ministry.clone()
    };
    check(&norm, &[&province, &other], 20_240_101, Unfiled);
    let mut superseded = norm.clone();
    superseded.superseded_by = Some(StandardRef {
        edition: 2025,
        ..samples::reference()
    });
    check(&superseded, &[&province, &ministry], 20_250_101, Superseded);
    let state = |state: StandardState, kind: StandardKind| Standard {
        state: state.into(),
        kind: kind.into(),
        ..norm.clone()
    };
    let filings = [&province, &ministry];
    for early in [
        StandardState::Draft,
        StandardState::Reviewed,
        StandardState::Withdrawn,
    ] {
        check(
            &state(early, StandardKind::Norm),
            &filings,
            20_240_101,
            NotIssued,
        );
    }
    let issued = |kind| state(StandardState::Issued, kind);
    check(&issued(StandardKind::National), &[], 20_240_101, Usable);
    check(&issued(StandardKind::Employer), &[], 20_240_101, Usable);
    check(&issued(StandardKind::Special), &[], 20_240_101, Unfiled);
}

#[test]
fn an_employer_asks_for_no_less_than_its_base() {
    let base = samples::standard();
    let own = |functions: &[&str]| Standard {
        functions: functions.iter().map(|code| (*code).into()).collect(),
        ..base.clone()
    };
    assert_eq!(functions_missing(&own(&["F1", "F2", "F9"]), &base), [""; 0]);
    assert_eq!(functions_missing(&own(&["F2"]), &base), ["F1"]);
}

#[test]
fn a_review_comes_to_its_approval() {
    let mut review = samples::committee();
    assert_eq!(upstream::approved_on(&review), Some(20_230_301));
    review.steps.truncate(4);
    assert_eq!(upstream::approved_on(&review), None);
}

#[test]
fn agreements_cover() {
    let chef = occupation("4-03-02-01");
    let (welder, cook) = (occupation("6-18-02-04"), occupation("4-03-02-01-001"));
    let earlier = Occupation::parse(2015, "4-03-02-01").unwrap();
    let region = |code| Region::parse(code).unwrap();
    let level = |ordinal| Level::from_ordinal(ordinal);
    let presented = Presented {
        from: region("330421"),
        to: region("310118"),
        track: Track::L,
        occupation: &chef,
        level: level(4),
    };
    let check =
        |change: &dyn Fn(&mut Agreement), certificate: Presented<'_>, on, expected: &[Outside]| {
            let mut agreement = samples::agreement();
            change(&mut agreement);
            let outside = agreements::covers(&agreement, &certificate, date(on)).err();
            assert_eq!(outside.unwrap_or_default(), expected, "{certificate:?}");
        };
    let today = 20_240_601;
    let with = |change: fn(&mut Presented<'_>)| {
        let mut certificate = presented;
        change(&mut certificate);
        certificate
    };
    let as_is = |_: &mut Agreement| {};
    check(&as_is, presented, today, &[]);
    check(&as_is, presented, 20_211_130, &[Outside::Date]);
    check(&as_is, presented, 20_211_201, &[]);
    let ends = |a: &mut Agreement| a.valid_to = 20_231_231;
    check(&ends, presented, 20_231_231, &[]);
    check(&ends, presented, 20_240_101, &[Outside::Date]);
    check(
        &|a| a.state = AgreementState::Suspended.into(),
        presented,
        today,
        &[Outside::State],
    );
    check(
        &|a| a.state = AgreementState::Ended.into(),
        presented,
        today,
        &[Outside::State],
    );
    // The agreement of 2021 does not bind Anhui.
    let anhui = with(|c| c.from = Region::ANHUI);
    check(&as_is, anhui, today, &[Outside::Party, Outside::Territory]);
    check(&|a| a.territory.clear(), anhui, today, &[Outside::Party]);
    check(
        &as_is,
        with(|c| c.to = Region::parse("310115").unwrap()),
        today,
        &[Outside::Territory],
    );
    check(
        &as_is,
        with(|c| c.from = Region::ZHEJIANG),
        today,
        &[Outside::Territory],
    );
    check(
        &|a| a.territory.clear(),
        with(|c| c.from = Region::ZHEJIANG),
        today,
        &[],
    );
    check(&as_is, with(|c| c.track = Track::Q), today, &[]);
    check(
        &as_is,
        with(|c| (c.track, c.level) = (Track::S, None)),
        today,
        &[Outside::Track],
    );
    check(
        &as_is,
        Presented {
            occupation: &cook,
            ..presented
        },
        today,
        &[],
    );
    check(
        &as_is,
        Presented {
            occupation: &welder,
            ..presented
        },
        today,
        &[Outside::Occupation],
    );
    check(
        &as_is,
        Presented {
            occupation: &earlier,
            ..presented
        },
        today,
        &[Outside::Occupation],
    );
    check(
        &|a| a.occupations.clear(),
        Presented {
            occupation: &welder,
            ..presented
        },
        today,
        &[],
    );
    check(
        &as_is,
        Presented {
            level: level(1),
            ..presented
        },
        today,
        &[Outside::Level],
    );
    check(
        &as_is,
        Presented {
            level: level(8),
            ..presented
        },
        today,
        &[Outside::Level],
    );
    check(
        &as_is,
        Presented {
            level: level(7),
            ..presented
        },
        today,
        &[],
    );
    let agreement = samples::agreement();
    let to = |track, ordinal| {
        let level = level(ordinal).unwrap();
        agreements::mapping(&agreement, track, level).map(|m| (m.to, m.conditional))
    };
    assert_eq!(to(Track::L, 7), Some((6, true)));
    assert_eq!(to(Track::L, 6), None);
    assert_eq!(to(Track::Q, 7), None);
}

#[test]
fn credit_is_bad_from_the_listing_to_its_end() {
    let case = |state: CreditState, number: &str| InstitutionCredit {
        state: state.into(),
        number: number.into(),
        listed_to: 0,
        ..samples::institution_credit()
    };
    use CreditState::*;
    let rows = [
        dated(0, 20_240_901, case(Listed, "A")),
        dated(1, 20_241_001, case(Appealed, "A")),
        dated(2, 20_250_101, case(Removed, "A")),
        dated(3, 20_240_901, case(Listed, "B")),
        dated(4, 20_260_101, case(Annulled, "B")),
        dated(
            5,
            20_250_301,
            InstitutionCredit {
                listed_to: 20_250_331,
                ..case(Listed, "C")
            },
        ),
    ];
    let check = |institution: &str, on, expected: &[&str]| {
        let listed = institution_listed(&rows, institution, date(on));
        let cases: Vec<_> = listed.map(|entry| entry.number.as_str()).collect();
        assert_eq!(cases, expected, "{on}");
    };
    check(samples::INSTITUTION, 20_240_831, &[]);
    check(samples::INSTITUTION, 20_240_901, &["A"]);
    check(samples::INSTITUTION, 20_241_231, &["A"]);
    check(samples::INSTITUTION, 20_250_101, &[]);
    check(samples::INSTITUTION, 20_250_301, &["C"]);
    check(samples::INSTITUTION, 20_250_331, &["C"]);
    check(samples::INSTITUTION, 20_250_401, &[]);
    check("S000033010007", 20_240_901, &[]);

    let rows = [dated(0, 20_240_901, samples::person_credit())];
    let origin = "huren.example/log/31";
    let count =
        |origin: &'static str, hash, on| person_listed(&rows, origin, Hash(hash), date(on)).count();
    assert_eq!(count(origin, samples::DIGEST, 20_240_831), 0);
    assert_eq!(count(origin, samples::DIGEST, 20_240_901), 1);
    assert_eq!(count(origin, [8; 32], 20_240_901), 0);
    assert_eq!(
        count("huren.example/log/33", samples::DIGEST, 20_240_901),
        0
    );
}

#[test]
fn missing_annual_assessments_are_listed() {
    let annual = samples::assessment();
    let periodic = Assessment {
        kind: AssessmentKind::Periodic.into(),
        institution: "S000033010007".into(),
        ..annual.clone()
    };
    let institutions = ["S000033010007", samples::INSTITUTION];
    let missing = |year| plans::missing_annual(&institutions, &[&annual, &periodic], year);
    assert_eq!(missing(2024), ["S000033010007"]);
    assert_eq!(missing(2025), institutions);
}

#[test]
fn what_is_overdue() {
    let finding = samples::finding();
    let overdue = |closed_on, on| supervision::is_overdue(finding.deadline, closed_on, date(on));
    assert!(!overdue(0, 20_240_731));
    assert!(overdue(0, 20_240_801));
    assert!(!overdue(20_240_815, 20_240_901));
}
