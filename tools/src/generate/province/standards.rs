//! Standards: one for every occupation that is certified, real notices where there are any, and
//! norms of the province with their two filings.

use std::collections::BTreeMap;

use anyhow::Context as _;
use huren_core::codes::{Date, Occupation};
use huren_proto::v1::{
    Committee, CommitteeState, FilingState, FilingStep, ReviewStage, ReviewStep, Standard,
    StandardFiling, StandardKind, StandardRef, StandardState,
};

use super::{
    super::{REGISTERS_FROM, random::Random},
    Dated, add,
    certificates::{Issued, Named},
    entries::Files,
};

/// Real notices of the ministry; see `node/core/data/SOURCES.md`.
const NOTICES: &str = include_str!("../../../../node/core/data/standards_sample.csv");

/// The committee that reviews the province's norms.
const COMMITTEE: &str = "BZ-1";

/// How many occupations the invented catalogue of qualifications has.
const QUALIFIED: usize = 8;

/// The occupations of the catalogue of qualifications.
pub(super) fn qualified(seed: u64) -> Vec<Named> {
    let mut random = Random::new(seed ^ 0x7175_616c << 32);
    let mut listed: Vec<Named> = Occupation::listed()
        .filter(|(occupation, _)| *occupation == occupation.without_job())
        .collect();
    (0..QUALIFIED.min(listed.len()))
        .map(|_| listed.swap_remove(random.index(listed.len())))
        .collect()
}

/// Writes standards, filings and the committee.
pub(super) fn write(
    mut random: Random,
    issued: &Issued<'_>,
    files: &mut Files,
) -> anyhow::Result<()> {
    let (mut standards, mut filings) = (Vec::new(), Vec::new());
    let notices = notices()?;
    for (place, (code, (edition, name))) in issued.occupations.iter().enumerate() {
        let national = Standard {
            code: code.clone(),
            edition: 2019,
            kind: StandardKind::National.into(),
            title: format!("{name}国家职业技能标准"),
            occupation_edition: (*edition).into(),
            occupation: code.clone(),
            level_from: 1,
            level_to: 8,
            document_number: "虚构 invented".into(),
            state: StandardState::Issued.into(),
            ..Standard::default()
        };
        standards.push((REGISTERS_FROM, national.clone()));
        if let Some((from, newer)) = notices.get(code) {
            let newer = Standard {
                title: format!("{name}国家职业技能标准（{}年版）", newer.edition),
                ..newer.clone()
            };
            let superseded = Standard {
                superseded_by: Some(named(&newer)),
                ..national
            };
            standards.push((*from, newer));
            standards.push((*from, superseded));
        } else if random.chance(120) {
            let norm = Standard {
                code: format!("PJGF-{:03}", place + 1),
                edition: 2022,
                kind: StandardKind::Norm.into(),
                title: format!("{name}评价规范"),
                level_from: 2,
                level_to: 5,
                committee: COMMITTEE.into(),
                reviewed_on: 20_220_315,
                ..national
            };
            filings.extend(filed(&mut random, &norm, filings.len() + 1));
            standards.push((20_220_401, norm));
        }
    }
    let reviews = reviews(&standards);
    add(files, reviews)?;
    add(files, standards)?;
    add(files, filings)
}

fn named(standard: &Standard) -> StandardRef {
    StandardRef {
        code: standard.code.clone(),
        edition: standard.edition,
    }
}

/// The real notices by occupation; one that comes in several parts is taken once.
fn notices() -> anyhow::Result<BTreeMap<String, Dated<Standard>>> {
    let mut notices = BTreeMap::new();
    for row in csv::Reader::from_reader(NOTICES.as_bytes()).records() {
        let row = row?;
        let cell = |at| row.get(at).context("a cell");
        let (code, from) = (cell(0)?.to_owned(), Date::parse(cell(3)?)?);
        let standard = Standard {
            code: code.clone(),
            edition: from.year().into(),
            kind: StandardKind::National.into(),
            title: format!("{}国家职业技能标准", cell(1)?),
            occupation_edition: Occupation::CURRENT_EDITION.into(),
            occupation: code.clone(),
            level_from: 2,
            level_to: 6,
            document_number: cell(2)?.to_owned(),
            state: StandardState::Issued.into(),
            ..Standard::default()
        };
        notices
            .entry(code)
            .or_insert((from.as_yyyymmdd(), standard));
    }
    Ok(notices)
}

/// Both steps of a filing; one norm in ten still waits for the second.
fn filed(random: &mut Random, norm: &Standard, number: usize) -> Vec<Dated<StandardFiling>> {
    let step = |step: FilingStep, word, filed_on, digest| {
        let filing = StandardFiling {
            standard: Some(named(norm)),
            step: step.into(),
            filing_number: format!("{word}备〔2022〕{number}号（虚构 invented）"),
            filed_on,
            digest,
            state: FilingState::Filed.into(),
        };
        (filed_on, filing)
    };
    let digest = super::experts::bytes(random);
    let mut steps = vec![step(
        FilingStep::Province,
        "省",
        20_220_401,
        digest.to_vec(),
    )];
    if random.chance(900) {
        steps.push(step(
            FilingStep::Ministry,
            "部",
            20_220_601,
            digest.to_vec(),
        ));
    }
    steps
}

/// The committee, and what it did about each norm.
fn reviews(standards: &[Dated<Standard>]) -> Vec<Dated<Committee>> {
    let committee = Committee {
        code: COMMITTEE.into(),
        name: "职业技能标准开发指导委员会（虚构 invented）".into(),
        members: 15,
        state: CommitteeState::Active.into(),
        ..Committee::default()
    };
    let norms = standards
        .iter()
        .filter(|(_, standard)| standard.kind() == StandardKind::Norm);
    let review = |(from, norm): &Dated<Standard>| {
        let step = |stage: ReviewStage, decided_on| ReviewStep {
            stage: stage.into(),
            decided_on,
        };
        let steps = vec![
            step(ReviewStage::Accepted, 20_211_015),
            step(ReviewStage::Examined, 20_211_215),
            step(ReviewStage::Reviewed, 20_220_215),
            step(ReviewStage::Published, 20_220_301),
            step(ReviewStage::Approved, norm.reviewed_on),
        ];
        let review = Committee {
            standard: Some(named(norm)),
            steps,
            ..committee.clone()
        };
        (*from, review)
    };
    let reviews = norms.map(review).collect::<Vec<_>>();
    std::iter::once((REGISTERS_FROM, committee.clone()))
        .chain(reviews)
        .collect()
}
