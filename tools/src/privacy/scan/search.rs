//! Many patterns in a stream of bytes, in bounded memory.
//!
//! A pattern is looked up by its first bytes. A bitmap of their hashes rules out nearly every
//! place at the cost of one multiplication; an automaton for so many patterns would need a
//! hundred times the memory.

use std::io::{self, Read};

use super::words::{Row, Secret, Word, forms};

/// Bytes at the start of every pattern, by which it is looked up. Shorter ones would be found by
/// chance in megabytes of keys and ciphertext. So a name of two characters is not found in an
/// encoding that takes two bytes for each; nothing here writes one.
pub(super) const START: usize = 6;

/// Bits of the bitmap, as a power of two.
const BITS: u32 = 24;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// Where a text was found. Does not hold it: what a scan prints is read by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What it tells.
    pub kind: Secret,
    /// Where it comes from.
    pub row: Row,
    /// How it is written.
    pub form: &'static str,
    /// Where, in bytes.
    pub at: u64,
}

struct Pattern {
    /// Its first bytes.
    start: u64,
    /// Where it stands among all bytes.
    at: usize,
    length: usize,
    leak: Leak,
}

/// Patterns, ready to be searched for.
pub struct Search {
    bytes: Vec<u8>,
    /// Ascending by their first bytes.
    patterns: Vec<Pattern>,
    bitmap: Vec<u64>,
    longest: usize,
}

impl Search {
    /// For every form of some texts.
    pub(super) fn new(words: &[Word]) -> Self {
        let mut search = Self {
            bytes: Vec::new(),
            patterns: Vec::new(),
            bitmap: vec![0; 1 << (BITS - 6)],
            longest: START,
        };
        for Word { kind, row, text } in words {
            for (form, pattern) in forms(text) {
                let Some(start) = start(&pattern) else {
                    continue;
                };
                let leak = Leak {
                    kind: *kind,
                    row: *row,
                    form,
                    at: 0,
                };
                let bit = hash(start);
                search.bitmap[bit >> 6] |= 1 << (bit & 63);
                search.longest = search.longest.max(pattern.len());
                search.patterns.push(Pattern {
                    start,
                    at: search.bytes.len(),
                    length: pattern.len(),
                    leak,
                });
                search.bytes.extend_from_slice(&pattern);
            }
        }
        search.patterns.sort_by_key(|pattern| pattern.start);
        search
    }

    /// Reads to the end and tells every place that holds a pattern; `read` hears how many bytes
    /// were read each time.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn stream(
        &self,
        mut from: impl Read,
        mut read: impl FnMut(usize),
        mut found: impl FnMut(Leak),
    ) -> io::Result<()> {
        // What a pattern may have begun in stays in front of what comes next.
        let mut buffer = vec![0; self.longest + CHUNK];
        let (mut held, mut before) = (0, 0u64);
        loop {
            let room = &mut buffer[held..];
            let count = match from.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            };
            read(count);
            held += count;
            // At the end of the stream everything is decided, before it nothing that a pattern
            // could still reach beyond.
            let decided = if count == 0 {
                held
            } else {
                held.saturating_sub(self.longest - 1)
            };
            self.within(&buffer[..held], decided, |leak| {
                found(Leak {
                    at: before + leak.at,
                    ..leak
                });
            });
            if count == 0 {
                return Ok(());
            }
            buffer.copy_within(decided..held, 0);
            held -= decided;
            before += decided as u64;
        }
    }

    /// Every place of `bytes` that holds a pattern.
    pub fn find(&self, bytes: &[u8]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        self.within(bytes, bytes.len(), |leak| leaks.push(leak));
        leaks
    }

    /// Those that begin before `decided`.
    fn within(&self, bytes: &[u8], decided: usize, mut found: impl FnMut(Leak)) {
        for (at, window) in bytes.windows(START).enumerate().take(decided) {
            let Some(start) = start(window) else {
                continue;
            };
            let bit = hash(start);
            if self.bitmap[bit >> 6] & (1 << (bit & 63)) == 0 {
                continue;
            }
            let first = self
                .patterns
                .partition_point(|pattern| pattern.start < start);
            let candidates = self.patterns[first..].iter();
            for pattern in candidates.take_while(|pattern| pattern.start == start) {
                let whole = &self.bytes[pattern.at..pattern.at + pattern.length];
                if bytes[at..].starts_with(whole) {
                    found(Leak {
                        at: at as u64,
                        ..pattern.leak
                    });
                }
            }
        }
    }
}

/// The first bytes as a number; `None` if there are fewer.
fn start(bytes: &[u8]) -> Option<u64> {
    let start: &[u8; START] = bytes.first_chunk()?;
    let mut whole = [0; 8];
    whole[..START].copy_from_slice(start);
    Some(u64::from_le_bytes(whole))
}

/// Multiplicative hashing (Knuth, The Art of Computer Programming, 6.4), by the golden ratio.
const fn hash(start: u64) -> usize {
    (start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS)) as usize
}
