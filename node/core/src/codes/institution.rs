//! The codes of assessment institutions and their sites.

use std::fmt;

use super::{Coded, Region};
use crate::normalise;

/// A 13-character institution code: the first 13 positions of every 22-character certificate
/// number (职业技能等级证书编码规则).
///
/// Kind `Y` or `S`, four digits of first filing, the province of the institution or site, and a
/// six-digit serial assigned there, whose inner layout is the province's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstitutionCode(String);

/// What an institution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstitutionKind {
    /// `Y`, 用人单位: an employer, assessing its own staff.
    Employer,
    /// `S`, 社会培训评价组织: an assessment organisation open to the public.
    SocialOrganisation,
}

impl InstitutionKind {
    /// The letter in the code.
    pub fn letter(self) -> char {
        match self {
            Self::Employer => 'Y',
            Self::SocialOrganisation => 'S',
        }
    }
}

impl InstitutionCode {
    /// Reads a code.
    ///
    /// # Errors
    /// [`InstitutionError`] if the form is wrong or the province does not exist.
    pub fn parse(text: &str) -> Result<Self, InstitutionError> {
        let text = normalise::number(text);
        let Some((kind, digits)) = text.as_bytes().split_first() else {
            return Err(InstitutionError::Format);
        };
        let is_numeric = digits.len() == 12 && digits.iter().all(u8::is_ascii_digit);
        if !matches!(kind, b'Y' | b'S') || !is_numeric {
            return Err(InstitutionError::Format);
        }
        Region::parse(&text[5..7]).map_err(|_| InstitutionError::Province)?;
        Ok(Self(text))
    }

    /// Puts a code together. `filing` is 0 for an institution first filed with a province, or
    /// 1 to 9999 as the ministry assigned it; `serial` is 0 to 999999; of `region` the province
    /// counts.
    ///
    /// # Errors
    /// [`InstitutionError::Format`] if a number is out of its range.
    pub fn compose(
        kind: InstitutionKind,
        filing: u16,
        region: Region,
        serial: u32,
    ) -> Result<Self, InstitutionError> {
        Self::parse(&format!(
            "{}{filing:04}{}{serial:06}",
            kind.letter(),
            region.province()
        ))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Employer or social organisation.
    pub fn kind(&self) -> InstitutionKind {
        if self.0.starts_with('Y') {
            InstitutionKind::Employer
        } else {
            InstitutionKind::SocialOrganisation
        }
    }

    /// Whether it was first filed with the ministry rather than a province; such an institution
    /// has sites, with codes of their own, in many provinces.
    pub fn filed_with_ministry(&self) -> bool {
        &self.0[1..5] != "0000"
    }

    /// The province of the institution or site that this code names.
    pub fn province(&self) -> Option<Region> {
        Region::parse(&self.0[5..7]).ok()
    }

    /// The six digits assigned by the province.
    pub fn serial(&self) -> &str {
        &self.0[7..]
    }
}

impl fmt::Display for InstitutionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an institution code was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstitutionError {
    /// Not `Y` or `S` and twelve digits.
    #[error("an institution code is the letter Y or S and 12 digits")]
    Format,
    /// No such province.
    #[error("positions 6 and 7 of the institution code are no province of GB/T 2260")]
    Province,
}

impl Coded for InstitutionError {
    fn code(&self) -> &'static str {
        match self {
            Self::Format => "INSTITUTION_FORMAT",
            Self::Province => "INSTITUTION_PROVINCE",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Format => "评价机构编码应为字母 Y 或 S 加 12 位数字",
            Self::Province => "评价机构编码第 6、7 位不是 GB/T 2260 中的省级代码",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<&str, InstitutionError>) {
        let parsed = InstitutionCode::parse(input);
        assert_eq!(
            parsed.as_ref().map(InstitutionCode::as_str),
            expected.as_ref().copied(),
            "{input:?}"
        );
    }

    #[test]
    fn parses_and_refuses() {
        check("S000033010006", Ok("S000033010006"));
        check("y0001 31 020001", Ok("Y000131020001"));
        check("S000066010006", Err(InstitutionError::Province));
        for bad in [
            "",
            "S",
            "A000033010006",
            "S00003301000",
            "S0000330100061",
            "S00003301000A",
            "S张33010006",
        ] {
            check(bad, Err(InstitutionError::Format));
        }
    }

    #[test]
    fn composes() {
        let code = InstitutionCode::compose(InstitutionKind::Employer, 1, Region::SHANGHAI, 20_001);
        let code = code.unwrap();
        assert_eq!(code.as_str(), "Y000131020001");
        assert_eq!(code.kind(), InstitutionKind::Employer);
        assert!(code.filed_with_ministry());
        assert_eq!(code.province(), Some(Region::SHANGHAI));
        assert_eq!(code.serial(), "020001");
        let too_large = [(10_000, 1), (0, 1_000_000)];
        for (filing, serial) in too_large {
            let kind = InstitutionKind::SocialOrganisation;
            let refused = InstitutionCode::compose(kind, filing, Region::ANHUI, serial);
            assert_eq!(refused, Err(InstitutionError::Format));
        }
    }
}
