use super::*;

fn origin() -> Origin {
    "huren.zj.example/log/33".parse().unwrap()
}

fn head(size: u64) -> Head {
    Head {
        size,
        root: Hash([size.to_le_bytes()[0]; 32]),
    }
}

/// A file with marks 1 to `size`, in an own directory.
fn written(size: u64) -> (tempfile::TempDir, HighWater) {
    let directory = tempfile::tempdir().unwrap();
    let file = HighWater::open(directory.path().join("high-water")).unwrap();
    for size in 1..=size {
        file.write(&origin(), &head(size)).unwrap();
    }
    (directory, file)
}

#[test]
fn a_missing_file_is_no_mark() {
    let (_directory, file) = written(0);
    assert_eq!(file.read().unwrap(), None);
}

#[test]
fn the_last_write_is_read_and_survives_reopening() {
    let (_directory, file) = written(0);
    for size in 1..=5 {
        file.write(&origin(), &head(size)).unwrap();
        let again = HighWater::open(&file.path).unwrap();
        assert_eq!(again.read().unwrap(), Some((origin(), head(size))));
    }
    assert_eq!(fs::read(&file.path).unwrap().len(), 2 * SLOT);
}

#[test]
fn people_can_read_it() {
    let (_directory, file) = written(2);
    let text = fs::read_to_string(&file.path).unwrap();
    assert!(text.starts_with("# Huren high-water mark"));
    assert!(text.contains("NEVER restore this file from a backup"));
    assert!(text.contains("\norigin huren.zj.example/log/33\nsize 2\nroot 0202"));
}

#[test]
fn a_torn_write_leaves_the_mark_before_it() {
    for sequence in [2u64, 3, 6, 7] {
        let (_directory, file) = written(sequence);
        let before = fs::read(&file.path).unwrap();
        file.write(&origin(), &head(sequence + 1)).unwrap();
        let after = fs::read(&file.path).unwrap();
        let changed: Vec<usize> = (0..after.len())
            .filter(|at| before[*at] != after[*at])
            .collect();
        assert!(changed.iter().all(|at| at / SLOT == changed[0] / SLOT));
        // Any part of the new bytes reached the disk, from the front or from the back.
        for cut in changed.iter().skip(1) {
            for torn in [
                [&after[..*cut], &before[*cut..]].concat(),
                [&before[..*cut], &after[*cut..]].concat(),
            ] {
                fs::write(&file.path, &torn).unwrap();
                let mark = file.read().unwrap();
                assert_eq!(mark, Some((origin(), head(sequence))), "cut at {cut}");
            }
        }
        // The next write heals the torn slot.
        file.write(&origin(), &head(sequence + 2)).unwrap();
        assert_eq!(file.read().unwrap(), Some((origin(), head(sequence + 2))));
    }
}

#[test]
fn damage_is_an_error_and_stays_one() {
    let (_directory, file) = written(2);
    let good = fs::read(&file.path).unwrap();
    let mut flipped = good.clone();
    flipped[300] ^= 1;
    flipped[SLOT + 300] ^= 1;
    for bytes in [
        Vec::new(),
        b"size 7\n".to_vec(),
        good[..100].to_vec(),
        flipped,
    ] {
        fs::write(&file.path, &bytes).unwrap();
        let is_damage = |error| matches!(error, HighWaterError::Damaged { .. });
        assert!(file.read().is_err_and(is_damage));
        assert!(HighWater::open(&file.path).is_err_and(is_damage));
        // Writing over it would hide the damage.
        assert!(file.write(&origin(), &head(9)).is_err_and(is_damage));
        assert_eq!(fs::read(&file.path).unwrap(), bytes);
    }
}

#[test]
fn any_changed_byte_of_a_slot_makes_it_unreadable() {
    let mark = Mark {
        sequence: 1,
        origin: origin(),
        head: head(1),
    };
    let good = mark.encode().unwrap();
    assert_eq!(Mark::decode(&good), Some(mark));
    for at in 0..SLOT {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert_eq!(Mark::decode(&bytes), None, "byte {at}");
    }
}

#[test]
fn the_mark_never_goes_back() {
    let (_directory, file) = written(3);
    let other_root = Head {
        root: Hash([9; 32]),
        ..head(3)
    };
    for refused in [head(2), other_root] {
        let error = file.write(&origin(), &refused).unwrap_err();
        assert!(matches!(error, HighWaterError::Backwards { held: 3, .. }));
    }
    file.write(&origin(), &head(3)).unwrap();
    let other: Origin = "huren.sh.example/log/31".parse().unwrap();
    let error = file.write(&other, &head(4)).unwrap_err();
    assert!(matches!(error, HighWaterError::OtherLog { held } if held == origin()));
    assert_eq!(file.read().unwrap(), Some((origin(), head(3))));
}

#[test]
fn a_crash_while_the_file_is_made_leaves_none() {
    let (directory, file) = written(0);
    fs::write(directory.path().join("high-water.new"), b"half").unwrap();
    assert_eq!(file.read().unwrap(), None);
    file.write(&origin(), &head(1)).unwrap();
    assert_eq!(file.read().unwrap(), Some((origin(), head(1))));
}

#[test]
fn a_name_that_does_not_fit_is_refused() {
    let (_directory, file) = written(0);
    let long: Origin = format!("huren.example/{}", "a".repeat(SLOT))
        .parse()
        .unwrap();
    let error = file.write(&long, &head(1)).unwrap_err();
    assert!(matches!(error, HighWaterError::TooLong));
    assert_eq!(file.read().unwrap(), None);
}

#[test]
fn it_is_lowered_by_order_only_and_the_act_is_written_down_first() {
    let (directory, file) = written(5);
    let refused = file.write(&origin(), &head(3));
    assert!(matches!(
        refused,
        Err(HighWaterError::Backwards { held: 5, given: 3 })
    ));
    file.lower(&origin(), &head(3), 1_700_000_000).unwrap();
    assert_eq!(file.read().unwrap(), Some((origin(), head(3))));
    let acts = fs::read_to_string(directory.path().join("high-water.lowered")).unwrap();
    let root = |byte: &str| byte.repeat(32);
    assert_eq!(
        acts,
        format!(
            "{{\"time\":1700000000,\"act\":\"accept-loss\",\
             \"origin\":\"huren.zj.example/log/33\",\
             \"signed\":{{\"size\":5,\"root\":\"{}\"}},\
             \"continues\":{{\"size\":3,\"root\":\"{}\"}}}}\n",
            root("05"),
            root("03"),
        )
    );
    // It goes on from there, and every further act stands behind the first.
    file.write(&origin(), &head(4)).unwrap();
    file.lower(&origin(), &head(2), 1_700_000_001).unwrap();
    let acts = fs::read_to_string(directory.path().join("high-water.lowered")).unwrap();
    assert_eq!(acts.lines().count(), 2);
}

#[test]
fn without_its_line_the_mark_is_not_lowered() {
    let (directory, file) = written(5);
    fs::create_dir(directory.path().join("high-water.lowered")).unwrap();
    let refused = file.lower(&origin(), &head(3), 0);
    assert!(matches!(refused, Err(HighWaterError::Io { .. })));
    assert_eq!(file.read().unwrap(), Some((origin(), head(5))));
}
