//! The checks that every value goes through, whatever it means.

use super::MAX_VALUE_BYTES;
use super::fault::{Fault, Faults};
use crate::disclosure::{Group, Values};
use crate::normalise;

/// A field of a group.
pub(super) struct Field {
    name: &'static str,
    required: bool,
}

impl Field {
    /// Its name.
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }
}

/// A field that has to be there.
pub(super) const fn required(name: &'static str) -> Field {
    Field {
        name,
        required: true,
    }
}

/// A field that may be there.
pub(super) const fn optional(name: &'static str) -> Field {
    Field {
        name,
        required: false,
    }
}

/// The values of a group that may be looked at: known names, sound text, not blank.
pub(super) struct Sound<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Sound<'a> {
    /// Sorts out what no rule needs to see, and reports it.
    pub(super) fn read(
        group: Group,
        values: &'a Values,
        fields: &[Field],
        faults: &mut Faults,
    ) -> Self {
        let is_known = |name: &str| fields.iter().any(|field| field.name == name);
        if values.iter().any(|(name, _)| !is_known(name)) {
            // The name is the caller's text and could hold anything, so the group is named.
            faults.push(group.name(), &Fault::FieldUnknown);
        }
        let mut sound = Vec::with_capacity(fields.len());
        for field in fields {
            let value = values.get(field.name).unwrap_or_default();
            if let Err(fault) = soundness(value) {
                faults.push(field.name, &fault);
            } else if !normalise::is_blank(value) {
                sound.push((field.name, value));
            } else if field.required {
                faults.push(field.name, &Fault::FieldMissing);
            }
        }
        Self(sound)
    }

    /// A value as it came.
    pub(super) fn get(&self, field: &str) -> Option<&'a str> {
        let mut found = self.0.iter().filter(|(name, _)| *name == field);
        found.next().map(|(_, value)| *value)
    }

    /// A value as plain text.
    pub(super) fn text(&self, field: &str) -> Option<String> {
        self.get(field).map(normalise::text)
    }
}

/// Whether a group says nothing.
pub(super) fn is_blank(values: &Values) -> bool {
    values.iter().all(|(_, value)| normalise::is_blank(value))
}

/// Whether text can be worked with at all. Tabs and line breaks are spaces that spreadsheets
/// put into cells, which the normaliser folds; any other control character is damage.
pub(crate) fn soundness(value: &str) -> Result<(), Fault> {
    let is_damage = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    match value {
        _ if value.len() > MAX_VALUE_BYTES => Err(Fault::FieldTooLong),
        _ if value.contains(is_damage) => Err(Fault::ControlCharacter),
        _ if value.contains(char::REPLACEMENT_CHARACTER) => Err(Fault::ReplacementCharacter),
        _ => Ok(()),
    }
}

/// The canonical values of a group, without those that are absent.
pub(super) fn canonical<const N: usize>(fields: [(&'static str, Option<String>); N]) -> Values {
    Values::new(
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    )
}

/// Whether normalised text is `1..=max` ASCII digits and capital letters.
pub(crate) fn is_code(text: &str, max: usize) -> bool {
    let is_code_byte = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    (1..=max).contains(&text.len()) && text.bytes().all(is_code_byte)
}
