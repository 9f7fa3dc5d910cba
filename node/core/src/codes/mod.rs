//! The codes and numbers that certificates are made of: parsed once, into types that cannot hold
//! a malformed value.
//!
//! Parsers take text as people and spreadsheets write it ([`crate::normalise`] runs first) and
//! give the canonical form. Types that hold personal data never show it in `Debug` or `Display`,
//! and no error text repeats its input. The tables behind the codes are files in `data`.

mod date;
mod id_document;
mod id_number;
mod institution;
pub(crate) mod level;
mod mask;
pub(crate) mod number;
pub(crate) mod occupation;
pub(crate) mod region;
pub(crate) mod table;
mod track;
mod uscc;
#[cfg(test)]
mod vectors;

pub use date::{Date, DateError};
pub use id_document::{IdDocument, IdDocumentError, IdKind};
pub use id_number::{IdError, IdNumber, Sex, id_check_digit};
pub use institution::{InstitutionCode, InstitutionError, InstitutionKind};
pub use level::{Level, LevelError};
pub use mask::{mask_document, mask_name};
pub use number::{
    CertificateNumber, Grammar, GrammarConfidence, Mismatch, NumberError, NumberPart, PilotNumber,
    QualificationNumber, grammars,
};
pub use occupation::{Occupation, OccupationError};
pub use region::{Region, RegionError, RegionLevel};
pub use track::{Track, TrackError};
pub use uscc::{CheckDigit, Uscc, UsccError, uscc_check};

/// A reason that callers can act on: a code that never changes, and a sentence for people in
/// both languages. Neither ever holds the value that was refused.
pub trait Coded: std::error::Error {
    /// The stable reason code, in `UPPER_SNAKE` letters.
    fn code(&self) -> &'static str;

    /// The sentence in Chinese.
    fn zh(&self) -> String;

    /// The sentence in English: what `Display` prints.
    fn en(&self) -> String {
        self.to_string()
    }
}
