//! Editions of the occupation classification and of the national catalogue of qualifications.

use huren_proto::v1::{
    Kind, OccupationCatalogue, OccupationRelation, QualificationAccess, QualificationCatalogue,
    QualificationCategory,
};

use super::{
    Dated, Entry, Writers,
    fault::Fault,
    fields::{Need::*, covers},
    in_force,
};
use crate::{
    codes::{Date, Occupation, Track},
    submission::{self, Faults},
};

/// The most parts that an edition comes in.
const MAX_PARTS: u32 = 64;

fn parts(part: u32, parts: u32, faults: &mut Faults) {
    faults.number("part", part.into(), 1..=parts.into());
    faults.number("parts", parts.into(), 1..=MAX_PARTS.into());
}

impl Entry for OccupationCatalogue {
    const KIND: Kind = Kind::OccupationCatalogue;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        format!("{}/{}", self.edition, self.part)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.edition("edition", self.edition, Required);
        parts(self.part, self.parts, faults);
        faults.text("title", &mut self.title, Required);
        faults.text("document_number", &mut self.document_number, Optional);
        for line in &mut self.lines {
            faults.occupation("lines", &mut line.code, Required);
            faults.text("lines", &mut line.name, Required);
            line.name = Occupation::strip_marks(&line.name);
        }
        faults.lines("lines", &mut self.lines, 0..=600, |line| line.code.clone());
        for step in &mut self.crosswalk {
            faults.edition("crosswalk", step.from_edition, Required);
            if step.from_edition >= self.edition {
                faults.push("crosswalk", &Fault::CrosswalkEdition);
            }
            faults.occupation("crosswalk", &mut step.from, Required);
            let relation = faults.choice("crosswalk", step.relation, Required);
            let has_ended = relation == Some(OccupationRelation::Ended);
            let need = if has_ended { Absent } else { Required };
            faults.occupation("crosswalk", &mut step.to, need);
        }
        faults.lines("crosswalk", &mut self.crosswalk, 0..=600, |step| {
            (step.from_edition, step.from.clone(), step.to.clone())
        });
        if self.lines.is_empty() && self.crosswalk.is_empty() {
            faults.push("lines", &submission::Fault::FieldMissing);
        }
    }
}

impl Entry for QualificationCatalogue {
    const KIND: Kind = Kind::QualificationCatalogue;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        format!("{}/{}", self.edition, self.part)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.date("edition", self.edition, Required);
        parts(self.part, self.parts, faults);
        faults.text("title", &mut self.title, Required);
        faults.text("document_number", &mut self.document_number, Required);
        faults.edition("occupation_edition", self.occupation_edition, Required);
        for line in &mut self.lines {
            faults.number("lines", line.number.into(), 1..=9_999);
            faults.text("lines", &mut line.name, Required);
            let category = faults.choice("lines", line.category, Required);
            faults.choice::<QualificationAccess>("lines", line.access, Required);
            faults.text("lines", &mut line.department, Required);
            for code in &mut line.occupations {
                faults.occupation("lines", code, Required);
            }
            let least = usize::from(category == Some(QualificationCategory::Skilled));
            faults.sorted("lines", &mut line.occupations, least..=100);
        }
        faults.lines("lines", &mut self.lines, 1..=400, |line| line.number);
    }
}

/// The national catalogue of qualifications as it stands on a day, with all of its parts.
#[derive(Clone, Debug)]
pub struct Qualifications<'a> {
    parts: Vec<&'a QualificationCatalogue>,
}

impl<'a> Qualifications<'a> {
    /// The latest edition that holds on a day, out of the entries of one log. `None` before the
    /// first edition, and while a part is missing: then nothing can be said of any occupation.
    pub fn as_of(rows: &'a [Dated<QualificationCatalogue>], date: Date) -> Option<Self> {
        let mut parts = in_force(rows, date);
        let edition = parts.iter().map(|part| part.edition).max()?;
        parts.retain(|part| part.edition == edition);
        let total = parts.iter().map(|part| part.parts).max()?;
        // A correction may make an edition shorter: parts beyond the stated number are gone.
        parts.retain(|part| part.parts == total);
        (u32::try_from(parts.len()) == Ok(total)).then_some(Self { parts })
    }

    /// Date of publication of the edition, yyyymmdd.
    pub fn edition(&self) -> u32 {
        self.parts.first().map_or(0, |part| part.edition)
    }

    /// Whether an occupation is on the list of skilled qualifications; `None` if the list speaks
    /// of another edition of the classification, whose codes mean something else.
    pub fn lists(&self, occupation: &Occupation) -> Option<bool> {
        let edition = u32::from(occupation.edition());
        if self.parts.iter().any(|p| p.occupation_edition != edition) {
            return None;
        }
        let lines = self.parts.iter().flat_map(|part| &part.lines);
        let mut skilled = lines.filter(|line| line.category() == QualificationCategory::Skilled);
        Some(skilled.any(|line| covers(edition, &line.occupations, occupation)))
    }

    /// Which track an occupation takes (浙人社发〔2022〕16号, 三): Q on the list, L outside of it.
    pub fn track(&self, occupation: &Occupation) -> Option<Track> {
        let is_listed = self.lists(occupation)?;
        Some(if is_listed { Track::Q } else { Track::L })
    }
}
