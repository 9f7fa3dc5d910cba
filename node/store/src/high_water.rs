//! The high-water file: the last head that was signed, outside of the database.
//!
//! A log that was restored from a backup must not sign its old size again. The database
//! cannot know that it was restored; this file can, because it is never backed up.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use huren_core::{checkpoint::Origin, merkle::Hash};
use sha2::{Digest, Sha256};

use crate::Head;

/// Bytes of one slot: a page, which is at least as much as a disk writes or tears at once,
/// so that a torn write of one slot leaves the other whole.
const SLOT: usize = 4096;

const COMMENT: &str = "\
# Huren high-water mark: the last head that this node signed for its own log.
# NEVER restore this file from a backup, and never copy it to another machine: it is what
# keeps a restored database from signing a second history.";

/// The high-water file of a node.
///
/// It has two slots of equal size, written in turn, each with a sequence number and a
/// checksum; the higher number counts. A write is thereby one overwrite in place and one
/// `fdatasync`, which touches neither directory nor file size; replacing the whole file
/// would cost two synced changes of metadata in every group commit. A write that power loss
/// tears damages only the slot that it went to, and the head in it was not published yet:
/// the other slot still has the one before, which was.
#[derive(Debug)]
pub struct HighWater {
    path: PathBuf,
    /// Held during a whole read or write.
    lock: Mutex<()>,
}

/// Why the high-water file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HighWaterError {
    /// The file could not be read, written or synced.
    #[error("the high-water file {path} failed")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// No slot is whole. Nothing may be signed before the other members were asked.
    #[error(
        "the high-water file {path} is damaged: move it away (never put an older one in its \
         place) and start again; the node then asks the other members what was signed"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file has the mark of another log.
    #[error("the high-water file is of the log {held}")]
    OtherLog {
        /// The log in the file.
        held: Origin,
    },
    /// The new head is smaller than the mark, or of the same size with another root. (Only
    /// [`HighWater::lower`] lowers it.)
    #[error("the high-water mark stands at size {held}, and {given} does not continue it")]
    Backwards {
        /// Size in the file.
        held: u64,
        /// Size that was to be written.
        given: u64,
    },
    /// The origin is too long for the file.
    #[error("the origin is too long for the high-water file")]
    TooLong,
}

/// What one slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    sequence: u64,
    origin: Origin,
    head: Head,
}

impl HighWater {
    /// Names the file and makes sure that it can be read if it exists. Its directory must
    /// exist.
    ///
    /// # Errors
    /// `Io`; `Damaged`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, HighWaterError> {
        let high_water = Self {
            path: path.into(),
            lock: Mutex::new(()),
        };
        high_water.read()?;
        Ok(high_water)
    }

    /// The last head written; `None` if the file does not exist. Blocks on the disk.
    ///
    /// # Errors
    /// `Io`; `Damaged` if the file is there and no slot of it is whole.
    pub fn read(&self) -> Result<Option<(Origin, Head)>, HighWaterError> {
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = self.newest()?;
        Ok(mark.map(|(mark, _)| (mark.origin, mark.head)))
    }

    /// Writes the head of the log that is about to be published. Behind `Ok` it is on the
    /// disk. Blocks on the disk.
    ///
    /// # Errors
    /// All of [`HighWaterError`]; after `Io` the mark is the old one or the new one.
    pub fn write(&self, origin: &Origin, head: &Head) -> Result<(), HighWaterError> {
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(origin, head, |held| {
            if head.size < held.size || (head.size == held.size && head != held) {
                return Err(HighWaterError::Backwards {
                    held: held.size,
                    given: head.size,
                });
            }
            Ok(())
        })
    }

    /// Lowers the mark to a head that is held, by an operator's order: what was signed beyond
    /// it is given up. Before that the act is written down, durably, as a line of JSON in the
    /// file whose name is that of this one with `.lowered` behind it; `now` is in seconds since
    /// 1970. Behind `Ok` both are on the disk. Blocks on the disk.
    ///
    /// # Errors
    /// `Io`; `Damaged`; `OtherLog`. After `Io` the mark is the old one or the new one.
    pub fn lower(&self, origin: &Origin, head: &Head, now: u64) -> Result<(), HighWaterError> {
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(origin, head, |held| {
            let place = |head: &Head| {
                let root = hex::encode(head.root.as_bytes());
                format!(r#"{{"size":{},"root":"{root}"}}"#, head.size)
            };
            let (signed, continues) = (place(held), place(head));
            let act = format!(
                "{{\"time\":{now},\"act\":\"accept-loss\",\"origin\":\"{origin}\",\
                 \"signed\":{signed},\"continues\":{continues}}}\n"
            );
            self.write_down(&act)
        })
    }

    /// Replaces the mark, unless what has to be done `before` with the one it replaces fails.
    fn replace(
        &self,
        origin: &Origin,
        head: &Head,
        before: impl FnOnce(&Head) -> Result<(), HighWaterError>,
    ) -> Result<(), HighWaterError> {
        let mut mark = Mark {
            sequence: 1,
            origin: origin.clone(),
            head: *head,
        };
        let Some((held, slot)) = self.newest()? else {
            let slot = mark.encode().ok_or(HighWaterError::TooLong)?;
            return self.create(&slot).map_err(|source| self.io(source));
        };
        if held.origin != *origin {
            return Err(HighWaterError::OtherLog { held: held.origin });
        }
        mark.sequence = held.sequence + 1;
        let bytes = mark.encode().ok_or(HighWaterError::TooLong)?;
        before(&held.head)?;
        // Never over the newest slot: it is what a torn write leaves.
        self.overwrite(1 - slot, &bytes)
            .map_err(|source| self.io(source))
    }

    /// The newest mark and its slot, 0 or 1.
    fn newest(&self) -> Result<Option<(Mark, usize)>, HighWaterError> {
        let mut bytes = Vec::new();
        match File::open(&self.path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io(source)),
        }
        let slots = bytes.chunks(SLOT).take(2).map(Mark::decode);
        slots
            .zip(0..)
            .filter_map(|(mark, slot)| Some((mark?, slot)))
            .max_by_key(|(mark, _)| mark.sequence)
            .map(Some)
            .ok_or_else(|| HighWaterError::Damaged {
                path: self.path.clone(),
            })
    }

    /// Makes the file with the same mark in both slots, and under its name only when it is
    /// whole: a crash leaves no file, or this one.
    fn create(&self, slot: &[u8]) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(slot)?;
        file.write_all(slot)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        // A bare file name has an empty parent, which is the working directory.
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()
    }

    /// Adds a line to the file of acts.
    fn write_down(&self, act: &str) -> Result<(), HighWaterError> {
        let mut path = self.path.clone().into_os_string();
        path.push(".lowered");
        let mut options = OpenOptions::new();
        options
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(act.as_bytes())?;
                file.sync_all()?;
                self.sync_directory()
            })
            .map_err(|source| HighWaterError::Io {
                path: path.into(),
                source,
            })
    }

    fn overwrite(&self, slot: usize, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        file.seek(SeekFrom::Start((slot * SLOT) as u64))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn io(&self, source: io::Error) -> HighWaterError {
        HighWaterError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

impl Mark {
    /// The slot, filled up with spaces; `None` if it does not fit.
    fn encode(&self) -> Option<Vec<u8>> {
        let text = format!(
            "{COMMENT}\nsequence {}\norigin {}\nsize {}\nroot {}\n",
            self.sequence,
            self.origin,
            self.head.size,
            hex::encode(self.head.root.as_bytes()),
        );
        let checksum = hex::encode(Sha256::digest(&text));
        let mut bytes = format!("{text}sha256 {checksum}\n").into_bytes();
        if bytes.len() >= SLOT {
            return None;
        }
        bytes.resize(SLOT - 1, b' ');
        bytes.push(b'\n');
        Some(bytes)
    }

    /// Reads what [`Mark::encode`] writes, byte for byte; `None` for anything else.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.strip_prefix(COMMENT)?.strip_prefix('\n')?.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let mark = Self {
            sequence: field("sequence")?.parse().ok()?,
            origin: field("origin")?.parse().ok()?,
            head: Head {
                size: field("size")?.parse().ok()?,
                root: Hash::from_slice(&hex::decode(field("root")?).ok()?)?,
            },
        };
        (mark.encode()? == bytes).then_some(mark)
    }
}

#[cfg(test)]
mod tests;
