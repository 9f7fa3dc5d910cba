//! What goes from a province to others (ministry and sectors), and the committees that review its
//! standards.

use huren_proto::v1::{
    BatchState, Committee, CommitteeState, Group, Kind, ReviewStage, ReviewStep, SectorShare,
    UpstreamBatch,
};

use super::{
    Entry, Writers,
    fault::Fault,
    fields::{Need, Need::*},
    standards::{reference, reference_key},
};
use crate::submission::Faults;

impl Entry for UpstreamBatch {
    const KIND: Kind = Kind::UpstreamBatch;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        self.number.clone()
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("number", &mut self.number, Required);
        let after = self.from_index.saturating_add(1);
        faults.number("until_index", self.until_index, after..=u64::MAX);
        let leaves = self.until_index.saturating_sub(self.from_index);
        faults.number("certificates", self.certificates, 0..=leaves);
        faults.digest("digest", &self.digest, Required);
        let state = faults.choice("state", self.state, Required);
        let is_sent = !matches!(state, Some(BatchState::Closed) | None);
        faults.date("sent_on", self.sent_on, Need::when(is_sent));
        let is_acknowledged = state == Some(BatchState::Acknowledged);
        let need = Need::when(is_acknowledged);
        faults.text("acknowledgement", &mut self.acknowledgement, need);
        let answered = if is_acknowledged {
            self.certificates
        } else {
            0
        };
        if self.accepted.checked_add(self.refused) != Some(answered) {
            faults.push("accepted", &Fault::BatchReconcile);
        }
    }
}

impl Entry for SectorShare {
    const KIND: Kind = Kind::SectorShare;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        self.number.clone()
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("number", &mut self.number, Required);
        faults.text("department", &mut self.department, Required);
        faults.occupations(self.occupation_edition, &mut self.occupations, 1..=600);
        faults.choices::<Group>("groups", &mut self.groups, 5);
        let is_personal = |group: Group| matches!(group, Group::HolderName | Group::HolderId);
        if !self.masked && self.groups().any(is_personal) {
            faults.push("masked", &Fault::NotMasked);
        }
        faults.date("issued_from", self.issued_from, Required);
        faults.date_from("issued_to", self.issued_to, Required, self.issued_from);
        faults.digest("digest", &self.digest, Required);
        faults.date_from("shared_on", self.shared_on, Required, self.issued_from);
    }
}

impl Entry for Committee {
    const KIND: Kind = Kind::Committee;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        match &self.standard {
            None => self.code.clone(),
            standard => format!("{}/{}", self.code, reference_key(standard.as_ref())),
        }
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("code", &mut self.code, Required);
        faults.text("name", &mut self.name, Required);
        faults.number("members", self.members.into(), 1..=1_000);
        faults.choice::<CommitteeState>("state", self.state, Required);
        reference("standard", &mut self.standard, Optional, faults);
        let mut before = 0;
        for step in &self.steps {
            faults.choice::<ReviewStage>("steps", step.stage, Required);
            faults.date_from("steps", step.decided_on, Required, before);
            before = step.decided_on;
        }
        let is_review = self.standard.is_some();
        let range = if is_review { 1..=6 } else { 0..=0 };
        faults.count("steps", self.steps.len(), range);
        if !is_in_order(&self.steps) {
            faults.push("steps", &Fault::ReviewOrder);
        }
    }
}

/// Whether every step follows the one before it; only REJECTED may come at any time, and then
/// it is the last.
fn is_in_order(steps: &[ReviewStep]) -> bool {
    let rejected = ReviewStage::Rejected as i32;
    let last = steps.len().saturating_sub(1);
    steps
        .iter()
        .zip(1..)
        .enumerate()
        .all(|(place, (step, expected))| {
            if step.stage == rejected {
                place == last
            } else {
                step.stage == expected
            }
        })
}

/// The day on which a review came to its approval, if it did.
pub fn approved_on(review: &Committee) -> Option<u32> {
    let mut steps = review.steps.iter();
    let approval = steps.find(|step| step.stage() == ReviewStage::Approved)?;
    Some(approval.decided_on)
}
