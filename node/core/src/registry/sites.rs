//! Where institutions assess: sites that the directory lists, and those that both of their
//! supervisors agree to (双方监管, 浙人社发〔2022〕16号 四(一)).

use huren_proto::v1::{Institution, Kind, Site, SiteState, SiteSupervisor};

use super::{Dated, Entry, Writers, fault::Fault, fields::Need::Required, in_force};
use crate::{
    codes::{Date, Region},
    submission::Faults,
};

impl Entry for Site {
    const KIND: Kind = Kind::Site;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        let Self {
            institution,
            site_region,
            number,
            region,
            ..
        } = self;
        format!("{institution}/{site_region}/{number}/{region}")
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.institution("institution", &mut self.institution, Required);
        let site = faults.region("site_region", &mut self.site_region, Required);
        faults.number("number", self.number.into(), 1..=9_999);
        faults.text("name", &mut self.name, Required);
        let region = faults.region("region", &mut self.region, Required);
        let supervisor = faults.choice("supervisor", self.supervisor, Required);
        let is_there = region
            .zip(site)
            .is_none_or(|(region, site)| region.contains(&site));
        if supervisor == Some(SiteSupervisor::Local) && !is_there {
            faults.push("region", &Fault::SiteElsewhere);
        }
        faults.date("agreed_on", self.agreed_on, Required);
        faults.choice::<SiteState>("state", self.state, Required);
    }
}

/// Whether an institution has a site in the region of an assessment on a day: its own region and
/// those that the directory lists count as they are, any other once both supervisors agree.
/// `agreed` are the entries about its sites, log by log.
pub fn has_site_in<'a>(
    institution: &Institution,
    agreed: impl IntoIterator<Item = &'a Vec<Dated<Site>>>,
    activity: Region,
    day: Date,
) -> bool {
    let contains =
        |code: &String| Region::parse(code).is_ok_and(|region| region.contains(&activity));
    let mut listed = institution
        .site_regions
        .iter()
        .chain([&institution.home_region]);
    if listed.any(contains) {
        return true;
    }
    let standing = agreed.into_iter().flat_map(|rows| in_force(rows, day));
    let here: Vec<&Site> = standing
        .filter(|site| site.state() == SiteState::Agreed && contains(&site.site_region))
        .collect();
    // Whoever selected it, or a department above.
    let selected = Region::parse(&institution.selecting_region).ok();
    let has_selected = |site: &Site| {
        let region = Region::parse(&site.region).ok();
        region
            .zip(selected)
            .is_some_and(|(region, own)| region.contains(&own))
    };
    here.iter().any(|local| {
        let same =
            |site: &&&Site| (&site.site_region, site.number) == (&local.site_region, local.number);
        local.supervisor() == SiteSupervisor::Local
            && here
                .iter()
                .filter(same)
                .any(|site| site.supervisor() == SiteSupervisor::Selecting && has_selected(site))
    })
}
