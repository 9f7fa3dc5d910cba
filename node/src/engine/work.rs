//! Work that keeps a processor or a disk busy, off the runtime.

use futures::future::{Either, ready};
use huren_store::Error as StoreError;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::sync::CancellationToken;

/// Starts work on a thread of its own. A runtime that has one thread alone does it in its place
/// instead: nothing else could go on meanwhile on that thread, and without other threads the
/// order of everything is the same in every run, as simulation needs it.
///
/// # Errors
/// `Unavailable` if the work panics.
pub(crate) fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, StoreError>> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Either::Left(ready(Ok(work())));
    }
    let work = tokio::task::spawn_blocking(work);
    Either::Right(async {
        work.await
            .map_err(|error| StoreError::Unavailable(Box::new(error)))
    })
}

/// Drives a future on a thread of its own, for what is on the critical path of others: on the
/// runtime it waits behind every task that is ready, which under load are thousands. A runtime that
/// has one thread alone drives it as one of its own, for the reasons that [`aside`] has. Ends when it
/// is dropped.
///
/// # Errors
/// `Unavailable` if the future panics.
pub(crate) async fn apart<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, StoreError> {
    let runtime = Handle::current();
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(future.await);
    }
    let dropped = CancellationToken::new();
    let _when_dropped = dropped.clone().drop_guard();
    let thread = move || runtime.block_on(dropped.run_until_cancelled_owned(future));
    let ended = tokio::task::spawn_blocking(thread).await;
    let ended = ended.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    // Nobody is there to be told that it was dropped.
    ended.ok_or_else(|| StoreError::Unavailable("it was given up".into()))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        thread,
        time::Duration,
    };

    use tokio::sync::Notify;
    use tokio_util::task::TaskTracker;

    use super::*;

    /// How long something may take that takes no time at all.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_driven_apart_goes_on_while_the_runtime_is_busy() {
        let tasks = TaskTracker::new();
        let (begun, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (sender, receiver) = mpsc::channel();
        let future = {
            let (begun, goes_on) = (Arc::clone(&begun), Arc::clone(&goes_on));
            async move {
                begun.notify_one();
                goes_on.notified().await;
                sender.send(()).unwrap();
            }
        };
        let apart = tasks.spawn(apart(future));
        begun.notified().await;
        let busy = tasks.spawn(async move { receiver.recv_timeout(PATIENCE) });
        goes_on.notify_one();
        assert_eq!(busy.await.unwrap(), Ok(()), "the only worker waited for it");
        apart.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_driven_apart_ends_with_whoever_waits_for_it() {
        let (begun, (sender, receiver)) = (Arc::new(Notify::new()), mpsc::channel::<()>());
        let future = {
            let begun = Arc::clone(&begun);
            async move {
                begun.notify_one();
                std::future::pending::<()>().await;
                drop(sender);
            }
        };
        let waits = TaskTracker::new().spawn(apart(future));
        begun.notified().await;
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        let ended = receiver.recv_timeout(PATIENCE);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[tokio::test]
    async fn one_thread_drives_everything_by_itself() {
        let apart = apart(async { thread::current().id() }).await.unwrap();
        assert_eq!(apart, thread::current().id());
    }
}
