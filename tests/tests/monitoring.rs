//! What stands out is told by every member alike, with its leaves, and goes with what is erased.

use std::sync::Arc;

use huren_core::{
    codes::{Date, Region},
    monitoring::AlertRule,
};
use huren_node::engine::{AlertsQuery, Engine, MonitoringError};
use huren_proto::v1::{self, Kind, submit_request::Body};
use huren_tests::{
    Federation, Honest, Lie, REGIONS, certificate_in, change_in, erasure_in, origin,
    registers::{entry, institution, submit},
};

const HOME: Region = Region::ZHEJIANG;
const SHANGHAI: Region = Region::SHANGHAI;
/// As in the certificates of the harness.
const CODE: &str = "S000033010006";
const DAY: u32 = 20_240_301;

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

/// A certificate of that day, of the person with that passport, assessed in that region.
fn issued(of: Region, serial: u32, passport: &str, activity: &str) -> v1::SubmitRequest {
    let mut request = certificate_in(of, serial);
    let Some(Body::Certificate(certificate)) = &mut request.body else {
        unreachable!("a certificate");
    };
    for field in certificate
        .groups
        .iter_mut()
        .flat_map(|group| &mut group.fields)
    {
        match field.name.as_str() {
            "id_kind" => field.value = "passport".into(),
            "id_number" => field.value = passport.into(),
            "issue_date" => field.value = "2024-03-01".into(),
            _ => {}
        }
    }
    certificate.groups.push(v1::GroupValues {
        group: v1::Group::Statistics as i32,
        fields: vec![v1::Field {
            name: "activity_region".into(),
            value: activity.into(),
        }],
    });
    request
}

fn date(number: u32) -> Date {
    Date::from_yyyymmdd(number).expect("a day")
}

fn march(region: Region) -> AlertsQuery {
    AlertsQuery {
        region,
        period: date(DAY)..=date(20_240_331),
        institution: None,
        after: String::new(),
        institutions: 20,
    }
}

/// Rules and indexes of the home province's alerts, once a member has counted all of it.
async fn told(federation: &Federation, at: Region) -> Vec<(AlertRule, Vec<(Region, u64)>)> {
    for of in [HOME, SHANGHAI] {
        let size = federation.entry(of, of).state.head.size;
        let counted = async |engine: &Engine| {
            let counted = engine.counted().await.expect("a store");
            counted.get(&origin(of)).is_some_and(|at| *at >= size)
        };
        federation.until_found(at, counted).await;
    }
    let page = federation.engine(at).alerts(&march(HOME)).await;
    let alerts = page.expect("an answer").alerts.into_iter();
    let alerts = alerts.map(|(institution, alert)| {
        assert_eq!((institution.as_str(), alert.day), (CODE, date(DAY)));
        let region = |name| [HOME, SHANGHAI].into_iter().find(|of| origin(*of) == name);
        let leaves = alert.leaves.into_iter();
        let leaves = leaves.map(|(name, index)| (region(name).expect("a member"), index));
        (alert.rule, leaves.collect())
    });
    alerts.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_in_two_cities_is_told_by_every_member_until_it_is_erased() {
    let federation = Federation::start(|_| huren_tests::store(), honest).await;
    submit(&federation, HOME, issued(HOME, 1, "E10000001", "330106")).await;
    submit(&federation, HOME, issued(HOME, 2, "E10000002", "330106")).await;
    assert_eq!(told(&federation, HOME).await, []);
    submit(
        &federation,
        SHANGHAI,
        issued(SHANGHAI, 1, "E10000001", "310104"),
    )
    .await;
    // Of a third person one that was loaded later.
    let mut old = issued(HOME, 3, "E10000003", "330106");
    old.provenance = v1::Provenance::Backfilled.into();
    submit(&federation, HOME, old).await;
    submit(
        &federation,
        SHANGHAI,
        issued(SHANGHAI, 2, "E10000003", "310104"),
    )
    .await;

    let expected = [(AlertRule::TwoCities, vec![(SHANGHAI, 1), (HOME, 1)])];
    for at in [HOME, SHANGHAI, Region::ANHUI] {
        assert_eq!(told(&federation, at).await, expected, "at {at}");
    }
    // Nor does old stock raise anything about what is new.
    let page = federation.engine(SHANGHAI).alerts(&march(SHANGHAI)).await;
    let first = (origin(SHANGHAI), 1);
    let alerts = page.expect("an answer").alerts;
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].1.leaves.contains(&first));
    submit(&federation, SHANGHAI, erasure_in(SHANGHAI, 1)).await;
    assert_eq!(told(&federation, HOME).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_corrected_is_another_day_s_and_plans_end_alerts() {
    let federation = Federation::start(|_| huren_tests::store(), honest).await;
    submit(&federation, HOME, issued(HOME, 1, "E10000001", "330106")).await;
    let plan = |institution: &str| v1::AnnualPlan {
        institution: institution.into(),
        region: "33".into(),
        year: 2024,
        sessions: vec![v1::PlannedSession {
            number: 1,
            occupation_edition: 2022,
            occupation: "4-03-02-01".into(),
            level_from: 2,
            level_to: 5,
            site_region: "330106".into(),
            first_day: 20_240_201,
            last_day: 20_240_202,
            mode: v1::SessionMode::Paper.into(),
            daily_capacity: 10,
        }],
        state: v1::PlanState::Published.into(),
    };
    // Nobody's plan is known, so nothing lacks one.
    assert_eq!(told(&federation, HOME).await, []);
    let of_plan = |plan: &v1::AnnualPlan| entry(HOME, Kind::AnnualPlan, 20_240_101, plan);
    submit(&federation, HOME, of_plan(&plan("S000033010007"))).await;
    let without = vec![(AlertRule::NoPlan, vec![(HOME, 1)])];
    assert_eq!(told(&federation, HOME).await, without);

    let mut correction = change_in(HOME, v1::StatusAction::Correct, 1);
    let Some(Body::Status(change)) = &mut correction.body else {
        unreachable!("a change");
    };
    let Some(Body::Certificate(certificate)) = issued(HOME, 1, "E10000001", "330106").body else {
        unreachable!("a certificate");
    };
    let mut groups = certificate.groups.into_iter();
    let mut group = groups
        .find(|group| group.group() == v1::Group::Certificate)
        .expect("a group");
    let mut day = group
        .fields
        .iter_mut()
        .filter(|field| field.name == "issue_date");
    day.next().expect("a day").value = "2024-02-28".into();
    change.replaced = vec![group];
    submit(&federation, HOME, correction).await;
    assert_eq!(told(&federation, HOME).await, []);

    submit(&federation, HOME, issued(HOME, 2, "E10000002", "330106")).await;
    let second = told(&federation, HOME).await;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].0, AlertRule::NoPlan);
    submit(&federation, HOME, of_plan(&plan(CODE))).await;
    assert_eq!(told(&federation, HOME).await, []);
}

/// How many passed is told of the session's day, of institutions without any certificate too; what
/// was entered anew counts, and what was loaded later does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pass_rates_are_told_by_every_member() {
    let federation = Federation::start(|_| huren_tests::store(), honest).await;
    let result = |session: u32, passed: u32| {
        let result = v1::SessionResult {
            institution: CODE.into(),
            region: "33".into(),
            year: 2024,
            session,
            occupation_edition: 2022,
            occupation: "4-03-02-01".into(),
            level: 4,
            held_on: DAY,
            examined: 40,
            passed,
        };
        entry(HOME, Kind::SessionResult, DAY, &result)
    };
    submit(&federation, HOME, result(1, 40)).await;
    let mut old = result(2, 40);
    old.provenance = v1::Provenance::Backfilled.into();
    submit(&federation, HOME, old).await;
    submit(&federation, HOME, result(3, 30)).await;
    for at in [HOME, SHANGHAI] {
        let first = vec![(AlertRule::PassRate, vec![(HOME, 1)])];
        assert_eq!(told(&federation, at).await, first, "at {at}");
    }
    submit(&federation, HOME, result(1, 36)).await;
    submit(&federation, HOME, result(3, 0)).await;
    for at in [HOME, SHANGHAI] {
        let third = vec![(AlertRule::PassRate, vec![(HOME, 5)])];
        assert_eq!(told(&federation, at).await, third, "at {at}");
    }
}

/// What a backup brought back is not shown before it is known what was erased since, neither as
/// an alert of that log nor as a holder's other certificate; nor is it counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_restored_raises_nothing_before_it_has_caught_up() {
    let mut federation = Federation::start(|_| huren_tests::store(), honest).await;
    submit(&federation, HOME, issued(HOME, 1, "E10000001", "330106")).await;
    let there = issued(SHANGHAI, 1, "E10000001", "310104");
    submit(&federation, SHANGHAI, there).await;
    let at = Region::ANHUI;
    assert_eq!(told(&federation, at).await.len(), 1);

    for region in REGIONS {
        federation.stop(region).await;
    }
    let store = federation.store(at);
    let marked = store.put_restored(&origin(SHANGHAI), Some(1)).await;
    marked.expect("a store");
    federation.open(at).await.expect("an engine");
    let engine = federation.engine(at);
    let page = engine.alerts(&march(HOME)).await.expect("an answer");
    assert_eq!(page.alerts, [], "the other certificate is withheld");
    let refused = engine.alerts(&march(SHANGHAI)).await;
    assert!(matches!(refused, Err(MonitoringError::Withheld)));

    for region in REGIONS.into_iter().filter(|region| *region != at) {
        federation.open(region).await.expect("an engine");
    }
    let shown = |engine: &Engine| engine.withheld().is_empty();
    federation.until(at, shown).await;
    assert_eq!(told(&federation, at).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn institutions_come_page_by_page_and_bad_questions_are_refused() {
    let federation = Federation::start(|_| huren_tests::store(), honest).await;
    submit(&federation, HOME, issued(HOME, 1, "E10000001", "330106")).await;
    submit(
        &federation,
        SHANGHAI,
        issued(SHANGHAI, 1, "E10000001", "310104"),
    )
    .await;
    let all = told(&federation, HOME).await;
    assert_eq!(all.len(), 1);
    let engine = federation.engine(HOME);
    let mut query = AlertsQuery {
        institutions: 1,
        ..march(HOME)
    };
    let mut found = Vec::new();
    let mut pages = 0;
    loop {
        let page = engine.alerts(&query).await.expect("an answer");
        found.extend(page.alerts);
        pages += 1;
        if page.next.is_empty() {
            break;
        }
        assert!(page.next > query.after, "it goes on");
        query.after = page.next;
    }
    assert_eq!((found.len(), pages > 1), (1, true));
    let of_other = AlertsQuery {
        institution: Some("S000033010007".into()),
        ..march(HOME)
    };
    let page = engine.alerts(&of_other).await.expect("an answer");
    assert!(page.alerts.is_empty() && page.next.is_empty());

    let long = AlertsQuery {
        period: date(DAY)..=date(20_240_401),
        ..march(HOME)
    };
    let refused = engine.alerts(&long).await;
    assert!(matches!(refused, Err(MonitoringError::Period)));
    let backwards = AlertsQuery {
        period: date(DAY + 1)..=date(DAY),
        ..march(HOME)
    };
    let refused = engine.alerts(&backwards).await;
    assert!(matches!(refused, Err(MonitoringError::Period)));
    // A city asks about the institutions that its directory has there, once there is one.
    let [hangzhou, ningbo] = ["3301", "3302"].map(|code| Region::parse(code).expect("a city"));
    let of_city = async |city: Region| {
        let page = engine.alerts(&march(city)).await.expect("an answer");
        page.alerts.len()
    };
    assert_eq!((of_city(hangzhou).await, of_city(ningbo).await), (0, 0));
    let listed = institution(v1::InstitutionState::Active, 20_200_101);
    submit(&federation, HOME, listed).await;
    assert_eq!((of_city(hangzhou).await, of_city(ningbo).await), (1, 0));
    let beijing = Region::parse("11").expect("a region");
    let refused = engine.alerts(&march(beijing)).await;
    assert!(matches!(refused, Err(MonitoringError::Province)));
}
