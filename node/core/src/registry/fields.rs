//! The checks that fields of register entries go through: each brings a value into its one form
//! and says what is wrong with it.

use std::ops::RangeInclusive;

use crate::{
    checkpoint::Origin,
    codes::{Date, InstitutionCode, Level, Occupation, Region, RegionLevel},
    normalise,
    submission::{self, Faults, is_code, soundness},
};

use super::fault::Fault;

/// Whether a field has to say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
    /// It does not apply.
    Absent,
}

use Need::{Absent, Required};

impl Need {
    /// Required where it applies, and otherwise absent.
    pub(super) const fn when(applies: bool) -> Self {
        if applies { Required } else { Absent }
    }
}

impl Faults {
    /// Whether a value that is there, or not, may be looked at further.
    fn present(&mut self, field: &'static str, is_there: bool, need: Need) -> bool {
        match (is_there, need) {
            (false, Required) => self.push(field, &submission::Fault::FieldMissing),
            (true, Absent) => self.push(field, &Fault::FieldNotAllowed),
            _ => return is_there,
        }
        false
    }

    /// Text for people: normalised, at most 400 bytes, without control characters.
    pub(super) fn text(&mut self, field: &'static str, text: &mut String, need: Need) {
        if self.take(field, soundness(text)).is_some() {
            *text = normalise::text(text);
            self.present(field, !text.is_empty(), need);
        }
    }

    /// Texts, ascending, each once.
    pub(super) fn texts(&mut self, field: &'static str, texts: &mut Vec<String>, most: usize) {
        texts.iter_mut().for_each(|t| self.text(field, t, Required));
        self.sorted(field, texts, 0..=most);
    }

    /// A code: capital letters, digits and hyphens.
    pub(super) fn code(&mut self, field: &'static str, code: &mut String, need: Need) {
        self.code_of(field, code, need, 1);
    }

    /// An expert's code.
    pub(super) fn expert(&mut self, field: &'static str, code: &mut String) {
        self.code_of(field, code, Required, 3);
    }

    fn code_of(&mut self, field: &'static str, code: &mut String, need: Need, least: usize) {
        self.text(field, code, need);
        let plain = |c: char| match c {
            c if normalise::is_hyphen(c) => '-',
            c => c.to_ascii_uppercase(),
        };
        *code = code.chars().map(plain).collect();
        let is_plain = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase() || b == b'-';
        let fits = (least..=32).contains(&code.len())
            && code.bytes().all(is_plain)
            && !code.starts_with('-')
            && !code.ends_with('-');
        if !code.is_empty() && !fits {
            self.push(field, &Fault::CodeFormat);
        }
    }

    /// Codes, ascending, each once.
    pub(super) fn codes(
        &mut self,
        field: &'static str,
        codes: &mut Vec<String>,
        count: RangeInclusive<usize>,
    ) {
        codes.iter_mut().for_each(|c| self.code(field, c, Required));
        self.sorted(field, codes, count);
    }

    /// A region in its short form.
    pub(super) fn region(
        &mut self,
        field: &'static str,
        text: &mut String,
        need: Need,
    ) -> Option<Region> {
        self.text(field, text, need);
        if text.is_empty() {
            return None;
        }
        let region = self.take(field, Region::parse(text))?;
        *text = region.to_string();
        Some(region)
    }

    /// A province.
    pub(super) fn province(&mut self, field: &'static str, text: &mut String) -> Option<Region> {
        let region = self.region(field, text, Required)?;
        if region.level() != RegionLevel::Province {
            self.push(field, &Fault::NotProvince);
            return None;
        }
        Some(region)
    }

    /// The code of an institution, uniform or an agency's own.
    pub(super) fn institution(&mut self, field: &'static str, code: &mut String, need: Need) {
        self.text(field, code, need);
        if code.is_empty() {
            return;
        }
        *code = normalise::number(code);
        if is_uniform(code) {
            self.take(field, InstitutionCode::parse(code));
        } else if !is_code(code, 24) {
            self.push(field, &submission::Fault::AgencyFormat);
        }
    }

    /// Institutions, ascending, each once.
    pub(super) fn institutions(
        &mut self,
        field: &'static str,
        codes: &mut Vec<String>,
        most: usize,
    ) {
        let each = codes.iter_mut();
        each.for_each(|code| self.institution(field, code, Required));
        self.sorted(field, codes, 0..=most);
    }

    /// An edition of the occupation classification. Which later editions there are is for the
    /// catalogue to say, so that a new one needs no new program.
    pub(super) fn edition(&mut self, field: &'static str, edition: u32, need: Need) {
        if self.present(field, edition != 0, need) && !is_edition(edition) {
            self.push(field, &Fault::EditionRange);
        }
    }

    /// An occupation, with or without its job, in the form that all editions share.
    pub(super) fn occupation(&mut self, field: &'static str, code: &mut String, need: Need) {
        self.text(field, code, need);
        if code.is_empty() {
            return;
        }
        let parsed = Occupation::parse(Occupation::CURRENT_EDITION, code);
        if let Some(occupation) = self.take(field, parsed) {
            *code = occupation.to_string();
        }
    }

    /// Occupations of one edition, ascending, each once. Without any, the edition may be absent.
    pub(super) fn occupations(
        &mut self,
        edition: u32,
        codes: &mut Vec<String>,
        count: RangeInclusive<usize>,
    ) {
        self.edition("occupation_edition", edition, Need::when(!codes.is_empty()));
        let each = codes.iter_mut();
        each.for_each(|code| self.occupation("occupations", code, Required));
        self.sorted("occupations", codes, count);
    }

    /// Two levels, the lower one first.
    pub(super) fn levels(&mut self, field: &'static str, from: u32, to: u32, need: Need) {
        let is_there = (from, to) != (0, 0);
        if self.present(field, is_there, need) && !(is_level(from) && is_level(to) && from <= to) {
            self.push(field, &Fault::LevelRange);
        }
    }

    /// A day.
    pub(super) fn date(&mut self, field: &'static str, date: u32, need: Need) -> Option<Date> {
        if self.present(field, date != 0, need) {
            self.take(field, Date::from_yyyymmdd(date))
        } else {
            None
        }
    }

    /// A day that does not come before another one.
    pub(super) fn date_from(&mut self, field: &'static str, date: u32, need: Need, earlier: u32) {
        if self.date(field, date, need).is_some() && date < earlier {
            self.push(field, &Fault::DateOrder);
        }
    }

    /// 32 bytes.
    pub(super) fn digest(&mut self, field: &'static str, digest: &[u8], need: Need) {
        if self.present(field, !digest.is_empty(), need) && digest.len() != 32 {
            self.push(field, &Fault::DigestLength);
        }
    }

    /// A value of an enum.
    pub(super) fn choice<E: TryFrom<i32>>(
        &mut self,
        field: &'static str,
        number: i32,
        need: Need,
    ) -> Option<E> {
        if !self.present(field, number != 0, need) {
            return None;
        }
        let value = E::try_from(number).ok();
        if value.is_none() {
            self.push(field, &Fault::ValueUnknown);
        }
        value
    }

    /// Values of an enum, ascending, each once.
    pub(super) fn choices<E: TryFrom<i32>>(
        &mut self,
        field: &'static str,
        numbers: &mut Vec<i32>,
        most: usize,
    ) {
        for number in numbers.iter() {
            self.choice::<E>(field, *number, Required);
        }
        self.sorted(field, numbers, 1..=most);
    }

    /// A number within its range.
    pub(super) fn number(&mut self, field: &'static str, number: u64, range: RangeInclusive<u64>) {
        if !range.contains(&number) {
            self.push(field, &Fault::NumberRange);
        }
    }

    /// A year that something happens in.
    pub(super) fn year(&mut self, field: &'static str, year: u32) {
        self.number(field, year.into(), 2000..=2100);
    }

    /// The origin of a log.
    pub(super) fn origin(&mut self, field: &'static str, origin: &str) {
        let fits = origin.len() <= 200 && origin.is_ascii() && origin.parse::<Origin>().is_ok();
        if self.present(field, !origin.is_empty(), Required) && !fits {
            self.push(field, &Fault::OriginFormat);
        }
    }

    /// A message that is there, or not.
    pub(super) fn message<'a, M>(
        &mut self,
        field: &'static str,
        message: &'a mut Option<M>,
        need: Need,
    ) -> Option<&'a mut M> {
        self.present(field, message.is_some(), need);
        message.as_mut()
    }

    /// Sorts a list and drops what stands in it twice.
    pub(super) fn sorted<T: Ord>(
        &mut self,
        field: &'static str,
        list: &mut Vec<T>,
        count: RangeInclusive<usize>,
    ) {
        list.sort_unstable();
        list.dedup();
        self.count(field, list.len(), count);
    }

    /// Sorts the lines of a list by what they are found by, and drops what stands in it twice.
    pub(super) fn lines<T: PartialEq, K: Ord>(
        &mut self,
        field: &'static str,
        lines: &mut Vec<T>,
        count: RangeInclusive<usize>,
        key: impl Fn(&T) -> K,
    ) {
        lines.sort_by_cached_key(&key);
        lines.dedup();
        if !lines.is_sorted_by(|a, b| key(a) < key(b)) {
            self.push(field, &Fault::ListRepeated);
        }
        self.count(field, lines.len(), count);
    }

    /// How long a list may be.
    pub(super) fn count(
        &mut self,
        field: &'static str,
        length: usize,
        range: RangeInclusive<usize>,
    ) {
        if length < *range.start() {
            self.push(field, &submission::Fault::FieldMissing);
        } else if length > *range.end() {
            self.push(field, &submission::Fault::ListTooLong);
        }
    }
}

/// Whether a code is meant as the uniform one: the letter and twelve digits.
fn is_uniform(code: &str) -> bool {
    code.len() == 13
        && code.starts_with(['Y', 'S'])
        && code.bytes().skip(1).all(|b| b.is_ascii_digit())
}

/// Whether the year is one of an edition that there is, or of a later one.
pub(super) fn is_edition(edition: u32) -> bool {
    let is_known = |known: &u16| u32::from(*known) == edition;
    let later = u32::from(Occupation::CURRENT_EDITION)..=2100;
    Occupation::EDITIONS.iter().any(is_known) || later.contains(&edition)
}

/// Whether the ordinal is a level's.
pub(super) fn is_level(ordinal: u32) -> bool {
    let ordinal = u8::try_from(ordinal).ok();
    ordinal.and_then(Level::from_ordinal).is_some()
}

/// Whether a code of a list covers an occupation: one without a job covers all jobs under it.
/// `edition` is that of the list; codes of two editions name different things.
pub(super) fn covers(edition: u32, codes: &[String], occupation: &Occupation) -> bool {
    let covers = |code: &String| *code == occupation.to_string() || code == occupation.code();
    u32::from(occupation.edition()) == edition && codes.iter().any(covers)
}

/// The name of an enum's value as keys have it: "province" of FILING_STEP_PROVINCE.
pub(super) fn word(name: &str, prefix: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    word.to_ascii_lowercase()
}
