//! Trust lists and the keys that they begin with.

use huren_core::{
    note::{Note, NoteSigner},
    policy::Policy,
    trust::{RootKeys, RootRole, TrustChain, TrustList},
};

use crate::{known::TRUST, text};

/// Lists, each behind a zero byte but for the first: only the chain that the root keys signed
/// verifies from them, and what a root key signs is as sound as a node needs it.
pub fn trust_list(bytes: &[u8]) {
    let notes = bytes.split(|byte| *byte == 0);
    if let Ok(chain) = TrustChain::verify(&TRUST.roots, notes) {
        for (list, known) in chain.lists().iter().zip(TRUST.chain.lists()) {
            assert_eq!(list.digest, known.digest);
        }
        assert!(chain.lists().len() <= TRUST.chain.lists().len());
    }
    let Some(json) = text(bytes) else {
        return;
    };
    let Some(first) = signed(json) else {
        return;
    };
    let Ok(chain) = TrustChain::verify(&own_roots(), [first.as_bytes()]) else {
        return;
    };
    let list = &chain.newest().list;
    let written = list.to_text().expect("JSON");
    let written = written.strip_prefix(TrustList::HEADER).expect("a header");
    let again = signed(written.trim_matches('\n')).expect("a note");
    let again = TrustChain::verify(&own_roots(), [again.as_bytes()]).expect("the same list");
    assert_eq!(again.newest().list, *list);
    for member in &list.members {
        let origin = member.origin.parse().expect("an origin");
        let policy = list.policy(&origin).expect("a policy");
        assert_eq!(Policy::parse(policy.to_bytes()), Ok(policy));
        assert!(!member.log_keys.is_empty());
        assert_eq!(list.member_of(&origin), Some(member));
        assert_eq!(
            member.province().as_ref().and_then(|p| list.member(p)),
            Some(member)
        );
    }
    assert!(list.quorum == 0 || list.quorum < list.members.len());
    // Nothing follows it but its successor.
    assert!(chain.extended(first.as_bytes()).is_err());
}

/// A file of root keys is written in a form that is read as the same keys.
pub fn root_keys(bytes: &[u8]) {
    if let Some(roots) = text(bytes).and_then(|text| text.parse::<RootKeys>().ok()) {
        let written = roots.to_text();
        let again: RootKeys = written.parse().expect("what was written");
        assert_eq!(again.to_text(), written);
    }
}

/// A trust list of this content, signed by a root key of these tests.
fn signed(json: &str) -> Option<String> {
    let mut note = Note::new(format!("{}\n{json}\n", TrustList::HEADER)).ok()?;
    note.add(root().sign(note.text())).ok()?;
    Some(note.to_string())
}

fn own_roots() -> RootKeys {
    RootKeys::new(&own_role()).expect("root keys")
}

/// The root role of lists that [`trust_list`] signs.
pub(crate) fn own_role() -> RootRole {
    RootRole {
        threshold: 1,
        keys: vec![root().verifier_key().to_string()],
    }
}

fn root() -> NoteSigner {
    NoteSigner::from_seed("huren.test/root".parse().expect("a name"), &[9; 32])
}
