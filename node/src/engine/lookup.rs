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
    tag: Tag,
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

    /// What the tag finds.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn by_number(&self, tag: Tag) -> Result<Vec<Found>, StoreError> {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.line_up(Waiting { tag, answer });
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
        let tags: Vec<Tag> = asked.iter().map(|one| one.tag).collect();
        if tags.is_empty() {
            return Ok(());
        }
        let found = self.store.find_by_number(&tags).await?;
        for (one, found) in asked.into_iter().zip(found) {
            // Whoever is gone needs no answer.
            let _ = one.answer.send(found);
        }
        Ok(())
    }
}
