//! The three kinds of certificate.

use super::Coded;
use crate::normalise;

/// Under which system a certificate was issued (浙人社发〔2022〕16号, 三).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
pub enum Track {
    /// 职业资格: the occupation is inside the national qualification catalogue.
    Q,
    /// 职业技能等级: the occupation is outside the catalogue; employers and assessment
    /// organisations certify.
    L,
    /// 专项职业能力: one ability, without levels, certified by cities and counties.
    S,
}

impl Track {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Q, Self::L, Self::S];

    /// Reads the Chinese name, with or without 证书, or the letter.
    ///
    /// # Errors
    /// [`TrackError::Unknown`] for anything else.
    pub fn parse(text: &str) -> Result<Self, TrackError> {
        let text = normalise::text(text);
        let stem = text.strip_suffix("证书").unwrap_or(&text);
        let stem = stem.strip_prefix("国家").unwrap_or(stem);
        Self::ALL
            .into_iter()
            .find(|track| stem == track.chinese() || stem.eq_ignore_ascii_case(track.letter()))
            .ok_or(TrackError::Unknown)
    }

    /// The letter used in records.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Q => "Q",
            Self::L => "L",
            Self::S => "S",
        }
    }

    /// The Chinese name; the certificate's own name adds 证书.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Q => "职业资格",
            Self::L => "职业技能等级",
            Self::S => "专项职业能力",
        }
    }

    /// The name in English.
    pub fn english(self) -> &'static str {
        match self {
            Self::Q => "vocational qualification",
            Self::L => "vocational skill level",
            Self::S => "special vocational ability",
        }
    }
}

/// Why a track was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackError {
    /// No such track.
    #[error("the certificate type is none of 职业资格, 职业技能等级, 专项职业能力")]
    Unknown,
}

impl Coded for TrackError {
    fn code(&self) -> &'static str {
        "TRACK_UNKNOWN"
    }

    fn zh(&self) -> String {
        "证书类别应为职业资格、职业技能等级或专项职业能力".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_refuses() {
        let check = |input, expected| assert_eq!(Track::parse(input), expected, "{input:?}");
        check("职业资格", Ok(Track::Q));
        check("国家职业资格证书", Ok(Track::Q));
        check(" 职业技能等级证书 ", Ok(Track::L));
        check("专项职业能力证书", Ok(Track::S));
        check("Ｌ", Ok(Track::L));
        check("q", Ok(Track::Q));
        for bad in ["", "证书", "职业", "培训合格证书", "X"] {
            check(bad, Err(TrackError::Unknown));
        }
    }
}
