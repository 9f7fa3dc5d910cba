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

/// Drives a future until it ends, or until `stopped` does, on a thread of its own: for what is on the
/// critical path of others. On the runtime it waits behind every task that is ready, which under load
/// are thousands. A runtime that has one thread alone drives it as one of its own, for the reasons
/// that [`aside`] has. Nothing of the future goes on behind this; dropped, it stops the future.
///
/// # Errors
/// `Unavailable` if the future panics.
pub(crate) async fn apart(
    future: impl Future<Output = ()> + Send + 'static,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StoreError> {
    let dropped = CancellationToken::new();
    let _when_dropped = dropped.clone().drop_guard();
    let future = async move {
        tokio::select! {
            biased;
            () = stopped => {}
            () = dropped.cancelled() => {}
            () = future => {}
        }
    };
    let runtime = Handle::current();
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        future.await;
        return Ok(());
    }
    let ended = tokio::task::spawn_blocking(move || runtime.block_on(future)).await;
    ended.map_err(|error| StoreError::Unavailable(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        sync::{Arc, mpsc},
        thread,
        time::Duration,
    };

    use tokio::sync::Notify;
    use tokio_util::task::TaskTracker;

    use super::*;

    /// How long something may take that takes no time at all.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A future that says when it begins and never ends, and what says that it was given up.
    fn endless() -> (
        impl Future<Output = ()> + Send + 'static,
        Arc<Notify>,
        mpsc::Receiver<()>,
    ) {
        let (begun, (held, given_up)) = (Arc::new(Notify::new()), mpsc::channel());
        let begins = Arc::clone(&begun);
        let future = async move {
            begins.notify_one();
            pending::<()>().await;
            drop(held);
        };
        (future, begun, given_up)
    }

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
        let apart = tasks.spawn(apart(future, pending()));
        begun.notified().await;
        let busy = tasks.spawn(async move { receiver.recv_timeout(PATIENCE) });
        goes_on.notify_one();
        assert_eq!(busy.await.unwrap(), Ok(()), "the only worker waited for it");
        apart.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_driven_apart_ends_with_whoever_waits_for_it() {
        let (future, begun, given_up) = endless();
        let waits = TaskTracker::new().spawn(apart(future, pending()));
        begun.notified().await;
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        let ended = given_up.recv_timeout(PATIENCE);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_driven_apart_is_gone_when_it_was_stopped() {
        let (future, begun, given_up) = endless();
        let stop = CancellationToken::new();
        let waits = TaskTracker::new().spawn(apart(future, stop.clone().cancelled_owned()));
        begun.notified().await;
        stop.cancel();
        waits.await.unwrap().unwrap();
        assert_eq!(given_up.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    #[tokio::test]
    async fn one_thread_drives_everything_by_itself() {
        let (sender, receiver) = mpsc::channel();
        let future = async move { sender.send(thread::current().id()).unwrap() };
        apart(future, pending()).await.unwrap();
        assert_eq!(receiver.recv(), Ok(thread::current().id()));
        apart(pending(), ready(())).await.unwrap();
    }
}
