//! Unified social credit codes of organisations, GB 32100-2015.

use std::fmt;

use super::Coded;
use crate::normalise;

/// The characters of the code, whose places are their values: digits and letters without I, O,
/// S, V, Z.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// An 18-character unified social credit code (统一社会信用代码).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uscc(String);

/// Whether the last character fits the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDigit {
    /// It does.
    Valid,
    /// It does not: warn. A few codes in real use were issued so.
    Invalid,
}

impl Uscc {
    /// Reads a code. A wrong check digit is no error, see [`Uscc::check`].
    ///
    /// # Errors
    /// [`UsccError`] if it is not 18 characters of the alphabet.
    pub fn parse(text: &str) -> Result<Self, UsccError> {
        let text = normalise::id(text);
        if text.chars().count() != 18 {
            return Err(UsccError::Length);
        }
        if !text.bytes().all(|b| ALPHABET.contains(&b)) {
            return Err(UsccError::Charset);
        }
        Ok(Self(text))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the check digit is right.
    pub fn check(&self) -> CheckDigit {
        let computed = self.0.as_bytes().first_chunk::<17>().and_then(uscc_check);
        if computed.is_some_and(|c| self.0.ends_with(c)) {
            CheckDigit::Valid
        } else {
            CheckDigit::Invalid
        }
    }
}

/// The check character for the first 17 (as ASCII), GB 32100-2015: weights are the
/// powers of 3 modulo 31. `None` if one is not of the alphabet.
pub fn uscc_check(body: &[u8; 17]) -> Option<char> {
    let mut sum = 0;
    let mut weight = 1;
    for byte in body {
        let value = ALPHABET.iter().position(|a| a == byte)?;
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    // The outer modulo matters: without it a sum divisible by 31 has no check character.
    Some(char::from(ALPHABET[(31 - sum % 31) % 31]))
}

impl fmt::Display for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a unified social credit code was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsccError {
    /// Not 18 characters.
    #[error("a unified social credit code has 18 characters")]
    Length,
    /// A character that these codes do not use.
    #[error("a unified social credit code is digits and capital letters other than I, O, S, V, Z")]
    Charset,
}

impl Coded for UsccError {
    fn code(&self) -> &'static str {
        match self {
            Self::Length => "USCC_LENGTH",
            Self::Charset => "USCC_CHARSET",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Length => "统一社会信用代码应为 18 位",
            Self::Charset => "统一社会信用代码只含数字和除 I、O、S、V、Z 以外的大写字母",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &str, expected: Result<CheckDigit, UsccError>) {
        assert_eq!(Uscc::parse(input).map(|u| u.check()), expected, "{input:?}");
    }

    #[test]
    fn parses_and_refuses() {
        check("91350100M000100Y43", Ok(CheckDigit::Valid));
        check("91110000101623741K", Ok(CheckDigit::Valid));
        check("911101066976941872", Ok(CheckDigit::Valid));
        check("9135 0100 m000100y43", Ok(CheckDigit::Valid));
        check("91350211M0000XUF46", Ok(CheckDigit::Invalid));
        check("91350100M000100I43", Err(UsccError::Charset));
        check("91350100M000100张43", Err(UsccError::Charset));
        check("91350100M000100Y4", Err(UsccError::Length));
        check("", Err(UsccError::Length));
    }

    #[test]
    fn a_sum_divisible_by_31_gives_zero() {
        assert_eq!(uscc_check(b"00000000000000000"), Some('0'));
        assert_eq!(uscc_check(b"0000000000000000I"), None);
    }

    proptest! {
        #[test]
        fn a_changed_character_is_noticed(
            body in prop::collection::vec(prop::sample::select(ALPHABET.to_vec()), 17),
            at in 0usize..18,
            with in prop::sample::select(ALPHABET.to_vec()),
        ) {
            let mut code = body.clone();
            code.push(uscc_check(body.as_slice().try_into().unwrap()).unwrap() as u8);
            let text = String::from_utf8(code.clone()).unwrap();
            prop_assert_eq!(Uscc::parse(&text).unwrap().check(), CheckDigit::Valid);
            prop_assume!(code[at] != with);
            code[at] = with;
            let text = String::from_utf8(code).unwrap();
            prop_assert_eq!(Uscc::parse(&text).unwrap().check(), CheckDigit::Invalid);
        }
    }
}
