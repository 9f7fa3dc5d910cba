//! Plans, inspections, findings, complaints and assessments of institutions.

use huren_proto::v1::*;

use super::{REGION, accept, newer, one_form, refuse, samples::*};

#[test]
fn plans() {
    let s = annual_plan;
    refuse(
        s,
        |e| e.institution = "S33".repeat(9),
        &[("institution", "INSTITUTION_FORMAT")],
    );
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.year = 1999,
        &[("year", "NUMBER_RANGE"), ("sessions", "SESSION_YEAR")],
    );
    accept(s, |e| e.sessions.clear());
    refuse(
        s,
        |e| e.sessions[0].number = 0,
        &[("sessions", "NUMBER_RANGE")],
    );
    refuse(
        s,
        |e| e.sessions[1].number = 1,
        &[("sessions", "LIST_REPEATED")],
    );
    refuse(
        s,
        |e| e.sessions[0].occupation_edition = 0,
        &[("sessions", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.sessions[0].occupation.clear(),
        &[("sessions", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.sessions[0].level_to = 9,
        &[("sessions", "LEVEL_RANGE")],
    );
    accept(s, |e| {
        (e.sessions[0].level_from, e.sessions[0].level_to) = (0, 0)
    });
    refuse(
        s,
        |e| e.sessions[0].site_region = "1".into(),
        &[("sessions", REGION)],
    );
    // A site abroad, as far as the province goes, is still in the plan.
    accept(s, |e| e.sessions[0].site_region = "310118".into());
    refuse(
        s,
        |e| e.sessions[0].first_day = 20_240_512,
        &[("sessions", "DATE_ORDER")],
    );
    refuse(
        s,
        |e| e.sessions[1].last_day = 20_250_101,
        &[("sessions", "SESSION_YEAR")],
    );
    newer(s, |e| e.sessions[0].mode = 4, "sessions");
    refuse(
        s,
        |e| e.sessions[0].daily_capacity = 0,
        &[("sessions", "NUMBER_RANGE")],
    );
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 3, "state");
    one_form(s, |e| e.sessions.reverse());
}

#[test]
fn results_of_sessions() {
    let s = session_result;
    refuse(
        s,
        |e| e.institution.clear(),
        &[("institution", "FIELD_MISSING")],
    );
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.year = 1999,
        &[("year", "NUMBER_RANGE"), ("held_on", "SESSION_YEAR")],
    );
    refuse(s, |e| e.session = 0, &[("session", "NUMBER_RANGE")]);
    refuse(
        s,
        |e| e.occupation_edition = 0,
        &[("occupation_edition", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.occupation.clear(),
        &[("occupation", "FIELD_MISSING")],
    );
    refuse(s, |e| e.level = 9, &[("level", "LEVEL_RANGE")]);
    accept(s, |e| e.level = 0);
    refuse(
        s,
        |e| e.held_on = 20_240_230,
        &[("held_on", "DATE_INVALID")],
    );
    refuse(s, |e| e.passed = 121, &[("passed", "NUMBER_RANGE")]);
    accept(s, |e| e.passed = 120);
    // Of four people everybody would know how each of them did.
    refuse(
        s,
        |e| (e.examined, e.passed) = (4, 0),
        &[("examined", "NUMBER_RANGE")],
    );
    accept(s, |e| (e.examined, e.passed) = (5, 0));
    accept(s, |e| (e.examined, e.passed) = (0, 0));
}

#[test]
fn inspections() {
    let s = inspection;
    refuse(s, |e| e.number.clear(), &[("number", "FIELD_MISSING")]);
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.institution.clear(),
        &[("institution", "FIELD_MISSING")],
    );
    refuse(s, |e| e.mode = 0, &[("mode", "FIELD_MISSING")]);
    newer(s, |e| e.mode = 5, "mode");
    refuse(
        s,
        |e| e.basis = 0,
        &[
            ("basis", "FIELD_MISSING"),
            ("seed", "FIELD_NOT_ALLOWED"),
            ("institutions", "FIELD_NOT_ALLOWED"),
            ("inspectors", "FIELD_NOT_ALLOWED"),
        ],
    );
    newer(s, |e| e.basis = 5, "basis");
    refuse(s, |e| e.seed = None, &[("seed", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.institutions.clear(),
        &[("institutions", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.inspectors.clear(),
        &[("inspectors", "FIELD_MISSING")],
    );
    let ordered = |e: &mut Inspection| {
        e.basis = InspectionBasis::Order.into();
        e.seed = None;
        e.institutions.clear();
        e.inspectors.clear();
    };
    accept(s, ordered);
    refuse(s, |e| e.experts.clear(), &[("experts", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.experts[0] = "督".into(),
        &[("experts", "CODE_FORMAT")],
    );
    refuse(
        s,
        |e| e.evaluator = "某所".into(),
        &[("evaluator", "FIELD_NOT_ALLOWED")],
    );
    let evaluated = |e: &mut Inspection| {
        ordered(e);
        e.mode = InspectionMode::ThirdParty.into();
        e.experts.clear();
        e.evaluator = "某某评估所".into();
    };
    accept(s, evaluated);
    refuse(
        s,
        |e| {
            evaluated(e);
            e.evaluator.clear();
        },
        &[("evaluator", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.state = 0,
        &[
            ("state", "FIELD_MISSING"),
            ("inspected_on", "FIELD_NOT_ALLOWED"),
            ("result", "FIELD_NOT_ALLOWED"),
            ("published_on", "FIELD_NOT_ALLOWED"),
            ("report", "FIELD_NOT_ALLOWED"),
        ],
    );
    newer(s, |e| e.state = 4, "state");
    refuse(
        s,
        |e| e.inspected_on = 0,
        &[("inspected_on", "FIELD_MISSING")],
    );
    // What was done is published.
    refuse(s, |e| e.result = 0, &[("result", "FIELD_MISSING")]);
    newer(s, |e| e.result = 3, "result");
    refuse(
        s,
        |e| e.published_on = 0,
        &[("published_on", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.published_on = 20_240_630,
        &[("published_on", "DATE_ORDER")],
    );
    refuse(s, |e| e.report.clear(), &[("report", "FIELD_MISSING")]);
    one_form(s, |e| e.experts.reverse());
}

#[test]
fn findings() {
    let s = finding;
    refuse(
        s,
        |e| e.inspection.clear(),
        &[("inspection", "FIELD_MISSING")],
    );
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.institution.clear(),
        &[("institution", "FIELD_MISSING")],
    );
    refuse(s, |e| e.number = 0, &[("number", "NUMBER_RANGE")]);
    refuse(
        s,
        |e| e.irregularity = 0,
        &[("irregularity", "FIELD_MISSING")],
    );
    newer(s, |e| e.irregularity = 12, "irregularity");
    refuse(s, |e| e.severity = 0, &[("severity", "FIELD_MISSING")]);
    newer(s, |e| e.severity = 4, "severity");
    refuse(s, |e| e.found_on = 0, &[("found_on", "FIELD_MISSING")]);
    // Every finding has a state and a deadline.
    refuse(s, |e| e.deadline = 0, &[("deadline", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.deadline = 20_240_630,
        &[("deadline", "DATE_ORDER")],
    );
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 5, "state");
    refuse(
        s,
        |e| e.closed_on = 20_240_720,
        &[("closed_on", "FIELD_NOT_ALLOWED")],
    );
    refuse(
        s,
        |e| e.state = FindingState::Closed.into(),
        &[("closed_on", "FIELD_MISSING")],
    );
    accept(s, |e| {
        e.state = FindingState::Closed.into();
        e.closed_on = 20_240_720;
    });
    refuse(
        s,
        |e| {
            e.state = FindingState::Dismissed.into();
            e.closed_on = 20_240_630;
        },
        &[("closed_on", "DATE_ORDER")],
    );
    refuse(
        s,
        |e| e.digest = vec![0; 31],
        &[("digest", "DIGEST_LENGTH")],
    );
    accept(s, |e| e.digest = DIGEST.to_vec());
}

#[test]
fn complaints() {
    let s = complaint;
    refuse(s, |e| e.number.clear(), &[("number", "FIELD_MISSING")]);
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.institution.clear(),
        &[("institution", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.irregularity = 0,
        &[("irregularity", "FIELD_MISSING")],
    );
    newer(s, |e| e.irregularity = 12, "irregularity");
    refuse(
        s,
        |e| e.received_on = 0,
        &[("received_on", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.deadline = 20_240_731,
        &[("deadline", "DATE_ORDER")],
    );
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 6, "state");
    refuse(
        s,
        |e| e.closed_on = 20_240_820,
        &[("closed_on", "FIELD_NOT_ALLOWED")],
    );
    refuse(
        s,
        |e| e.state = ComplaintState::Upheld.into(),
        &[("closed_on", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.digest = vec![0; 33],
        &[("digest", "DIGEST_LENGTH")],
    );
}

#[test]
fn assessments() {
    let s = assessment;
    refuse(
        s,
        |e| e.institution.clear(),
        &[("institution", "FIELD_MISSING")],
    );
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(s, |e| e.kind = 0, &[("kind", "FIELD_MISSING")]);
    newer(s, |e| e.kind = 7, "kind");
    refuse(s, |e| e.year = 0, &[("year", "NUMBER_RANGE")]);
    refuse(s, |e| e.number = 10_000, &[("number", "NUMBER_RANGE")]);
    refuse(s, |e| e.stars = 1, &[("stars", "NUMBER_RANGE")]);
    refuse(s, |e| e.grade = 0, &[("grade", "FIELD_MISSING")]);
    newer(s, |e| e.grade = 5, "grade");
    refuse(s, |e| e.standing = 1, &[("standing", "FIELD_NOT_ALLOWED")]);
    refuse(s, |e| e.reason = 1, &[("reason", "FIELD_NOT_ALLOWED")]);
    refuse(s, |e| e.decided_on = 0, &[("decided_on", "FIELD_MISSING")]);
    let rating = |e: &mut Assessment| {
        e.kind = AssessmentKind::Stars.into();
        e.grade = 0;
        e.stars = 5;
    };
    accept(s, rating);
    refuse(
        s,
        |e| {
            rating(e);
            e.stars = 6;
        },
        &[("stars", "NUMBER_RANGE")],
    );
    refuse(
        s,
        |e| {
            rating(e);
            e.grade = 1;
        },
        &[("grade", "FIELD_NOT_ALLOWED")],
    );
    let exit = |e: &mut Assessment| {
        e.kind = AssessmentKind::Standing.into();
        e.grade = 0;
        e.standing = InstitutionState::Exited.into();
        e.reason = StandingReason::Violation.into();
        e.document_number = "浙人社函〔2025〕3号".into();
    };
    accept(s, exit);
    refuse(
        s,
        |e| {
            exit(e);
            e.standing = 0;
            e.reason = 0;
        },
        &[("standing", "FIELD_MISSING")],
    );
    newer(
        s,
        |e| {
            exit(e);
            e.standing = 4;
        },
        "standing",
    );
    refuse(
        s,
        |e| {
            exit(e);
            e.reason = 0;
        },
        &[("reason", "FIELD_MISSING")],
    );
    newer(
        s,
        |e| {
            exit(e);
            e.reason = 6;
        },
        "reason",
    );
    refuse(
        s,
        |e| {
            exit(e);
            e.document_number.clear();
        },
        &[("document_number", "FIELD_MISSING")],
    );
    accept(s, |e| {
        exit(e);
        e.standing = InstitutionState::Active.into();
        e.reason = 0;
    });
}
