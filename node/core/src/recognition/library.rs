//! The registers in memory, and which of their entries bear on a certificate.

use std::collections::{BTreeMap, BTreeSet};

use huren_proto::v1::{self, Kind};

use super::{case::Case, registers::Evidence};
use crate::{
    register::DirectoryRow,
    registry::{decode, number},
};

/// Entries of all logs, as far as decisions rest on them.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// By log, kind and key.
    rows: BTreeMap<(String, u32, String), Vec<DirectoryRow>>,
    /// Keys of standards by log, edition and code of the occupation without its job.
    standards: BTreeMap<(String, u32, String), BTreeSet<String>>,
    /// The earliest entry of each log's directory of institutions.
    first: BTreeMap<String, DirectoryRow>,
}

impl Library {
    /// The kinds that it wants to hold.
    pub const KINDS: [Kind; 9] = [
        Kind::Institution,
        Kind::QualificationCatalogue,
        Kind::Standard,
        Kind::StandardFiling,
        Kind::InstitutionCredit,
        Kind::PersonCredit,
        Kind::Agreement,
        Kind::TitleMapping,
        Kind::RecognitionRules,
    ];

    /// Takes in an entry.
    pub fn insert(&mut self, log: &str, row: DirectoryRow) {
        if row.kind == number(Kind::Standard)
            && let Some(standard) = decode::<v1::Standard>(&row.body)
        {
            let code = without_job(&standard.occupation);
            let place = (log.to_owned(), standard.occupation_edition, code.to_owned());
            let keys = self.standards.entry(place).or_default();
            keys.insert(row.key.clone());
        }
        if row.kind == number(Kind::Institution) {
            let place = |row: &DirectoryRow| (row.effective_date, row.index);
            let first = self
                .first
                .entry(log.to_owned())
                .or_insert_with(|| row.clone());
            if place(&row) < place(first) {
                *first = row.clone();
            }
        }
        let place = (log.to_owned(), row.kind, row.key.clone());
        self.rows.entry(place).or_default().push(row);
    }

    /// The entries that bear on a case: a decision from these is the one from all.
    pub fn relevant(&self, case: &Case) -> Vec<Evidence> {
        let facts = case.facts();
        let mut found = Relevant::default();
        let (home, asking) = (case.home_log.as_str(), case.asking_log.as_str());
        if let Some(code) = facts.institution {
            found.take(home, self.of_key(home, Kind::Institution, code));
            let prefix = format!("{code}/");
            for log in [home, asking] {
                found.take(log, self.behind(log, Kind::InstitutionCredit, &prefix));
            }
        }
        if !case.leaf.is_empty() {
            let prefix = format!("{}/", case.leaf);
            for log in [home, asking] {
                found.take(log, self.behind(log, Kind::PersonCredit, &prefix));
            }
        }
        found.take(home, self.first.get(home));
        if let Some(occupation) = &facts.occupation {
            let (edition, code) = (occupation.edition(), without_job(occupation.code()));
            let place = (home.to_owned(), u32::from(edition), code.to_owned());
            for key in self.standards.get(&place).into_iter().flatten() {
                found.take(home, self.of_key(home, Kind::Standard, key));
                found.take(
                    home,
                    self.behind(home, Kind::StandardFiling, &format!("{key}/")),
                );
            }
        }
        if let Some(issued) = facts.issue_date {
            // Of the catalogue the newest edition that had come out by then, in all its forms.
            let day = issued.as_yyyymmdd();
            let parts = self.behind(home, Kind::QualificationCatalogue, "");
            let parts: Vec<_> = parts.filter(|row| row.effective_date <= day).collect();
            let newest = parts.iter().map(|row| edition(&row.key)).max();
            let of_newest = parts.into_iter();
            found.take(
                home,
                of_newest.filter(|row| Some(edition(&row.key)) == newest),
            );
        }
        for kind in [Kind::Agreement, Kind::TitleMapping, Kind::RecognitionRules] {
            found.take(asking, self.behind(asking, kind, ""));
        }
        found.0.into_values().collect()
    }

    fn of_key(&self, log: &str, kind: Kind, key: &str) -> impl Iterator<Item = &DirectoryRow> {
        let place = (log.to_owned(), number(kind), key.to_owned());
        self.rows.get(&place).into_iter().flatten()
    }

    /// Entries whose keys start with a prefix.
    fn behind(&self, log: &str, kind: Kind, prefix: &str) -> impl Iterator<Item = &DirectoryRow> {
        let from = (log.to_owned(), number(kind), prefix.to_owned());
        let (log, prefix) = (log.to_owned(), prefix.to_owned());
        let rows = self.rows.range(from..);
        rows.take_while(move |((of_log, of_kind, key), _)| {
            (of_log, *of_kind) == (&log, number(kind)) && key.starts_with(&prefix)
        })
        .flat_map(|(_, rows)| rows)
    }
}

/// Entries by log and index: each once, in an order of their own.
#[derive(Default)]
struct Relevant(BTreeMap<(String, u64), Evidence>);

impl Relevant {
    fn take<'a>(&mut self, log: &str, rows: impl IntoIterator<Item = &'a DirectoryRow>) {
        for row in rows {
            let place = (log.to_owned(), row.index);
            self.0
                .entry(place)
                .or_insert_with(|| Evidence::of(log, row));
        }
    }
}

/// The code of an occupation without its job: `6-30-05-01` of `6-30-05-01-014`.
fn without_job(code: &str) -> &str {
    code.match_indices('-')
        .nth(3)
        .map_or(code, |(at, _)| &code[..at])
}

/// The edition that the key of a part of the catalogue starts with.
fn edition(key: &str) -> u32 {
    let edition = key.split('/').next();
    edition
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}
