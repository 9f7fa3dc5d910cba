//! Inspections, what they find, and complaints: the public part of 双随机，一公开. Who supervises a
//! site of another province's institution writes them too.

use huren_proto::v1::{
    Complaint, ComplaintState, Finding, FindingState, Inspection, InspectionBasis, InspectionMode,
    InspectionResult, InspectionState, Irregularity, Kind, Severity,
};

use super::{
    Entry, Writers,
    experts::seed,
    fields::{Need, Need::*},
};
use crate::{codes::Date, submission::Faults};

impl Entry for Inspection {
    const KIND: Kind = Kind::Inspection;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        format!("{}/{}/{}", self.institution, self.region, self.number)
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("number", &mut self.number, Required);
        faults.region("region", &mut self.region, Required);
        faults.institution("institution", &mut self.institution, Required);
        let mode = faults.choice("mode", self.mode, Required);
        let basis = faults.choice("basis", self.basis, Required);
        let need = Need::when(basis == Some(InspectionBasis::Random));
        seed("seed", &mut self.seed, need, faults);
        faults.digest("institutions", &self.institutions, need);
        faults.digest("inspectors", &self.inspectors, need);
        let is_evaluated = mode == Some(InspectionMode::ThirdParty);
        for expert in &mut self.experts {
            faults.expert("experts", expert);
        }
        let least = usize::from(!is_evaluated);
        faults.sorted("experts", &mut self.experts, least..=20);
        faults.text("evaluator", &mut self.evaluator, Need::when(is_evaluated));
        let state = faults.choice("state", self.state, Required);
        let need = Need::when(state == Some(InspectionState::Done));
        faults.date("inspected_on", self.inspected_on, need);
        faults.choice::<InspectionResult>("result", self.result, need);
        faults.date_from("published_on", self.published_on, need, self.inspected_on);
        faults.digest("report", &self.report, need);
    }
}

impl Entry for Finding {
    const KIND: Kind = Kind::Finding;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.institution, self.region, self.inspection, self.number
        )
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("inspection", &mut self.inspection, Required);
        faults.region("region", &mut self.region, Required);
        faults.institution("institution", &mut self.institution, Required);
        faults.number("number", self.number.into(), 1..=9_999);
        faults.choice::<Irregularity>("irregularity", self.irregularity, Required);
        faults.choice::<Severity>("severity", self.severity, Required);
        faults.date("found_on", self.found_on, Required);
        faults.date_from("deadline", self.deadline, Required, self.found_on);
        let state = faults.choice("state", self.state, Required);
        let is_closed = matches!(state, Some(FindingState::Closed | FindingState::Dismissed));
        let need = Need::when(is_closed);
        faults.date_from("closed_on", self.closed_on, need, self.found_on);
        faults.digest("digest", &self.digest, Optional);
    }
}

impl Entry for Complaint {
    const KIND: Kind = Kind::Complaint;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        format!("{}/{}/{}", self.institution, self.region, self.number)
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("number", &mut self.number, Required);
        faults.region("region", &mut self.region, Required);
        faults.institution("institution", &mut self.institution, Required);
        faults.choice::<Irregularity>("irregularity", self.irregularity, Required);
        faults.date("received_on", self.received_on, Required);
        faults.date_from("deadline", self.deadline, Required, self.received_on);
        let state = faults.choice("state", self.state, Required);
        let is_closed = matches!(
            state,
            Some(ComplaintState::Upheld | ComplaintState::Rejected | ComplaintState::Withdrawn)
        );
        let need = Need::when(is_closed);
        faults.date_from("closed_on", self.closed_on, need, self.received_on);
        faults.digest("digest", &self.digest, Optional);
    }
}

/// Whether a finding should have been put right, or a complaint answered, before a day and was
/// not closed.
pub fn is_overdue(deadline: u32, closed_on: u32, date: Date) -> bool {
    closed_on == 0 && deadline < date.as_yyyymmdd()
}
