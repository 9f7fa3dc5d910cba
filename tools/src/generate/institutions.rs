//! Invented institutions with scopes, and their directory table.

use huren_core::codes::{
    InstitutionCode, InstitutionError, InstitutionKind, Level, Occupation, Region, uscc_check,
};

use super::random::Random;
use crate::files::INSTITUTION_EXPORT;

const WORDS: [&str; 16] = [
    "启明", "华信", "中联", "东方", "远航", "恒通", "金桥", "瑞丰", "博雅", "鼎盛", "众合", "天工",
    "匠心", "正源", "新锐", "智联",
];
const EMPLOYERS: [&str; 8] = [
    "机械制造有限公司",
    "电子科技有限公司",
    "建设集团有限公司",
    "化工有限公司",
    "汽车零部件有限公司",
    "物流有限公司",
    "纺织有限公司",
    "能源股份有限公司",
];
const ORGANISATIONS: [&str; 4] = [
    "职业培训学校",
    "职业技能评价有限公司",
    "行业协会",
    "技师学院",
];

/// An institution.
pub(super) struct Institution {
    pub(super) code: InstitutionCode,
    pub(super) uscc: String,
    pub(super) name: String,
    pub(super) county: Region,
    pub(super) scopes: Vec<Scope>,
    pub(super) sites: Vec<Region>,
    pub(super) stars: u64,
}

/// What an institution may assess.
pub(super) struct Scope {
    pub(super) occupation: Occupation,
    pub(super) name: &'static str,
    pub(super) from: Level,
    pub(super) to: Level,
}

impl Institution {
    /// The institution with a place in the directory, from 0 to 9999.
    pub(super) fn new(
        random: &mut Random,
        place: u32,
        counties: &[Region],
    ) -> Result<Self, InstitutionError> {
        let county = *random.pick(counties);
        let is_employer = random.chance(450);
        let kind = if is_employer {
            InstitutionKind::Employer
        } else {
            InstitutionKind::SocialOrganisation
        };
        let filing = if random.chance(120) {
            random.range(1, 400)
        } else {
            0
        };
        let city_part: u32 = county
            .six_digits()
            .get(2..4)
            .and_then(|part| part.parse().ok())
            .unwrap_or_default();
        let code = InstitutionCode::compose(kind, filing, county, city_part * 10_000 + place)?;
        let suffix = if is_employer {
            random.pick(&EMPLOYERS)
        } else {
            random.pick(&ORGANISATIONS)
        };
        let name = format!("{}{}{suffix}", city_name(county), random.pick(&WORDS));
        let site_count = if is_employer { 1 } else { random.range(1, 3) };
        let mut sites = vec![county];
        sites.extend((1..site_count).map(|_| *random.pick(counties)));
        Ok(Self {
            uscc: uscc(random, county),
            scopes: scopes(random, is_employer),
            stars: random.below(6),
            code,
            name,
            county,
            sites,
        })
    }

    /// Its line in the directory.
    pub(super) fn row(&self) -> [String; INSTITUTION_EXPORT.len()] {
        let kind = match self.code.kind() {
            InstitutionKind::Employer => "用人单位",
            InstitutionKind::SocialOrganisation => "社会培训评价组织",
        };
        let scopes: Vec<String> = self.scopes.iter().map(Scope::to_string).collect();
        let sites: Vec<String> = self.sites.iter().map(|site| site.six_digits()).collect();
        [
            self.code.to_string(),
            self.uscc.clone(),
            self.name.clone(),
            kind.to_owned(),
            self.county.six_digits(),
            self.county.province().six_digits(),
            scopes.join(";"),
            sites.join(";"),
            self.stars.to_string(),
            "正常".to_owned(),
            "2019-01-01".to_owned(),
        ]
    }
}

/// As in the directory table: edition, occupation, levels and dates, `-` for no end.
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            occupation,
            from,
            to,
            ..
        } = self;
        let edition = occupation.edition();
        write!(
            f,
            "{edition} {occupation} {} {} 2019-01-01 -",
            from.name(),
            to.name()
        )
    }
}

/// The city by which people call a place: a municipality's districts go by the municipality.
pub(super) fn city_name(county: Region) -> String {
    let city = county
        .city()
        .and_then(Region::name)
        .filter(|name| !name.ends_with("市辖区"));
    city.or(county.province().name())
        .unwrap_or_default()
        .to_owned()
}

fn scopes(random: &mut Random, is_employer: bool) -> Vec<Scope> {
    let listed: Vec<_> = Occupation::listed().collect();
    let levels: Vec<Level> = Level::all().collect();
    let mut scopes: Vec<Scope> = Vec::new();
    for _ in 0..random.range(2, 6) {
        let (occupation, name) = random.pick(&listed);
        if scopes.iter().any(|scope| scope.occupation == *occupation) {
            continue;
        }
        // Ordinals 2 to 6 are for all, the others for employers.
        let from = if is_employer && random.chance(150) {
            0
        } else {
            1
        };
        let to = match is_employer && random.chance(150) {
            true => 7,
            false => usize::from(random.range(3, 5)),
        };
        scopes.push(Scope {
            occupation: occupation.clone(),
            name,
            from: levels[from],
            to: levels[to],
        });
    }
    scopes
}

/// A social credit code with its check digit (GB 32100-2015): registered with the market
/// regulator (`91`) in the county.
fn uscc(random: &mut Random, county: Region) -> String {
    let body = format!("91{}MA{}", county.six_digits(), random.digits(7));
    let check = body.as_bytes().first_chunk::<17>().and_then(uscc_check);
    body + &check.map(String::from).unwrap_or_default()
}
