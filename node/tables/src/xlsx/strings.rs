//! The strings that cells share, all in one piece of memory.

use quick_xml::events::Event;

use super::{cell::unescaped, package::Part, xml::Xml};
use crate::TableError;

/// Excel's limit is 32,767 characters in a cell, which are at most so many bytes.
pub(super) const MOST_CELL_BYTES: usize = 4 * 32_767;

/// Strings that are held: 64 MiB of ends, where each of them is short.
const MOST_STRINGS: usize = 16 << 20;

/// Shared strings, by number.
#[derive(Default)]
pub(super) struct Strings {
    text: String,
    /// Where each ends. A part is less than 4 GiB: see [`crate::Limits`].
    ends: Vec<u32>,
}

impl Strings {
    pub(super) fn read(part: Part) -> Result<Self, TableError> {
        let mut xml = Xml::new(part, "strings");
        let mut strings = Self::default();
        let mut one = String::new();
        loop {
            match xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "si" => {
                    one.clear();
                    xml.text_into(&mut one, MOST_CELL_BYTES)?;
                    strings.text.push_str(&unescaped(&one));
                    let end = u32::try_from(strings.text.len());
                    strings
                        .ends
                        .push(end.map_err(|_| TableError::TooLarge("strings"))?);
                    if strings.ends.len() > MOST_STRINGS {
                        return Err(TableError::TooLarge("strings"));
                    }
                }
                Event::Eof => return Ok(strings),
                _ => {}
            }
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }
}
