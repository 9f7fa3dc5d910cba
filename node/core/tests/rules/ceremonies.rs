//! What a list may change, how that is told, and how it is signed by people who never meet.

use huren_core::{
    codes::Region,
    cosign::Cosigner,
    keys::RecordSigner,
    note::NoteSigner,
    reason::Reason,
    receipt,
    trust::{
        Edit, EditError, ForeignWitness, Member, Role, TrustChain, TrustError, TrustList, changes,
    },
    verdict::Verdict,
};

use crate::common::{Case, Federation, Province, record_key, seed, sign, successor};

/// A chain whose newest list has a closed and a limited key.
pub(crate) fn chain(federation: &Federation) -> TrustChain {
    let mut list = federation.list();
    let keys = &mut list.members[2].record_keys;
    keys[1].from_index = 3;
    keys[1].until_index = Some(9);
    list.members[2].log_keys[0].until_index = Some(100);
    federation.chain_of(&list)
}

/// The code with which the next list is refused, after a change of its content; what it tells
/// whoever is asked to sign it.
fn check_next(expected: Result<(), &str>, told: &[&str], change: impl FnOnce(&mut TrustList)) {
    let federation = Federation::new();
    let chain = chain(&federation);
    let mut list = successor(&chain);
    change(&mut list);
    let found = changes(Some(&chain.newest().list), &list);
    let codes: Vec<_> = found.iter().map(|change| change.code).collect();
    assert_eq!(codes, told);
    assert!(found.iter().all(|c| !c.zh.is_empty() && !c.en.is_empty()));
    let extended = chain.extended(sign(&list, &federation.roots).as_bytes());
    let code = |error: TrustError| {
        assert!(!error.zh().is_empty());
        error.code()
    };
    assert_eq!(extended.map(|_| ()).map_err(code), expected);
    let text = list.to_text().unwrap();
    let proposal = TrustChain::check_proposal(Some(&chain), &text);
    assert_eq!(proposal.map(|_| ()).map_err(code), expected);
}

fn former(list: &mut TrustList, until_index: u64) {
    let region = "33".to_owned();
    list.edit(Edit::RemoveMember {
        region,
        until_index,
    })
    .unwrap();
}

#[test]
fn keys_are_closed_and_never_given_back() {
    check_next(Ok(()), &[], |_| ());
    check_next(Ok(()), &["KEY_CLOSED"], |l| {
        l.members[2].record_keys[0].until_index = Some(0)
    });
    check_next(Ok(()), &["KEY_CLOSED"], |l| {
        l.members[2].record_keys[1].until_index = Some(4)
    });
    check_next(Ok(()), &["KEY_CLOSED"], |l| {
        l.members[2].record_keys[1].from_index = 5
    });
    check_next(Ok(()), &["KEY_CLOSED"], |l| {
        l.members[2].log_keys[0].until_index = Some(99)
    });
    let opened = Err("TRUST_WINDOW_OPENED");
    check_next(opened, &["WINDOW_OPENED"], |l| {
        l.members[2].record_keys[1].until_index = Some(10)
    });
    check_next(opened, &["WINDOW_OPENED"], |l| {
        l.members[2].record_keys[1].until_index = None
    });
    check_next(opened, &["WINDOW_OPENED"], |l| {
        l.members[2].record_keys[1].from_index = 2
    });
    check_next(opened, &["WINDOW_OPENED"], |l| {
        l.members[2].log_keys[0].until_index = None
    });
    let dropped = Err("TRUST_KEY_DROPPED");
    check_next(dropped, &["KEY_DROPPED"], |l| {
        drop(l.members[2].record_keys.remove(1))
    });
    check_next(dropped, &["KEY_ADDED", "KEY_DROPPED"], |l| {
        let other =
            NoteSigner::from_seed(l.members[2].origin.parse().unwrap(), &seed("other", "33"));
        l.members[2].log_keys[0].key = other.verifier_key().to_string();
    });
}

#[test]
fn rights_are_narrowed_and_never_widened() {
    check_next(Ok(()), &["KEY_RIGHTS"], |l| {
        drop(l.members[2].record_keys[1].kinds.pop())
    });
    check_next(Ok(()), &["KEY_RIGHTS"], |l| {
        l.members[2].record_keys[0].regions = vec!["3302".to_owned(), "330106".to_owned()]
    });
    check_next(Ok(()), &["KEY_RIGHTS"], |l| {
        l.members[2].record_keys[0].kinds = vec!["erasure".to_owned()]
    });
    let widened = Err("TRUST_KEY_WIDENED");
    check_next(widened, &["KEY_RIGHTS"], |l| {
        l.members[2].record_keys[1].kinds.push("erasure".to_owned())
    });
    check_next(widened, &["KEY_RIGHTS"], |l| {
        l.members[2].record_keys[1].kinds = vec!["*".to_owned()]
    });
    check_next(widened, &["KEY_RIGHTS"], |l| {
        l.members[2].record_keys[1]
            .regions
            .push("330205".to_owned())
    });
    check_next(widened, &["KEY_RIGHTS"], |l| {
        l.members[2].record_keys[1].regions = vec!["33".to_owned()]
    });
}

#[test]
fn logs_stay_whoever_leaves() {
    check_next(
        Ok(()),
        &["MEMBER_LEFT", "KEY_CLOSED", "KEY_CLOSED", "KEY_CLOSED"],
        |l| former(l, 5),
    );
    check_next(Err("TRUST_LOG_DROPPED"), &["LOG_DROPPED"], |l| {
        drop(l.members.remove(2))
    });
    let content = Err("TRUST_CONTENT");
    check_next(
        content,
        &["MEMBER_LEFT", "KEY_CLOSED", "WINDOW_OPENED", "KEY_CLOSED"],
        |l| {
            former(l, 5);
            l.former_members[0].record_keys[1].until_index = None;
        },
    );
    check_next(
        content,
        &["MEMBER_LEFT", "KEY_CLOSED", "KEY_CLOSED", "KEY_ADDED"],
        |l| {
            former(l, 9);
            l.former_members[0].tls_keys.push("00".repeat(32));
        },
    );
}

#[test]
fn foreign_witnesses_come_change_and_go_in_words() {
    let witness = |role: &str, counts| {
        let key = Cosigner::from_seed("w.example".parse().unwrap(), &seed(role, "out"));
        Edit::Witness(Box::new(ForeignWitness {
            name: "w".to_owned(),
            key: key.verifier_key().to_string(),
            url: String::new(),
            tls_ca: String::new(),
            counts,
        }))
    };
    check_next(Ok(()), &["WITNESS_ADDED"], |l| {
        l.edit(witness("one", false)).unwrap();
    });
    let federation = Federation::new();
    let with = edited(vec![witness("one", false)]).unwrap();
    let told = |edit: Edit| {
        let mut list = with.clone();
        list.edit(edit).unwrap();
        let found = changes(Some(&with), &list);
        found.iter().map(|c| (c.code, c.grave)).collect::<Vec<_>>()
    };
    assert_eq!(told(witness("one", false)), []);
    assert_eq!(told(witness("one", true)), [("WITNESS_CHANGED", true)]);
    assert_eq!(told(witness("two", false)), [("WITNESS_CHANGED", true)]);
    let goes = || Edit::RemoveWitness("w".to_owned());
    assert_eq!(told(goes()), [("WITNESS_REMOVED", false)]);
    let none = federation.list().edit(goes());
    assert_eq!(none.map_err(|e| e.code()), Err("EDIT_NO_WITNESS"));
}

#[test]
fn grave_changes_are_told_apart() {
    let grave = |change: fn(&mut TrustList)| {
        let federation = Federation::new();
        let chain = chain(&federation);
        let mut list = successor(&chain);
        change(&mut list);
        let found = changes(Some(&chain.newest().list), &list);
        let codes = found.iter().filter(|c| c.grave).map(|c| c.code);
        codes.collect::<Vec<_>>()
    };
    assert_eq!(
        grave(|l| l.root.threshold = 1),
        ["THRESHOLD_LOWERED", "THRESHOLD_ONE"]
    );
    assert_eq!(grave(|l| l.root.threshold = 3), [""; 0]);
    assert_eq!(
        grave(|l| l.quorum = 1),
        ["QUORUM_LOWERED", "QUORUM_NO_MAJORITY"]
    );
    assert_eq!(grave(|l| l.quorum = 3), [""; 0]);
    assert_eq!(grave(|l| l.expires = l.issued), ["EXPIRY_SHORTENED"]);
    assert_eq!(
        grave(|l| l.expires = "2029-01-01T00:00:00Z".parse().unwrap()),
        ["EXPIRY_LONG"]
    );
    assert_eq!(
        grave(|l| drop(l.members[2].record_keys.remove(0))),
        ["KEY_DROPPED"]
    );
    assert_eq!(grave(|l| drop(l.members.pop())), ["LOG_DROPPED"]);
    // A fifth member, and a quorum that is no majority any more.
    assert_eq!(
        grave(|l| l.members.push(l.members[0].clone())),
        ["QUORUM_NO_MAJORITY"]
    );
    // Of the first list everything is new, and nothing else.
    let list = Federation::new().list();
    let first = changes(None, &list);
    let joined = first.iter().filter(|c| c.code == "MEMBER_JOINED").count();
    assert_eq!((joined, first.iter().filter(|c| c.grave).count()), (4, 0));
}

/// A member's description with keys that nobody knows yet.
fn renewed(province: &Province) -> Member {
    let code = province.region.to_string();
    let note = |name: &str, role: &str| {
        NoteSigner::from_seed(name.parse().unwrap(), &seed(role, &code))
            .verifier_key()
            .to_string()
    };
    let cosigner = |role: &str| {
        let name = format!("huren.example/{role}/{code}").parse().unwrap();
        huren_core::cosign::Cosigner::from_seed(name, &seed(role, &code))
            .verifier_key()
            .to_string()
    };
    let mut member = province.member();
    member.log_keys[0].key = note(province.origin.as_str(), "log2");
    member.witness_key = cosigner("witness2");
    member.mirror_key = cosigner("mirror2");
    member.answer_keys = vec![note("huren.example/answer2", "answer2")];
    let record = RecordSigner::from_seed(&seed("record2", &code));
    member.record_keys = vec![record_key(&record, &["*"], province.region)];
    member.tls_keys = vec!["ab".repeat(32)];
    member.tls_ca = "other".to_owned();
    member
}

/// Makes changes of the newest list that are then accepted.
fn edited(edits: Vec<Edit>) -> Result<TrustList, EditError> {
    let federation = Federation::new();
    let chain = chain(&federation);
    let newest = chain.newest();
    let mut list = TrustList::successor(newest, newest.list.issued, newest.list.expires);
    for edit in edits {
        list.edit(edit)?;
    }
    chain
        .extended(sign(&list, &federation.roots).as_bytes())
        .unwrap();
    Ok(list)
}

#[test]
fn keys_of_every_role_give_way_to_new_ones() {
    let federation = Federation::new();
    let from = Box::new(renewed(federation.province("33")));
    for (name, role) in Role::ALL {
        let until_index = Some(50);
        let from = from.clone();
        let list = edited(vec![Edit::ReplaceKey {
            role,
            from,
            until_index,
        }])
        .unwrap();
        let member = &list.members[2];
        let windows: Vec<_> = match role {
            Role::Log => member.log_keys.iter().map(|k| k.window()).collect(),
            _ => member.record_keys.iter().map(|k| k.window()).collect(),
        };
        let ends: Vec<_> = windows
            .iter()
            .map(|w| (w.from_index, w.until_index))
            .collect();
        match role {
            Role::Log => assert_eq!(ends, [(0, Some(50)), (50, None)]),
            // The county's key goes on.
            Role::Record => assert_eq!(ends, [(0, Some(50)), (3, Some(9)), (50, None)]),
            Role::Witness => assert_eq!(
                member.witness_key,
                renewed(federation.province("33")).witness_key
            ),
            Role::Mirror => assert_eq!(
                member.mirror_key,
                renewed(federation.province("33")).mirror_key
            ),
            Role::Answer => assert_eq!(member.answer_keys.len(), 1, "{name}"),
            Role::Tls => assert_eq!(member.tls_keys, ["ab".repeat(32)]),
        }
    }
    let code = |edit: Edit| edited(vec![edit]).unwrap_err().code();
    let replace = |from: Member| Edit::ReplaceKey {
        role: Role::Log,
        from: Box::new(from),
        until_index: None,
    };
    assert_eq!(
        code(replace(federation.province("33").member())),
        "EDIT_NOTHING_NEW"
    );
    let mut stranger = federation.province("33").member();
    stranger.region = "35".to_owned();
    assert_eq!(code(replace(stranger)), "EDIT_NO_MEMBER");
    let mut other = federation.province("33").member();
    other.origin = "huren.example/log/other".to_owned();
    assert_eq!(code(replace(other)), "EDIT_OTHER_LOG");
}

#[test]
fn members_join_leave_and_return() {
    let federation = Federation::new();
    let zhejiang = federation.province("33");
    let leave = || Edit::RemoveMember {
        region: "33".to_owned(),
        until_index: 7,
    };
    let list = edited(vec![leave()]).unwrap();
    assert!(list.member(&Region::ZHEJIANG).is_none() && list.member_of(&zhejiang.origin).is_none());
    let former = list.log_of(&zhejiang.origin).unwrap();
    assert_eq!(
        (former.log_keys_at(7).len(), former.log_keys_at(8).len()),
        (1, 0)
    );
    // The others still judge its log, and it cosigns nothing.
    assert_eq!(list.policy(&zhejiang.origin).unwrap().logs().len(), 1);
    let others = list.policy(&federation.province("31").origin).unwrap();
    assert_eq!(others.witnesses().count(), 4);
    let back = Box::new(renewed(zhejiang));
    let list = edited(vec![leave(), Edit::AddMember(back)]).unwrap();
    assert_eq!(list.members[2].record_keys.len(), 3);
    assert!(list.former_members.is_empty());

    let code = |edit: Edit| edited(vec![edit]).unwrap_err().code();
    assert_eq!(
        code(Edit::AddMember(Box::new(zhejiang.member()))),
        "EDIT_IS_MEMBER"
    );
    let region = "35".to_owned();
    assert_eq!(
        code(Edit::RemoveMember {
            region,
            until_index: 1
        }),
        "EDIT_NO_MEMBER"
    );
    let key = "nobody's".to_owned();
    assert_eq!(
        code(Edit::CloseKey {
            key: key.clone(),
            until_index: 1
        }),
        "EDIT_NO_KEY"
    );
    assert_eq!(code(Edit::RemoveTlsKey(key.clone())), "EDIT_NO_KEY");
    assert_eq!(code(Edit::RemoveRootKey(key)), "EDIT_NO_KEY");
    let id = zhejiang.record.id().to_hex();
    let list = edited(vec![Edit::CloseKey {
        key: id,
        until_index: 5,
    }])
    .unwrap();
    assert_eq!(list.members[2].record_keys[0].until_index, Some(5));
}

/// What a receipt is worth by the lists that it carries, and by newer ones.
#[test]
fn receipts_of_before_hold_and_those_of_closed_keys_do_not() {
    let federation = Federation::new();
    let mut case = Case::new(&federation);
    let receipt = |case: &Case<'_>| {
        let receipt = case.receipt(Verdict::Valid, &[Reason::InForce]);
        receipt.to_json().unwrap()
    };
    let roots = federation.root_keys();
    let alone = |receipt: &str| {
        let checked = receipt::verify(receipt.as_bytes(), &roots);
        checked.map(|_| ()).map_err(|error| error.code())
    };
    let before = receipt(&case);
    assert_eq!(alone(&before), Ok(()));
    let from = Box::new(renewed(federation.province("33")));
    let size = case.log.size();
    // Every role of the log's own member changes its key behind what is proven.
    let renewed_all = |until_index: u64| {
        let roles = [
            Role::Log,
            Role::Record,
            Role::Witness,
            Role::Mirror,
            Role::Answer,
        ];
        let from = &from;
        move |list: &mut TrustList| {
            for role in roles {
                let (from, until_index) = (from.clone(), Some(until_index));
                list.edit(Edit::ReplaceKey {
                    role,
                    from,
                    until_index,
                })
                .unwrap();
            }
        }
    };
    let planned = federation.extend(&case.chain, renewed_all(size));
    let known = |receipt: &str, chain: &TrustChain| {
        let checked = receipt::verify_known(receipt.as_bytes(), &roots, chain);
        checked.map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(known(&before, &planned), Ok(()));
    // The members that cosigned it, and the one that answered, change theirs as well.
    let answering = federation.extend(&planned, |list| {
        for code in ["31", "32"] {
            for role in [Role::Witness, Role::Mirror, Role::Answer] {
                let from = Box::new(renewed(federation.province(code)));
                list.edit(Edit::ReplaceKey {
                    role,
                    from,
                    until_index: None,
                })
                .unwrap();
            }
        }
    });
    assert_eq!(
        (alone(&before), known(&before, &answering)),
        (Ok(()), Ok(()))
    );

    // A compromise: the record key ended before the certificate.
    let index = case.certificate.0;
    let closed = federation.extend(&case.chain, |list| {
        let key = federation.province("33").record.id().to_hex();
        list.edit(Edit::CloseKey {
            key,
            until_index: index,
        })
        .unwrap();
    });
    assert_eq!(
        (alone(&before), known(&before, &closed)),
        (Ok(()), Err("RECEIPT_RECORD"))
    );
    // The log key ended before the checkpoint.
    let key = federation.province("33").log.verifier_key().to_string();
    let no_log = federation.extend(&case.chain, |list| {
        list.edit(Edit::CloseKey {
            key,
            until_index: size - 1,
        })
        .unwrap();
    });
    assert_eq!(known(&before, &no_log), Err("RECEIPT_LOG_SIGNATURE"));
    // Who has left is judged by what it wrote while it was a member.
    let left = |until_index| federation.extend(&case.chain, |list| former(list, until_index));
    assert_eq!(known(&before, &left(size)), Ok(()));
    assert_eq!(
        known(&before, &left(size - 1)),
        Err("RECEIPT_LOG_SIGNATURE")
    );
    let (before_it, left_then) = (before.clone(), left(size));

    // A receipt made under the closing list says so by itself.
    case.chain = closed;
    assert_eq!(alone(&receipt(&case)), Err("RECEIPT_RECORD"));
    case.chain = no_log;
    assert_eq!(alone(&receipt(&case)), Err("RECEIPT_LOG_SIGNATURE"));
    case.chain = left_then;
    assert_eq!(alone(&receipt(&case)), Ok(()));
    // Lists of another federation, or another list of the same version.
    let fork = federation.extend(&federation.chain(), |list| list.quorum = 3);
    assert_eq!(known(&receipt(&case), &fork), Err("RECEIPT_TRUST"));
    assert_eq!(known(&before_it, &fork), Ok(()));
}
