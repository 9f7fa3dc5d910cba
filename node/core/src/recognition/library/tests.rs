//! What bears on a certificate is all that the decision looks at.

use std::collections::BTreeMap;

use huren_proto::v1::{self, Kind, OccupationRelation};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::{
    merkle::Hash,
    recognition::{Registers, Rules, decide},
    verdict::Verdict,
};

const HOME: &str = "huren.zj.example/log/33";
const CODES: [&str; 3] = ["6-31-01-10", "6-31-07-01", "4-03-02-07"];
const EDITIONS: [u32; 2] = [2015, 2022];
const DAYS: [u32; 3] = [20_200_101, 20_240_315, 20_260_101];

/// Kind, key and body.
type Entry = (Kind, String, Vec<u8>);

fn case(edition: u32, code: &str) -> Case {
    let values = [
        ("number", "S000033010006243000001"),
        ("track", "L"),
        (
            "occupation_edition",
            if edition == 2015 { "2015" } else { "2022" },
        ),
        ("occupation_code", code),
        ("level", "4"),
        ("institution_code", "S000033010006"),
        ("issue_date", "2024-03-15"),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Case {
        asking: "33".into(),
        purpose: "employment".into(),
        as_of: "2026-11-01".into(),
        asking_log: HOME.into(),
        home: "33".into(),
        home_log: HOME.into(),
        verdict: Verdict::Valid,
        reasons: Vec::new(),
        leaf: Hash([7; 32]).to_hex(),
        certificate: BTreeMap::from(values),
        activity_region: "330206".into(),
        id_fails: false,
        other_holdings: 0,
        others_claimed: Vec::new(),
    }
}

fn institution(scopes: &[(u32, &str)]) -> Entry {
    let scope = |(edition, occupation): &(u32, &str)| v1::InstitutionScope {
        edition: *edition,
        occupation: (*occupation).to_owned(),
        level_from: 1,
        level_to: 8,
        valid_from: DAYS[0],
        valid_to: 0,
    };
    let institution = v1::Institution {
        kind: v1::InstitutionKind::Social.into(),
        state: v1::InstitutionState::Active.into(),
        home_region: "330106".into(),
        selecting_region: "3301".into(),
        scopes: scopes.iter().map(scope).collect(),
        ..Default::default()
    };
    let body = institution.encode_to_vec();
    (Kind::Institution, "S000033010006".into(), body)
}

/// A site in another city, which both supervisors have to agree to.
fn site(supervisor: i32, state: i32) -> Entry {
    let local = supervisor == v1::SiteSupervisor::Local as i32;
    let region = if local { "3302" } else { "3301" };
    let site = v1::Site {
        site_region: "330206".into(),
        number: 1,
        region: region.into(),
        supervisor,
        state,
        ..Default::default()
    };
    let key = format!("S000033010006/330206/1/{region}");
    (Kind::Site, key, site.encode_to_vec())
}

fn standard(number: usize, edition: u32, code: &str) -> Entry {
    let standard = v1::Standard {
        code: format!("S-{number}"),
        edition: 2019,
        kind: v1::StandardKind::National.into(),
        occupation_edition: edition,
        occupation: code.into(),
        level_from: 1,
        level_to: 8,
        state: v1::StandardState::Issued.into(),
        ..Default::default()
    };
    let body = standard.encode_to_vec();
    (Kind::Standard, format!("S-{number}/2019"), body)
}

fn catalogue(part: u32, steps: &[(&str, &str, i32)]) -> Entry {
    let step = |(from, to, relation): &(&str, &str, i32)| v1::OccupationCrosswalk {
        from_edition: 2015,
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        relation: *relation,
    };
    let catalogue = v1::OccupationCatalogue {
        edition: 2022,
        part,
        parts: 2,
        crosswalk: steps.iter().map(step).collect(),
        ..Default::default()
    };
    let body = catalogue.encode_to_vec();
    (Kind::OccupationCatalogue, format!("2022/{part}"), body)
}

/// A library of the entries, and all of them.
fn library(entries: Vec<(u32, Entry)>) -> (Library, Vec<Evidence>) {
    let mut library = Library::default();
    let mut all = Vec::new();
    for (index, (effective_date, (kind, key, body))) in (0..).zip(entries) {
        let row = DirectoryRow {
            index,
            kind: number(kind),
            key,
            effective_date,
            body,
        };
        all.push(Evidence::of(HOME, &row));
        library.insert(HOME, row);
    }
    (library, all)
}

fn entry() -> impl Strategy<Value = (u32, Entry)> {
    let day = prop::sample::select(&DAYS[..]);
    let named = || {
        (
            prop::sample::select(&EDITIONS[..]),
            prop::sample::select(&CODES[..]),
        )
    };
    let step = (
        prop::sample::select(&CODES[..]),
        prop::sample::select(&CODES[..]),
        1..4_i32,
    );
    let some = prop_oneof![
        prop::collection::vec(named(), 0..3).prop_map(|scopes| institution(&scopes)),
        (0..3_usize, named()).prop_map(|(number, (edition, code))| standard(number, edition, code)),
        (1..3_i32, 1..3_i32).prop_map(|(supervisor, state)| site(supervisor, state)),
        (1..3_u32, prop::collection::vec(step, 0..3))
            .prop_map(|(part, steps)| catalogue(part, &steps)),
    ];
    (day, some)
}

proptest! {
    #[test]
    fn a_decision_from_what_bears_on_it_is_the_one_from_all(
        entries in prop::collection::vec(entry(), 0..8),
        edition in prop::sample::select(&EDITIONS[..]),
        code in prop::sample::select(&CODES[..]),
    ) {
        let case = case(edition, code);
        let (library, all) = library(entries);
        let decided = |evidence: &[Evidence]| {
            decide(&case, &Registers::read(&case, evidence), Rules::built_in())
        };
        prop_assert_eq!(decided(&library.relevant(&case)), decided(&all));
    }
}

#[test]
fn catalogues_are_given_where_they_are_needed() {
    let same = OccupationRelation::Same.into();
    let entries = |scope: u32| {
        let code = if scope == 2015 { CODES[0] } else { CODES[1] };
        vec![
            (DAYS[0], institution(&[(scope, code)])),
            (DAYS[0], standard(1, 2022, CODES[1])),
            (DAYS[0], catalogue(1, &[(CODES[0], CODES[1], same)])),
            (DAYS[0], catalogue(2, &[(CODES[2], CODES[2], same)])),
        ]
    };
    let case = case(2022, CODES[1]);
    let given = |scope| {
        let (library, _) = library(entries(scope));
        let kinds = library.relevant(&case).into_iter();
        let catalogues = kinds.filter(|entry| entry.kind == number(Kind::OccupationCatalogue));
        catalogues.map(|entry| entry.key).collect::<Vec<_>>()
    };
    assert_eq!(given(2022), [""; 0], "its own name is enough");
    assert_eq!(given(2015), ["2022/1"]);
}
