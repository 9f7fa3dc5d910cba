//! What a node reads when it starts: keys, certificates and the federation's trust lists. Each
//! failure names the file and what to do.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use huren_core::{
    disclosure,
    note::KeyNameError,
    trust::{RootKeys, TrustChain, TrustError, TrustList},
};
use rustls::pki_types::CertificateDer;

use crate::{
    config::{Config, TrustFiles},
    engine::{Rotating, SigningKeys, WriterKeys},
    keys::{self, KeyError, Purpose, SecretKey},
    tls::{self, Identity, TlsError},
};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The origin cannot name keys.
    #[error("the origin cannot name keys: it has a space or a plus")]
    Origin(#[from] KeyNameError),
    /// The files that a federation gives its members are not there.
    #[error(
        "本节点尚未加入联盟：缺少 {0}。请将本节点的 member.json 交给联盟，把取得的根公钥和信任清单放到上述位置（见配置文件 [trust]），再启动。 / \
         this node is in no federation yet: there is no {0}. Give its member.json to the \
         federation, put the root keys and trust lists that it gives you there (see [trust] in \
         the configuration), and start again",
        paths(.missing)
    )]
    NoFederation {
        /// The files that are missing.
        missing: Vec<PathBuf>,
    },
    /// A file of the federation cannot be read.
    #[error("cannot read {}: ask the federation for it, and see [trust] in the configuration", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The root keys or the lists do not hold.
    #[error("{} does not hold", .path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TrustError,
    },
}

/// The keys of a node, ready for use.
pub struct NodeKeys {
    /// What it signs with.
    pub signing: SigningKeys,
    /// What the own log is written with.
    pub writer: WriterKeys,
}

impl NodeKeys {
    /// Reads all key files that the configuration names.
    pub fn load(config: &Config) -> Result<Self, StartupError> {
        let symmetric = |key: SecretKey| disclosure::SecretKey::new(*key.expose());
        Ok(Self {
            signing: Self::signing(config)?,
            writer: WriterKeys {
                index: keys::load_ring(&config.keys_dir, Purpose::Index)?,
                holder: symmetric(keys::load(&config.trust.holder_key, Purpose::Holder)?),
                at_rest: keys::load_ring(&config.keys_dir, Purpose::AtRest)?,
            },
        })
    }

    /// Reads the key files that sign, each with the next one beside it if there is one.
    pub fn signing(config: &Config) -> Result<SigningKeys, StartupError> {
        let origin = &config.origin;
        let note_signer = |purpose: Purpose| {
            rotating(config, purpose, |path| {
                Ok(keys::load(path, purpose)?.note_signer(origin)?)
            })
        };
        let cosigner = |purpose: Purpose| {
            rotating(config, purpose, |path| {
                Ok(keys::load(path, purpose)?.cosigner(origin)?)
            })
        };
        let record = |path: &Path| Ok(keys::load_signer(path, Purpose::record)?);
        let witness = config.witness.enabled;
        Ok(SigningKeys {
            log: note_signer(Purpose::Log)?,
            record: rotating(config, Purpose::Record, record)?,
            answer: note_signer(Purpose::Answer)?,
            mirror: Some(cosigner(Purpose::Mirror)?),
            witness: Some(cosigner(Purpose::Witness)?).filter(|_| witness),
        })
    }
}

/// The key in use must be there, the next one may be.
fn rotating<K>(
    config: &Config,
    purpose: Purpose,
    load: impl Fn(&Path) -> Result<K, StartupError>,
) -> Result<Rotating<K>, StartupError> {
    let current = load(&purpose.file_in(&config.keys_dir))?;
    let next = match load(&purpose.next_file_in(&config.keys_dir)) {
        Ok(next) => Some(next),
        Err(StartupError::Key(KeyError::Missing { .. })) => None,
        Err(error) => return Err(error),
    };
    Ok(Rotating { current, next })
}

/// The node's certificate, and the authority of its own callers.
pub struct NodeTls {
    /// Certificate chain and private key.
    pub identity: Identity,
    /// CA certificates.
    pub authority: Vec<CertificateDer<'static>>,
}

impl NodeTls {
    /// Reads the files that the configuration names.
    pub fn load(config: &Config) -> Result<Self, StartupError> {
        Ok(Self {
            identity: Identity::load(&config.tls.certificate, &config.tls.key)?,
            authority: tls::load_certificates(&config.tls.ca)?,
        })
    }

    /// The authorities whose certificates the gRPC port accepts: the own one and those of all
    /// members. A member's that cannot be used is left out with a warning: it keeps nobody
    /// else out.
    pub fn client_roots(&self, trust: &TrustChain) -> Vec<CertificateDer<'static>> {
        let mut roots = self.authority.clone();
        for member in &trust.newest().list.members {
            match tls::parse_roots(member.tls_ca.as_bytes()) {
                Ok(certificates) => roots.extend(certificates),
                Err(error) => {
                    tracing::warn!(member = member.region, %error, "no CA certificate of a member");
                }
            }
        }
        roots
    }
}

/// Reads the root keys and the trust lists, and verifies the whole chain. `kept` are the lists
/// that the store holds, which a running node takes from the other members too: the file may go
/// on behind them or end before them, and must not hold another list in the place of one.
pub fn load_trust(config: &Config, kept: &[Vec<u8>]) -> Result<TrustChain, StartupError> {
    require_federation(&config.trust)?;
    let (roots_file, lists_file) = (&config.trust.roots, &config.trust.lists);
    let trust = |path: &Path, source| StartupError::Trust {
        path: path.to_owned(),
        source,
    };
    let roots: RootKeys = read(roots_file)?
        .parse()
        .map_err(|error| trust(roots_file, error))?;
    let text = read(lists_file)?;
    let given = split_lists(&text);
    let given = given.iter().map(|note| note.as_bytes());
    let chain = if kept.is_empty() {
        TrustChain::verify(&roots, given)
    } else {
        TrustChain::verify(&roots, kept.iter().map(Vec::as_slice))
            .and_then(|held| held.joined(given))
    };
    chain.map_err(|error| trust(lists_file, error))
}

/// The file of root keys, as it is.
pub fn read_roots(config: &Config) -> Result<String, StartupError> {
    read(&config.trust.roots)
}

/// The notes in the file of trust lists, as they are.
pub fn read_lists(config: &Config) -> Result<Vec<String>, StartupError> {
    let text = read(&config.trust.lists)?;
    Ok(split_lists(&text).into_iter().map(str::to_owned).collect())
}

/// Tells a node that was not given the federation's files yet from one whose files cannot be
/// read.
fn require_federation(files: &TrustFiles) -> Result<(), StartupError> {
    let is_missing = |path: &&PathBuf| {
        let found = fs::metadata(path);
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let wanted = [&files.roots, &files.lists];
    let missing: Vec<PathBuf> = wanted.into_iter().filter(is_missing).cloned().collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(StartupError::NoFederation { missing })
    }
}

fn paths(paths: &[PathBuf]) -> String {
    let shown: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}

/// Takes the notes of a file apart, in which they follow each other as they are. A note's text
/// is JSON below its header, in which no line can equal the header.
pub fn split_lists(text: &str) -> Vec<&str> {
    let header = format!("{}\n", TrustList::HEADER);
    let starts: Vec<usize> = text
        .match_indices(&header)
        .map(|(start, _)| start)
        .filter(|start| *start == 0 || text[..*start].ends_with('\n'))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut begin = 0; // What stands before the first header is not passed over either.
    ends.take(starts.len())
        .map(|end| {
            let note = &text[begin..end];
            begin = end;
            note
        })
        .collect()
}

fn read(path: &Path) -> Result<String, StartupError> {
    fs::read_to_string(path).map_err(|source| StartupError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart_at_their_headers() {
        let note = |n: u64| {
            format!(
                "{}\n{{\"version\": {n}}}\n\n— root sig\n",
                TrustList::HEADER
            )
        };
        let (one, two) = (note(1), note(2));
        assert_eq!(split_lists(&format!("{one}{two}")), [&one, &two]);
        assert_eq!(split_lists(&one), [&one]);
        assert_eq!(split_lists(""), Vec::<&str>::new());
        let inside = format!("{{\"name\": \"{}\n", TrustList::HEADER);
        assert_eq!(
            split_lists(&format!("{one}{inside}")),
            [&format!("{one}{inside}")]
        );
        assert_eq!(
            split_lists(&format!("junk\n{one}")),
            [&format!("junk\n{one}")]
        );
    }

    #[test]
    fn a_node_without_a_federation_is_told_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let files = TrustFiles {
            roots: file("roots"),
            lists: file("lists"),
            holder_key: file("holder.key"),
        };
        let told = require_federation(&files).unwrap_err().to_string();
        let both = format!("{}, {}", files.roots.display(), files.lists.display());
        assert_eq!(told.matches(&both).count(), 2, "{told}");

        fs::write(&files.roots, "").unwrap();
        let told = require_federation(&files).unwrap_err().to_string();
        assert!(!told.contains(files.roots.to_str().unwrap()), "{told}");
        assert!(told.contains(files.lists.to_str().unwrap()), "{told}");

        fs::write(&files.lists, "").unwrap();
        require_federation(&files).unwrap();
    }
}
