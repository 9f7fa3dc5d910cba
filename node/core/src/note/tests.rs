use proptest::prelude::*;

use super::*;

/// `signed-note`, "Example".
const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn key(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(name.parse().unwrap(), &[seed; 32])
}

#[test]
fn the_example_of_the_specification() {
    let vkey = key(VKEY);
    assert_eq!(vkey.name().as_str(), "example.com/foo");
    assert_eq!(vkey.key_id(), 0x530d_903a);
    assert_eq!(vkey.signature_type(), SignatureType::Ed25519);
    assert_eq!(vkey.to_string(), VKEY);
    let note = Note::parse(NOTE).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), NOTE);
    assert_eq!(note.verify(std::slice::from_ref(&vkey)), Ok(vec![&vkey]));
}

#[test]
fn the_other_notes_of_the_specifications_read_back() {
    for text in [
        "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n",
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n",
    ] {
        assert_eq!(Note::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_note() {
    let cases: [(&[u8], NoteError); 14] = [
        (b"", NoteError::Structure),
        (b"text\n", NoteError::Structure),
        (b"text\n\n", NoteError::Structure),
        (b"\n\n", NoteError::Structure),
        (b"text\n\nnot a signature\n", SignatureLineError.into()),
        ("text\n\n— a AAAAAAE=".as_bytes(), NoteError::Structure),
        (
            "text\n\n— a AAAAAA==\n".as_bytes(),
            SignatureLineError.into(),
        ),
        (
            "text\n\n— a AAAAAAE\n".as_bytes(),
            SignatureLineError.into(),
        ),
        (
            "text\n\n— a+b AAAAAAE=\n".as_bytes(),
            SignatureLineError.into(),
        ),
        (
            "text\n\n—  AAAAAAE=\n".as_bytes(),
            SignatureLineError.into(),
        ),
        (
            "text\n\n— a  AAAAAAE=\n".as_bytes(),
            SignatureLineError.into(),
        ),
        (
            "text\n\n- a AAAAAAE=\n".as_bytes(),
            SignatureLineError.into(),
        ),
        (
            "te\txt\n\n— a AAAAAAE=\n".as_bytes(),
            NoteError::ControlCharacter,
        ),
        (b"te\xffxt\n\n- a AAAAAAE=\n", NoteError::Utf8),
    ];
    for (bytes, error) in cases {
        assert_eq!(
            Note::parse(bytes),
            Err(error),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    // A line of spaces that are not U+0020 is no separator between name and signature.
    assert!(Note::parse("text\n\n—\u{a0}a AAAAAAE=\n").is_err());
    assert!(Note::parse("text\n\n— a\u{2003}b AAAAAAE=\n").is_err());
    // The empty text is one newline.
    assert_eq!(Note::parse("\n\n— a AAAAAAE=\n").unwrap().text(), "\n");
}

#[test]
fn limits() {
    let line = "— a AAAAAAE=\n";
    let note = |count| format!("text\n\n{}", line.repeat(count));
    assert_eq!(Note::parse(note(64)).unwrap().signatures().len(), 64);
    assert_eq!(Note::parse(note(65)), Err(NoteError::TooManySignatures));
    let text = |length| format!("{}\n\n{line}", "x".repeat(length - 1));
    assert!(Note::parse(text(MAX_TEXT_LEN)).is_ok());
    assert_eq!(
        Note::parse(text(MAX_TEXT_LEN + 1)),
        Err(NoteError::TextTooLong)
    );
    assert_eq!(Note::new("no newline".into()), Err(NoteError::Structure));
}

#[test]
fn what_is_no_verifier_key() {
    let zeros = |first: u8, length| STANDARD.encode([vec![first], vec![0u8; length]].concat());
    let id = "530d903a";
    let cases = [
        ("".to_owned(), VerifierKeyError::Structure),
        ("a+b".to_owned(), VerifierKeyError::Structure),
        (
            VKEY.replace("530d903a", "530D903A"),
            VerifierKeyError::Structure,
        ),
        (
            VKEY.replace("530d903a", "30d903a"),
            VerifierKeyError::Structure,
        ),
        (
            VKEY.replace("530d903a", "+30d903a"),
            VerifierKeyError::Structure,
        ),
        (format!("{VKEY}="), VerifierKeyError::Structure),
        (format!("a+{id}+"), VerifierKeyError::Structure),
        (
            format!("a+{id}+{}", zeros(6, 1312)),
            VerifierKeyError::UnsupportedType(6),
        ),
        (
            format!("a+{id}+{}", zeros(2, 32)),
            VerifierKeyError::UnsupportedType(2),
        ),
        (
            format!("a+{id}+{}", zeros(1, 31)),
            VerifierKeyError::PublicKey,
        ),
        (
            format!("a+{id}+{}", zeros(1, 32)),
            VerifierKeyError::SmallOrder,
        ),
        (
            VKEY.replace("example.com/foo", ""),
            VerifierKeyError::Name(KeyNameError),
        ),
        (
            VKEY.replace("example", "exam ple"),
            VerifierKeyError::Name(KeyNameError),
        ),
        (
            VKEY.replace("530d903a", "530d903b"),
            VerifierKeyError::KeyId {
                found: 0x530d_903b,
                computed: 0x530d_903a,
            },
        ),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text}");
    }
}

#[test]
fn rules_of_verification() {
    let (ours, others) = (signer("a.example", 1), signer("b.example", 2));
    let known = [ours.verifier_key().clone()];
    let note = Note::new("text\n".into()).unwrap();
    let signed_by = |signatures: &[&NoteSignature]| {
        note.with_signatures(signatures.iter().map(|s| (*s).clone()))
            .unwrap()
    };
    let good = ours.sign("text\n");
    let unknown = others.sign("text\n");
    let wrong = ours.sign("another text\n");
    assert_eq!(
        signed_by(&[]).verify(&known),
        Err(NoteVerifyError::NoKnownSignature)
    );
    assert_eq!(
        signed_by(&[&unknown]).verify(&known),
        Err(NoteVerifyError::NoKnownSignature)
    );
    assert_eq!(
        signed_by(&[&good]).verify(&[]),
        Err(NoteVerifyError::NoKnownSignature)
    );
    // Once, even if the line is there twice; unknown ones are not looked at.
    assert_eq!(
        signed_by(&[&unknown, &good, &good]).verify(&known),
        Ok(vec![&known[0]])
    );
    let bad = NoteVerifyError::BadSignature {
        name: "a.example".parse().unwrap(),
        source: SignatureError::Ed25519,
    };
    assert_eq!(signed_by(&[&good, &wrong]).verify(&known), Err(bad.clone()));
    assert_eq!(signed_by(&[&wrong]).verify(&known), Err(bad));
    // A shared name or a shared ID alone makes no known key.
    let renamed = NoteSignature {
        name: "c.example".parse().unwrap(),
        ..good.clone()
    };
    let other_id = NoteSignature {
        key_id: good.key_id ^ 1,
        ..good.clone()
    };
    assert_eq!(
        signed_by(&[&renamed, &other_id]).verify(&known),
        Err(NoteVerifyError::NoKnownSignature)
    );
    let short = NoteSignature {
        signature: vec![0; 63],
        ..good.clone()
    };
    assert!(matches!(
        signed_by(&[&short]).verify(&known),
        Err(NoteVerifyError::BadSignature {
            source: SignatureError::Length(63),
            ..
        })
    ));
    // The same key listed twice is no ambiguity.
    let twice = [known[0].clone(), known[0].clone()];
    assert!(signed_by(&[&good]).verify(&twice).is_ok());
}

#[test]
fn debug_output_has_no_private_key() {
    let signer = signer("a.example", 7);
    assert!(!format!("{signer:?}").contains(&STANDARD.encode([7u8; 32])));
    assert!(!format!("{signer:?}").contains(&hex::encode([7u8; 32])));
}

proptest! {
    #[test]
    fn what_is_read_is_displayed_byte_for_byte(
        text in "([a-zé—]{0,5}\n){1,4}", lines in prop::collection::vec("— [a-zé/.]{1,9} [A-Za-z0-9+/]{8,16}={0,2}", 1..4),
    ) {
        let bytes = format!("{text}\n{}\n", lines.join("\n"));
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.to_string(), bytes);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "(\n|— |[a +=]|\\PC){0,40}") {
        let _ = Note::parse(&text);
        let _ = text.parse::<VerifierKey>();
    }

    #[test]
    fn signed_notes_verify_and_changed_ones_do_not(seed: [u8; 32], line in "[^\\x00-\\x1f]{0,30}") {
        let signer = NoteSigner::from_seed("a.example".parse().unwrap(), &seed);
        let text = format!("{line}\n");
        let mut note = Note::new(text.clone()).unwrap();
        note.add(signer.sign(&text)).unwrap();
        let read = Note::parse(note.to_string()).unwrap();
        prop_assert_eq!(&read, &note);
        let keys = [signer.verifier_key().to_string().parse().unwrap()];
        prop_assert_eq!(read.verify(&keys).unwrap().len(), 1);
        let changed = Note { text: format!("x{text}"), ..read };
        prop_assert!(changed.verify(&keys).is_err());
    }
}
