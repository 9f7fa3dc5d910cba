//! The archive that a workbook is: its parts, unpacked as far as they are read.

use std::{
    collections::HashMap,
    io::{self, Read, Seek as _, SeekFrom},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::{Crc, read::DeflateDecoder};
use zip::{CompressionMethod, ZipArchive, result::ZipError};

use crate::{Bytes, TableError, passed::Passed, too_much};

/// Parts that are looked at. Excel writes dozens, and one for each sheet and picture.
const MOST_PARTS: usize = 10_000;

/// A workbook's archive.
pub(super) struct Package {
    file: Arc<Mutex<Box<dyn Bytes>>>,
    /// By name, which is the same in capitals or not (ECMA-376 part 2, 6.2.2).
    parts: HashMap<String, Place>,
}

/// Where a part lies in the file.
#[derive(Clone, Copy)]
struct Place {
    start: u64,
    length: u64,
    is_deflated: bool,
    crc: u32,
}

/// A part that is being read.
pub(super) type Part = Bounded<Box<dyn Read + Send>>;

impl Package {
    pub(super) fn open(mut file: Box<dyn Bytes>) -> Result<Self, TableError> {
        let mut magic = [0; 4];
        file.read_exact(&mut magic)?;
        if magic == super::COMPOUND {
            return Err(compound(&mut *file)?);
        }
        file.seek(SeekFrom::Start(0))?;
        let mut archive = ZipArchive::new(file).map_err(damaged)?;
        if archive.len() > MOST_PARTS {
            return Err(TableError::TooLarge("parts"));
        }
        let mut parts = HashMap::with_capacity(archive.len());
        for at in 0..archive.len() {
            let entry = archive.by_index_raw(at).map_err(damaged)?;
            if entry.encrypted() {
                return Err(TableError::Encrypted);
            }
            let is_deflated = match entry.compression() {
                CompressionMethod::Stored => false,
                CompressionMethod::Deflated => true,
                // No workbook has another; an archive of something else may.
                _ => continue,
            };
            let place = Place {
                start: entry.data_start().ok_or(TableError::Damaged("zip"))?,
                length: entry.compressed_size(),
                is_deflated,
                crc: entry.crc32(),
            };
            let name = String::from_utf8_lossy(entry.name_raw()).to_lowercase();
            parts.insert(name.replace('\\', "/"), place);
        }
        let file = Arc::new(Mutex::new(archive.into_inner()));
        let package = Self { file, parts };
        package.is_workbook()?;
        Ok(package)
    }

    fn is_workbook(&self) -> Result<(), TableError> {
        let has = |name: &str| self.parts.contains_key(name);
        if has("[content_types].xml") && has("xl/workbook.bin") {
            Err(TableError::Binary)
        } else if has("[content_types].xml") && has("_rels/.rels") {
            Ok(())
        } else if has("mimetype") && has("content.xml") {
            Err(TableError::OpenDocument)
        } else {
            Err(TableError::Archive)
        }
    }

    /// A part, of which no more than so many bytes can be read.
    pub(super) fn part(&self, name: &str, most: u64) -> Option<Part> {
        self.part_within(name, &Budget::new(most))
    }

    /// Reads a part to its end, where its checksum is looked at. What is streamed is used before
    /// its end is seen, and a flipped bit would be another certificate's number.
    pub(super) fn check(&self, name: &str, most: u64) -> Result<(), TableError> {
        let mut part = self.part(name, most).ok_or(TableError::Damaged("sheet"))?;
        let read = io::copy(&mut part, &mut io::sink());
        read.map_err(|error| refused(error, "sheet"))?;
        Ok(())
    }

    /// A part that takes what is read of it from what is left for several.
    pub(super) fn part_within(&self, name: &str, budget: &Budget) -> Option<Part> {
        let place = self.parts.get(&name.to_lowercase())?;
        let slice = Slice {
            file: Arc::clone(&self.file),
            at: place.start,
            left: place.length,
        };
        let (passed, slice) = Passed::following(slice, place.length);
        let inner: Box<dyn Read + Send> = if place.is_deflated {
            Box::new(DeflateDecoder::new(slice))
        } else {
            Box::new(slice)
        };
        Some(Bounded {
            inner,
            budget: budget.clone(),
            crc: Crc::new(),
            expected: place.crc,
            passed,
        })
    }
}

/// What a compound file is: its directory names what is in it ([MS-CFB] 2.6, [MS-OFFCRYPTO] 2.3).
fn compound(file: &mut dyn Bytes) -> Result<TableError, TableError> {
    const PACKAGE: &str = "EncryptedPackage";
    let mut header = [0; 512];
    file.seek(SeekFrom::Start(0))?;
    let mut directory = Vec::new();
    if file.read_exact(&mut header).is_ok() {
        let shift = header[30].min(16);
        let sector = u32::from_le_bytes([header[48], header[49], header[50], header[51]]);
        file.seek(SeekFrom::Start((u64::from(sector) + 1) << shift))?;
        file.take(4096).read_to_end(&mut directory)?;
    }
    let name: Vec<u8> = PACKAGE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let is_encrypted = directory.windows(name.len()).any(|bytes| bytes == name);
    Ok(if is_encrypted {
        TableError::Encrypted
    } else {
        TableError::Legacy
    })
}

/// What a failure to read a part means: of the file's medium, or of what is in it.
pub(super) fn refused(error: io::Error, what: &'static str) -> TableError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => TableError::TooLarge(what),
        // What does not unpack; a file that ends too early.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            TableError::Damaged(what)
        }
        _ => TableError::Io(error),
    }
}

fn damaged(error: ZipError) -> TableError {
    match error {
        ZipError::Io(error) => refused(error, "zip"),
        _ => TableError::Damaged("zip"),
    }
}

/// A part of the file with a place of its own, so that several may be read by turns.
struct Slice {
    file: Arc<Mutex<Box<dyn Bytes>>>,
    at: u64,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        // Who panicked while reading left nothing half-done: each reading begins with a seek.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let length = file.read(&mut buffer[..most])?;
        self.at += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

/// Bytes that may still be read, of one part or of several.
#[derive(Clone)]
pub(super) struct Budget(Arc<AtomicU64>);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// Takes so many of them; fails if there are not as many.
    pub(super) fn take(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        let left = left.checked_sub(bytes as u64).ok_or_else(too_much)?;
        // Parts of one workbook are read by turns.
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// Fails when more comes than may be read, or at its end if it is not what was packed.
pub(super) struct Bounded<R> {
    inner: R,
    budget: Budget,
    crc: Crc,
    expected: u32,
    passed: Passed,
}

impl<R> Bounded<R> {
    /// How far it has been read, packed as it is.
    pub(super) const fn passed(&self) -> &Passed {
        &self.passed
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.budget.take(length)?;
        self.crc.update(&buffer[..length]);
        if length == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(length)
    }
}
