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
