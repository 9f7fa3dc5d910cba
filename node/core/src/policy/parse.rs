//! The text form of policies.

use std::fmt;

use super::build::NONE;
use super::{
    InvalidOctets, Node, Policy, PolicyBuildError, PolicyBuilder, PolicyName, PolicyUrl, Quorum,
    Threshold,
};
use crate::checkpoint::parse_decimal;
use crate::note::{VerifierKey, VerifierKeyError};

/// Where and why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of a policy")]
pub struct PolicyParseError {
    /// The line, from 1; after the last one if something is absent.
    pub line: usize,
    /// What is wrong there.
    #[source]
    pub reason: PolicyParseReason,
}

/// Why a line is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyParseReason {
    /// A control character other than tab and newline.
    #[error("an octet that is not allowed in policies")]
    Octet,
    /// The last line has no newline.
    #[error("the last line does not end in a newline")]
    Unterminated,
    /// Not one of `log`, `witness`, `group` and `quorum`.
    #[error("no known kind of line")]
    Keyword,
    /// Too few or too many items for its kind of line.
    #[error("too few or too many items")]
    Items,
    /// A threshold that is not `any`, `all` or a number.
    #[error("no threshold")]
    Threshold,
    /// Not a verifier key.
    #[error(transparent)]
    Key(#[from] VerifierKeyError),
    /// The line breaks a rule together with earlier ones.
    #[error(transparent)]
    Rule(#[from] PolicyBuildError),
    /// Not a name or URL.
    #[error(transparent)]
    Name(#[from] InvalidOctets),
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, PolicyParseError> {
        let text = text.as_ref();
        let mut builder = PolicyBuilder::new();
        let mut line = 0;
        for with_newline in text.split_inclusive(|octet| *octet == b'\n') {
            line += 1;
            read_line(with_newline, &mut builder)
                .map_err(|reason| PolicyParseError { line, reason })?;
        }
        let at_end = |rule| PolicyParseError {
            line: line + 1,
            reason: PolicyParseReason::Rule(rule),
        };
        builder.build().map_err(at_end)
    }

    /// Writes a policy file. Thresholds are written as numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for log in &self.logs {
            let key = log.key.to_string();
            write_line(&mut text, &[b"log", key.as_bytes()], log.url.as_ref());
        }
        for node in &self.nodes {
            self.write_node(&mut text, node);
        }
        let quorum = match self.quorum {
            Quorum::None => NONE.as_bytes(),
            Quorum::Node(index) => self.nodes[index].name().as_bytes(),
        };
        write_line(&mut text, &[b"quorum", quorum], None);
        text
    }

    fn write_node(&self, text: &mut Vec<u8>, node: &Node) {
        match node {
            Node::Witness(witness) => {
                let key = witness.key.to_string();
                let items = [b"witness", witness.name.as_bytes(), key.as_bytes()];
                write_line(text, &items, witness.url.as_ref());
            }
            Node::Group(group) => {
                let threshold = group.threshold.to_string();
                let mut items = vec![b"group", group.name.as_bytes(), threshold.as_bytes()];
                items.extend(
                    group
                        .members
                        .iter()
                        .map(|index| self.nodes[*index].name().as_bytes()),
                );
                write_line(text, &items, None);
            }
        }
    }
}

/// The file as text; names and URLs that are no UTF-8 are not shown exactly, which
/// [`Policy::to_bytes`] does.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

fn write_line(text: &mut Vec<u8>, items: &[&[u8]], url: Option<&PolicyUrl>) {
    text.extend(items.join(&b' '));
    if let Some(url) = url {
        text.push(b' ');
        text.extend_from_slice(url.as_bytes());
    }
    text.push(b'\n');
}

fn read_line(line: &[u8], builder: &mut PolicyBuilder) -> Result<(), PolicyParseReason> {
    let allowed = |octet: &u8| matches!(octet, b'\t' | b'\n' | 0x20..=0x7e | 0x80..=0xff);
    if !line.iter().all(allowed) {
        return Err(PolicyParseReason::Octet);
    }
    let line = line
        .strip_suffix(b"\n")
        .ok_or(PolicyParseReason::Unterminated)?;
    let items: Vec<&[u8]> = line
        .split(|octet| matches!(octet, b' ' | b'\t'))
        .filter(|item| !item.is_empty())
        .collect();
    match items.as_slice() {
        [] => {}
        [first, ..] if first.starts_with(b"#") => {}
        [b"log", key, url @ ..] => {
            builder.log(read_key(key)?, read_url(url)?)?;
        }
        [b"witness", name, key, url @ ..] => {
            builder.witness(PolicyName::new(*name)?, read_key(key)?, read_url(url)?)?;
        }
        [b"group", name, threshold, members @ ..] if !members.is_empty() => {
            let members: Vec<PolicyName> = members
                .iter()
                .map(|name| PolicyName::new(*name))
                .collect::<Result<_, _>>()?;
            builder.group(
                PolicyName::new(*name)?,
                read_threshold(threshold)?,
                &members,
            )?;
        }
        [b"quorum", name] if *name == NONE.as_bytes() => {
            builder.no_quorum()?;
        }
        [b"quorum", name] => {
            builder.quorum(&PolicyName::new(*name)?)?;
        }
        [b"log" | b"witness" | b"group" | b"quorum", ..] => return Err(PolicyParseReason::Items),
        _ => return Err(PolicyParseReason::Keyword),
    }
    Ok(())
}

fn read_key(item: &[u8]) -> Result<VerifierKey, PolicyParseReason> {
    let text = std::str::from_utf8(item).map_err(|_| VerifierKeyError::Structure)?;
    Ok(text.parse()?)
}

fn read_url(items: &[&[u8]]) -> Result<Option<PolicyUrl>, PolicyParseReason> {
    match items {
        [] => Ok(None),
        [url] => Ok(Some(PolicyUrl::new(*url)?)),
        _ => Err(PolicyParseReason::Items),
    }
}

fn read_threshold(item: &[u8]) -> Result<Threshold, PolicyParseReason> {
    let number = || {
        parse_decimal(std::str::from_utf8(item).ok()?)?
            .try_into()
            .ok()
    };
    match item {
        b"any" => Ok(Threshold::Any),
        b"all" => Ok(Threshold::All),
        _ => number()
            .map(Threshold::AtLeast)
            .ok_or(PolicyParseReason::Threshold),
    }
}
