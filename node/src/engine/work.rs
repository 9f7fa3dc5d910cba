//! Work that keeps a processor or a disk busy, off the runtime.

use futures::future::{Either, ready};
use huren_store::Error as StoreError;
use tokio::runtime::{Handle, RuntimeFlavor};

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
