//! Who is in charge of the logs.
//!
//! One row says which process holds the lease, until when, and in which epoch. The time is the
//! database's own, so that clocks of machines do not matter; and it decides only who may take
//! over, never who may write: every transaction that writes to the logs compares its epoch under
//! the lock of that row, so that a holder that was stopped and wakes up later writes nothing.

use std::{sync::atomic::Ordering, time::Duration};

use super::{Begin, Postgres};
use crate::{Error, sql::values};

/// Renews the lease of an epoch, or takes one over that has run out, in a new epoch.
const ACQUIRE: &str = "UPDATE lease SET \
     epoch = CASE WHEN epoch = $2 THEN epoch ELSE epoch + 1 END, holder = $1, \
     expires = clock_timestamp() + $3 * INTERVAL '1 millisecond' \
     WHERE id = 1 AND (epoch = $2 OR expires <= clock_timestamp()) RETURNING epoch";

const RESIGN: &str = "UPDATE lease SET holder = '', expires = clock_timestamp() \
     WHERE id = 1 AND epoch = $1";

const HOLDER: &str = "SELECT holder FROM lease WHERE id = 1";

/// An epoch that no lease is ever of.
const NEVER: i64 = -1;

/// How a lease stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// This process holds it, since just now or before.
    Here,
    /// Another one does, which is reached at this address; empty if it just gave it up.
    Elsewhere(String),
}

impl Postgres {
    /// Renews this process's lease, or takes it if nobody has it, for a time from now on. `address`
    /// is where the others reach this process.
    ///
    /// # Errors
    /// If the database fails: how the lease stands is not known then.
    pub async fn acquire(&self, address: &str, time: Duration) -> Result<Held, Error> {
        let held = self.epoch.load(Ordering::Acquire);
        let milliseconds = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let values = values![address, if held == 0 { NEVER } else { held }, milliseconds];
        let mut begun = self.writers.begin(Begin::Write).await?;
        let taken: Option<(i64,)> = begun.one(ACQUIRE, values).await?;
        if let Some((epoch,)) = taken {
            begun.commit().await?;
            self.epoch.store(epoch, Ordering::Release);
            return Ok(Held::Here);
        }
        let holder: Option<(String,)> = begun.one(HOLDER, Vec::new()).await?;
        let (holder,) = holder.ok_or(Error::Corrupt("nothing says who is in charge"))?;
        Ok(Held::Elsewhere(holder))
    }

    /// Gives the lease up, so that another process need not wait for its end. This one writes to
    /// the logs no more until it acquires it again.
    ///
    /// # Errors
    /// If the database fails; the lease runs out by itself then.
    pub async fn resign(&self) -> Result<(), Error> {
        // A later renewal is of another epoch, and so are writes.
        let held = self.epoch.swap(NEVER, Ordering::AcqRel);
        let mut begun = self.writers.begin(Begin::Write).await?;
        begun.execute(RESIGN, values![held]).await?;
        begun.commit().await
    }
}
