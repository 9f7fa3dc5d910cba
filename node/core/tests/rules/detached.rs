//! Signatures of people who never meet, put together from files.

use huren_core::{
    note::NoteSigner,
    trust::{DetachedSignature, Edit, TrustChain, TrustList, assemble},
};

use crate::{
    ceremonies::chain,
    common::{Federation, sign, successor},
};

fn detached(text: &str, list: &TrustList, by: &[&NoteSigner]) -> Vec<DetachedSignature> {
    let sign = |signer: &&NoteSigner| {
        let made = DetachedSignature::sign(list, text, signer);
        // As it comes out of its file.
        let read: DetachedSignature = made.to_string().parse().unwrap();
        assert_eq!(read, made);
        read
    };
    by.iter().map(sign).collect()
}

#[test]
fn signatures_are_put_together_from_files() {
    let federation = Federation::new();
    let chain = chain(&federation);
    let old = &federation.roots;
    let new = ["1", "4", "5"].map(Federation::root);
    let mut list = successor(&chain);
    for key in ["4", "5"] {
        let key = Federation::root(key).verifier_key().to_string();
        list.edit(Edit::AddRootKey(key)).unwrap();
    }
    for gone in ["huren.example/root/2", "huren.example/root/3"] {
        list.edit(Edit::RemoveRootKey(gone.to_owned())).unwrap();
    }
    let text = list.to_text().unwrap();
    let check = |expected: (usize, usize), by: &[&NoteSigner]| {
        let found = assemble(Some(&chain), &text, &detached(&text, &list, by)).unwrap();
        let previous = found.previous.unwrap();
        assert_eq!((previous.have, found.new.have), expected);
        assert_eq!((previous.need, found.new.need), (2, 2));
        let extended = chain.extended(found.note.to_string().as_bytes());
        assert_eq!(extended.is_ok(), found.is_complete());
    };
    check((0, 0), &[]);
    check((1, 1), &[&old[0]]);
    check((1, 1), &[&old[0], &new[0]]);
    check((2, 1), &[&old[0], &old[1]]);
    check((0, 2), &[&new[1], &new[2]]);
    check((1, 2), &[&new[0], &new[1]]);
    check((2, 2), &[&old[0], &old[1], &new[1]]);
    check((2, 2), &[&old[0], &old[0], &old[1], &new[1], &new[1]]);

    let refused = |signatures: Vec<DetachedSignature>| {
        let found = assemble(Some(&chain), &text, &signatures);
        found.map(|_| ()).unwrap_err().code()
    };
    let stranger = NoteSigner::from_seed(old[0].name().clone(), &[9; 32]);
    assert_eq!(
        refused(detached(&text, &list, &[&stranger])),
        "SIGNATURE_NOT_A_ROOT"
    );
    let other = TrustList {
        quorum: 3,
        ..list.clone()
    };
    let other_text = other.to_text().unwrap();
    assert_eq!(
        refused(detached(&other_text, &other, &[&old[0]])),
        "SIGNATURE_OTHER_TEXT"
    );
    let mut forged = detached(&other_text, &other, &[&old[0]]).remove(0);
    forged.digest = detached(&text, &list, &[&old[0]])[0].digest;
    assert_eq!(refused(vec![forged]), "SIGNATURE_INVALID");
    let unfit = assemble(None, &text, &[]).map(|_| ()).unwrap_err();
    assert_eq!(unfit.code(), "TRUST_NOT_NEXT");

    let good = detached(&text, &list, &[&old[0]])[0].to_string();
    let broken = [
        String::new(),
        good.replace("/v1", "/v2"),
        good.replace("digest ", "digest zz"),
        good.replace("version 2", "version x"),
        good.replace("— ", ""),
        format!("{good}more\n"),
    ];
    for text in broken {
        let error = text.parse::<DetachedSignature>().unwrap_err();
        assert_eq!(error.code(), "SIGNATURE_FORMAT", "{text}");
    }
}

/// A first list needs its own root keys alone.
#[test]
fn the_first_list_is_signed_by_its_own_root_keys() {
    let federation = Federation::new();
    let list = federation.list();
    let text = list.to_text().unwrap();
    let by: Vec<&NoteSigner> = federation.roots.iter().collect();
    let found = assemble(None, &text, &detached(&text, &list, &by[..1])).unwrap();
    assert!(found.previous.is_none() && !found.is_complete());
    let found = assemble(None, &text, &detached(&text, &list, &by[1..])).unwrap();
    assert!(found.is_complete());
    TrustChain::verify(&federation.root_keys(), [found.note.to_string().as_bytes()]).unwrap();
}

#[test]
fn what_is_held_must_be_what_is_given() {
    let federation = Federation::new();
    let one = federation.chain();
    let two = federation.extend(&one, |list| list.quorum = 3);
    let three = federation.extend(&two, |_| ());
    let fork = federation.extend(&one, |list| list.quorum = 1);
    let notes = |chain: &TrustChain| -> Vec<String> {
        chain.lists().iter().map(|list| list.note()).collect()
    };
    let join = |held: &TrustChain, notes: &[String]| {
        let joined = held.joined(notes.iter().map(String::as_bytes));
        joined
            .map(|c| c.newest().list.version)
            .map_err(|e| e.code())
    };
    assert_eq!(join(&one, &notes(&three)), Ok(3));
    assert_eq!(join(&two, &notes(&three)), Ok(3));
    assert_eq!(join(&three, &notes(&one)), Ok(3));
    assert_eq!(join(&one, &notes(&three)[1..]), Ok(3));
    assert_eq!(join(&one, &[]), Ok(1));
    assert_eq!(join(&one, &notes(&three)[2..]), Err("TRUST_NOT_NEXT"));
    assert_eq!(join(&two, &notes(&fork)), Err("TRUST_HELD_DIFFERS"));
    assert_eq!(join(&three, &notes(&fork)), Err("TRUST_HELD_DIFFERS"));
    assert_eq!(join(&one, &["x".to_owned()]), Err("TRUST_FORMAT"));
    // Resigned by other root keys it is still the same list.
    let resigned = sign(&two.newest().list, &federation.roots[1..]);
    assert_eq!(join(&two, &[resigned]), Ok(2));
}
