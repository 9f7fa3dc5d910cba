//! Monitoring: what stands out among an institution's certificates. Which it issued on a day is
//! in the cells of the statistics; everything else is read when somebody asks, one institution
//! at a time, so that nothing about anybody is kept twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use huren_core::{
    checkpoint::Origin,
    codes::{Date, Region},
    disclosure::Group,
    monitoring::{Alert, DAYS_BEFORE, Issued, Known, Settings, alerts},
    record::UnverifiedRecord,
    registry::{Dated, Entry, number},
    statistics::{IssueDay, Place, Places},
};
use huren_proto::v1::{self, Kind};
use huren_store::{Error as StoreError, Found, Tag};

use super::{Engine, statistics::Counting};

/// Days of a period at most.
const MAX_DAYS: i64 = 31;
/// Holders, or keys, that are read at once.
const AT_ONCE: usize = 256;
const KEYS: u32 = 500;

/// Which alerts.
#[derive(Clone, Debug)]
pub struct AlertsQuery {
    /// Province in whose log certificates are looked at.
    pub province: Region,
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
            .find(|entry| entry.view.region == query.province);
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
        for institution in institutions {
            let known = self.known(&counting, origin, &institution, query).await?;
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

    /// The next institutions with certificates of the period, of any log.
    async fn institutions_behind(
        &self,
        query: &AlertsQuery,
    ) -> Result<BTreeSet<String>, StoreError> {
        let mut found = BTreeSet::new();
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

    async fn known(
        &self,
        counting: &Counting<'_>,
        origin: &Origin,
        institution: &str,
        query: &AlertsQuery,
    ) -> Result<Known, StoreError> {
        let window = query.period.start().plus_days(-DAYS_BEFORE)..=*query.period.end();
        let mut known = Known {
            directory: self.directory_of(origin, institution).await?,
            plans: self.plans_of(origin, institution).await?,
            plans_from: self
                .store
                .directory_from(origin, number(Kind::AnnualPlan))
                .await?,
            ..Known::default()
        };
        let mut holders: Vec<(Tag, Place)> = Vec::new();
        for index in self.issued_in(origin, institution, &window).await? {
            let rows = self.store.disclosures(origin, index..index + 1).await?;
            let Some(row) = rows.into_iter().next() else {
                continue;
            };
            let holder = row.holder_tag;
            let Some(found) = counting.found(origin, row).await? else {
                continue;
            };
            let Some(issued) = self.issued(counting, &found).await? else {
                continue;
            };
            if query.period.contains(&issued.day) && !issued.is_backfilled {
                holders.extend(holder.map(|tag| (tag, issued.place.clone())));
            }
            known.issued.push(issued);
        }
        known
            .issued
            .sort_by(|a, b| (a.day, &a.place).cmp(&(b.day, &b.place)));
        known.elsewhere = self.elsewhere(counting, &query.period, &holders).await?;
        Ok(known)
    }

    /// Indexes of an institution's certificates.
    async fn issued_in(
        &self,
        origin: &Origin,
        institution: &str,
        window: &RangeInclusive<Date>,
    ) -> Result<BTreeSet<u64>, StoreError> {
        let key = |day| IssueDay {
            day,
            institution: institution.to_owned(),
        };
        let keys: Vec<String> = days(window).map(|day| key(day).key()).collect();
        let mut indexes = BTreeSet::new();
        for cell in self.store.cells(&keys).await? {
            let places = Places::from_bytes(&cell.sums);
            let places = places.ok_or(StoreError::Corrupt("what a cell holds"))?;
            indexes.extend(places.of_log(origin));
        }
        Ok(indexes)
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
            let all = self.store.find_by_holders(&tags).await?;
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
        let leaf = match &found.entry {
            Some(leaf) => Some(leaf.clone()),
            None => self.reader.leaf(&found.origin, found.index).await?,
        };
        let record = leaf.and_then(|leaf| UnverifiedRecord::read(&leaf).ok());
        let is_backfilled =
            record.is_some_and(|record| record.envelope().provenance == v1::Provenance::Backfilled);
        let place = (found.origin.clone(), found.index);
        Ok(Issued::read(place, &certificate, &regions, is_backfilled))
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

    async fn plans_of(
        &self,
        origin: &Origin,
        institution: &str,
    ) -> Result<Vec<Dated<v1::AnnualPlan>>, StoreError> {
        let kind = number(v1::AnnualPlan::KIND);
        let prefix = format!("{institution}/");
        let (mut plans, mut after) = (Vec::new(), String::new());
        loop {
            let page = self
                .store
                .directory_page(kind, &prefix, &after, KEYS)
                .await?;
            let Some((_, last)) = page.last() else {
                return Ok(plans);
            };
            last.key.clone_into(&mut after);
            let of_log = page.iter().filter(|(of, _)| of == origin);
            plans.extend(of_log.filter_map(|(_, row)| Dated::of(row)));
        }
    }
}

fn days(period: &RangeInclusive<Date>) -> impl Iterator<Item = Date> + use<> {
    let (from, to) = (*period.start(), *period.end());
    (0..)
        .map(move |day| from.plus_days(day))
        .take_while(move |day| *day <= to)
}
