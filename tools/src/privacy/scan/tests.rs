use std::io::{self, Read};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use encoding_rs::GB18030;

use super::*;

const NAME: &str = "欧阳凌霄";

fn words() -> Words {
    let mut words = Words::default();
    words.add(Secret::Name, 1, NAME);
    words.add(Secret::Id, 2, "11010519491231002X");
    words.add(Secret::Number, 3, "S000033010006243000001");
    words.add(Secret::Name, 4, "张");
    words
}

fn kinds(search: &Search, bytes: &[u8]) -> Vec<Secret> {
    search.find(bytes).iter().map(|leak| leak.kind).collect()
}

#[test]
fn every_form_of_a_secret_is_found_and_nothing_else() {
    let words = words();
    assert_eq!(words.len(), 3, "a single character is no pattern");
    let search = words.searches().next().unwrap();
    let (gb18030, _, _) = GB18030.encode(NAME);
    let mut leaks: Vec<Vec<u8>> = vec![
        format!("holder {NAME} refused").into(),
        hex::encode(format!("x{NAME}")).into(),
        hex::encode_upper(format!("{NAME}x")).into(),
        format!("{:?}", NAME.as_bytes()).into(),
        format!("{:?}", bytes::Bytes::from_static(NAME.as_bytes())).into(),
        serde_json::to_vec(&NAME.as_bytes()).unwrap(),
        b"\\u6b27\\u9633\\u51cc\\u9704".to_vec(),
        b"name=%E6%AC%A7%E9%98%B3%E5%87%8C%E9%9C%84&".to_vec(),
        [b"x", &gb18030[..], b"x"].concat(),
        hex::encode(&gb18030).into(),
        NAME.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        NAME.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ];
    let around = ["", "a", "ab", "abc"];
    for before in around {
        for after in around {
            let utf8 = format!("{before}{NAME}{after}").into_bytes();
            let other = [before.as_bytes(), &gb18030, after.as_bytes()].concat();
            for bytes in [utf8, other] {
                leaks.push(BASE64_STANDARD.encode(bytes).into());
            }
        }
    }
    for leak in leaks {
        assert_eq!(
            kinds(&search, &leak),
            [Secret::Name],
            "{}",
            leak.escape_ascii()
        );
    }
    assert_eq!(kinds(&search, b"id 11010519491231002x"), [Secret::Id]);
    assert_eq!(kinds(&search, b"S000033010006243000001"), [Secret::Number]);
    let nothing = "欧阳凌, S00003301000624300000, 张";
    assert_eq!(kinds(&search, nothing.as_bytes()), []);
}

/// Gives as many bytes at a time as it is told to.
struct Dripping<'a>(&'a [u8], usize);

impl Read for Dripping<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(into.len());
        (&mut self.0).read(&mut into[..count])
    }
}

#[test]
fn a_stream_tells_the_same_places_however_it_comes() {
    let words = words();
    let search = words.searches().next().unwrap();
    let text = format!("{NAME}, {}{NAME}", "x".repeat(3000));
    let expected = search.find(text.as_bytes());
    assert_eq!(expected.len(), 2);
    // One byte at a time, pieces that part a pattern, and all at once.
    for size in [1, 7, 3010, usize::MAX] {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let from = Dripping(text.as_bytes(), size);
        let read = search.stream(from, |count| bytes += count, |leak| found.push(leak));
        read.unwrap();
        assert_eq!((found, bytes), (expected.clone(), text.len()));
    }
}

#[test]
fn words_come_from_the_columns_that_hold_them() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.csv");
    let text = format!(
        "姓名,职业,证件号码,证书编号\n{NAME},厨师长官,1101 0519491231002x,S000033010006243000001\n"
    );
    let (gb18030, _, _) = GB18030.encode(&text);
    std::fs::write(&table, gb18030).unwrap();
    let mut words = Words::default();
    assert_eq!(words.read(&table).unwrap(), 1);
    let search = words.searches().next().unwrap();
    assert_eq!(kinds(&search, NAME.as_bytes()), [Secret::Name]);
    assert_eq!(kinds(&search, b"11010519491231002X"), [Secret::Id]);
    assert_eq!(kinds(&search, "厨师长官".as_bytes()), []);

    std::fs::write(&table, "a,b\n1,2\n").unwrap();
    assert!(Words::default().read(&table).is_err());
}
