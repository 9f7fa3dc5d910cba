//! The identity documents that certificates name.

use std::fmt;

use super::{Coded, IdError, IdNumber};
use crate::normalise;

/// A kind of identity document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// 居民身份证.
    ResidentId,
    /// 护照.
    Passport,
    /// 港澳居民来往内地通行证.
    HkMacaoPermit,
    /// 台湾居民来往大陆通行证.
    TaiwanPermit,
    /// 外国人永久居留身份证.
    ForeignPermanentResident,
    /// 港澳台居民居住证.
    HkMacaoTaiwanResidence,
}

impl IdKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::ResidentId,
        Self::Passport,
        Self::HkMacaoPermit,
        Self::TaiwanPermit,
        Self::ForeignPermanentResident,
        Self::HkMacaoTaiwanResidence,
    ];

    /// Reads the full Chinese name, a usual short form of it, or the token.
    ///
    /// # Errors
    /// [`IdDocumentError::Kind`] for anything else.
    pub fn parse(text: &str) -> Result<Self, IdDocumentError> {
        let text = normalise::text(text);
        let short = match text.as_str() {
            "身份证" | "居民身份证件" | "中华人民共和国居民身份证" => {
                Some(Self::ResidentId)
            }
            "外国护照" | "普通护照" | "中国护照" => Some(Self::Passport),
            "港澳通行证" | "回乡证" | "港澳居民来往内地通行证(回乡证)" => {
                Some(Self::HkMacaoPermit)
            }
            "台胞证" => Some(Self::TaiwanPermit),
            "外国人永久居留证" => Some(Self::ForeignPermanentResident),
            "港澳居民居住证" | "台湾居民居住证" => Some(Self::HkMacaoTaiwanResidence),
            _ => None,
        };
        short
            .or_else(|| {
                Self::ALL
                    .into_iter()
                    .find(|kind| text == kind.chinese() || text == kind.token())
            })
            .ok_or(IdDocumentError::Kind)
    }

    /// The name in Chinese.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::ResidentId => "居民身份证",
            Self::Passport => "护照",
            Self::HkMacaoPermit => "港澳居民来往内地通行证",
            Self::TaiwanPermit => "台湾居民来往大陆通行证",
            Self::ForeignPermanentResident => "外国人永久居留身份证",
            Self::HkMacaoTaiwanResidence => "港澳台居民居住证",
        }
    }

    /// The stable name in records and interfaces.
    pub fn token(self) -> &'static str {
        match self {
            Self::ResidentId => "resident_id",
            Self::Passport => "passport",
            Self::HkMacaoPermit => "hk_macao_permit",
            Self::TaiwanPermit => "taiwan_permit",
            Self::ForeignPermanentResident => "foreign_permanent_resident",
            Self::HkMacaoTaiwanResidence => "hk_macao_taiwan_residence",
        }
    }
}

/// An identity document: its kind and its number, checked as far as the kind allows. Neither
/// `Debug` nor `Display` shows the number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdDocument {
    kind: IdKind,
    number: String,
}

impl IdDocument {
    /// Reads the number of a document. Citizen numbers and residence permits are checked by GB
    /// 11643 (permits have the prefix 81, 82 or 83); of the others only that they are 5 to 20
    /// letters and digits, as their forms vary by issuer and year.
    ///
    /// # Errors
    /// [`IdDocumentError`] names the rule that fails.
    pub fn parse(kind: IdKind, text: &str) -> Result<Self, IdDocumentError> {
        let number = match kind {
            IdKind::ResidentId => IdNumber::parse(text)?.expose().to_owned(),
            IdKind::HkMacaoTaiwanResidence => {
                let number = IdNumber::parse(text)?;
                if !["81", "82", "83"]
                    .iter()
                    .any(|p| number.expose().starts_with(p))
                {
                    return Err(IdDocumentError::Number(IdError::Prefix));
                }
                number.expose().to_owned()
            }
            _ => {
                let number = normalise::id(text);
                let is_alphanumeric = number
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
                if !is_alphanumeric || !(5..=20).contains(&number.len()) {
                    return Err(IdDocumentError::Format);
                }
                number
            }
        };
        Ok(Self { kind, number })
    }

    /// The kind.
    pub fn kind(&self) -> IdKind {
        self.kind
    }

    /// The number itself: for digests, lookup tags and encryption only.
    pub fn expose(&self) -> &str {
        &self.number
    }

    /// The citizen number, if the kind is one that follows GB 11643.
    pub fn id_number(&self) -> Option<IdNumber> {
        match self.kind {
            IdKind::ResidentId | IdKind::HkMacaoTaiwanResidence => {
                IdNumber::parse(&self.number).ok()
            }
            _ => None,
        }
    }

    /// The number with its middle hidden and its length kept: as [`IdNumber::masked`], or the
    /// first and the last three characters for the shorter ones.
    pub fn masked(&self) -> String {
        if let Some(number) = self.id_number() {
            return number.masked();
        }
        let end = self.number.len() - 3;
        format!(
            "{}{}{}",
            &self.number[..1],
            "*".repeat(end - 1),
            &self.number[end..]
        )
    }
}

impl fmt::Debug for IdDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdDocument({:?}, redacted)", self.kind)
    }
}

impl fmt::Display for IdDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (redacted)", self.kind.chinese())
    }
}

/// Why an identity document was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdDocumentError {
    /// No such kind of document.
    #[error("not a known kind of identity document")]
    Kind,
    /// Not 5 to 20 letters and digits.
    #[error("the document number is not 5 to 20 letters and digits")]
    Format,
    /// A number by GB 11643 that breaks its rules.
    #[error(transparent)]
    Number(#[from] IdError),
}

impl Coded for IdDocumentError {
    fn code(&self) -> &'static str {
        match self {
            Self::Kind => "ID_KIND_UNKNOWN",
            Self::Format => "ID_DOCUMENT_FORMAT",
            Self::Number(error) => error.code(),
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Kind => "无法识别的证件类型".to_owned(),
            Self::Format => "证件号码应为 5 至 20 位字母或数字".to_owned(),
            Self::Number(error) => error.zh(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, input: &str, expected: Result<&str, &str>) {
        let parsed = IdKind::parse(kind).and_then(|kind| IdDocument::parse(kind, input));
        let parsed = parsed.map(|d| d.masked()).map_err(|e| e.code());
        assert_eq!(parsed, expected.map(str::to_owned), "{kind} {input:?}");
    }

    #[test]
    fn parses_and_refuses() {
        check("居民身份证", "11010519491231002X", Ok("1101**********002X"));
        check("身份证", "110105194912310021", Err("ID_CHECK_DIGIT"));
        check("护照", "e12345678", Ok("E*****678"));
        check("港澳居民来往内地通行证", "H 12345678", Ok("H*****678"));
        check("台胞证", "12345678", Ok("1****678"));
        check(
            "外国人永久居留身份证",
            "ABC123456789012",
            Ok("A***********012"),
        );
        check(
            "港澳台居民居住证",
            "810000199001010015",
            Err("ID_CHECK_DIGIT"),
        );
        check("港澳台居民居住证", "11010519491231002X", Err("ID_PREFIX"));
        check("护照", "E123", Err("ID_DOCUMENT_FORMAT"));
        check("护照", "E12345678(01)", Err("ID_DOCUMENT_FORMAT"));
        check("护照", "E12345678901234567890", Err("ID_DOCUMENT_FORMAT"));
        check("护照", "Ⅴ12345678", Err("ID_DOCUMENT_FORMAT"));
        check("驾驶证", "E12345678", Err("ID_KIND_UNKNOWN"));
    }

    #[test]
    fn residence_permits_have_their_own_prefixes() {
        for prefix in ["81", "82", "83"] {
            let body = format!("{prefix}000019900101017");
            let check_digit = super::super::id_check_digit(body.as_bytes().try_into().unwrap());
            let parsed = IdDocument::parse(
                IdKind::HkMacaoTaiwanResidence,
                &format!("{body}{check_digit}"),
            );
            assert_eq!(parsed.map(|d| d.kind()), Ok(IdKind::HkMacaoTaiwanResidence));
        }
    }

    #[test]
    fn kinds_round_trip_and_nothing_shows() {
        for kind in IdKind::ALL {
            assert_eq!(IdKind::parse(kind.chinese()), Ok(kind));
            assert_eq!(IdKind::parse(kind.token()), Ok(kind));
        }
        let passport = IdDocument::parse(IdKind::Passport, "E12345678").unwrap();
        assert_eq!(
            format!("{passport:?} {passport}"),
            "IdDocument(Passport, redacted) 护照 (redacted)"
        );
    }
}
