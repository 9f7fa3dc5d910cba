//! Which agreement covers a certificate, and as which level it counts.

use super::*;

#[test]
fn an_agreement_covers_it() {
    let out = [Rule::AgreementOut];
    let agreement = |change: fn(&mut Agreement), outcome, expected: &[Rule]| {
        check(|_, r| change(&mut r.agreements[0].entry), outcome, expected)
    };
    agreement(|a| a.valid_to = 20_261_031, Not, &out);
    agreement(|a| a.valid_to = 20_261_101, Recognized, &[]);
    agreement(|a| a.valid_from = 20_261_102, Not, &out);
    agreement(|a| a.state = v1::AgreementState::Ended.into(), Not, &out);
    agreement(
        |a| a.tracks = vec![v1::Track::Qualification.into()],
        Not,
        &out,
    );
    agreement(|a| a.level_to = 3, Not, &out);
    let occupation = |edition, code: &'static str, outcome, expected: &[Rule]| {
        let change = |_: &mut Case, r: &mut Registers| {
            r.agreements[0].entry.occupation_edition = edition;
            r.agreements[0].entry.occupations = vec![code.into()];
        };
        check(change, outcome, expected);
    };
    occupation(2022, "4-03-02-02", Not, &out);
    occupation(2015, "4-03-02-01", Not, &out);
    occupation(2022, "4-03-02-01", Recognized, &[]);
    // 46号 binds Shanghai, Jiangsu and Zhejiang, and holds in three counties.
    check(|case, _| case.asking = "310115".into(), Not, &out);
    check(|case, _| case.asking = "31".into(), Not, &out);
    let absent = [Rule::AgreementAbsent];
    check(|case, _| case.asking = "34".into(), Undetermined, &absent);
    check(|_, r| r.agreements.clear(), Undetermined, &absent);
    check(|case, _| case.asking = String::new(), Undetermined, &absent);
    // Where it took place is not said: that is no 'no'.
    check(
        |case, _| case.activity_region.clear(),
        Undetermined,
        &absent,
    );
    agreement(|a| a.territory.clear(), Recognized, &[]);
    // Within its own province none is needed.
    let home = |case: &mut Case, r: &mut Registers| {
        case.asking = "330106".into();
        r.agreements.clear();
    };
    assert_eq!(check(home, Recognized, &[]).agreement, None);
}

#[test]
fn of_several_agreements_the_first_that_covers_it_counts() {
    let change = |_: &mut Case, r: &mut Registers| {
        let broad = Agreement {
            code: "A".into(),
            valid_to: 20_220_101,
            ..agreement()
        };
        let other = Agreement {
            code: "Z".into(),
            ..agreement()
        };
        r.agreements.insert(0, placed(9, 20_210_601, other));
        r.agreements.push(placed(8, 20_210_601, broad));
    };
    let decision = check(change, Recognized, &[]);
    assert_eq!(decision.agreement.as_deref(), Some("SFQ-2021-46"));
}

#[test]
fn levels_count_as_the_agreement_says() {
    let mapping = |from, to, conditional| v1::LevelMapping {
        track: v1::Track::Level.into(),
        from,
        to,
        conditional,
    };
    let mapped = |mapping: v1::LevelMapping, outcome, expected: &[Rule], level| {
        let change =
            |_: &mut Case, r: &mut Registers| r.agreements[0].entry.mappings = vec![mapping];
        assert_eq!(check(change, outcome, expected).level, level);
    };
    let unmapped = [Rule::LevelUnmapped];
    mapped(mapping(4, 5, false), Recognized, &[], Some(5));
    mapped(mapping(4, 3, true), Conditional, &unmapped, Some(3));
    mapped(mapping(4, 0, false), Conditional, &unmapped, None);
    mapped(mapping(5, 6, false), Recognized, &[], Some(4));
    // 特级技师 has no counterpart unless the agreement names one.
    let chief = |case: &mut Case, r: &mut Registers| {
        set(case, "level", "7");
        case.certificate.remove("number");
        r.institution[0].entry.scopes[0].level_to = 8;
    };
    assert_eq!(check(chief, Conditional, &unmapped).level, None);
}
