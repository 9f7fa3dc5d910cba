//! What tells whether a decision is another one than before.

use super::{
    decide::{Decision, Finding, Outcome},
    rules::Effect,
};
use crate::{framing, merkle::Hash};

const DOMAIN: &[u8] = b"huren/decision-digest/v1";

/// The day asked about: it moves every day where none is named, and changes nothing by itself.
const DAY: &str = "as_of";

impl Decision {
    /// SHA-256 of all of it that can change: outcome, level, agreement, and the findings with
    /// what they do and what they are about. No time, size or version is in it.
    pub fn digest(&self) -> Hash {
        let mut parts = vec![
            DOMAIN.to_vec(),
            vec![outcome(self.outcome), self.level.unwrap_or_default()],
        ];
        parts.push(self.agreement.clone().unwrap_or_default().into_bytes());
        parts.extend(self.findings.iter().map(finding));
        Hash(framing::hash(parts.iter().map(Vec::as_slice)))
    }
}

fn finding(finding: &Finding) -> Vec<u8> {
    let effect = [effect(finding.effect)];
    let about = finding.about.iter().filter(|(name, _)| *name != DAY);
    let about: Vec<&[u8]> = about
        .flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()])
        .collect();
    let head = [finding.rule.code().as_bytes(), &effect];
    framing::frame(head.into_iter().chain(about))
}

const fn outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Recognized => 1,
        Outcome::RecognizedWithConditions => 2,
        Outcome::NotRecognized => 3,
        Outcome::Undetermined => 4,
    }
}

const fn effect(effect: Effect) -> u8 {
    match effect {
        Effect::None => 1,
        Effect::Condition => 2,
        Effect::Undetermined => 3,
        Effect::Not => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognition::Rule;

    fn decision() -> Decision {
        let finding = |rule, name: &str, text: &str| Finding {
            rule,
            effect: Effect::Condition,
            basis: "b".into(),
            zh: "句".into(),
            en: "s".into(),
            about: [(name.to_owned(), text.to_owned())].into(),
        };
        Decision {
            outcome: Outcome::RecognizedWithConditions,
            level: Some(4),
            agreement: Some("SFQ".into()),
            findings: vec![
                finding(Rule::StatusRevoked, "as_of", "2026-11-01"),
                finding(Rule::CreditBad, "institution", "S1"),
            ],
            rules: "1".into(),
            rules_entry: None,
        }
    }

    #[test]
    fn what_can_change_is_in_it() {
        let changes: [fn(&mut Decision); 8] = [
            |d| d.outcome = Outcome::Undetermined,
            |d| d.level = None,
            |d| d.agreement = None,
            |d| d.findings[1].rule = Rule::EmployerScope,
            |d| d.findings[1].effect = Effect::Not,
            |d| {
                drop(
                    d.findings[1]
                        .about
                        .insert("institution".into(), "S2".into()),
                )
            },
            |d| drop(d.findings[1].about.insert("region".into(), String::new())),
            |d| drop(d.findings.pop()),
        ];
        let mut digests = vec![decision().digest()];
        digests.extend(changes.map(|change| {
            let mut changed = decision();
            change(&mut changed);
            changed.digest()
        }));
        digests.sort_unstable_by_key(|digest| digest.0);
        digests.dedup();
        assert_eq!(digests.len(), 9);
    }

    #[test]
    fn what_passes_or_says_the_same_otherwise_is_not() {
        let changes: [fn(&mut Decision); 4] = [
            |d| {
                drop(
                    d.findings[0]
                        .about
                        .insert("as_of".into(), "2026-11-02".into()),
                )
            },
            |d| d.findings[0].zh = "又".into(),
            |d| d.rules = "2".into(),
            |d| d.rules_entry = Some(9),
        ];
        for change in changes {
            let mut changed = decision();
            change(&mut changed);
            assert_eq!(changed.digest(), decision().digest());
        }
    }

    /// Whoever watches keeps it for long: it is the same in every version.
    #[test]
    fn its_bytes_are_fixed() {
        let hex = decision().digest().to_hex();
        let expected = "eaeb6ef74455e42ebf38b207ed0a488fa7b9cf70085c3599850e1b8034ed8be2";
        assert_eq!(hex, expected);
    }
}
