//! The registers: as callers list them, and as decisions on recognition need them in memory.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use huren_core::{
    checkpoint::Origin,
    codes::Date,
    recognition::Library,
    register::DirectoryRow,
    registry::{self, as_of, number},
};
use huren_proto::v1::{self, Kind};
use huren_store::{Error as StoreError, Store};
use tokio::sync::Mutex;

use super::{Book, Engine};

/// Keys that are read at once.
const PAGE: u32 = 500;
/// Keys in one answer at most, and when the caller names no number.
const MAX_KEYS: u32 = 500;
const DEFAULT_KEYS: u32 = 100;

/// What decisions rest on, read anew when an entry came.
pub(super) struct Shelf {
    /// Of two look-ups the second is of no older state, which a replica does not promise: what is
    /// held must be no older than the ends that are kept beside it.
    store: Arc<dyn Store>,
    held: ArcSwapOption<Held>,
    reading: Mutex<()>,
}

struct Held {
    /// How far each log was folded when it was looked at.
    folded: BTreeMap<Origin, u64>,
    /// See [`Book::doubts`].
    doubts: u64,
    /// Behind the newest entry of each log.
    ends: BTreeMap<Origin, u64>,
    library: Arc<Library>,
}

impl Shelf {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            held: ArcSwapOption::empty(),
            reading: Mutex::default(),
        }
    }

    /// The registers as they are now.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn library(&self, book: &Book) -> Result<Arc<Library>, StoreError> {
        if let Some(library) = self.current(book) {
            return Ok(library);
        }
        let _one_at_a_time = self.reading.lock().await;
        if let Some(library) = self.current(book) {
            return Ok(library);
        }
        // What it was then: an entry that comes meanwhile is read the next time.
        let (doubts, folded) = (book.doubts(), folded(book));
        let mut ends = BTreeMap::new();
        for origin in folded.keys() {
            let end = self.store.directory_end(origin).await?;
            ends.insert(origin.clone(), end);
        }
        let held = self.held.load_full();
        let library = match held {
            Some(held) if self.is_the_same(&held, doubts, &ends).await? => {
                Arc::clone(&held.library)
            }
            _ => Arc::new(self.read().await?),
        };
        self.held.store(Some(Arc::new(Held {
            folded,
            doubts,
            ends,
            library: Arc::clone(&library),
        })));
        Ok(library)
    }

    /// Whether what is held is what would be read now. Entries of kinds that are not held may well
    /// have come: of claims there are many a day.
    async fn is_the_same(
        &self,
        held: &Held,
        doubts: u64,
        ends: &BTreeMap<Origin, u64>,
    ) -> Result<bool, StoreError> {
        if held.doubts != doubts || !held.ends.keys().eq(ends.keys()) {
            return Ok(false);
        }
        let kinds = Library::KINDS.map(number);
        for (origin, end) in ends {
            let before = held.ends[origin];
            let is_other = match end.cmp(&before) {
                Ordering::Less => true,
                Ordering::Equal => false,
                Ordering::Greater => self.store.directory_has(origin, &kinds, before).await?,
            };
            if is_other {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn current(&self, book: &Book) -> Option<Arc<Library>> {
        let held = self.held.load();
        let held = held.as_ref()?;
        let is_same = held.doubts == book.doubts() && held.folded == folded(book);
        is_same.then(|| Arc::clone(&held.library))
    }

    async fn read(&self) -> Result<Library, StoreError> {
        let mut library = Library::default();
        for kind in Library::KINDS {
            let mut after = String::new();
            loop {
                let page = self.store.directory_page(number(kind), "", &after, PAGE);
                let page = page.await?;
                let Some((_, last)) = page.last() else { break };
                last.key.clone_into(&mut after);
                for (origin, row) in page {
                    library.insert(origin.as_str(), row);
                }
            }
        }
        Ok(library)
    }
}

fn folded(book: &Book) -> BTreeMap<Origin, u64> {
    let entries = book.entries().into_iter();
    entries
        .map(|entry| (entry.state.origin.clone(), entry.state.folded))
        .collect()
}

/// Why entries are not listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not a kind of the registers.
    #[error("the kind is none of the registers': institutions, or one of 6 to 29 and 31 to 35")]
    Kind,
    /// Not a day.
    #[error("the date is not a day in the form yyyymmdd")]
    Date,
    /// More than is given at once.
    #[error("1 to 500 keys are given at once")]
    PageSize,
    /// Not a token of an answer before.
    #[error("the page token is none that an answer gave")]
    PageToken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ListError {
    /// The stable reason code, and the field that it is about.
    pub const fn code(&self) -> (&'static str, &'static str) {
        match self {
            Self::Kind => ("ENTRY_KIND", "kind"),
            Self::Date => ("DATE_INVALID", "as_of_date"),
            Self::PageSize => ("PAGE_SIZE", "page_size"),
            Self::PageToken => ("PAGE_TOKEN", "page_token"),
            Self::Store(_) => ("STORE", ""),
        }
    }
}

impl Engine {
    /// The next entries of a register.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn list_entries(
        &self,
        asked: &v1::ListEntriesRequest,
    ) -> Result<v1::ListEntriesResponse, ListError> {
        let kind = asked.kind();
        if kind != Kind::Institution && registry::of(kind).is_none() {
            return Err(ListError::Kind);
        }
        let day = match asked.as_of_date {
            0 => Date::today_in_shanghai(self.clock.now().cast_signed()),
            date => Date::from_yyyymmdd(date).map_err(|_| ListError::Date)?,
        };
        let keys = match asked.page_size {
            0 => DEFAULT_KEYS,
            1..=MAX_KEYS => asked.page_size,
            _ => return Err(ListError::PageSize),
        };
        let after = hex::decode(&asked.page_token).map_err(|_| ListError::PageToken)?;
        let after = String::from_utf8(after).map_err(|_| ListError::PageToken)?;
        let page = self
            .answers
            .directory_page(number(kind), &asked.key_prefix, &after, keys)
            .await?;
        let next = page.last().map(|(_, row)| hex::encode(&row.key));
        // What lies beyond the stated size of a log does not count yet.
        let counts = |origin: &Origin, row: &DirectoryRow| {
            let entry = self.book.entry(origin);
            entry.is_some_and(|entry| row.index < entry.view.size)
                && (asked.origin.is_empty() || origin.as_str() == asked.origin)
        };
        let mut things: BTreeMap<(String, Origin), Vec<DirectoryRow>> = BTreeMap::new();
        for (origin, row) in page {
            if counts(&origin, &row) {
                let thing = (row.key.clone(), origin);
                things.entry(thing).or_default().push(row);
            }
        }
        let mut entries = Vec::new();
        for ((_, origin), rows) in things {
            let dated = rows.iter().map(|row| (row.index, row.effective_date));
            let holds = as_of(dated, day);
            let wanted = rows
                .into_iter()
                .filter(|row| asked.history || Some(row.index) == holds);
            entries.extend(wanted.map(|row| v1::RegisterEntry {
                origin: origin.to_string(),
                index: row.index,
                kind: kind.into(),
                key: row.key,
                effective_date: row.effective_date,
                body: row.body,
            }));
        }
        Ok(v1::ListEntriesResponse {
            entries,
            next_page_token: next.unwrap_or_default(),
        })
    }
}
