//! The rules of every kind, each broken once, and what all kinds have in common.

mod agreements;
mod catalogues;
mod common;
mod crosswalk;
mod dispatch;
mod draws;
mod people;
mod recognition;
mod resources;
mod samples;
mod sites;
mod supervised;
mod views;

use std::fmt::Debug;

use huren_proto::v1::Kind;

use super::{Entry, read, submit};
use crate::{codes::Region, record::RecordError};

const REGION: &str = "REGION_FORMAT";

fn faults(kind: Kind, bytes: &[u8]) -> Vec<(&'static str, &'static str)> {
    let refused = submit(kind, bytes, &Region::ZHEJIANG, Region::ZHEJIANG).err();
    let refused = refused.unwrap_or_default();
    assert!(refused.iter().all(|f| !f.en.is_empty() && !f.zh.is_ascii()));
    refused.iter().map(|f| (f.field, f.code)).collect()
}

/// Breaks rules of a correct entry: a submission is refused with these fields and codes, and a
/// leaf that says the same breaks a rule.
fn refuse<E: Entry + Debug>(
    sample: fn() -> E,
    change: impl FnOnce(&mut E),
    expected: &[(&str, &str)],
) {
    let mut entry = sample();
    change(&mut entry);
    let bytes = entry.encode_to_vec();
    assert_eq!(faults(E::KIND, &bytes), expected, "{entry:?}");
    let first = expected.first().map(|(_, code)| *code);
    match read(E::KIND, &bytes) {
        Err(RecordError::Rule(code)) => assert_eq!(Some(code), first, "{entry:?}"),
        other => panic!("{other:?} of {entry:?}"),
    }
}

/// A number that this version does not know makes a leaf newer; it is not taken in.
fn newer<E: Entry + Debug>(sample: fn() -> E, change: impl FnOnce(&mut E), field: &str) {
    let mut entry = sample();
    change(&mut entry);
    let bytes = entry.encode_to_vec();
    assert_eq!(read(E::KIND, &bytes), Ok(None), "{entry:?}");
    let faults = faults(E::KIND, &bytes);
    assert!(faults.contains(&(field, "VALUE_UNKNOWN")), "{faults:?}");
}

/// Another correct entry.
fn accept<E: Entry + Debug>(sample: fn() -> E, change: impl FnOnce(&mut E)) {
    let mut entry = sample();
    change(&mut entry);
    let bytes = entry.encode_to_vec();
    assert_eq!(faults(E::KIND, &bytes), [], "{entry:?}");
    let checked = read(E::KIND, &bytes);
    assert!(matches!(checked, Ok(Some(_))), "{checked:?} of {entry:?}");
}

/// What people write otherwise comes into the one form of the correct entry when it is handed in;
/// a leaf that says it otherwise breaks a rule.
fn one_form<E: Entry + Debug>(sample: fn() -> E, change: impl FnOnce(&mut E)) {
    let mut entry = sample();
    change(&mut entry);
    let bytes = entry.encode_to_vec();
    let canonical = sample().encode_to_vec();
    let submitted = submit(E::KIND, &bytes, &Region::ZHEJIANG, Region::ZHEJIANG);
    assert_eq!(submitted, Ok(canonical), "{entry:?}");
    let leaf = read(E::KIND, &bytes);
    assert_eq!(leaf, Err(RecordError::Rule("NOT_CANONICAL")), "{entry:?}");
}
