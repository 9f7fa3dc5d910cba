//! The directory of institutions with its history: exits, suspensions, ratings.

use std::collections::BTreeMap;

use huren_core::codes::{Region, uscc_check};
use huren_proto::v1::{
    Assessment, AssessmentGrade, AssessmentKind, CreditReason, CreditState, InstitutionCredit,
    InstitutionState, StandingReason,
};

use super::{
    super::{institutions::Institution, random::Random},
    Dated, add,
    certificates::Issued,
    entries::Files,
    first_of,
};
use crate::files::INSTITUTION_EXPORT;

type Row = [String; INSTITUTION_EXPORT.len()];

/// Places of cells in [`INSTITUTION_EXPORT`].
const STARS: usize = 8;
const STATE: usize = 9;
const EFFECTIVE: usize = 10;

/// The year in which stars were given.
const RATED: u16 = 2023;

/// The directory and what departments decided.
pub(super) struct Directory {
    rows: Vec<Row>,
    assessments: Vec<Dated<Assessment>>,
    credit: Vec<Dated<InstitutionCredit>>,
}

impl Directory {
    /// The directory of a province: institutions of level certificates, and the agencies and
    /// counties that issued the other certificates.
    pub(super) fn new(random: Random, institutions: &[Institution], issued: &Issued<'_>) -> Self {
        let mut directory = Self {
            rows: Vec::new(),
            assessments: Vec::new(),
            credit: Vec::new(),
        };
        let mut random = random;
        for (place, institution) in institutions.iter().enumerate() {
            directory.history(&mut random, (place, institution), &issued.days);
        }
        for (code, agency) in &issued.agencies {
            let lines = agency.occupations.iter();
            let scopes: Vec<String> = lines
                .map(|(code, edition)| format!("{edition} {code} 五级 一级 2019-01-01 -"))
                .collect();
            let row = row(
                &mut random,
                (code, &agency.name, "职业技能考核鉴定机构"),
                agency.county,
                scopes.join(";"),
            );
            directory.rows.push(row);
        }
        for (county, name) in &issued.special {
            let code = format!("ZX{county}");
            let row = row(
                &mut random,
                (&code, name, "专项职业能力考核机构"),
                *county,
                String::new(),
            );
            directory.rows.push(row);
        }
        directory
    }

    /// The rows, those of one institution by their dates.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Writes what departments decided.
    pub(super) fn write(self, files: &mut Files) -> anyhow::Result<()> {
        add(files, self.assessments)?;
        add(files, self.credit)
    }

    /// One institution: listed, rated, and in some cases suspended for half a year, or gone.
    fn history(
        &mut self,
        random: &mut Random,
        (place, institution): (usize, &Institution),
        days: &BTreeMap<String, (u32, u32)>,
    ) {
        let mut row = institution.row();
        let stars = std::mem::replace(&mut row[STARS], "0".to_owned());
        self.rows.push(row.clone());
        if institution.stars > 0 {
            let from = first_of(RATED, 7);
            row[STARS] = stars;
            self.entry(&mut row, "正常", from);
            let rated = Assessment {
                kind: AssessmentKind::Stars.into(),
                stars: institution.stars as u32,
                ..assessment(institution, from)
            };
            self.assessments.push((from, rated));
        }
        let annual = Assessment {
            kind: AssessmentKind::Annual.into(),
            grade: grade(random).into(),
            year: 2024,
            ..assessment(institution, 20_250_301)
        };
        // Some were not assessed, which is to be found out.
        if random.chance(930) {
            self.assessments.push((annual.decided_on, annual));
        }
        let last = days.get(institution.code.as_str()).map_or(0, |days| days.1);
        // Of few institutions there might be none by chance: two have a history in any case.
        match (place, random.below(100)) {
            (0, _) | (2.., 0..4) => self.suspended(random, institution, &mut row),
            (1, _) => self.exited(institution, &mut row, last, true),
            (2.., 4..9) => {
                let is_put_out = random.chance(200);
                self.exited(institution, &mut row, last, is_put_out);
            }
            _ => {}
        }
    }

    fn entry(&mut self, row: &mut Row, state: &str, from: u32) {
        row[STATE] = state.to_owned();
        row[EFFECTIVE] = format!("{}-{:02}-01", from / 10_000, from / 100 % 100);
        self.rows.push(row.clone());
    }

    fn suspended(&mut self, random: &mut Random, institution: &Institution, row: &mut Row) {
        let year = random.range(2024, 2025);
        let (from, to) = (first_of(year, 7), first_of(year + 1, 1));
        self.entry(row, "暂停", from);
        self.entry(row, "正常", to);
        let reason = StandingReason::Assessment;
        self.standing(institution, from, InstitutionState::Suspended, reason);
        self.standing(
            institution,
            to,
            InstitutionState::Active,
            StandingReason::Unspecified,
        );
    }

    /// Most leave when they have stopped; some are put out, and go on all the same.
    fn exited(&mut self, institution: &Institution, row: &mut Row, last: u32, is_put_out: bool) {
        let stopped = u16::try_from(last / 10_000).unwrap_or(2023).max(2023);
        let (from, reason) = if is_put_out {
            (first_of(2025, 1), StandingReason::Violation)
        } else {
            (first_of(stopped + 1, 1), StandingReason::Request)
        };
        // What lies ahead has not been decided yet.
        if from > first_of(2026, 7) {
            return;
        }
        self.entry(row, "退出", from);
        self.standing(institution, from, InstitutionState::Exited, reason);
        if is_put_out {
            let listed = InstitutionCredit {
                institution: institution.code.to_string(),
                region: institution.county.to_string(),
                number: format!("CX-2025-{}", self.credit.len() + 1),
                reason: CreditReason::FalseCertificates.into(),
                state: CreditState::Listed.into(),
                listed_from: from,
                listed_to: first_of(2028, 1),
                document_number: "虚构 invented".into(),
                digest: Vec::new(),
            };
            self.credit.push((from, listed));
        }
    }

    fn standing(
        &mut self,
        institution: &Institution,
        from: u32,
        standing: InstitutionState,
        reason: StandingReason,
    ) {
        let decided = Assessment {
            kind: AssessmentKind::Standing.into(),
            standing: standing.into(),
            reason: reason.into(),
            document_number: "虚构 invented".into(),
            ..assessment(institution, from)
        };
        self.assessments.push((from, decided));
    }
}

fn assessment(institution: &Institution, decided_on: u32) -> Assessment {
    Assessment {
        institution: institution.code.to_string(),
        region: institution.county.to_string(),
        year: decided_on / 10_000,
        number: 1,
        decided_on,
        ..Assessment::default()
    }
}

fn grade(random: &mut Random) -> AssessmentGrade {
    match random.below(100) {
        0..20 => AssessmentGrade::Excellent,
        20..85 => AssessmentGrade::Passed,
        85..95 => AssessmentGrade::BarelyPassed,
        _ => AssessmentGrade::Failed,
    }
}

/// An agency's line, listed from the first day on.
fn row(
    random: &mut Random,
    (code, name, kind): (&str, &str, &str),
    county: Region,
    scopes: String,
) -> Row {
    // An institution of the public (`12`), registered in the county.
    let body = format!("12{}MB{}", county.six_digits(), random.digits(7));
    let check = body.as_bytes().first_chunk::<17>().and_then(uscc_check);
    [
        code.to_owned(),
        body + &check.map(String::from).unwrap_or_default(),
        name.to_owned(),
        kind.to_owned(),
        county.six_digits(),
        county.province().six_digits(),
        scopes,
        county.six_digits(),
        "0".to_owned(),
        "正常".to_owned(),
        "2019-01-01".to_owned(),
    ]
}
