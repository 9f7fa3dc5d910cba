//! Several processes over one database. One that is not in charge of the logs answers from what
//! another one writes, and keeps in step with that; tokens come and go through any of them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use huren_store::{Error as StoreError, Head};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Engine, RecoverError, book::empty_head, work};

/// How often the logs are looked at, and how often tokens and trust lists.
const LOGS: Duration = Duration::from_millis(200);
const TOKENS: Duration = Duration::from_secs(1);
const LISTS: Duration = Duration::from_secs(1);

impl Engine {
    /// Starts what a process does that only answers, until `stop`.
    pub fn start_following(self: &Arc<Self>, tasks: &TaskTracker, stop: &CancellationToken) {
        self.follows.store(true, Ordering::Release);
        let engine = Arc::clone(self);
        let logs = async move { engine.follow_logs().await };
        tasks.spawn(stop.clone().run_until_cancelled_owned(logs));
        let engine = Arc::clone(self);
        let lists = async move { engine.follow_lists().await };
        tasks.spawn(stop.clone().run_until_cancelled_owned(lists));
        let audit = Arc::clone(&self.audit);
        let write_behind = async move { audit.write_behind().await };
        tasks.spawn(stop.clone().run_until_cancelled_owned(write_behind));
    }

    /// Whether another process is in charge of the logs.
    pub fn is_following(&self) -> bool {
        self.follows.load(Ordering::Acquire)
    }

    /// Keeps in step with the tokens that other processes make and revoke, for ever, whichever
    /// process is in charge.
    pub async fn follow_tokens(&self) {
        loop {
            tell(self.tokens.reload().await);
            self.clock.sleep(TOKENS).await;
        }
    }

    async fn follow_logs(&self) {
        let mut marked = None;
        loop {
            let looked = async {
                self.book.reload_all().await?;
                self.mark_what_is_seen(&mut marked).await
            };
            tell(looked.await);
            self.clock.sleep(LOGS).await;
        }
    }

    async fn follow_lists(&self) {
        loop {
            tell(self.take_kept_lists().await);
            self.clock.sleep(LISTS).await;
        }
    }

    /// Takes the newer trust lists that the process in charge has kept.
    async fn take_kept_lists(&self) -> Result<(), StoreError> {
        let notes = self.store.trust_lists().await?;
        let held = self.trust();
        if (notes.len() as u64) <= held.newest().list.version {
            return Ok(());
        }
        match held.joined(notes.iter().map(Vec::as_slice)) {
            Ok(longer) => {
                let version = longer.newest().list.version;
                tracing::info!(version, "a newer trust list counts");
                self.book.doubt_all();
                self.adopt.send_replace(Arc::new(longer));
            }
            Err(error) => tracing::error!(%error, "kept trust lists do not follow what is held"),
        }
        Ok(())
    }

    /// Notes what the own log holds in the high-water file, as whoever is in charge does in its
    /// own: so that this process, should it take over, knows a database that is older, or another.
    /// Nothing of such a one is shown here either.
    async fn mark_what_is_seen(&self, seen: &mut Option<Head>) -> Result<(), StoreError> {
        let head = self.book.entry(&self.origin).map(|own| own.state.head);
        let (Some(head), file) = (head, Arc::clone(&self.high_water)) else {
            return Ok(());
        };
        if *seen == Some(head) {
            return Ok(());
        }
        let failed = |error| StoreError::Unavailable(Box::new(error));
        let marks = Arc::clone(&file);
        let marked = work::aside(move || marks.read()).await?.map_err(failed)?;
        let marked = marked.filter(|(of, _)| *of == self.origin);
        let marked = marked.map_or(empty_head(), |(_, mark)| mark);
        let is_held = marked.size <= head.size
            && match self.check_same_history(marked, head).await {
                Ok(()) => true,
                Err(RecoverError::Store(error)) => return Err(error),
                Err(_) => false,
            };
        if is_held {
            if marked.size < head.size {
                let origin = self.origin.clone();
                let written = work::aside(move || file.write(&origin, &head));
                written.await?.map_err(failed)?;
            }
            self.book.proven();
        } else {
            tracing::error!(
                held = head.size,
                seen = marked.size,
                "the database does not hold what this process has seen of the own log: nothing \
                 of it is shown here until the right database is put back; see LOG_OTHER_TREE \
                 and LOG_LOST in the README"
            );
            self.book.unproven(&self.origin);
        }
        *seen = Some(head);
        Ok(())
    }
}

/// The next look may do better.
fn tell(looked: Result<(), StoreError>) {
    if let Err(error) = looked {
        tracing::warn!(%error, "the database could not be read");
    }
}
