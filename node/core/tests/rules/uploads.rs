//! Uploads to a mirror: their form, and which of them may begin.

use huren_core::{
    merkle::{Hash, decode_bundle},
    mirror::{
        MAX_PACKAGES, PackageRange, Standing, UploadHeader, UploadRefusal, UploadedPackage,
        next_entry,
    },
    replicate::check_package,
};
use proptest::prelude::*;

use crate::common::{Federation, Log};

fn header(start: u64, end: u64) -> UploadHeader {
    UploadHeader {
        origin: "log.example".parse().unwrap(),
        start,
        end,
        ticket: b"any".to_vec(),
    }
}

fn encode(header: &UploadHeader) -> Vec<u8> {
    let text = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap();
        [&length.to_be_bytes()[..], bytes].concat()
    };
    [
        text(header.origin.as_str().as_bytes()),
        header.start.to_be_bytes().to_vec(),
        header.end.to_be_bytes().to_vec(),
        text(&header.ticket),
    ]
    .concat()
}

#[test]
fn a_head_is_read_once_it_is_whole() {
    let header = header(300, 1000);
    let bytes = encode(&header);
    for length in 0..bytes.len() {
        assert_eq!(UploadHeader::read(&bytes[..length]), Ok(None));
    }
    let with_more = [&bytes[..], b"more"].concat();
    let read = UploadHeader::read(&with_more).unwrap().unwrap();
    assert_eq!(read, (header, bytes.len()));

    let malformed = Err(UploadRefusal::Malformed);
    let backwards = encode(&self::header(7, 6));
    assert_eq!(UploadHeader::read(&backwards), malformed);
    // No origin, one of two lines, one that is not UTF-8.
    for origin in [&b""[..], b"a\nb", b"\xff"] {
        let length = u16::try_from(origin.len()).unwrap().to_be_bytes();
        let bytes = [&length[..], origin, &[0; 18]].concat();
        assert_eq!(UploadHeader::read(&bytes), malformed);
    }
}

#[test]
fn the_canonical_sequence_is_cut_at_multiples_of_256() {
    let check = |start, end, expected: &[(u64, std::ops::Range<u64>)]| {
        let packages: Vec<_> = header(start, end)
            .packages()
            .map(|range| (range.number, range.entries.clone()))
            .collect();
        assert_eq!(packages, expected, "{start}..{end}");
    };
    check(0, 0, &[]);
    check(700, 700, &[]);
    check(0, 1, &[(0, 0..1)]);
    check(0, 256, &[(0, 0..256)]);
    check(255, 257, &[(0, 255..256), (1, 256..257)]);
    check(300, 700, &[(1, 300..512), (2, 512..700)]);
    check(512, 513, &[(2, 512..513)]);
    let last = header(u64::MAX - 1, u64::MAX).packages().last().unwrap();
    assert_eq!(last.entries, u64::MAX - 1..u64::MAX);
    assert_eq!(last.before(), 254);
}

fn package(log: &Log<'_>, range: &PackageRange, size: u64) -> Vec<u8> {
    let (entries, proof) = log.package(range.number, size);
    let entries = decode_bundle(&entries).unwrap();
    let mut bytes = Vec::new();
    for entry in &entries[usize::try_from(range.before()).unwrap()..] {
        bytes.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes.push(u8::try_from(proof.len()).unwrap());
    bytes.extend(proof.iter().flat_map(Hash::as_bytes));
    bytes
}

#[test]
fn packages_are_read_once_they_are_whole_and_check_out() {
    let federation = Federation::new();
    let log = Log::of_junk(federation.province("33"), 700, "");
    let ranges: Vec<_> = header(300, 700).packages().collect();
    for range in &ranges {
        let bytes = package(&log, range, 700);
        for length in (0..bytes.len()).step_by(7) {
            assert_eq!(range.read(&bytes[..length]), Ok(None));
        }
        let with_more = [&bytes[..], b"more"].concat();
        let (UploadedPackage { entries, proof }, length) = range.read(&with_more).unwrap().unwrap();
        assert_eq!(length, bytes.len());
        // Behind what a mirror has already they make a whole package.
        let (whole, _) = log.package(range.number, 700);
        let held = whole.len() - entries.len();
        let entries = [&whole[..held], &entries].concat();
        let number = range.number;
        check_package(number, &entries, &proof, 700, &log.root(700)).unwrap();
    }
}

#[test]
fn a_proof_of_more_than_63_hashes_is_none() {
    let range = header(0, 1).packages().next().unwrap();
    let with = |hashes: u8| [&[0, 0, hashes][..], &vec![0; usize::from(hashes) * 32]].concat();
    assert!(range.read(&with(63)).unwrap().is_some());
    assert_eq!(range.read(&with(64)), Err(UploadRefusal::Proof));
    assert_eq!(range.read(&[0, 0, 64]), Err(UploadRefusal::Proof));
}

#[test]
fn an_upload_begins_where_the_mirror_stands() {
    let standing = Standing {
        pending: vec![600, 900, 20_000],
        head: 300,
        next: 512,
    };
    let check = |start, end, expected: Result<(), UploadRefusal>, info: &str| {
        let header = header(start, end);
        assert_eq!(standing.admit(&header), expected, "{start}..{end}");
        assert_eq!(standing.info(end), info);
    };
    for start in [0, 299, 300, 511, 512] {
        check(start, 900, Ok(()), "900\n512\n\n");
        check(start, 600, Ok(()), "600\n512\n\n");
    }
    check(300, 300, Ok(()), "300\n512\n\n");
    check(0, 300, Ok(()), "300\n512\n\n");
    check(512, 20_000, Ok(()), "20000\n512\n\n");
    let unknown = Err(UploadRefusal::UnknownSize);
    for end in [299, 301, 899, 20_001, u64::MAX] {
        check(0, end, unknown, "20000\n512\n\n");
    }
    check(513, 900, Err(UploadRefusal::Gap), "900\n512\n\n");
    check(900, 900, Err(UploadRefusal::Gap), "900\n512\n\n");

    let ahead = Standing {
        pending: vec![600, 900],
        head: 700,
        next: 700,
    };
    let below = Err(UploadRefusal::BelowHead);
    assert_eq!(ahead.admit(&header(512, 600)), below);
    assert_eq!(ahead.info(600), "900\n700\n\n");
    let overtaken = Standing {
        pending: vec![600],
        ..ahead
    };
    assert_eq!(overtaken.info(600), "700\n700\n\n");

    let most = MAX_PACKAGES * 256;
    let far = Standing {
        pending: vec![2 * most],
        head: most + 1,
        next: most + 1,
    };
    assert_eq!(far.admit(&header(1, 2 * most)), Ok(()));
    let held = Err(UploadRefusal::HeldAlready);
    assert_eq!(far.admit(&header(0, 2 * most)), held);

    let new = Standing {
        pending: Vec::new(),
        head: 0,
        next: 0,
    };
    assert_eq!(new.admit(&header(0, 0)), Err(UploadRefusal::NoPending));
}

#[test]
fn the_next_entry_is_the_first_that_is_missing() {
    let check = |head, held: &[(u64, u16)], expected| {
        assert_eq!(next_entry(head, held), expected, "{head} {held:?}");
    };
    check(0, &[], 0);
    check(300, &[], 300);
    check(0, &[(0, 256), (1, 256), (2, 7)], 519);
    check(0, &[(0, 7), (1, 256)], 7);
    check(0, &[(1, 256)], 0);
    check(300, &[(1, 44)], 300);
    check(300, &[(1, 256), (3, 256)], 512);
    check(512, &[(2, 9)], 521);
    check(512, &[(3, 9)], 512);
}

#[test]
fn every_refusal_has_its_code_and_sentences() {
    use UploadRefusal::*;
    let all = [
        Malformed,
        UnknownLog,
        NoPending,
        UnknownSize,
        BelowHead,
        Gap,
        HeldAlready,
        Proof,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(|refusal| refusal.code()).collect();
    assert_eq!(codes.len(), all.len());
    for refusal in all {
        assert!(refusal.code().starts_with("UPLOAD_"));
        assert!(!refusal.zh().is_ascii() && refusal.to_string().is_ascii());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic_or_read_beyond(bytes in prop::collection::vec(any::<u8>(), 0..200), start in 0u64..600, more in 0u64..600) {
        if let Ok(Some((header, length))) = UploadHeader::read(&bytes) {
            prop_assert_eq!(&encode(&header)[..], &bytes[..length]);
        }
        for range in header(start, start + more).packages() {
            if let Ok(Some((package, length))) = range.read(&bytes) {
                prop_assert_eq!(package.entries.len() + 1 + 32 * package.proof.len(), length);
            }
        }
    }
}
