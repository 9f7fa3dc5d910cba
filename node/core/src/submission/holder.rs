//! The holder: name, and identity document.

use super::fault::{Fault, Faults};
use super::fields::{Field, Sound, canonical, required};
use crate::codes::{Date, IdDocument, IdKind};
use crate::disclosure::{Group, Values};
use crate::normalise;

pub(super) const NAME: [Field; 1] = [required("name")];
pub(super) const ID: [Field; 2] = [required("id_kind"), required("id_number")];

/// Checks the group `holder_name`.
pub(super) fn name(values: &Values, faults: &mut Faults) -> Values {
    let sound = Sound::read(Group::HolderName, values, &NAME, faults);
    let name = sound.get("name").map(normalise::name).map(checked_name);
    let name = name.and_then(|result| faults.take("name", result));
    canonical([("name", name)])
}

/// A name that could be someone's. Characters of the private-use area count as letters: older
/// systems keep rare ones there.
fn checked_name(name: String) -> Result<String, Fault> {
    let is_letter = |c: char| c.is_alphabetic() || matches!(c, '\u{e000}'..='\u{f8ff}');
    match name.as_str() {
        name if name.contains(['*', '×', '＊']) => Err(Fault::NameMasked),
        name if name.contains(|c: char| c.is_ascii_digit()) => Err(Fault::NameFormat),
        name if !name.contains(is_letter) => Err(Fault::NameFormat),
        _ => Ok(name),
    }
}

/// A checked identity document.
pub(super) struct Document {
    pub(super) values: Values,
    /// If the number tells it.
    pub(super) birth_date: Option<Date>,
}

/// Checks the group `holder_id`. The kind is kept as its token, the number as normalised.
pub(super) fn id(values: &Values, faults: &mut Faults) -> Document {
    let sound = Sound::read(Group::HolderId, values, &ID, faults);
    let kind = sound
        .get("id_kind")
        .and_then(|text| faults.take("id_kind", IdKind::parse(text)));
    let document = kind
        .zip(sound.get("id_number"))
        .and_then(|(kind, number)| faults.take("id_number", IdDocument::parse(kind, number)));
    let birth_date = document.as_ref().and_then(|d| d.id_number()?.birth_date());
    let values = canonical([
        ("id_kind", kind.map(|kind| kind.token().to_owned())),
        (
            "id_number",
            document.map(|document| document.expose().to_owned()),
        ),
    ]);
    Document { values, birth_date }
}
