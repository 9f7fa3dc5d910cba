//! The regions under which a certificate is counted (浙人社发〔2022〕16号, 四(一) and 五(六)).

use super::fault::{Fault, Faults};
use super::fields::{Field, Sound, canonical, is_blank, optional};
use crate::codes::Region;
use crate::disclosure::{Group, Values};

/// Where the assessment took place, where the holder works, where the subsidy was claimed,
/// and where the household is registered.
const NAMES: [&str; 4] = [
    "activity_region",
    "work_region",
    "subsidy_region",
    "household_region",
];
pub(super) const FIELDS: [Field; 4] = [
    optional(NAMES[0]),
    optional(NAMES[1]),
    optional(NAMES[2]),
    optional(NAMES[3]),
];

/// Checks the group `statistics`. Regions are kept in their short form.
///
/// They may lie in any province: holders work elsewhere, and a site beyond the province of
/// the number is a matter of recognition, not of form.
pub(super) fn check(values: &Values, faults: &mut Faults) -> Values {
    let sound = Sound::read(Group::Statistics, values, &FIELDS, faults);
    if is_blank(values) {
        faults.push(Group::Statistics.name(), &Fault::GroupEmpty);
    }
    canonical(NAMES.map(|name| {
        let region = sound
            .get(name)
            .and_then(|text| faults.take(name, Region::parse(text)));
        (name, region.map(|region| region.to_string()))
    }))
}
