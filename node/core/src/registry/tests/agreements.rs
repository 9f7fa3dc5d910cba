//! Agreements, what levels lead to, and what goes to others.

use huren_proto::v1::*;

use super::{REGION, accept, newer, one_form, refuse, samples::*};

#[test]
fn agreements() {
    let s = agreement;
    refuse(s, |e| e.code.clear(), &[("code", "FIELD_MISSING")]);
    refuse(s, |e| e.title.clear(), &[("title", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.document_number.clear(),
        &[("document_number", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| {
            e.parties.truncate(1);
            e.territory.truncate(1);
        },
        &[("parties", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.parties.push("3401".into()),
        &[("parties", "REGION_NOT_PROVINCE")],
    );
    refuse(
        s,
        |e| e.parties.push("99".into()),
        &[("parties", "REGION_UNKNOWN")],
    );
    refuse(
        s,
        |e| e.territory.push("3401".into()),
        &[("territory", "TERRITORY_OUTSIDE")],
    );
    refuse(
        s,
        |e| e.territory.push("3".into()),
        &[("territory", REGION)],
    );
    accept(s, |e| e.territory.clear());
    refuse(
        s,
        |e| {
            e.tracks.clear();
            e.mappings.clear();
        },
        &[("tracks", "FIELD_MISSING")],
    );
    newer(s, |e| e.tracks.push(4), "tracks");
    refuse(
        s,
        |e| e.occupation_edition = 0,
        &[("occupation_edition", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.occupations.clear(),
        &[("occupation_edition", "FIELD_NOT_ALLOWED")],
    );
    accept(s, |e| {
        e.occupations.clear();
        e.occupation_edition = 0;
    });
    refuse(s, |e| e.level_from = 8, &[("level_from", "LEVEL_RANGE")]);
    refuse(
        s,
        |e| e.mappings[0].from = 9,
        &[("mappings", "LEVEL_RANGE")],
    );
    refuse(s, |e| e.mappings[0].to = 9, &[("mappings", "LEVEL_RANGE")]);
    accept(s, |e| e.mappings[0].to = 0);
    refuse(
        s,
        |e| {
            e.tracks.push(3);
            e.mappings[0].track = 3;
        },
        &[("mappings", "TRACK_NOT_COVERED")],
    );
    refuse(
        s,
        |e| e.tracks.truncate(1),
        &[("mappings", "TRACK_NOT_COVERED")],
    );
    refuse(
        s,
        |e| {
            e.mappings.push(LevelMapping {
                to: 5,
                ..e.mappings[0]
            })
        },
        &[("mappings", "LIST_REPEATED")],
    );
    newer(s, |e| e.mappings[0].track = 4, "mappings");
    refuse(s, |e| e.valid_from = 0, &[("valid_from", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.valid_to = 20_211_130,
        &[("valid_to", "DATE_ORDER")],
    );
    accept(s, |e| e.valid_to = 20_211_201);
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 4, "state");
    one_form(s, |e| e.parties.reverse());
    one_form(s, |e| e.parties[0] = "310000".into());
    one_form(s, |e| e.territory.reverse());
    one_form(s, |e| e.tracks.reverse());
}

#[test]
fn title_mappings() {
    let s = title_mapping;
    refuse(s, |e| e.code.clear(), &[("code", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.document_number.clear(),
        &[("document_number", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.occupation_edition = 2022,
        &[("occupation_edition", "FIELD_NOT_ALLOWED")],
    );
    refuse(
        s,
        |e| e.lines[2].occupation = "4-03-02-07".into(),
        &[("occupation_edition", "FIELD_MISSING")],
    );
    refuse(s, |e| e.lines.clear(), &[("lines", "FIELD_MISSING")]);
    refuse(s, |e| e.lines[0].level = 9, &[("lines", "LEVEL_RANGE")]);
    refuse(s, |e| e.lines[0].level = 0, &[("lines", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.lines[0].series.clear(),
        &[("lines", "FIELD_MISSING")],
    );
    newer(s, |e| e.lines[0].rank = 6, "lines");
    newer(s, |e| e.lines[0].direction = 3, "lines");
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 3, "state");
    one_form(s, |e| e.lines.reverse());
}

#[test]
fn shortage_lists() {
    let s = shortage_list;
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(s, |e| e.year = 1999, &[("year", "NUMBER_RANGE")]);
    refuse(s, |e| e.title.clear(), &[("title", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.occupation_edition = 0,
        &[("occupation_edition", "FIELD_MISSING")],
    );
    refuse(s, |e| e.lines.clear(), &[("lines", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.lines[0].occupation = "焊工".into(),
        &[("lines", "OCCUPATION_FORMAT")],
    );
    refuse(s, |e| e.lines[0].level_to = 2, &[("lines", "LEVEL_RANGE")]);
    refuse(
        s,
        |e| {
            let mut again = e.lines[0].clone();
            again.level_to = 6;
            e.lines.push(again);
        },
        &[("lines", "LIST_REPEATED")],
    );
    newer(s, |e| e.lines[0].degree = 4, "lines");
    one_form(s, |e| e.region = "330000".into());
}

#[test]
fn upstream_batches() {
    let s = upstream_batch;
    refuse(s, |e| e.number.clear(), &[("number", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.until_index = e.from_index,
        &[
            ("until_index", "NUMBER_RANGE"),
            ("certificates", "NUMBER_RANGE"),
        ],
    );
    refuse(
        s,
        |e| {
            e.certificates = 4_097;
            e.accepted = 4_087;
        },
        &[("certificates", "NUMBER_RANGE")],
    );
    refuse(s, |e| e.digest.clear(), &[("digest", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.state = 0,
        &[
            ("state", "FIELD_MISSING"),
            ("sent_on", "FIELD_NOT_ALLOWED"),
            ("acknowledgement", "FIELD_NOT_ALLOWED"),
            ("accepted", "BATCH_RECONCILE"),
        ],
    );
    newer(s, |e| e.state = 5, "state");
    refuse(s, |e| e.sent_on = 0, &[("sent_on", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.acknowledgement.clear(),
        &[("acknowledgement", "FIELD_MISSING")],
    );
    refuse(s, |e| e.refused = 11, &[("accepted", "BATCH_RECONCILE")]);
    refuse(
        s,
        |e| (e.accepted, e.refused) = (u64::MAX, 1),
        &[("accepted", "BATCH_RECONCILE")],
    );
    let sent = |e: &mut UpstreamBatch| {
        e.state = BatchState::Sent.into();
        e.acknowledgement.clear();
        (e.accepted, e.refused) = (0, 0);
    };
    accept(s, sent);
    refuse(
        s,
        |e| {
            sent(e);
            e.refused = 1;
        },
        &[("accepted", "BATCH_RECONCILE")],
    );
    accept(s, |e| {
        sent(e);
        e.state = BatchState::Closed.into();
        e.sent_on = 0;
    });
}

#[test]
fn sector_shares() {
    let s = sector_share;
    refuse(s, |e| e.number.clear(), &[("number", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.department.clear(),
        &[("department", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.occupation_edition = 0,
        &[("occupation_edition", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| {
            e.occupations.clear();
            e.occupation_edition = 0;
        },
        &[("occupations", "FIELD_MISSING")],
    );
    refuse(s, |e| e.groups.clear(), &[("groups", "FIELD_MISSING")]);
    newer(s, |e| e.groups.push(6), "groups");
    refuse(s, |e| e.masked = false, &[("masked", "NOT_MASKED")]);
    accept(s, |e| {
        e.groups.truncate(1);
        e.masked = false;
    });
    refuse(
        s,
        |e| e.issued_from = 0,
        &[("issued_from", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.issued_to = 20_231_231,
        &[("issued_to", "DATE_ORDER")],
    );
    refuse(s, |e| e.digest.clear(), &[("digest", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.shared_on = 20_231_231,
        &[("shared_on", "DATE_ORDER")],
    );
}
