//! The archive that a workbook is: its parts, unpacked as far as they are read.

use std::{
    collections::HashMap,
    io::{self, Read, Seek as _, SeekFrom},
    sync::{Arc, Mutex, PoisonError},
};

use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive, result::ZipError};

use crate::{Bytes, TableError, too_much};

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
        let place = self.parts.get(&name.to_lowercase())?;
        let slice = Slice {
            file: Arc::clone(&self.file),
            at: place.start,
            left: place.length,
        };
        let inner: Box<dyn Read + Send> = if place.is_deflated {
            Box::new(DeflateDecoder::new(slice))
        } else {
            Box::new(slice)
        };
        Some(Bounded { inner, left: most })
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

fn damaged(error: ZipError) -> TableError {
    match error {
        ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => error.into(),
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

/// Fails when more comes than may be read.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(too_much)?;
        Ok(length)
    }
}
