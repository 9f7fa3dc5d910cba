//! Verdicts: what each state of the evidence gives, and that doubt never makes valid.

use huren_core::{
    codes::{Date, Region},
    disclosure::{self, Group, GroupDigests, Opening, Values},
    merkle::Hash,
    reason::Reason,
    register::{Effect, StatusRow},
    verdict::{Answer, Candidate, Change, LogView, Question, Verdict, decide, home_province},
};
use proptest::prelude::*;

use crate::common::{Federation, NOW, NUMBER, openings, values};

/// All that a verdict rests on; to begin with, a valid certificate of Zhejiang's.
#[derive(Clone)]
struct Evidence {
    question: Question,
    logs: Vec<LogView>,
    candidates: Vec<Candidate>,
}

impl Evidence {
    fn new() -> Self {
        let logs = Federation::new()
            .provinces
            .into_iter()
            .map(|province| LogView {
                origin: province.origin,
                region: province.region,
                size: 100,
                witnessed_size: 100,
                quorum_time: Some(NOW - 60),
                frozen: false,
            });
        let mut evidence = Self {
            question: Question {
                number: NUMBER.to_owned(),
                holder_name: None,
                holder_id: Vec::new(),
                as_of: Date::from_yyyymmdd(20_250_601).unwrap(),
                max_age: 86_400,
                now: NOW,
            },
            logs: logs.collect(),
            candidates: Vec::new(),
        };
        evidence.add_candidate("33", 5, openings(NUMBER, 0));
        evidence
    }

    fn log(&mut self, region: &str) -> &mut LogView {
        self.logs
            .iter_mut()
            .find(|log| log.region.to_string() == region)
            .unwrap()
    }

    fn add_candidate(&mut self, region: &str, index: u8, openings: Vec<Opening>) {
        let origin = self.log(region).origin.clone();
        self.candidates.push(Candidate {
            origin,
            index: index.into(),
            leaf: Some(Hash([index; 32])),
            digests: GroupDigests::of(&openings),
            backfilled: false,
            openings,
            statuses: Vec::new(),
        });
    }

    /// Adds a change to the last candidate.
    fn change(&mut self, index: u8, effect: Effect, effective_date: u32, openings: Vec<Opening>) {
        let candidate = self.candidates.last_mut().unwrap();
        let row = StatusRow {
            index: index.into(),
            leaf: Hash([index; 32]),
            target_index: candidate.index,
            effect,
            reason: 0,
            effective_date,
        };
        let digests = GroupDigests::of(&openings);
        candidate.statuses.push(Change {
            row,
            digests,
            openings,
        });
    }

    fn status(&mut self, index: u8, effect: Effect, effective_date: u32) {
        self.change(index, effect, effective_date, Vec::new());
    }

    fn decide(&self) -> Answer {
        decide(&self.question, &self.logs, &self.candidates)
    }
}

fn name(name: &str) -> Values {
    values(&[("name", name)])
}

fn id(number: &str) -> Values {
    values(&[("id_kind", "resident_id"), ("id_number", number)])
}

/// Openings of `certificate` with one field set otherwise (or absent, if empty).
fn with_field(field: &str, value: &str, salt: u8) -> Vec<Opening> {
    let changed = |opening: Opening| {
        let values = opening
            .values
            .as_ref()
            .filter(|_| opening.group == Group::Certificate);
        let values = values.map(|values| {
            Values::new(
                values
                    .iter()
                    .filter(|(name, _)| *name != field)
                    .chain([(field, value)]),
            )
        });
        Opening {
            values: values.or_else(|| opening.values.clone()),
            ..opening
        }
    };
    openings(NUMBER, salt).into_iter().map(changed).collect()
}

fn check(
    what: &str,
    expected: Verdict,
    last_known: Option<Verdict>,
    reasons: &[Reason],
    change: impl FnOnce(&mut Evidence),
) -> Answer {
    let mut evidence = Evidence::new();
    change(&mut evidence);
    let answer = evidence.decide();
    let found = (answer.verdict, answer.last_known, answer.reasons.as_slice());
    assert_eq!(found, (expected, last_known, reasons), "{what}");
    answer
}

const BEFORE: u32 = 20_250_531;
const ON_THE_DAY: u32 = 20_250_601;
const LATER: u32 = 20_250_602;

#[test]
fn the_number_names_its_province() {
    assert_eq!(home_province(NUMBER), Some(Region::ZHEJIANG));
    assert_eq!(home_province("S-1"), None);
}

#[test]
fn valid_unless_changed() {
    use Reason::*;
    let valid = check("valid", Verdict::Valid, None, &[InForce], |_| ());
    assert_eq!(valid.certificate.get("level"), Some("3"));
    assert_eq!(valid.subject, Some(0));
    let cases = [
        (Effect::Revoke, Verdict::Revoked, StatusRevoked),
        (Effect::Void, Verdict::Void, StatusVoid),
        (Effect::Suspend, Verdict::Suspended, StatusSuspended),
        (Effect::Supersede, Verdict::Superseded, StatusSuperseded),
    ];
    for (effect, verdict, reason) in cases {
        check("in effect", verdict, None, &[reason], |e| {
            e.status(9, effect, ON_THE_DAY)
        });
        check("earlier", verdict, None, &[reason], |e| {
            e.status(9, effect, BEFORE)
        });
        check("not yet", Verdict::Valid, None, &[InForce], |e| {
            e.status(9, effect, LATER)
        });
        check(
            "reinstated",
            Verdict::Valid,
            None,
            &[InForce, StatusReinstated],
            |e| {
                e.status(9, effect, BEFORE);
                e.status(10, Effect::Reinstate, ON_THE_DAY);
            },
        );
        check("reinstated later", verdict, None, &[reason], |e| {
            e.status(9, effect, BEFORE);
            e.status(10, Effect::Reinstate, LATER);
        });
    }
    let reissued = [InForce, StatusReissued];
    check("reissued", Verdict::Valid, None, &reissued, |e| {
        e.status(9, Effect::Reissue, BEFORE)
    });
    check(
        "backfilled",
        Verdict::Valid,
        None,
        &[InForce, Backfilled],
        |e| {
            e.candidates[0].backfilled = true;
        },
    );
}

#[test]
fn dates_of_the_certificate_itself() {
    use Reason::*;
    let unknown = Verdict::Unknown;
    let with = |field: &'static str, value: &'static str| {
        move |e: &mut Evidence| {
            e.candidates.clear();
            e.add_candidate("33", 5, with_field(field, value, 0));
        }
    };
    check(
        "last day",
        Verdict::Valid,
        None,
        &[InForce],
        with("valid_until", "2025-06-01"),
    );
    check(
        "over",
        Verdict::Expired,
        None,
        &[Expired],
        with("valid_until", "2025-05-31"),
    );
    check(
        "first day",
        Verdict::Valid,
        None,
        &[InForce],
        with("issue_date", "2025-06-01"),
    );
    check(
        "issued later",
        unknown,
        None,
        &[IssuedLater],
        with("issue_date", "2025-06-02"),
    );
    // A date that cannot be read is not taken for none.
    check(
        "not a date",
        unknown,
        None,
        &[SchemaNewer],
        with("valid_until", "until further notice"),
    );
    check(
        "not a date",
        unknown,
        None,
        &[SchemaNewer],
        with("issue_date", "2025-02-30"),
    );
    check(
        "revoked, then over",
        Verdict::Revoked,
        None,
        &[StatusRevoked],
        |e| {
            with("valid_until", "2025-05-31")(e);
            e.status(9, Effect::Revoke, BEFORE);
        },
    );
}

#[test]
fn the_holder_must_be_the_holder() {
    use Reason::*;
    let mismatch = Verdict::HolderMismatch;
    let check_holder = |verdict, reasons: &[Reason], name: Option<Values>, ids: &[Values]| {
        let answer = check("holder", verdict, None, reasons, |e| {
            (e.question.holder_name, e.question.holder_id) = (name, ids.to_vec());
        });
        assert_eq!(
            answer.certificate.is_empty(),
            verdict == Verdict::HolderMismatch
        );
    };
    let genuine = "11010519491231002X";
    let passport = values(&[("id_kind", "passport"), ("id_number", genuine)]);
    check_holder(
        Verdict::Valid,
        &[InForce],
        Some(name("张三")),
        &[id(genuine)],
    );
    check_holder(
        Verdict::Valid,
        &[InForce],
        None,
        &[passport.clone(), id(genuine)],
    );
    check_holder(mismatch, &[HolderMismatch], Some(name("李四")), &[]);
    check_holder(
        mismatch,
        &[HolderMismatch],
        Some(name("李四")),
        &[id(genuine)],
    );
    check_holder(
        mismatch,
        &[HolderMismatch],
        Some(name("张三")),
        &[id("110105194912310021")],
    );
    check_holder(mismatch, &[HolderMismatch], None, &[passport]);

    // Whoever does not know the holder does not learn the status either.
    check("revoked", mismatch, None, &[HolderMismatch], |e| {
        e.question.holder_name = Some(name("李四"));
        e.status(9, Effect::Revoke, BEFORE);
    });
    check("bare salts", Verdict::Valid, None, &[InForce], |e| {
        let candidate = &mut e.candidates[0];
        candidate.openings = candidate
            .openings
            .iter()
            .filter_map(Opening::for_members)
            .collect();
        e.question.holder_name = Some(name("张三"));
    });
    check(
        "a newer change may be of the name",
        Verdict::Unknown,
        None,
        &[SchemaNewer],
        |e| {
            e.question.holder_name = Some(name("李四"));
            e.status(9, Effect::Newer, 0);
        },
    );
}

#[test]
fn corrections_count_from_their_day() {
    use Reason::*;
    let corrected = |date| {
        move |e: &mut Evidence, presented: &str| {
            let groups = [(Group::HolderName, name("张三丰"))].into();
            e.change(
                9,
                Effect::Correct,
                date,
                disclosure::open(groups, || [77; 16]),
            );
            e.question.holder_name = Some(name(presented));
        }
    };
    let in_force = [InForce, StatusCorrected];
    let (valid, mismatch) = (Verdict::Valid, Verdict::HolderMismatch);
    check("new name", valid, None, &in_force, |e| {
        corrected(BEFORE)(e, "张三丰")
    });
    check("old name", mismatch, None, &[HolderMismatch], |e| {
        corrected(BEFORE)(e, "张三")
    });
    check("old name", valid, None, &[InForce], |e| {
        corrected(LATER)(e, "张三")
    });
    check("new name", mismatch, None, &[HolderMismatch], |e| {
        corrected(LATER)(e, "张三丰")
    });

    let level = |e: &mut Evidence, salt, level| {
        let openings = with_field("level", level, salt);
        e.change(salt, Effect::Correct, BEFORE, openings[..1].to_vec());
    };
    let answer = check("content", valid, None, &in_force, |e| {
        level(e, 9, "4");
        level(e, 10, "5");
    });
    assert_eq!(answer.certificate.get("level"), Some("5"));
    check(
        "a correction whose content is gone",
        Verdict::Unknown,
        None,
        &[StatusCorrected, Erased],
        |e| {
            level(e, 9, "4");
            e.candidates[0].statuses[0].openings.clear();
        },
    );
}

#[test]
fn erased_disclosures_leave_it_unknown() {
    use Reason::*;
    let erase = |e: &mut Evidence, group| {
        e.candidates[0]
            .openings
            .retain(|opening| opening.group != group);
    };
    let unknown = Verdict::Unknown;
    check("certificate", unknown, None, &[Erased], |e| {
        erase(e, Group::Certificate)
    });
    check("name, not asked", Verdict::Valid, None, &[InForce], |e| {
        erase(e, Group::HolderName)
    });
    check("name, asked", unknown, None, &[Erased], |e| {
        erase(e, Group::HolderName);
        e.question.holder_name = Some(name("张三"));
    });
    check(
        "certificate, revoked",
        unknown,
        None,
        &[StatusRevoked, Erased],
        |e| {
            erase(e, Group::Certificate);
            e.status(9, Effect::Revoke, BEFORE);
        },
    );
}

#[test]
fn what_no_quorum_has_seen_is_pending() {
    use Reason::*;
    let pending = [Pending];
    check("certificate", Verdict::Pending, None, &pending, |e| {
        e.log("33").witnessed_size = 5
    });
    check("just seen", Verdict::Valid, None, &[InForce], |e| {
        e.log("33").witnessed_size = 6
    });
    check("no quorum ever", Verdict::Pending, None, &pending, |e| {
        (e.log("33").witnessed_size, e.log("33").quorum_time) = (0, None);
    });
    let revoked = [StatusRevoked, Pending];
    check(
        "a revocation holds at once",
        Verdict::Revoked,
        None,
        &revoked,
        |e| {
            e.status(9, Effect::Revoke, BEFORE);
            e.log("33").witnessed_size = 6;
        },
    );
    check(
        "a reinstatement does not",
        Verdict::Pending,
        None,
        &[StatusReinstated, Pending],
        |e| {
            e.status(9, Effect::Revoke, BEFORE);
            e.status(10, Effect::Reinstate, BEFORE);
            e.log("33").witnessed_size = 10;
        },
    );
    check(
        "a later one is not asked about",
        Verdict::Valid,
        None,
        &[InForce],
        |e| {
            e.status(9, Effect::Revoke, LATER);
            e.log("33").witnessed_size = 6;
        },
    );
    check(
        "frozen",
        Verdict::Unknown,
        Some(Verdict::Pending),
        &[Pending, LogFrozen],
        |e| {
            (e.log("33").witnessed_size, e.log("33").frozen) = (5, true);
        },
    );
}

#[test]
fn old_and_contradictory_evidence_is_last_known_only() {
    use Reason::*;
    let (unknown, valid) = (Verdict::Unknown, Some(Verdict::Valid));
    let stale = |e: &mut Evidence, region: &str| e.log(region).quorum_time = Some(NOW - 86_401);
    check("just in time", Verdict::Valid, None, &[InForce], |e| {
        e.log("33").quorum_time = Some(NOW - 86_400);
    });
    check("from the future", Verdict::Valid, None, &[InForce], |e| {
        e.log("33").quorum_time = Some(NOW + 5);
    });
    check("stale", unknown, valid, &[StaleEvidence], |e| {
        stale(e, "33")
    });
    check("stale elsewhere", Verdict::Valid, None, &[InForce], |e| {
        stale(e, "32")
    });
    check(
        "never witnessed",
        unknown,
        Some(Verdict::Revoked),
        &[StatusRevoked, Pending, StaleEvidence],
        |e| {
            e.status(9, Effect::Revoke, BEFORE);
            (e.log("33").witnessed_size, e.log("33").quorum_time) = (0, None);
        },
    );
    check("frozen", unknown, valid, &[LogFrozen], |e| {
        e.log("33").frozen = true
    });
    check("both", unknown, valid, &[StaleEvidence, LogFrozen], |e| {
        stale(e, "33");
        e.log("33").frozen = true;
    });
    let last = Some(Verdict::HolderMismatch);
    check(
        "stale mismatch",
        unknown,
        last,
        &[HolderMismatch, StaleEvidence],
        |e| {
            e.question.holder_name = Some(name("李四"));
            stale(e, "33");
        },
    );
    check("newer", unknown, None, &[SchemaNewer], |e| {
        e.status(9, Effect::Newer, 0)
    });
    check(
        "newer, stale",
        unknown,
        None,
        &[SchemaNewer, StaleEvidence],
        |e| {
            e.status(9, Effect::Newer, 0);
            stale(e, "33");
        },
    );
    check(
        "newer, then reinstated",
        unknown,
        None,
        &[SchemaNewer],
        |e| {
            e.status(9, Effect::Newer, 0);
            e.status(10, Effect::Reinstate, BEFORE);
        },
    );
}

#[test]
fn not_found_rests_on_the_home_log() {
    use Reason::*;
    let nothing = |e: &mut Evidence| e.candidates.clear();
    let (not_found, last) = (Verdict::NotFound, Some(Verdict::NotFound));
    check("not found", not_found, None, &[NotFound], nothing);
    check("stale elsewhere", not_found, None, &[NotFound], |e| {
        nothing(e);
        (e.log("32").quorum_time, e.log("31").frozen) = (None, true);
    });
    check(
        "stale at home",
        Verdict::Unknown,
        last,
        &[StaleEvidence],
        |e| {
            nothing(e);
            e.log("33").quorum_time = None;
        },
    );
    check(
        "no home named",
        Verdict::Unknown,
        last,
        &[StaleEvidence],
        |e| {
            nothing(e);
            e.question.number = "S-1".to_owned();
            e.log("32").quorum_time = None;
        },
    );
    check(
        "quarantined",
        not_found,
        None,
        &[NotFound, Quarantined],
        |e| {
            e.candidates[0].leaf = None;
        },
    );
    check(
        "another province's number",
        not_found,
        None,
        &[NotFound],
        |e| {
            nothing(e);
            e.add_candidate("32", 5, openings(NUMBER, 0));
        },
    );
    check(
        "beside the genuine one",
        Verdict::Valid,
        None,
        &[InForce],
        |e| {
            e.add_candidate("32", 5, openings(NUMBER, 0));
        },
    );
    check(
        "a log that is not held",
        not_found,
        None,
        &[NotFound],
        |e| {
            e.candidates[0].origin = "huren.example/log/11".parse().unwrap();
        },
    );
}

#[test]
fn a_number_belongs_to_one_record() {
    use Reason::*;
    let second = |e: &mut Evidence| e.add_candidate("33", 20, openings(NUMBER, 50));
    let duplicate = [DuplicateNumber];
    check("two", Verdict::Unknown, None, &duplicate, second);
    let answer = check("one is void", Verdict::Valid, None, &[InForce], |e| {
        e.status(9, Effect::Void, BEFORE);
        second(e);
    });
    assert_eq!(answer.subject, Some(1));
    check(
        "one is void later",
        Verdict::Unknown,
        None,
        &duplicate,
        |e| {
            e.status(9, Effect::Void, LATER);
            second(e);
        },
    );
    check("one is revoked", Verdict::Unknown, None, &duplicate, |e| {
        e.status(9, Effect::Revoke, BEFORE);
        second(e);
    });
    let answer = check("both are void", Verdict::Void, None, &[StatusVoid], |e| {
        e.status(9, Effect::Void, BEFORE);
        second(e);
        e.status(30, Effect::Void, BEFORE);
    });
    assert_eq!(answer.subject, Some(1));
    check(
        "one is quarantined",
        Verdict::Valid,
        None,
        &[InForce, Quarantined],
        |e| {
            second(e);
            e.candidates[1].leaf = None;
        },
    );
}

#[test]
fn questions_are_not_shown() {
    let mut evidence = Evidence::new();
    evidence.question.holder_name = Some(name("张三"));
    evidence.question.holder_id = vec![id("11010519491231002X")];
    let shown = format!(
        "{:?} {:?} {:?}",
        evidence.question,
        evidence.candidates,
        evidence.decide()
    );
    for secret in [NUMBER, "张三", "11010519491231002X"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn reasons_and_verdicts_have_codes_and_sentences() {
    let upper_snake =
        |code: &str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let chinese = |text: &str| text.chars().any(|c| ('一'..='龥').contains(&c));
    for (i, reason) in Reason::ALL.iter().enumerate() {
        assert!(upper_snake(reason.code()), "{}", reason.code());
        assert!(
            Reason::ALL[..i]
                .iter()
                .all(|other| other.code() != reason.code())
        );
        assert!(Reason::ALL[..i].iter().all(|other| other < reason));
        assert!(
            chinese(reason.zh()) && reason.zh().ends_with('。'),
            "{}",
            reason.code()
        );
        assert!(
            reason.en().ends_with('.') && reason.en().is_ascii(),
            "{}",
            reason.code()
        );
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
    }
    use Verdict::*;
    let all = [
        Valid,
        Revoked,
        Void,
        Suspended,
        Superseded,
        Expired,
        HolderMismatch,
        Pending,
        Unknown,
        NotFound,
    ];
    for verdict in all {
        assert!(chinese(verdict.zh()) && !verdict.en().is_empty());
    }
}

/// Something that speaks against the certificate.
#[derive(Clone, Debug)]
enum Doubt {
    Frozen,
    Stale,
    Unwitnessed,
    Duplicate,
    Erased,
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
