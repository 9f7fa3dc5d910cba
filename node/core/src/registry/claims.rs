//! Subsidies that were claimed for certificates (补贴申领).

use huren_proto::v1::{ClaimState, Kind, SubsidyClaim};

use super::{Dated, Entry, Writers, fields::Need::Required, in_force};
use crate::{codes::Date, merkle::Hash, submission::Faults};

impl Entry for SubsidyClaim {
    const KIND: Kind = Kind::SubsidyClaim;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        format!("{}/{}", hex::encode(&self.certificate), self.region)
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.origin("origin", &self.origin);
        faults.digest("certificate", &self.certificate, Required);
        faults.region("region", &mut self.region, Required);
        faults.date("claimed_on", self.claimed_on, Required);
        faults.choice::<ClaimState>("state", self.state, Required);
        faults.text("document_number", &mut self.document_number, Required);
    }
}

/// What the keys of all claims for a certificate start with, whichever region made them.
pub fn key_prefix(certificate: Hash) -> String {
    format!("{}/", certificate.to_hex())
}

/// The claims that stand on a day, out of those of one log.
pub fn standing(rows: &[Dated<SubsidyClaim>], date: Date) -> impl Iterator<Item = &SubsidyClaim> {
    in_force(rows, date).into_iter().filter(move |claim| {
        claim.state() != ClaimState::Withdrawn && claim.claimed_on <= date.as_yyyymmdd()
    })
}
