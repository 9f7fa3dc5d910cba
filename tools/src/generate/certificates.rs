//! Invented certificates, one after the other.

use std::collections::BTreeMap;

use anyhow::Context as _;
use huren_core::codes::{
    CertificateNumber, Date, IdKind, InstitutionKind, Level, Occupation, PilotNumber,
    QualificationNumber, Region,
};

use super::faults::Fault;
use super::institutions::{Institution, Scope, city_name};
use super::people::{self, Person};
use super::random::Random;
use super::row::Row;

/// Years of issue. Numbers of 22 characters are known from 2019 on.
const YEARS: (u16, u16) = (2019, 2026);
/// The last day of issue: tables hold nothing from the future.
const LAST_DAY: u32 = 20_260_630;
const METHODS: [&str; 4] = [
    "理论知识考试+操作技能考核",
    "业绩评审",
    "竞赛选拔",
    "直接认定",
];

/// A row, and what is wrong with it, if anything is.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The row.
    pub row: Row,
    /// What was spoiled.
    pub fault: Option<Fault>,
}

/// Makes certificates of one province. The same seed gives the same certificates.
pub struct Certificates {
    random: Random,
    counties: Vec<Region>,
    institutions: Vec<Institution>,
    /// The last serial used, by all that stands before it in the number.
    serials: BTreeMap<String, u32>,
    faulty_per_mille: u64,
    /// The last sound row, to be duplicated.
    last_sound: Option<Row>,
}

/// What the kinds of certificate have in common.
struct Basis {
    date: Date,
    person: Person,
    level: Level,
}

impl Certificates {
    /// Certificates of a member province, `faulty_per_mille` of a thousand with a fault.
    ///
    /// # Errors
    /// If the tables know no county of the region, as for all but the four members.
    pub fn new(
        region: Region,
        seed: u64,
        count: u64,
        faulty_per_mille: u64,
    ) -> anyhow::Result<Self> {
        let mut random = Random::new(seed);
        let counties = people::counties(region.province());
        anyhow::ensure!(
            !counties.is_empty(),
            "只能为沪、苏、浙、皖生成数据 / there are tables for regions 31, 32, 33 and 34 only"
        );
        let number = u32::try_from(count / 200)
            .unwrap_or(u32::MAX)
            .clamp(20, 2_000);
        let institutions = (0..number)
            .map(|place| Institution::new(&mut random, place, &counties))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            random,
            counties,
            institutions,
            serials: BTreeMap::new(),
            faulty_per_mille,
            last_sound: None,
        })
    }

    pub(super) fn institutions(&self) -> &[Institution] {
        &self.institutions
    }

    /// The next certificate.
    ///
    /// # Errors
    /// When an institution has no serial left.
    pub fn next_certificate(&mut self) -> anyhow::Result<Generated> {
        if self.random.chance(self.faulty_per_mille) {
            return self.faulty();
        }
        let row = match self.random.below(100) {
            0..88 => self.skill_level(Person::new)?,
            88..91 => self.pilot()?,
            91..96 => self.qualification()?,
            _ => self.special(),
        };
        if row.get("number").len() == 22 && row.get("id_kind") == IdKind::ResidentId.chinese() {
            self.last_sound = Some(row.clone());
        }
        Ok(Generated { row, fault: None })
    }

    fn faulty(&mut self) -> anyhow::Result<Generated> {
        let fault = *self.random.pick(&Fault::ALL);
        let earlier = self
            .last_sound
            .clone()
            .filter(|_| fault == Fault::DuplicateNumber);
        let (fault, mut row) = match (earlier, fault) {
            (Some(earlier), _) => (fault, earlier),
            // Nothing to duplicate yet.
            (None, Fault::DuplicateNumber) => (
                Fault::NameMissing,
                self.skill_level(Person::with_resident_id)?,
            ),
            (None, _) => (fault, self.skill_level(Person::with_resident_id)?),
        };
        fault.apply(&mut row, &mut self.random);
        Ok(Generated {
            row,
            fault: Some(fault),
        })
    }

    /// 职业技能等级证书 with a number of 22 characters.
    fn skill_level(
        &mut self,
        person: fn(&mut Random, u16, &[Region]) -> Person,
    ) -> anyhow::Result<Row> {
        let date = self.date(YEARS.1);
        let person = person(&mut self.random, date.year(), &self.counties);
        let at = self.random.index(self.institutions.len());
        let institution = &self.institutions[at];
        let scope = self.random.pick(&institution.scopes);
        let level = level_between(&mut self.random, scope.from, scope.to);
        let prefix = format!("{}{}{}", institution.code, date.year(), level.code_char());
        let serial = next_serial(&mut self.serials, prefix);
        let number = CertificateNumber::compose_22(&institution.code, date.year(), level, serial)
            .context("an institution has no serial left")?;
        let mut row = Row::default();
        row.set("number", number.expose());
        row.set("track", "职业技能等级证书");
        row.set("institution_code", institution.code.as_str());
        row.set("institution_name", institution.name.as_str());
        if self.random.chance(500) {
            row.set("site_code", institution.code.as_str());
        }
        occupation(&mut row, &scope.occupation, scope.name);
        let activity = *self.random.pick(&institution.sites);
        self.common(
            &mut row,
            &Basis {
                date,
                person,
                level,
            },
            activity,
        );
        Ok(row)
    }

    /// 职业技能等级证书 of the pilot years, with a number of 20 characters.
    fn pilot(&mut self) -> anyhow::Result<Row> {
        let date = self.date(2020);
        let person = Person::new(&mut self.random, date.year(), &self.counties);
        let at = self.random.index(self.institutions.len());
        let institution = &self.institutions[at];
        let Scope {
            occupation: code,
            name,
            ..
        } = self.random.pick(&institution.scopes);
        let level = graded(&mut self.random);
        let category = match institution.code.kind() {
            InstitutionKind::Employer => 'N',
            InstitutionKind::SocialOrganisation => 'W',
        };
        let agency = u16::try_from(at % 1_000)?;
        let prefix = format!(
            "{category}{}{agency}{}{level}",
            institution.county,
            date.year()
        );
        let number = CertificateNumber::compose_20(&PilotNumber {
            filing_tier: 'S',
            category,
            region: institution.county,
            agency,
            year: date.year(),
            level,
            serial: next_serial(&mut self.serials, prefix),
        })
        .context("an institution has no serial left")?;
        let mut row = Row::default();
        row.set("number", number.expose());
        row.set("track", "职业技能等级证书");
        row.set("institution_code", institution.code.as_str());
        row.set("institution_name", institution.name.as_str());
        occupation(&mut row, code, name);
        let activity = institution.county;
        self.common(
            &mut row,
            &Basis {
                date,
                person,
                level,
            },
            activity,
        );
        Ok(row)
    }

    /// 职业资格证书 with a number of 16 digits.
    fn qualification(&mut self) -> anyhow::Result<Row> {
        let date = self.date(YEARS.1);
        let person = Person::new(&mut self.random, date.year(), &self.counties);
        let county = *self.random.pick(&self.counties);
        let city: u8 = county.six_digits().get(2..4).unwrap_or_default().parse()?;
        let agency_kind = u8::try_from(self.random.range(1, 3))?;
        let agency = self.random.range(1, 20);
        let level = graded(&mut self.random);
        let code = format!("{}{city:02}{agency_kind}{agency:03}", county.province());
        let prefix = format!("Q{code}{}{level}", date.year());
        let number = CertificateNumber::compose_16(&QualificationNumber {
            year: date.year(),
            province: county.province(),
            city,
            agency_kind,
            agency,
            level,
            serial: next_serial(&mut self.serials, prefix),
        })
        .context("an agency has no serial left")?;
        let mut row = Row::default();
        row.set("number", number.expose());
        row.set("track", "职业资格证书");
        row.set("institution_code", code);
        row.set(
            "institution_name",
            format!("{}第{agency}国家职业技能鉴定所", city_name(county)),
        );
        self.any_occupation(&mut row);
        self.common(
            &mut row,
            &Basis {
                date,
                person,
                level,
            },
            county,
        );
        Ok(row)
    }

    /// 专项职业能力证书, certified by a county. No rule of its numbers is published: these are
    /// made up.
    fn special(&mut self) -> Row {
        let date = self.date(YEARS.1);
        let person = Person::new(&mut self.random, date.year(), &self.counties);
        let county = *self.random.pick(&self.counties);
        let prefix = format!("ZX{county}{}", date.year());
        let serial = next_serial(&mut self.serials, prefix.clone());
        let mut row = Row::default();
        row.set("number", format!("{prefix}{serial:06}"));
        row.set("track", "专项职业能力证书");
        row.set(
            "institution_name",
            format!("{}人力资源和社会保障局", county.name().unwrap_or_default()),
        );
        self.any_occupation(&mut row);
        self.common(
            &mut row,
            &Basis {
                date,
                person,
                level: Level::HIGHLY_SKILLED,
            },
            county,
        );
        row.set("level", "");
        row
    }

    /// What every certificate has.
    fn common(&mut self, row: &mut Row, basis: &Basis, activity: Region) {
        let Basis {
            date,
            person,
            level,
        } = basis;
        let random = &mut self.random;
        row.set("name", person.name.as_str());
        row.set("id_kind", person.id_kind.chinese());
        row.set("id_number", person.id_number.as_str());
        row.set("level", level.to_string());
        row.set("issue_date", date.to_string());
        if random.chance(30) {
            row.set("valid_until", format!("{}-12-31", date.year() + 10));
        }
        row.set("method", *random.pick(&METHODS));
        row.set(
            "standard",
            format!("{}国家职业技能标准", row.get("occupation_name")),
        );
        let score = |random: &mut Random| {
            let half = if random.chance(300) { ".5" } else { "" };
            format!("{}{half}", random.range(60, 98))
        };
        row.set("theory", score(random));
        row.set("practice", score(random));
        if *level > Level::HIGHLY_SKILLED {
            row.set("review", score(random));
        }
        row.set("overall", score(random));
        let work = *random.pick(&self.counties);
        row.set("activity_region", activity.six_digits());
        row.set("work_region", work.six_digits());
        if random.chance(400) {
            row.set("subsidy_region", work.six_digits());
        }
        if let Some(household) = person.household {
            row.set("household_region", household.six_digits());
        }
    }

    fn any_occupation(&mut self, row: &mut Row) {
        let listed: Vec<_> = Occupation::listed().collect();
        let (code, name) = self.random.pick(&listed);
        occupation(row, code, name);
    }

    fn date(&mut self, last_year: u16) -> Date {
        loop {
            let year = self.random.range(YEARS.0, last_year);
            let (month, day) = (self.random.range(1, 12), self.random.range(1, 31));
            let number = u32::from(year) * 10_000 + u32::from(month) * 100 + u32::from(day);
            match Date::from_yyyymmdd(number) {
                Ok(date) if number <= LAST_DAY => return date,
                _ => {}
            }
        }
    }
}

fn occupation(row: &mut Row, code: &Occupation, name: &str) {
    row.set("occupation_code", code.to_string());
    row.set("occupation_name", name);
}

/// A level of a range; the lower of two draws, as there are fewer masters than beginners.
fn level_between(random: &mut Random, from: Level, to: Level) -> Level {
    let (from, to) = (u16::from(from.ordinal()), u16::from(to.ordinal()));
    let ordinal = random.range(from, to).min(random.range(from, to));
    u8::try_from(ordinal)
        .ok()
        .and_then(Level::from_ordinal)
        .unwrap_or(Level::MIN)
}

/// A level that has a grade: one of those that a digit in numbers stands for.
fn graded(random: &mut Random) -> Level {
    let graded: Vec<Level> = Level::all()
        .filter(|level| level.grade().is_some())
        .collect();
    let at = random.index(graded.len()).min(random.index(graded.len()));
    graded[at]
}

fn next_serial(serials: &mut BTreeMap<String, u32>, prefix: String) -> u32 {
    let serial = serials.entry(prefix).or_default();
    *serial += 1;
    *serial
}
