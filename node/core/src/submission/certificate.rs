//! The group `certificate`: number, track, occupation, level, institution, dates.

use super::fault::{Fault, Faults};
use super::fields::{Field, Sound, canonical, is_code, optional, required};
use crate::codes::{
    CertificateNumber, Coded, Date, Grammar, InstitutionCode, InstitutionKind, Level, Mismatch,
    Occupation, OccupationError, Region, Track,
};
use crate::disclosure::{Group, Values};
use crate::normalise;

pub(super) const FIELDS: [Field; 15] = [
    required("number"),
    required("track"),
    required("occupation_edition"),
    required("occupation_code"),
    required("occupation_name"),
    optional("job_name"),
    optional("level"),
    optional("institution_code"),
    required("institution_name"),
    optional("site_code"),
    required("issue_date"),
    optional("valid_until"),
    optional("method"),
    optional("standard"),
    optional("print_serial"),
];

/// A checked group.
pub(super) struct Certificate {
    pub(super) values: Values,
    pub(super) number: Option<CertificateNumber>,
    pub(super) issue_date: Option<Date>,
}

/// What was read of a group, as far as it could be.
struct Parts {
    track: Option<Track>,
    number: Option<CertificateNumber>,
    occupation: Option<Occupation>,
    occupation_name: Option<String>,
    level: Option<Level>,
    institution: Option<Institution>,
    site: Option<String>,
    issue_date: Option<Date>,
    valid_until: Option<Date>,
}

/// Who issued the certificate: a code of 13 characters, or of the older schemes, whose form
/// no published rule fixes.
enum Institution {
    Coded(InstitutionCode),
    Agency(String),
}

/// Checks the group for the log of `province`.
pub(super) fn check(values: &Values, province: Region, faults: &mut Faults) -> Certificate {
    let sound = Sound::read(Group::Certificate, values, &FIELDS, faults);
    let parts = Parts::read(&sound, faults);
    parts.check_level(&sound, faults);
    parts.check_number(province, faults);
    parts.check_institution(&sound, faults);
    parts.check_dates(faults);
    parts.check_occupation(faults);
    let Parts {
        track,
        number,
        occupation,
        occupation_name,
        level,
        institution,
        site,
        ..
    } = &parts;
    let institution = institution.as_ref().map(|institution| match institution {
        Institution::Coded(code) => code.to_string(),
        Institution::Agency(code) => code.clone(),
    });
    let values = canonical([
        (
            "number",
            number.as_ref().map(|number| number.expose().to_owned()),
        ),
        ("track", track.map(|track| track.letter().to_owned())),
        (
            "occupation_edition",
            occupation.as_ref().map(|o| o.edition().to_string()),
        ),
        (
            "occupation_code",
            occupation.as_ref().map(Occupation::to_string),
        ),
        ("occupation_name", occupation_name.clone()),
        ("job_name", sound.text("job_name")),
        ("level", level.map(|level| level.ordinal().to_string())),
        ("institution_code", institution),
        ("institution_name", sound.text("institution_name")),
        ("site_code", site.clone()),
        ("issue_date", parts.issue_date.map(|date| date.to_string())),
        (
            "valid_until",
            parts.valid_until.map(|date| date.to_string()),
        ),
        ("method", sound.text("method")),
        ("standard", sound.text("standard")),
        (
            "print_serial",
            sound.get("print_serial").map(normalise::number),
        ),
    ]);
    Certificate {
        values,
        number: parts.number,
        issue_date: parts.issue_date,
    }
}

impl Parts {
    fn read(sound: &Sound<'_>, faults: &mut Faults) -> Self {
        let track = sound
            .get("track")
            .and_then(|text| faults.take("track", Track::parse(text)));
        let number = sound
            .get("number")
            .and_then(|text| faults.take("number", CertificateNumber::parse(text, track)));
        let date = |field, faults: &mut Faults| {
            sound
                .get(field)
                .and_then(|text| faults.take(field, Date::parse(text)))
        };
        Self {
            number,
            occupation: occupation(sound, faults),
            occupation_name: sound.get("occupation_name").map(Occupation::strip_marks),
            level: level(sound, faults),
            institution: institution(sound, track, faults),
            site: site(sound, faults),
            issue_date: date("issue_date", faults),
            valid_until: date("valid_until", faults),
            track,
        }
    }

    fn check_level(&self, sound: &Sound<'_>, faults: &mut Faults) {
        match self.track {
            Some(Track::S) if sound.get("level").is_some() => {
                faults.push("level", &Fault::LevelNotAllowed);
            }
            Some(Track::Q | Track::L) if sound.get("level").is_none() => {
                faults.push("level", &Fault::FieldMissing);
            }
            Some(Track::Q | Track::L)
                if self.level.is_some_and(Level::is_employer_only) && !self.is_employer() =>
            {
                faults.push("level", &Fault::LevelEmployerOnly);
            }
            _ => {}
        }
    }

    fn is_employer(&self) -> bool {
        matches!(&self.institution, Some(Institution::Coded(code))
            if code.kind() == InstitutionKind::Employer)
    }

    /// The province is the log's own, and every part of the number says what the record says.
    fn check_number(&self, province: Region, faults: &mut Faults) {
        let Some(number) = &self.number else { return };
        let is_elsewhere = number
            .province()
            .is_some_and(|own| own != province.province());
        // Shanghai's old numbers name no province: their scheme does.
        if is_elsewhere || !number.grammar().serves(province.province()) {
            faults.push("number", &Fault::NumberProvince);
        }
        let own_code = match &self.institution {
            Some(Institution::Coded(code)) => Some(code),
            _ => None,
        };
        let Some(issue_date) = self.issue_date else {
            return;
        };
        for mismatch in number.cross_check(issue_date, self.level, own_code) {
            let is_said = match mismatch {
                // The level is missing or not readable: that has been reported.
                Mismatch::Level => self.level.is_none(),
                // The record's own level has been reported for the same reason.
                Mismatch::EmployerOnlyLevel => number.level() == self.level,
                _ => false,
            };
            if !is_said {
                faults.push("number", &mismatch);
            }
        }
        let site = self
            .site
            .as_deref()
            .and_then(|site| InstitutionCode::parse(site).ok());
        let site_province = site.and_then(|site| site.province());
        if let Some(mismatch) = site_province.and_then(|region| number.check_site(region)) {
            faults.push("site_code", &mismatch);
        }
    }

    /// The 22-character number begins with the institution's code, so the record has one too.
    fn check_institution(&self, sound: &Sound<'_>, faults: &mut Faults) {
        let is_coded = self
            .number
            .as_ref()
            .is_some_and(|n| n.grammar().id() == Grammar::SKILL_LEVEL);
        if is_coded && sound.get("institution_code").is_none() {
            faults.push("institution_code", &Fault::FieldMissing);
        }
    }

    /// Certificates of this system began after 1950. That the date of issue has come is for
    /// whoever has a clock.
    fn check_dates(&self, faults: &mut Faults) {
        let Some(issue_date) = self.issue_date else {
            return;
        };
        if issue_date.year() < 1950 {
            faults.push("issue_date", &Fault::IssueDateRange);
        }
        if self.valid_until.is_some_and(|until| until < issue_date) {
            faults.push("valid_until", &Fault::ValidUntil);
        }
    }

    /// The table of names is an extract of a draft, some of whose names were edited later, so
    /// a name that differs from the table's is no fault. It is one if the table has that name
    /// under another code: then code and name are of two occupations.
    fn check_occupation(&self, faults: &mut Faults) {
        let (Some(occupation), Some(name)) = (&self.occupation, &self.occupation_name) else {
            return;
        };
        let Some(expected) = occupation.name() else {
            return;
        };
        if expected != name && Occupation::listed().any(|(_, listed)| listed == name) {
            faults.push("occupation_name", &Fault::OccupationName);
        }
    }
}

fn occupation(sound: &Sound<'_>, faults: &mut Faults) -> Option<Occupation> {
    let edition = sound.text("occupation_edition")?.parse::<u16>();
    let edition = edition
        .ok()
        .filter(|edition| Occupation::EDITIONS.contains(edition));
    let Some(edition) = edition else {
        faults.push("occupation_edition", &OccupationError::Edition);
        return None;
    };
    let code = sound.get("occupation_code")?;
    faults.take("occupation_code", Occupation::parse(edition, code))
}

/// A single digit is the ordinal, as in canonical values. It is not the code of certificate
/// numbers, which runs the other way: whoever has those sends the level's name.
fn level(sound: &Sound<'_>, faults: &mut Faults) -> Option<Level> {
    let text = sound.text("level")?;
    let result = match text.parse::<u8>() {
        Ok(ordinal) => Level::from_ordinal(ordinal).ok_or(crate::codes::LevelError::Unknown),
        Err(_) => Level::parse(&text),
    };
    faults.take("level", result)
}

/// Level certificates name institutions of the uniform scheme; agencies of the other tracks
/// have codes whose form varies by province and time.
fn institution(
    sound: &Sound<'_>,
    track: Option<Track>,
    faults: &mut Faults,
) -> Option<Institution> {
    let text = sound.get("institution_code")?;
    match (InstitutionCode::parse(text), track) {
        (Ok(code), _) => Some(Institution::Coded(code)),
        (Err(error), None | Some(Track::L)) => {
            faults.push("institution_code", &error);
            None
        }
        (Err(_), Some(Track::Q | Track::S)) => faults
            .take("institution_code", code(text, 24, Fault::AgencyFormat))
            .map(Institution::Agency),
    }
}

/// A site has a code of the same form as an institution, or one of its province's own.
fn site(sound: &Sound<'_>, faults: &mut Faults) -> Option<String> {
    let result = code(sound.get("site_code")?, 32, Fault::SiteFormat);
    faults.take("site_code", result)
}

fn code<E: Coded>(text: &str, max: usize, error: E) -> Result<String, E> {
    Some(normalise::number(text))
        .filter(|code| is_code(code, max))
        .ok_or(error)
}
