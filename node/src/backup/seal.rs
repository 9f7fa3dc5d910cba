//! Locking and opening files with age, as streams.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use age::{DecryptError, Decryptor, EncryptError, Encryptor, Recipient};
use indicatif::ProgressBar;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::lock::Keys;

/// Bytes that are moved at a time.
const CHUNK: usize = 64 << 10;

/// Why a locked file is not opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// None of the keys fits.
    #[error("none of the keys opens the file")]
    WrongKey,
    /// The file is no age file, cut off or changed.
    #[error("the file is damaged")]
    Damaged,
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Length and SHA-256 of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Fingerprint {
    /// Reads a file to its end.
    pub(super) fn of(path: &Path, progress: &ProgressBar) -> io::Result<Self> {
        let mut hashing = Hashing::new(io::sink());
        pump(&mut File::open(path)?, &mut hashing, progress)?;
        Ok(hashing.fingerprint())
    }
}

/// Locks a file into a new one, which is synced.
pub(super) fn lock_file(
    recipients: &[Box<dyn Recipient>],
    source: &Path,
    target: &Path,
    progress: &ProgressBar,
) -> io::Result<Fingerprint> {
    let file = new_file(target)?;
    let mut locked = Hashing::new(BufWriter::with_capacity(CHUNK, &file));
    lock(recipients, &mut File::open(source)?, &mut locked, progress)?;
    locked.flush()?;
    file.sync_all()?;
    Ok(locked.fingerprint())
}

/// Locks bytes.
pub(super) fn lock_bytes(recipients: &[Box<dyn Recipient>], bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut locked = Vec::new();
    lock(
        recipients,
        &mut &*bytes,
        &mut locked,
        &ProgressBar::hidden(),
    )?;
    Ok(locked)
}

fn lock(
    recipients: &[Box<dyn Recipient>],
    source: &mut impl Read,
    target: &mut impl Write,
    progress: &ProgressBar,
) -> io::Result<()> {
    let recipients = recipients.iter().map(AsRef::as_ref);
    let encryptor = Encryptor::with_recipients(recipients).map_err(|error| match error {
        EncryptError::Io(error) => error,
        other => io::Error::other(other),
    })?;
    let mut writer = encryptor.wrap_output(target)?;
    pump(source, &mut writer, progress)?;
    writer.finish()?;
    Ok(())
}

/// Opens a locked file into a new one.
pub(super) fn open_file(
    keys: &Keys,
    source: &Path,
    target: &Path,
    progress: &ProgressBar,
) -> Result<(), OpenError> {
    let file = BufReader::with_capacity(CHUNK, File::open(source)?);
    let mut opened = open(keys, file)?;
    let mut target = BufWriter::with_capacity(CHUNK, new_file(target)?);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = opened.read(&mut chunk).map_err(read_error)?;
        if read == 0 {
            return Ok(target.flush()?);
        }
        target.write_all(&chunk[..read])?;
        progress.inc(read as u64);
    }
}

/// Opens locked bytes, which are few.
pub(super) fn open_bytes(keys: &Keys, locked: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    // Reserved whole, so that growing leaves no copies behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(locked.len()));
    open(keys, locked)?
        .read_to_end(&mut bytes)
        .map_err(read_error)?;
    Ok(bytes)
}

/// A reader of what a locked file holds.
fn open<R: Read>(keys: &Keys, source: R) -> Result<impl Read + use<R>, OpenError> {
    Decryptor::new(source)
        .and_then(|decryptor| decryptor.decrypt(keys.identities()))
        .map_err(|error| match error {
            DecryptError::NoMatchingKeys
            | DecryptError::KeyDecryptionFailed
            | DecryptError::DecryptionFailed => OpenError::WrongKey,
            DecryptError::Io(error) => read_error(error),
            _ => OpenError::Damaged,
        })
}

/// What reading an age stream fails with where the file was cut off or changed.
fn read_error(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => OpenError::Damaged,
        _ => OpenError::Io(error),
    }
}

/// A file that does not exist yet, for its owner alone.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn pump(source: &mut impl Read, target: &mut impl Write, progress: &ProgressBar) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = source.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        target.write_all(&chunk[..read])?;
        progress.inc(read as u64);
    }
}

/// Passes bytes on and takes their fingerprint.
struct Hashing<W> {
    inner: W,
    digest: Sha256,
    bytes: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
            bytes: 0,
        }
    }

    fn fingerprint(self) -> Fingerprint {
        Fingerprint {
            bytes: self.bytes,
            sha256: hex::encode(self.digest.finalize()),
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
