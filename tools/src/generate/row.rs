//! One row of a table of certificates.

use std::collections::BTreeMap;

use crate::files::CERTIFICATE_EXPORT;

/// Cells by field name; what is not set is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(BTreeMap<&'static str, String>);

impl Row {
    /// A cell.
    pub fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    pub(super) fn set(&mut self, field: &'static str, value: impl Into<String>) {
        self.0.insert(field, value.into());
    }

    /// The cells in the order in which provinces export them.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &str> {
        CERTIFICATE_EXPORT.into_iter().map(|field| self.get(field))
    }
}
