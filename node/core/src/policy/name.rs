//! Names and URLs in policies: octets without meaning of their own.

use std::fmt;

/// The name of a witness or group within one policy.
///
/// Not necessarily UTF-8: `tlog-policy`, "Character set", wants octets compared as they
/// are, so that no Unicode table can change what a policy means.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName(Vec<u8>);

/// The URL of a log or witness in a policy, as opaque as a [`PolicyName`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyUrl(Vec<u8>);

/// Empty, or with blank space or control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name or URL in a policy must not be empty or have spaces or control characters")]
pub struct InvalidOctets;

impl PolicyName {
    /// A name of these octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Result<Self, InvalidOctets> {
        item(octets.into()).map(Self)
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// For names in this program's text, which are valid.
    pub(super) fn literal(name: &'static str) -> Self {
        Self(name.as_bytes().to_vec())
    }
}

impl PolicyUrl {
    /// A URL of these octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Result<Self, InvalidOctets> {
        item(octets.into()).map(Self)
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn item(octets: Vec<u8>) -> Result<Vec<u8>, InvalidOctets> {
    let allowed = |octet: &u8| matches!(octet, 0x21..=0x7e | 0x80..=0xff);
    if octets.is_empty() || !octets.iter().all(allowed) {
        Err(InvalidOctets)
    } else {
        Ok(octets)
    }
}

/// Octets that are no UTF-8 are shown as replacement characters.
impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Octets that are no UTF-8 are shown as replacement characters.
impl fmt::Display for PolicyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

impl fmt::Debug for PolicyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}
