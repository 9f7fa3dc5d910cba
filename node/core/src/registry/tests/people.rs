//! Experts and credit records: written by departments of all levels.

use huren_proto::v1::*;

use super::{REGION, accept, newer, one_form, refuse, samples::*};

#[test]
fn experts() {
    let s = expert;
    refuse(s, |e| e.code.clear(), &[("code", "FIELD_MISSING")]);
    refuse(s, |e| e.code = "K1".into(), &[("code", "CODE_FORMAT")]);
    refuse(s, |e| e.code = "张三丰".into(), &[("code", "CODE_FORMAT")]);
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(s, |e| e.region = "330".into(), &[("region", REGION)]);
    refuse(s, |e| e.teams.clear(), &[("teams", "FIELD_MISSING")]);
    refuse(s, |e| e.teams[0] = 0, &[("teams", "FIELD_MISSING")]);
    newer(s, |e| e.teams.push(5), "teams");
    refuse(
        s,
        |e| e.employer = "某厂".into(),
        &[("employer", "INSTITUTION_FORMAT")],
    );
    refuse(
        s,
        |e| e.employer = "A".repeat(25),
        &[("employer", "INSTITUTION_FORMAT")],
    );
    accept(s, |e| e.employer.clear());
    refuse(s, |e| e.trained[0].clear(), &[("trained", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.trained = (0..101).map(|n| format!("JG{n:03}")).collect(),
        &[("trained", "LIST_TOO_LONG")],
    );
    refuse(
        s,
        |e| e.occupation_edition = 0,
        &[("occupation_edition", "FIELD_MISSING")],
    );
    accept(s, |e| {
        e.occupation_edition = 0;
        e.occupations.clear();
    });
    refuse(
        s,
        |e| e.occupations[0] = "4".into(),
        &[("occupations", "OCCUPATION_FORMAT")],
    );
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 4, "state");
    one_form(s, |e| e.teams.reverse());
    one_form(s, |e| e.employer = "y0000 330200 09".into());
    one_form(s, |e| e.trained.push(e.trained[0].clone()));
    one_form(s, |e| e.code = "kp－0001".into());
}

#[test]
fn qualifications() {
    let s = expert_qualification;
    refuse(s, |e| e.expert.clear(), &[("expert", "FIELD_MISSING")]);
    refuse(s, |e| e.region = "9".into(), &[("region", REGION)]);
    refuse(s, |e| e.team = 0, &[("team", "FIELD_MISSING")]);
    newer(s, |e| e.team = 5, "team");
    refuse(
        s,
        |e| e.occupation_edition = 1,
        &[("occupation_edition", "EDITION_RANGE")],
    );
    refuse(s, |e| e.trained_on = 0, &[("trained_on", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.trained_on = 20_230_602,
        &[("valid_from", "DATE_ORDER")],
    );
    refuse(s, |e| e.valid_from = 0, &[("valid_from", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.valid_to = 20_230_531,
        &[("valid_to", "DATE_ORDER")],
    );
    refuse(s, |e| e.valid_to = 0, &[("valid_to", "FIELD_MISSING")]);
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 3, "state");
}

#[test]
fn dispatches() {
    let s = expert_dispatch;
    refuse(
        s,
        |e| e.institution.clear(),
        &[("institution", "FIELD_MISSING")],
    );
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(s, |e| e.round = 0, &[("round", "NUMBER_RANGE")]);
    refuse(s, |e| e.date = 20_241_301, &[("date", "DATE_INVALID")]);
    refuse(s, |e| e.seed = None, &[("seed", "FIELD_MISSING")]);
    let seed = |change: fn(&mut DrawSeed), expected: &[(&str, &str)]| {
        refuse(s, |e| change(e.seed.as_mut().unwrap()), expected);
    };
    seed(|seed| seed.origin.clear(), &[("seed", "FIELD_MISSING")]);
    seed(
        |seed| seed.origin = "日志".into(),
        &[("seed", "ORIGIN_FORMAT")],
    );
    seed(|seed| seed.origin.push('\n'), &[("seed", "ORIGIN_FORMAT")]);
    seed(
        |seed| seed.origin = "o".repeat(201),
        &[("seed", "ORIGIN_FORMAT")],
    );
    seed(|seed| seed.size = 0, &[("seed", "NUMBER_RANGE")]);
    seed(|seed| seed.root.clear(), &[("seed", "FIELD_MISSING")]);
    seed(|seed| seed.root.push(0), &[("seed", "DIGEST_LENGTH")]);
    refuse(
        s,
        |e| e.candidates.clear(),
        &[("candidates", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.candidate_count = 1,
        &[("candidate_count", "NUMBER_RANGE")],
    );
    refuse(
        s,
        |e| e.candidate_count = 100_001,
        &[("candidate_count", "NUMBER_RANGE")],
    );
    refuse(s, |e| e.experts.clear(), &[("experts", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.experts.push(e.experts[0].clone()),
        &[("experts", "LIST_REPEATED")],
    );
    refuse(
        s,
        |e| e.experts[0].province = "3301".into(),
        &[("experts", "REGION_NOT_PROVINCE")],
    );
    refuse(
        s,
        |e| e.experts[0].code.clear(),
        &[("experts", "FIELD_MISSING")],
    );
    newer(s, |e| e.experts[0].team = 5, "experts");
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 4, "state");
    // The order is that of the draw.
    accept(s, |e| e.experts.reverse());
}

#[test]
fn performances() {
    let s = expert_performance;
    refuse(s, |e| e.expert.clear(), &[("expert", "FIELD_MISSING")]);
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(s, |e| e.period = 0, &[("period", "FIELD_MISSING")]);
    newer(s, |e| e.period = 4, "period");
    refuse(s, |e| e.year = 2101, &[("year", "NUMBER_RANGE")]);
    refuse(s, |e| e.number = 0, &[("number", "NUMBER_RANGE")]);
    refuse(s, |e| e.grade = 0, &[("grade", "FIELD_MISSING")]);
    newer(s, |e| e.grade = 4, "grade");
    refuse(s, |e| e.integrity = 0, &[("integrity", "FIELD_MISSING")]);
    newer(s, |e| e.integrity = 4, "integrity");
    refuse(
        s,
        |e| e.dispatches = 1_001,
        &[("dispatches", "NUMBER_RANGE")],
    );
    refuse(s, |e| e.decided_on = 0, &[("decided_on", "FIELD_MISSING")]);
    refuse(s, |e| e.digest.clear(), &[("digest", "FIELD_MISSING")]);
}

#[test]
fn institutions_credit() {
    let s = institution_credit;
    refuse(
        s,
        |e| e.institution.clear(),
        &[("institution", "FIELD_MISSING")],
    );
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(s, |e| e.number.clear(), &[("number", "FIELD_MISSING")]);
    refuse(s, |e| e.reason = 0, &[("reason", "FIELD_MISSING")]);
    newer(s, |e| e.reason = 8, "reason");
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 5, "state");
    refuse(
        s,
        |e| e.listed_from = 0,
        &[("listed_from", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.listed_to = 20_240_831,
        &[("listed_to", "DATE_ORDER")],
    );
    refuse(
        s,
        |e| e.document_number.clear(),
        &[("document_number", "FIELD_MISSING")],
    );
    refuse(s, |e| e.digest = vec![1], &[("digest", "DIGEST_LENGTH")]);
    one_form(s, |e| e.number = "cx-2024-5".into());
}

#[test]
fn persons_credit() {
    let s = person_credit;
    refuse(s, |e| e.origin.clear(), &[("origin", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.origin = "a\nb".into(),
        &[("origin", "ORIGIN_FORMAT")],
    );
    refuse(
        s,
        |e| e.certificate.clear(),
        &[("certificate", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.certificate.truncate(31),
        &[("certificate", "DIGEST_LENGTH")],
    );
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(s, |e| e.number.clear(), &[("number", "FIELD_MISSING")]);
    refuse(s, |e| e.reason = 0, &[("reason", "FIELD_MISSING")]);
    newer(s, |e| e.reason = 8, "reason");
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 5, "state");
    refuse(
        s,
        |e| e.listed_from = 0,
        &[("listed_from", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.listed_to = 20_240_831,
        &[("listed_to", "DATE_ORDER")],
    );
    refuse(s, |e| e.digest = vec![1], &[("digest", "DIGEST_LENGTH")]);
}

#[test]
fn subsidy_claims() {
    let s = subsidy_claim;
    refuse(s, |e| e.origin.clear(), &[("origin", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.certificate.truncate(31),
        &[("certificate", "DIGEST_LENGTH")],
    );
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.claimed_on = 20_240_931,
        &[("claimed_on", "DATE_INVALID")],
    );
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 4, "state");
    refuse(
        s,
        |e| e.document_number.clear(),
        &[("document_number", "FIELD_MISSING")],
    );
    one_form(s, |e| e.document_number.push(' '));
}
