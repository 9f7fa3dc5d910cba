//! By what a request is named in log lines, and told to its caller: whoever asks about an answer
//! names it, and nothing about a person has to be repeated.

use std::fmt;

use http::{HeaderName, HeaderValue};

use crate::engine::{Random, random};

/// The header of an answer that says it.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A request's name. It is always one of ours: one that a caller chose could say anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 8]);

impl RequestId {
    pub(crate) fn new(source: &dyn Random) -> Self {
        Self(random(source))
    }

    /// The value of [`HEADER`].
    pub(crate) fn value(self) -> HeaderValue {
        // Hexadecimal digits always are one.
        HeaderValue::try_from(self.to_string()).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
