//! Statistics over certificates and persons (浙人社发〔2022〕16号, 五(六) and 四(一)).
//!
//! Each certificate is a [`Fact`]; the facts of one person make a [`Life`]; what it adds to every
//! [`Cell`] is a sum of [`Counts`] by month. Sums are kept, facts are not: when something changes,
//! the person's life before is taken out of the cells and the one afterwards is put in. So cells
//! hold nothing of anybody alone, and are always what counting everything anew would give. In the
//! same way, for monitoring, cells hold which leaves an institution issued on a day ([`IssueDay`]):
//! of each no more than its index.

mod cell;
mod fact;
mod life;
mod output;
mod places;
mod query;

#[cfg(test)]
mod tests;

pub use cell::{Basis, Cell, Counts, Cut, Grain, Months};
pub use fact::{Fact, Month};
pub use life::{Change, Deltas, Life};
pub(crate) use output::{FILE, Settings};
pub use output::{geo_json, smallest_cell, suppress};
pub use places::{IssueDay, Place, Places};
pub use query::{Dimension, Query, QueryError, Row, Table, TableBuilder};
