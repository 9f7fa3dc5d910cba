//! Draws that entries tell of, and whether they were as told: announced first, by a seed that
//! came later, out of the candidates that were announced.

use huren_proto::v1::{
    DrawNotice, DrawSeed, DrawSubject, ExpertDispatch, Inspection, InspectionBasis, Kind,
};

use super::{
    Entry, Writers, draw,
    fields::{Need, Need::*},
};
use crate::submission::Faults;

impl Entry for DrawNotice {
    const KIND: Kind = Kind::DrawNotice;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        let subject = self.subject();
        purpose(subject, (&self.institution, &self.region, &self.number))
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn institution(&self) -> Option<&str> {
        let institution = Some(self.institution.as_str());
        institution.filter(|code| !code.is_empty())
    }

    fn check(&mut self, faults: &mut Faults) {
        let subject = faults.choice("subject", self.subject, Required);
        faults.region("region", &mut self.region, Required);
        faults.code("number", &mut self.number, Required);
        let need = Need::when(subject == Some(DrawSubject::Experts));
        faults.institution("institution", &mut self.institution, need);
        faults.digest("candidates", &self.candidates, Required);
        faults.number("count", self.count.into(), 1..=50);
        let least = u64::from(self.count);
        let most = self.candidate_count.into();
        faults.number("candidate_count", most, least..=100_000);
    }
}

/// What a draw is for, which parts it from every other draw by the same seed.
pub(super) fn purpose(
    subject: DrawSubject,
    (institution, region, number): (&str, &str, &str),
) -> String {
    match subject {
        DrawSubject::Experts => format!("experts/{institution}/{region}/{number}"),
        DrawSubject::Inspectors => format!("inspection/inspectors/{region}/{number}"),
        _ => format!("inspection/institutions/{region}/{number}"),
    }
}

/// What speaks against a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawFault {
    /// Nobody said before that, and out of whom, it would be drawn.
    NotAnnounced,
    /// It was announced several times, out of others.
    AnnouncedOtherwise,
    /// The seed was known when it was announced, or is another log's.
    SeedKnown,
    /// The candidates are not those that were announced.
    Candidates,
    /// The seed draws others.
    Outcome,
}

impl DrawFault {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAnnounced => "DRAW_NOT_ANNOUNCED",
            Self::AnnouncedOtherwise => "DRAW_ANNOUNCED_OTHERWISE",
            Self::SeedKnown => "DRAW_SEED_KNOWN",
            Self::Candidates => "DRAW_CANDIDATES",
            Self::Outcome => "DRAW_OUTCOME",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::NotAnnounced => "抽取之前没有公告。",
            Self::AnnouncedOtherwise => "多次公告且候选名单不同。",
            Self::SeedKnown => "公告时种子已经可知，或者种子不出自本日志。",
            Self::Candidates => "候选名单与公告不符。",
            Self::Outcome => "按种子抽得的结果不同。",
        }
    }

    /// The sentence in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::NotAnnounced => "It was not announced before.",
            Self::AnnouncedOtherwise => "It was announced more than once, out of others.",
            Self::SeedKnown => {
                "The seed could be known when it was announced, or is of another log."
            }
            Self::Candidates => "The candidates are not those that were announced.",
            Self::Outcome => "The seed draws others.",
        }
    }
}

/// One draw, as an entry tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Out of whom.
    pub subject: DrawSubject,
    /// What for: the key of its notice.
    pub purpose: String,
    /// Its seed.
    pub seed: DrawSeed,
    candidates: Vec<u8>,
    drawn: Vec<String>,
}

impl Draw {
    /// The draws of an institution and of its inspectors; none if nothing was drawn.
    pub fn of_inspection(inspection: &Inspection) -> Vec<Self> {
        let Some(seed) = &inspection.seed else {
            return Vec::new();
        };
        if inspection.basis() != InspectionBasis::Random {
            return Vec::new();
        }
        let draw = |subject, candidates: &[u8], drawn| Self {
            subject,
            purpose: purpose(subject, ("", &inspection.region, &inspection.number)),
            seed: seed.clone(),
            candidates: candidates.to_vec(),
            drawn,
        };
        let institution = vec![inspection.institution.clone()];
        vec![
            draw(
                DrawSubject::Institutions,
                &inspection.institutions,
                institution,
            ),
            draw(
                DrawSubject::Inspectors,
                &inspection.inspectors,
                inspection.experts.clone(),
            ),
        ]
    }

    /// The draw of experts, each as province/code; none without a seed.
    pub fn of_dispatch(dispatch: &ExpertDispatch) -> Option<Self> {
        let round = dispatch.round.to_string();
        let named = (&*dispatch.institution, &*dispatch.region, &*round);
        let sent = dispatch.experts.iter();
        Some(Self {
            subject: DrawSubject::Experts,
            purpose: purpose(DrawSubject::Experts, named),
            seed: dispatch.seed.clone()?,
            candidates: dispatch.candidates.clone(),
            drawn: sent
                .map(|expert| format!("{}/{}", expert.province, expert.code))
                .collect(),
        })
    }

    /// Draws again out of these candidates: whether they are those of the entry, and what it
    /// tells is what the seed gives.
    pub fn outcome(&self, candidates: &[&str]) -> Vec<DrawFault> {
        let mut faults = Vec::new();
        if draw::digest(candidates).0[..] != self.candidates {
            faults.push(DrawFault::Candidates);
        }
        let drawn = draw::seed_named(&self.seed).map(|seed| {
            let places = draw::draw(&seed, &self.purpose, candidates, self.drawn.len());
            let mut drawn: Vec<&str> = places.into_iter().map(|place| candidates[place]).collect();
            // Inspectors are a list; experts are sent in the order of the draw.
            if self.subject == DrawSubject::Inspectors {
                drawn.sort_unstable();
            }
            drawn
        });
        if drawn.is_none_or(|drawn| drawn != self.drawn) {
            faults.push(DrawFault::Outcome);
        }
        faults
    }

    /// Whether it was announced, in the log of this origin and before the seed could be known,
    /// with the candidates and the number of those drawn. Notices come with their indexes;
    /// those of other draws do not count.
    pub fn announced(&self, origin: &str, notices: &[(u64, DrawNotice)]) -> Vec<DrawFault> {
        let own = notices.iter().filter(|(_, n)| n.key() == self.purpose);
        let own: Vec<&(u64, DrawNotice)> = own.collect();
        let mut faults = Vec::new();
        let Some((_, first)) = own.first() else {
            return vec![DrawFault::NotAnnounced];
        };
        let same = |n: &DrawNotice| (&n.candidates, n.count) == (&first.candidates, first.count);
        if !own.iter().all(|(_, notice)| same(notice)) {
            faults.push(DrawFault::AnnouncedOtherwise);
        }
        // The checkpoint covers the notice, so it was not there before it.
        let is_later = |index: &u64| self.seed.origin == origin && self.seed.size > *index;
        if !own.iter().any(|(index, _)| is_later(index)) {
            faults.push(DrawFault::SeedKnown);
        }
        let is_told = (&first.candidates, u32::try_from(self.drawn.len()));
        if is_told != (&self.candidates, Ok(first.count)) {
            faults.push(DrawFault::Candidates);
        }
        faults
    }
}
