//! Teams of experts, their qualifications, and dispatches that anybody can draw again.

use huren_core::{
    codes::{Date, Occupation, Region},
    registry::{
        draw::seed_named,
        experts::{Assignment, Candidate, draw_experts},
    },
};
use huren_proto::v1::{
    DispatchState, DispatchedExpert, DrawSeed, Expert, ExpertDispatch, ExpertQualification,
    ExpertState, ExpertTeam, QualificationState,
};

use super::{
    super::{institutions::Institution, people, random::Random},
    Dated, add,
    entries::Files,
};

/// From when on experts are listed.
const FROM: u32 = 20_230_101;

/// Dispatches at most, and experts of each.
const MOST_DISPATCHES: usize = 60;
const SENT: usize = 3;

/// The experts of a province.
pub(super) struct Experts {
    province: Region,
    pub(super) experts: Vec<Expert>,
    qualifications: Vec<ExpertQualification>,
    names: Vec<String>,
}

impl Experts {
    pub(super) fn new(random: &mut Random, province: Region, institutions: &[Institution]) -> Self {
        let counties = people::counties(province);
        let count = (institutions.len() * 2).clamp(40, 1_000);
        let experts: Vec<Expert> = (1..=count)
            .map(|number| expert(random, number, &counties, institutions))
            .collect();
        let qualifications = experts.iter().flat_map(|expert| {
            let teams: Vec<ExpertTeam> = expert.teams().collect();
            teams.into_iter().map(move |team| (expert, team))
        });
        let qualifications: Vec<_> = qualifications
            .map(|(expert, team)| qualification(random, expert, team))
            .collect();
        let names = experts.iter().map(|e| format!("{province}/{}", e.code));
        Self {
            names: names.collect(),
            province,
            experts,
            qualifications,
        }
    }

    /// Codes of those who may inspect.
    pub(super) fn inspectors(&self) -> Vec<&str> {
        let supervisors = self.experts.iter().filter(|expert| {
            expert.state() == ExpertState::Active
                && expert.teams().any(|team| team == ExpertTeam::Supervisor)
        });
        supervisors.map(|expert| expert.code.as_str()).collect()
    }

    /// Writes experts, qualifications and dispatches.
    pub(super) fn write(
        &self,
        random: &mut Random,
        institutions: &[Institution],
        files: &mut Files,
    ) -> anyhow::Result<()> {
        add(files, self.experts.iter().map(|e| (FROM, e.clone())))?;
        let qualified = self.qualifications.iter();
        add(files, qualified.map(|q| (q.valid_from, q.clone())))?;
        let dispatches = institutions.iter().take(MOST_DISPATCHES);
        let dispatches = dispatches.filter_map(|institution| self.dispatch(random, institution));
        add(files, dispatches)
    }

    /// One dispatch of assessors, by a seed that stands in it.
    fn dispatch(
        &self,
        random: &mut Random,
        institution: &Institution,
    ) -> Option<Dated<ExpertDispatch>> {
        let day =
            20_250_000 + u32::from(random.range(1, 12)) * 100 + u32::from(random.range(1, 28));
        let seed = draw_seed(random, self.province);
        let (code, region) = (institution.code.to_string(), institution.county.to_string());
        let occupation = institution.scopes.first().map(|scope| &scope.occupation);
        let assignment = Assignment {
            institution: &code,
            region: &region,
            round: 1,
            rest: 2,
            team: ExpertTeam::Assessor,
            occupation,
            date: Date::from_yyyymmdd(day).ok()?,
        };
        let experts = self.experts.iter().zip(&self.names);
        let candidates: Vec<Candidate<'_>> = experts
            .map(|(expert, name)| Candidate {
                name,
                expert,
                qualifications: &self.qualifications,
                has_bad_credit: false,
                rounds: &[],
            })
            .collect();
        let drawn = draw_experts(&seed_named(&seed)?, &assignment, &candidates, SENT);
        let sent = |place: &usize| DispatchedExpert {
            province: self.province.to_string(),
            code: self.experts[*place].code.clone(),
            team: ExpertTeam::Assessor.into(),
        };
        let dispatch = ExpertDispatch {
            round: 1,
            date: day,
            candidates: drawn.candidates.as_bytes().to_vec(),
            candidate_count: u32::try_from(drawn.candidate_count).ok()?,
            experts: drawn.experts.iter().map(sent).collect(),
            state: DispatchState::Done.into(),
            seed: Some(seed),
            institution: code,
            region,
        };
        (!dispatch.experts.is_empty()).then_some((day, dispatch))
    }
}

fn expert(
    random: &mut Random,
    number: usize,
    counties: &[Region],
    institutions: &[Institution],
) -> Expert {
    let some = |most: u16, random: &mut Random| -> Vec<String> {
        let count = random.range(0, most);
        let codes = (0..count).map(|_| random.pick(institutions).code.to_string());
        let mut codes: Vec<String> = codes.collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    };
    let teams = [
        ExpertTeam::Assessor,
        ExpertTeam::Supervisor,
        ExpertTeam::Referee,
        ExpertTeam::Developer,
    ];
    // Every second one assesses, every third one supervises.
    let mut own = vec![teams[number % 2], teams[random.index(teams.len())]];
    own.sort_unstable();
    own.dedup();
    let mut occupations: Vec<String> = (0..random.range(2, 5))
        .map(|_| random.pick(institutions))
        .flat_map(|institution| institution.scopes.first())
        .map(|scope| scope.occupation.to_string())
        .collect();
    occupations.sort_unstable();
    occupations.dedup();
    let state = match random.below(100) {
        0..3 => ExpertState::Suspended,
        3..5 => ExpertState::Ended,
        _ => ExpertState::Active,
    };
    Expert {
        code: format!("ZJ-{number:05}"),
        region: random.pick(counties).to_string(),
        teams: own.into_iter().map(i32::from).collect(),
        employer: some(1, random).pop().unwrap_or_default(),
        trained: some(2, random),
        occupation_edition: Occupation::CURRENT_EDITION.into(),
        occupations,
        state: state.into(),
    }
}

fn qualification(random: &mut Random, expert: &Expert, team: ExpertTeam) -> ExpertQualification {
    let year = random.range(2022, 2024);
    let state = if random.chance(40) {
        QualificationState::Revoked
    } else {
        QualificationState::Valid
    };
    ExpertQualification {
        expert: expert.code.clone(),
        region: expert.region.clone(),
        team: team.into(),
        trained_on: super::first_of(year, 5),
        valid_from: super::first_of(year, 7),
        // Three years.
        valid_to: u32::from(year + 3) * 10_000 + 630,
        state: state.into(),
        ..ExpertQualification::default()
    }
}

/// A seed as a checkpoint would give it. There is no such log: it is invented with the rest.
pub(super) fn draw_seed(random: &mut Random, province: Region) -> DrawSeed {
    DrawSeed {
        origin: format!("huren.invented.example/log/{province}"),
        size: 1_000 + random.below(1_000_000),
        root: bytes(random).to_vec(),
    }
}

/// 32 bytes where a digest stands.
pub(super) fn bytes(random: &mut Random) -> [u8; 32] {
    std::array::from_fn(|_| random.below(256) as u8)
}
