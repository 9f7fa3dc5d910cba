//! Putting numbers together, for institutions that number certificates and for test data.

use super::{CertificateNumber, Grammar, NumberError};
use crate::codes::{InstitutionCode, Level, Region};

/// The parts of a 16-digit qualification number.
#[derive(Clone, Copy, Debug)]
pub struct QualificationNumber {
    /// The year of issue, 1990 to 2089.
    pub year: u16,
    /// The province of the agency; only the province counts.
    pub province: Region,
    /// The city, 0 to 99.
    pub city: u8,
    /// The kind of agency, 0 to 4.
    pub agency_kind: u8,
    /// The agency, 0 to 999.
    pub agency: u16,
    /// The level, one that has a grade.
    pub level: Level,
    /// The serial, 1 to 99999, per agency, year and level.
    pub serial: u32,
}

/// The parts of a 20-character pilot-era number.
#[derive(Clone, Copy, Debug)]
pub struct PilotNumber {
    /// `G` ministry, `S` province, `C` city or `X` county.
    pub filing_tier: char,
    /// `N` employer or `W` third party.
    pub category: char,
    /// The region.
    pub region: Region,
    /// The institution, 0 to 999.
    pub agency: u16,
    /// The year of issue, 2000 to 2099.
    pub year: u16,
    /// The level, one that has a grade.
    pub level: Level,
    /// The serial, 0 to 99999.
    pub serial: u32,
}

impl CertificateNumber {
    /// A 22-character skill level number: `year` 2000 to 2099, `serial` 0 to 999999.
    ///
    /// # Errors
    /// [`NumberError::PartRange`] if a part does not fit.
    pub fn compose_22(
        institution: &InstitutionCode,
        year: u16,
        level: Level,
        serial: u32,
    ) -> Result<Self, NumberError> {
        let text = format!(
            "{institution}{:02}{}{serial:06}",
            year % 100,
            level.code_char()
        );
        composed(Grammar::SKILL_LEVEL, &text, year)
    }

    /// A 16-digit qualification number.
    ///
    /// # Errors
    /// [`NumberError::PartRange`] if a part does not fit.
    pub fn compose_16(parts: &QualificationNumber) -> Result<Self, NumberError> {
        let QualificationNumber {
            year,
            province,
            city,
            agency_kind,
            agency,
            level,
            serial,
        } = parts;
        let text = format!(
            "{:02}{}{city:02}{agency_kind}{agency:03}{}{serial:05}",
            year % 100,
            province.province(),
            level.code_char(),
        );
        composed(Grammar::QUALIFICATION, &text, *year)
    }

    /// A 20-character pilot-era number.
    ///
    /// # Errors
    /// [`NumberError::PartRange`] if a part does not fit.
    pub fn compose_20(parts: &PilotNumber) -> Result<Self, NumberError> {
        let PilotNumber {
            filing_tier,
            category,
            region,
            agency,
            year,
            level,
            serial,
        } = parts;
        let text = format!(
            "R{filing_tier}{category}{}{agency:03}{:02}{}{serial:05}",
            region.six_digits(),
            year % 100,
            level.code_char(),
        );
        composed(Grammar::PILOT, &text, *year)
    }
}

/// A part that is too large makes the text too long, so the grammar refuses it; only the year is
/// cut to two digits before and has to be compared.
fn composed(id: &str, text: &str, year: u16) -> Result<CertificateNumber, NumberError> {
    let grammar = Grammar::find(id).ok_or(NumberError::PartRange)?;
    let number = CertificateNumber::under(grammar, text).map_err(|_| NumberError::PartRange)?;
    if number.year() != Some(year) {
        return Err(NumberError::PartRange);
    }
    Ok(number)
}
