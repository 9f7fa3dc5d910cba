//! What backups are locked with, and what opens them: age recipients and identities, or a
//! passphrase.

use std::{
    fs::File,
    io::{self, BufReader, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use age::{Identity, IdentityFile, Recipient, scrypt, secrecy::SecretString, x25519};
use zeroize::Zeroizing;

/// Longest passphrase file, in bytes.
const MAX_PASSPHRASE: u64 = 4096;

/// The largest scrypt work factor that is taken from a file: 2^22, some seconds of work.
const MAX_WORK: u8 = 22;

/// What a file is locked with. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Lock {
    /// Whoever has the private key of one of these.
    Recipients(Vec<x25519::Recipient>),
    /// Whoever knows the passphrase.
    Passphrase(SecretString),
}

/// Private keys that open files.
pub struct Keys(Vec<Box<dyn Identity + Send + Sync>>);

/// Why keys or passphrases cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Nothing to lock with.
    #[error(
        "没有指定加密对象，请用 --recipient（或配置 [backup] recipients）或 --passphrase-file / \
         nothing to encrypt with: give --recipient (or [backup] recipients in the configuration), or --passphrase-file"
    )]
    Nothing,
    /// Not an age recipient.
    #[error(
        "`{0}` 不是 age 公钥（age1…，见 age-keygen）/ is no age recipient (age1…, see age-keygen)"
    )]
    Recipient(String),
    /// The file has no passphrase.
    #[error("口令文件 {0} 为空或不可用 / the passphrase file {0} is empty or not usable", .path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error("文件 {0} 他人可读，请 chmod 600 / others can read {0}: run `chmod 600` on it", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read, or holds no age identity.
    #[error("无法读取 {0} / cannot read {0}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LockError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "RECIPIENT_MISSING",
            Self::Recipient(_) => "RECIPIENT_INVALID",
            Self::Passphrase { .. } => "PASSPHRASE_EMPTY",
            Self::Exposed { .. } => "KEY_FILE_EXPOSED",
            Self::Unreadable { .. } => "KEY_FILE_UNREADABLE",
        }
    }
}

impl Lock {
    /// For the private keys that belong to these public ones (`age1…`).
    ///
    /// # Errors
    /// `Nothing` if there is none; `Recipient`.
    pub fn for_recipients<'a>(
        recipients: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, LockError> {
        let parse = |text: &str| {
            let parsed = text.trim().parse();
            parsed.map_err(|_| LockError::Recipient(text.to_owned()))
        };
        let recipients: Vec<_> = recipients
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>()?;
        if recipients.is_empty() {
            return Err(LockError::Nothing);
        }
        Ok(Self::Recipients(recipients))
    }

    /// For those who know the first line of a file.
    ///
    /// # Errors
    /// `Passphrase`; `Exposed`; `Unreadable`.
    pub fn passphrase_in(path: &Path) -> Result<Self, LockError> {
        passphrase(path).map(Self::Passphrase)
    }

    /// This lock, ready to be used, and keys that open what it locks. For recipients, whose
    /// private keys are elsewhere, those are of a pair that is made here and forgotten once what
    /// was written has been read back.
    pub(super) fn ready(&self) -> (Vec<Box<dyn Recipient>>, Keys) {
        match self {
            Self::Recipients(recipients) => {
                let reader = x25519::Identity::generate();
                let all = recipients.iter().cloned().chain([reader.to_public()]);
                let all = all.map(|recipient| Box::new(recipient) as Box<dyn Recipient>);
                (all.collect(), Keys(vec![Box::new(reader)]))
            }
            Self::Passphrase(passphrase) => {
                let recipient = scrypt::Recipient::new(passphrase.clone());
                (
                    vec![Box::new(recipient)],
                    Keys::of_passphrase(passphrase.clone()),
                )
            }
        }
    }
}

impl Keys {
    /// The private keys in files as `age-keygen` writes them.
    ///
    /// # Errors
    /// `Exposed`; `Unreadable`.
    pub fn in_files(paths: &[PathBuf]) -> Result<Self, LockError> {
        let mut keys = Vec::new();
        for path in paths {
            let unreadable = |source| LockError::Unreadable {
                path: path.clone(),
                source,
            };
            let file = open_secret(path)?;
            let identities = IdentityFile::from_buffer(BufReader::new(file)).map_err(unreadable)?;
            let identities = identities.into_identities();
            keys.extend(identities.map_err(|error| unreadable(io::Error::other(error)))?);
        }
        Ok(Self(keys))
    }

    /// The passphrase in the first line of a file.
    ///
    /// # Errors
    /// `Passphrase`; `Exposed`; `Unreadable`.
    pub fn passphrase_in(path: &Path) -> Result<Self, LockError> {
        passphrase(path).map(Self::of_passphrase)
    }

    fn of_passphrase(passphrase: SecretString) -> Self {
        let mut identity = scrypt::Identity::new(passphrase);
        identity.set_max_work_factor(MAX_WORK);
        Self(vec![Box::new(identity)])
    }

    /// One after the other.
    pub(super) fn identities(&self) -> impl Iterator<Item = &dyn Identity> {
        self.0.iter().map(|key| key.as_ref() as &dyn Identity)
    }
}

fn passphrase(path: &Path) -> Result<SecretString, LockError> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_PASSPHRASE as usize));
    let read = open_secret(path)?
        .take(MAX_PASSPHRASE)
        .read_to_string(&mut text);
    read.map_err(|source| LockError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    match text.lines().next() {
        Some(line) if !line.trim().is_empty() => Ok(SecretString::from(line.to_owned())),
        _ => Err(LockError::Passphrase {
            path: path.to_owned(),
        }),
    }
}

fn open_secret(path: &Path) -> Result<File, LockError> {
    let unreadable = |source| LockError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file: nobody can swap it in between.
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        return Err(LockError::Exposed {
            path: path.to_owned(),
        });
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::backup::seal::{OpenError, lock_bytes, open_bytes};

    fn secret(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    #[test]
    fn a_passphrase_locks_and_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = secret(folder.path(), "correct horse battery staple\nmore\n");
        let (recipients, reader) = Lock::passphrase_in(&path).unwrap().ready();
        let locked = lock_bytes(&recipients, b"content").unwrap();
        assert_eq!(*open_bytes(&reader, &locked).unwrap(), b"content");
        let again = Keys::passphrase_in(&path).unwrap();
        assert_eq!(*open_bytes(&again, &locked).unwrap(), b"content");
        let path = secret(folder.path(), "another");
        let other = Keys::passphrase_in(&path).unwrap();
        assert!(matches!(
            open_bytes(&other, &locked),
            Err(OpenError::WrongKey)
        ));
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let code = |refused: LockError| {
            assert!(!refused.to_string().contains("hush"), "{refused}");
            refused.code()
        };
        let none = Lock::for_recipients([]).unwrap_err();
        assert_eq!(code(none), "RECIPIENT_MISSING");
        let wrong = Lock::for_recipients(["age1nothing"]).unwrap_err();
        assert_eq!(code(wrong), "RECIPIENT_INVALID");
        let empty = secret(folder.path(), " \nhush");
        assert_eq!(
            code(Lock::passphrase_in(&empty).unwrap_err()),
            "PASSPHRASE_EMPTY"
        );
        let no_identity = secret(folder.path(), "hush");
        let refused = Keys::in_files(std::slice::from_ref(&no_identity))
            .err()
            .unwrap();
        assert_eq!(code(refused), "KEY_FILE_UNREADABLE");
        fs::set_permissions(&no_identity, fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = Lock::passphrase_in(&no_identity).unwrap_err();
        assert_eq!(code(exposed), "KEY_FILE_EXPOSED");
        let missing = Lock::passphrase_in(&folder.path().join("none")).unwrap_err();
        assert_eq!(code(missing), "KEY_FILE_UNREADABLE");
        let shown = format!(
            "{:?}",
            Lock::Passphrase(SecretString::from("hush".to_owned()))
        );
        assert!(!shown.contains("hush"), "{shown}");
    }
}
