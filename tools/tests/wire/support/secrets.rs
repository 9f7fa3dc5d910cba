//! Finding what must not be said, in whatever form it was written.

use std::collections::{BTreeSet, HashMap};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::http::percent_encoded;

/// What a text tells about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Secret {
    /// A holder's name.
    Name,
    /// The number of a holder's ID document.
    Id,
    /// The number of a certificate.
    Number,
}

/// Where a secret was found. Does not hold it: what a failing test prints is read by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leak {
    /// Which one, in the order in which they were added.
    pub(crate) secret: usize,
    /// What it tells.
    pub(crate) kind: Secret,
    /// How it is written.
    pub(crate) form: &'static str,
    /// Where, in bytes.
    pub(crate) at: usize,
}

/// Bytes at the start of every pattern, by which it is looked up. Shorter ones would be found
/// by chance in megabytes of keys and ciphertext.
const START: usize = 6;

/// Texts about persons, ready to be searched for.
#[derive(Default)]
pub(crate) struct Secrets {
    added: BTreeSet<(Secret, String)>,
    /// By their first bytes: the rest of the pattern, and what it is.
    patterns: HashMap<[u8; START], Vec<(Vec<u8>, Leak)>>,
}

impl Secrets {
    /// Adds a text. One that is too short to be told from chance is left out, as is one that
    /// was added before.
    pub(crate) fn add(&mut self, kind: Secret, text: &str) {
        if text.len() < START || !self.added.insert((kind, text.to_owned())) {
            return;
        }
        let secret = self.added.len() - 1;
        for (form, pattern) in forms(text) {
            let Some(start) = pattern.first_chunk::<START>() else {
                continue;
            };
            let leak = Leak {
                secret,
                kind,
                form,
                at: 0,
            };
            let rest = pattern[START..].to_vec();
            self.patterns.entry(*start).or_default().push((rest, leak));
        }
    }

    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.added.len()
    }

    /// Every place of `bytes` that holds one of them.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<Leak> {
        // Most places are ruled out by two bytes, without hashing.
        let mut begins = vec![false; 1 << 16];
        let pair = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        self.patterns
            .keys()
            .for_each(|start| begins[pair(start)] = true);
        let mut leaks = Vec::new();
        for (at, window) in bytes.windows(START).enumerate() {
            if !begins[pair(window)] {
                continue;
            }
            let start: [u8; START] = window.try_into().expect("a window");
            for (rest, leak) in self.patterns.get(&start).into_iter().flatten() {
                if bytes[at + START..].starts_with(rest) {
                    leaks.push(Leak { at, ..*leak });
                }
            }
        }
        leaks
    }
}

/// The ways in which programs write a text.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let per_byte = |write: fn(&u8) -> String, between: &str| {
        bytes.iter().map(write).collect::<Vec<_>>().join(between)
    };
    let escaped: String = bytes.escape_ascii().to_string();
    let json = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    let bare: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut forms = vec![
        ("as it is", bytes.to_vec()),
        ("without separators", bare.clone().into_bytes()),
        ("in lower case", bare.to_lowercase().into_bytes()),
        (
            "hexadecimal",
            per_byte(|byte| format!("{byte:02x}"), "").into_bytes(),
        ),
        (
            "HEXADECIMAL",
            per_byte(|byte| format!("{byte:02X}"), "").into_bytes(),
        ),
        ("list of bytes", per_byte(u8::to_string, ", ").into_bytes()),
        (
            "list without spaces",
            per_byte(u8::to_string, ",").into_bytes(),
        ),
        ("escaped bytes", escaped.into_bytes()),
        ("JSON escapes", json.collect::<String>().into_bytes()),
        ("percent-encoded", percent_encoded(text).into_bytes()),
        (
            "percent-encoded, lower",
            percent_encoded(text).to_lowercase().into_bytes(),
        ),
    ];
    for offset in 0..3 {
        let inner = base64_within(bytes, offset);
        let url = inner.replace('+', "-").replace('/', "_");
        forms.push(("Base64", inner.into_bytes()));
        forms.push(("Base64 for URLs", url.into_bytes()));
    }
    forms.sort_by(|(_, a), (_, b)| a.cmp(b));
    forms.dedup_by(|(_, a), (_, b)| a == b);
    forms
}

/// Those characters of Base64 that depend on the bytes alone, when `offset` other bytes stand
/// before them in their group of three.
fn base64_within(bytes: &[u8], offset: usize) -> String {
    let padded = [&vec![0; offset], bytes].concat();
    let text = BASE64_STANDARD.encode(&padded);
    let (first, end) = (offset.div_ceil(3) + offset, padded.len() * 8 / 6);
    text[first..end].to_owned()
}

#[test]
fn every_form_of_a_secret_is_found_and_nothing_else() {
    let mut secrets = Secrets::default();
    secrets.add(Secret::Name, "欧阳凌霄");
    secrets.add(Secret::Id, "11010519491231002X");
    secrets.add(Secret::Number, "S000033010006243000001");
    secrets.add(Secret::Name, "张");
    assert_eq!(secrets.len(), 3, "a single character is no pattern");

    let found = |bytes: &[u8]| {
        secrets
            .find(bytes)
            .iter()
            .map(|leak| leak.kind)
            .collect::<Vec<_>>()
    };
    let name = "欧阳凌霄";
    let mut leaks: Vec<Vec<u8>> = vec![
        format!("holder {name} refused").into(),
        hex::encode(format!("x{name}")).into(),
        hex::encode_upper(format!("{name}x")).into(),
        format!("{:?}", name.as_bytes()).into(),
        format!("{:?}", bytes::Bytes::from_static(name.as_bytes())).into(),
        serde_json::to_vec(&name.as_bytes()).unwrap(),
        b"\\u6b27\\u9633\\u51cc\\u9704".to_vec(),
        b"name=%E6%AC%A7%E9%98%B3%E5%87%8C%E9%9C%84&".to_vec(),
    ];
    let around = ["", "a", "ab", "abc"];
    for before in around {
        for after in around {
            leaks.push(
                BASE64_STANDARD
                    .encode(format!("{before}{name}{after}"))
                    .into(),
            );
        }
    }
    for leak in leaks {
        assert_eq!(found(&leak), [Secret::Name], "{}", leak.escape_ascii());
    }
    assert_eq!(found(b"id 11010519491231002x"), [Secret::Id]);
    assert_eq!(found(b"S000033010006243000001"), [Secret::Number]);
    assert_eq!(found("欧阳凌, S00003301000624300000, 张".as_bytes()), []);
}
