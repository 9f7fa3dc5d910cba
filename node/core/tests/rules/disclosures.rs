//! Digests and what opens them: separation, checks, what travels, sealing and tags.

use huren_core::{
    checkpoint::Origin,
    disclosure::{
        self, Group, GroupDigests, Opening, Salt, SecretKey, Values, digest, from_proto,
        holder_tag, number_tag, seal, submission_tag, to_proto, unseal,
    },
    merkle::Hash,
};

use crate::common::{NUMBER, openings, values};

const SALT: Salt = Salt([7; 16]);

fn opening(openings: &mut [Opening], group: Group) -> &mut Opening {
    openings
        .iter_mut()
        .find(|opening| opening.group == group)
        .unwrap()
}

fn checked(openings: &[Opening], digests: &GroupDigests) -> Result<(), Group> {
    disclosure::check(openings, digests).map_err(|wrong| wrong.group)
}

#[test]
fn digests_keep_everything_apart() {
    let group = Group::Certificate;
    let all = [
        digest(group, &SALT, &values(&[("a", "bc")])),
        digest(group, &SALT, &values(&[("ab", "c")])),
        digest(group, &SALT, &values(&[("a", "b"), ("c", "d")])),
        digest(group, &SALT, &values(&[("a", "bc"), ("d", "e")])),
        digest(group, &SALT, &values(&[("a", "bcd"), ("e", "f")])),
        digest(
            group,
            &SALT,
            &values(&[("a", "b"), ("cd", "e"), ("f", "g")]),
        ),
        digest(group, &SALT, &Values::default()),
        digest(group, &Salt([8; 16]), &values(&[("a", "bc")])),
        digest(Group::Statistics, &SALT, &values(&[("a", "bc")])),
    ];
    for (i, one) in all.iter().enumerate() {
        assert!(!all[..i].contains(one), "digest {i} was seen before");
    }
}

#[test]
fn order_and_empty_fields_make_no_difference() {
    let one = values(&[("name", "张三"), ("alias", "三")]);
    let two = values(&[("alias", "三"), ("empty", ""), ("name", "张三")]);
    assert_eq!(one, two);
    assert_eq!(
        digest(Group::HolderName, &SALT, &one),
        digest(Group::HolderName, &SALT, &two)
    );
    assert_eq!((two.get("name"), two.get("empty")), (Some("张三"), None));
}

#[test]
fn fields_come_back_in_their_order_and_the_last_of_a_name_counts() {
    let long = "长".repeat(100);
    let given = [
        ("b", "first"),
        ("ab", long.as_str()),
        ("b", ""),
        ("a", "1"),
        ("b", "last"),
    ];
    let values = values(&given);
    let expected = [("a", "1"), ("ab", long.as_str()), ("b", "last")];
    assert!(values.iter().eq(expected));
    for (name, value) in expected {
        assert_eq!(values.get(name), Some(value));
    }
    // A value is not taken for a name.
    assert_eq!((values.get("1"), values.get("c")), (None, None));
    let json = serde_json::to_string(&values).unwrap();
    assert_eq!(json, format!(r#"{{"a":"1","ab":"{long}","b":"last"}}"#));
    assert_eq!(serde_json::from_str::<Values>(&json).unwrap(), values);
    assert_eq!(format!("{values:?}"), r#"{"a", "ab", "b"}"#);
    assert!(Values::default().is_empty() && Values::default().iter().next().is_none());
}

#[test]
fn the_certificate_salt_follows_from_the_others() {
    let open = openings(NUMBER, 0);
    let salt = |open: &[Opening], group| open.iter().find(|o| o.group == group).unwrap().salt;
    let again = openings("Y000133020600243000002", 0);
    assert_eq!(
        salt(&open, Group::Certificate),
        salt(&again, Group::Certificate)
    );
    let other = openings(NUMBER, 100);
    assert_ne!(
        salt(&open, Group::Certificate),
        salt(&other, Group::Certificate)
    );
    for group in [
        Group::HolderName,
        Group::HolderId,
        Group::Statistics,
        Group::Scores,
    ] {
        assert_ne!(salt(&open, Group::Certificate), salt(&open, group));
    }
    // A correction of the name alone has nothing to bind.
    let groups = [(Group::HolderName, values(&[("name", "张三丰")]))].into();
    assert_eq!(disclosure::open(groups, || [5; 16])[0].salt, Salt([5; 16]));
}

#[test]
fn check_refuses_what_does_not_open() {
    let open = openings(NUMBER, 0);
    let digests = GroupDigests::of(&open);
    assert_eq!(checked(&open, &digests), Ok(()));
    assert_eq!(checked(&open[1..3], &digests), Ok(()));
    assert_eq!(checked(&[], &digests), Ok(()));

    let check = |expected, change: &dyn Fn(&mut Vec<Opening>)| {
        let mut changed = open.clone();
        change(&mut changed);
        assert_eq!(checked(&changed, &digests), Err(expected));
    };
    for group in Group::ALL {
        check(group, &|o| {
            opening(o, group).values = Some(values(&[("name", "李四")]))
        });
        check(group, &|o| opening(o, group).salt = Salt([99; 16]));
        check(group, &|o| {
            let again = opening(o, group).clone();
            o.push(again);
        });
    }
    // Bare salts of name and ID are held together by the certificate's.
    for group in [Group::HolderName, Group::HolderId] {
        check(Group::HolderId, &|o| {
            *opening(o, group) = Opening {
                group,
                salt: Salt([99; 16]),
                values: None,
            };
        });
    }
    let fewer = GroupDigests::of(&open[..4]);
    assert_eq!(checked(&open, &fewer), Err(Group::Scores));
    assert!(!open[0].matches(
        &values(&[("number", NUMBER)]),
        digests.get(open[0].group).unwrap()
    ));
    let bare = Opening {
        values: None,
        ..open[0].clone()
    };
    assert!(!bare.opens(digests.get(Group::Certificate).unwrap()));
}

#[test]
fn members_learn_neither_holder_nor_scores() {
    let open = openings(NUMBER, 0);
    let sent: Vec<Opening> = open.iter().filter_map(Opening::for_members).collect();
    let shown: Vec<_> = sent.iter().map(|o| (o.group, o.values.is_some())).collect();
    let expected = [
        (Group::Certificate, true),
        (Group::HolderName, false),
        (Group::HolderId, false),
        (Group::Statistics, true),
    ];
    assert_eq!(shown, expected);
    assert_eq!(checked(&sent, &GroupDigests::of(&open)), Ok(()));
    let encoded: Vec<u8> = to_proto(&sent)
        .iter()
        .flat_map(prost::Message::encode_to_vec)
        .collect();
    for secret in ["张三", "11010519491231002X", "91.5"] {
        assert!(
            !encoded
                .windows(secret.len())
                .any(|part| part == secret.as_bytes()),
            "{secret}"
        );
    }
}

#[test]
fn openings_read_back_from_the_wire() {
    let open = openings(NUMBER, 0);
    assert_eq!(from_proto(&to_proto(&open)), Some(open.clone()));
    let sent: Vec<Opening> = open.iter().filter_map(Opening::for_members).collect();
    assert_eq!(from_proto(&to_proto(&sent)), Some(sent));
    let mut wrong = to_proto(&open);
    wrong[0].group = 6;
    assert_eq!(from_proto(&wrong), None);
    let mut wrong = to_proto(&open);
    wrong[0].salt.pop();
    assert_eq!(from_proto(&wrong), None);
}

#[test]
fn sealed_openings_open_with_their_key_at_their_place_only() {
    let (key, other_key) = (SecretKey::new([1; 32]), SecretKey::new([2; 32]));
    let origin: Origin = "huren.example/log/33".parse().unwrap();
    let other_origin: Origin = "huren.example/log/34".parse().unwrap();
    let (leaf, other_leaf) = (Hash([3; 32]), Hash([4; 32]));
    let open = openings(NUMBER, 0);
    let sealed = seal(&key, [9; 24], (&origin, &leaf), &open).unwrap();
    assert_eq!(unseal(&key, (&origin, &leaf), &sealed), Ok(open.clone()));
    assert!(!sealed.windows(6).any(|part| part == "张三".as_bytes()));

    assert!(unseal(&other_key, (&origin, &leaf), &sealed).is_err());
    assert!(unseal(&key, (&other_origin, &leaf), &sealed).is_err());
    assert!(unseal(&key, (&origin, &other_leaf), &sealed).is_err());
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            unseal(&key, (&origin, &leaf), &changed).is_err(),
            "bit {bit}"
        );
    }
    for length in 0..sealed.len() {
        assert!(
            unseal(&key, (&origin, &leaf), &sealed[..length]).is_err(),
            "{length} bytes"
        );
    }
    let again = seal(&key, [8; 24], (&origin, &leaf), &open).unwrap();
    assert_ne!(again, sealed);
}

#[test]
fn tags_differ_by_key_purpose_and_content() {
    let keys = [SecretKey::new([1; 32]), SecretKey::new([2; 32])];
    assert_ne!(keys[0].id(), keys[1].id());
    let holder = |kind, number| values(&[("id_kind", kind), ("id_number", number)]);
    let mut tags = Vec::new();
    for key in &keys {
        tags.push(number_tag(key, "1"));
        tags.push(number_tag(key, "2"));
        tags.push(submission_tag(key, b"1"));
        tags.push(submission_tag(key, b"2"));
        tags.push(holder_tag(key, &holder("passport", "1")).unwrap());
        tags.push(holder_tag(key, &holder("passport", "2")).unwrap());
        tags.push(holder_tag(key, &holder("passpor", "t1")).unwrap());
    }
    for (i, tag) in tags.iter().enumerate() {
        assert!(!tags[..i].contains(tag), "tag {i} was seen before");
    }
    assert_eq!(
        number_tag(&keys[0], "1"),
        number_tag(&SecretKey::new([1; 32]), "1")
    );
    assert_eq!(holder_tag(&keys[0], &values(&[("id_number", "1")])), None);
}

#[test]
fn debug_shows_no_content() {
    let shown = format!("{:?} {:?}", openings(NUMBER, 0), SecretKey::new([0xab; 32]));
    for secret in [
        NUMBER,
        "张三",
        "11010519491231002X",
        "91.5",
        "电工",
        "171",
        "abab",
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("id_number") && shown.contains("SecretKey(..)"));
    // The salt of the name is sixteen times this byte.
    assert!(!shown.contains("[1, 1, 1") && !shown.contains("0101"));
}
