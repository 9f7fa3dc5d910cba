//! Whether a subsidy was claimed before, anywhere.

use huren_proto::v1::{ClaimState, SubsidyClaim};

use super::*;
use crate::recognition::{Evidence, Statement};

const OTHER: [u8; 32] = [8; 32];
const CLAIMED: u32 = 20_250_301;

fn claim(of: [u8; 32], region: &str) -> SubsidyClaim {
    SubsidyClaim {
        origin: case().home_log,
        certificate: of.to_vec(),
        region: region.into(),
        claimed_on: CLAIMED,
        state: ClaimState::Paid.into(),
        document_number: "第9批".into(),
    }
}

/// Decides on a subsidy, with the claims of two provinces' logs.
fn asked(
    change: impl FnOnce(&mut Case),
    claims: Vec<Dated<SubsidyClaim>>,
    expected: &[Rule],
) -> Decision {
    let outcome = if expected.is_empty() {
        Recognized
    } else {
        Conditional
    };
    let changed = |case: &mut Case, registers: &mut Registers| {
        case.purpose = "subsidy".into();
        case.others_claimed = vec![Hash(OTHER).to_hex()];
        change(case);
        for row in claims {
            let log = format!("log/{}", &row.entry.region[..2]);
            registers.claims.entry(log).or_default().push(row);
        }
    };
    check(changed, outcome, expected)
}

const FOUND: [Rule; 1] = [Rule::DuplicateClaim];

#[test]
fn a_claim_anywhere_is_told_with_where_and_when() {
    let own = placed(1, CLAIMED, claim([7; 32], "310101"));
    let other = placed(2, CLAIMED, claim(OTHER, "34"));
    let decision = asked(|_| {}, vec![other, own.clone()], &FOUND);
    let about = &decision.findings[0].about;
    assert_eq!(about["region"], "310101,34");
    assert_eq!(about["claimed_on"], "20250301,20250301");
    assert_eq!(about["state"], "paid,paid");
    assert_eq!(about["certificate"], "this,other");
    // The asking region's own counts too, and says so.
    let mut own = own;
    own.entry.region = case().asking;
    let decision = asked(|_| {}, vec![own], &FOUND);
    assert_eq!(decision.findings[0].about["region"], case().asking);
}

#[test]
fn what_is_no_claim_on_that_day_does_not_count() {
    let row = |change: fn(&mut SubsidyClaim)| {
        let mut entry = claim(OTHER, "31");
        change(&mut entry);
        placed(1, CLAIMED, entry)
    };
    let withdrawn = row(|claim| claim.state = ClaimState::Withdrawn.into());
    asked(|_| {}, vec![withdrawn.clone()], &[]);
    // It stood until it was withdrawn.
    let later = Dated {
        index: 9,
        effective_date: 20_261_101,
        ..withdrawn
    };
    asked(|_| {}, vec![row(|_| {}), later.clone()], &[]);
    let before = |case: &mut Case| case.as_of = "2026-10-31".into();
    asked(before, vec![row(|_| {}), later], &FOUND);
    asked(
        |_| {},
        vec![row(|claim| claim.claimed_on = 20_261_102)],
        &[],
    );
    let on_the_day = |case: &mut Case| case.as_of = "2025-03-01".into();
    asked(on_the_day, vec![row(|_| {})], &FOUND);
    let before = |case: &mut Case| case.as_of = "2025-02-28".into();
    asked(before, vec![row(|_| {})], &[]);
}

#[test]
fn only_claims_for_this_holder_and_only_where_a_subsidy_is_asked_for() {
    let of = |leaf, origin: &str| {
        let entry = SubsidyClaim {
            origin: origin.into(),
            ..claim(leaf, "31")
        };
        vec![placed(1, CLAIMED, entry)]
    };
    let home = case().home_log;
    asked(|_| {}, of([9; 32], &home), &[]);
    asked(|_| {}, of([7; 32], "huren.example/log/32"), &[]);
    asked(|case| case.others_claimed.clear(), of(OTHER, &home), &[]);
    asked(
        |case| case.purpose = "employment".into(),
        of(OTHER, &home),
        &[],
    );
    asked(|case| case.leaf.clear(), of([7; 32], &home), &[]);
}

/// What was decided before the rule came is decided again by the table of then.
#[test]
fn a_decision_by_an_older_table_is_decided_again() {
    let mut case = case();
    case.purpose = "subsidy".into();
    let row = placed(1, CLAIMED, claim([7; 32], "310101"));
    let body = prost::Message::encode_to_vec(&row.entry);
    let evidence = vec![Evidence {
        origin: "log/31".into(),
        index: row.index,
        kind: v1::Kind::SubsidyClaim as u32,
        key: crate::registry::Entry::key(&row.entry),
        effective_date: row.effective_date,
        body,
    }];
    let decided = |version: &str| {
        let rules = Rules::of_version(version).unwrap();
        let registers = Registers::read(&case, &evidence);
        let statement = Statement {
            decided_by: "33".into(),
            time: String::new(),
            case: case.clone(),
            evidence: evidence.clone(),
            decision: decide(&case, &registers, rules),
        };
        statement.replay().unwrap();
        let mut findings = statement.decision.findings.into_iter();
        findings.any(|finding| finding.rule == Rule::DuplicateClaim)
    };
    assert!(decided("2026.2"));
    assert!(!decided("2026.1"));
}

proptest! {
    /// Claims refuse nothing, and leave nothing less certain.
    #[test]
    fn claims_refuse_nothing(mask in 0_u8..16, claims in 0_u64..4) {
        let mut case = case();
        case.purpose = "subsidy".into();
        case.others_claimed = vec![Hash(OTHER).to_hex()];
        let less = decide(&case, &without(mask), Rules::built_in());
        let mut registers = without(mask);
        let rows = (0..claims).map(|n| placed(n, CLAIMED, claim(OTHER, &format!("31010{n}"))));
        registers.claims.insert("log/31".into(), rows.collect());
        let fuller = decide(&case, &registers, Rules::built_in());
        prop_assert!(fuller.outcome <= less.outcome.max(Conditional));
        registers.claims.clear();
        prop_assert_eq!(decide(&case, &registers, Rules::built_in()), less);
    }
}
