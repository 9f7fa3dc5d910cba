//! Sites with two supervisors.

use huren_proto::v1::{Institution, Site, SiteState, SiteSupervisor};

use super::{
    super::{Dated, sites::has_site_in},
    REGION, accept, newer, refuse, samples,
};
use crate::codes::{Date, Region};

#[test]
fn sites() {
    let s = samples::site;
    refuse(
        s,
        |e| e.institution.clear(),
        &[("institution", "FIELD_MISSING")],
    );
    refuse(
        s,
        |e| e.site_region = "1".into(),
        &[("site_region", REGION)],
    );
    refuse(s, |e| e.number = 0, &[("number", "NUMBER_RANGE")]);
    refuse(s, |e| e.name.clear(), &[("name", "FIELD_MISSING")]);
    refuse(s, |e| e.region.clear(), &[("region", "FIELD_MISSING")]);
    refuse(
        s,
        |e| e.region = "3301".into(),
        &[("region", "SITE_ELSEWHERE")],
    );
    accept(s, |e| {
        e.region = "3301".into();
        e.supervisor = SiteSupervisor::Selecting.into();
    });
    newer(s, |e| e.supervisor = 3, "supervisor");
    refuse(s, |e| e.agreed_on = 0, &[("agreed_on", "FIELD_MISSING")]);
    newer(s, |e| e.state = 3, "state");
    // Another province's institution: each supervisor writes into its own log.
    accept(s, |e| e.institution = "S000031010006".into());
}

fn dated(index: u64, effective_date: u32, entry: Site) -> Dated<Site> {
    Dated {
        index,
        effective_date,
        entry,
    }
}

#[test]
fn a_site_counts_once_both_supervisors_agree() {
    let institution = Institution {
        home_region: "330106".into(),
        selecting_region: "3301".into(),
        site_regions: vec!["330108".into()],
        ..Institution::default()
    };
    let local = samples::site();
    let selecting = Site {
        region: "3301".into(),
        supervisor: SiteSupervisor::Selecting.into(),
        ..local.clone()
    };
    let has = |logs: &[Vec<Dated<Site>>], activity: &str, day: u32| {
        let activity = Region::parse(activity).unwrap();
        let day = Date::from_yyyymmdd(day).unwrap();
        has_site_in(&institution, logs, activity, day)
    };
    for own in ["330106", "330108"] {
        assert!(has(&[], own, 20_240_601));
    }
    assert!(!has(&[], "330206", 20_240_601));
    let one = |entry: &Site| vec![dated(1, 20_240_110, entry.clone())];
    assert!(!has(&[one(&local)], "330206", 20_240_601), "one of them");
    assert!(!has(&[one(&selecting)], "330206", 20_240_601), "the other");
    let both = [one(&local), one(&selecting)];
    assert!(has(&both, "330206", 20_240_601));
    assert!(!has(&both, "330206", 20_240_109), "before");
    assert!(!has(&both, "330212", 20_240_601), "elsewhere");
    // Another site, another department, and one that agrees no more.
    let changed = |change: fn(&mut Site)| {
        let mut entry = selecting.clone();
        change(&mut entry);
        [one(&local), one(&entry)]
    };
    assert!(!has(&changed(|s| s.number = 2), "330206", 20_240_601));
    assert!(!has(
        &changed(|s| s.region = "3302".into()),
        "330206",
        20_240_601
    ));
    assert!(has(
        &changed(|s| s.region = "33".into()),
        "330206",
        20_240_601
    ));
    let mut ended = both.clone();
    let withdrawn = Site {
        state: SiteState::Withdrawn.into(),
        ..local
    };
    ended[0].push(dated(2, 20_250_101, withdrawn));
    assert!(has(&ended, "330206", 20_241_231));
    assert!(!has(&ended, "330206", 20_250_101));
}
