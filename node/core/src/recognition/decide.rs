//! The decision.

mod agreement;
mod claims;
pub(super) mod directory;
mod provincial;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use huren_proto::v1::{self, MappingState};
use serde::{Deserialize, Serialize};

use super::{
    case::{Case, Facts, region},
    registers::Registers,
    rules::{Effect, Rule, Rules},
};
use crate::{
    codes::{Date, Occupation, Region, Track},
    reason::Reason,
    registry::in_force,
    verdict::Verdict,
};

/// Conclusions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Recognised.
    Recognized,
    /// Recognised; the receiver judges the conditions.
    RecognizedWithConditions,
    /// It cannot be told.
    Undetermined,
    /// Not recognised.
    NotRecognized,
}

impl Outcome {
    /// In Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Recognized => "予以互认",
            Self::RecognizedWithConditions => "有条件互认",
            Self::Undetermined => "无法判定",
            Self::NotRecognized => "不予互认",
        }
    }

    /// In English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::Recognized => "recognised",
            Self::RecognizedWithConditions => "recognised with conditions",
            Self::Undetermined => "undetermined",
            Self::NotRecognized => "not recognised",
        }
    }
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What it does here.
    pub effect: Effect,
    /// Section that it rests on.
    pub basis: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Codes and dates that it is about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The conclusion.
    pub outcome: Outcome,
    /// As which level it counts where it is asked about, ordinal 1 to 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Id of the agreement that it rests on; missing within one province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// Why, in the order of [`Rule::ALL`].
    pub findings: Vec<Finding>,
    /// Version of the table of rules.
    pub rules: String,
    /// Index of the entry in the asking province's log that says what rules do otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_entry: Option<u64>,
}

/// Findings while they gather.
struct Findings<'a> {
    rules: &'a Rules,
    set: &'a BTreeMap<Rule, Effect>,
    found: BTreeMap<Rule, BTreeMap<String, String>>,
}

impl Findings<'_> {
    /// That a rule holds, and what it is about.
    fn add<const N: usize>(&mut self, rule: Rule, about: [(&str, String); N]) {
        let about = about
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text));
        self.found.entry(rule).or_default().extend(about);
    }

    fn finish(self) -> Vec<Finding> {
        let (rules, set) = (self.rules, self.set);
        let finding = |(rule, about)| {
            // A table from before a rule says nothing of it.
            let text = rules.text(rule)?;
            Some(Finding {
                rule,
                effect: set.get(&rule).copied().unwrap_or(text.effect),
                basis: text.basis.clone(),
                zh: text.zh.clone(),
                en: text.en.clone(),
                about,
            })
        };
        self.found.into_iter().filter_map(finding).collect()
    }
}

/// What is asked, read.
struct Question<'a> {
    case: &'a Case,
    facts: Facts<'a>,
    as_of: Option<Date>,
    asking: Option<Region>,
    home: Option<Region>,
    activity: Option<Region>,
}

impl Question<'_> {
    /// Whether a line of a mapping to titles is about the certificate's occupation.
    fn is_of_occupation(&self, mapping: &v1::TitleMapping, line: &v1::TitleLine) -> bool {
        if line.occupation.is_empty() {
            return true;
        }
        let Some(own) = &self.facts.occupation else {
            return false;
        };
        let named = Occupation::parse(own.edition(), &line.occupation);
        mapping.occupation_edition == u32::from(own.edition())
            && named.is_ok_and(|named| named == *own || named == own.without_job())
    }

    /// Whether the certificate was issued in the asking province.
    fn is_domestic(&self) -> bool {
        let provinces = self.asking.zip(self.home);
        provinces.is_some_and(|(asking, home)| asking.province() == home.province())
    }
}

/// Decides. A function of its arguments: the same case, registers and rules give the same bytes
/// anywhere and at any time.
pub fn decide(case: &Case, registers: &Registers, rules: &Rules) -> Decision {
    let question = Question {
        case,
        facts: case.facts(),
        as_of: Date::parse(&case.as_of).ok(),
        asking: region(&case.asking),
        home: region(&case.home),
        activity: region(&case.activity_region),
    };
    let of_province = provincial::in_force(registers, question.as_of);
    let set = of_province.map(provincial::effects).unwrap_or_default();
    let mut findings = Findings {
        rules,
        set: &set,
        found: BTreeMap::new(),
    };
    status(&question, &mut findings);
    let covered = if question.case.certificate.is_empty() {
        None
    } else {
        form(&question, &mut findings);
        directory::institution(&question, registers, &mut findings);
        directory::standard(&question, registers, &mut findings);
        directory::track(&question, registers, &mut findings);
        claims::claims(&question, registers, &mut findings);
        directory::credit(&question, registers, &mut findings);
        kind_of_certificate(&question, registers, &mut findings);
        agreement::covering(&question, registers, &mut findings)
    };
    let level = agreement::level(&question, covered, &mut findings);
    let findings = findings.finish();
    let strongest = findings.iter().map(|finding| finding.effect).max();
    let outcome = match strongest.unwrap_or(Effect::None) {
        Effect::None => Outcome::Recognized,
        Effect::Condition => Outcome::RecognizedWithConditions,
        Effect::Undetermined => Outcome::Undetermined,
        Effect::Not => Outcome::NotRecognized,
    };
    Decision {
        outcome,
        level,
        agreement: covered.map(|covered| covered.code.clone()),
        findings,
        rules: rules.version.clone(),
        rules_entry: of_province.map(|entry| entry.index),
    }
}

/// What the verdict says already.
fn status(question: &Question<'_>, findings: &mut Findings<'_>) {
    let case = question.case;
    let has = |reason| case.reasons.contains(&reason);
    let rule = match case.verdict {
        Verdict::Valid => None,
        Verdict::Revoked => Some(Rule::StatusRevoked),
        Verdict::Void => Some(Rule::StatusVoid),
        Verdict::Superseded => Some(Rule::StatusSuperseded),
        Verdict::Suspended => Some(Rule::StatusSuspended),
        Verdict::Expired => Some(Rule::Expired),
        Verdict::HolderMismatch => Some(Rule::HolderMismatch),
        Verdict::NotFound => Some(Rule::NotFound),
        Verdict::Pending => Some(Rule::Pending),
        Verdict::Unknown if has(Reason::DuplicateNumber) => Some(Rule::DuplicateNumber),
        Verdict::Unknown if has(Reason::Erased) => Some(Rule::Erased),
        Verdict::Unknown => Some(Rule::StaleEvidence),
    };
    if let Some(rule) = rule {
        findings.add(rule, [("as_of", case.as_of.clone())]);
    }
    // Without its facts nothing else can be told of it.
    let is_bare = case.certificate.is_empty();
    if is_bare && rule.is_none() {
        findings.add(Rule::Erased, []);
    }
    if case.id_fails {
        findings.add(Rule::IdCheck, []);
    }
}

/// What the certificate says against itself.
fn form(question: &Question<'_>, findings: &mut Findings<'_>) {
    if question.facts.contradicts_number() {
        findings.add(Rule::Format, []);
    }
    if question.case.other_holdings > 0 {
        let count = question.case.other_holdings.to_string();
        findings.add(Rule::DuplicateHolding, [("others", count)]);
    }
}

/// What follows from its kind and level alone.
fn kind_of_certificate(
    question: &Question<'_>,
    registers: &Registers,
    findings: &mut Findings<'_>,
) {
    if question.facts.track == Some(Track::S) {
        // Cities and counties certify special abilities (浙人社发〔2022〕16号 三(三)): within
        // the area of the one that did they count as they are.
        let area = question.activity.and_then(Region::city);
        let is_inside = question
            .asking
            .is_some_and(|asking| area.is_some_and(|area| area.contains(&asking)));
        if !is_inside {
            findings.add(Rule::SpecialRegional, []);
        }
    }
    let Some((level, as_of)) = question.facts.level.zip(question.as_of) else {
        return;
    };
    let level = u32::from(level.ordinal());
    for mapping in in_force(&registers.titles, as_of) {
        if mapping.state() != MappingState::InForce {
            continue;
        }
        let of_level = mapping.lines.iter().filter(|line| line.level == level);
        let own = of_level.filter(|line| question.is_of_occupation(mapping, line));
        for line in own {
            let about = [
                ("mapping", mapping.code.clone()),
                ("rank", line.rank().as_str_name().to_owned()),
                ("series", line.series.clone()),
            ];
            findings.add(Rule::TitleEquivalent, about);
        }
    }
}
