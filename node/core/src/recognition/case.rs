//! What is to be decided about: the certificate as it was verified, and who asks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    codes::{CertificateNumber, Date, InstitutionCode, Level, Occupation, Region, Track},
    reason::Reason,
    verdict::Verdict,
};

/// A certificate that somebody is asked to recognise.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The region that is asked to recognise it, GB/T 2260.
    pub asking: String,
    /// For what, as in `huren.v1.Purpose`, in small letters.
    pub purpose: String,
    /// The day asked about (Asia/Shanghai), ISO 8601.
    pub as_of: String,
    /// Origin of that region's log: its agreements count.
    pub asking_log: String,
    /// The province that issued it; empty if it is not known.
    pub home: String,
    /// Origin of that province's log: its directories count.
    pub home_log: String,
    /// The conclusion about the certificate alone.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Leaf hash of it, hexadecimal; empty if it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub leaf: String,
    /// What it says (group `certificate`). Empty if it was not found, not shown, or erased.
    pub certificate: BTreeMap<String, String>,
    /// Where the assessment took place; empty if it does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub activity_region: String,
    /// Whether a resident ID number was presented that fails its own check.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub id_fails: bool,
    /// How many other certificates of the same occupation and level the holder is known to have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_holdings: u32,
    /// Leaf hashes, hexadecimal and ascending, of the holder's other certificates of the same
    /// occupation and level for which a subsidy was claimed: they are sought where a subsidy is
    /// asked for, and by the holder's document alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others_claimed: Vec<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Debug keeps what the certificate says to itself.
impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("asking", &self.asking)
            .field("as_of", &self.as_of)
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

/// What a certificate says, as far as it can be read.
pub(super) struct Facts<'a> {
    pub(super) track: Option<Track>,
    pub(super) number: Option<CertificateNumber>,
    pub(super) occupation: Option<Occupation>,
    pub(super) level: Option<Level>,
    /// Code of the institution, as it stands.
    pub(super) institution: Option<&'a str>,
    pub(super) issue_date: Option<Date>,
    /// The standard that it names.
    pub(super) standard: Option<&'a str>,
}

impl Case {
    fn get(&self, field: &str) -> Option<&str> {
        self.certificate.get(field).map(String::as_str)
    }

    /// Whether claims of a subsidy bear on it.
    pub fn asks_for_claims(&self) -> bool {
        self.purpose == "subsidy"
    }

    /// Code of the institution that issued it.
    pub(super) fn institution(&self) -> Option<&str> {
        self.get("institution_code")
    }

    /// Reads what the certificate says.
    pub(super) fn facts(&self) -> Facts<'_> {
        let track = self.get("track").and_then(|text| Track::parse(text).ok());
        let edition = self.get("occupation_edition");
        let edition = edition.and_then(|text| text.parse().ok());
        let occupation = edition.zip(self.get("occupation_code"));
        let level = self.get("level").and_then(|text| text.parse().ok());
        let number = self.get("number");
        Facts {
            number: number.and_then(|text| CertificateNumber::parse(text, track).ok()),
            track,
            occupation: occupation
                .and_then(|(edition, code)| Occupation::parse(edition, code).ok()),
            level: level.and_then(Level::from_ordinal),
            institution: self.institution(),
            issue_date: self.get("issue_date").and_then(|d| Date::parse(d).ok()),
            standard: self.get("standard"),
        }
    }
}

impl Facts<'_> {
    /// Whether the number contradicts what the certificate says.
    pub(super) fn contradicts_number(&self) -> bool {
        let Some((number, issued)) = self.number.as_ref().zip(self.issue_date) else {
            return false;
        };
        let code = self
            .institution
            .and_then(|code| InstitutionCode::parse(code).ok());
        number
            .cross_check(issued, self.level, code.as_ref())
            .into_iter()
            .next()
            .is_some()
    }
}

/// A region of a case; `None` if it is not one.
pub(super) fn region(text: &str) -> Option<Region> {
    Region::parse(text).ok()
}
