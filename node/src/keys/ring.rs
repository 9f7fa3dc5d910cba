//! Keys of the database: the one in use, `at-rest.key` say, and earlier ones beside it, in
//! `at-rest.old.key` and every other file `at-rest.old*.key`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use huren_core::disclosure::{self, KeyRing};
use rand::CryptoRng;

use super::{KeyError, Purpose, SecretKey, create, load};

/// What was done to put a new key in the place of the one in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The file of the key in use.
    pub current: PathBuf,
    /// Its id.
    pub current_id: [u8; 8],
    /// The file that holds the earlier key now.
    pub earlier: PathBuf,
    /// Its id.
    pub earlier_id: [u8; 8],
}

/// Reads a key of the database and the earlier ones that lie beside it.
///
/// # Errors
/// Those of [`load`], for any of the files.
pub fn load_ring(directory: &Path, purpose: Purpose) -> Result<KeyRing, KeyError> {
    let current = load(&purpose.file_in(directory), purpose)?;
    let earlier = earlier_files(directory, purpose)?.into_iter();
    let earlier = earlier.map(|path| load(&path, purpose).map(|key| symmetric(&key)));
    let earlier: Vec<disclosure::SecretKey> = earlier.collect::<Result<_, _>>()?;
    Ok(KeyRing::from(symmetric(&current)).with_earlier(earlier))
}

/// The files of earlier keys, by name.
///
/// # Errors
/// If the directory cannot be read.
pub fn earlier_files(directory: &Path, purpose: Purpose) -> Result<Vec<PathBuf>, KeyError> {
    let io_error = |source| KeyError::Io {
        path: directory.to_owned(),
        source,
    };
    let begins = format!("{purpose}.old");
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        let name = entry.file_name();
        let is_earlier = |name: &str| name.starts_with(&begins) && name.ends_with(".key");
        if name.to_str().is_some_and(is_earlier) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Makes a new key and puts it in the place of the one in use, which is kept as an earlier one.
/// There is a key in use at any moment, and after a crash the same call goes on.
///
/// # Errors
/// Those of [`load`] and [`create`]; then the key in use is still the same.
pub fn change(
    directory: &Path,
    purpose: Purpose,
    rng: &mut dyn CryptoRng,
) -> Result<Changed, KeyError> {
    let current = purpose.file_in(directory);
    let held = load(&current, purpose)?;
    let next = directory.join(format!("{purpose}.next.key"));
    let key = match create(&next, purpose, rng) {
        // Of a call that was interrupted.
        Err(KeyError::Exists { .. }) => load(&next, purpose)?,
        made => made?,
    };
    let earlier = keep(directory, purpose, &held)?;
    let io_error = |source| KeyError::Io {
        path: current.clone(),
        source,
    };
    fs::rename(&next, &current).map_err(io_error)?;
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(io_error)?;
    Ok(Changed {
        current_id: symmetric(&key).id(),
        earlier_id: symmetric(&held).id(),
        current,
        earlier,
    })
}

/// Gives the key in use a second name, as an earlier one.
fn keep(directory: &Path, purpose: Purpose, held: &SecretKey) -> Result<PathBuf, KeyError> {
    let files = earlier_files(directory, purpose)?;
    for path in &files {
        if load(path, purpose)?.expose() == held.expose() {
            return Ok(path.clone());
        }
    }
    let name = |number: usize| match number {
        1 => format!("{purpose}.old.key"),
        number => format!("{purpose}.old-{number}.key"),
    };
    let names = (1..).map(|number| directory.join(name(number)));
    for path in names {
        match fs::hard_link(purpose.file_in(directory), &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(KeyError::Io { path, source }),
            Ok(()) => return Ok(path),
        }
    }
    Err(KeyError::Missing {
        path: purpose.file_in(directory),
    })
}

fn symmetric(key: &SecretKey) -> disclosure::SecretKey {
    disclosure::SecretKey::new(*key.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        create(
            &Purpose::AtRest.file_in(folder.path()),
            Purpose::AtRest,
            &mut rand::rng(),
        )
        .unwrap();
        folder
    }

    #[test]
    fn a_changed_key_is_followed_by_those_before_it() {
        let folder = folder();
        let first = load_ring(folder.path(), Purpose::AtRest).unwrap().ids();
        let mut ids = first;
        for name in ["at-rest.old.key", "at-rest.old-2.key"] {
            let changed = change(folder.path(), Purpose::AtRest, &mut rand::rng()).unwrap();
            assert_eq!(changed.earlier, folder.path().join(name));
            assert_eq!(changed.earlier_id, ids[0]);
            ids.insert(0, changed.current_id);
            let ring = load_ring(folder.path(), Purpose::AtRest).unwrap();
            let (mut found, mut expected) = (ring.ids(), ids.clone());
            assert_eq!(found.remove(0), expected.remove(0), "the new one is in use");
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_interrupted_change_goes_on_with_the_same_key() {
        let folder = folder();
        let next = folder.path().join("at-rest.next.key");
        let made = create(&next, Purpose::AtRest, &mut rand::rng()).unwrap();
        // Killed before the last step: the key in use has its second name already.
        let old = folder.path().join("at-rest.old.key");
        fs::hard_link(Purpose::AtRest.file_in(folder.path()), &old).unwrap();
        let changed = change(folder.path(), Purpose::AtRest, &mut rand::rng()).unwrap();
        assert_eq!(changed.current_id, symmetric(&made).id());
        assert_eq!(changed.earlier, old);
        assert!(!next.exists());
    }
}
