//! Standards and their filing in two steps.

use huren_proto::v1::{
    FilingState, FilingStep, Kind, Standard, StandardFiling, StandardKind, StandardRef,
    StandardState,
};

use super::{
    Entry, Writers,
    fault::Fault,
    fields::{Need, Need::*, word},
};
use crate::{codes::Date, submission::Faults};

/// An edition of a standard that an entry names.
pub(super) fn reference(
    field: &'static str,
    standard: &mut Option<StandardRef>,
    need: Need,
    faults: &mut Faults,
) {
    if let Some(standard) = faults.message(field, standard, need) {
        faults.code(field, &mut standard.code, Required);
        faults.number(field, standard.edition.into(), 1_980..=2_100);
    }
}

/// The part of a key that names an edition of a standard.
pub(super) fn reference_key(standard: Option<&StandardRef>) -> String {
    standard.map_or_else(String::new, |s| format!("{}/{}", s.code, s.edition))
}

impl Entry for Standard {
    const KIND: Kind = Kind::Standard;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        format!("{}/{}", self.code, self.edition)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("code", &mut self.code, Required);
        faults.number("edition", self.edition.into(), 1_980..=2_100);
        let kind = faults.choice("kind", self.kind, Required);
        let is_special = kind == Some(StandardKind::Special);
        let is_employer = kind == Some(StandardKind::Employer);
        faults.text("title", &mut self.title, Required);
        let need = if is_special { Optional } else { Required };
        faults.occupation("occupation", &mut self.occupation, need);
        let need = Need::when(!self.occupation.is_empty());
        faults.edition("occupation_edition", self.occupation_edition, need);
        let need = Need::when(!is_special);
        faults.levels("level_from", self.level_from, self.level_to, need);
        let state = faults.choice("state", self.state, Required);
        let is_draft = state == Some(StandardState::Draft);
        let need = if is_draft { Optional } else { Required };
        faults.text("document_number", &mut self.document_number, need);
        faults.texts("authors", &mut self.authors, 30);
        // A norm comes to nothing without its review (四(二)). What was withdrawn may have been
        // a draft.
        let is_reviewed = matches!(state, Some(StandardState::Reviewed | StandardState::Issued));
        let need = match kind {
            Some(StandardKind::Norm | StandardKind::Special) if is_reviewed => Required,
            _ => Optional,
        };
        faults.code("committee", &mut self.committee, need);
        let need = Need::when(!self.committee.is_empty());
        faults.date("reviewed_on", self.reviewed_on, need);
        reference("superseded_by", &mut self.superseded_by, Optional, faults);
        let need = Need::when(is_employer);
        faults.institution("institution", &mut self.institution, need);
        reference("base", &mut self.base, need, faults);
        for (field, other) in [("superseded_by", &self.superseded_by), ("base", &self.base)] {
            if other.as_ref().is_some_and(|other| is_named(self, other)) {
                faults.push(field, &Fault::OwnSuccessor);
            }
        }
        faults.codes("functions", &mut self.functions, 0..=60);
    }
}

impl Entry for StandardFiling {
    const KIND: Kind = Kind::StandardFiling;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        let step = word(self.step().as_str_name(), "FILING_STEP_");
        format!("{}/{step}", reference_key(self.standard.as_ref()))
    }

    fn check(&mut self, faults: &mut Faults) {
        reference("standard", &mut self.standard, Required, faults);
        faults.choice::<FilingStep>("step", self.step, Required);
        faults.text("filing_number", &mut self.filing_number, Required);
        faults.date("filed_on", self.filed_on, Required);
        faults.digest("digest", &self.digest, Required);
        faults.choice::<FilingState>("state", self.state, Required);
    }
}

/// The steps of a filing as they stand on a day.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filed<'a> {
    /// With the province.
    pub province: Option<&'a StandardFiling>,
    /// With the ministry.
    pub ministry: Option<&'a StandardFiling>,
}

impl<'a> Filed<'a> {
    /// Picks the steps of a standard out of the filings that hold on the day.
    pub fn of(standard: &Standard, filings: impl IntoIterator<Item = &'a StandardFiling>) -> Self {
        let mut filed = Self::default();
        for filing in filings {
            if !filing
                .standard
                .as_ref()
                .is_some_and(|s| is_named(standard, s))
            {
                continue;
            }
            match filing.step() {
                FilingStep::Province => filed.province = Some(filing),
                FilingStep::Ministry => filed.ministry = Some(filing),
                FilingStep::Unspecified => {}
            }
        }
        filed
    }

    /// Whether both steps are done and stand.
    pub fn is_complete(&self, date: Date) -> bool {
        let stands = |filing: Option<&StandardFiling>| {
            filing.is_some_and(|filing| {
                filing.state() == FilingState::Filed
                    && (1..=date.as_yyyymmdd()).contains(&filing.filed_on)
            })
        };
        stands(self.province) && stands(self.ministry)
    }
}

/// What a standard is good for on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usability {
    /// It may be assessed by.
    Usable,
    /// A later edition has taken its place.
    Superseded,
    /// It has not been filed in both steps.
    Unfiled,
    /// It has not been issued, or was withdrawn.
    NotIssued,
}

/// Whether it is the edition that a reference names.
pub fn is_named(standard: &Standard, reference: &StandardRef) -> bool {
    (standard.code.as_str(), standard.edition) == (reference.code.as_str(), reference.edition)
}

/// What an entry of a standard, the one that holds on the day, is good for on that day. National
/// standards come from the ministry and employers' own are their own matter (五(三)): both
/// need no filing.
pub fn usability(standard: &Standard, filed: &Filed<'_>, date: Date) -> Usability {
    let needs_filing = matches!(standard.kind(), StandardKind::Norm | StandardKind::Special);
    match standard.state() {
        StandardState::Issued if needs_filing && !filed.is_complete(date) => Usability::Unfiled,
        StandardState::Issued if standard.superseded_by.is_some() => Usability::Superseded,
        StandardState::Issued => Usability::Usable,
        _ => Usability::NotIssued,
    }
}

/// The functions that a base asks for and an employer's own standard does not: it
/// may ask for no less (五(三)).
pub fn functions_missing<'a>(own: &Standard, base: &'a Standard) -> Vec<&'a str> {
    let functions = base.functions.iter();
    let missing = functions.filter(|function| !own.functions.contains(function));
    missing.map(String::as_str).collect()
}
