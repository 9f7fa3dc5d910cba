//! What the registers hold that a decision rests on.

use std::collections::BTreeMap;

use huren_proto::v1;
use serde::{Deserialize, Serialize};

use super::case::Case;
use crate::{
    register::DirectoryRow,
    registry::{Dated, Entry},
};

/// An entry of a register with its place: what a decision rests on, and what it is decided again
/// from years later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The log.
    pub origin: String,
    /// Index of its leaf.
    pub index: u64,
    /// Number of its kind as in `huren.v1.Kind`.
    pub kind: u32,
    /// What it is found by.
    pub key: String,
    /// From when on it holds, yyyymmdd.
    pub effective_date: u32,
    /// Its message, hexadecimal.
    #[serde(with = "hex::serde")]
    pub body: Vec<u8>,
}

impl Evidence {
    /// A row of a log's register.
    pub fn of(origin: &str, row: &DirectoryRow) -> Self {
        Self {
            origin: origin.to_owned(),
            index: row.index,
            kind: row.kind,
            key: row.key.clone(),
            effective_date: row.effective_date,
            body: row.body.clone(),
        }
    }

    /// What it says, if it is of that kind.
    fn entry<E: Entry>(&self) -> Option<Dated<E>> {
        Dated::read(self.kind, (self.index, self.effective_date), &self.body)
    }
}

/// What is known, of all that could bear on one certificate. What is not in here is not known:
/// it is never taken for a 'no'.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registers {
    /// Every entry of the institution that the certificate names, in its home log.
    pub institution: Vec<Dated<v1::Institution>>,
    /// The first day of which the home log's directory of institutions says anything, yyyymmdd.
    pub directory_from: Option<u32>,
    /// Standards in the home log.
    pub standards: Vec<Dated<v1::Standard>>,
    /// Their filings.
    pub filings: Vec<Dated<v1::StandardFiling>>,
    /// Editions of the national qualification catalogue in the home log.
    pub qualifications: Vec<Dated<v1::QualificationCatalogue>>,
    /// Editions of the occupation classification in the home log, for how they correspond.
    pub occupations: Vec<Dated<v1::OccupationCatalogue>>,
    /// Sites of the institution, by log: both supervisors' provinces count.
    pub sites: BTreeMap<String, Vec<Dated<v1::Site>>>,
    /// Agreements in the asking province's log.
    pub agreements: Vec<Dated<v1::Agreement>>,
    /// Which titles levels correspond to, in the asking province's log.
    pub titles: Vec<Dated<v1::TitleMapping>>,
    /// What the asking province lets rules do, in its log.
    pub rules: Vec<Dated<v1::RecognitionRules>>,
    /// Bad credit of institutions, in the home log and in the asking province's.
    pub credit: [Vec<Dated<v1::InstitutionCredit>>; 2],
    /// Bad credit of the certificate's holder, in the same two.
    pub person_credit: [Vec<Dated<v1::PersonCredit>>; 2],
    /// Claims of a subsidy by log: every province's count.
    pub claims: BTreeMap<String, Vec<Dated<v1::SubsidyClaim>>>,
}

impl Registers {
    /// Reads what bears on a case. What belongs to another log, or to no register that decisions
    /// rest on, is left out.
    pub fn read(case: &Case, evidence: &[Evidence]) -> Self {
        let home = of_log(evidence, &case.home_log);
        let asking = of_log(evidence, &case.asking_log);
        let is_one = case.home_log == case.asking_log;
        let institutions = home.iter().copied();
        let institutions = institutions.filter(|row| row.kind == INSTITUTION);
        Self {
            directory_from: institutions.clone().map(|row| row.effective_date).min(),
            institution: institutions
                .filter(|row| case.institution() == Some(row.key.as_str()))
                .filter_map(institution)
                .collect(),
            standards: entries(&home),
            filings: entries(&home),
            qualifications: entries(&home),
            occupations: entries(&home),
            agreements: entries(&asking),
            titles: entries(&asking),
            rules: entries(&asking),
            credit: of_both(&home, &asking, is_one),
            person_credit: of_both(&home, &asking, is_one),
            sites: by_log(evidence, case.institution()),
            claims: by_log(evidence, None),
        }
    }
}

const INSTITUTION: u32 = v1::Kind::Institution as u32;

fn of_log<'a>(evidence: &'a [Evidence], log: &str) -> Vec<&'a Evidence> {
    let of_log = evidence.iter().filter(|entry| entry.origin == log);
    of_log.collect()
}

fn entries<E: Entry>(rows: &[&Evidence]) -> Vec<Dated<E>> {
    rows.iter().filter_map(|row| row.entry()).collect()
}

/// Entries of a kind of every log; if an institution is named, those under its code.
fn by_log<E: Entry>(
    evidence: &[Evidence],
    institution: Option<&str>,
) -> BTreeMap<String, Vec<Dated<E>>> {
    let is_about = |key: &str| {
        let code = key.split('/').next();
        institution.is_none() || code == institution
    };
    let mut logs: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for entry in evidence.iter().filter(|entry| is_about(&entry.key)) {
        if let Some(dated) = entry.entry() {
            logs.entry(entry.origin.clone()).or_default().push(dated);
        }
    }
    logs
}

/// Entries of two logs, which may be one.
fn of_both<E: Entry>(home: &[&Evidence], asking: &[&Evidence], is_one: bool) -> [Vec<Dated<E>>; 2] {
    let asking = if is_one { Vec::new() } else { entries(asking) };
    [entries(home), asking]
}

fn institution(row: &Evidence) -> Option<Dated<v1::Institution>> {
    Dated::decoded((row.index, row.effective_date), &row.body)
}
