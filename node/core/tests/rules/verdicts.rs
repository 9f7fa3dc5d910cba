//! Verdicts: what each state of the evidence gives.

use huren_core::{
    codes::Region,
    disclosure::{self, Group, Opening, Values},
    reason::Reason,
    register::Effect,
    verdict::{Answer, Verdict, home_province},
};

use crate::common::evidence::{BEFORE, Evidence, LATER, ON_THE_DAY, id, name, with_field};
use crate::common::{NOW, NUMBER, openings, values};

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
        // That another certificate took its place is not undone.
        let (left, why) = match effect {
            Effect::Supersede => (verdict, &[reason][..]),
            _ => (Verdict::Valid, &[InForce, StatusReinstated][..]),
        };
        check("reinstated", left, None, why, |e| {
            e.status(9, effect, BEFORE);
            e.status(10, Effect::Reinstate, ON_THE_DAY);
        });
        check("reinstated later", verdict, None, &[reason], |e| {
            e.status(9, effect, BEFORE);
            e.status(10, Effect::Reinstate, LATER);
        });
    }
    let superseded = Verdict::Superseded;
    check("cleared", superseded, None, &[StatusSuperseded], |e| {
        e.status(9, Effect::Supersede, BEFORE);
        e.status(10, Effect::Revoke, BEFORE);
        e.status(11, Effect::Reinstate, ON_THE_DAY);
    });
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
fn what_may_have_been_erased_since_a_backup_is_not_shown() {
    use Reason::*;
    let withheld = [RestoredNotCaughtUp];
    for holder in [None, Some(name("张三")), Some(name("李四"))] {
        let answer = check("whoever asks", Verdict::Unknown, None, &withheld, |e| {
            e.log("33").withheld = true;
            e.question.holder_name = holder;
        });
        assert!(answer.certificate.is_empty());
    }
    let unknown = Verdict::Unknown;
    check(
        "of what day it is says too much",
        unknown,
        None,
        &withheld,
        |e| {
            e.log("33").withheld = true;
            e.candidates[0].openings = with_field("valid_until", "2020-01-01", 0);
            e.status(9, Effect::Revoke, BEFORE);
        },
    );
    let stale = [RestoredNotCaughtUp, StaleEvidence];
    check("and old", unknown, None, &stale, |e| {
        e.log("33").withheld = true;
        e.log("33").quorum_time = None;
    });
    check("another log", Verdict::Valid, None, &[InForce], |e| {
        e.log("31").withheld = true
    });
    check("not found", Verdict::NotFound, None, &[NotFound], |e| {
        e.log("33").withheld = true;
        e.candidates.clear();
    });
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
