//! What a cell says, as the text that a person sees in it.

use std::borrow::Cow;

use jiff::{ToSpan as _, civil::date};

use super::strings::Strings;
use crate::{CellFaultKind, TableError};

/// The first whole number that cannot be told from its neighbour.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The first number with more digits than the 15 that Excel keeps ("Excel specifications and
/// limits", support.microsoft.com).
const SIXTEEN_DIGITS: f64 = 1e15;

/// The last day of Excel's calendar, the end of the year 9999, in days from 1900.
const LAST_DAY: f64 = 2_958_465.0;

/// Zeros of a format: Excel bounds the codes of formats to 255 characters.
const MOST_DIGITS: usize = 255;

/// How a number is shown, as far as it makes another value of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NumberFormat {
    #[default]
    Plain,
    Day,
    /// With leading zeros up to so many digits, as codes are kept.
    Padded(usize),
}

impl NumberFormat {
    /// Of those that every workbook has (ECMA-376 part 1, 18.8.30). 27 to 36 and 50 to 58 are
    /// days in the Chinese Excel.
    pub(super) fn built_in(id: u32) -> Self {
        match id {
            14..=17 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58 => Self::Day,
            _ => Self::Plain,
        }
    }

    /// Of a workbook's own ones: a day has a year or a day in it. Text in quotation marks or
    /// brackets, and what stands behind a backslash, is shown as it is.
    pub(super) fn of_code(code: &str) -> Self {
        let positive = code.split(';').next().unwrap_or_default();
        if (2..=MOST_DIGITS).contains(&positive.len()) && positive.bytes().all(|byte| byte == b'0')
        {
            return Self::Padded(positive.len());
        }
        let mut characters = positive.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => drop(characters.find(|c| *c == '"')),
                '[' => drop(characters.find(|c| *c == ']')),
                '\\' | '_' | '*' => drop(characters.next()),
                // `e` is the year where `E+` is not an exponent.
                'y' | 'Y' | 'd' | 'D' | 'e' => return Self::Day,
                'G' | 'g' if positive.eq_ignore_ascii_case("General") => return Self::Plain,
                _ => {}
            }
        }
        Self::Plain
    }
}

/// What cells need of the rest of their workbook.
pub(super) struct Cells {
    pub(super) strings: Strings,
    /// By the style that a cell names.
    pub(super) formats: Vec<NumberFormat>,
    /// Whether days are counted from 1904.
    pub(super) is_1904: bool,
}

/// A cell's text and whether it may be taken.
pub(super) type Said<'a> = (Cow<'a, str>, Option<CellFaultKind>);

impl Cells {
    /// What a cell of a type (ECMA-376 part 1, 18.18.11) and a style says by its value.
    pub(super) fn read<'a>(
        &'a self,
        kind: Option<&str>,
        style: usize,
        value: &'a str,
    ) -> Result<Said<'a>, TableError> {
        let damaged = || TableError::Damaged("cell");
        Ok(match kind {
            _ if value.is_empty() => (value.into(), None),
            Some("s") => {
                let at = value.trim().parse().ok();
                let text = at.and_then(|at| self.strings.get(at));
                (text.ok_or_else(damaged)?.into(), None)
            }
            Some("str" | "inlineStr") => (unescaped(value), None),
            Some("b") => {
                let is_true = matches!(value.trim(), "1" | "true");
                (if is_true { "TRUE" } else { "FALSE" }.into(), None)
            }
            Some("e") => (value.into(), Some(CellFaultKind::Error)),
            // A day with its time, which no column of ours has.
            Some("d") => (value.split('T').next().unwrap_or_default().into(), None),
            Some("n") | None => {
                let number: f64 = value.trim().parse().map_err(|_| damaged())?;
                let format = self.formats.get(style).copied().unwrap_or_default();
                match self.number(number, format) {
                    Ok(text) => (text.into(), None),
                    Err(fault) => (value.into(), Some(fault)),
                }
            }
            Some(_) => return Err(damaged()),
        })
    }

    fn number(&self, number: f64, format: NumberFormat) -> Result<String, CellFaultKind> {
        match format {
            NumberFormat::Day => day(number, self.is_1904).ok_or(CellFaultKind::Date),
            _ if !number.is_finite() => Err(CellFaultKind::Error),
            _ if number.abs() >= EXACT => Err(CellFaultKind::Digits),
            // The sixteenth digit of what was typed is kept as a zero.
            _ if number.abs() >= SIXTEEN_DIGITS && number % 10.0 == 0.0 => {
                Err(CellFaultKind::Digits)
            }
            NumberFormat::Padded(width) if number >= 0.0 && number.fract() == 0.0 => {
                Ok(format!("{number:0width$}"))
            }
            // Without an exponent, and with the fewest digits that mean this number.
            _ => Ok(number.to_string()),
        }
    }
}

/// A day by its number (ECMA-376 part 1, 18.17.4.1). Before March 1900 the numbers are one too
/// small, as the calendar of 1900 has a 29 February that never was.
fn day(number: f64, is_1904: bool) -> Option<String> {
    let whole = number.floor();
    if !(1.0..=LAST_DAY).contains(&whole) {
        return None;
    }
    let days = whole as i64;
    let first = match days {
        _ if is_1904 => date(1904, 1, 1),
        ..60 => date(1899, 12, 31),
        60 => return None,
        _ => date(1899, 12, 30),
    };
    first
        .checked_add(days.days())
        .ok()
        .map(|day| day.to_string())
}

/// Characters that XML cannot hold stand as `_x000D_` (ECMA-376 part 1, 22.9.2.19).
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("_x") {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        match escaped(rest) {
            Some(character) => {
                plain.push(character);
                rest = &rest["_x000D_".len()..];
            }
            None => {
                plain.push_str("_x");
                rest = &rest["_x".len()..];
            }
        }
    }
    plain.push_str(rest);
    plain.into()
}

fn escaped(text: &str) -> Option<char> {
    let digits = text
        .get(2..6)
        .filter(|_| text.as_bytes().get(6) == Some(&b'_'))?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    char::from_u32(code)
}
