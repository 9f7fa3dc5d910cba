//! Draws as entries tell of them.

use huren_proto::v1::{DispatchedExpert, DrawNotice, DrawSubject, ExpertDispatch, Inspection};

use super::{
    super::{
        draw,
        draws::{Draw, DrawFault},
    },
    accept, newer, refuse, samples,
};

#[test]
fn notices() {
    let s = samples::draw_notice;
    refuse(s, |e| e.subject = 0, &[("subject", "FIELD_MISSING")]);
    newer(s, |e| e.subject = 4, "subject");
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(s, |e| e.number.clear(), &[("number", "FIELD_MISSING")]);
    let institution = |e: &mut DrawNotice| e.institution = samples::INSTITUTION.into();
    refuse(s, institution, &[("institution", "FIELD_NOT_ALLOWED")]);
    let experts = |e: &mut DrawNotice| e.subject = DrawSubject::Experts.into();
    refuse(s, experts, &[("institution", "FIELD_MISSING")]);
    accept(s, |e| {
        experts(e);
        institution(e);
    });
    refuse(
        s,
        |e| e.candidates.clear(),
        &[("candidates", "FIELD_MISSING")],
    );
    refuse(s, |e| e.count = 0, &[("count", "NUMBER_RANGE")]);
    refuse(
        s,
        |e| e.candidate_count = 0,
        &[("candidate_count", "NUMBER_RANGE")],
    );
}

const INSTITUTIONS: [&str; 3] = ["S000033010006", "S000033010007", "S000033010008"];

/// An inspection as its seed draws it.
fn inspection(inspectors: &[&str]) -> Inspection {
    Inspection {
        institution: "S000033010008".into(),
        institutions: draw::digest(&INSTITUTIONS).0.to_vec(),
        inspectors: draw::digest(inspectors).0.to_vec(),
        experts: vec!["DD-0002".into(), "DD-0012".into()],
        ..samples::inspection()
    }
}

#[test]
fn a_random_inspection_can_be_drawn_again() {
    let inspectors: Vec<_> = (1..=12).map(|n| format!("DD-{n:04}")).collect();
    let inspectors: Vec<&str> = inspectors.iter().map(String::as_str).collect();
    let check = |change: fn(&mut Inspection), expected: [&[DrawFault]; 2]| {
        let mut changed = inspection(&inspectors);
        change(&mut changed);
        let draws = Draw::of_inspection(&changed);
        let found = [
            draws[0].outcome(&INSTITUTIONS),
            draws[1].outcome(&inspectors),
        ];
        assert_eq!(found, expected, "{changed:?}");
    };
    let (other, outcome) = ([DrawFault::Candidates], [DrawFault::Outcome]);
    check(|_| {}, [&[], &[]]);
    check(|i| i.institution = INSTITUTIONS[1].into(), [&outcome, &[]]);
    check(|i| i.experts[0] = "DD-0003".into(), [&[], &outcome]);
    check(|i| i.experts.truncate(1), [&[], &outcome]);
    check(|i| i.number = "JC-2024-4".into(), [&outcome, &outcome]);
    check(|i| i.institutions[0] ^= 1, [&other, &[]]);
    check(|i| i.inspectors[0] ^= 1, [&[], &other]);
    let later = |i: &mut Inspection| i.seed.iter_mut().for_each(|seed| seed.size += 1);
    // Of three it is the same one by chance.
    check(later, [&[], &outcome]);
    let without = Inspection {
        seed: None,
        ..inspection(&inspectors)
    };
    assert_eq!(Draw::of_inspection(&without), []);
    let fewer = &Draw::of_inspection(&inspection(&inspectors))[0];
    let faults = fewer.outcome(&INSTITUTIONS[..2]);
    assert_eq!(faults, [DrawFault::Candidates, DrawFault::Outcome]);
}

#[test]
fn a_dispatch_can_be_drawn_again() {
    let names: Vec<String> = (1..=9).map(|n| format!("33/KP-{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let seed = draw::seed_named(&samples::seed()).unwrap();
    let dispatch = ExpertDispatch {
        candidates: draw::digest(&names).0.to_vec(),
        candidate_count: 9,
        ..samples::expert_dispatch()
    };
    let purpose = Draw::of_dispatch(&dispatch).unwrap().purpose;
    let drawn = draw::draw(&seed, &purpose, &names, 2);
    let expert = |place: usize| DispatchedExpert {
        province: "33".into(),
        code: names[place].trim_start_matches("33/").into(),
        ..samples::expert_dispatch().experts[0].clone()
    };
    let dispatch = ExpertDispatch {
        experts: drawn.into_iter().map(expert).collect(),
        ..dispatch
    };
    let check = |change: fn(&mut ExpertDispatch), expected: &[DrawFault]| {
        let mut changed = dispatch.clone();
        change(&mut changed);
        let draw = Draw::of_dispatch(&changed).unwrap();
        assert_eq!(draw.outcome(&names), expected, "{changed:?}");
    };
    check(|_| {}, &[]);
    check(|d| d.experts.reverse(), &[DrawFault::Outcome]);
    check(
        |d| d.experts[0].province = "31".into(),
        &[DrawFault::Outcome],
    );
    check(|d| d.round += 1, &[DrawFault::Outcome]);
    check(|d| d.candidates[0] ^= 1, &[DrawFault::Candidates]);
}

#[test]
fn a_draw_is_announced_before_its_seed_can_be_known() {
    let inspection = inspection(&["DD-0002", "DD-0012"]);
    let draw = &Draw::of_inspection(&inspection)[0];
    let (origin, size) = (draw.seed.origin.as_str(), draw.seed.size);
    let notice = DrawNotice {
        region: inspection.region.clone(),
        number: inspection.number.clone(),
        candidates: inspection.institutions.clone(),
        ..samples::draw_notice()
    };
    let check = |notices: &[(u64, DrawNotice)], expected: &[DrawFault]| {
        assert_eq!(draw.announced(origin, notices), expected, "{notices:?}");
    };
    check(&[(size - 1, notice.clone())], &[]);
    check(&[], &[DrawFault::NotAnnounced]);
    check(&[(size, notice.clone())], &[DrawFault::SeedKnown]);
    let changed = |change: fn(&mut DrawNotice)| {
        let mut notice = notice.clone();
        change(&mut notice);
        notice
    };
    let of_other = changed(|n| n.number = "JC-2024-4".into());
    check(&[(0, of_other)], &[DrawFault::NotAnnounced]);
    let others = changed(|n| n.candidates[0] ^= 1);
    check(&[(0, others.clone())], &[DrawFault::Candidates]);
    let more = changed(|n| n.count = 2);
    check(&[(0, more)], &[DrawFault::Candidates]);
    let both = [(0, notice.clone()), (1, others)];
    check(&both, &[DrawFault::AnnouncedOtherwise]);
    // Announced again as it was.
    check(&[(0, notice.clone()), (size, notice.clone())], &[]);
    let elsewhere = draw.announced("huren.example/log/31", &[(0, notice)]);
    assert_eq!(elsewhere, [DrawFault::SeedKnown]);
}
