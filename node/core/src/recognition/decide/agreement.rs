//! Which agreement covers a certificate, and as which level it counts by it.

use huren_proto::v1;

use super::{Findings, Question};
use crate::{
    codes::Region,
    recognition::{registers::Registers, rules::Rule},
    registry::{
        agreements::{Outside, Presented, covers, mapping},
        in_force,
    },
};

/// The agreement that covers a certificate: of several the one with the smallest code. Within one
/// province none is needed.
pub(super) fn covering<'r>(
    question: &Question<'_>,
    registers: &'r Registers,
    findings: &mut Findings<'_>,
) -> Option<&'r v1::Agreement> {
    let (Some(to), Some(home), Some(as_of)) = (question.asking, question.home, question.as_of)
    else {
        findings.add(Rule::AgreementAbsent, []);
        return None;
    };
    if question.is_domestic() {
        return None;
    }
    let binds = |agreement: &&v1::Agreement| {
        let has = |region: Region| agreement.parties.contains(&region.province().to_string());
        has(to) && has(home)
    };
    // By code, as their keys are.
    let held = in_force(&registers.agreements, as_of).into_iter();
    let between: Vec<_> = held.filter(binds).collect();
    let parties = || format!("{} {}", home.province(), to.province());
    if between.is_empty() {
        findings.add(Rule::AgreementAbsent, [("parties", parties())]);
        return None;
    }
    let facts = &question.facts;
    let (Some(track), Some(occupation)) = (facts.track, facts.occupation.as_ref()) else {
        findings.add(Rule::AgreementAbsent, [("lacks", "occupation".into())]);
        return None;
    };
    let (level, activity) = (facts.level, question.activity);
    let mut lacks_activity = false;
    for &agreement in &between {
        let presented = Presented {
            from: activity.unwrap_or(home),
            to,
            track,
            occupation,
            level,
        };
        match covers(agreement, &presented, as_of) {
            Ok(()) => return Some(agreement),
            // Where it took place is not said, and nothing else speaks against it.
            Err(outside) if activity.is_none() && outside == [Outside::Territory] => {
                lacks_activity |= holds_in(agreement, to);
            }
            Err(_) => {}
        }
    }
    let codes: Vec<&str> = between.iter().map(|a| a.code.as_str()).collect();
    let about = [("agreements", codes.join(" ")), ("parties", parties())];
    if lacks_activity {
        findings.add(Rule::AgreementAbsent, about);
        findings.add(Rule::AgreementAbsent, [("lacks", "activity_region".into())]);
    } else {
        findings.add(Rule::AgreementOut, about);
    }
    None
}

/// Whether a region lies in an agreement's territory.
fn holds_in(agreement: &v1::Agreement, region: Region) -> bool {
    let territory = agreement.territory.iter();
    let mut territory = territory.filter_map(|part| Region::parse(part).ok());
    territory.any(|part| part.contains(&region))
}

/// As which level a certificate counts. Where the agreement says nothing, each of the five levels
/// of both systems counts as itself, and the three that came with the eight (浙人社发〔2022〕16号
/// 三(二)) have no counterpart elsewhere.
pub(super) fn level(
    question: &Question<'_>,
    agreement: Option<&v1::Agreement>,
    findings: &mut Findings<'_>,
) -> Option<u8> {
    let (level, track) = question.facts.level.zip(question.facts.track)?;
    let own = level.ordinal();
    if question.is_domestic() {
        return Some(own);
    }
    let (to, is_plain) = match mapping(agreement?, track, level) {
        Some(mapping) => {
            let to = u8::try_from(mapping.to).ok().filter(|to| *to > 0);
            (to, to.is_some() && !mapping.conditional)
        }
        None if (2..=6).contains(&own) => (Some(own), true),
        None => (None, false),
    };
    if !is_plain {
        findings.add(Rule::LevelUnmapped, [("level", own.to_string())]);
    }
    to
}
