//! Files and folders: places to work in, and names that appear only when all is there.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown},
    path::{Path, PathBuf},
};

/// A folder beside the database for files that are not encrypted, deleted with this value. One
/// process has it at a time; what a crash leaves in it goes when the next one takes it.
pub(super) struct Workshop {
    folder: PathBuf,
    /// Unlocked when closed, also by a crash.
    _lock: File,
}

/// Something that failed on a path.
#[derive(Debug, thiserror::Error)]
#[error("{} 无法读写 / cannot be read or written", .path.display())]
pub struct PathError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Says of which path an error is.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> PathError {
    let path = path.to_owned();
    |source| PathError { path, source }
}

impl Workshop {
    /// Takes the folder in `data_dir`, which is made if it is missing; `None` if another process
    /// has it.
    pub(super) fn take(data_dir: &Path) -> Result<Option<Self>, PathError> {
        make_folders(data_dir)?;
        let lock_file = data_dir.join("backup.lock");
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(&lock_file).map_err(at(&lock_file))?;
        leave_to_owner(data_dir, &lock_file)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(at(&lock_file)(error)),
        }
        let folder = data_dir.join("backup.partial");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(&folder)(error));
            }
            _ => {}
        }
        make_folder(&folder)?;
        Ok(Some(Self {
            folder,
            _lock: lock,
        }))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "unencrypted files are left");
        }
    }
}

/// Makes a folder for its owner alone.
pub(super) fn make_folder(path: &Path) -> Result<(), PathError> {
    let made = fs::DirBuilder::new().mode(0o700).create(path);
    made.map_err(at(path))
}

/// Makes a folder and those above it, where they are missing.
pub(super) fn make_folders(path: &Path) -> Result<(), PathError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(at(path))
}

/// Makes a change of names in a folder outlive a loss of power.
pub(super) fn sync_folder(path: &Path) -> Result<(), PathError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(at(path))
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Gives a finished file its name, unless there is a file of that name: then nothing changes, and
/// the answer is false. Behind an answer it is on the disk.
pub(super) fn publish(finished: &Path, name: &Path) -> Result<bool, PathError> {
    let folder = folder_of(name);
    File::open(finished)
        .and_then(|file| file.sync_all())
        .map_err(at(finished))?;
    leave_to_owner(folder, finished)?;
    // A rename would replace what another process has made meanwhile.
    match fs::hard_link(finished, name) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(at(name)(error)),
    }
    fs::remove_file(finished).map_err(at(finished))?;
    sync_folder(folder)?;
    Ok(true)
}

/// Makes a file that of the folder's owner: commands may be run by the administrator, and the node
/// runs as a user of its own.
fn leave_to_owner(folder: &Path, file: &Path) -> Result<(), PathError> {
    let owner = fs::metadata(folder).map_err(at(folder))?;
    if owner.uid() != fs::metadata(file).map_err(at(file))?.uid() {
        chown(file, Some(owner.uid()), Some(owner.gid())).map_err(at(file))?;
    }
    Ok(())
}
