//! C2SP `tlog-mirror`, "add-entries": the form of an upload, and whether it may begin.
//!
//! Whether a package is right is for [`crate::replicate::check_package`], the same that judges
//! what is fetched from members.

use std::ops::Range;

use crate::{checkpoint::Origin, merkle::Hash, replicate::PACKAGE};

/// The most packages that a client should send in one request ("Implementation
/// Considerations"); sending more again of what is held is refused.
pub const MAX_PACKAGES: u64 = 32;

/// The most hashes of a subtree consistency proof.
const MAX_HASHES: usize = 63;

/// What stands at the head of an upload: which entries of which log follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadHeader {
    /// The log.
    pub origin: Origin,
    /// First entry.
    pub start: u64,
    /// Behind the last entry; size of the tree that the proofs lead to. Not below `start`.
    pub end: u64,
    /// What the mirror gave out earlier. Ours gives nothing out: it keeps its pending
    /// checkpoints itself.
    pub ticket: Vec<u8>,
}

impl UploadHeader {
    /// Reads the head from the beginning of `bytes`, with its length; `None` if it goes on.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, UploadRefusal> {
        let mut rest = bytes;
        let parsed = (|| {
            let origin = take_text(&mut rest)?;
            let start = u64::from_be_bytes(*take(&mut rest)?);
            let end = u64::from_be_bytes(*take(&mut rest)?);
            let ticket = take_text(&mut rest)?;
            Some((origin, start, end, ticket.to_vec()))
        })();
        let Some((origin, start, end, ticket)) = parsed else {
            return Ok(None);
        };
        let origin = std::str::from_utf8(origin)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(UploadRefusal::Malformed)?;
        if start > end {
            return Err(UploadRefusal::Malformed);
        }
        let header = Self {
            origin,
            start,
            end,
            ticket,
        };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    /// The canonical sequence of packages: cut at multiples of 256.
    pub fn packages(&self) -> impl Iterator<Item = PackageRange> + Send + use<> {
        let (start, end) = (self.start, self.end);
        let numbers = if start == end {
            0..0
        } else {
            start / PACKAGE..(end - 1) / PACKAGE + 1
        };
        numbers.map(move |number| {
            let first = number * PACKAGE;
            PackageRange {
                number,
                entries: start.max(first)..end.min(first.saturating_add(PACKAGE)),
            }
        })
    }
}

/// Which entries a package of an upload has: all of its number's, unless the upload begins or
/// ends within.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRange {
    /// Number of the package.
    pub number: u64,
    /// Indexes of its entries.
    pub entries: Range<u64>,
}

impl PackageRange {
    /// Entries of the package that stand before the upload's: the mirror has them already.
    pub const fn before(&self) -> u64 {
        self.entries.start - self.number * PACKAGE
    }

    /// Reads the package from the beginning of `bytes`, with its length; `None` if it goes on.
    ///
    /// # Errors
    /// `Proof` if it has more hashes than any proof.
    pub fn read(&self, bytes: &[u8]) -> Result<Option<(UploadedPackage, usize)>, UploadRefusal> {
        let mut rest = bytes;
        for _ in self.entries.clone() {
            if take_text(&mut rest).is_none() {
                return Ok(None);
            }
        }
        let entries = &bytes[..bytes.len() - rest.len()];
        let Some([hashes]) = take(&mut rest) else {
            return Ok(None);
        };
        let hashes = usize::from(*hashes);
        if hashes > MAX_HASHES {
            return Err(UploadRefusal::Proof);
        }
        let Some((proof, rest)) = rest.split_at_checked(hashes * Hash::LEN) else {
            return Ok(None);
        };
        let package = UploadedPackage {
            entries: entries.to_vec(),
            proof: proof
                .chunks_exact(Hash::LEN)
                .filter_map(Hash::from_slice)
                .collect(),
        };
        Ok(Some((package, bytes.len() - rest.len())))
    }
}

/// A package as it came, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedPackage {
    /// Its entries, each with a big-endian uint16 length.
    pub entries: Vec<u8>,
    /// Its subtree consistency proof.
    pub proof: Vec<Hash>,
}

/// How a mirror of a log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Sizes of the pending checkpoints that are known, ascending.
    pub pending: Vec<u64>,
    /// Size of the mirror checkpoint.
    pub head: u64,
    /// The first entry that is not held.
    pub next: u64,
}

impl Standing {
    /// Whether an upload may begin: the checks of "Processing" in their order.
    ///
    /// # Errors
    /// [`UploadRefusal`].
    pub fn admit(&self, header: &UploadHeader) -> Result<(), UploadRefusal> {
        if self.pending.is_empty() && self.head == 0 {
            return Err(UploadRefusal::NoPending);
        }
        if header.end != self.head && !self.pending.contains(&header.end) {
            return Err(UploadRefusal::UnknownSize);
        }
        if header.end < self.head {
            return Err(UploadRefusal::BelowHead);
        }
        if header.start > self.next {
            return Err(UploadRefusal::Gap);
        }
        if header.end.min(self.next) - header.start > MAX_PACKAGES * PACKAGE {
            return Err(UploadRefusal::HeldAlready);
        }
        Ok(())
    }

    /// What a client is told to go on with: three lines, `text/x.tlog.mirror-info`. The first
    /// one has `end` if that is good, or else the current pending checkpoint's size.
    pub fn info(&self, end: u64) -> String {
        let is_good = end >= self.head && (end == self.head || self.pending.contains(&end));
        let current = self.pending.last().copied().unwrap_or(0).max(self.head);
        let size = if is_good { end } else { current };
        format!("{size}\n{}\n\n", self.next)
    }
}

/// The first entry that is not held: behind the head and the packages (number and width,
/// ascending) that follow it without a gap.
pub fn next_entry(head: u64, held: &[(u64, u16)]) -> u64 {
    let mut next = head;
    for (number, width) in held {
        let first = number * PACKAGE;
        let end = first + u64::from(*width);
        if first > next {
            break;
        }
        next = next.max(end);
    }
    next
}

/// Why a mirror does not take an upload, or no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadRefusal {
    /// The head is not one, or the body ends before the first package does.
    #[error("the upload is malformed, or ends before its first package")]
    Malformed,
    /// This mirror does not know the log.
    #[error("this node does not mirror that log")]
    UnknownLog,
    /// No checkpoint of the log is known.
    #[error("no checkpoint of that log was added yet")]
    NoPending,
    /// The end is no size of a pending checkpoint.
    #[error("the upload does not end at a checkpoint that was added")]
    UnknownSize,
    /// The end lies below the mirror checkpoint.
    #[error("the mirror is ahead of the upload's end")]
    BelowHead,
    /// The start lies beyond what is held.
    #[error("the upload leaves a gap behind what is held")]
    Gap,
    /// Too much of it is held already.
    #[error("too much of the upload is held already")]
    HeldAlready,
    /// A package is not proven to be of the log.
    #[error("the package is not proven to be of the log")]
    Proof,
}

impl UploadRefusal {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "UPLOAD_MALFORMED",
            Self::UnknownLog => "UPLOAD_LOG_UNKNOWN",
            Self::NoPending => "UPLOAD_NO_CHECKPOINT",
            Self::UnknownSize => "UPLOAD_SIZE_UNKNOWN",
            Self::BelowHead => "UPLOAD_BELOW_HEAD",
            Self::Gap => "UPLOAD_GAP",
            Self::HeldAlready => "UPLOAD_HELD_ALREADY",
            Self::Proof => "UPLOAD_PROOF",
        }
    }

    /// What it says in Chinese; in English it displays itself.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Malformed => "上传格式有误，或在首个条目包之前中断",
            Self::UnknownLog => "本节点不镜像该日志",
            Self::NoPending => "尚未收到该日志的检查点，请先提交检查点",
            Self::UnknownSize => "上传的终点不是已提交检查点的大小",
            Self::BelowHead => "镜像已超过上传的终点",
            Self::Gap => "上传的起点与已有条目之间有缺口",
            Self::HeldAlready => "上传的条目大多已有",
            Self::Proof => "条目包未能证明属于该日志",
        }
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(taken)
}

/// Bytes behind their big-endian uint16 length.
fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(*take(rest)?);
    let (taken, tail) = rest.split_at_checked(usize::from(length))?;
    *rest = tail;
    Some(taken)
}
