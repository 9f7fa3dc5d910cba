//! What the registers say of the institution, the standard and the track on the day of issue.

use huren_proto::v1::{self, InstitutionKind, InstitutionState};

use super::{Findings, Question};
use crate::{
    codes::{Date, Occupation, Track},
    merkle::Hash,
    recognition::{registers::Registers, rules::Rule},
    registry::{
        catalogue::Qualifications,
        credit::{institution_listed, person_listed},
        has_site_in, held, in_force,
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
    scope(question, entry, issued, findings);
    site(question, entry, findings);
}

fn scope(
    question: &Question<'_>,
    entry: &v1::Institution,
    issued: Date,
    findings: &mut Findings<'_>,
) {
    let Some(occupation) = &question.facts.occupation else {
        return;
    };
    let occupation = occupation.without_job();
    let of_edition =
        |scope: &&v1::InstitutionScope| scope.edition == u32::from(occupation.edition());
    // A scope in another edition says nothing of this code: codes moved between editions.
    if !entry.scopes.iter().any(|scope| of_edition(&scope)) {
        return findings.add(Rule::DirectoryAbsent, [("lacks", "scope".into())]);
    }
    let day = issued.as_yyyymmdd();
    let in_time = |scope: &&v1::InstitutionScope| {
        scope.valid_from <= day && (scope.valid_to == 0 || day <= scope.valid_to)
    };
    let covers = |scope: &&v1::InstitutionScope| covers(scope, &occupation);
    let mut own = entry
        .scopes
        .iter()
        .filter(of_edition)
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

/// Whether a line of a scope is about an occupation, with or without one of its kinds of work.
fn covers(scope: &v1::InstitutionScope, occupation: &Occupation) -> bool {
    let edition = u16::try_from(scope.edition).unwrap_or_default();
    let line = Occupation::parse(edition, &scope.occupation);
    line.is_ok_and(|line| line.without_job() == *occupation)
}

/// Where the assessment took place has a site.
fn site(question: &Question<'_>, entry: &v1::Institution, findings: &mut Findings<'_>) {
    let Some(activity) = question.activity else {
        return;
    };
    if !has_site_in(entry, activity) {
        findings.add(
            Rule::SiteUnregistered,
            [("activity_region", activity.to_string())],
        );
    }
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
    let (plain, edition) = (occupation.without_job(), u32::from(occupation.edition()));
    let is_own = |standard: &v1::Standard| {
        let own = Occupation::parse(occupation.edition(), &standard.occupation);
        standard.occupation_edition == edition
            && own.is_ok_and(|own| own == *occupation || own == plain)
    };
    // Each in the form that it had on that day; those that came later tell nothing of it.
    let filings = in_force(&registers.filings, issued);
    let standards = in_force(&registers.standards, issued).into_iter();
    let judged: Vec<(&v1::Standard, Usability)> = standards
        .filter(|standard| is_own(standard))
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
