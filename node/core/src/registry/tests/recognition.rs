//! What a province may let rules of recognition do, and what not.

use huren_proto::v1::*;

use super::{accept, newer, one_form, refuse, samples::*};
use crate::recognition::{Rule, RuleClass};

#[test]
fn effects_of_rules() {
    let s = recognition_rules;
    refuse(
        s,
        |e| e.document_number.clear(),
        &[("document_number", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.effects[0].rule.clear(),
        &[("effects", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.effects[0].effect = 0,
        &[("effects", "FIELD_MISSING")],
    );
    for code in ["credit_bad", "CREDIT-BAD", "信用", &"A".repeat(33)] {
        refuse(
            s,
            |e| e.effects[1].rule = code.into(),
            &[("effects", "RULE_FORMAT")],
        );
    }
    let twice = |effect: RecognitionEffect| {
        move |e: &mut RecognitionRules| {
            let mut again = e.effects[1].clone();
            again.effect = effect.into();
            e.effects.push(again);
        }
    };
    refuse(
        s,
        twice(RecognitionEffect::Condition),
        &[("effects", "LIST_REPEATED")],
    );
    one_form(s, twice(RecognitionEffect::None));
    one_form(s, |e| e.effects.reverse());
    // Back to the table.
    accept(s, |e| e.effects.clear());
    newer(s, |e| e.effects[0].effect = 5, "effects");
    newer(s, |e| e.effects[1].rule = "NO_SUCH_RULE".into(), "effects");
}

#[test]
fn a_province_sets_what_follows_and_not_what_is_true_or_known() {
    let s = recognition_rules;
    for rule in Rule::ALL {
        let set = |e: &mut RecognitionRules| {
            e.effects.truncate(1);
            e.effects[0].rule = rule.code().into();
        };
        match rule.class() {
            RuleClass::Genuineness => refuse(s, set, &[("effects", "RULE_GENUINENESS")]),
            RuleClass::Lack => refuse(s, set, &[("effects", "RULE_LACK")]),
            RuleClass::Policy => accept(s, set),
        }
    }
}
