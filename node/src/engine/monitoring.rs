//! Monitoring: what stands out among an institution's certificates. Which it issued on a day is
//! in the cells of the statistics; everything else is read when somebody asks, one institution
//! at a time, so that nothing about anybody is kept twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
};

use huren_core::{
    checkpoint::Origin,
    codes::{Date, Region},
    disclosure::Group,
    monitoring::{Alert, DAYS_BEFORE, Issued, Known, Settings, alerts},
    record::UnverifiedRecord,
    registry::{Dated, Entry, crosswalk::Crosswalk, number, rows_in_force},
    statistics::{IssueDay, Place, Places},
};
use huren_proto::v1::{self, Kind};
use huren_store::{Error as StoreError, Found, Leaves, Tag};

use super::{Engine, statistics::Counting};

/// Days of a period at most.
const MAX_DAYS: i64 = 31;
/// Holders, or keys, that are read at once.
const AT_ONCE: usize = 256;
const KEYS: u32 = 500;

/// Which alerts.
#[derive(Clone, Debug)]
pub struct AlertsQuery {
    /// Region whose institutions are looked at, in its province's log: of a city or county those
    /// that the directory has there.
    pub region: Region,
    /// First and last day.
    pub period: RangeInclusive<Date>,
    /// Only this institution, by its code.
    pub institution: Option<String>,
    /// The institution behind which it goes on; empty for the first.
    pub after: String,
    /// Institutions that are looked at, at most.
    pub institutions: u32,
}

/// Alerts of some institutions.
#[derive(Debug)]
pub struct AlertsPage {
    /// With the code of the institution, by that, day and rule.
    pub alerts: Vec<(String, Alert)>,
    /// The institution behind which it goes on; empty at the end.
    pub next: String,
}

/// Why no alerts are given.
#[derive(Debug, thiserror::Error)]
pub enum MonitoringError {
    /// Not a member.
    #[error("no member's log is that province's")]
    Province,
    /// Not a period.
    #[error("a period has 1 to 31 days, the first not behind the last")]
    Period,
    /// What was erased since a backup was made is not known yet.
    #[error("its disclosures come from a backup, and what was erased since is not known yet")]
    Withheld,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Looks at the next few institutions.
    ///
    /// # Errors
    /// [`MonitoringError`].
    pub async fn alerts(&self, query: &AlertsQuery) -> Result<AlertsPage, MonitoringError> {
        let (from, to) = (*query.period.start(), *query.period.end());
        if !(0..MAX_DAYS).contains(&to.days_since(from)) {
            return Err(MonitoringError::Period);
        }
        let entries = self.book.entries();
        let log = entries
            .iter()
            .find(|entry| entry.view.region == query.region.province());
        let log = log.ok_or(MonitoringError::Province)?;
        if log.view.withheld {
            return Err(MonitoringError::Withheld);
        }
        let origin = &log.state.origin;
        let institutions = match &query.institution {
            Some(institution) => [institution.clone()].into(),
            None => self.institutions_behind(query).await?,
        };
        let is_full = query.institution.is_none()
            && institutions.len() >= usize::try_from(query.institutions).unwrap_or(usize::MAX);
        let next = institutions.last().filter(|_| is_full).cloned();
        let counting = self.sealing().counter();
        let mut found = Vec::new();
        let of_log = self.known_of_log(origin).await?;
        for institution in institutions {
            let known = self
                .known(&counting, origin, (&institution, &of_log), query)
                .await?;
            let Some(known) = known else { continue };
            let of_institution = alerts(&known, &query.period, Settings::built_in());
            let named = of_institution
                .into_iter()
                .map(|alert| (institution.clone(), alert));
            found.extend(named);
        }
        Ok(AlertsPage {
            alerts: found,
            next: next.unwrap_or_default(),
        })
    }

    /// The next institutions with certificates of the period, or with results of sessions at any
    /// time, of any log.
    async fn institutions_behind(
        &self,
        query: &AlertsQuery,
    ) -> Result<BTreeSet<String>, StoreError> {
        let mut found = self.institutions_with_results(query).await?;
        for day in days(&query.period) {
            let prefix = IssueDay::prefix(day);
            let after = match query.after.as_str() {
                "" => String::new(),
                after => format!("{prefix}{after}"),
            };
            let page = self.store.cells_page(&prefix, &after, query.institutions);
            let keys = page
                .await?
                .into_iter()
                .filter_map(|cell| IssueDay::from_key(&cell.key));
            found.extend(keys.map(|day| day.institution));
            // The first of all are among the first of each day.
            while found.len() > usize::try_from(query.institutions).unwrap_or(usize::MAX) {
                found.pop_last();
            }
        }
        Ok(found)
    }

    /// The next institutions whose sessions have results.
    async fn institutions_with_results(
        &self,
        query: &AlertsQuery,
    ) -> Result<BTreeSet<String>, StoreError> {
        let kind = number(Kind::SessionResult);
        let mut found = BTreeSet::new();
        let mut after = past(&query.after);
        while found.len() < usize::try_from(query.institutions).unwrap_or(usize::MAX) {
            let page = self.store.directory_page(kind, "", &after, 1).await?;
            let first = page.first().and_then(|(_, row)| row.key.split_once('/'));
            let Some((institution, _)) = first else {
                break;
            };
            after = past(institution);
            found.insert(institution.to_owned());
        }
        Ok(found)
    }

    /// What is the same for all institutions of a log.
    async fn known_of_log(&self, origin: &Origin) -> Result<Known, StoreError> {
        let occupations = self.entries_of(origin, "").await?;
        let plans = number(Kind::AnnualPlan);
        Ok(Known {
            crosswalk: Arc::new(Crosswalk::as_of(&occupations, Date::MAX)),
            plans_from: self.store.directory_from(origin, plans).await?,
            ..Known::default()
        })
    }

    /// What is known of an institution; `None` if the region does not ask about it.
    async fn known(
        &self,
        counting: &Counting<'_>,
        origin: &Origin,
        (institution, of_log): (&str, &Known),
        query: &AlertsQuery,
    ) -> Result<Option<Known>, StoreError> {
        let prefix = format!("{institution}/");
        let mut known = Known {
            directory: self.directory_of(origin, institution).await?,
            ..of_log.clone()
        };
        if !known.is_in(query.region) {
            return Ok(None);
        }
        known.sites = self.entries_by_log(&prefix).await?;
        known.plans = self.entries_of(origin, &prefix).await?;
        known.results = self.results_of(origin, &prefix, &query.period).await?;
        let mut holders: Vec<(Tag, Place)> = Vec::new();
        let indexes = self
            .issued_until(origin, institution, &query.period)
            .await?;
        for some in indexes.chunks(AT_ONCE) {
            for found in counting.found_at(origin, some, Leaves::With).await? {
                let Some(issued) = self.issued(counting, &found).await? else {
                    continue;
                };
                if query.period.contains(&issued.day) && !issued.is_backfilled {
                    let holder = found.holder_tag;
                    holders.extend(holder.map(|tag| (tag, issued.place.clone())));
                }
                known.issued.push(issued);
            }
        }
        known
            .issued
            .sort_by(|a, b| (a.day, &a.place).cmp(&(b.day, &b.place)));
        known.elsewhere = self.elsewhere(counting, &query.period, &holders).await?;
        Ok(Some(known))
    }

    /// Indexes of an institution's certificates until the end of a period; none if it issued none
    /// within.
    async fn issued_until(
        &self,
        origin: &Origin,
        institution: &str,
        period: &RangeInclusive<Date>,
    ) -> Result<Vec<u64>, StoreError> {
        let window = period.start().plus_days(-DAYS_BEFORE)..=*period.end();
        let key = |day| IssueDay {
            day,
            institution: institution.to_owned(),
        };
        let keys: Vec<String> = days(&window).map(|day| key(day).key()).collect();
        let within = key(*period.start()).key();
        let mut is_within = false;
        let mut indexes = BTreeSet::new();
        for cell in self.store.cells(&keys).await? {
            let places = Places::from_bytes(&cell.sums);
            let places = places.ok_or(StoreError::Corrupt("what a cell holds"))?;
            let of_log = places.of_log(origin);
            let before = indexes.len();
            indexes.extend(of_log);
            is_within |= cell.key >= within && indexes.len() > before;
        }
        if !is_within {
            indexes.clear();
        }
        Ok(indexes.into_iter().collect())
    }

    /// What holders of certificates got besides within a period, in logs that are shown.
    async fn elsewhere(
        &self,
        counting: &Counting<'_>,
        period: &RangeInclusive<Date>,
        holders: &[(Tag, Place)],
    ) -> Result<BTreeMap<Place, Vec<Issued>>, StoreError> {
        let logs = self.book.entries();
        let withheld = logs.iter().filter(|entry| entry.view.withheld);
        let withheld: BTreeSet<&Origin> = withheld.map(|entry| &entry.state.origin).collect();
        let mut elsewhere: BTreeMap<Place, Vec<Issued>> = BTreeMap::new();
        for some in holders.chunks(AT_ONCE) {
            let tags: Vec<Tag> = some.iter().map(|(tag, _)| *tag).collect();
            let all = counting.found_by(&tags).await?;
            for (certificates, (_, place)) in all.iter().zip(some) {
                let own = (&place.0, place.1);
                let others = certificates.iter().filter(|found| {
                    (&found.origin, found.index) != own && !withheld.contains(&found.origin)
                });
                for found in others {
                    let other = self.issued(counting, found).await?;
                    let other = other.filter(|other| period.contains(&other.day));
                    if let Some(other) = other.filter(|other| !other.is_backfilled) {
                        elsewhere.entry(place.clone()).or_default().push(other);
                    }
                }
            }
        }
        Ok(elsewhere)
    }

    /// A certificate as monitoring sees it; `None` if it is not disclosed.
    async fn issued(
        &self,
        counting: &Counting<'_>,
        found: &Found,
    ) -> Result<Option<Issued>, StoreError> {
        let values = counting.values(found, u64::MAX, |_| false)?;
        let mut values = values.unwrap_or_default();
        let Some(certificate) = values.remove(&Group::Certificate) else {
            return Ok(None);
        };
        let regions = values.remove(&Group::Statistics).unwrap_or_default();
        let (origin, index) = (&found.origin, found.index);
        let is_backfilled = match &found.entry {
            Some(leaf) => is_backfilled(leaf),
            None => self.was_loaded_later(origin, index).await?,
        };
        let place = (origin.clone(), index);
        Ok(Issued::read(place, &certificate, &regions, is_backfilled))
    }

    async fn was_loaded_later(&self, origin: &Origin, index: u64) -> Result<bool, StoreError> {
        let leaf = self.reader.leaf(origin, index).await?;
        Ok(leaf.is_some_and(|leaf| is_backfilled(&leaf)))
    }

    async fn directory_of(
        &self,
        origin: &Origin,
        institution: &str,
    ) -> Result<Vec<Dated<v1::Institution>>, StoreError> {
        let rows = self
            .store
            .directory(number(Kind::Institution), institution)
            .await?;
        let of_log = rows.into_iter().filter(|(of, _)| of == origin);
        let read = of_log
            .filter_map(|(_, row)| Dated::decoded((row.index, row.effective_date), &row.body));
        Ok(read.collect())
    }

    /// What came of an institution's sessions within a period, as it stands now.
    async fn results_of(
        &self,
        origin: &Origin,
        prefix: &str,
        period: &RangeInclusive<Date>,
    ) -> Result<Vec<(Place, v1::SessionResult)>, StoreError> {
        let entries: Vec<Dated<v1::SessionResult>> = self.entries_of(origin, prefix).await?;
        let of_period = rows_in_force(&entries, Date::MAX)
            .into_iter()
            .filter(|row| {
                let held_on = Date::from_yyyymmdd(row.entry.held_on);
                held_on.is_ok_and(|day| period.contains(&day))
            });
        let mut results = Vec::new();
        for row in of_period {
            if !self.was_loaded_later(origin, row.index).await? {
                results.push(((origin.clone(), row.index), row.entry.clone()));
            }
        }
        Ok(results)
    }

    /// Entries of one log whose keys begin with a prefix.
    async fn entries_of<E: Entry>(
        &self,
        origin: &Origin,
        prefix: &str,
    ) -> Result<Vec<Dated<E>>, StoreError> {
        let mut entries = self.entries_by_log(prefix).await?;
        Ok(entries.remove(origin.as_str()).unwrap_or_default())
    }

    /// Entries of every log whose keys begin with a prefix.
    async fn entries_by_log<E: Entry>(
        &self,
        prefix: &str,
    ) -> Result<BTreeMap<String, Vec<Dated<E>>>, StoreError> {
        let kind = number(E::KIND);
        let (mut logs, mut after) = (BTreeMap::<String, Vec<_>>::new(), String::new());
        loop {
            let page = self
                .store
                .directory_page(kind, prefix, &after, KEYS)
                .await?;
            let Some((_, last)) = page.last() else {
                return Ok(logs);
            };
            last.key.clone_into(&mut after);
            for (origin, row) in &page {
                let entries = logs.entry(origin.to_string()).or_default();
                entries.extend(Dated::of(row));
            }
        }
    }
}

/// Whether a leaf comes from old stock.
fn is_backfilled(leaf: &[u8]) -> bool {
    UnverifiedRecord::read(leaf)
        .is_ok_and(|record| record.envelope().provenance == v1::Provenance::Backfilled)
}

/// What lies behind all keys that begin with an institution's code: codes have letters and digits
/// alone, which come after the slash behind them.
fn past(institution: &str) -> String {
    match institution {
        "" => String::new(),
        code => format!("{code}0"),
    }
}

fn days(period: &RangeInclusive<Date>) -> impl Iterator<Item = Date> + use<> {
    let (from, to) = (*period.start(), *period.end());
    (0..)
        .map(move |day| from.plus_days(day))
        .take_while(move |day| *day <= to)
}
