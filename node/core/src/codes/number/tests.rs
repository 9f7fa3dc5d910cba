use proptest::prelude::*;

use super::*;
use crate::codes::{Date, InstitutionKind};

/// Grammar, province, year, level ordinal.
type Facts<'a> = (&'a str, Option<&'a str>, Option<u16>, Option<u8>);

fn check(input: &str, track: Option<Track>, expected: Result<Facts<'_>, NumberError>) {
    let parsed = CertificateNumber::parse(input, track);
    let facts = parsed.map(|n| {
        let province = n.province().map(|p| p.to_string());
        (
            n.grammar().id(),
            province,
            n.year(),
            n.level().map(Level::ordinal),
        )
    });
    let expected = expected.map(|(g, p, y, l)| (g, p.map(str::to_owned), y, l));
    assert_eq!(facts, expected, "{input:?}");
}

#[test]
fn reads_every_grammar() {
    let l = Some(Track::L);
    check(
        "S000033010006243000123",
        l,
        Ok(("zjdj-22", Some("33"), Some(2024), Some(4))),
    );
    check(
        "y0001 3102 0001 2250 0000 1",
        l,
        Ok(("zjdj-22", Some("31"), Some(2022), Some(2))),
    );
    check(
        "Y00003302000824T000001",
        None,
        Ok(("zjdj-22", Some("33"), Some(2024), Some(7))),
    );
    check(
        "RSN33010000121300001",
        l,
        Ok(("pilot-20", Some("33"), Some(2021), Some(4))),
    );
    check(
        "RSN33010000121300001",
        None,
        Ok(("pilot-20", Some("33"), Some(2021), Some(4))),
    );
    let q = Some(Track::Q);
    check(
        "1733012005300123",
        q,
        Ok(("zgzs-16", Some("33"), Some(2017), Some(4))),
    );
    check(
        "9833012005300123",
        None,
        Ok(("zgzs-16", Some("33"), Some(1998), Some(4))),
    );
    check(
        "1702012005300123",
        q,
        Ok(("zgzs-16", None, Some(2017), Some(4))),
    );
    let s = Some(Track::S);
    check("ZX33012024ABC", s, Ok(("special", None, None, None)));
    check("1733012005300123", s, Ok(("special", None, None, None)));
}

#[test]
fn old_shanghai_numbers_are_padded_and_stay_so() {
    for input in ["1234567890123", "0001234567890123"] {
        check(input, Some(Track::Q), Ok(("zgzs-13-sh", None, None, None)));
        let number = CertificateNumber::parse(input, None).unwrap();
        assert_eq!(number.expose(), "0001234567890123");
        assert!(!number.grammar().is_positional());
        assert_eq!(number.cross_check(Date::MIN, None, None), []);
    }
}

#[test]
fn refuses() {
    let l = Some(Track::L);
    let position = |at| Err(NumberError::Position { at });
    check("A000033010006243000123", l, position(1));
    check("S000033010006246000123", l, position(16));
    check("S00003301000624300012X", l, position(22));
    check("RZN33010000121300001", l, position(2));
    check("1733015005300123", Some(Track::Q), position(7));
    check("1733012005300000", Some(Track::Q), position(16));
    check("S000066010006243000123", l, Err(NumberError::Province));
    check("RSN66010000121300001", l, Err(NumberError::Province));
    check("S00003301000624300012", l, Err(NumberError::Grammar));
    check("1733012005300123", l, Err(NumberError::Grammar));
    check(
        "S000033010006243000123",
        Some(Track::Q),
        Err(NumberError::Grammar),
    );
    check("ABC", Some(Track::S), Err(NumberError::Grammar));
    check(&"A".repeat(25), Some(Track::S), Err(NumberError::Grammar));
    check("", None, Err(NumberError::Grammar));
    check("S00003301000624300012三", None, Err(NumberError::Charset));
}

#[test]
fn shows_nothing() {
    let number = CertificateNumber::parse("S000033010006243000123", None).unwrap();
    assert_eq!(
        format!("{number:?}"),
        "CertificateNumber(zjdj-22, redacted)"
    );
}

#[test]
fn cross_checks_name_every_disagreement() {
    let level = |ordinal| Level::from_ordinal(ordinal);
    let date = |s| Date::parse(s).unwrap();
    let own = InstitutionCode::parse("S000033010006").unwrap();
    let other = InstitutionCode::parse("S000033010007").unwrap();
    let check = |number, date, level, institution, expected: &[Mismatch]| {
        let number = CertificateNumber::parse(number, None).unwrap();
        assert_eq!(number.cross_check(date, level, institution), expected);
    };
    let number = "S000033010006243000123";
    check(number, date("2024-06-01"), level(4), Some(&own), &[]);
    check(number, date("2024-06-01"), level(4), None, &[]);
    check(
        number,
        date("2025-01-01"),
        level(4),
        Some(&own),
        &[Mismatch::Year],
    );
    check(
        number,
        date("2124-06-01"),
        level(4),
        Some(&own),
        &[Mismatch::Year],
    );
    check(
        number,
        date("2024-06-01"),
        None,
        Some(&own),
        &[Mismatch::Level],
    );
    let all = [Mismatch::Year, Mismatch::Level, Mismatch::Institution];
    check(number, date("2018-06-01"), level(3), Some(&other), &all);
    let master = "S00003301000624T000123";
    check(
        master,
        date("2024-06-01"),
        level(7),
        Some(&own),
        &[Mismatch::EmployerOnlyLevel],
    );
    check(
        "1733012005300123",
        date("2017-06-01"),
        level(4),
        Some(&own),
        &[],
    );
    check("ZX33012024ABC", date("2017-06-01"), None, Some(&own), &[]);
}

#[test]
fn the_site_lies_in_the_named_province() {
    let number = CertificateNumber::parse("Y000131020001225000001", None).unwrap();
    assert_eq!(number.check_site(Region::parse("310118").unwrap()), None);
    assert_eq!(
        number.check_site(Region::parse("330206").unwrap()),
        Some(Mismatch::Site)
    );
}

#[test]
fn composing_refuses_what_does_not_fit() {
    let institution = InstitutionCode::parse("S000033010006").unwrap();
    let level = Level::HIGHLY_SKILLED;
    for (year, serial) in [(1999, 1), (2100, 1), (2024, 1_000_000)] {
        let refused = CertificateNumber::compose_22(&institution, year, level, serial);
        assert_eq!(refused, Err(NumberError::PartRange));
    }
    let fitting = QualificationNumber {
        year: 2017,
        province: Region::ZHEJIANG,
        city: 1,
        agency_kind: 2,
        agency: 5,
        level,
        serial: 123,
    };
    let number = CertificateNumber::compose_16(&fitting).unwrap();
    assert_eq!(number.expose(), "1733012005300123");
    for unfitting in [
        QualificationNumber {
            serial: 0,
            ..fitting
        },
        QualificationNumber {
            agency_kind: 5,
            ..fitting
        },
        QualificationNumber {
            level: Level::MAX,
            ..fitting
        },
        QualificationNumber {
            year: 2090,
            ..fitting
        },
    ] {
        assert_eq!(
            CertificateNumber::compose_16(&unfitting),
            Err(NumberError::PartRange)
        );
    }
}

fn province() -> impl Strategy<Value = Region> {
    prop::sample::select(vec![
        Region::SHANGHAI,
        Region::JIANGSU,
        Region::ZHEJIANG,
        Region::ANHUI,
    ])
}

proptest! {
    #[test]
    fn composed_22_parses_back(
        employer: bool, filing in 0u16..10_000, province in province(), site in 0u32..1_000_000,
        year in 2000u16..2100, ordinal in 1u8..=8, serial in 0u32..1_000_000,
    ) {
        let kind = if employer { InstitutionKind::Employer } else { InstitutionKind::SocialOrganisation };
        let institution = InstitutionCode::compose(kind, filing, province, site).unwrap();
        let level = Level::from_ordinal(ordinal).unwrap();
        let number = CertificateNumber::compose_22(&institution, year, level, serial).unwrap();
        let parsed = CertificateNumber::parse(number.expose(), None).unwrap();
        prop_assert_eq!(&parsed, &number);
        prop_assert_eq!(parsed.institution(), Some(institution));
        prop_assert_eq!(parsed.province(), Some(province));
        prop_assert_eq!((parsed.year(), parsed.level()), (Some(year), Some(level)));
    }

    #[test]
    fn composed_16_parses_back(
        year in 1990u16..2090, province in province(), city in 0u8..100, agency_kind in 0u8..5,
        agency in 0u16..1000, ordinal in 2u8..=6, serial in 1u32..100_000,
    ) {
        let level = Level::from_ordinal(ordinal).unwrap();
        let parts = QualificationNumber { year, province, city, agency_kind, agency, level, serial };
        let number = CertificateNumber::compose_16(&parts).unwrap();
        let parsed = CertificateNumber::parse(number.expose(), Some(Track::Q)).unwrap();
        prop_assert_eq!(&parsed, &number);
        prop_assert_eq!(parsed.province(), Some(province));
        prop_assert_eq!((parsed.year(), parsed.level()), (Some(year), Some(level)));
    }

    #[test]
    fn composed_20_parses_back(
        filing_tier in prop::sample::select(vec!['G', 'S', 'C', 'X']),
        category in prop::sample::select(vec!['N', 'W']),
        region in province(), agency in 0u16..1000, year in 2000u16..2100, ordinal in 2u8..=6,
        serial in 0u32..100_000,
    ) {
        let level = Level::from_ordinal(ordinal).unwrap();
        let parts = PilotNumber { filing_tier, category, region, agency, year, level, serial };
        let number = CertificateNumber::compose_20(&parts).unwrap();
        let parsed = CertificateNumber::parse(number.expose(), Some(Track::L)).unwrap();
        prop_assert_eq!(&parsed, &number);
        prop_assert_eq!(parsed.province(), Some(region));
        prop_assert_eq!((parsed.year(), parsed.level()), (Some(year), Some(level)));
    }

    #[test]
    fn never_panics_and_is_stable(text in "[0-9A-Z三 -]{0,26}", track in 0usize..4) {
        let track = Track::ALL.get(track).copied();
        if let Ok(number) = CertificateNumber::parse(&text, track) {
            let again = CertificateNumber::parse(number.expose(), track);
            prop_assert_eq!(again.as_ref(), Ok(&number));
            let _ = (number.province(), number.year(), number.level(), number.institution());
        }
    }
}
