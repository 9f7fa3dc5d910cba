//! Technical resources, item banks and their funding.

use super::{accept, newer, one_form, refuse, samples::*};

#[test]
fn resources() {
    let s = resource;
    refuse(s, |e| e.code = "A B".into(), &[("code", "CODE_FORMAT")]);
    refuse(s, |e| e.title.clear(), &[("title", "FIELD_MISSING")]);
    refuse(s, |e| e.kind = 0, &[("kind", "FIELD_MISSING")]);
    newer(s, |e| e.kind = 7, "kind");
    refuse(
        s,
        |e| e.occupation.clear(),
        &[("occupation_edition", "FIELD_NOT_ALLOWED")],
    );
    accept(s, |e| {
        e.occupation.clear();
        e.occupation_edition = 0;
    });
    refuse(s, |e| e.owner.clear(), &[("owner", "FIELD_MISSING")]);
    refuse(s, |e| e.version = 0, &[("version", "NUMBER_RANGE")]);
    refuse(s, |e| e.digest.push(1), &[("digest", "DIGEST_LENGTH")]);
    refuse(s, |e| e.sharing = 0, &[("sharing", "FIELD_MISSING")]);
    newer(s, |e| e.sharing = 4, "sharing");
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 4, "state");
    one_form(s, |e| e.title = " 茶艺师实操课程　".into());
}

#[test]
fn item_banks() {
    let s = item_bank_entry;
    refuse(s, |e| e.code.clear(), &[("code", "FIELD_MISSING")]);
    refuse(s, |e| e.title.clear(), &[("title", "FIELD_MISSING")]);
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
    refuse(s, |e| e.level_from = 5, &[("level_from", "LEVEL_RANGE")]);
    refuse(s, |e| e.standard = None, &[("standard", "FIELD_MISSING")]);
    refuse(s, |e| e.version = 0, &[("version", "NUMBER_RANGE")]);
    refuse(s, |e| e.owner.clear(), &[("owner", "FIELD_MISSING")]);
    refuse(s, |e| e.digest.clear(), &[("digest", "FIELD_MISSING")]);
    newer(s, |e| e.sharing = 4, "sharing");
    refuse(
        s,
        |e| e.theory_items = 10_000_001,
        &[("theory_items", "NUMBER_RANGE")],
    );
    refuse(
        s,
        |e| (e.theory_items, e.practical_items, e.published_items) = (0, 0, 0),
        &[("theory_items", "NUMBER_RANGE")],
    );
    accept(s, |e| (e.practical_items, e.published_items) = (0, 0));
    refuse(
        s,
        |e| e.practical_items = 10_000_001,
        &[
            ("practical_items", "NUMBER_RANGE"),
            ("published_items", "DISCLOSURE_RATIO"),
        ],
    );
    refuse(
        s,
        |e| e.published_items = 61,
        &[("published_items", "NUMBER_RANGE")],
    );
    refuse(
        s,
        |e| e.disclosure_permille = 1_001,
        &[
            ("disclosure_permille", "NUMBER_RANGE"),
            ("published_items", "DISCLOSURE_RATIO"),
        ],
    );
    // 20 of 60 are 333.3 thousandths.
    refuse(
        s,
        |e| e.disclosure_permille = 334,
        &[("published_items", "DISCLOSURE_RATIO")],
    );
    newer(s, |e| e.state = 4, "state");
}

#[test]
fn fundings() {
    let s = funding;
    refuse(s, |e| e.code.clear(), &[("code", "FIELD_MISSING")]);
    refuse(s, |e| e.resource.clear(), &[("resource", "FIELD_MISSING")]);
    refuse(s, |e| e.amount_yuan = 0, &[("amount_yuan", "NUMBER_RANGE")]);
    refuse(
        s,
        |e| e.contributions.clear(),
        &[
            ("contributions", "FIELD_MISSING"),
            ("contributions", "SHARES_SUM"),
        ],
    );
    refuse(
        s,
        |e| e.contributions[0].name.clear(),
        &[("contributions", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.contributions[0].share = 6_666,
        &[("contributions", "SHARES_SUM")],
    );
    refuse(
        s,
        |e| e.contributions[0].share = 0,
        &[
            ("contributions", "NUMBER_RANGE"),
            ("contributions", "SHARES_SUM"),
        ],
    );
    refuse(
        s,
        |e| e.contributions[1].name = e.contributions[0].name.clone(),
        &[("contributions", "LIST_REPEATED")],
    );
    newer(s, |e| e.contributions[0].source = 4, "contributions");
    refuse(s, |e| e.state = 0, &[("state", "FIELD_MISSING")]);
    newer(s, |e| e.state = 4, "state");
    one_form(s, |e| e.contributions.reverse());
}
