//! What a whole province adds to its certificates, and what it keeps of them for its directory.

use std::collections::BTreeMap;

use huren_core::codes::{Date, Occupation, Region};

use super::super::{people, random::Random, row::Row};

/// Certificates that were issued before this day may have been changed a year later.
pub(super) const LAST_CHANGED: &str = "2025-01-01";

/// The most occupations that the directory lists for an agency: what came later lies outside.
const MOST_OCCUPATIONS: usize = 300;

/// The members of the federation.
const MEMBERS: [Region; 4] = [
    Region::SHANGHAI,
    Region::JIANGSU,
    Region::ZHEJIANG,
    Region::ANHUI,
];

/// An occupation and its name.
pub(super) type Named = (Occupation, &'static str);

/// What was issued.
pub(super) struct Issued<'a> {
    random: Random,
    counties: Vec<Region>,
    qualified: &'a [Named],
    /// Agencies of vocational qualifications by their codes.
    pub(super) agencies: BTreeMap<String, Agency>,
    /// Counties that certified special abilities.
    pub(super) special: BTreeMap<Region, String>,
    /// The first and the last day of issue of each institution.
    pub(super) days: BTreeMap<String, (u32, u32)>,
    /// Every occupation that was certified, with its edition and name.
    pub(super) occupations: BTreeMap<String, (u16, String)>,
}

/// An agency that certified qualifications.
pub(super) struct Agency {
    pub(super) name: String,
    pub(super) county: Region,
    pub(super) occupations: BTreeMap<String, u16>,
}

impl<'a> Issued<'a> {
    /// Nothing yet. Qualifications are certified in occupations of the catalogue alone.
    pub(super) fn new(random: Random, qualified: &'a [Named]) -> Self {
        let counties = MEMBERS.into_iter().flat_map(people::counties);
        Self {
            random,
            counties: counties.collect(),
            qualified,
            agencies: BTreeMap::new(),
            special: BTreeMap::new(),
            days: BTreeMap::new(),
            occupations: BTreeMap::new(),
        }
    }

    /// Completes a certificate and keeps what the directory needs of it.
    pub(super) fn take(&mut self, row: &mut Row) -> anyhow::Result<()> {
        if row.get("track") == "职业资格证书" {
            let (occupation, name) = self.random.pick(self.qualified);
            row.set("occupation_code", occupation.to_string());
            row.set("occupation_name", *name);
            row.set("standard", format!("{name}国家职业技能标准"));
        }
        self.regions(row);
        let edition = Occupation::CURRENT_EDITION;
        let occupation = row.get("occupation_code").to_owned();
        let named = (edition, row.get("occupation_name").to_owned());
        self.occupations.entry(occupation.clone()).or_insert(named);
        let day = Date::parse(row.get("issue_date"))?.as_yyyymmdd();
        let county = Region::parse(row.get("activity_region")).ok();
        let (code, name) = (row.get("institution_code"), row.get("institution_name"));
        match (row.get("track"), county) {
            ("专项职业能力证书", Some(county)) => {
                self.special
                    .entry(county)
                    .or_insert_with(|| name.to_owned());
            }
            ("职业资格证书", Some(county)) => {
                let agency = self.agencies.entry(code.to_owned());
                let agency = agency.or_insert_with(|| Agency {
                    name: name.to_owned(),
                    county,
                    occupations: BTreeMap::new(),
                });
                if agency.occupations.len() < MOST_OCCUPATIONS {
                    agency.occupations.insert(occupation, edition);
                }
            }
            _ => {
                let days = self.days.entry(code.to_owned()).or_insert((day, day));
                *days = (days.0.min(day), days.1.max(day));
            }
        }
        Ok(())
    }

    /// People work, and come from, all over the delta.
    fn regions(&mut self, row: &mut Row) {
        let random = &mut self.random;
        if random.chance(150) {
            let work = random.pick(&self.counties).six_digits();
            if !row.get("subsidy_region").is_empty() {
                row.set("subsidy_region", work.as_str());
            }
            row.set("work_region", work);
        }
        if !row.get("household_region").is_empty() && random.chance(200) {
            row.set("household_region", random.pick(&self.counties).six_digits());
        }
        // A session held where the institution has no site is worth a look, and happens.
        if row.get("track") == "职业技能等级证书" && random.chance(10) {
            row.set("activity_region", random.pick(&self.counties).six_digits());
        }
    }
}
