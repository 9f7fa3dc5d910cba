//! Citizen identity numbers, GB 11643-1999.

use std::fmt;

use super::{Coded, Date, Region};
use crate::normalise;

/// An 18-character identity number whose form, date, province prefix and check digit are right.
///
/// Neither `Debug` nor `Display` shows it; [`IdNumber::expose`] is the only way to the digits.
/// The area part is checked by province only: numbers keep the code of the county of first
/// registration, and many of those counties exist no more.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdNumber(String);

/// What the seventeenth digit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// Odd digit.
    Male,
    /// Even digit.
    Female,
}

/// The prefix of residence permits for Taiwan residents: no region of GB/T 2260 (Taiwan is 71
/// there), only of these numbers.
const TAIWAN_RESIDENCE_PREFIX: &str = "83";

impl IdNumber {
    /// Reads and checks a number; lower-case `x`, spaces and hyphens are understood.
    ///
    /// # Errors
    /// [`IdError`] names the first rule that fails.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let text = normalise::id(text);
        let bytes = text.as_bytes();
        if bytes.len() == 15 && bytes.iter().all(u8::is_ascii_digit) {
            return Err(IdError::Legacy15);
        }
        let Ok(bytes) = <&[u8; 18]>::try_from(bytes) else {
            return Err(IdError::Length);
        };
        let Some((body, last)) = bytes.split_first_chunk::<17>() else {
            return Err(IdError::Length);
        };
        if !body.iter().all(u8::is_ascii_digit) || !matches!(last, [b'0'..=b'9' | b'X']) {
            return Err(IdError::Charset);
        }
        let prefix = &text[..2];
        if prefix != TAIWAN_RESIDENCE_PREFIX && Region::parse(prefix).is_err() {
            return Err(IdError::Prefix);
        }
        let birth = Date::parse(&text[6..14]).map_err(|_| IdError::Date)?;
        // A core without a clock cannot ask whether the holder is born yet: that is compared with
        // the date of issue. Centuries other than the 19th to 21st are typing errors.
        if birth.year() > 2099 {
            return Err(IdError::Date);
        }
        if !text.ends_with(id_check_digit(body)) {
            return Err(IdError::CheckDigit);
        }
        Ok(Self(text))
    }

    /// The number itself: for digests, lookup tags and encryption only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first and the last four characters: `3301**********1234`.
    pub fn masked(&self) -> String {
        format!("{}**********{}", &self.0[..4], &self.0[14..])
    }

    /// The region of first registration, if its province is one of GB/T 2260. A weak hint at the
    /// household region: people move, their numbers do not.
    pub fn region_prefix(&self) -> Option<Region> {
        Region::parse(&self.0[..6]).ok()
    }

    /// The date of birth.
    pub fn birth_date(&self) -> Option<Date> {
        Date::parse(&self.0[6..14]).ok()
    }

    /// The sex that the number carries.
    pub fn sex(&self) -> Sex {
        if self.0.as_bytes()[16] % 2 == 1 {
            Sex::Male
        } else {
            Sex::Female
        }
    }
}

/// The check character for the first 17 digits (as ASCII), GB 11643-1999 (the method is ISO
/// 7064, MOD 11-2).
pub fn id_check_digit(body: &[u8; 17]) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let sum: u32 = body
        .iter()
        .zip(WEIGHTS)
        .map(|(b, w)| u32::from(b.wrapping_sub(b'0')) * w)
        .sum();
    CHECKS[(sum % 11) as usize]
}

impl fmt::Debug for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdNumber(redacted)")
    }
}

impl fmt::Display for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Why an identity number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 18 characters.
    #[error("an identity number has 18 characters")]
    Length,
    /// The 15-digit form that ended in 2013.
    #[error("this is a 15-digit identity number: give the 18-character one")]
    Legacy15,
    /// Something other than 17 digits and a digit or X.
    #[error("an identity number is 17 digits and then a digit or X")]
    Charset,
    /// No such province.
    #[error("the first two digits of the identity number are no province")]
    Prefix,
    /// The birth date does not exist.
    #[error("the date of birth in the identity number does not exist")]
    Date,
    /// The last character does not fit the others.
    #[error("the check digit of the identity number is wrong: a digit was mistyped")]
    CheckDigit,
}

impl Coded for IdError {
    fn code(&self) -> &'static str {
        match self {
            Self::Length => "ID_LENGTH",
            Self::Legacy15 => "ID_LEGACY_15",
            Self::Charset => "ID_CHARSET",
            Self::Prefix => "ID_PREFIX",
            Self::Date => "ID_DATE",
            Self::CheckDigit => "ID_CHECK_DIGIT",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Length => "身份证号码应为 18 位",
            Self::Legacy15 => "这是 15 位旧身份证号码，请提供 18 位号码",
            Self::Charset => "身份证号码应为 17 位数字加 1 位数字或字母 X",
            Self::Prefix => "身份证号码前两位不是省级代码",
            Self::Date => "身份证号码中的出生日期不存在",
            Self::CheckDigit => "身份证号码校验位不符，可能有数字写错",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &str, expected: Result<&str, IdError>) {
        let parsed = IdNumber::parse(input).map(|id| id.masked());
        assert_eq!(parsed, expected.map(str::to_owned), "{input:?}");
    }

    #[test]
    fn parses_and_refuses() {
        check("11010519491231002X", Ok("1101**********002X"));
        check("440524188001010014", Ok("4405**********0014"));
        check(" 110105 19491231 002x ", Ok("1101**********002X"));
        check("110105194912310021", Err(IdError::CheckDigit));
        check("11010519490231002X", Err(IdError::Date));
        check("110105179912310020", Err(IdError::Date));
        check("110105210012310020", Err(IdError::Date));
        check("66010519491231002X", Err(IdError::Prefix));
        check("1101051949123100XX", Err(IdError::Charset));
        check("11010519491231002Y", Err(IdError::Charset));
        check("110105491231002", Err(IdError::Legacy15));
        for bad in ["", "1101051949123100", "11010519491231002XX", "张三"] {
            check(bad, Err(IdError::Length));
        }
    }

    #[test]
    fn shows_nothing() {
        let id = IdNumber::parse("11010519491231002X").unwrap();
        assert_eq!(format!("{id} {id:?}"), "(redacted) IdNumber(redacted)");
        assert_eq!(id.sex(), Sex::Female);
        assert_eq!(id.region_prefix().unwrap().to_string(), "110105");
        assert_eq!(id.birth_date().unwrap().to_string(), "1949-12-31");
    }

    fn valid_id() -> impl Strategy<Value = String> {
        let area = prop::sample::select(vec![
            "110105", "330206", "650102", "710000", "810000", "830000",
        ]);
        (area, 1900u32..2100, 1u32..=12, 1u32..=28, 0u32..1000).prop_map(|(area, y, m, d, n)| {
            let body = format!("{area}{y:04}{m:02}{d:02}{n:03}");
            let check = id_check_digit(body.as_bytes().try_into().unwrap());
            format!("{body}{check}")
        })
    }

    proptest! {
        #[test]
        fn a_changed_digit_is_refused(
            id in valid_id(),
            at in 0usize..18,
            with in prop::sample::select(b"0123456789X".to_vec()),
        ) {
            prop_assert_eq!(IdNumber::parse(&id).map(|n| n.expose() == id), Ok(true));
            let mut changed = id.clone().into_bytes();
            prop_assume!(changed[at] != with);
            changed[at] = with;
            prop_assert!(IdNumber::parse(std::str::from_utf8(&changed).unwrap()).is_err());
        }

        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = IdNumber::parse(&text);
        }
    }
}
