//! What the asking province lets rules do.

use huren_proto::v1::{RecognitionEffect, RecognitionRules, RuleEffect};

use super::*;

const FROM: u32 = 20_250_101;

fn rules(lines: &[(&str, RecognitionEffect)]) -> RecognitionRules {
    let lines = lines.iter().map(|(rule, effect)| RuleEffect {
        rule: (*rule).into(),
        effect: (*effect).into(),
    });
    RecognitionRules {
        effects: lines.collect(),
        ..Default::default()
    }
}

/// An employer's certificate, with what the asking province entered.
fn employer(entries: Vec<Dated<RecognitionRules>>, outcome: Outcome) -> Decision {
    let change = |_: &mut Case, registers: &mut Registers| {
        registers.institution[0].entry.kind = v1::InstitutionKind::Employer.into();
        registers.rules = entries;
    };
    check(change, outcome, &[Rule::EmployerScope])
}

#[test]
fn an_effect_takes_the_place_of_the_table_s() {
    let code = Rule::EmployerScope.code();
    for (effect, outcome) in [
        (RecognitionEffect::None, Recognized),
        (RecognitionEffect::Condition, Conditional),
        (RecognitionEffect::Undetermined, Undetermined),
        (RecognitionEffect::Not, Not),
    ] {
        let decision = employer(vec![placed(40, FROM, rules(&[(code, effect)]))], outcome);
        assert_eq!(decision.rules_entry, Some(40));
        assert_eq!(decision.rules, Rules::built_in().version);
        let text = Rules::built_in().text(Rule::EmployerScope).unwrap();
        assert_eq!(decision.findings[0].zh, text.zh);
    }
    assert_eq!(employer(vec![], Conditional).rules_entry, None);
}

#[test]
fn the_newest_that_is_not_behind_the_day_holds_and_holds_whole() {
    let code = Rule::EmployerScope.code();
    let not = |index, from| placed(index, from, rules(&[(code, RecognitionEffect::Not)]));
    let other = |index, from| {
        let line = ("CREDIT_BAD", RecognitionEffect::Not);
        placed(index, from, rules(&[line]))
    };
    employer(vec![not(40, 20_261_102)], Conditional);
    let at = |entries, outcome, index| {
        assert_eq!(employer(entries, outcome).rules_entry, Some(index));
    };
    at(vec![not(40, 20_261_101)], Not, 40);
    at(vec![other(41, FROM + 1), not(40, FROM)], Conditional, 41);
    at(vec![other(40, FROM), not(41, FROM)], Not, 41);
    at(vec![other(41, FROM), not(40, FROM + 1)], Not, 40);
    // Nothing is set any more.
    at(
        vec![not(40, FROM), placed(41, FROM, rules(&[]))],
        Conditional,
        41,
    );
}

/// Such an entry does not come into the register; a file of a decision may hold one.
#[test]
fn what_is_not_for_a_province_to_set_is_not_set() {
    let entry = rules(&[
        ("AGREEMENT_ABSENT", RecognitionEffect::Not),
        ("STATUS_REVOKED", RecognitionEffect::None),
        ("NO_SUCH_RULE", RecognitionEffect::None),
        ("EMPLOYER_SCOPE", RecognitionEffect::Unspecified),
    ]);
    let set = |registers: &mut Registers| registers.rules = vec![placed(40, FROM, entry.clone())];
    let absent = |_: &mut Case, registers: &mut Registers| {
        registers.agreements.clear();
        set(registers);
    };
    check(absent, Undetermined, &[Rule::AgreementAbsent]);
    let revoked = |case: &mut Case, registers: &mut Registers| {
        case.verdict = Verdict::Revoked;
        set(registers);
    };
    check(revoked, Not, &[Rule::StatusRevoked]);
    employer(vec![placed(40, FROM, entry.clone())], Conditional);
}
