//! How far a file has been read.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Bytes that were read, of how many. The reader holds the other half.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    read: Arc<AtomicU64>,
    all: u64,
}

/// Counts the bytes that are read.
pub(crate) struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl Passed {
    /// Follows a reader of so many bytes; 0 if nobody knows how many.
    pub(crate) fn following<R: Read>(inner: R, all: u64) -> (Self, Counted<R>) {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner,
            read: Arc::clone(&read),
        };
        (Self { read, all }, counted)
    }

    /// In thousandths; 0 if that is not known.
    pub(crate) fn permille(&self) -> u32 {
        let read = self.read.load(Ordering::Relaxed).min(self.all);
        let permille = (u128::from(read) * 1000).checked_div(self.all.into());
        permille.map_or(0, |permille| u32::try_from(permille).unwrap_or(1000))
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// How long a file is; 0 of what has no end yet, such as a pipe. It is read on from where it was.
pub(crate) fn length(file: &mut impl Seek) -> io::Result<u64> {
    let Ok(here) = file.stream_position() else {
        return Ok(0);
    };
    let end = file.seek(SeekFrom::End(0)).unwrap_or(0);
    file.seek(SeekFrom::Start(here))?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn what_was_read_is_told_in_thousandths() {
        let mut file = Cursor::new(vec![0; 3000]);
        file.set_position(7);
        assert_eq!(length(&mut file).unwrap(), 3000);
        assert_eq!(file.position(), 7);
        let (passed, mut counted) = Passed::following(file, 2993);
        assert_eq!(passed.permille(), 0);
        counted.read_exact(&mut [0; 1000]).unwrap();
        assert_eq!(passed.permille(), 334);
        counted.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(passed.permille(), 1000);
    }

    #[test]
    fn of_what_has_no_length_nothing_is_told() {
        let (passed, mut counted) = Passed::following(Cursor::new(vec![0; 9]), 0);
        counted.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(passed.permille(), 0);
    }
}
