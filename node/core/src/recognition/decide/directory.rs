//! What the registers say of the institution, the standard and the track on the day of issue.

use std::collections::BTreeSet;

use huren_proto::v1::{self, InstitutionKind, InstitutionState};

use super::{Findings, Question};
use crate::{
    codes::{Date, Occupation, Track},
    merkle::Hash,
    recognition::{registers::Registers, rules::Rule},
    registry::{
        catalogue::Qualifications,
        credit::{institution_listed, person_listed},
        crosswalk::{Crosswalk, OccupationKey, occupation_key},
        held, in_force,
        sites::has_site_in,
        standards::{Filed, Usability, usability},
    },
};

/// The institution: listed, in standing, within its scope, at a registered site.
pub(super) fn institution(
    question: &Question<'_>,
    registers: &Registers,
    findings: &mut Findings<'_>,
) {
    let facts = &question.facts;
    // Special abilities are certified by cities and counties, not by institutions.
    if facts.track == Some(Track::S) {
        return;
    }
    let (Some(code), Some(issued)) = (facts.institution, facts.issue_date) else {
        return findings.add(
            Rule::DirectoryAbsent,
            [("lacks", "institution_code".into())],
        );
    };
    let code_and_day = || {
        [
            ("institution", code.to_owned()),
            ("issue_date", issued.to_string()),
        ]
    };
    let held = held(&registers.institution, issued);
    let Some(entry) = held.map(|row| &row.entry) else {
        let reaches = registers
            .directory_from
            .is_some_and(|from| from <= issued.as_yyyymmdd());
        let rule = if reaches {
            Rule::InstitutionUnlisted
        } else {
            Rule::DirectoryAbsent
        };
        return findings.add(rule, code_and_day());
    };
    match entry.state() {
        InstitutionState::Exited => findings.add(Rule::InstitutionExited, code_and_day()),
        InstitutionState::Suspended => findings.add(Rule::InstitutionSuspended, code_and_day()),
        InstitutionState::Active | InstitutionState::Unspecified => {}
    }
    if entry.kind() == InstitutionKind::Employer {
        findings.add(Rule::EmployerScope, [("institution", code.to_owned())]);
    }
    scope(question, registers, (entry, issued), findings);
    site(question, registers, (entry, issued), findings);
}

fn scope(
    question: &Question<'_>,
    registers: &Registers,
    (entry, issued): (&v1::Institution, Date),
    findings: &mut Findings<'_>,
) {
    let Some(occupation) = &question.facts.occupation else {
        return;
    };
    let names = containing(question, registers, occupation);
    let occupation = occupation.without_job();
    // A scope in an edition that does not lead here says nothing of this code.
    let speaks = |scope: &v1::InstitutionScope| {
        let mut editions = names.iter().map(|(edition, _)| *edition);
        editions.any(|edition| edition == scope.edition)
    };
    if !entry.scopes.iter().any(speaks) {
        return findings.add(Rule::DirectoryAbsent, [("lacks", "scope".into())]);
    }
    let day = issued.as_yyyymmdd();
    let in_time = |scope: &&v1::InstitutionScope| {
        scope.valid_from <= day && (scope.valid_to == 0 || day <= scope.valid_to)
    };
    let covers = |scope: &&v1::InstitutionScope| {
        names.contains(&occupation_key(scope.edition, &scope.occupation))
    };
    let mut own = entry
        .scopes
        .iter()
        .filter(in_time)
        .filter(covers)
        .peekable();
    let about = [("occupation", occupation.to_string())];
    if own.peek().is_none() {
        return findings.add(Rule::ScopeOccupation, about);
    }
    let Some(level) = question.facts.level.map(|level| u32::from(level.ordinal())) else {
        return;
    };
    if !own.any(|scope| (scope.level_from..=scope.level_to).contains(&level)) {
        findings.add(Rule::ScopeLevel, about);
        findings.add(Rule::ScopeLevel, [("level", level.to_string())]);
    }
}

/// The occupation, and those of other editions that it is or is a part of.
fn containing(
    question: &Question<'_>,
    registers: &Registers,
    occupation: &Occupation,
) -> BTreeSet<OccupationKey> {
    let as_of = question.as_of.filter(|_| !registers.occupations.is_empty());
    let crosswalk = as_of.map(|as_of| Crosswalk::as_of(&registers.occupations, as_of));
    let own = occupation_key(occupation.edition().into(), occupation.code());
    crosswalk.unwrap_or_default().containing(own)
}

/// Where the assessment took place has a site.
fn site(
    question: &Question<'_>,
    registers: &Registers,
    (entry, issued): (&v1::Institution, Date),
    findings: &mut Findings<'_>,
) {
    let Some(activity) = question.activity else {
        return;
    };
    if !has_site_in(entry, registers.sites.values(), activity, issued) {
        findings.add(
            Rule::SiteUnregistered,
            [("activity_region", activity.to_string())],
        );
    }
}

/// Whether a standard is of an occupation as its edition names it: of its job, or of all of them.
pub(in crate::recognition) fn is_of(standard: &v1::Standard, occupation: &Occupation) -> bool {
    let own = Occupation::parse(occupation.edition(), &standard.occupation);
    standard.occupation_edition == u32::from(occupation.edition())
        && own.is_ok_and(|own| own == *occupation || own == occupation.without_job())
}

/// A filed standard of the occupation was in force.
pub(super) fn standard(
    question: &Question<'_>,
    registers: &Registers,
    findings: &mut Findings<'_>,
) {
    let Some((issued, occupation)) = question
        .facts
        .issue_date
        .zip(question.facts.occupation.as_ref())
    else {
        return;
    };
    // Each in the form that it had on that day; those that came later tell nothing of it.
    let filings = in_force(&registers.filings, issued);
    let standards = in_force(&registers.standards, issued);
    let mut judged: Vec<&v1::Standard> = standards
        .iter()
        .copied()
        .filter(|standard| is_of(standard, occupation))
        .collect();
    // Without one of its own, that of what it was called in another edition.
    if judged.is_empty() {
        let names = containing(question, registers, occupation);
        judged = standards;
        judged.retain(|standard| {
            let (edition, code) = (standard.occupation_edition, &standard.occupation);
            let of_own_edition = edition == u32::from(occupation.edition());
            !of_own_edition && names.contains(&occupation_key(edition, code))
        });
    }
    let judged: Vec<(&v1::Standard, Usability)> = judged
        .into_iter()
        .map(|standard| {
            let filed = Filed::of(standard, filings.iter().copied());
            (standard, usability(standard, &filed, issued))
        })
        .collect();
    let about = || [("occupation", occupation.to_string())];
    if judged.is_empty() {
        return findings.add(Rule::StandardAbsent, about());
    }
    let mut good = judged;
    good.retain(|(_, use_of)| matches!(use_of, Usability::Usable | Usability::Superseded));
    if good.is_empty() {
        return findings.add(Rule::StandardUnfiled, about());
    }
    // The one that the certificate names, or else any that was current.
    let is_named = |standard: &v1::Standard| {
        let named = question.facts.standard;
        named.is_some_and(|name| name == standard.code || name == standard.title)
    };
    if good.iter().any(|(standard, _)| is_named(standard)) {
        good.retain(|(standard, _)| is_named(standard));
    }
    let is_current = |(_, use_of): &(&v1::Standard, Usability)| *use_of == Usability::Usable;
    if !good.iter().any(is_current)
        && let Some((standard, _)) = good.first()
    {
        let code = format!("{}/{}", standard.code, standard.edition);
        findings.add(Rule::StandardSuperseded, [("standard", code)]);
    }
}

/// Inside the national catalogue a qualification, outside of it a skill level
/// (浙人社发〔2022〕16号 三(一), 三(二)).
pub(super) fn track(question: &Question<'_>, registers: &Registers, findings: &mut Findings<'_>) {
    let facts = &question.facts;
    let (Some(track), Some(issued), Some(occupation)) =
        (facts.track, facts.issue_date, facts.occupation.as_ref())
    else {
        return;
    };
    if track == Track::S {
        return;
    }
    let catalogue = Qualifications::as_of(&registers.qualifications, issued);
    let says = catalogue
        .as_ref()
        .and_then(|catalogue| catalogue.track(occupation));
    match (&catalogue, says) {
        (Some(catalogue), Some(says)) if says != track => {
            let about = [
                ("edition", catalogue.edition().to_string()),
                ("track", track.letter().to_owned()),
            ];
            findings.add(Rule::TrackMismatch, about);
        }
        (Some(_), Some(_)) => {}
        _ => findings.add(Rule::CatalogueAbsent, [("issue_date", issued.to_string())]),
    }
}

/// Bad credit acts from its own day: what was issued before stays as it was.
pub(super) fn credit(question: &Question<'_>, registers: &Registers, findings: &mut Findings<'_>) {
    let Some(issued) = question.facts.issue_date else {
        return;
    };
    if let Some(code) = question.facts.institution {
        let logs = registers.credit.iter();
        for listed in logs.flat_map(|rows| institution_listed(rows, code, issued)) {
            let about = [
                ("institution", code.to_owned()),
                ("case", listed.number.clone()),
            ];
            findings.add(Rule::CreditBad, about);
        }
    }
    let (home, leaf) = (&question.case.home_log, Hash::from_hex(&question.case.leaf));
    if let Ok(leaf) = leaf {
        let logs = registers.person_credit.iter();
        for listed in logs.flat_map(|rows| person_listed(rows, home, leaf, issued)) {
            findings.add(Rule::CreditBad, [("holder_case", listed.number.clone())]);
        }
    }
}
