//! Look-ups by number, several in one statement: a statement costs a change of threads, whatever
//! it asks for, so questions that arrive while others are looked up share the next one.

use std::sync::{Arc, Mutex, PoisonError};

use huren_store::{Error as StoreError, Found, Store, Tag};
use tokio::sync::{Semaphore, oneshot};

/// Look-ups at a time: while one waits for the disk, another goes on.
const AT_A_TIME: usize = 2;

/// Tags in one look-up at most, so that none takes long.
const TOGETHER: usize = 128;

/// Looks up numbers, each as if it were alone.
pub(super) struct Lookup {
    store: Arc<dyn Store>,
    waiting: Mutex<Vec<Waiting>>,
    turns: Semaphore,
}

struct Waiting {
    /// One for each index key.
    tags: Vec<Tag>,
    answer: oneshot::Sender<Vec<Found>>,
}

impl Lookup {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            turns: Semaphore::new(AT_A_TIME),
        }
    }

    /// What the tags of a number find, ascending by (origin, index).
    ///
    /// # Errors
    /// If the store fails.
    #[tracing::instrument(level = "trace", name = "look_up", skip_all)]
    pub(super) async fn by_number(&self, tags: &[Tag]) -> Result<Vec<Found>, StoreError> {
        loop {
            let (answer, mut answered) = oneshot::channel();
            let tags = tags.to_vec();
            self.line_up(Waiting { tags, answer });
            let found = loop {
                tokio::select! {
                    biased;
                    found = &mut answered => break found,
                    // Whoever has a turn asks for those who wait longest, mostly itself too.
                    _turn = self.turns.acquire() => self.ask().await?,
                }
            };
            // No answer: the one who asked failed or was given up. Then everybody asks again,
            // and meets an error of the store by itself.
            if let Ok(found) = found {
                return Ok(found);
            }
        }
    }

    fn line_up(&self, one: Waiting) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(one);
    }

    /// Those who wait longest.
    fn next(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| !one.answer.is_closed());
        let count = waiting.len().min(TOGETHER);
        waiting.drain(..count).collect()
    }

    async fn ask(&self) -> Result<(), StoreError> {
        let asked = self.next();
        let tags: Vec<Tag> = asked.iter().flat_map(|one| one.tags.clone()).collect();
        if tags.is_empty() {
            return Ok(());
        }
        let mut found = self.store.find_by_number(&tags).await?.into_iter();
        for one in asked {
            let of_number = found.by_ref().take(one.tags.len());
            let mut found: Vec<Found> = of_number.flatten().collect();
            found.sort_by(|a, b| (&a.origin, a.index).cmp(&(&b.origin, b.index)));
            // Whoever is gone needs no answer.
            let _ = one.answer.send(found);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, future::join_all};
    use huren_core::checkpoint::Origin;
    use huren_store::{DisclosureRow, Memory, Role};

    use super::*;

    const COUNT: u64 = 300;

    fn tag(index: u64) -> Tag {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&index.to_be_bytes());
        Tag(bytes)
    }

    async fn lookup() -> Lookup {
        let store = Memory::new();
        let origin: Origin = "huren.test/log/33".parse().unwrap();
        store.create_log(&origin, Role::Mirror).await.unwrap();
        let row = |index| DisclosureRow {
            index,
            number_tag: Some(tag(index)),
            holder_tag: None,
            sealed: Vec::new(),
        };
        let rows = (0..COUNT).map(row).collect();
        let put = store.put_disclosures(&origin, 0..COUNT, rows);
        put.await.unwrap();
        Lookup::new(Arc::new(store))
    }

    /// The index of what a number finds.
    async fn index(lookup: &Lookup, number: u64) -> Option<u64> {
        let found = lookup.by_number(&[tag(number)]).await.unwrap();
        found.first().map(|found| found.index)
    }

    #[tokio::test]
    async fn each_question_gets_its_own_answer() {
        let lookup = lookup().await;
        let turns = lookup.turns.acquire_many(2).await.unwrap();
        let mut all = Box::pin(join_all((0..=COUNT).map(|n| index(&lookup, n))));
        assert!(all.as_mut().now_or_never().is_none(), "nobody has a turn");
        // More than one look-up takes.
        assert_eq!(lookup.waiting.lock().unwrap().len() as u64, COUNT + 1);
        drop(turns);
        let expected: Vec<_> = (0..COUNT).map(Some).chain([None]).collect();
        assert_eq!(all.await, expected);
    }

    #[tokio::test]
    async fn whoever_is_given_up_takes_nobody_along() {
        let lookup = lookup().await;
        let turns = lookup.turns.acquire_many(2).await.unwrap();
        let mut gone = Box::pin(index(&lookup, 1));
        let mut stays = Box::pin(index(&lookup, 2));
        assert!(gone.as_mut().now_or_never().is_none());
        assert!(stays.as_mut().now_or_never().is_none());
        drop(gone);
        // One who had taken those who wait, and was given up before the answer came.
        let taken = lookup.next();
        assert_eq!(taken.len(), 1, "who is gone is not asked for");
        drop(taken);
        drop(turns);
        assert_eq!(stays.await, Some(2));
    }
}
