//! The statements of the contract, written once for every back end with a database. What the back
//! ends do not have in common they say through [`Database`] and [`Db`].

mod audit;
mod bulk;
mod cells;
mod cosigned;
mod data_keys;
mod db;
mod decode;
mod disclosures;
mod entries;
mod find;
mod institution_keys;
mod logs;
mod place;
mod register;
mod statement;
mod store;
mod submissions;
mod tokens;
mod tree;
mod whole;
mod write;

#[cfg(test)]
mod plans;

pub(crate) use db::{Db, Pool, Row, Value, values};
pub(crate) use place::unsigned;
pub(crate) use store::{Database, Writes};
pub use whole::Registers;
pub(crate) use whole::{REGISTERS, Sum, TABLES, Table, extract, registers};
