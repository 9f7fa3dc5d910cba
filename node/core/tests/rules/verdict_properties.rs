//! Whatever speaks against a certificate, more doubt never makes it valid.

use huren_core::{
    codes::Date,
    reason::Reason,
    register::Effect,
    verdict::{Candidate, Verdict},
};
use proptest::prelude::*;

use crate::common::evidence::{BEFORE, Evidence, LATER, name};
use crate::common::{NUMBER, openings};

/// Something that speaks against the certificate.
#[derive(Clone, Debug)]
enum Doubt {
    Frozen,
    Stale,
    Unwitnessed,
    Duplicate,
    Erased,
    Withheld,
    Change(Effect),
    OtherHolder,
    Over,
    Quarantined,
}

impl Doubt {
    fn any() -> impl Strategy<Value = Self> {
        use Effect::*;
        let effects = prop::sample::select(vec![Revoke, Void, Suspend, Supersede, Newer]);
        let others = prop::sample::select(vec![
            Self::Frozen,
            Self::Stale,
            Self::Unwitnessed,
            Self::Duplicate,
            Self::Erased,
            Self::Withheld,
            Self::OtherHolder,
            Self::Over,
            Self::Quarantined,
        ]);
        prop_oneof![2 => others, 1 => effects.prop_map(Self::Change)]
    }

    fn add_to(&self, evidence: &mut Evidence) {
        let alone = evidence.candidates.len() == 1;
        match self {
            Self::Frozen => evidence.log("33").frozen = true,
            Self::Stale => evidence.log("33").quorum_time = None,
            Self::Unwitnessed => evidence.log("33").witnessed_size = 0,
            // A void record and one without authority leave the number to the other.
            Self::Duplicate if evidence.candidates.iter().any(leaves_its_number) => {}
            Self::Duplicate => evidence.add_candidate("33", 60, openings(NUMBER, 60)),
            Self::Erased => evidence.candidates[0].openings.clear(),
            Self::Withheld => evidence.log("33").withheld = true,
            Self::Change(Effect::Void) | Self::Quarantined if !alone => {}
            Self::Change(effect) => evidence.status(70, *effect, BEFORE),
            Self::OtherHolder => evidence.question.holder_name = Some(name("李四")),
            Self::Over => evidence.question.as_of = Date::from_yyyymmdd(20_240_229).unwrap(),
            Self::Quarantined => evidence.candidates[0].leaf = None,
        }
    }
}

fn leaves_its_number(candidate: &Candidate) -> bool {
    candidate.leaf.is_none()
        || candidate
            .statuses
            .iter()
            .any(|c| c.row.effect == Effect::Void)
}

proptest! {
    #[test]
    fn doubt_never_makes_valid(
        doubts in prop::collection::vec(Doubt::any(), 0..4),
        changes in prop::collection::vec(
            (prop::sample::select(vec![1u8, 3, 4, 5, 6, 7]), prop::sample::select(vec![BEFORE, LATER])),
            0..4,
        ),
        more in Doubt::any(),
    ) {
        let mut evidence = Evidence::new();
        for (index, (effect, date)) in (10u8..).zip(&changes) {
            evidence.status(index, Effect::from_number(*effect).unwrap(), *date);
        }
        doubts.iter().for_each(|doubt| doubt.add_to(&mut evidence));
        let before = evidence.decide();
        prop_assert!(doubts.is_empty() || before.verdict != Verdict::Valid, "{:?}", doubts);
        more.add_to(&mut evidence);
        let after = evidence.decide();
        prop_assert!(before.verdict == Verdict::Valid || after.verdict != Verdict::Valid);
        prop_assert_eq!(after.verdict == Verdict::Valid, after.reasons.contains(&Reason::InForce));
        prop_assert!(after.reasons.is_sorted());
        prop_assert!(after.last_known.is_none() || after.verdict == Verdict::Unknown);
    }
}
