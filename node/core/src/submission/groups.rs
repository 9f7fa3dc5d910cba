//! Groups as they arrive on the wire.

use std::collections::BTreeMap;

use huren_proto::v1;

use super::fault::{Fault, Faults, Invalid};
use crate::disclosure::{Group, Values};

/// Collects the groups of a submission. Values are not looked at, only that each group and
/// each of its fields is there once.
///
/// # Errors
/// Every group that is unknown, repeated, without fields, or has a field twice.
pub fn from_proto(groups: &[v1::GroupValues]) -> Result<BTreeMap<Group, Values>, Vec<Invalid>> {
    let mut faults = Faults::default();
    let mut collected = BTreeMap::new();
    for entry in groups {
        let Some(group) = Group::from_number(entry.group) else {
            faults.push("", &Fault::GroupUnknown);
            continue;
        };
        let mut names: Vec<&str> = entry.fields.iter().map(|f| f.name.as_str()).collect();
        names.sort_unstable();
        if !names.is_sorted_by(|a, b| a < b) {
            faults.push(group.name(), &Fault::FieldTwice);
        }
        let fields = entry
            .fields
            .iter()
            .map(|f| (f.name.as_str(), f.value.as_str()));
        if collected.insert(group, Values::new(fields)).is_some() {
            faults.push(group.name(), &Fault::GroupTwice);
        }
    }
    if faults.is_empty() {
        Ok(collected)
    } else {
        Err(faults.into_vec())
    }
}
