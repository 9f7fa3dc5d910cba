//! The rules, each over all that is known of an institution.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use huren_proto::v1::{AnnualPlan, PlanState, PlannedSession, SessionResult};

use super::{Alert, AlertRule, Issued, Known, MAX_LEAVES, Settings};
use crate::{
    codes::{Date, Region},
    registry::{
        crosswalk::{OccupationKey, occupation_key},
        held, in_force,
        sites::has_site_in,
    },
    statistics::Place,
};

/// Days that a day is compared with: all of them are known, whatever the period.
pub(super) const DAYS_BEFORE: i32 = 365;

/// Days are told apart, and within them what a certificate is for.
type ByDay<'a> = BTreeMap<Date, Vec<&'a Issued>>;

pub(super) fn all(known: &Known, period: &RangeInclusive<Date>, settings: &Settings) -> Vec<Alert> {
    let mut fresh: ByDay<'_> = BTreeMap::new();
    for issued in known.issued.iter().filter(|issued| !issued.is_backfilled) {
        fresh.entry(issued.day).or_default().push(issued);
    }
    let mut alerts = gaps(known, period, settings);
    for (day, of_day) in fresh.range(period.clone()) {
        alerts.extend(burst(&fresh, *day, settings));
        alerts.extend(planned(known, &fresh, *day));
        alerts.extend(outside(known, *day, of_day));
    }
    alerts.extend(two_cities(known, period));
    alerts.extend(pass_rates(known, period, settings));
    alerts
}

fn alert(
    rule: AlertRule,
    day: Date,
    leaves: impl IntoIterator<Item = Place>,
    about: impl IntoIterator<Item = (&'static str, String)>,
) -> Alert {
    let leaves: BTreeSet<Place> = leaves.into_iter().collect();
    Alert {
        day,
        rule,
        about: about.into_iter().collect(),
        leaf_count: leaves.len() as u64,
        leaves: leaves.into_iter().take(MAX_LEAVES).collect(),
    }
}

fn places<'a>(issued: impl IntoIterator<Item = &'a &'a Issued>) -> impl Iterator<Item = Place> {
    issued.into_iter().map(|issued| issued.place.clone())
}

/// Compared with the mean of the days of issue before: who has none is not compared.
fn burst(fresh: &ByDay<'_>, day: Date, settings: &Settings) -> Option<Alert> {
    let of_day = fresh.get(&day)?;
    let number = of_day.len() as u64;
    let before = fresh.range(day.plus_days(-DAYS_BEFORE)..day);
    let (days, total) = before.fold((0_u64, 0_u64), |(days, total), (_, issued)| {
        (days + 1, total + issued.len() as u64)
    });
    let stands_out = number >= settings.burst_fewest
        && days >= settings.usual_days
        && number.saturating_mul(days) > total.saturating_mul(settings.burst_times);
    stands_out.then(|| {
        let about = [
            ("issued", number.to_string()),
            ("days_before", days.to_string()),
            ("issued_before", total.to_string()),
        ];
        alert(AlertRule::Burst, day, places(of_day), about)
    })
}

/// By occupation and level: whether there was a session, and whether sessions until then could
/// take as many. Certificates come after sessions, so those of a year are compared with all days
/// of its sessions until then, not with one day.
fn planned(known: &Known, fresh: &ByDay<'_>, day: Date) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let year = u32::from(day.year());
    // A register that began within the year may lack plans of that year: it says nothing then.
    let begins = year * 10_000 + 101;
    if known.plans_from.is_none_or(|from| from > begins) {
        return alerts;
    }
    let published = in_force(&known.plans, day)
        .into_iter()
        .filter(|plan| plan.state() == PlanState::Published);
    // What was assessed in December may be certified in January.
    let sessions = |year: u32| {
        let of_year = published
            .clone()
            .filter(move |plan: &&AnnualPlan| plan.year == year);
        of_year.flat_map(|plan| &plan.sessions)
    };
    let mut kinds: BTreeMap<(&OccupationKey, u32), Vec<&Issued>> = BTreeMap::new();
    for issued in fresh.get(&day).into_iter().flatten() {
        let kind = (&issued.occupation, issued.level);
        kinds.entry(kind).or_default().push(issued);
    }
    for ((occupation, level), issued) in kinds {
        let names = known.crosswalk.containing(occupation.clone());
        let is_for = |session: &&PlannedSession| {
            let planned = occupation_key(session.occupation_edition, &session.occupation);
            session.first_day <= day.as_yyyymmdd()
                && names.contains(&planned)
                && (session.level_from..=session.level_to).contains(&level)
        };
        let about = || {
            [
                ("occupation", format!("{}:{}", occupation.0, occupation.1)),
                ("level", level.to_string()),
            ]
        };
        let of_year: Vec<&PlannedSession> = sessions(year).filter(is_for).collect();
        if of_year.is_empty() {
            if !sessions(year - 1).any(|session| is_for(&session)) {
                alerts.push(alert(AlertRule::NoPlan, day, places(&issued), about()));
            }
            continue;
        }
        let first = of_year.iter().map(|session| session.first_day).min();
        let capacity: u64 = of_year.iter().map(|session| seats(session, day)).sum();
        let until = fresh.range(..=day).flat_map(|(_, issued)| issued);
        let until: Vec<&Issued> = until
            .filter(|issued| Some(issued.day.as_yyyymmdd()) >= first)
            .filter(|issued| (&issued.occupation, issued.level) == (occupation, level))
            .copied()
            .collect();
        if until.len() as u64 > capacity {
            let more = [
                ("issued", until.len().to_string()),
                ("capacity", capacity.to_string()),
            ];
            let about = about().into_iter().chain(more);
            alerts.push(alert(AlertRule::OverCapacity, day, places(&until), about));
        }
    }
    alerts
}

/// How many candidates a session could take until the end of a day.
fn seats(session: &PlannedSession, day: Date) -> u64 {
    let last = Date::from_yyyymmdd(session.last_day.min(day.as_yyyymmdd()));
    let days = Date::from_yyyymmdd(session.first_day)
        .ok()
        .zip(last.ok())
        .map_or(0, |(first, last)| last.days_since(first) + 1);
    u64::try_from(days).unwrap_or_default() * u64::from(session.daily_capacity)
}

/// Where the institution has no site on the day of issue.
fn outside(known: &Known, day: Date, of_day: &[&Issued]) -> Vec<Alert> {
    let Some(entry) = held(&known.directory, day) else {
        return Vec::new();
    };
    let mut strays: BTreeMap<Region, Vec<&Issued>> = BTreeMap::new();
    for issued in of_day {
        let Some(activity) = issued.activity else {
            continue;
        };
        if !has_site_in(&entry.entry, known.sites.values(), activity, day) {
            strays.entry(activity).or_default().push(issued);
        }
    }
    let stray = |(region, issued): (Region, Vec<&Issued>)| {
        let about = [("activity_region", region.to_string())];
        alert(AlertRule::SiteOutside, day, places(&issued), about)
    };
    strays.into_iter().map(stray).collect()
}

/// Serials that nothing carries, between two that something does: of the day of the later one.
fn gaps(known: &Known, period: &RangeInclusive<Date>, settings: &Settings) -> Vec<Alert> {
    let mut series: BTreeMap<&str, BTreeMap<u32, &Issued>> = BTreeMap::new();
    for issued in &known.issued {
        if let Some((within, serial)) = &issued.serial {
            series.entry(within).or_default().insert(*serial, issued);
        }
    }
    let mut alerts = Vec::new();
    for (within, serials) in series {
        let after = serials.iter().skip(1);
        for ((before, left), (next, right)) in serials.iter().zip(after) {
            let missing = next - before - 1;
            if missing >= settings.gap_fewest && period.contains(&right.day) && !right.is_backfilled
            {
                let about = [
                    ("series", within.to_owned()),
                    ("after", before.to_string()),
                    ("before", next.to_string()),
                    ("missing", missing.to_string()),
                ];
                let ends = places([left, right]);
                alerts.push(alert(AlertRule::SerialGap, right.day, ends, about));
            }
        }
    }
    alerts
}

/// Each pair of cities of a day, with all that the holder got there.
fn two_cities(known: &Known, period: &RangeInclusive<Date>) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let mut told = BTreeSet::new();
    let own = known.issued.iter().filter(|own| period.contains(&own.day));
    for own in own.filter(|own| !own.is_backfilled) {
        let (Some(city), Some(others)) = (own.city(), known.elsewhere.get(&own.place)) else {
            continue;
        };
        let others = others.iter().filter(|other| other.day == own.day);
        let others: Vec<&Issued> = others
            .filter(|other| other.city().is_some_and(|other| other != city))
            .collect();
        let mut cities: BTreeSet<Region> = others.iter().filter_map(|o| o.city()).collect();
        if cities.is_empty() {
            continue;
        }
        cities.insert(city);
        let cities: Vec<String> = cities.iter().map(ToString::to_string).collect();
        let leaves = places(&others).chain([own.place.clone()]);
        let about = [("cities", cities.join(" "))];
        let found = alert(AlertRule::TwoCities, own.day, leaves, about);
        // Both may be this institution's.
        if told.insert(found.leaves.clone()) {
            alerts.push(found);
        }
    }
    alerts
}

/// Of the last day of a session. Of few people chance may pass all or none.
fn pass_rates(known: &Known, period: &RangeInclusive<Date>, settings: &Settings) -> Vec<Alert> {
    let implausible = |(place, result): &(Place, SessionResult)| {
        let day = Date::from_yyyymmdd(result.held_on).ok()?;
        let (examined, passed) = (u64::from(result.examined), u64::from(result.passed) * 100);
        let plausible =
            examined * settings.pass_least_percent..=examined * settings.pass_most_percent;
        if !period.contains(&day)
            || result.examined < settings.pass_fewest
            || plausible.contains(&passed)
        {
            return None;
        }
        let occupation = format!("{}:{}", result.occupation_edition, result.occupation);
        let about = [
            ("session", format!("{}/{}", result.year, result.session)),
            ("occupation", occupation),
            ("level", result.level.to_string()),
            ("examined", result.examined.to_string()),
            ("passed", result.passed.to_string()),
        ];
        Some(alert(AlertRule::PassRate, day, [place.clone()], about))
    };
    known.results.iter().filter_map(implausible).collect()
}
