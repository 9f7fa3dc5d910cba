//! Catalogues, standards and their way to being usable.

use huren_proto::v1::*;

use super::{accept, newer, one_form, refuse, samples::*};

#[test]
fn occupation_catalogues() {
    let s = occupation_catalogue;
    refuse(
        s,
        |e| e.edition = 0,
        &[
            ("edition", "FIELD_MISSING"),
            ("crosswalk", "CROSSWALK_EDITION"),
        ],
    );
    refuse(s, |e| e.edition = 2021, &[("edition", "EDITION_RANGE")]);
    accept(s, |e| e.edition = 2031);
    refuse(s, |e| e.edition = 2101, &[("edition", "EDITION_RANGE")]);
    refuse(s, |e| e.part = 0, &[("part", "NUMBER_RANGE")]);
    refuse(s, |e| e.part = 5, &[("part", "NUMBER_RANGE")]);
    refuse(s, |e| e.parts = 65, &[("parts", "NUMBER_RANGE")]);
    refuse(s, |e| e.title.clear(), &[("title", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.title = "职".repeat(134),
        &[("title", "FIELD_TOO_LONG")],
    );
    refuse(
        s,
        |e| e.title.push('\u{7}'),
        &[("title", "CONTROL_CHARACTER")],
    );
    refuse(
        s,
        |e| e.title.push('\u{fffd}'),
        &[("title", "REPLACEMENT_CHARACTER")],
    );
    accept(s, |e| e.document_number = "人社厅发〔2022〕1号".into());
    refuse(
        s,
        |e| e.lines[0].code.clear(),
        &[("lines", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.lines[0].code = "4-03".into(),
        &[("lines", "OCCUPATION_FORMAT")],
    );
    refuse(
        s,
        |e| e.lines[0].name.clear(),
        &[("lines", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.lines[1].code = e.lines[0].code.clone(),
        &[("lines", "LIST_REPEATED")],
    );
    refuse(
        s,
        |e| {
            e.lines.clear();
            e.crosswalk.clear();
        },
        &[("lines", "FIELD_MISSING")],
    );
    accept(s, |e| e.lines.clear());
    accept(s, |e| e.crosswalk.clear());
    refuse(
        s,
        |e| e.crosswalk[0].from_edition = 2022,
        &[("crosswalk", "CROSSWALK_EDITION")],
    );
    refuse(
        s,
        |e| e.crosswalk[0].from_edition = 2001,
        &[("crosswalk", "EDITION_RANGE")],
    );
    refuse(
        s,
        |e| e.crosswalk[0].to.clear(),
        &[("crosswalk", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.crosswalk[1].to = "4-03-02-01".into(),
        &[("crosswalk", "FIELD_NOT_ALLOWED")],
    );
    refuse(
        s,
        |e| e.crosswalk[0].relation = 0,
        &[("crosswalk", "FIELD_MISSING")],
    );
    newer(s, |e| e.crosswalk[0].relation = 5, "crosswalk");
    refuse(
        s,
        |e| {
            e.lines = (0..601)
                .map(|n| OccupationLine {
                    code: format!("4-{:02}-{:02}-01", n / 100, n % 100),
                    ..e.lines[0].clone()
                })
                .collect()
        },
        &[("lines", "LIST_TOO_LONG")],
    );
    one_form(s, |e| e.lines.reverse());
    one_form(s, |e| e.lines.push(e.lines[0].clone()));
    one_form(s, |e| e.lines[1].name = "碳排放管理员　L/S".into());
    one_form(s, |e| e.lines[0].code = "４–03-02-01".into());
    one_form(s, |e| e.crosswalk.reverse());
}

#[test]
fn qualification_catalogues() {
    let s = qualification_catalogue;
    refuse(s, |e| e.edition = 2021, &[("edition", "DATE_INVALID")]);
    refuse(s, |e| e.edition = 0, &[("edition", "FIELD_MISSING")]);
    refuse(s, |e| e.part = 2, &[("part", "NUMBER_RANGE")]);
    refuse(s, |e| e.title.clear(), &[("title", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.document_number.clear(),
        &[("document_number", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.occupation_edition = 2000,
        &[("occupation_edition", "EDITION_RANGE")],
    );
    refuse(s, |e| e.lines.clear(), &[("lines", "FIELD_MISSING")]);
    refuse(s, |e| e.lines[0].number = 0, &[("lines", "NUMBER_RANGE")]);
    refuse(s, |e| e.lines[1].number = 1, &[("lines", "LIST_REPEATED")]);
    refuse(
        s,
        |e| e.lines[0].name.clear(),
        &[("lines", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.lines[0].department.clear(),
        &[("lines", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.lines[1].occupations.clear(),
        &[("lines", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.lines[1].occupations[0] = "x".into(),
        &[("lines", "OCCUPATION_FORMAT")],
    );
    refuse(
        s,
        |e| e.lines[0].category = 0,
        &[("lines", "FIELD_MISSING")],
    );
    newer(s, |e| e.lines[0].category = 3, "lines");
    newer(s, |e| e.lines[0].access = 3, "lines");
    one_form(s, |e| e.lines.reverse());
    one_form(s, |e| e.lines[1].occupations.reverse());
}

#[test]
fn standards() {
    let s = standard;
    refuse(s, |e| e.code.clear(), &[("code", "FIELD_MISSING")]);
    for bad in ["-A", "A-", "A_B", "甲", "A/B", &"A".repeat(33)] {
        refuse(s, |e| e.code = bad.into(), &[("code", "CODE_FORMAT")]);
    }
    refuse(s, |e| e.edition = 1979, &[("edition", "NUMBER_RANGE")]);
    refuse(s, |e| e.kind = 0, &[("kind", "FIELD_MISSING")]);
    newer(s, |e| e.kind = 5, "kind");
    newer(s, |e| e.state = 5, "state");
    refuse(s, |e| e.title.clear(), &[("title", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.occupation.clear(),
        &[
            ("occupation", "FIELD_MISSING"),
            ("occupation_edition", "FIELD_NOT_ALLOWED"),
        ],
    );
    refuse(
        s,
        |e| e.occupation_edition = 0,
        &[("occupation_edition", "FIELD_MISSING")],
    );
    refuse(s, |e| e.level_to = 1, &[("level_from", "LEVEL_RANGE")]);
    refuse(s, |e| e.level_to = 9, &[("level_from", "LEVEL_RANGE")]);
    refuse(
        s,
        |e| (e.level_from, e.level_to) = (0, 0),
        &[("level_from", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.document_number.clear(),
        &[("document_number", "FIELD_MISSING")],
    );
    refuse(s, |e| e.authors[0].clear(), &[("authors", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.authors = (0..31).map(|n| format!("某{n:02}")).collect(),
        &[("authors", "LIST_TOO_LONG")],
    );
    // The review cannot be skipped.
    refuse(
        s,
        |e| e.committee.clear(),
        &[
            ("committee", "FIELD_MISSING"),
            ("reviewed_on", "FIELD_NOT_ALLOWED"),
        ],
    );
    refuse(
        s,
        |e| {
            e.committee.clear();
            e.reviewed_on = 0;
            e.state = StandardState::Reviewed.into();
        },
        &[("committee", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.reviewed_on = 0,
        &[("reviewed_on", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.superseded_by = Some(reference()),
        &[("superseded_by", "STANDARD_OWN_REFERENCE")],
    );
    refuse(
        s,
        |e| e.superseded_by = Some(StandardRef::default()),
        &[
            ("superseded_by", "FIELD_MISSING"),
            ("superseded_by", "NUMBER_RANGE"),
        ],
    );
    accept(s, |e| {
        e.superseded_by = Some(StandardRef {
            edition: 2025,
            ..reference()
        })
    });
    refuse(
        s,
        |e| e.institution = INSTITUTION.into(),
        &[("institution", "FIELD_NOT_ALLOWED")],
    );
    refuse(
        s,
        |e| {
            e.base = Some(StandardRef {
                edition: 2020,
                ..reference()
            })
        },
        &[("base", "FIELD_NOT_ALLOWED")],
    );
    refuse(
        s,
        |e| e.functions[0] = "功能".into(),
        &[("functions", "CODE_FORMAT")],
    );
    refuse(
        s,
        |e| e.functions = (0..61).map(|n| format!("F{n:02}")).collect(),
        &[("functions", "LIST_TOO_LONG")],
    );
    let draft = |e: &mut Standard| {
        e.state = StandardState::Draft.into();
        e.committee.clear();
        e.reviewed_on = 0;
        e.document_number.clear();
    };
    accept(s, draft);
    accept(s, |e| {
        draft(e);
        e.state = StandardState::Issued.into();
        e.kind = StandardKind::National.into();
        e.document_number = "人社厅发〔2023〕1号".into();
    });
    let special = |e: &mut Standard| {
        e.kind = StandardKind::Special.into();
        (e.level_from, e.level_to) = (0, 0);
    };
    accept(s, special);
    accept(s, |e| {
        special(e);
        e.occupation.clear();
        e.occupation_edition = 0;
    });
    refuse(
        s,
        |e| e.kind = StandardKind::Special.into(),
        &[("level_from", "FIELD_NOT_ALLOWED")],
    );
    let employer = |e: &mut Standard| {
        e.kind = StandardKind::Employer.into();
        e.institution = "Y000033020009".into();
        e.base = Some(StandardRef {
            code: "4-03-02-07".into(),
            edition: 2018,
        });
    };
    accept(s, employer);
    refuse(
        s,
        |e| {
            employer(e);
            e.institution.clear();
        },
        &[("institution", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| {
            employer(e);
            e.institution = "Y000066020009".into();
        },
        &[("institution", "INSTITUTION_PROVINCE")],
    );
    refuse(
        s,
        |e| {
            employer(e);
            e.base = None;
        },
        &[("base", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| {
            employer(e);
            e.base = Some(reference());
        },
        &[("base", "STANDARD_OWN_REFERENCE")],
    );
    one_form(s, |e| e.code = "zj–pjgf-001".into());
    one_form(s, |e| e.authors.reverse());
    one_form(s, |e| e.functions.push("f1".into()));
}

#[test]
fn filings() {
    let s = || filing(FilingStep::Province);
    refuse(s, |e| e.standard = None, &[("standard", "FIELD_MISSING")]);
    refuse(
        s,
        |e| {
            e.standard = Some(StandardRef {
                edition: 1,
                ..reference()
            })
        },
        &[("standard", "NUMBER_RANGE")],
    );
    refuse(s, |e| e.step = 0, &[("step", "FIELD_MISSING")]);
    newer(s, |e| e.step = 3, "step");
    refuse(
        s,
        |e| e.filing_number.clear(),
        &[("filing_number", "FIELD_MISSING")],
    );
    refuse(s, |e| e.filed_on = 0, &[("filed_on", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.filed_on = 20_230_230,
        &[("filed_on", "DATE_INVALID")],
    );
    refuse(s, |e| e.digest.clear(), &[("digest", "FIELD_MISSING")]);
    refuse(s, |e| e.digest.truncate(31), &[("digest", "DIGEST_LENGTH")]);
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 3, "state");
}

#[test]
fn committees() {
    let s = committee;
    refuse(s, |e| e.code.clear(), &[("code", "FIELD_MISSING")]);
    refuse(s, |e| e.name.clear(), &[("name", "FIELD_MISSING")]);
    refuse(s, |e| e.members = 0, &[("members", "NUMBER_RANGE")]);
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 3, "state");
    refuse(s, |e| e.steps.clear(), &[("steps", "FIELD_MISSING")]);
    refuse(s, |e| e.standard = None, &[("steps", "LIST_TOO_LONG")]);
    accept(s, |e| {
        e.standard = None;
        e.steps.clear();
    });
    refuse(
        s,
        |e| e.steps.retain(|step| step.stage != 2),
        &[("steps", "REVIEW_ORDER")],
    );
    refuse(
        s,
        |e| e.steps.retain(|step| step.stage != 1),
        &[("steps", "REVIEW_ORDER")],
    );
    refuse(
        s,
        |e| e.steps[1].decided_on = 20_220_101,
        &[("steps", "DATE_ORDER")],
    );
    refuse(
        s,
        |e| e.steps[1].decided_on = 0,
        &[("steps", "FIELD_MISSING")],
    );
    accept(s, |e| {
        e.steps.truncate(2);
        e.steps[1].stage = ReviewStage::Rejected.into();
    });
    refuse(
        s,
        |e| e.steps[1].stage = ReviewStage::Rejected.into(),
        &[("steps", "REVIEW_ORDER")],
    );
    newer(s, |e| e.steps[4].stage = 7, "steps");
}
