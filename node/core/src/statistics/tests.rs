//! Cells against counting everything anew, whatever changes in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    codes::Region,
    disclosure::Values,
    merkle::Hash,
    register::{Effect, StatusRow},
};

fn month(number: u32) -> Month {
    Month::from_number(number).unwrap()
}

fn certificate(more: &[(&str, &str)]) -> Values {
    let base = [
        ("track", "L"),
        ("occupation_edition", "2022"),
        ("occupation_code", "4-03-02-01"),
        ("level", "4"),
        ("institution_code", "Y000033010001"),
        ("issue_date", "2024-03-01"),
    ];
    Values::new(base.iter().chain(more).copied())
}

fn status(index: u64, effect: Effect, effective_date: u32) -> StatusRow {
    StatusRow {
        index,
        leaf: Hash([0; 32]),
        target_index: 0,
        effect,
        reason: 1,
        effective_date,
    }
}

fn read(statuses: &[StatusRow], more: &[(&str, &str)]) -> Option<Fact> {
    let regions = Values::new([("work_region", "330106"), ("household_region", "34")]);
    Fact::read(&certificate(more), &regions, statuses)
}

#[test]
fn a_certificate_is_in_force_from_month_to_month() {
    let turns = |statuses: &[StatusRow], more: &[(&str, &str)]| {
        let fact = read(statuses, more);
        fact.map(|fact| fact.turns.iter().map(|m| m.number()).collect::<Vec<_>>())
    };
    assert_eq!(turns(&[], &[]), Some(vec![202_403]));
    let until = [("valid_until", "2025-12-31")];
    assert_eq!(turns(&[], &until), Some(vec![202_403, 202_601]));
    let suspended = status(1, Effect::Suspend, 20_240_501);
    let reinstated = status(2, Effect::Reinstate, 20_240_701);
    let revoked = status(3, Effect::Revoke, 20_240_715);
    assert_eq!(
        turns(&[suspended.clone(), reinstated.clone()], &[]),
        Some(vec![202_403, 202_405, 202_407])
    );
    // What comes and goes within a month counts as it is at its end.
    assert_eq!(
        turns(&[suspended, reinstated, revoked], &[]),
        Some(vec![202_403, 202_405])
    );
    // Revoked as of the day of issue it never counted.
    assert_eq!(turns(&[status(1, Effect::Void, 20_240_301)], &[]), None);
    assert_eq!(turns(&[], &[("issue_date", "soon")]), None);
    let fact = read(&[], &until).unwrap();
    let in_force = [202_402, 202_403, 202_512, 202_601].map(|at| fact.is_in_force(month(at)));
    assert_eq!(in_force, [false, true, true, false]);
    assert_eq!(fact.regions[0], Region::parse("330106").ok());
    assert_eq!(fact.regions[1], None);
}

#[test]
fn keys_tell_their_cells() {
    let fact = read(&[], &[]).unwrap();
    for cut in Cut::ALL {
        for grain in cut.grains() {
            for basis in Basis::ALL {
                let cell = Cell::of(&fact, cut, grain, basis);
                assert_eq!(Cell::from_key(&cell.key()), Some(cell));
            }
        }
    }
    for key in [
        "",
        "0",
        "900/330000/L/4/",
        "000/330000/L",
        "000/0000x0/L/4/",
    ] {
        assert_eq!(Cell::from_key(key), None, "{key}");
    }
    assert_eq!(smallest_cell(), 5);
}

/// All cells, as a node keeps them.
#[derive(Default, Debug, PartialEq)]
struct Cells(BTreeMap<String, Vec<u8>>);

impl Cells {
    fn apply(&mut self, deltas: Deltas) {
        for (key, change) in deltas.into_changes() {
            let held = self.0.get(&key).map(Vec::as_slice).unwrap_or_default();
            let sums = change.onto(held).unwrap();
            match sums.is_empty() {
                true => self.0.remove(&key),
                false => self.0.insert(key, sums),
            };
        }
    }

    fn ask(&self, query: &Query) -> Table {
        let prefix = query.prefix().unwrap();
        let mut table = TableBuilder::new(query);
        for (key, months) in self.0.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            let months = Months::from_bytes(months).unwrap();
            table.add(&Cell::from_key(key).unwrap(), &months).unwrap();
        }
        table.finish()
    }
}

fn query(by: &[Dimension]) -> Query {
    Query {
        by: by.iter().copied().collect(),
        ..Query::all(Basis::Work, month(202_401), month(202_612))
    }
}

#[test]
fn a_person_counts_once_at_the_highest_level() {
    let mut cells = Cells::default();
    let mut deltas = Deltas::default();
    let fourth = read(&[], &[]).unwrap();
    let elsewhere = Values::new([("work_region", "310104")]);
    let third = certificate(&[("level", "5"), ("issue_date", "2025-06-01")]);
    let third = Fact::read(&third, &elsewhere, &[]).unwrap();
    let nobody = Life::default();
    let both = Life::of_person([third, fourth.clone()]);
    Life::change(&nobody, &both, &mut deltas);
    Life::change(&nobody, &Life::of_nobody(Some(fourth)), &mut deltas);
    cells.apply(deltas);

    let table = cells.ask(&query(&[
        Dimension::Province,
        Dimension::Level,
        Dimension::Year,
    ]));
    let lines: Vec<_> = table
        .rows
        .iter()
        .map(|row| {
            let place = (row.region.as_deref().unwrap(), row.period.unwrap().number());
            (
                place,
                row.certificates_new,
                row.certificates,
                row.persons_new,
                row.persons,
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            (("310000", 202_512), 1, 1, 1, 1),
            (("310000", 202_612), 0, 1, 0, 1),
            (("330000", 202_412), 2, 2, 1, 1),
            (("330000", 202_512), 0, 2, -1, 0),
            (("330000", 202_612), 0, 2, 0, 0),
        ]
    );
    let total = &table.total;
    assert_eq!((total.certificates, total.persons), (3, 1));
    // A household in a province of which no city is named is found at every grain.
    let by_city = Query {
        basis: Basis::Household,
        region: Region::parse("34").ok(),
        ..query(&[Dimension::City])
    };
    let table = cells.ask(&by_city);
    assert_eq!(table.rows[0].region.as_deref(), Some("340000"));
    assert_eq!(table.total.certificates, 2);
}

#[test]
fn questions_that_no_cell_answers_are_refused() {
    let asked = |change: fn(&mut Query)| {
        let mut asked = query(&[]);
        change(&mut asked);
        asked.prefix().unwrap_err().code()
    };
    let both = asked(|asked| asked.by = [Dimension::Occupation, Dimension::Institution].into());
    assert_eq!(both, "STATISTICS_COMBINATION");
    let fine = asked(|asked| asked.by = [Dimension::Occupation, Dimension::County].into());
    assert_eq!(fine, "STATISTICS_TOO_FINE");
    let fine = asked(|asked| {
        asked.region = Region::parse("3301").ok();
        asked.institution = Some("Y".into());
    });
    assert_eq!(fine, "STATISTICS_TOO_FINE");
    let backwards = asked(|asked| asked.to = Month::from_number(202_312).unwrap());
    assert_eq!(backwards, "STATISTICS_MONTHS");
    let large = Query {
        from: month(190_001),
        to: month(999_912),
        ..query(&[Dimension::Month, Dimension::Level])
    };
    let mut table = TableBuilder::new(&large);
    let fact = read(&[], &[]).unwrap();
    let cell = Cell::of(&fact, Cut::Plain, Grain::Province, Basis::Work);
    let mut refused = table.add(&cell, &Months::default());
    for level in 0..8 {
        refused = refused.and(table.add(
            &Cell {
                level,
                ..cell.clone()
            },
            &Months::default(),
        ));
    }
    assert_eq!(refused, Err(QueryError::TooLarge));
}

#[test]
fn few_are_not_shown_nor_told_by_the_total() {
    let mut cells = Cells::default();
    let mut deltas = Deltas::default();
    for (level, how_many) in [("3", 2), ("4", 6), ("5", 9)] {
        for _ in 0..how_many {
            let fact = read(&[], &[("level", level)]).unwrap();
            Life::change(&Life::default(), &Life::of_person([fact]), &mut deltas);
        }
    }
    cells.apply(deltas);
    let exact = cells.ask(&query(&[Dimension::Level]));
    let mut public = exact.clone();
    suppress(&mut public, 5);
    let shown: Vec<_> = public.rows.iter().map(|row| row.certificates).collect();
    assert_eq!(shown, [0, 0, 9]);
    assert_eq!(public.total, exact.total);
    let map = geo_json(&public);
    assert_eq!(
        map["features"][0]["properties"]["figures"],
        serde_json::Value::Null
    );
    assert_eq!(map["features"][2]["properties"]["figures"]["persons"], 9);
}

prop_compose! {
    fn facts()(
        level in 1u8..6,
        issued in 1u32..12,
        region in prop::sample::select(vec!["330106", "330203", "3302", "310104", ""]),
        revoked in prop::option::of(1u32..12),
    ) -> Option<Fact> {
        let date = format!("2024-{issued:02}-01");
        let level = level.to_string();
        let facts = certificate(&[("issue_date", date.as_str()), ("level", level.as_str())]);
        let regions = Values::new([("work_region", region), ("activity_region", "330106")]);
        let revoked = revoked.map(|month| status(1, Effect::Revoke, 20_240_000 + month * 100 + 1));
        Fact::read(&facts, &regions, revoked.as_slice())
    }
}

proptest! {
    /// Persons whose certificates change step by step, against counting the outcome alone.
    #[test]
    fn steps_and_a_recount_are_the_same(
        lives in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(facts(), 0..4), 1..4),
            1..8,
        ),
        order in any::<prop::sample::Index>(),
    ) {
        let mut steps = Vec::new();
        let mut recount = Deltas::default();
        for states in &lives {
            let mut before = Life::default();
            for state in states {
                let after = Life::of_person(state.iter().flatten().cloned());
                steps.push((before, after.clone()));
                before = after;
            }
            Life::change(&Life::default(), &before, &mut recount);
        }
        let turn = order.index(steps.len());
        steps.rotate_left(turn);
        let mut kept = Cells::default();
        for (before, after) in steps {
            let mut deltas = Deltas::default();
            Life::change(&before, &after, &mut deltas);
            kept.apply(deltas);
        }
        let mut counted = Cells::default();
        counted.apply(recount);
        prop_assert_eq!(&kept, &counted);

        let asked = query(&[]);
        let total = counted.ask(&asked).total;
        for by in [Dimension::Province, Dimension::City, Dimension::County, Dimension::Occupation] {
            let table = counted.ask(&Query { by: [by].into(), ..asked.clone() });
            prop_assert_eq!(&table.total, &total);
            let sum: u64 = table.rows.iter().map(|row| row.certificates).sum();
            prop_assert_eq!(sum, total.certificates);
            let sum: u64 = table.rows.iter().map(|row| row.persons).sum();
            prop_assert_eq!(sum, total.persons);
        }
        let persons = lives.iter().filter(|states| {
            let last = states.last().unwrap();
            last.iter().flatten().any(|fact| fact.is_in_force(month(202_612)))
        });
        prop_assert_eq!(total.persons, persons.count() as u64);
    }
}
