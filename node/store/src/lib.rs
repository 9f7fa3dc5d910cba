//! Where a node keeps its logs and registers: one contract, several back ends.
//!
//! The store persists and decides nothing. What it is given is already verified; the
//! personal parts of it are already sealed and their look-up keys already keyed, so that
//! a stolen database tells nothing without the key files, which never come here.
//!
//! [`Store`] is the contract, [`Sqlite`], [`Postgres`] and [`Memory`] keep it. [`HighWater`] stands
//! beside the database on purpose: it remembers what was signed when the database is
//! replaced by an older one.

mod contract;
mod high_water;
mod memory;
mod postgres;
mod sql;
mod sql_error;
mod sqlite;

pub use contract::*;
pub use high_water::{HighWater, HighWaterError};
pub use memory::Memory;
pub use postgres::{
    Held, MoveError, Moving, Postgres, PostgresOptions, ReplicaFound, ReplicaState, move_store,
};
pub use sql::Registers;
pub use sqlite::{
    Copied, Sqlite, SqliteOptions, copy_parts, copy_registers, copy_rows, inspect, join_parts,
    newest_schema, schema, sqlite_version,
};
