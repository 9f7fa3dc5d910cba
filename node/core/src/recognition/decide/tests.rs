//! One certificate that everything speaks for, and what each change of it brings.

mod agreements;
mod claims;
mod editions;
mod provincial;

use proptest::prelude::*;

use huren_proto::v1::{self, Agreement, InstitutionScope, Standard};

use super::*;
use crate::{merkle::Hash, registry::Dated};

const ISSUED: u32 = 20_240_315;

fn placed<E>(index: u64, effective_date: u32, entry: E) -> Dated<E> {
    Dated {
        index,
        effective_date,
        entry,
    }
}

/// A Zhejiang certificate that Shanghai is asked to recognise.
fn case() -> Case {
    let values = [
        ("number", "S000033010006243000001"),
        ("track", "L"),
        ("occupation_edition", "2022"),
        ("occupation_code", "4-03-02-01"),
        ("level", "4"),
        ("institution_code", "S000033010006"),
        ("issue_date", "2024-03-15"),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Case {
        asking: "310118".into(),
        purpose: "employment".into(),
        as_of: "2026-11-01".into(),
        asking_log: "huren.sh.example/log/31".into(),
        home: "33".into(),
        home_log: "huren.zj.example/log/33".into(),
        verdict: Verdict::Valid,
        reasons: vec![Reason::InForce],
        leaf: Hash([7; 32]).to_hex(),
        certificate: values.into(),
        activity_region: "330421".into(),
        id_fails: false,
        other_holdings: 0,
        others_claimed: Vec::new(),
    }
}

fn registers() -> Registers {
    let scope = InstitutionScope {
        edition: 2022,
        occupation: "4-03-02-01".into(),
        level_from: 2,
        level_to: 5,
        valid_from: 20_200_101,
        valid_to: 0,
    };
    let institution = v1::Institution {
        code: "S000033010006".into(),
        kind: v1::InstitutionKind::Social.into(),
        state: v1::InstitutionState::Active.into(),
        home_region: "330106".into(),
        site_regions: vec!["330421".into()],
        scopes: vec![scope],
        ..Default::default()
    };
    let standard = Standard {
        code: "4-03-02-01".into(),
        edition: 2018,
        kind: v1::StandardKind::Norm.into(),
        title: "中式烹调师评价规范".into(),
        occupation_edition: 2022,
        occupation: "4-03-02-01".into(),
        state: v1::StandardState::Issued.into(),
        ..Default::default()
    };
    let filing = |step: v1::FilingStep| v1::StandardFiling {
        standard: Some(named(&standard)),
        step: step.into(),
        filed_on: 20_180_101,
        state: v1::FilingState::Filed.into(),
        ..Default::default()
    };
    Registers {
        institution: vec![placed(3, 20_200_101, institution)],
        directory_from: Some(20_200_101),
        filings: vec![
            placed(5, 20_180_101, filing(v1::FilingStep::Province)),
            placed(6, 20_180_101, filing(v1::FilingStep::Ministry)),
        ],
        standards: vec![placed(4, 20_180_101, standard)],
        qualifications: vec![placed(7, 20_211_201, catalogue())],
        agreements: vec![placed(8, 20_210_601, agreement())],
        ..Registers::default()
    }
}

fn named(standard: &Standard) -> v1::StandardRef {
    v1::StandardRef {
        code: standard.code.clone(),
        edition: standard.edition,
    }
}

fn catalogue() -> v1::QualificationCatalogue {
    v1::QualificationCatalogue {
        edition: 20_211_123,
        part: 1,
        parts: 1,
        occupation_edition: 2022,
        lines: vec![v1::QualificationLine {
            number: 60,
            category: v1::QualificationCategory::Skilled.into(),
            occupations: vec!["4-07-03-01".into()],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn agreement() -> Agreement {
    let list = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
    Agreement {
        code: "SFQ-2021-46".into(),
        parties: list(&["31", "32", "33"]),
        territory: list(&["310118", "320509", "330421"]),
        tracks: vec![v1::Track::Qualification.into(), v1::Track::Level.into()],
        level_from: 1,
        level_to: 8,
        valid_from: 20_210_601,
        state: v1::AgreementState::InForce.into(),
        ..Default::default()
    }
}

/// Changes the case and the registers, decides, and compares outcome and rules.
fn check(
    change: impl FnOnce(&mut Case, &mut Registers),
    outcome: Outcome,
    expected: &[Rule],
) -> Decision {
    let (mut case, mut registers) = (case(), registers());
    change(&mut case, &mut registers);
    let decision = decide(&case, &registers, Rules::built_in());
    let rules: Vec<Rule> = decision.findings.iter().map(|found| found.rule).collect();
    assert_eq!((decision.outcome, rules.as_slice()), (outcome, expected));
    decision
}

fn set(case: &mut Case, field: &str, value: &str) {
    case.certificate.insert(field.into(), value.into());
}

use Outcome::{
    NotRecognized as Not, Recognized, RecognizedWithConditions as Conditional, Undetermined,
};

#[test]
fn nothing_speaks_against_it() {
    let decision = check(|_, _| {}, Recognized, &[]);
    assert_eq!(decision.level, Some(4));
    assert_eq!(decision.agreement.as_deref(), Some("SFQ-2021-46"));
    assert_eq!(decision.rules, Rules::built_in().version);
}

#[test]
fn the_verdict_counts() {
    let verdict = |verdict, outcome, rule| {
        check(|case, _| case.verdict = verdict, outcome, &[rule]);
    };
    verdict(Verdict::Revoked, Not, Rule::StatusRevoked);
    verdict(Verdict::Void, Not, Rule::StatusVoid);
    verdict(Verdict::Superseded, Not, Rule::StatusSuperseded);
    verdict(Verdict::Expired, Not, Rule::Expired);
    verdict(Verdict::Suspended, Undetermined, Rule::StatusSuspended);
    verdict(Verdict::Pending, Undetermined, Rule::Pending);
    verdict(Verdict::Unknown, Undetermined, Rule::StaleEvidence);
    let unknown = |reason, rule| {
        let change = |case: &mut Case, _: &mut Registers| {
            case.verdict = Verdict::Unknown;
            case.reasons = vec![reason];
            case.certificate.clear();
        };
        check(change, Undetermined, &[rule]);
    };
    unknown(Reason::DuplicateNumber, Rule::DuplicateNumber);
    unknown(Reason::Erased, Rule::Erased);
    let bare = |verdict: Verdict| {
        move |case: &mut Case, _: &mut Registers| {
            case.verdict = verdict;
            case.certificate.clear();
        }
    };
    check(bare(Verdict::NotFound), Not, &[Rule::NotFound]);
    check(bare(Verdict::HolderMismatch), Not, &[Rule::HolderMismatch]);
    check(bare(Verdict::Valid), Undetermined, &[Rule::Erased]);
    check(|case, _| case.id_fails = true, Not, &[Rule::IdCheck]);
}

#[test]
fn the_certificate_does_not_contradict_itself() {
    let format = [Rule::Format];
    check(
        |case, _| set(case, "issue_date", "2023-03-15"),
        Not,
        &format,
    );
    check(
        |case, _| case.other_holdings = 1,
        Conditional,
        &[Rule::DuplicateHolding],
    );
}

#[test]
fn the_institution_was_listed_and_in_standing_on_the_day_of_issue() {
    let entry = |change: fn(&mut v1::Institution), outcome, expected: &[Rule]| {
        check(
            |_, r| change(&mut r.institution[0].entry),
            outcome,
            expected,
        );
    };
    let exited = v1::InstitutionState::Exited.into();
    entry(
        |i| i.state = v1::InstitutionState::Exited.into(),
        Not,
        &[Rule::InstitutionExited],
    );
    entry(
        |i| i.state = v1::InstitutionState::Suspended.into(),
        Conditional,
        &[Rule::InstitutionSuspended],
    );
    // An exit acts from its own day.
    let later = |from: u32| {
        move |_: &mut Case, r: &mut Registers| {
            let mut last = r.institution[0].clone();
            (last.index, last.effective_date, last.entry.state) = (99, from, exited);
            r.institution.push(last);
        }
    };
    check(later(ISSUED), Not, &[Rule::InstitutionExited]);
    check(later(ISSUED + 1), Recognized, &[]);
    // Not in the directory, as against a directory that does not reach back so far.
    check(
        |_, r| r.institution.clear(),
        Not,
        &[Rule::InstitutionUnlisted],
    );
    let absent = [Rule::DirectoryAbsent];
    let none = |_: &mut Case, r: &mut Registers| {
        r.institution.clear();
        r.directory_from = Some(ISSUED + 1);
    };
    check(none, Undetermined, &absent);
    let none = |_: &mut Case, r: &mut Registers| {
        r.institution.clear();
        r.directory_from = None;
    };
    check(none, Undetermined, &absent);
    entry(
        |i| i.kind = v1::InstitutionKind::Employer.into(),
        Conditional,
        &[Rule::EmployerScope],
    );
}

#[test]
fn it_was_within_the_scope_and_at_a_site() {
    let scope = |change: fn(&mut InstitutionScope), outcome, expected: &[Rule]| {
        let change = |_: &mut Case, r: &mut Registers| {
            change(&mut r.institution[0].entry.scopes[0]);
        };
        check(change, outcome, expected);
    };
    let (occupation, level) = ([Rule::ScopeOccupation], [Rule::ScopeLevel]);
    scope(|s| s.occupation = "4-03-02-02".into(), Not, &occupation);
    scope(|s| s.valid_to = ISSUED - 1, Not, &occupation);
    scope(|s| s.valid_to = ISSUED, Recognized, &[]);
    scope(|s| s.valid_from = ISSUED + 1, Not, &occupation);
    scope(|s| s.level_to = 3, Not, &level);
    scope(|s| s.edition = 2015, Undetermined, &[Rule::DirectoryAbsent]);
    let site = [Rule::SiteUnregistered];
    let sites = |regions: &'static [&'static str]| {
        move |_: &mut Case, r: &mut Registers| {
            let regions = regions.iter().map(|code| (*code).to_owned());
            r.institution[0].entry.site_regions = regions.collect();
        }
    };
    check(sites(&["330106"]), Conditional, &site);
    // Both supervisors agree to it, each in its own log.
    let agreed = |also_local: bool| {
        move |case: &mut Case, r: &mut Registers| {
            sites(&["330106"])(case, r);
            r.institution[0].entry.selecting_region = "3301".into();
            let agrees = |region: &str, supervisor: v1::SiteSupervisor| v1::Site {
                institution: "S000033010006".into(),
                site_region: "330421".into(),
                number: 1,
                region: region.into(),
                supervisor: supervisor.into(),
                state: v1::SiteState::Agreed.into(),
                ..Default::default()
            };
            let selecting = agrees("3301", v1::SiteSupervisor::Selecting);
            let rows = vec![placed(40, ISSUED, selecting)];
            r.sites.insert("huren.zj.example/log/33".into(), rows);
            if also_local {
                let local = agrees("3304", v1::SiteSupervisor::Local);
                let rows = vec![placed(41, ISSUED, local)];
                r.sites.insert("huren.example/log/34".into(), rows);
            }
        }
    };
    check(agreed(true), Recognized, &[]);
    check(agreed(false), Conditional, &site);
    check(sites(&["3304"]), Recognized, &[]);
    check(sites(&[]), Conditional, &site);
}

#[test]
fn a_filed_standard_was_in_force() {
    let filing = |change: fn(&mut v1::StandardFiling), outcome, expected: &[Rule]| {
        check(|_, r| change(&mut r.filings[1].entry), outcome, expected);
    };
    let (unfiled, superseded) = ([Rule::StandardUnfiled], [Rule::StandardSuperseded]);
    filing(|f| f.filed_on = ISSUED + 1, Not, &unfiled);
    filing(|f| f.filed_on = ISSUED, Recognized, &[]);
    filing(
        |f| f.state = v1::FilingState::Withdrawn.into(),
        Not,
        &unfiled,
    );
    check(|_, r| drop(r.filings.pop()), Not, &unfiled);
    // National standards come from the ministry.
    let national = |_: &mut Case, r: &mut Registers| {
        r.filings.clear();
        r.standards[0].entry.kind = v1::StandardKind::National.into();
    };
    check(national, Recognized, &[]);
    let newer = Standard {
        edition: 2023,
        title: "新".into(),
        kind: v1::StandardKind::National.into(),
        ..registers().standards[0].entry.clone()
    };
    let supersede = |from: u32| {
        let newer = named(&newer);
        move |_: &mut Case, r: &mut Registers| {
            let mut old = r.standards[0].clone();
            (old.index, old.effective_date) = (20, from);
            old.entry.superseded_by = Some(newer);
            r.standards.push(old);
        }
    };
    check(supersede(ISSUED), Conditional, &superseded);
    check(supersede(ISSUED + 1), Recognized, &[]);
    let absent = [Rule::StandardAbsent];
    check(|_, r| r.standards.clear(), Undetermined, &absent);
    check(
        |_, r| r.standards[0].effective_date = ISSUED + 1,
        Undetermined,
        &absent,
    );
    check(
        |_, r| r.standards[0].entry.occupation = "4-03-02-02".into(),
        Undetermined,
        &absent,
    );
    // The one that it names counts, though another has come.
    let by_name = |name: &'static str| {
        let (newer, supersede) = (newer.clone(), supersede(20_230_101));
        move |case: &mut Case, r: &mut Registers| {
            set(case, "standard", name);
            supersede(case, r);
            r.standards.push(placed(21, 20_230_101, newer));
        }
    };
    check(by_name("新"), Recognized, &[]);
    check(by_name("中式烹调师评价规范"), Conditional, &superseded);
    check(by_name("another text"), Recognized, &[]);
}

#[test]
fn the_track_fits_the_catalogue_of_the_day_of_issue() {
    let (mismatch, absent) = ([Rule::TrackMismatch], [Rule::CatalogueAbsent]);
    let catalogue = |change: fn(&mut v1::QualificationCatalogue), outcome, expected: &[Rule]| {
        check(
            |_, r| change(&mut r.qualifications[0].entry),
            outcome,
            expected,
        );
    };
    catalogue(
        |c| c.lines[0].occupations = vec!["4-03-02-01".into()],
        Conditional,
        &mismatch,
    );
    // Of another edition of the classification, or not whole: that tells nothing.
    catalogue(|c| c.occupation_edition = 2015, Undetermined, &absent);
    catalogue(|c| c.parts = 2, Undetermined, &absent);
    check(
        |_, r| r.qualifications[0].effective_date = ISSUED + 1,
        Undetermined,
        &absent,
    );
    check(|_, r| r.qualifications.clear(), Undetermined, &absent);
}

#[test]
fn special_abilities_count_in_their_own_area() {
    let special = |asking: &'static str| {
        move |case: &mut Case, r: &mut Registers| {
            for field in ["number", "level", "institution_code"] {
                case.certificate.remove(field);
            }
            set(case, "track", "S");
            case.asking = asking.into();
            r.agreements[0].entry.tracks = vec![v1::Track::Special.into()];
        }
    };
    check(special("330421"), Recognized, &[]);
    check(special("3301"), Conditional, &[Rule::SpecialRegional]);
    check(special("310118"), Conditional, &[Rule::SpecialRegional]);
}

#[test]
fn bad_credit_counts_from_its_own_day_and_titles_are_told() {
    let credit = |listed_from, listed_to, outcome, expected: &[Rule]| {
        for at in [0, 1] {
            let institution = |_: &mut Case, r: &mut Registers| {
                let credit = v1::InstitutionCredit {
                    institution: "S000033010006".into(),
                    state: v1::CreditState::Listed.into(),
                    listed_from,
                    listed_to,
                    ..Default::default()
                };
                r.credit[at].push(placed(30, listed_from, credit));
            };
            check(institution, outcome, expected);
            let holder = |case: &mut Case, r: &mut Registers| {
                let credit = v1::PersonCredit {
                    origin: case.home_log.clone(),
                    certificate: vec![7; 32],
                    state: v1::CreditState::Listed.into(),
                    listed_from,
                    listed_to,
                    ..Default::default()
                };
                r.person_credit[at].push(placed(31, listed_from, credit));
            };
            check(holder, outcome, expected);
        }
    };
    let bad = [Rule::CreditBad];
    credit(ISSUED, 0, Conditional, &bad);
    credit(ISSUED + 1, 0, Recognized, &[]);
    credit(20_230_101, ISSUED - 1, Recognized, &[]);
    credit(20_230_101, ISSUED, Conditional, &bad);
    let title = |_: &mut Case, r: &mut Registers| {
        let line = v1::TitleLine {
            level: 4,
            series: "工程".into(),
            rank: v1::TitleRank::Assistant.into(),
            ..Default::default()
        };
        let mapping = v1::TitleMapping {
            code: "M1".into(),
            lines: vec![line],
            state: v1::MappingState::InForce.into(),
            ..Default::default()
        };
        r.titles.push(placed(9, 20_210_101, mapping));
    };
    let decision = check(title, Recognized, &[Rule::TitleEquivalent]);
    assert_eq!(decision.findings[0].about["series"], "工程");
}

#[test]
fn every_rule_is_evaluated_whatever_the_others_say() {
    let change = |case: &mut Case, r: &mut Registers| {
        case.verdict = Verdict::Revoked;
        case.asking = "34".into();
        set(case, "issue_date", "2023-03-15");
        r.institution[0].entry.state = v1::InstitutionState::Exited.into();
        r.institution[0].entry.scopes[0].level_to = 3;
        r.qualifications.clear();
    };
    let expected = [
        Rule::Format,
        Rule::StatusRevoked,
        Rule::AgreementAbsent,
        Rule::InstitutionExited,
        Rule::ScopeLevel,
        Rule::CatalogueAbsent,
    ];
    check(change, Not, &expected);
}

#[test]
fn a_decision_and_its_case_are_kept_as_they_are() {
    let decision = check(
        |case, _| case.asking = "34".into(),
        Undetermined,
        &[Rule::AgreementAbsent],
    );
    let json = serde_json::to_string(&decision).unwrap();
    assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
    let json = serde_json::to_string(&case()).unwrap();
    assert_eq!(serde_json::from_str::<Case>(&json).unwrap(), case());
    assert!(!format!("{:?}", case()).contains("S0000"));
}

/// What is dropped out of the registers, one bit for each part.
fn without(mask: u8) -> Registers {
    let mut registers = registers();
    if mask & 1 != 0 {
        registers.institution.clear();
        registers.directory_from = None;
    }
    if mask & 2 != 0 {
        registers.standards.clear();
    }
    if mask & 4 != 0 {
        registers.qualifications.clear();
    }
    if mask & 8 != 0 {
        registers.agreements.clear();
    }
    registers
}

proptest! {
    /// Whatever is lacking, nothing is refused for it; and more evidence never makes it less
    /// certain.
    #[test]
    fn lack_of_data_refuses_nothing(mask in 0_u8..16, more in 0_u8..16) {
        let less = decide(&case(), &without(mask), Rules::built_in());
        prop_assert_ne!(less.outcome, Outcome::NotRecognized);
        let fuller = decide(&case(), &without(mask & more), Rules::built_in());
        prop_assert!(fuller.outcome <= less.outcome);
    }

    /// The order in which entries are given changes nothing.
    #[test]
    fn the_order_of_evidence_changes_nothing(seed in any::<u64>()) {
        let mut registers = registers();
        let mut exit = registers.institution[0].clone();
        (exit.index, exit.effective_date) = (50, ISSUED);
        exit.entry.state = v1::InstitutionState::Exited.into();
        registers.institution.push(exit);
        let mut other = registers.agreements[0].clone();
        other.entry.code = "B".into();
        registers.agreements.push(other);
        let expected = decide(&case(), &registers, Rules::built_in());
        if seed & 1 == 0 {
            registers.institution.reverse();
        }
        if seed & 2 == 0 {
            registers.agreements.reverse();
        }
        prop_assert_eq!(decide(&case(), &registers, Rules::built_in()), expected);
    }
}
