//! Keys are backed up apart from the database: one age file, in which is a tar archive of key
//! files, certificates, configuration and trust files. Without this program
//! `age -d FILE | tar x` unpacks it.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    folder::{PathError, at, folder_of, make_folders, publish},
    lock::{Keys, Lock},
    seal::{self, OpenError},
};
use crate::{
    config::Config,
    init,
    keys::{self, KeyError, Purpose},
};

/// Longest file that is taken, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Why keys were not backed up or restored.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file is there already.
    #[error("{0} 已存在，未作改动 / exists already, and nothing was changed", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The keys given do not open the file.
    #[error("所给密钥或口令打不开该文件 / none of the keys given opens the file")]
    WrongKey,
    /// The file is no backup of keys.
    #[error("文件已损坏，或不是密钥备份 / the file is damaged, or no backup of keys")]
    Damaged,
    /// What was written is not what is read back.
    #[error("写出后未能通过核对 / what was written did not pass when it was read back")]
    NotProven,
    /// The file system failed.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl KeysError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Key(_) => "KEY_UNUSABLE",
            Self::Exists { .. } => "FILE_EXISTS",
            Self::WrongKey => "BACKUP_KEY_WRONG",
            Self::Damaged => "BACKUP_DAMAGED",
            Self::NotProven => "BACKUP_NOT_PROVEN",
            Self::Path(_) => "FILE_SYSTEM",
        }
    }
}

impl From<OpenError> for KeysError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::WrongKey => Self::WrongKey,
            // Few bytes in memory are read.
            OpenError::Damaged | OpenError::Io(_) => Self::Damaged,
        }
    }
}

/// A file of the archive: where it lies below a node's folder, and its content.
type Kept = (String, Zeroizing<Vec<u8>>);

/// Writes the keys of a node, and what else it takes to set it up again, into a new file. The
/// high-water file is not among them, nor is the key of the node's certificate authority, which is
/// kept offline. Gives the names.
///
/// # Errors
/// [`KeysError`]; what had been written is deleted.
pub fn back_up_keys(
    config: &Config,
    config_file: &Path,
    out: &Path,
    lock: &Lock,
) -> Result<Vec<String>, KeysError> {
    let kept = collect(config, config_file)?;
    let (recipients, reader) = lock.ready();
    let partial = PathBuf::from(format!("{}.partial", out.display()));
    make_folders(folder_of(out))?;
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(at(&partial)(error).into());
        }
        _ => {}
    }
    let written = pack(&kept)
        .and_then(|archive| seal::lock_bytes(&recipients, &archive))
        .and_then(|locked| keys::write_new(&partial, 0o600, &locked));
    let finished = written
        .map_err(|error| at(&partial)(error).into())
        .and_then(|()| {
            let read = fs::read(&partial).map_err(at(&partial))?;
            if unpack(&seal::open_bytes(&reader, &read)?)? != kept {
                return Err(KeysError::NotProven);
            }
            if publish(&partial, out)? {
                Ok(())
            } else {
                Err(KeysError::Exists {
                    path: out.to_owned(),
                })
            }
        });
    if finished.is_err() {
        drop(fs::remove_file(&partial));
    }
    finished?;
    Ok(kept.into_iter().map(|(name, _)| name).collect())
}

/// Unpacks a backup of keys into a node's folder, where none of its files may exist yet. Gives
/// the paths.
///
/// # Errors
/// [`KeysError`].
pub fn restore_keys(file: &Path, keys: &Keys, folder: &Path) -> Result<Vec<PathBuf>, KeysError> {
    let locked = fs::read(file).map_err(at(file))?;
    let kept = unpack(&seal::open_bytes(keys, &locked)?)?;
    let paths: Vec<PathBuf> = kept.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(path) = paths.iter().find(|path| path.exists()) {
        return Err(KeysError::Exists { path: path.clone() });
    }
    for (path, (_, content)) in paths.iter().zip(&kept) {
        make_folders(folder_of(path))?;
        keys::write_new(path, 0o600, content).map_err(at(path))?;
    }
    Ok(paths)
}

/// Reads everything that is kept, under the names that `huren-node init` gives.
fn collect(config: &Config, config_file: &Path) -> Result<Vec<Kept>, KeysError> {
    let mut files = vec![(init::CONFIG.to_owned(), config_file.to_owned())];
    for purpose in Purpose::ALL {
        let path = match purpose {
            Purpose::Holder => config.trust.holder_key.clone(),
            other => other.file_in(&config.keys_dir),
        };
        // What could not be used should not be kept as if it could.
        usable(&path, purpose)?;
        files.push((format!("keys/{purpose}.key"), path));
        let next = purpose.next_file_in(&config.keys_dir);
        match usable(&next, purpose) {
            Ok(()) => files.push((format!("keys/{purpose}.next.key"), next)),
            Err(KeyError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Keys of the database that came before: what is not under the new ones yet needs them.
    for purpose in [Purpose::AtRest, Purpose::Index] {
        for path in keys::earlier_files(&config.keys_dir, purpose)? {
            keys::load(&path, purpose)?;
            let name = path.file_name().map(|name| name.to_string_lossy());
            files.push((format!("keys/{}", name.unwrap_or_default()), path));
        }
    }
    files.extend([
        ("tls/node.crt".to_owned(), config.tls.certificate.clone()),
        ("tls/node.key".to_owned(), config.tls.key.clone()),
        ("tls/ca.crt".to_owned(), config.tls.ca.clone()),
        ("trust/roots".to_owned(), config.trust.roots.clone()),
        ("trust/lists".to_owned(), config.trust.lists.clone()),
    ]);
    let mut kept = Vec::new();
    for (name, path) in files {
        match read(&path) {
            Ok(content) => kept.push((name, content)),
            // A node in no federation yet has none.
            Err(error) if error.kind() == io::ErrorKind::NotFound && name.starts_with("trust/") => {
            }
            Err(error) => return Err(at(&path)(error).into()),
        }
    }
    Ok(kept)
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut content = Zeroizing::new(Vec::with_capacity(length as usize + 1));
    file.take(MAX_FILE).read_to_end(&mut content)?;
    Ok(content)
}

fn pack(kept: &[Kept]) -> io::Result<Zeroizing<Vec<u8>>> {
    // Reserved whole: a header and less than a block of padding for each, and two blocks.
    let length = kept
        .iter()
        .map(|(_, content)| content.len() + 1024)
        .sum::<usize>()
        + 1024;
    let bytes = Zeroizing::new(Vec::with_capacity(length));
    let mut archive = tar::Builder::new(Held(bytes));
    for (name, content) in kept {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        archive.append_data(&mut header, name, content.as_slice())?;
    }
    Ok(archive.into_inner()?.0)
}

/// Bytes that are wiped, as a writer.
struct Held(Zeroizing<Vec<u8>>);

impl io::Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes an archive apart. Only names that [`collect`] gives are taken.
fn unpack(archive: &[u8]) -> Result<Vec<Kept>, KeysError> {
    let damaged = |_: io::Error| KeysError::Damaged;
    let mut kept: Vec<Kept> = Vec::new();
    for entry in tar::Archive::new(archive).entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry
            .path()
            .map_err(damaged)?
            .to_string_lossy()
            .into_owned();
        let is_new = kept.iter().all(|(other, _)| *other != name);
        if !is_kept(&name) || !is_new || !entry.header().entry_type().is_file() {
            return Err(KeysError::Damaged);
        }
        let mut content = Zeroizing::new(Vec::with_capacity(archive.len()));
        entry.read_to_end(&mut content).map_err(damaged)?;
        kept.push((name, content));
    }
    if kept.is_empty() {
        return Err(KeysError::Damaged);
    }
    Ok(kept)
}

fn is_kept(name: &str) -> bool {
    let others = [
        "tls/node.crt",
        "tls/node.key",
        "tls/ca.crt",
        "trust/roots",
        "trust/lists",
    ];
    name == init::CONFIG
        || others.contains(&name)
        || Purpose::ALL.iter().any(|purpose| {
            name == format!("keys/{purpose}.key") || name == format!("keys/{purpose}.next.key")
        })
        || [Purpose::AtRest, Purpose::Index]
            .iter()
            .any(|purpose| is_earlier(name, *purpose))
}

/// Whether it is the name of an earlier key of the database.
fn is_earlier(name: &str, purpose: Purpose) -> bool {
    let middle = name
        .strip_prefix(&format!("keys/{purpose}.old"))
        .and_then(|rest| rest.strip_suffix(".key"));
    middle.is_some_and(|middle| !middle.contains(['/', '\\']))
}

/// Whether a key file holds a key for that; records are signed by either algorithm.
fn usable(path: &Path, purpose: Purpose) -> Result<(), KeyError> {
    match purpose {
        Purpose::Record => keys::load_signer(path, Purpose::record).map(drop),
        other => keys::load(path, other).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::PermissionsExt as _,
        time::{Duration, SystemTime},
    };

    use age::secrecy::ExposeSecret as _;
    use huren_core::codes::Region;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    struct Scene {
        folder: tempfile::TempDir,
        config: Config,
        lock: Lock,
        keys: Keys,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let node = folder.path().join("node");
            let options = init::InitOptions::new(Region::ZHEJIANG, &node).unwrap();
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            init::init(&options, &mut StdRng::seed_from_u64(1), now).unwrap();
            let identity = age::x25519::Identity::generate();
            let file = folder.path().join("identity");
            fs::write(&file, identity.to_string().expose_secret()).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            Self {
                config: Config::load(&node.join(init::CONFIG)).unwrap(),
                lock: Lock::for_recipients([identity.to_public().to_string().as_str()]).unwrap(),
                keys: Keys::in_files(&[file]).unwrap(),
                folder,
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn back_up(&self, out: &str) -> Result<Vec<String>, KeysError> {
            let config_file = self.path("node").join(init::CONFIG);
            back_up_keys(&self.config, &config_file, &self.path(out), &self.lock)
        }
    }

    #[test]
    fn what_was_kept_sets_a_node_up_again() {
        let scene = Scene::new();
        let names = scene.back_up("keys.age").unwrap();
        let (original, again) = (scene.path("node"), scene.path("again"));
        let paths = restore_keys(&scene.path("keys.age"), &scene.keys, &again).unwrap();
        assert_eq!(paths.len(), names.len());
        for name in &names {
            let [before, after] = [&original, &again].map(|folder| fs::read(folder.join(name)));
            assert_eq!(before.unwrap(), after.unwrap(), "{name}");
        }
        for purpose in Purpose::ALL {
            keys::load(&purpose.file_in(&again.join("keys")), purpose).unwrap();
        }
        Config::load(&again.join(init::CONFIG)).unwrap();
        assert!(!again.join("high-water").exists() && original.join("high-water").exists());
        assert!(!names.contains(&"tls/ca.key".to_owned()));

        let refused = restore_keys(&scene.path("keys.age"), &scene.keys, &again);
        assert_eq!(refused.unwrap_err().code(), "FILE_EXISTS");
        assert_eq!(scene.back_up("keys.age").unwrap_err().code(), "FILE_EXISTS");
    }

    #[test]
    fn nothing_of_a_key_is_in_clear() {
        let scene = Scene::new();
        scene.back_up("keys.age").unwrap();
        let locked = fs::read(scene.path("keys.age")).unwrap();
        for word in ["huren-key-v1", "PRIVATE KEY", "ustar"] {
            let found = locked
                .windows(word.len())
                .any(|bytes| bytes == word.as_bytes());
            assert!(!found, "{word}");
        }
        let mode = fs::metadata(scene.path("keys.age"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn other_files_are_refused_and_nothing_is_written() {
        let scene = Scene::new();
        scene.back_up("keys.age").unwrap();
        let good = fs::read(scene.path("keys.age")).unwrap();
        let (recipients, _) = scene.lock.ready();
        let foreign = pack(&[("keys/other.key".to_owned(), Zeroizing::new(vec![1]))]).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let cases = [
            ("BACKUP_DAMAGED", flipped),
            ("BACKUP_DAMAGED", good[..good.len() - 9].to_vec()),
            ("BACKUP_DAMAGED", b"no age file".to_vec()),
            (
                "BACKUP_DAMAGED",
                seal::lock_bytes(&recipients, b"no archive").unwrap(),
            ),
            (
                "BACKUP_DAMAGED",
                seal::lock_bytes(&recipients, &foreign).unwrap(),
            ),
        ];
        let check = |bytes: &[u8], keys: &Keys, code| {
            fs::write(scene.path("case.age"), bytes).unwrap();
            let refused = restore_keys(&scene.path("case.age"), keys, &scene.path("again"));
            assert_eq!(refused.unwrap_err().code(), code);
            assert!(!scene.path("again").exists());
        };
        for (code, bytes) in cases {
            check(&bytes, &scene.keys, code);
        }
        check(&good, &Scene::new().keys, "BACKUP_KEY_WRONG");
    }
}
