use std::str::FromStr as _;

use huren_proto::v1::{
    Institution, OccupationCatalogue, OccupationCrosswalk, OccupationRelation, PlanState,
    PlannedSession,
};
use proptest::prelude::*;

use super::*;
use crate::checkpoint::Origin;

fn date(number: u32) -> Date {
    Date::from_yyyymmdd(number).unwrap()
}

fn place(index: u64) -> Place {
    (Origin::from_str("huren.example/log/33").unwrap(), index)
}

const DAY: u32 = 20_260_601;

fn on(index: u64, day: u32) -> Issued {
    Issued {
        place: place(index),
        day: date(day),
        occupation: (2022, "6-31-01-03".into()),
        level: 4,
        activity: Region::parse("330106").ok(),
        serial: None,
        is_backfilled: false,
    }
}

fn june() -> RangeInclusive<Date> {
    date(20_260_601)..=date(20_260_630)
}

fn told(known: &Known) -> Vec<Alert> {
    alerts(known, &june(), Settings::built_in())
}

fn codes(known: &Known) -> Vec<&'static str> {
    told(known)
        .iter()
        .map(|alert| alert.rule.text().code.as_str())
        .collect()
}

/// Ten certificates on each of five days, then so many on one.
fn burst(number: u64) -> Known {
    let before = (0..50).map(|i| on(i, 20_260_501 + u32::try_from(i % 5).unwrap()));
    let mut issued: Vec<Issued> = before
        .chain((50..50 + number).map(|i| on(i, DAY)))
        .collect();
    issued.sort_by_key(|issued| (issued.day, issued.place.clone()));
    Known {
        issued,
        ..Known::default()
    }
}

#[test]
fn every_rule_has_its_code_and_sentences() {
    for rule in AlertRule::ALL {
        let text = rule.text();
        let read: AlertRule = serde_json::from_value(text.code.clone().into()).unwrap();
        assert_eq!(read, rule);
        assert!(text.zh.ends_with('。') && text.en.ends_with('.'));
    }
    assert_eq!(Settings::built_in().rules.len(), AlertRule::ALL.len());
}

#[test]
fn settings_that_lack_a_rule_are_refused() {
    assert!(data::settings::<Settings>(FILE).is_ok());
    let unknown = FILE.replace("\"BURST\"", "\"BURSTS\"");
    let twice = FILE.replace("\"NO_PLAN\"", "\"BURST\"");
    for refused in [unknown, twice] {
        assert!(data::settings::<Settings>(&refused).is_err());
    }
}

#[test]
fn a_burst_is_many_more_than_usual() {
    assert_eq!(codes(&burst(50)), [""; 0], "five times as many");
    let known = burst(51);
    let alerts = told(&known);
    assert_eq!(codes(&known), ["BURST"]);
    assert_eq!(alerts[0].leaf_count, 51);
    assert_eq!(alerts[0].leaves[0], place(50));
    assert_eq!(alerts[0].about["issued_before"], "50");
    // Many are named by their number, and not all by their places.
    assert_eq!(told(&burst(300))[0].leaves.len(), MAX_LEAVES);
    assert_eq!(told(&burst(300))[0].leaf_count, 300);
    // A new institution has no usual day.
    let first = Known {
        issued: (0..500).map(|i| on(i, DAY)).collect(),
        ..Known::default()
    };
    assert_eq!(codes(&first), [""; 0]);
}

#[test]
fn an_alert_of_a_day_is_the_same_in_any_period() {
    let mut known = burst(51);
    // More than a year ago there were days of many.
    let long_ago = (1_000..1_400).map(|i| on(i, 20_250_531));
    known.issued.splice(0..0, long_ago);
    assert_eq!(codes(&known), ["BURST"]);
    let day = date(DAY)..=date(DAY);
    assert_eq!(alerts(&known, &day, Settings::built_in()), told(&known));
}

#[test]
fn old_stock_raises_nothing() {
    let mut known = burst(500);
    for issued in &mut known.issued {
        issued.is_backfilled = issued.day == date(DAY);
        issued.serial = Some(("S".into(), u32::try_from(issued.place.1).unwrap() * 1_000));
    }
    known.plans_from = Some(20_260_101);
    assert_eq!(codes(&known), [""; 0]);
}

fn session(first_day: u32, last_day: u32, capacity: u32) -> PlannedSession {
    PlannedSession {
        number: 1,
        occupation_edition: 2022,
        occupation: "6-31-01-03".into(),
        level_from: 3,
        level_to: 5,
        site_region: "330106".into(),
        first_day,
        last_day,
        daily_capacity: capacity,
        ..PlannedSession::default()
    }
}

fn plan(year: u32, sessions: Vec<PlannedSession>) -> Dated<AnnualPlan> {
    let entry = AnnualPlan {
        institution: "S000133000001".into(),
        region: "33".into(),
        year,
        sessions,
        state: PlanState::Published.into(),
    };
    Dated {
        index: u64::from(year),
        effective_date: year * 10_000 + 101,
        entry,
    }
}

#[test]
fn without_a_session_for_it_there_is_no_plan() {
    let of_plan = |plans: Vec<Dated<AnnualPlan>>| Known {
        issued: vec![on(1, DAY)],
        plans,
        plans_from: Some(20_241_201),
        ..Known::default()
    };
    assert_eq!(codes(&of_plan(vec![])), ["NO_PLAN"]);
    let planned = session(20_260_520, 20_260_522, 10);
    assert_eq!(
        codes(&of_plan(vec![plan(2026, vec![planned.clone()])])),
        [""; 0]
    );
    let later = session(20_260_602, 20_260_603, 10);
    assert_eq!(codes(&of_plan(vec![plan(2026, vec![later])])), ["NO_PLAN"]);
    let other = PlannedSession {
        level_to: 3,
        ..planned.clone()
    };
    assert_eq!(codes(&of_plan(vec![plan(2026, vec![other])])), ["NO_PLAN"]);
    // What was assessed last year.
    let december = session(20_251_220, 20_251_221, 10);
    assert_eq!(codes(&of_plan(vec![plan(2025, vec![december])])), [""; 0]);
    let mut withdrawn = plan(2026, vec![planned]);
    withdrawn.entry.state = PlanState::Withdrawn.into();
    assert_eq!(codes(&of_plan(vec![withdrawn])), ["NO_PLAN"]);
    // A log that has no plans says nothing.
    let unknown = Known {
        plans_from: None,
        ..of_plan(vec![])
    };
    assert_eq!(codes(&unknown), [""; 0]);
    let later = Known {
        plans_from: Some(20_260_102),
        ..of_plan(vec![])
    };
    assert_eq!(codes(&later), [""; 0]);
}

/// A plan may name the occupation alone, or as another edition does.
#[test]
fn a_session_is_for_jobs_and_through_the_editions() {
    let planned = |edition: u32, code: &str| {
        let session = PlannedSession {
            occupation_edition: edition,
            occupation: code.into(),
            ..session(20_260_520, 20_260_522, 10)
        };
        Known {
            issued: vec![Issued {
                occupation: occupation_key(2022, "6-31-01-03-001"),
                ..on(1, DAY)
            }],
            plans: vec![plan(2026, vec![session])],
            plans_from: Some(20_241_201),
            ..Known::default()
        }
    };
    assert_eq!(codes(&planned(2022, "6-31-01-03")), [""; 0]);
    let mut old = planned(2015, "6-07-06-05");
    assert_eq!(codes(&old), ["NO_PLAN"]);
    let catalogue = OccupationCatalogue {
        edition: 2022,
        crosswalk: vec![OccupationCrosswalk {
            from_edition: 2015,
            from: "6-07-06-05".into(),
            to: "6-31-01-03".into(),
            relation: OccupationRelation::Same.into(),
        }],
        ..OccupationCatalogue::default()
    };
    let rows = [Dated {
        index: 1,
        effective_date: 20_270_101,
        entry: catalogue,
    }];
    old.crosswalk = Arc::new(Crosswalk::as_of(&rows, Date::MAX));
    assert_eq!(codes(&old), [""; 0]);
}

#[test]
fn more_than_sessions_can_take_are_over_capacity() {
    // Three days until the day of issue, of four.
    let plans = vec![plan(2026, vec![session(20_260_530, 20_260_602, 2)])];
    let of = |number: u64| Known {
        issued: (0..number).map(|i| on(i, DAY)).collect(),
        plans: plans.clone(),
        plans_from: Some(20_260_101),
        ..Known::default()
    };
    assert_eq!(codes(&of(6)), [""; 0]);
    let alerts = told(&of(7));
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].rule, AlertRule::OverCapacity);
    assert_eq!(alerts[0].about["capacity"], "6");
    assert_eq!(alerts[0].leaf_count, 7);
    // What was issued before counts too: all of it explains the alert.
    let mut known = of(4);
    known.issued.extend((10..15).map(|i| on(i, 20_260_602)));
    let alerts = told(&known);
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].day, alerts[0].leaf_count), (date(20_260_602), 9));
}

#[test]
fn a_place_without_a_site_is_outside() {
    let institution = Dated {
        index: 1,
        effective_date: 20_250_101,
        entry: Institution {
            home_region: "3302".into(),
            site_regions: vec!["330108".into()],
            ..Institution::default()
        },
    };
    let mut known = Known {
        issued: vec![on(1, DAY), on(2, DAY), on(3, DAY)],
        directory: vec![institution],
        ..Known::default()
    };
    known.issued[1].activity = Region::parse("330206").ok();
    known.issued[2].activity = None;
    let alerts = told(&known);
    assert_eq!(codes(&known), ["SITE_OUTSIDE"]);
    assert_eq!(alerts[0].leaves, [place(1)]);
    assert_eq!(alerts[0].about["activity_region"], "330106");
    // Without a directory of that day nothing is said.
    known.directory[0].effective_date = 20_260_701;
    assert_eq!(codes(&known), [""; 0]);
}

#[test]
fn missing_serials_are_a_gap_on_the_day_of_the_next() {
    let with = |serials: [u32; 2]| {
        let mut issued = vec![on(1, 20_260_501), on(2, DAY)];
        for (issued, serial) in issued.iter_mut().zip(serials) {
            issued.serial = Some(("S000133000001264".into(), serial));
        }
        Known {
            issued,
            ..Known::default()
        }
    };
    assert_eq!(codes(&with([5, 15])), [""; 0]);
    let alerts = told(&with([5, 16]));
    assert_eq!(alerts[0].rule, AlertRule::SerialGap);
    assert_eq!(alerts[0].about["missing"], "10");
    assert_eq!(alerts[0].leaves, [place(1), place(2)]);
    // The later number came first: the gap was another month's.
    assert_eq!(codes(&with([16, 5])), [""; 0]);
}

#[test]
fn serials_are_read_out_of_numbers() {
    assert_eq!(
        serial("Y000133020600243000001", "L"),
        Some(("Y000133020600243".to_owned(), 1)),
    );
    assert_eq!(serial("?", "L"), None);
}

#[test]
fn a_holder_in_two_cities_on_one_day_is_told_once() {
    let mut away = on(9, DAY);
    away.activity = Region::parse("3302").ok();
    let mut known = Known {
        issued: vec![on(1, DAY)],
        elsewhere: [(place(1), vec![away.clone()])].into(),
        ..Known::default()
    };
    let alerts = told(&known);
    assert_eq!(codes(&known), ["TWO_CITIES"]);
    assert_eq!(alerts[0].leaves, [place(1), place(9)]);
    assert_eq!(alerts[0].about["cities"], "3301 3302");
    // Both are the institution's own.
    known.issued.push(away);
    known.elsewhere.insert(place(9), vec![on(1, DAY)]);
    assert_eq!(codes(&known), ["TWO_CITIES"]);
    // Another county of the same city, another day.
    let mut near = on(9, DAY);
    near.activity = Region::parse("330108").ok();
    known.elsewhere = [(place(1), vec![near, on(9, DAY + 1)])].into();
    assert_eq!(codes(&known), [""; 0]);
}

#[test]
fn a_pass_rate_is_implausible_of_many_people() {
    let of = |examined: u32, passed: u32| Known {
        results: vec![(
            place(7),
            SessionResult {
                year: 2026,
                session: 3,
                occupation_edition: 2022,
                occupation: "6-31-01-03".into(),
                level: 4,
                held_on: DAY,
                examined,
                passed,
                ..SessionResult::default()
            },
        )],
        ..Known::default()
    };
    for (examined, passed) in [(100, 95), (100, 5), (29, 29), (29, 0), (0, 0)] {
        assert_eq!(
            codes(&of(examined, passed)),
            [""; 0],
            "{passed} of {examined}"
        );
    }
    for (examined, passed) in [(100, 96), (100, 4), (30, 30), (30, 0)] {
        assert_eq!(codes(&of(examined, passed)), ["PASS_RATE"]);
    }
    let alerts = told(&of(1_000_000, 1_000_000));
    assert_eq!(
        (alerts[0].day, &*alerts[0].leaves),
        (date(DAY), &[place(7)][..])
    );
    assert_eq!(alerts[0].about["session"], "2026/3");
    let mut earlier = of(100, 100);
    earlier.results[0].1.held_on = 20_260_531;
    assert_eq!(codes(&earlier), [""; 0]);
}

proptest! {
    /// Whatever certificates there are: alerts name leaves that are there, of the period, and
    /// are the same each time.
    #[test]
    fn alerts_rest_on_leaves_of_the_period(
        some in prop::collection::vec((0..60_u32, 0..4_u32, 0..200_u32, any::<bool>()), 0..100),
    ) {
        let issued = (0..).zip(some).map(|(index, (day, level, serial, is_backfilled))| Issued {
            day: date(20_260_501).plus_days(i32::try_from(day).unwrap()),
            level,
            serial: Some((level.to_string(), serial)),
            is_backfilled,
            ..on(index, DAY)
        });
        let mut issued: Vec<Issued> = issued.collect();
        issued.sort_by_key(|issued| (issued.day, issued.place.clone()));
        let known = Known {
            issued,
            plans: vec![plan(2026, vec![session(20_260_601, 20_260_610, 1)])],
            plans_from: Some(20_260_101),
            ..Known::default()
        };
        let alerts = told(&known);
        prop_assert_eq!(&alerts, &told(&known));
        for alert in alerts {
            prop_assert!(june().contains(&alert.day));
            let of_day = known.issued.iter().filter(|issued| issued.day == alert.day);
            let mut fresh = of_day.filter(|issued| !issued.is_backfilled);
            prop_assert!(fresh.any(|issued| alert.leaves.contains(&issued.place)));
        }
    }
}
