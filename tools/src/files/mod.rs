//! The tables that provinces exchange: their columns, and how their text is encoded.

mod columns;
mod encoding;
mod writer;

pub use columns::Kind;
pub(crate) use columns::{
    CERTIFICATE_EXPORT, INSTITUTION_EXPORT, STATUS_EXPORT, canonical_name, columns,
};
pub(crate) use encoding::{DecodingReader, detect_delimiter};
pub use encoding::{Encoding, Unreadable, detect};
pub(crate) use writer::TableWriter;
