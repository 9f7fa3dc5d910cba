//! XML, event by event, each of a bounded length.

use std::io::{self, BufReader, Read};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

use super::package::{Part, refused};
use crate::{MAX_ROW_BYTES, TableError, too_much};

/// Elements within elements; the parts that are read here have fewer than ten levels.
const DEEPEST: usize = 64;

/// A part that is being read as XML.
pub(super) struct Xml {
    reader: Reader<BufReader<Metered>>,
    buffer: Vec<u8>,
    depth: usize,
    /// Which part, for errors.
    what: &'static str,
}

impl Xml {
    pub(super) fn new(part: Part, what: &'static str) -> Self {
        let metered = Metered {
            inner: part,
            since_event: 0,
        };
        let mut reader = Reader::from_reader(BufReader::with_capacity(32 * 1024, metered));
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            depth: 0,
            what,
        }
    }

    /// The next event, [`Event::Eof`] at the end.
    pub(super) fn next(&mut self) -> Result<Event<'_>, TableError> {
        self.buffer.clear();
        self.reader.get_mut().get_mut().since_event = 0;
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) => {
                let error = io::Error::new(error.kind(), error);
                return Err(refused(error, self.what));
            }
            Err(_) => return Err(TableError::Damaged(self.what)),
        };
        match &event {
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            // Entities of one's own can grow without end; workbooks have none.
            Event::DocType(_) => return Err(TableError::Damaged(self.what)),
            _ => {}
        }
        if self.depth > DEEPEST {
            return Err(TableError::Damaged(self.what));
        }
        Ok(event)
    }

    /// Adds the text up to the end of the element that was begun last, whatever lies in it but
    /// what is spelt beside it for reading aloud (`rPh`).
    pub(super) fn text_into(&mut self, text: &mut String, most: usize) -> Result<(), TableError> {
        let what = self.what;
        let outside = self.depth.saturating_sub(1);
        let (mut in_text, mut phonetic) = (None, None);
        while self.depth > outside {
            // The depth before the event, which borrows the reader.
            let depth = self.depth;
            match self.next()? {
                Event::Start(start) => match start.local_name().as_ref() {
                    "rPh" => phonetic = phonetic.or(Some(depth + 1)),
                    "t" => in_text = in_text.or(Some(depth + 1)),
                    _ => {}
                },
                Event::End(_) => {
                    phonetic = phonetic.filter(|at| *at < depth);
                    in_text = in_text.filter(|at| *at < depth);
                }
                Event::Text(part) if in_text.is_some() && phonetic.is_none() => {
                    text.push_str(&part.xml10_content());
                }
                Event::CData(part) if in_text.is_some() && phonetic.is_none() => {
                    text.push_str(&part.xml10_content());
                }
                Event::GeneralRef(name) if in_text.is_some() && phonetic.is_none() => {
                    text.push(character(&name).ok_or(TableError::Damaged(what))?);
                }
                Event::Eof => return Err(TableError::Damaged(what)),
                _ => {}
            }
            if text.len() > most {
                return Err(TableError::TooLarge(what));
            }
        }
        Ok(())
    }

    /// The same of an element that holds nothing but text.
    pub(super) fn plain_into(&mut self, text: &mut String, most: usize) -> Result<(), TableError> {
        let what = self.what;
        loop {
            match self.next()? {
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::CData(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(name) => {
                    text.push(character(&name).ok_or(TableError::Damaged(what))?);
                }
                Event::End(_) => return Ok(()),
                Event::Start(_) | Event::Eof => return Err(TableError::Damaged(what)),
                _ => {}
            }
            if text.len() > most {
                return Err(TableError::TooLarge(what));
            }
        }
    }

    /// Reads past the element that was begun last.
    pub(super) fn skip(&mut self) -> Result<(), TableError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if matches!(self.next()?, Event::Eof) {
                return Err(TableError::Damaged(self.what));
            }
        }
        Ok(())
    }
}

/// An attribute, whatever its prefix is.
pub(super) fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut all = start.attributes();
    let mut all = all.with_checks(false).flatten();
    let found = all.find(|one| one.key.local_name().as_ref() == name)?;
    let value = found.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.into_owned())
}

fn character(name: &BytesRef<'_>) -> Option<char> {
    match name.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => name.resolve_char_ref().ok().flatten(),
    }
}

/// Fails where one event gets too long.
struct Metered {
    inner: Part,
    since_event: u64,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_event > MAX_ROW_BYTES {
            return Err(too_much());
        }
        let length = self.inner.read(buffer)?;
        self.since_event += length as u64;
        Ok(length)
    }
}
