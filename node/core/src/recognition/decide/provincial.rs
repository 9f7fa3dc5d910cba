//! What the asking province lets rules do.

use std::collections::BTreeMap;

use huren_proto::v1::{RecognitionEffect, RecognitionRules};

use crate::{
    codes::Date,
    recognition::{
        registers::Registers,
        rules::{Effect, Rule, RuleClass},
    },
    registry::{Dated, held},
};

/// The entry of the asking province that holds on the day asked about.
pub(super) fn in_force(
    registers: &Registers,
    day: Option<Date>,
) -> Option<&Dated<RecognitionRules>> {
    held(&registers.rules, day?)
}

/// What it lets rules do. Whatever it is read from, no province says whether a certificate is
/// genuine, and lack of data refuses nothing.
pub(super) fn effects(entry: &Dated<RecognitionRules>) -> BTreeMap<Rule, Effect> {
    let lines = entry.entry.effects.iter();
    let set = lines.filter_map(|line| {
        let rule = Rule::from_code(&line.rule)?;
        let effect = match line.effect() {
            RecognitionEffect::Unspecified => return None,
            RecognitionEffect::None => Effect::None,
            RecognitionEffect::Condition => Effect::Condition,
            RecognitionEffect::Undetermined => Effect::Undetermined,
            RecognitionEffect::Not => Effect::Not,
        };
        (rule.class() == RuleClass::Policy).then_some((rule, effect))
    });
    set.collect()
}
