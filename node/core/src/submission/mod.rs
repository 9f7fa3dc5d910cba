//! What a province's system hands in, checked and brought into the one form that is digested.
//!
//! Field names and canonical values enter salted digests, so they are as permanent as the
//! normaliser: equal facts give equal bytes, and canonical values pass unchanged when they
//! are handed in again. All faults of a submission are reported at once, each with a stable
//! code; no report ever holds a value, because reports reach logs and screens.
//!
//! Only what a submission says of itself is checked here. Whether the institution is in the
//! directory, or the number was used before, is for the register to say.

mod certificate;
mod fault;
mod fields;
mod groups;
mod holder;
mod institution;
mod scores;
mod signed;
mod statistics;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::codes::{CertificateNumber, Region};
use crate::disclosure::{Group, Values};

pub(crate) use fault::{Fault, faults};
pub use fault::{Faults, Invalid};
pub(crate) use fields::{is_code, soundness};
pub use groups::from_proto;
pub use institution::institution;
pub use signed::{SignedCertificate, sign, signed};

/// The most bytes that one value may have, before normalisation.
pub const MAX_VALUE_BYTES: usize = 400;

/// Names of the fields that a group can have, in their order.
pub fn field_names(group: Group) -> impl Iterator<Item = &'static str> {
    let fields: &'static [fields::Field] = match group {
        Group::Certificate => &certificate::FIELDS,
        Group::HolderName => &holder::NAME,
        Group::HolderId => &holder::ID,
        Group::Statistics => &statistics::FIELDS,
        Group::Scores => &scores::FIELDS,
    };
    fields.iter().map(fields::Field::name)
}

/// The groups that every certificate has.
const REQUIRED: [Group; 3] = [Group::Certificate, Group::HolderName, Group::HolderId];

/// The groups of a certificate in canonical form.
#[derive(Clone, Debug)]
pub struct CheckedCertificate {
    /// Canonical values by group; groups without a value are left out.
    pub groups: BTreeMap<Group, Values>,
    /// The number, as read under the grammars of the certificate's track.
    pub number: CertificateNumber,
}

/// Checks a certificate for the log of `province`.
///
/// The groups `certificate`, `holder_name` and `holder_id` are required.
///
/// # Errors
/// Every fault found, in the order of groups and fields.
pub fn certificate(
    groups: &BTreeMap<Group, Values>,
    province: Region,
) -> Result<CheckedCertificate, Vec<Invalid>> {
    let mut faults = Faults::default();
    for group in REQUIRED
        .into_iter()
        .filter(|group| !groups.contains_key(group))
    {
        faults.push(group.name(), &Fault::GroupMissing);
    }
    let checked = check(groups, province, &mut faults);
    match checked.number {
        Some(number) if faults.is_empty() => Ok(CheckedCertificate {
            groups: checked.groups,
            number,
        }),
        _ => Err(faults.into_vec()),
    }
}

/// Checks the groups that a correction or a reissue replaces: any of them, each whole, at
/// least one. That the number stays the target's is for the caller to compare.
///
/// # Errors
/// Every fault found, in the order of groups and fields.
pub fn replaced(
    groups: &BTreeMap<Group, Values>,
    province: Region,
) -> Result<BTreeMap<Group, Values>, Vec<Invalid>> {
    let mut faults = Faults::default();
    if groups.is_empty() {
        faults.push("", &Fault::NothingReplaced);
    }
    let checked = check(groups, province, &mut faults);
    if faults.is_empty() {
        Ok(checked.groups)
    } else {
        Err(faults.into_vec())
    }
}

struct Checked {
    groups: BTreeMap<Group, Values>,
    number: Option<CertificateNumber>,
}

/// Checks the groups that are there. What is returned counts only without faults.
fn check(groups: &BTreeMap<Group, Values>, province: Region, faults: &mut Faults) -> Checked {
    let mut checked = Checked {
        groups: BTreeMap::new(),
        number: None,
    };
    let (mut issued, mut born) = (None, None);
    for (&group, values) in groups {
        let canonical = match group {
            Group::Certificate => {
                let certificate = certificate::check(values, province, faults);
                issued = certificate.issue_date;
                checked.number = certificate.number;
                certificate.values
            }
            Group::HolderName => holder::name(values, faults),
            Group::HolderId => {
                let document = holder::id(values, faults);
                born = document.birth_date;
                document.values
            }
            Group::Statistics => statistics::check(values, faults),
            Group::Scores => scores::check(values, faults),
        };
        if !canonical.is_empty() {
            checked.groups.insert(group, canonical);
        }
    }
    // A citizen number alone cannot tell a birth in the future: the core has no clock. The
    // date of issue can.
    if let (Some(issued), Some(born)) = (issued, born)
        && born >= issued
    {
        faults.push("id_number", &Fault::BornAfterIssue);
    }
    checked
}
