//! Calendar dates as certificates carry them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::Offset;

use super::Coded;
use crate::normalise;

/// A calendar date in China, without time or zone; years 1800 to 9999. (The example
/// of GB 11643 was born in 1880; systems write `9999-12-31` for "no end".)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(civil::Date);

impl Date {
    /// The earliest date accepted.
    pub const MIN: Self = Self(civil::date(1800, 1, 1));
    /// The latest date accepted.
    pub const MAX: Self = Self(civil::date(9999, 12, 31));

    /// A date from its numbers.
    ///
    /// # Errors
    /// [`DateError::Invalid`] if there is no such day, [`DateError::Range`] outside the range.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        let (Ok(year), Ok(month), Ok(day)) =
            (i16::try_from(year), i8::try_from(month), i8::try_from(day))
        else {
            return Err(DateError::Invalid);
        };
        let date = Self(civil::Date::new(year, month, day).map_err(|_| DateError::Invalid)?);
        if date < Self::MIN {
            return Err(DateError::Range);
        }
        Ok(date)
    }

    /// Reads `2024-03-01`, `20240301`, `2024/3/1`, `2024.03.01` or `2024年3月1日`.
    ///
    /// # Errors
    /// As [`Date::new`]; also [`DateError::Invalid`] for any other form.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        let text = normalise::text(text);
        let text = text.trim_end_matches('日');
        if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Self::from_yyyymmdd(text.parse().map_err(|_| DateError::Invalid)?);
        }
        let separators = match text {
            _ if text.contains('年') => ['年', '月'],
            _ if text.contains('/') => ['/', '/'],
            _ if text.contains('.') => ['.', '.'],
            _ => ['-', '-'],
        };
        let (year, rest) = text.split_once(separators[0]).ok_or(DateError::Invalid)?;
        let (month, day) = rest.split_once(separators[1]).ok_or(DateError::Invalid)?;
        if year.len() != 4 {
            return Err(DateError::Invalid);
        }
        Self::new(digits(year)?, small(month)?, small(day)?)
    }

    /// A date from a number such as `20240301`.
    ///
    /// # Errors
    /// As [`Date::new`].
    pub fn from_yyyymmdd(number: u32) -> Result<Self, DateError> {
        let part = |n: u32| u8::try_from(n).map_err(|_| DateError::Invalid);
        let year = u16::try_from(number / 10_000).map_err(|_| DateError::Invalid)?;
        Self::new(year, part(number / 100 % 100)?, part(number % 100)?)
    }

    /// The date as a number such as `20240301`: sorts like the date.
    pub fn as_yyyymmdd(self) -> u32 {
        u32::from(self.year()) * 10_000 + u32::from(self.month()) * 100 + u32::from(self.day())
    }

    /// The year, 1800 to 9999.
    pub fn year(self) -> u16 {
        self.0.year().unsigned_abs()
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.0.month().unsigned_abs()
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> u8 {
        self.0.day().unsigned_abs()
    }

    /// The date as jiff's type, for calendar arithmetic.
    pub fn civil(self) -> civil::Date {
        self.0
    }

    /// How many days later it is than another; negative if it is earlier.
    pub fn days_since(self, other: Self) -> i64 {
        let day = |date: Self| date.0.to_datetime(civil::Time::midnight());
        day(self).duration_since(day(other)).as_hours() / 24
    }

    /// So many days later, or earlier; the last or first day that there is, if that lies beyond.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        let moved = self.0.saturating_add(jiff::Span::new().days(days));
        Self(moved.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The date in Shanghai at a moment given in seconds since 1970-01-01T00:00:00Z; moments
    /// outside the range of this type give its first or last date.
    ///
    /// Uses the fixed offset +08:00: China has had one civil time and no daylight saving since
    /// September 1991, and a time zone database would make the answer depend on the machine.
    pub fn today_in_shanghai(unix_seconds: i64) -> Self {
        let first = Timestamp::MIN.as_second();
        let last = Timestamp::MAX.as_second();
        let moment = Timestamp::from_second(unix_seconds.clamp(first, last)).unwrap_or_default();
        let date = Self(Offset::constant(8).to_datetime(moment).date());
        date.clamp(Self::MIN, Self::MAX)
    }
}

/// One or two digits.
fn small(text: &str) -> Result<u8, DateError> {
    if text.len() > 2 {
        return Err(DateError::Invalid);
    }
    u8::try_from(digits(text)?).map_err(|_| DateError::Invalid)
}

/// Digits only: `parse` of the standard library would also take a sign.
fn digits(text: &str) -> Result<u16, DateError> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DateError::Invalid);
    }
    text.parse().map_err(|_| DateError::Invalid)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        Self::parse(text)
    }
}

/// Why a date was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Not a date in a known form, or a day that does not exist.
    #[error(
        "not an existing date in one of the forms 2024-03-01, 20240301, 2024/3/1, 2024.3.1 or 2024年3月1日"
    )]
    Invalid,
    /// Before 1800.
    #[error("the date is before the year 1800")]
    Range,
}

impl Coded for DateError {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "DATE_INVALID",
            Self::Range => "DATE_RANGE",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Invalid => "日期不存在或格式不符，应为 2024-03-01、20240301、2024/3/1、2024.3.1 或 2024年3月1日",
            Self::Range => "日期早于 1800 年",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &str, expected: Result<u32, DateError>) {
        assert_eq!(
            Date::parse(input).map(Date::as_yyyymmdd),
            expected,
            "{input:?}"
        );
    }

    #[test]
    fn parses_and_refuses() {
        for form in [
            "2024-03-01",
            "20240301",
            "2024/3/1",
            "2024年3月1日",
            "2024.03.01",
            "２０２４－０３－０１",
        ] {
            check(form, Ok(20_240_301));
        }
        check("2024-02-29", Ok(20_240_229));
        check("9999-12-31", Ok(99_991_231));
        check("1799-12-31", Err(DateError::Range));
        for bad in [
            "",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "24-03-01",
            "2024-3",
            "2024-3-1-1",
            "+024-03-01",
            "2024-+3-01",
            "2024/3-1",
            "2024-003-01",
            "2024030",
            "202403011",
            "2024年3月",
            "日",
            "2024-03-01T00:00",
        ] {
            check(bad, Err(DateError::Invalid));
        }
    }

    #[test]
    fn the_day_in_shanghai_changes_at_16_utc() {
        let check = |seconds, expected: &str| {
            assert_eq!(Date::today_in_shanghai(seconds).to_string(), expected);
        };
        check(1_709_222_399, "2024-02-29"); // 2024-02-29T15:59:59Z
        check(1_709_222_400, "2024-03-01"); // 2024-02-29T16:00:00Z
        check(0, "1970-01-01");
        check(i64::MIN, "1800-01-01");
        check(i64::MAX, "9999-12-31");
    }

    proptest! {
        #[test]
        fn round_trips(year in 1800u16..=9999, month in 1u8..=12, day in 1u8..=28) {
            let date = Date::new(year, month, day).unwrap();
            prop_assert_eq!(Date::from_yyyymmdd(date.as_yyyymmdd()), Ok(date));
            prop_assert_eq!(Date::parse(&date.to_string()), Ok(date));
        }

        #[test]
        fn never_panics(text in "\\PC*", number: u32, seconds: i64) {
            let _ = (Date::parse(&text), Date::from_yyyymmdd(number), Date::today_in_shanghai(seconds));
        }
    }
}
