//! Text encodings: provinces' systems export UTF-8 or GB 18030, with or without saying so.

use std::io::{self, Read};

use encoding_rs::{Decoder, GB18030, UTF_8};
use serde::Serialize;

use crate::TableError;

/// How a table's text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8
    #[cfg_attr(feature = "clap", value(name = "utf-8"))]
    Utf8,
    /// UTF-8，带字节序标记（Excel 可直接打开） / with byte order mark, as Excel wants it
    #[cfg_attr(feature = "clap", value(name = "utf-8-bom"))]
    Utf8Bom,
    /// GB18030（含 GBK、GB2312）
    Gb18030,
}

impl Encoding {
    /// What stands before the first character.
    pub fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8Bom => b"\xef\xbb\xbf",
            Self::Utf8 | Self::Gb18030 => b"",
        }
    }

    pub(crate) fn rules(self) -> &'static encoding_rs::Encoding {
        match self {
            Self::Utf8 | Self::Utf8Bom => UTF_8,
            Self::Gb18030 => GB18030,
        }
    }
}

/// Tells the encoding from the beginning of a file, which has to hold more than ASCII to be
/// told apart; the header of a Chinese table does.
///
/// # Errors
/// [`TableError::Workbook`] and [`TableError::Utf16`] for files that are no text of a known
/// encoding.
pub fn detect(start: &[u8]) -> Result<Encoding, TableError> {
    match start {
        [b'P', b'K', 3, 4, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => return Err(TableError::Workbook),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(TableError::Utf16),
        [0xef, 0xbb, 0xbf, ..] => return Ok(Encoding::Utf8Bom),
        _ => {}
    }
    match std::str::from_utf8(start) {
        // No error length: the beginning ends within a character.
        Err(error) if error.error_len().is_some() => Ok(Encoding::Gb18030),
        _ => Ok(Encoding::Utf8),
    }
}

/// The delimiter that the first line has most of, outside quotes.
pub fn detect_delimiter(start: &[u8], encoding: Encoding) -> u8 {
    let (text, _) = encoding.rules().decode_with_bom_removal(start);
    let line = text.lines().next().unwrap_or_default();
    let unquoted: String = line.split('"').step_by(2).collect();
    let count = |delimiter: u8| unquoted.bytes().filter(|b| *b == delimiter).count();
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(b',')
}

/// Reads encoded text as UTF-8. What is malformed becomes U+FFFD, which the checks of
/// submissions refuse by name, so that one damaged row does not stop a file.
pub struct DecodingReader<R> {
    inner: R,
    decoder: Decoder,
    encoded: Box<[u8]>,
    decoded: Vec<u8>,
    /// How much of `decoded` has been handed out.
    taken: usize,
    finished: bool,
}

const CHUNK: usize = 16 * 1024;

impl<R: Read> DecodingReader<R> {
    /// Starts at the first byte, whether or not that is of a byte order mark.
    pub fn new(inner: R, encoding: Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.rules().new_decoder_with_bom_removal(),
            encoded: vec![0; CHUNK].into(),
            decoded: Vec::new(),
            taken: 0,
            finished: false,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let length = self.inner.read(&mut self.encoded)?;
        self.finished = length == 0;
        let room = self
            .decoder
            .max_utf8_buffer_length(length)
            .unwrap_or(CHUNK * 4);
        self.decoded.resize(room, 0);
        let encoded = &self.encoded[..length];
        let (_, _, written, _) =
            self.decoder
                .decode_to_utf8(encoded, &mut self.decoded, self.finished);
        self.decoded.truncate(written);
        self.taken = 0;
        Ok(())
    }
}

impl<R: Read> Read for DecodingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.decoded.len() {
            if self.finished {
                return Ok(0);
            }
            self.refill()?;
        }
        let mut rest = &self.decoded[self.taken..];
        let length = rest.read(buffer)?;
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a few bytes at a time, so that characters are split.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(3);
            self.0.read(&mut buffer[..length])
        }
    }

    const TEXT: &str = "证书编号,姓名\n张三·𠮷䶮,é€\n";

    #[test]
    fn encodings_are_told_and_read() {
        let check = |bytes: &[u8], expected| {
            let encoding = detect(bytes).unwrap();
            assert_eq!(encoding, expected);
            let mut text = String::new();
            DecodingReader::new(Drip(bytes), encoding)
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, TEXT);
        };
        check(TEXT.as_bytes(), Encoding::Utf8);
        check(format!("\u{feff}{TEXT}").as_bytes(), Encoding::Utf8Bom);
        check(&GB18030.encode(TEXT).0, Encoding::Gb18030);
    }

    #[test]
    fn a_beginning_may_end_within_a_character() {
        let check = |start: &[u8], expected: Result<Encoding, &str>| {
            assert_eq!(detect(start).map_err(|error| error.code()), expected);
        };
        check(&TEXT.as_bytes()[..4], Ok(Encoding::Utf8));
        check(b"PK\x03\x04...", Err("TABLE_WORKBOOK"));
        check(b"\xff\xfeA\0", Err("TABLE_UTF16"));
    }

    #[test]
    fn damage_becomes_visible() {
        let mut text = String::new();
        DecodingReader::new(&b"a\xff\xffb\xe5"[..], Encoding::Utf8)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "a\u{fffd}\u{fffd}b\u{fffd}");
    }

    #[test]
    fn delimiters() {
        let check = |line: &str, expected| {
            assert_eq!(
                detect_delimiter(line.as_bytes(), Encoding::Utf8),
                expected,
                "{line}"
            );
        };
        check("证书编号,姓名;曾用名,等级\n;;;;;", b',');
        check("证书编号;姓名;等级", b';');
        check("证书编号\t姓名\t\"a,b,c,d\"", b'\t');
        check("证书编号", b',');
    }
}
