//! What a province lets rules of recognition do.

use huren_proto::v1::{Kind, RecognitionEffect, RecognitionRules};

use super::{Entry, Writers, fault::Fault, fields::Need::Required};
use crate::{
    recognition::{Rule, RuleClass},
    submission::Faults,
};

impl Entry for RecognitionRules {
    const KIND: Kind = Kind::RecognitionRules;
    const WRITERS: Writers = Writers::PROVINCE;

    /// There is one thing of the kind in a log: an entry takes the place of the one before.
    fn key(&self) -> String {
        "effects".to_owned()
    }

    fn check(&mut self, faults: &mut Faults) {
        for line in &mut self.effects {
            faults.text("effects", &mut line.rule, Required);
            check_rule(&line.rule, faults);
            faults.choice::<RecognitionEffect>("effects", line.effect, Required);
        }
        faults.lines("effects", &mut self.effects, 0..=64, |line| {
            line.rule.clone()
        });
        faults.text("document_number", &mut self.document_number, Required);
    }
}

/// Codes never change meaning, and a rule stays in its class: so this depends on no table. One
/// that is not known here makes the entry a newer one.
fn check_rule(code: &str, faults: &mut Faults) {
    if code.is_empty() {
        return;
    }
    let is_plain = |b: u8| b.is_ascii_uppercase() || b == b'_';
    if code.len() > 32 || !code.bytes().all(is_plain) {
        return faults.push("effects", &Fault::RuleFormat);
    }
    match Rule::from_code(code).map(Rule::class) {
        None => faults.push("effects", &Fault::ValueUnknown),
        Some(RuleClass::Genuineness) => faults.push("effects", &Fault::RuleGenuineness),
        Some(RuleClass::Lack) => faults.push("effects", &Fault::RuleLack),
        Some(RuleClass::Policy) => {}
    }
}
