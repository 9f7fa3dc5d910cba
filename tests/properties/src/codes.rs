//! Codes and numbers as people write them.

use std::fmt::Debug;

use huren_core::{
    codes::{
        CertificateNumber, Date, IdDocument, IdKind, IdNumber, InstitutionCode, Level, Occupation,
        Region, Track, Uscc, id_check_digit,
    },
    normalise as rules,
};

use crate::text;

/// Normalising twice changes nothing more, and gives what the rules promise.
pub fn normalise(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    let rules: [fn(&str) -> String; 4] = [rules::text, rules::name, rules::id, rules::number];
    for (number, rule) in rules.iter().enumerate() {
        let once = rule(text);
        assert_eq!(rule(&once), once, "rule {number}");
        assert!(!once.starts_with(' ') && !once.ends_with(' '));
        assert!(!once.contains("  ") && !once.contains('\u{3000}'));
        // What is normal for one rule is plain text for all.
        assert_eq!(rules::text(&once), once, "rule {number}");
        assert!(number < 2 || !once.contains(|c: char| c.is_ascii_lowercase()));
    }
    assert_eq!(rules::is_blank(text), rules::text(text).is_empty());
}

/// A number is kept in the form in which it is read again, in no more than one way.
pub fn certificate_number(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    for track in Track::ALL.map(Some).into_iter().chain([None]) {
        let Ok(number) = CertificateNumber::parse(text, track) else {
            continue;
        };
        let again = CertificateNumber::parse(number.expose(), track).expect("its own form");
        assert_eq!(again.expose(), number.expose());
        assert_eq!(again.grammar().id(), number.grammar().id());
        assert_eq!(rules::number(number.expose()), number.expose());
        let is_code = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
        assert!(number.expose().bytes().all(is_code));
        assert!(!format!("{number:?}").contains(number.expose()));
        if let Some(institution) = number.institution() {
            assert!(number.expose().starts_with(institution.as_str()));
        }
        assert!(
            number
                .year()
                .is_none_or(|year| (1900..2100).contains(&year))
        );
        let _ = (number.province(), number.level());
    }
}

/// An identity number that is accepted has the right check digit and is kept in one form, which
/// neither its mask nor its debug output shows.
pub fn id_number(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    if let Ok(number) = IdNumber::parse(text) {
        let (body, last) = number.expose().split_at(17);
        let body = body.as_bytes().try_into().expect("17 bytes");
        assert_eq!(last, id_check_digit(body).to_string());
        assert_eq!(IdNumber::parse(number.expose()).as_ref(), Ok(&number));
        assert!(number.birth_date().is_some());
        assert!(!format!("{number:?} {}", number.masked()).contains(&number.expose()[6..14]));
    }
    for kind in IdKind::ALL {
        let Ok(document) = IdDocument::parse(kind, text) else {
            continue;
        };
        assert_eq!(
            IdDocument::parse(kind, document.expose()).as_ref(),
            Ok(&document)
        );
        assert_eq!(document.masked().chars().count(), document.expose().len());
        let shown = format!("{document:?} {}", document.masked());
        assert!(!shown.contains(document.expose()));
    }
}

/// What is read of any code is written in a form that is read as the same.
pub fn code(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    stable(text, |text| Date::parse(text).ok(), ToString::to_string);
    stable(text, |text| Region::parse(text).ok(), ToString::to_string);
    stable(text, |text| Region::parse(text).ok(), |r| r.six_digits());
    stable(
        text,
        |text| Level::parse(text).ok(),
        |level| level.name().to_owned(),
    );
    stable(
        text,
        |text| Track::parse(text).ok(),
        |track| track.letter().to_owned(),
    );
    stable(
        text,
        |text| Uscc::parse(text).ok(),
        |code| code.as_str().to_owned(),
    );
    stable(
        text,
        |text| IdKind::parse(text).ok(),
        |kind| kind.token().to_owned(),
    );
    stable(
        text,
        |text| InstitutionCode::parse(text).ok(),
        |code| code.as_str().to_owned(),
    );
    for edition in Occupation::EDITIONS {
        let read = |text: &str| Some(Occupation::parse(edition, text).ok()?.without_job());
        stable(text, read, |occupation| occupation.code().to_owned());
    }
}

fn stable<T: PartialEq + Debug>(
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    write: impl Fn(&T) -> String,
) {
    if let Some(value) = read(text) {
        let again = read(&write(&value));
        assert_eq!(again, Some(value));
    }
}
