//! The registers in memory, and which of their entries bear on a certificate.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use huren_proto::v1::{self, Kind};

use super::{
    case::{Case, Facts},
    decide::directory::is_of,
    registers::Evidence,
};
use crate::{
    codes::Occupation,
    register::DirectoryRow,
    registry::{
        Dated,
        crosswalk::{OccupationKey, occupation_key, parts_and_wholes, reach},
        decode, held, number,
    },
};

/// Entries of all logs, as far as decisions rest on them.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// By log, kind and key.
    rows: BTreeMap<(String, u32, String), Vec<DirectoryRow>>,
    /// Keys of standards by log and occupation.
    standards: BTreeMap<(String, OccupationKey), BTreeSet<String>>,
    /// What an occupation is a part of, by log, with the keys of the catalogues that say so.
    wholes: BTreeMap<(String, OccupationKey), BTreeSet<(OccupationKey, String)>>,
    /// The logs that have entries about an institution's sites, by its code.
    sites: BTreeMap<String, BTreeSet<String>>,
    /// The earliest entry of each log's directory of institutions.
    first: BTreeMap<String, DirectoryRow>,
}

impl Library {
    /// The kinds that it wants to hold.
    pub const KINDS: [Kind; 11] = [
        Kind::Institution,
        Kind::OccupationCatalogue,
        Kind::QualificationCatalogue,
        Kind::Standard,
        Kind::StandardFiling,
        Kind::InstitutionCredit,
        Kind::PersonCredit,
        Kind::Agreement,
        Kind::TitleMapping,
        Kind::RecognitionRules,
        Kind::Site,
    ];

    /// Takes in an entry.
    pub fn insert(&mut self, log: &str, row: DirectoryRow) {
        if row.kind == number(Kind::Standard)
            && let Some(standard) = decode::<v1::Standard>(&row.body)
        {
            let of = occupation_key(standard.occupation_edition, &standard.occupation);
            let keys = self.standards.entry((log.to_owned(), of)).or_default();
            keys.insert(row.key.clone());
        }
        if row.kind == number(Kind::OccupationCatalogue)
            && let Some(catalogue) = decode::<v1::OccupationCatalogue>(&row.body)
        {
            for (part, whole) in parts_and_wholes(&catalogue) {
                let wholes = self.wholes.entry((log.to_owned(), part)).or_default();
                wholes.insert((whole, row.key.clone()));
            }
        }
        if row.kind == number(Kind::Site)
            && let Some((code, _)) = row.key.split_once('/')
        {
            let logs = self.sites.entry(code.to_owned()).or_default();
            logs.insert(log.to_owned());
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
            for log in self.sites.get(code).into_iter().flatten() {
                found.take(log, self.behind(log, Kind::Site, &prefix));
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
            let mut names = BTreeSet::from([own_key(occupation)]);
            if self.reads_crosswalk(home, &facts) {
                names = self.take_crosswalk(home, occupation, &mut found);
            }
            for name in names {
                for key in self
                    .standards
                    .get(&(home.to_owned(), name))
                    .into_iter()
                    .flatten()
                {
                    found.take(home, self.of_key(home, Kind::Standard, key));
                    found.take(
                        home,
                        self.behind(home, Kind::StandardFiling, &format!("{key}/")),
                    );
                }
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

    /// Whether a decision looks at how editions correspond: where the institution's scope speaks of
    /// another edition, or no standard names the occupation as the certificate does. Catalogues
    /// are large, and mostly not needed.
    fn reads_crosswalk(&self, home: &str, facts: &Facts<'_>) -> bool {
        let Some(occupation) = &facts.occupation else {
            return false;
        };
        let own = own_key(occupation);
        if !self.wholes.contains_key(&(home.to_owned(), own.clone())) {
            return false;
        }
        let institution = facts.institution.into_iter();
        let mut institution =
            institution.flat_map(|code| self.of_key(home, Kind::Institution, code));
        let speaks_otherwise = institution.any(|row| {
            let entry: Option<v1::Institution> = prost::Message::decode(&*row.body).ok();
            let scopes = entry.into_iter().flat_map(|entry| entry.scopes);
            scopes.into_iter().any(|scope| scope.edition != own.0)
        });
        let keys = self.standards.get(&(home.to_owned(), own));
        let has_standard = facts.issue_date.is_none_or(|issued| {
            keys.into_iter().flatten().any(|key| {
                let rows = self.of_key(home, Kind::Standard, key);
                let rows: Vec<Dated<v1::Standard>> = rows.filter_map(Dated::of).collect();
                held(&rows, issued).is_some_and(|row| is_of(&row.entry, occupation))
            })
        });
        speaks_otherwise || !has_standard
    }

    /// What an occupation is, or is a part of, with the catalogues that say so.
    fn take_crosswalk(
        &self,
        home: &str,
        occupation: &Occupation,
        found: &mut Relevant,
    ) -> BTreeSet<OccupationKey> {
        let wholes = |part: &OccupationKey| {
            let wholes = self.wholes.get(&(home.to_owned(), part.clone()));
            wholes.into_iter().flatten()
        };
        let names = reach(own_key(occupation), |part| {
            wholes(part).map(|(whole, _)| whole.clone())
        });
        for (_, key) in names.iter().flat_map(wholes) {
            found.take(home, self.of_key(home, Kind::OccupationCatalogue, key));
        }
        names
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

fn own_key(occupation: &Occupation) -> OccupationKey {
    occupation_key(occupation.edition().into(), occupation.code())
}

/// The edition that the key of a part of the catalogue starts with.
fn edition(key: &str) -> u32 {
    let edition = key.split('/').next();
    edition
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}
