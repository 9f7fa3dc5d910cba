//! How the book follows the store: states are read again, and what was looked up by an older one
//! is put in doubt.

use std::sync::{Arc, atomic::Ordering};

use huren_core::checkpoint::Origin;
use huren_store::{Error as StoreError, LogState};
use tokio::sync::MutexGuard;

use super::{Book, Entry, read, write};

impl Book {
    /// Takes what the register says of a log for nothing that one could rely on: it is about to be
    /// dropped and folded again, and knows certificates before it knows what became of them.
    pub(in crate::engine) async fn doubt(&self, origin: &Origin) {
        let _one_at_a_time = self.reading.lock().await;
        write(&self.doubted).insert(origin.clone());
        self.judge_again(origin);
    }

    /// The register was dropped, or was not after all. One that was dropped stays in doubt until
    /// it has come to what a quorum saw.
    pub(in crate::engine) async fn dropped(&self, origin: &Origin) -> Result<(), StoreError> {
        self.reload(origin).await?;
        let _one_at_a_time = self.reading.lock().await;
        write(&self.doubted).remove(origin);
        self.judge_again(origin);
        Ok(())
    }

    /// Whatever was looked up so far is looked up again.
    pub(in crate::engine) fn doubt_all(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
    }

    /// As [`Self::reload_all`], or waits for another one that began after this was called.
    pub(in crate::engine) async fn freshen(&self) -> Result<(), StoreError> {
        let begun = self.readings.load(Ordering::SeqCst);
        let one_at_a_time = self.reading.lock().await;
        if self.readings.load(Ordering::SeqCst) > begun {
            return Ok(());
        }
        self.read_all(&one_at_a_time).await
    }

    fn judge_again(&self, origin: &Origin) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
        if let Some(entry) = self.entry(origin) {
            self.take_in(entry.state.clone());
        }
    }

    /// How often a register was put in doubt, or came out of it, so far: who finds another number behind a look-up
    /// than before it looks again.
    pub(in crate::engine) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::SeqCst)
    }

    /// Reads a log's state again, and wakes who waits if it is another than was known. Who
    /// acts on a state reads it here: so this mirror follows the store even after a write
    /// that was done and reported failed.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn reload(&self, origin: &Origin) -> Result<Option<Arc<Entry>>, StoreError> {
        let _one_at_a_time = self.reading.lock().await;
        let Some(state) = self.store.log(origin).await? else {
            return Ok(None);
        };
        let newest = self.trust.borrow().newest().list.version;
        let known = self.entry(origin);
        if let Some(known) = known
            && (&known.state, known.judged_by) == (&state, newest)
        {
            return Ok(Some(known));
        }
        self.take_in(state);
        self.changed.send_modify(|count| *count += 1);
        Ok(self.entry(origin))
    }

    /// As [`Self::reload`], of every log that the store has.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn reload_all(&self) -> Result<(), StoreError> {
        let one_at_a_time = self.reading.lock().await;
        self.read_all(&one_at_a_time).await
    }

    async fn read_all(&self, _one_at_a_time: &MutexGuard<'_, ()>) -> Result<(), StoreError> {
        self.readings.fetch_add(1, Ordering::SeqCst);
        let newest = self.trust.borrow().newest().list.version;
        let mut is_changed = false;
        for state in self.store.logs().await? {
            let known = self.entry(&state.origin);
            if known.is_none_or(|known| (&known.state, known.judged_by) != (&state, newest)) {
                self.take_in(state);
                is_changed = true;
            }
        }
        if is_changed {
            self.changed.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    pub(super) fn take_in(&self, state: LogState) {
        let frozen = f64::from(u8::from(state.frozen.is_some()));
        metrics::gauge!("huren_log_frozen", "origin" => state.origin.to_string()).set(frozen);
        let judged_by = self.trust.borrow().newest().list.version;
        let mut view = self.view(&state);
        let before = self.entry(&state.origin);
        if before
            .as_ref()
            .is_some_and(|before| before.view.size > view.size)
        {
            // Another process dropped the register.
            self.doubt_all();
        }
        if read(&self.doubted).contains(&state.origin) {
            view.quorum_time = None;
        } else if view.size < view.witnessed_size {
            // The quorum saw more than is known here, and what is not known may change what
            // is. So what is known is as old as when a quorum last saw no more than that.
            view.quorum_time = before.and_then(|before| before.view.quorum_time);
        } else if view.quorum_time.is_some() {
            self.doubts.fetch_add(1, Ordering::SeqCst);
        }
        let chain = self.trust.borrow().clone();
        let lists = chain.lists().iter();
        let entry = Arc::new(Entry {
            is_members: lists
                .rev()
                .any(|list| list.list.log_of(&state.origin).is_some()),
            state,
            view,
            judged_by,
        });
        let mut entries = self
            .entries
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        entries.insert(entry.state.origin.clone(), entry);
    }
}
