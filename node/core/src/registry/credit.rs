//! Who is listed for bad credit (诚信不良档案).

use huren_proto::v1::{CreditReason, CreditState, InstitutionCredit, Kind, PersonCredit};

use super::{
    Dated, Entry, Writers,
    fields::Need::{Optional, Required},
    in_force,
};
use crate::{codes::Date, merkle::Hash, submission::Faults};

impl Entry for InstitutionCredit {
    const KIND: Kind = Kind::InstitutionCredit;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        format!("{}/{}/{}", self.institution, self.region, self.number)
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
        faults.code("number", &mut self.number, Required);
        faults.choice::<CreditReason>("reason", self.reason, Required);
        faults.choice::<CreditState>("state", self.state, Required);
        faults.date("listed_from", self.listed_from, Required);
        faults.date_from("listed_to", self.listed_to, Optional, self.listed_from);
        faults.text("document_number", &mut self.document_number, Required);
        faults.digest("digest", &self.digest, Optional);
    }
}

impl Entry for PersonCredit {
    const KIND: Kind = Kind::PersonCredit;
    const WRITERS: Writers = Writers::ALL;

    fn key(&self) -> String {
        let certificate = hex::encode(&self.certificate);
        format!("{certificate}/{}/{}", self.region, self.number)
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.origin("origin", &self.origin);
        faults.digest("certificate", &self.certificate, Required);
        faults.region("region", &mut self.region, Required);
        faults.code("number", &mut self.number, Required);
        faults.choice::<CreditReason>("reason", self.reason, Required);
        faults.choice::<CreditState>("state", self.state, Required);
        faults.date("listed_from", self.listed_from, Required);
        faults.date_from("listed_to", self.listed_to, Optional, self.listed_from);
        faults.digest("digest", &self.digest, Optional);
    }
}

/// An entry that lists somebody.
pub trait Listing: Entry {
    /// How the case stands.
    fn standing(&self) -> CreditState;

    /// First and last day of the listing; the last is 0 for open.
    fn days(&self) -> (u32, u32);

    /// Whether this entry, the one of its case that holds on a day, lists anybody on that day.
    fn lists(&self, date: Date) -> bool {
        let ((from, to), date) = (self.days(), date.as_yyyymmdd());
        // An appeal suspends nothing.
        let is_listed = matches!(self.standing(), CreditState::Listed | CreditState::Appealed);
        is_listed && from <= date && (to == 0 || date <= to)
    }
}

impl Listing for InstitutionCredit {
    fn standing(&self) -> CreditState {
        self.state()
    }

    fn days(&self) -> (u32, u32) {
        (self.listed_from, self.listed_to)
    }
}

impl Listing for PersonCredit {
    fn standing(&self) -> CreditState {
        self.state()
    }

    fn days(&self) -> (u32, u32) {
        (self.listed_from, self.listed_to)
    }
}

/// Entries that list somebody on a day. A case that was annulled lists nobody on any day, as it
/// should never have been: only then does a later entry speak of earlier days.
fn listed<'a, E: Listing + 'a>(
    rows: &'a [Dated<E>],
    is_about: impl Fn(&E) -> bool + 'a,
    date: Date,
) -> impl Iterator<Item = &'a E> {
    let annulled: Vec<String> = in_force(rows, Date::MAX)
        .into_iter()
        .filter(|entry| entry.standing() == CreditState::Annulled)
        .map(Entry::key)
        .collect();
    in_force(rows, date).into_iter().filter(move |entry| {
        is_about(entry) && entry.lists(date) && !annulled.contains(&entry.key())
    })
}

/// The entries by which an institution was listed on a day, out of those of one log.
pub fn institution_listed<'a>(
    rows: &'a [Dated<InstitutionCredit>],
    institution: &'a str,
    date: Date,
) -> impl Iterator<Item = &'a InstitutionCredit> {
    listed(rows, move |entry| entry.institution == institution, date)
}

/// The entries by which the holder of a certificate was listed on a day, out of those of one log.
/// A person's other certificates have leaf hashes of their own: ask for each.
pub fn person_listed<'a>(
    rows: &'a [Dated<PersonCredit>],
    origin: &'a str,
    certificate: Hash,
    date: Date,
) -> impl Iterator<Item = &'a PersonCredit> {
    let is_about = move |entry: &PersonCredit| {
        entry.origin == origin && entry.certificate == certificate.as_bytes()
    };
    listed(rows, is_about, date)
}
