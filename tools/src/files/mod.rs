//! The columns of the tables that provinces exchange.

mod columns;

pub use columns::Kind;
pub(crate) use columns::{
    CERTIFICATE_EXPORT, INSTITUTION_EXPORT, STATUS_EXPORT, canonical_name, columns,
};
pub use huren_tables::Encoding;
pub(crate) use huren_tables::{DecodingReader, TableWriter, detect, detect_delimiter};
