//! What institutions plan, what came of it, and how they are judged.

use huren_proto::v1::{
    AnnualPlan, Assessment, AssessmentGrade, AssessmentKind, InstitutionState, Kind, PlanState,
    SessionMode, SessionResult, StandingReason,
};

use super::{
    Entry, Writers,
    fault::Fault,
    fields::{Need, Need::*, word},
};
use crate::submission::Faults;

/// What is said of fewer people than this says something of each.
const FEWEST: u64 = 5;

impl Entry for AnnualPlan {
    const KIND: Kind = Kind::AnnualPlan;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        format!("{}/{}/{}", self.institution, self.region, self.year)
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn institution(&self) -> Option<&str> {
        Some(&self.institution)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.institution("institution", &mut self.institution, Required);
        faults.region("region", &mut self.region, Required);
        faults.year("year", self.year);
        for session in &mut self.sessions {
            faults.number("sessions", session.number.into(), 1..=9_999);
            faults.edition("sessions", session.occupation_edition, Required);
            faults.occupation("sessions", &mut session.occupation, Required);
            faults.levels("sessions", session.level_from, session.level_to, Optional);
            faults.region("sessions", &mut session.site_region, Required);
            let (first, last) = (session.first_day, session.last_day);
            faults.date("sessions", first, Required);
            faults.date_from("sessions", last, Required, first);
            if [first, last].iter().any(|day| day / 10_000 != self.year) {
                faults.push("sessions", &Fault::SessionYear);
            }
            faults.choice::<SessionMode>("sessions", session.mode, Required);
            let capacity = session.daily_capacity.into();
            faults.number("sessions", capacity, 1..=100_000);
        }
        faults.lines("sessions", &mut self.sessions, 0..=600, |s| s.number);
        faults.choice::<PlanState>("state", self.state, Required);
    }
}

impl Entry for SessionResult {
    const KIND: Kind = Kind::SessionResult;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        let Self {
            institution,
            region,
            year,
            session,
            level,
            ..
        } = self;
        format!("{institution}/{region}/{year}/{session}/{level}")
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn institution(&self) -> Option<&str> {
        Some(&self.institution)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.institution("institution", &mut self.institution, Required);
        faults.region("region", &mut self.region, Required);
        faults.year("year", self.year);
        faults.number("session", self.session.into(), 1..=9_999);
        faults.edition("occupation_edition", self.occupation_edition, Required);
        faults.occupation("occupation", &mut self.occupation, Required);
        faults.levels("level", self.level, self.level, Optional);
        faults.date("held_on", self.held_on, Required);
        if self.held_on / 10_000 != self.year {
            faults.push("held_on", &Fault::SessionYear);
        }
        if self.examined != 0 {
            faults.number("examined", self.examined.into(), FEWEST..=1_000_000);
        }
        faults.number("passed", self.passed.into(), 0..=self.examined.into());
    }
}

impl Entry for Assessment {
    const KIND: Kind = Kind::Assessment;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        let kind = word(self.kind().as_str_name(), "ASSESSMENT_KIND_");
        let subject = format!("{}/{}/{kind}", self.institution, self.region);
        match self.kind() {
            // One rating and one standing at a time: the later decision follows the earlier.
            AssessmentKind::Stars | AssessmentKind::Standing => subject,
            _ => format!("{subject}/{}/{}", self.year, self.number),
        }
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn institution(&self) -> Option<&str> {
        Some(&self.institution)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.institution("institution", &mut self.institution, Required);
        faults.region("region", &mut self.region, Required);
        let kind = faults.choice("kind", self.kind, Required);
        let is_rating = kind == Some(AssessmentKind::Stars);
        let is_standing = kind == Some(AssessmentKind::Standing);
        faults.year("year", self.year);
        faults.number("number", self.number.into(), 1..=9_999);
        let most = if is_rating { 5 } else { 0 };
        faults.number("stars", self.stars.into(), 0..=most);
        let need = Need::when(!is_rating && !is_standing);
        faults.choice::<AssessmentGrade>("grade", self.grade, need);
        let need = Need::when(is_standing);
        let standing = faults.choice("standing", self.standing, need);
        let has_reason = matches!(
            standing,
            Some(InstitutionState::Suspended | InstitutionState::Exited)
        );
        faults.choice::<StandingReason>("reason", self.reason, Need::when(has_reason));
        faults.date("decided_on", self.decided_on, Required);
        let need = if is_standing { Required } else { Optional };
        faults.text("document_number", &mut self.document_number, need);
    }
}

/// The institutions without an annual assessment (年度考核) of a year, in the order given, out of
/// the assessments that hold.
pub fn missing_annual<'a>(
    institutions: &[&'a str],
    assessments: &[&Assessment],
    year: u32,
) -> Vec<&'a str> {
    let is_assessed = |institution: &str| {
        assessments.iter().any(|assessment| {
            assessment.kind() == AssessmentKind::Annual
                && assessment.year == year
                && assessment.institution == institution
        })
    };
    let institutions = institutions.iter().copied();
    institutions.filter(|code| !is_assessed(code)).collect()
}
