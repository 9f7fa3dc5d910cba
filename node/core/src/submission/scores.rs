//! Scores, from 0 to 100.

use super::fault::{Fault, Faults};
use super::fields::{Field, Sound, canonical, is_blank, optional};
use crate::disclosure::{Group, Values};
use crate::normalise;

const NAMES: [&str; 4] = ["theory", "practice", "review", "overall"];
pub(super) const FIELDS: [Field; 4] = [
    optional(NAMES[0]),
    optional(NAMES[1]),
    optional(NAMES[2]),
    optional(NAMES[3]),
];

/// Checks the group `scores`.
pub(super) fn check(values: &Values, faults: &mut Faults) -> Values {
    let sound = Sound::read(Group::Scores, values, &FIELDS, faults);
    if is_blank(values) {
        faults.push(Group::Scores.name(), &Fault::GroupEmpty);
    }
    canonical(NAMES.map(|name| {
        let score = sound
            .get(name)
            .and_then(|text| faults.take(name, canonical_score(text)));
        (name, score)
    }))
}

/// `85`, or `85.5`: no leading zeros and no decimal 0, however many the database printed.
fn canonical_score(text: &str) -> Result<String, Fault> {
    let text = normalise::text(text);
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (tenth, rest) = decimals.split_at_checked(1).ok_or(Fault::ScoreFormat)?;
    if !is_digits(whole) || !is_digits(tenth) || !rest.bytes().all(|b| b == b'0') {
        return Err(Fault::ScoreFormat);
    }
    let whole: u32 = whole.parse().map_err(|_| Fault::ScoreRange)?;
    if whole > 100 || (whole == 100 && tenth != "0") {
        return Err(Fault::ScoreRange);
    }
    Ok(if tenth == "0" {
        whole.to_string()
    } else {
        format!("{whole}.{tenth}")
    })
}
