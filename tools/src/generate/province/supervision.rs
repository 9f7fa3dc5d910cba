//! Annual plans with what came of them, inspections that were drawn, what they found, and complaints.

use huren_core::registry::draw::{self, seed_named};
use huren_proto::v1::{
    AnnualPlan, Complaint, ComplaintState, Finding, FindingState, Inspection, InspectionBasis,
    InspectionMode, InspectionResult, InspectionState, Irregularity, PlanState, PlannedSession,
    SessionMode, SessionResult, Severity,
};

use super::{
    super::{institutions::Institution, random::Random},
    Dated, add,
    entries::Files,
    experts::{Experts, bytes, draw_seed},
};

/// The years of the plans.
const PLANNED: [u16; 3] = [2024, 2025, 2026];

/// Sessions before this day are over.
const OVER: u32 = 20_260_701;

/// Inspectors of one inspection.
const INSPECTORS: usize = 2;

const IRREGULARITIES: [Irregularity; 6] = [
    Irregularity::Scope,
    Irregularity::Site,
    Irregularity::Admission,
    Irregularity::Assessors,
    Irregularity::Files,
    Irregularity::Data,
];

/// Writes all of it.
pub(super) fn write(
    mut random: Random,
    institutions: &[Institution],
    experts: &Experts,
    files: &mut Files,
) -> anyhow::Result<()> {
    let plans = institutions
        .iter()
        .flat_map(|institution| PLANNED.map(|year| (institution, year)));
    let plans: Vec<_> = plans
        .map(|(institution, year)| plan(&mut random, institution, year))
        .collect();
    let results: Vec<_> = plans
        .iter()
        .flat_map(|(_, plan)| results(&mut random, plan))
        .collect();
    add(files, plans)?;
    add(files, results)?;
    let codes: Vec<String> = institutions.iter().map(|i| i.code.to_string()).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let inspectors = experts.inspectors();
    let count = (institutions.len() / 8).clamp(4, 200);
    let inspections: Vec<_> = (1..=count)
        .filter_map(|number| inspection(&mut random, number, files, (&codes, &inspectors)))
        .collect();
    let findings: Vec<_> = inspections
        .iter()
        .filter(|(_, inspection)| inspection.result() == InspectionResult::Findings)
        .flat_map(|(_, inspection)| findings(&mut random, inspection))
        .collect();
    let complaints: Vec<_> = (1..=count / 4 + 1)
        .map(|number| complaint(&mut random, number, institutions))
        .collect();
    add(files, inspections)?;
    add(files, findings)?;
    add(files, complaints)
}

/// Two sessions a year for each line of the scope.
fn plan(random: &mut Random, institution: &Institution, year: u16) -> Dated<AnnualPlan> {
    let first = u32::from(year) * 10_000;
    let halves = [(first + 101, first + 630), (first + 701, first + 1_231)];
    let mut sessions = Vec::new();
    for scope in &institution.scopes {
        for (first_day, last_day) in halves {
            let mode = match random.below(10) {
                0..6 => SessionMode::Paperless,
                6..8 => SessionMode::Paper,
                _ => SessionMode::Practical,
            };
            sessions.push(PlannedSession {
                number: u32::try_from(sessions.len() + 1).unwrap_or_default(),
                occupation_edition: scope.occupation.edition().into(),
                occupation: scope.occupation.to_string(),
                level_from: scope.from.ordinal().into(),
                level_to: scope.to.ordinal().into(),
                site_region: random.pick(&institution.sites).to_string(),
                first_day,
                last_day,
                mode: mode.into(),
                daily_capacity: u32::from(random.range(2, 12)) * 10,
            });
        }
    }
    let plan = AnnualPlan {
        institution: institution.code.to_string(),
        region: institution.county.to_string(),
        year: year.into(),
        sessions,
        state: PlanState::Published.into(),
    };
    (first + 101, plan)
}

/// What came of the sessions that were over when the data was invented: of each the lowest level.
fn results(random: &mut Random, plan: &AnnualPlan) -> Vec<Dated<SessionResult>> {
    let over = plan
        .sessions
        .iter()
        .filter(|session| session.last_day < OVER);
    over.map(|session| {
        let examined = u32::from(random.range(20, 200));
        // A few pass everybody, which is worth a look.
        let percent = match random.below(100) {
            0 => 100,
            _ => u32::from(random.range(55, 92)),
        };
        let result = SessionResult {
            institution: plan.institution.clone(),
            region: plan.region.clone(),
            year: plan.year,
            session: session.number,
            occupation_edition: session.occupation_edition,
            occupation: session.occupation.clone(),
            level: session.level_from,
            held_on: session.last_day,
            examined,
            passed: examined * percent / 100,
        };
        (session.last_day, result)
    })
    .collect()
}

/// An inspection whose institution and inspectors its seed draws: see
/// `huren_core::registry::supervision`.
fn inspection(
    random: &mut Random,
    number: usize,
    files: &Files,
    (institutions, inspectors): (&[&str], &[&str]),
) -> Option<Dated<Inspection>> {
    let (number, region) = (format!("JC-2025-{number}"), files.province().to_string());
    let named = draw_seed(random, files.province());
    let seed = seed_named(&named)?;
    let drawn = |what: &str, candidates: &[&str], count| -> Vec<String> {
        let purpose = format!("inspection/{what}/{region}/{number}");
        let places = draw::draw(&seed, &purpose, candidates, count);
        let drawn = places.into_iter().map(|place| candidates[place].to_owned());
        drawn.collect()
    };
    let mut experts = drawn("inspectors", inspectors, INSPECTORS);
    experts.sort_unstable();
    let inspected_on =
        20_250_000 + u32::from(random.range(1, 11)) * 100 + u32::from(random.range(1, 28));
    let result = if random.chance(450) {
        InspectionResult::Findings
    } else {
        InspectionResult::Clean
    };
    let inspection = Inspection {
        institution: drawn("institutions", institutions, 1).pop()?,
        mode: InspectionMode::OnSite.into(),
        basis: InspectionBasis::Random.into(),
        institutions: draw::digest(institutions).as_bytes().to_vec(),
        inspectors: draw::digest(inspectors).as_bytes().to_vec(),
        experts,
        state: InspectionState::Done.into(),
        inspected_on,
        result: result.into(),
        // In the next month.
        published_on: inspected_on / 100 * 100 + 101,
        report: bytes(random).to_vec(),
        seed: Some(named),
        number,
        region,
        ..Inspection::default()
    };
    Some((inspected_on, inspection))
}

/// One to three things that were wrong, put right or not.
fn findings(random: &mut Random, inspection: &Inspection) -> Vec<Dated<Finding>> {
    let found_on = inspection.inspected_on;
    let count = u32::from(random.range(1, 3));
    let one = |number| {
        let severity = [Severity::Minor, Severity::Minor, Severity::Major][random.index(3)];
        let state = match random.below(10) {
            0..6 => FindingState::Closed,
            6..8 => FindingState::Rectified,
            _ => FindingState::Open,
        };
        let is_closed = state == FindingState::Closed;
        let finding = Finding {
            inspection: inspection.number.clone(),
            region: inspection.region.clone(),
            institution: inspection.institution.clone(),
            number,
            irregularity: (*random.pick(&IRREGULARITIES)).into(),
            severity: severity.into(),
            found_on,
            deadline: found_on / 100 * 100 + 115,
            state: state.into(),
            closed_on: if is_closed {
                found_on / 100 * 100 + 110
            } else {
                0
            },
            digest: Vec::new(),
        };
        (found_on, finding)
    };
    (1..=count).map(one).collect()
}

fn complaint(random: &mut Random, number: usize, institutions: &[Institution]) -> Dated<Complaint> {
    let institution = random.pick(institutions);
    let received_on = 20_250_000 + u32::from(random.range(1, 11)) * 100 + 5;
    let (state, closed_on) = match random.below(10) {
        0..4 => (ComplaintState::Rejected, received_on + 15),
        4..7 => (ComplaintState::Upheld, received_on + 20),
        _ => (ComplaintState::Investigated, 0),
    };
    let complaint = Complaint {
        number: format!("TS-2025-{number}"),
        region: institution.county.to_string(),
        institution: institution.code.to_string(),
        irregularity: (*random.pick(&IRREGULARITIES)).into(),
        received_on,
        deadline: received_on + 100,
        state: state.into(),
        closed_on,
        digest: Vec::new(),
    };
    (received_on, complaint)
}
