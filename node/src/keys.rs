//! Key files: one secret to a file, readable by its owner alone.
//!
//! A file is text: comment lines that begin with `#`, and one line
//! `huren-key-v1 <purpose> <base64 of 32 bytes>`. The purpose is inside the file so that a
//! key put in another key's place is refused instead of used: the log key, the witness key,
//! the mirror key and the record key of a member must never be the same.

mod ring;

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use huren_core::{
    checkpoint::Origin,
    cosign::Cosigner,
    keys::{Algorithm, RecordSigner},
    note::{KeyName, KeyNameError, NoteSigner},
};
use rand::CryptoRng;
use zeroize::Zeroizing;

pub use ring::{Changed, change, earlier_files, load_ring};

const VERSION: &str = "huren-key-v1";

/// Longest key file that is read, in bytes: comments included, with room to spare.
const MAX_FILE_LEN: u64 = 4096;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signs the checkpoints of the own log (Ed25519 seed).
    Log,
    /// Cosigns other members' checkpoints as a witness (Ed25519 seed).
    Witness,
    /// Cosigns other members' checkpoints as a mirror (Ed25519 seed).
    Mirror,
    /// Signs records (Ed25519 seed).
    Record,
    /// Signs records (SM2 private key, big-endian); lies where the other record key would.
    RecordSm2,
    /// Signs an institution's certificates (Ed25519 seed); never on a node.
    Institution,
    /// Signs an institution's certificates (SM2 private key, big-endian); never on a node.
    InstitutionSm2,
    /// Signs answers and receipts (Ed25519 seed).
    Answer,
    /// Seals disclosures in the database (symmetric).
    AtRest,
    /// Keys the look-up tags of certificate numbers and submissions (symmetric).
    Index,
    /// Keys the look-up tags of holders; shared by all members (symmetric).
    Holder,
    /// Signs trust lists (Ed25519 seed); never on a node.
    Root,
}

impl Purpose {
    /// The key that signs the records of a province.
    pub const fn record(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ed25519 => Self::Record,
            Algorithm::Sm2Sm3 => Self::RecordSm2,
        }
    }

    /// The key that signs the certificates of an institution.
    pub const fn institution(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ed25519 => Self::Institution,
            Algorithm::Sm2Sm3 => Self::InstitutionSm2,
        }
    }

    /// Every purpose of a key that a node holds, by its usual algorithm.
    pub const ALL: [Self; 8] = [
        Self::Log,
        Self::Witness,
        Self::Mirror,
        Self::Record,
        Self::Answer,
        Self::AtRest,
        Self::Index,
        Self::Holder,
    ];

    /// The word in the key file, and mostly the file's name before `.key`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Witness => "witness",
            Self::Mirror => "mirror",
            Self::Record => "record",
            Self::RecordSm2 => "record-sm2",
            Self::Institution => "institution",
            Self::InstitutionSm2 => "institution-sm2",
            Self::Answer => "answer",
            Self::AtRest => "at-rest",
            Self::Index => "index",
            Self::Holder => "holder",
            Self::Root => "root",
        }
    }

    /// Where this key lies in a directory of keys.
    pub fn file_in(self, directory: &Path) -> PathBuf {
        let name = match self {
            Self::RecordSm2 => Self::Record,
            other => other,
        };
        directory.join(format!("{}.key", name.as_str()))
    }

    /// Where the key lies that is to take its place.
    pub fn next_file_in(self, directory: &Path) -> PathBuf {
        self.file_in(directory).with_extension("next.key")
    }

    fn comment(self) -> &'static str {
        match self {
            Self::Log => {
                "日志签名密钥 (Ed25519). Signs this log's checkpoints. Keep one copy offline."
            }
            Self::Witness => "见证密钥 (Ed25519). Cosigns other members' checkpoints as a witness.",
            Self::Mirror => "镜像密钥 (Ed25519). Cosigns other members' checkpoints as a mirror.",
            Self::Record => "记录签名密钥 (Ed25519). Signs this province's records.",
            Self::RecordSm2 => "记录签名密钥 (SM2). Signs this province's records.",
            Self::Institution => {
                "评价机构签名密钥 (Ed25519). Signs the institution's certificates. Never leaves the institution."
            }
            Self::InstitutionSm2 => {
                "评价机构签名密钥 (SM2). Signs the institution's certificates. Never leaves the institution."
            }
            Self::Answer => "回执签名密钥 (Ed25519). Signs answers and receipts.",
            Self::AtRest => {
                "落盘加密密钥. Seals disclosures in the database. Back it up apart from the database."
            }
            Self::Index => {
                "索引密钥. Keys look-ups by certificate number. Back it up apart from the database."
            }
            Self::Holder => "持证人索引密钥. Keys look-ups by holder. The same at every member.",
            Self::Root => {
                "信任根密钥 (Ed25519). Signs trust lists. Keep it offline, never on a node."
            }
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// 32 secret bytes with their purpose; wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey {
    purpose: Purpose,
    bytes: Zeroizing<[u8; 32]>,
}

impl SecretKey {
    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The secret itself: an Ed25519 seed, an SM2 private key or a symmetric key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// What signs notes with this key for the member of that log. Its name is the log's
    /// origin for the log key (C2SP `tlog-checkpoint`), and below that for all others.
    ///
    /// # Errors
    /// If the origin has spaces or a plus, which names of keys cannot have.
    pub fn note_signer(&self, origin: &Origin) -> Result<NoteSigner, KeyNameError> {
        Ok(NoteSigner::from_seed(
            self.name_below(origin)?,
            self.expose(),
        ))
    }

    /// What cosigns checkpoints with this key for the member of that log.
    ///
    /// # Errors
    /// As [`SecretKey::note_signer`].
    pub fn cosigner(&self, origin: &Origin) -> Result<Cosigner, KeyNameError> {
        Ok(Cosigner::from_seed(self.name_below(origin)?, self.expose()))
    }

    /// What signs records with this key; `None` if the bytes are no key of its algorithm, which
    /// [`create`] and [`load`] rule out.
    pub fn record_signer(&self) -> Option<RecordSigner> {
        let algorithm = match self.purpose {
            Purpose::RecordSm2 | Purpose::InstitutionSm2 => Algorithm::Sm2Sm3,
            _ => Algorithm::Ed25519,
        };
        RecordSigner::new(algorithm, self.expose()).ok()
    }

    fn name_below(&self, origin: &Origin) -> Result<KeyName, KeyNameError> {
        match self.purpose {
            Purpose::Log => origin.as_str().parse(),
            other => format!("{origin}/{other}").parse(),
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, redacted)", self.purpose)
    }
}

/// Why a key file was not read or made. The text names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("there is no key file {}: restore it from its backup, or make one with `huren-node init`", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A key is never overwritten.
    #[error("the key file {} exists already and is not overwritten", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Group or others may read or write the file.
    #[error("the key file {} has mode {mode:03o}, so that others can get at it: run `chmod 600` on it, and replace the key if they did", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not one line of the expected form beside its comments.
    #[error("{} is no key file: it needs one line `{VERSION} <purpose> <base64 of 32 bytes>`", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The file holds a key for something else.
    #[error("the key file {} holds a key for `{found}`, not for `{expected}`: do not use one key for two purposes", .path.display())]
    WrongPurpose {
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: String,
        /// What it is wanted for.
        expected: Purpose,
    },
    /// The file system failed.
    #[error("cannot use the key file {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads a key.
pub fn load(path: &Path, purpose: Purpose) -> Result<SecretKey, KeyError> {
    load_any(path, &[purpose])
}

/// Reads a key that signs records, of either algorithm: `purpose` says for whom.
pub fn load_signer(
    path: &Path,
    purpose: fn(Algorithm) -> Purpose,
) -> Result<RecordSigner, KeyError> {
    let key = load_any(path, &Algorithm::ALL.map(purpose))?;
    key.record_signer().ok_or_else(|| KeyError::Malformed {
        path: path.to_owned(),
    })
}

/// Reads a key that is for one of these, of which there is at least one.
fn load_any(path: &Path, purposes: &[Purpose]) -> Result<SecretKey, KeyError> {
    let io_error = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyError::Missing {
            path: path.to_owned(),
        },
        _ => io_error(error),
    })?;
    // Asked of the open file, not of the path: nobody can swap it in between.
    let mode = file.metadata().map_err(io_error)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    // Reserved whole, so that growing leaves no copies behind in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_LEN as usize));
    file.take(MAX_FILE_LEN)
        .read_to_string(&mut text)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => KeyError::Malformed {
                path: path.to_owned(),
            },
            _ => io_error(error),
        })?;
    parse(&text, path, purposes)
}

/// Makes a key from `rng` and writes it, with mode 0600, to a file that does not exist yet.
/// When this returns, the file is on disk.
pub fn create(
    path: &Path,
    purpose: Purpose,
    rng: &mut dyn CryptoRng,
) -> Result<SecretKey, KeyError> {
    let key = generate(purpose, rng);
    store(path, &key)?;
    Ok(key)
}

/// Writes a key that is held already, as [`create`] does: for the key that members share.
pub fn store(path: &Path, key: &SecretKey) -> Result<(), KeyError> {
    let text = to_text(key);
    write_new(path, 0o600, text.as_bytes()).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists {
            path: path.to_owned(),
        },
        _ => KeyError::Io {
            path: path.to_owned(),
            source,
        },
    })
}

/// Makes a key from `rng` that is not kept in a file yet.
pub fn generate(purpose: Purpose, rng: &mut dyn CryptoRng) -> SecretKey {
    let mut key = SecretKey {
        purpose,
        bytes: Zeroizing::new([0; 32]),
    };
    rng.fill_bytes(key.bytes.as_mut());
    // One draw in 2^32 is no SM2 key (GB/T 32918.1, 6.1: drawn again).
    while key.record_signer().is_none() {
        rng.fill_bytes(key.bytes.as_mut());
    }
    key
}

/// Reads what a key file says; `path` names it in the error.
///
/// # Errors
/// `Malformed`; `WrongPurpose`.
pub fn from_text(text: &str, path: &Path, purpose: Purpose) -> Result<SecretKey, KeyError> {
    parse(text, path, &[purpose])
}

/// What a key file says.
pub fn to_text(key: &SecretKey) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(key.expose()));
    Zeroizing::new(format!(
        "# {}\n{VERSION} {} {}\n",
        key.purpose.comment(),
        key.purpose,
        *encoded
    ))
}

/// Writes a file that does not exist yet and syncs it together with its directory.
///
/// # Errors
/// `AlreadyExists`, or why the file system failed; then there is no such file.
pub fn write_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key is none: leave no file that would stand in the way of the next try. What
        // went wrong with the write is what the caller has to know.
        drop(fs::remove_file(path));
    }
    written?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn parse(text: &str, path: &Path, purposes: &[Purpose]) -> Result<SecretKey, KeyError> {
    let malformed = || KeyError::Malformed {
        path: path.to_owned(),
    };
    let mut lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(malformed());
    };
    let mut words = line.split(' ');
    let (Some(VERSION), Some(found), Some(encoded), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed());
    };
    let wanted = purposes.iter().find(|purpose| purpose.as_str() == found);
    let Some(&purpose) = wanted else {
        return Err(KeyError::WrongPurpose {
            path: path.to_owned(),
            found: found.to_owned(),
            expected: purposes.first().copied().ok_or_else(malformed)?,
        });
    };
    // One byte more than a key: base64 asks for room for the padding as well.
    let mut decoded = Zeroizing::new([0; 33]);
    let length = STANDARD
        .decode_slice(encoded, decoded.as_mut())
        .map_err(|_| malformed())?;
    let (32, Some(bytes)) = (length, decoded.first_chunk::<32>()) else {
        return Err(malformed());
    };
    let key = SecretKey {
        purpose,
        bytes: Zeroizing::new(*bytes),
    };
    if key.record_signer().is_none() {
        return Err(malformed());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    #[test]
    fn every_purpose_reads_back_what_was_made() {
        let dir = tempfile::tempdir().unwrap();
        for purpose in Purpose::ALL {
            let path = purpose.file_in(dir.path());
            let made = create(&path, purpose, &mut rng()).unwrap();
            let read = load(&path, purpose).unwrap();
            assert_eq!((read.purpose(), read.expose()), (purpose, made.expose()));
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.key");
        let first = create(&path, Purpose::Log, &mut rng()).unwrap();
        let again = create(&path, Purpose::Log, &mut StdRng::seed_from_u64(2));
        assert!(matches!(again, Err(KeyError::Exists { .. })));
        assert_eq!(load(&path, Purpose::Log).unwrap().expose(), first.expose());
    }

    #[test]
    fn a_key_for_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        create(&path, Purpose::Witness, &mut rng()).unwrap();
        let error = load(&path, Purpose::Mirror).unwrap_err();
        assert!(matches!(
            error,
            KeyError::WrongPurpose {
                expected: Purpose::Mirror,
                ..
            }
        ));
    }

    #[test]
    fn an_exposed_or_missing_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        assert!(matches!(
            load(&path, Purpose::Log),
            Err(KeyError::Missing { .. })
        ));
        create(&path, Purpose::Log, &mut rng()).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load(&path, Purpose::Log).unwrap_err();
            assert!(matches!(error, KeyError::Exposed { mode: found, .. } if found == mode));
        }
    }

    #[test]
    fn other_texts_are_no_key_files() {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let good = format!("# what\nhuren-key-v1 log {key}\n");
        assert!(parse(&good, Path::new("x"), &[Purpose::Log]).is_ok());
        let bad = [
            String::new(),
            format!("huren-key-v2 log {key}"),
            format!("huren-key-v1 log {key} more"),
            format!("huren-key-v1 log  {key}"),
            format!("{good}{good}"),
            "huren-key-v1 log AAAA".to_owned(),
            format!("huren-key-v1 log {}", STANDARD.encode([0; 33])),
            "huren-key-v1 log !".to_owned(),
        ];
        for text in bad {
            let error = parse(&text, Path::new("x"), &[Purpose::Log]).unwrap_err();
            assert!(matches!(error, KeyError::Malformed { .. }), "{text}");
        }
    }

    #[test]
    fn keys_that_sign_records_are_of_either_algorithm() {
        let dir = tempfile::tempdir().unwrap();
        for algorithm in Algorithm::ALL {
            let purpose = Purpose::record(algorithm);
            let path = purpose.file_in(&dir.path().join(algorithm.name()));
            fs::create_dir(path.parent().unwrap()).unwrap();
            assert!(path.ends_with("record.key"));
            let made = create(&path, purpose, &mut rng()).unwrap();
            let signer = load_signer(&path, Purpose::record).unwrap();
            assert_eq!(signer.algorithm(), algorithm);
            assert_eq!(signer.id(), made.record_signer().unwrap().id());
            // A province's key is not an institution's.
            let other = load_signer(&path, Purpose::institution).unwrap_err();
            assert!(matches!(other, KeyError::WrongPurpose { .. }));
        }
        let zero = format!("huren-key-v1 record-sm2 {}", STANDARD.encode([0; 32]));
        let error = parse(&zero, Path::new("x"), &[Purpose::RecordSm2]).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }));
    }

    #[test]
    fn signers_are_named_after_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let origin: Origin = "huren.zj.example/log/33".parse().unwrap();
        let make = |purpose: Purpose| create(&purpose.file_in(dir.path()), purpose, &mut rng());
        let log = make(Purpose::Log).unwrap().note_signer(&origin).unwrap();
        assert_eq!(log.name().as_str(), "huren.zj.example/log/33");
        let witness = make(Purpose::Witness).unwrap().cosigner(&origin).unwrap();
        assert_eq!(witness.name().as_str(), "huren.zj.example/log/33/witness");
    }

    #[test]
    fn debug_tells_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let key = create(&dir.path().join("a.key"), Purpose::AtRest, &mut rng()).unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(at-rest, redacted)");
    }
}
