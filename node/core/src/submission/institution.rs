//! An institution's directory entry.

use huren_proto::v1::{self, InstitutionKind as Kind, InstitutionState as State};

use super::fault::{Fault, Faults, Invalid};
use super::fields::{is_code, soundness};
use crate::codes::{
    Coded, Date, InstitutionCode, InstitutionKind, Level, Occupation, Region, Uscc,
};
use crate::{keys::Algorithm, normalise, record};

/// The most lines that a scope, and the most sites that an entry may have: a leaf has room
/// for 65,535 bytes.
const MAX_ENTRIES: usize = 1_000;

/// Checks a directory entry for the log of `province` and gives its canonical form: codes and
/// names normalised, regions short, scopes and sites ascending without repetition.
///
/// A wrong check digit of the social credit code is no fault: a few codes in real use were
/// issued so. Home and selecting region may lie elsewhere, as an organisation of one province
/// may run a site in another.
///
/// # Errors
/// Every fault found, in the order of the message's fields.
pub fn institution(
    entry: &v1::Institution,
    province: Region,
) -> Result<v1::Institution, Vec<Invalid>> {
    let mut faults = Faults::default();
    let kind = Kind::try_from(entry.kind).unwrap_or(Kind::Unspecified);
    let checked = v1::Institution {
        code: code(&entry.code, kind, province, &mut faults),
        uscc: uscc(&entry.uscc, &mut faults),
        name: name(&entry.name, &mut faults),
        kind: entry.kind,
        home_region: region(
            "home_region",
            &entry.home_region,
            Presence::Required,
            &mut faults,
        ),
        selecting_region: region(
            "selecting_region",
            &entry.selecting_region,
            Presence::Optional,
            &mut faults,
        ),
        scopes: scopes(&entry.scopes, kind, &mut faults),
        site_regions: site_regions(&entry.site_regions, &mut faults),
        stars: entry.stars,
        state: entry.state,
        keys: keys(&entry.keys, &mut faults),
    };
    if kind == Kind::Unspecified {
        faults.push("kind", &Fault::InstitutionKind);
    }
    if entry.stars > 5 {
        faults.push("stars", &Fault::Stars);
    }
    if matches!(
        State::try_from(entry.state),
        Err(_) | Ok(State::Unspecified)
    ) {
        faults.push("state", &Fault::InstitutionState);
    }
    if faults.is_empty() {
        Ok(checked)
    } else {
        Err(faults.into_vec())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

/// Sound text that is not blank; what is missing or unsound becomes a fault.
fn present<'a>(
    field: &'static str,
    text: &'a str,
    presence: Presence,
    faults: &mut Faults,
) -> Option<&'a str> {
    faults.take(field, soundness(text))?;
    if !normalise::text(text).is_empty() {
        return Some(text);
    }
    if presence == Presence::Required {
        faults.push(field, &Fault::FieldMissing);
    }
    None
}

/// Parses a value that is there; absent and faulty ones are empty.
fn parsed<E: Coded>(
    field: &'static str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<String, E>,
    faults: &mut Faults,
) -> String {
    text.and_then(|text| faults.take(field, parse(text)))
        .unwrap_or_default()
}

/// Institutions of level certificates have the uniform code; examination and special ability
/// agencies have older ones, whose form no published rule fixes.
fn code(text: &str, kind: Kind, province: Region, faults: &mut Faults) -> String {
    let Some(text) = present("code", text, Presence::Required, faults) else {
        return String::new();
    };
    let letter_kind = match kind {
        Kind::Employer => InstitutionKind::Employer,
        Kind::Social => InstitutionKind::SocialOrganisation,
        _ => {
            let code = normalise::number(text);
            if !is_code(&code, 24) {
                faults.push("code", &Fault::AgencyFormat);
            }
            return code;
        }
    };
    let Some(code) = faults.take("code", InstitutionCode::parse(text)) else {
        return String::new();
    };
    if code.kind() != letter_kind {
        faults.push("kind", &Fault::InstitutionKindMismatch);
    }
    if code.province() != Some(province.province()) {
        faults.push("code", &Fault::InstitutionOtherProvince);
    }
    code.to_string()
}

fn uscc(text: &str, faults: &mut Faults) -> String {
    let text = present("uscc", text, Presence::Optional, faults);
    parsed(
        "uscc",
        text,
        |text| Uscc::parse(text).map(|uscc| uscc.to_string()),
        faults,
    )
}

fn name(text: &str, faults: &mut Faults) -> String {
    present("name", text, Presence::Required, faults)
        .map(normalise::text)
        .unwrap_or_default()
}

fn region(field: &'static str, text: &str, presence: Presence, faults: &mut Faults) -> String {
    let text = present(field, text, presence, faults);
    parsed(
        field,
        text,
        |text| Region::parse(text).map(|region| region.to_string()),
        faults,
    )
}

fn scopes(
    scopes: &[v1::InstitutionScope],
    kind: Kind,
    faults: &mut Faults,
) -> Vec<v1::InstitutionScope> {
    if scopes.len() > MAX_ENTRIES {
        faults.push("scopes", &Fault::ListTooLong);
        return Vec::new();
    }
    let mut checked: Vec<_> = scopes.iter().map(|s| scope(s, kind, faults)).collect();
    checked.sort_by(|a, b| {
        let key = |s: &v1::InstitutionScope| {
            (
                s.edition,
                s.level_from,
                s.level_to,
                s.valid_from,
                s.valid_to,
            )
        };
        a.occupation
            .cmp(&b.occupation)
            .then_with(|| key(a).cmp(&key(b)))
    });
    checked.dedup();
    checked
}

fn scope(scope: &v1::InstitutionScope, kind: Kind, faults: &mut Faults) -> v1::InstitutionScope {
    let field = "scopes";
    let text = present(field, &scope.occupation, Presence::Required, faults);
    let edition = u16::try_from(scope.edition).unwrap_or_default();
    let parse = |text: &str| Occupation::parse(edition, text).map(|o| o.to_string());
    let occupation = parsed(field, text, parse, faults);
    check_levels(scope, kind, faults);
    let from = faults.take(field, Date::from_yyyymmdd(scope.valid_from));
    let to = match scope.valid_to {
        0 => None,
        to => faults.take(field, Date::from_yyyymmdd(to)),
    };
    if from.zip(to).is_some_and(|(from, to)| to < from) {
        faults.push(field, &Fault::ScopeDates);
    }
    v1::InstitutionScope {
        occupation,
        ..scope.clone()
    }
}

/// Special abilities have no levels (浙人社发〔2022〕16号, 三(三)); of the eight, three are for
/// employers only (三(二)).
fn check_levels(scope: &v1::InstitutionScope, kind: Kind, faults: &mut Faults) {
    if kind == Kind::Special {
        if (scope.level_from, scope.level_to) != (0, 0) {
            faults.push("scopes", &Fault::ScopeLevel);
        }
        return;
    }
    let level = |ordinal: u32| u8::try_from(ordinal).ok().and_then(Level::from_ordinal);
    match (level(scope.level_from), level(scope.level_to)) {
        (Some(from), Some(to)) if from <= to => {
            let has_employer_level = from.is_employer_only() || to.is_employer_only();
            if kind != Kind::Employer && has_employer_level {
                faults.push("scopes", &Fault::LevelEmployerOnly);
            }
        }
        _ => faults.push("scopes", &Fault::ScopeLevel),
    }
}

fn site_regions(regions: &[String], faults: &mut Faults) -> Vec<String> {
    if regions.len() > MAX_ENTRIES {
        faults.push("site_regions", &Fault::ListTooLong);
        return Vec::new();
    }
    let mut checked: Vec<_> = regions
        .iter()
        .map(|text| region("site_regions", text, Presence::Required, faults))
        .collect();
    checked.sort();
    checked.dedup();
    checked
}

/// Keys ascend, each once. One of an algorithm that this program does not know is refused here:
/// nobody could check what it signs.
fn keys(keys: &[v1::InstitutionKey], faults: &mut Faults) -> Vec<v1::InstitutionKey> {
    let mut checked = keys.to_vec();
    checked.sort_by(|a, b| record::key_order(a).cmp(&record::key_order(b)));
    checked.dedup();
    if checked.len() > record::MAX_INSTITUTION_KEYS {
        faults.push("keys", &Fault::ListTooLong);
    }
    let is_known = |key: &v1::InstitutionKey| Algorithm::from_number(key.alg).is_some();
    if !checked
        .iter()
        .all(|key| is_known(key) && record::is_key(key))
    {
        faults.push("keys", &Fault::InstitutionKey);
    }
    checked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(entry: &v1::Institution) -> Vec<(&'static str, &'static str)> {
        let faults = institution(entry, Region::ZHEJIANG)
            .err()
            .unwrap_or_default();
        faults
            .iter()
            .map(|fault| (fault.field, fault.code))
            .collect()
    }

    fn key(seed: u8) -> v1::InstitutionKey {
        let algorithm = Algorithm::ALL[usize::from(seed) % 2];
        let signer = crate::keys::RecordSigner::new(algorithm, &[seed; 32]).unwrap();
        v1::InstitutionKey {
            alg: algorithm.number(),
            public_key: signer.public_key(),
        }
    }

    fn entry() -> v1::Institution {
        let scope = |occupation: &str| v1::InstitutionScope {
            edition: 2022,
            occupation: occupation.into(),
            level_from: 2,
            level_to: 6,
            valid_from: 20_200_101,
            valid_to: 0,
        };
        v1::Institution {
            code: "S000033010006".into(),
            uscc: "91350100M000100Y43".into(),
            name: "浙江某某评价有限公司".into(),
            kind: v1::InstitutionKind::Social.into(),
            home_region: "330106".into(),
            selecting_region: "33".into(),
            scopes: vec![scope("4-03-02-01"), scope("4-03-02-07")],
            site_regions: vec!["330106".into(), "3302".into()],
            stars: 3,
            state: v1::InstitutionState::Active.into(),
            keys: vec![key(1), key(2)],
        }
    }

    #[test]
    fn institutions() {
        let check = |change: fn(&mut v1::Institution), expected: &[(&str, &str)]| {
            let mut changed = entry();
            change(&mut changed);
            assert_eq!(codes(&changed), expected, "{changed:?}");
        };
        check(|_| {}, &[]);
        check(|i| i.code.clear(), &[("code", "FIELD_MISSING")]);
        check(|i| i.code = "S33".into(), &[("code", "INSTITUTION_FORMAT")]);
        check(
            |i| i.code = "Y000033010006".into(),
            &[("kind", "INSTITUTION_KIND_MISMATCH")],
        );
        check(
            |i| i.code = "S000032010006".into(),
            &[("code", "INSTITUTION_OTHER_PROVINCE")],
        );
        check(|i| i.uscc = "1".into(), &[("uscc", "USCC_LENGTH")]);
        check(|i| i.uscc = "91350211M0000XUF46".into(), &[]);
        check(
            |i| i.name = "甲\u{7}".into(),
            &[("name", "CONTROL_CHARACTER")],
        );
        check(|i| i.kind = 9, &[("kind", "INSTITUTION_KIND")]);
        check(
            |i| i.home_region = "99".into(),
            &[("home_region", "REGION_UNKNOWN")],
        );
        check(|i| i.selecting_region.clear(), &[]);
        check(
            |i| i.scopes[0].edition = 2021,
            &[("scopes", "OCCUPATION_EDITION")],
        );
        check(
            |i| i.scopes[0].level_to = 1,
            &[("scopes", "SCOPE_LEVEL_RANGE")],
        );
        check(
            |i| i.scopes[1].level_to = 7,
            &[("scopes", "LEVEL_EMPLOYER_ONLY")],
        );
        check(
            |i| i.scopes[1].valid_to = 20_191_231,
            &[("scopes", "SCOPE_DATES")],
        );
        check(
            |i| i.scopes = vec![i.scopes[0].clone(); 1_001],
            &[("scopes", "LIST_TOO_LONG")],
        );
        check(
            |i| i.site_regions.push(String::new()),
            &[("site_regions", "FIELD_MISSING")],
        );
        check(|i| i.keys.clear(), &[]);
        let bad_key = [("keys", "INSTITUTION_KEY")];
        check(|i| i.keys[0].alg = 0, &bad_key);
        check(|i| i.keys[0].alg = 3, &bad_key);
        check(|i| i.keys.swap(0, 1), &[]);
        check(|i| i.keys[0].alg = i.keys[1].alg, &bad_key);
        check(|i| i.keys[1].public_key.clear(), &bad_key);
        check(
            |i| i.keys = (1..10).map(key).collect(),
            &[("keys", "LIST_TOO_LONG")],
        );
        check(|i| i.stars = 6, &[("stars", "STARS_RANGE")]);
        check(|i| i.state = 0, &[("state", "INSTITUTION_STATE")]);
        check(
            |i| {
                i.kind = v1::InstitutionKind::Special.into();
                i.code = "ZX3302".into();
            },
            &[("scopes", "SCOPE_LEVEL_RANGE")],
        );
    }

    #[test]
    fn an_institution_has_one_form() {
        let mut entry = entry();
        let canonical = institution(&entry, Region::ZHEJIANG).unwrap();
        assert_eq!(canonical.site_regions, ["330106", "3302"]);
        entry.scopes.reverse();
        entry.scopes.push(entry.scopes[0].clone());
        entry.keys = vec![key(1), key(2), key(1)];
        entry.site_regions = vec!["330200".into(), "３３０１０６".into(), "3302".into()];
        entry.code = "s0000 330100 06".into();
        entry.name.push('\u{3000}');
        assert_eq!(institution(&entry, Region::ZHEJIANG).unwrap(), canonical);
        assert_eq!(
            institution(&canonical, Region::ZHEJIANG).unwrap(),
            canonical
        );
    }
}
