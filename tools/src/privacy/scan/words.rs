//! Texts about persons, and the forms in which programs write them.

use std::{collections::BTreeSet, fs::File, io::Read as _, path::Path};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use encoding_rs::GB18030;
use huren_core::normalise;

use crate::files::{DecodingReader, Kind, columns, detect, detect_delimiter};

/// What a text tells about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// A holder's name.
    Name,
    /// The number of a holder's ID document.
    Id,
    /// The number of a certificate.
    Number,
}

impl Secret {
    /// In both languages.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Name => "姓名 name",
            Self::Id => "证件号码 ID number",
            Self::Number => "证书编号 certificate number",
        }
    }

    /// For programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Id => "id",
            Self::Number => "number",
        }
    }

    /// The field of tables that holds it.
    const fn field(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Id => "id_number",
            Self::Number => "number",
        }
    }
}

/// Where a text comes from: the row of a table, from 1; or its place among those added.
pub type Row = u64;

/// Texts to be searched for. Those that are the same are one.
#[derive(Default)]
pub struct Words {
    seen: BTreeSet<(Secret, String)>,
    words: Vec<Word>,
}

/// One text.
pub(super) struct Word {
    pub(super) kind: Secret,
    pub(super) row: Row,
    pub(super) text: String,
}

/// How much of a table is looked at to tell its encoding.
const SAMPLE: u64 = 64 * 1024;

impl Words {
    /// Adds a text. One that is too short to be told from chance is left out, as is one that
    /// was added before.
    pub fn add(&mut self, kind: Secret, row: Row, text: &str) {
        if text.len() >= super::search::START && self.seen.insert((kind, text.to_owned())) {
            let text = text.to_owned();
            self.words.push(Word { kind, row, text });
        }
    }

    /// Adds the names, ID numbers and certificate numbers of a table; gives its rows.
    ///
    /// # Errors
    /// If it cannot be read, or has none of these columns.
    pub fn read(&mut self, path: &Path) -> Result<u64> {
        let shown = path.display();
        let mut file =
            File::open(path).with_context(|| format!("无法读取 / cannot read {shown}"))?;
        let mut sample = Vec::new();
        file.by_ref().take(SAMPLE).read_to_end(&mut sample)?;
        let encoding = detect(&sample)?;
        let delimiter = detect_delimiter(&sample, encoding);
        let bytes = std::io::Cursor::new(sample).chain(file);
        let mut table = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(DecodingReader::new(bytes, encoding));
        let names: Vec<String> = table.headers()?.iter().map(normalise::text).collect();
        let mut found = Vec::new();
        for kind in [Secret::Name, Secret::Id, Secret::Number] {
            let known = columns(Kind::Certificates);
            let known = known.iter().find(|column| column.field == kind.field());
            let known = known.map(|column| column.names).unwrap_or_default();
            let is_it = |name: &String| known.contains(&name.as_str());
            found.extend(names.iter().position(is_it).map(|at| (kind, at)));
        }
        if found.is_empty() {
            bail!(
                "没有姓名、证件号码或证书编号列 / there is no column of names, ID numbers or \
                 certificate numbers in {shown}"
            );
        }
        let mut rows = 0;
        for row in table.records() {
            let row = row.with_context(|| format!("无法读取 / cannot read {shown}"))?;
            rows += 1;
            for (kind, at) in &found {
                let cell = row.get(*at).unwrap_or_default().trim();
                self.add(*kind, rows, cell);
                let normal = match kind {
                    Secret::Name => normalise::name(cell),
                    Secret::Id => normalise::id(cell),
                    Secret::Number => normalise::number(cell),
                };
                self.add(*kind, rows, &normal);
            }
        }
        Ok(rows)
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn chunks(&self, size: usize) -> impl Iterator<Item = &[Word]> {
        self.words.chunks(size)
    }
}

/// The ways in which programs write a text.
pub(super) fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let escaped: String = bytes.escape_ascii().to_string();
    let json = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    let bare: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut forms = vec![
        ("as it is", bytes.to_vec()),
        ("without separators", bare.clone().into_bytes()),
        ("in lower case", bare.to_lowercase().into_bytes()),
        ("list of bytes", listed(bytes, ", ").into_bytes()),
        ("list without spaces", listed(bytes, ",").into_bytes()),
        ("escaped bytes", escaped.into_bytes()),
        ("JSON escapes", json.collect::<String>().into_bytes()),
        ("percent-encoded", percent_encoded(text).into_bytes()),
        (
            "percent-encoded, lower",
            percent_encoded(text).to_lowercase().into_bytes(),
        ),
        (
            "UTF-16, little-endian",
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        (
            "UTF-16, big-endian",
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ),
    ];
    forms.extend(as_text(bytes, ["hexadecimal", "Base64"]));
    let (gb18030, _, _) = GB18030.encode(text);
    if gb18030 != bytes {
        forms.push(("GB18030", gb18030.to_vec()));
        forms.extend(as_text(
            &gb18030,
            ["GB18030, hexadecimal", "GB18030, Base64"],
        ));
    }
    forms.sort_by(|(_, a), (_, b)| a.cmp(b));
    forms.dedup_by(|(_, a), (_, b)| a == b);
    forms
}

/// Bytes as texts hold them.
fn as_text(bytes: &[u8], [hexadecimal, base64]: [&'static str; 2]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![
        (hexadecimal, hex::encode(bytes).into_bytes()),
        (hexadecimal, hex::encode_upper(bytes).into_bytes()),
    ];
    for offset in 0..3 {
        let inner = base64_within(bytes, offset);
        let url = inner.replace('+', "-").replace('/', "_");
        forms.push((base64, inner.into_bytes()));
        forms.push((base64, url.into_bytes()));
    }
    forms
}

fn listed(bytes: &[u8], between: &str) -> String {
    let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
    bytes.join(between)
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Those characters of Base64 that depend on the bytes alone, when `offset` other bytes stand
/// before them in their group of three.
fn base64_within(bytes: &[u8], offset: usize) -> String {
    let padded = [&vec![0; offset], bytes].concat();
    let text = BASE64_STANDARD.encode(&padded);
    let (first, end) = (offset.div_ceil(3) + offset, padded.len() * 8 / 6);
    text[first..end].to_owned()
}
