//! Experts of the teams: who they are stands outside of the log.

use huren_proto::v1::{
    DispatchState, DrawSeed, DrawSubject, Expert, ExpertDispatch, ExpertGrade, ExpertIntegrity,
    ExpertPerformance, ExpertPeriod, ExpertQualification, ExpertState, ExpertTeam, Kind,
    QualificationState,
};

use super::{
    Entry, Writers, draw, draws,
    fault::Fault,
    fields::{Need, Need::*, covers, word},
};
use crate::{
    codes::{Date, Occupation},
    merkle::Hash,
    submission::Faults,
};

/// The seed that a draw names.
pub(super) fn seed(
    field: &'static str,
    seed: &mut Option<DrawSeed>,
    need: Need,
    faults: &mut Faults,
) {
    if let Some(seed) = faults.message(field, seed, need) {
        faults.origin(field, &seed.origin);
        faults.number(field, seed.size, 1..=u64::MAX);
        faults.digest(field, &seed.root, Required);
    }
}

impl Entry for Expert {
    const KIND: Kind = Kind::Expert;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        format!("{}/{}", self.code, self.region)
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.expert("code", &mut self.code);
        faults.region("region", &mut self.region, Required);
        faults.choices::<ExpertTeam>("teams", &mut self.teams, 4);
        faults.institution("employer", &mut self.employer, Optional);
        faults.institutions("trained", &mut self.trained, 100);
        faults.occupations(self.occupation_edition, &mut self.occupations, 0..=100);
        faults.choice::<ExpertState>("state", self.state, Required);
    }
}

impl Entry for ExpertQualification {
    const KIND: Kind = Kind::ExpertQualification;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        let team = word(self.team().as_str_name(), "EXPERT_TEAM_");
        format!("{}/{}/{team}", self.expert, self.region)
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.expert("expert", &mut self.expert);
        faults.region("region", &mut self.region, Required);
        faults.choice::<ExpertTeam>("team", self.team, Required);
        faults.occupations(self.occupation_edition, &mut self.occupations, 0..=100);
        faults.date("trained_on", self.trained_on, Required);
        faults.date_from("valid_from", self.valid_from, Required, self.trained_on);
        faults.date_from("valid_to", self.valid_to, Required, self.valid_from);
        faults.choice::<QualificationState>("state", self.state, Required);
    }
}

impl Entry for ExpertDispatch {
    const KIND: Kind = Kind::ExpertDispatch;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        format!("{}/{}/{}", self.institution, self.region, self.round)
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
        faults.number("round", self.round.into(), 1..=u32::MAX.into());
        faults.date("date", self.date, Required);
        seed("seed", &mut self.seed, Required, faults);
        faults.digest("candidates", &self.candidates, Required);
        let drawn = self.experts.len();
        let least = u64::try_from(drawn).unwrap_or(u64::MAX);
        let count = self.candidate_count.into();
        faults.number("candidate_count", count, least..=100_000);
        for expert in &mut self.experts {
            faults.province("experts", &mut expert.province);
            faults.expert("experts", &mut expert.code);
            faults.choice::<ExpertTeam>("experts", expert.team, Required);
        }
        // The order is the draw's, so the list is not sorted.
        let mut names: Vec<_> = self
            .experts
            .iter()
            .map(|e| (&e.province, &e.code))
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < drawn {
            faults.push("experts", &Fault::ListRepeated);
        }
        faults.count("experts", drawn, 1..=50);
        faults.choice::<DispatchState>("state", self.state, Required);
    }
}

impl Entry for ExpertPerformance {
    const KIND: Kind = Kind::ExpertPerformance;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        let period = word(self.period().as_str_name(), "EXPERT_PERIOD_");
        format!(
            "{}/{}/{period}/{}/{}",
            self.expert, self.region, self.year, self.number
        )
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.expert("expert", &mut self.expert);
        faults.region("region", &mut self.region, Required);
        faults.choice::<ExpertPeriod>("period", self.period, Required);
        faults.year("year", self.year);
        faults.number("number", self.number.into(), 1..=9_999);
        faults.choice::<ExpertGrade>("grade", self.grade, Required);
        faults.choice::<ExpertIntegrity>("integrity", self.integrity, Required);
        faults.number("dispatches", self.dispatches.into(), 0..=1_000);
        faults.date("decided_on", self.decided_on, Required);
        faults.digest("digest", &self.digest, Required);
    }
}

/// Whether an expert may work by a qualification on a day, in a team and for an occupation (`None` for work
/// that is not about one).
pub fn allows(
    qualification: &ExpertQualification,
    team: ExpertTeam,
    occupation: Option<&Occupation>,
    date: Date,
) -> bool {
    let is_covered = |occupation| {
        qualification.occupations.is_empty()
            || covers(
                qualification.occupation_edition,
                &qualification.occupations,
                occupation,
            )
    };
    qualification.state() == QualificationState::Valid
        && qualification.team() == team
        && (qualification.valid_from..=qualification.valid_to).contains(&date.as_yyyymmdd())
        && occupation.is_none_or(is_covered)
}

/// What experts are drawn for.
#[derive(Clone, Copy, Debug)]
pub struct Assignment<'a> {
    /// Institution that they are sent to.
    pub institution: &'a str,
    /// Region of the department that sends them.
    pub region: &'a str,
    /// Which dispatch of that department to the institution this is, counted from 1.
    pub round: u32,
    /// For how many rounds an expert is not sent to the same institution again (轮换).
    pub rest: u32,
    /// As which team.
    pub team: ExpertTeam,
    /// What is assessed, if it is one occupation.
    pub occupation: Option<&'a Occupation>,
    /// Day of work.
    pub date: Date,
}

/// An expert who could be drawn, with what the registers say of them on the day.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Province and code as one name, `33/KP-0001`: experts of all members are told apart.
    pub name: &'a str,
    /// The expert's entry.
    pub expert: &'a Expert,
    /// The expert's qualifications.
    pub qualifications: &'a [ExpertQualification],
    /// Whether the expert is listed for bad credit, or breached integrity.
    pub has_bad_credit: bool,
    /// Rounds in which the expert was sent to the institution.
    pub rounds: &'a [u32],
}

/// Why an expert is left out of a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Avoided {
    /// Suspended, ended, or not of the team.
    NotActive,
    /// No qualification that holds on the day for team and occupation.
    NotQualified,
    /// Employed by the institution (回避).
    Employer,
    /// Trained its candidates (回避).
    Trained,
    /// Bad credit.
    Credit,
    /// Sent there within the last rounds (轮换).
    Rotation,
}

impl Avoided {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotActive => "EXPERT_NOT_ACTIVE",
            Self::NotQualified => "EXPERT_NOT_QUALIFIED",
            Self::Employer => "EXPERT_EMPLOYER",
            Self::Trained => "EXPERT_TRAINED",
            Self::Credit => "EXPERT_CREDIT",
            Self::Rotation => "EXPERT_ROTATION",
        }
    }
}

/// What a draw of experts came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Places of the candidates drawn, in the order of the draw. Fewer than were asked for if
    /// not enough may be sent.
    pub experts: Vec<usize>,
    /// Digest of those who could be drawn: [`ExpertDispatch::candidates`].
    pub candidates: Hash,
    /// How many they were.
    pub candidate_count: usize,
    /// Places of the candidates left out, and the first reason.
    pub avoided: Vec<(usize, Avoided)>,
}

/// Draws experts at random (随机、回避、轮换: 浙人社发〔2022〕16号, 五(五)). The same seed and the
/// same candidates, in whatever order, give the same experts.
pub fn draw_experts(
    seed: &[u8; 32],
    assignment: &Assignment<'_>,
    candidates: &[Candidate<'_>],
    count: usize,
) -> Drawn {
    let (mut places, mut names, mut avoided) = (Vec::new(), Vec::new(), Vec::new());
    for (place, candidate) in candidates.iter().enumerate() {
        match avoid(assignment, candidate) {
            Some(reason) => avoided.push((place, reason)),
            None => {
                places.push(place);
                names.push(candidate.name);
            }
        }
    }
    let round = assignment.round.to_string();
    let named = (assignment.institution, assignment.region, &*round);
    let purpose = draws::purpose(DrawSubject::Experts, named);
    let drawn = draw::draw(seed, &purpose, &names, count);
    Drawn {
        experts: drawn.into_iter().map(|drawn| places[drawn]).collect(),
        candidates: draw::digest(&names),
        candidate_count: draw::distinct(&names),
        avoided,
    }
}

fn avoid(assignment: &Assignment<'_>, candidate: &Candidate<'_>) -> Option<Avoided> {
    let expert = candidate.expert;
    let team = assignment.team as i32;
    let may_work = |qualification: &ExpertQualification| {
        qualification.expert == expert.code
            && allows(
                qualification,
                assignment.team,
                assignment.occupation,
                assignment.date,
            )
    };
    // A round behind this one counts too: a draw that is made up for later is no way around.
    let is_recent = |round: &u32| round.abs_diff(assignment.round) <= assignment.rest;
    if expert.state() != ExpertState::Active || !expert.teams.contains(&team) {
        Some(Avoided::NotActive)
    } else if !candidate.qualifications.iter().any(may_work) {
        Some(Avoided::NotQualified)
    } else if expert.employer == assignment.institution {
        Some(Avoided::Employer)
    } else if expert
        .trained
        .iter()
        .any(|code| code == assignment.institution)
    {
        Some(Avoided::Trained)
    } else if candidate.has_bad_credit {
        Some(Avoided::Credit)
    } else if candidate.rounds.iter().any(is_recent) {
        Some(Avoided::Rotation)
    } else {
        None
    }
}
