//! Making a node: keys, certificates, configuration, and what its federation has to know.

mod member;
mod next;

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use huren_core::{
    checkpoint::Origin, codes::Region, keys::Algorithm, merkle::empty_root, trust::Member,
};
use huren_store::{Head, HighWater, HighWaterError};
use rand::CryptoRng;

use crate::{
    config::{self, Config, ConfigError, Values},
    keys::{self, KeyError, Purpose, SecretKey},
    tls::{Authority, IssueError, Issued, NotACertificate, SpkiSha256, TlsError},
};
use member::MemberKeys;

pub use next::{next_certificate, next_key};

/// Name of the configuration in a node's folder.
pub const CONFIG: &str = "config.toml";

/// Name of the node's public part, for the federation's trust list.
pub const MEMBER: &str = "member.json";

/// What a new node is to be.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Its folder: must not exist, or be empty.
    pub directory: PathBuf,
    /// Its province.
    pub region: Region,
    /// Its name as people read it.
    pub name: String,
    /// Its log's origin.
    pub origin: Origin,
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// DNS name or IP address under which others reach the node. Without it the address that
    /// it listens on; if it listens on all, the host of its origin.
    pub host: Option<String>,
    /// The key that members share to look up holders, if this node is not the first.
    pub holder_key: Option<SecretKey>,
    /// What its records are signed with.
    pub record_algorithm: Algorithm,
    /// Folder of its database and high-water file, if that is another one.
    pub state: Option<PathBuf>,
}

impl InitOptions {
    /// A node of a province with the usual name, origin and ports, reachable on this machine
    /// only.
    pub fn new(region: Region, directory: impl Into<PathBuf>) -> Result<Self, InitError> {
        let place = match region {
            Region::SHANGHAI => "sh",
            Region::JIANGSU => "js",
            Region::ZHEJIANG => "zj",
            Region::ANHUI => "ah",
            _ => "node",
        };
        let origin = format!("huren.{place}.example/log/{region}");
        Ok(Self {
            directory: directory.into(),
            region,
            name: region.full_name(),
            origin: origin.parse().map_err(|_| InitError::Origin { origin })?,
            grpc: SocketAddr::from(([127, 0, 0, 1], 4433)),
            http: SocketAddr::from(([127, 0, 0, 1], 8443)),
            host: None,
            holder_key: None,
            record_algorithm: Algorithm::Ed25519,
            state: None,
        })
    }

    fn host(&self) -> String {
        let listens = self.grpc.ip();
        match &self.host {
            Some(host) => host.clone(),
            None if listens.is_unspecified() => {
                let host = self.origin.as_str().split(['/', ':']).next();
                host.unwrap_or_default().to_owned()
            }
            None => listens.to_string(),
        }
    }
}

/// What was made.
#[derive(Clone, Debug)]
pub struct InitReport {
    /// The configuration.
    pub config: PathBuf,
    /// The node's public part, as in the file [`MEMBER`].
    pub member: Member,
    /// Certificate and private key of the first caller.
    pub issuer: (PathBuf, PathBuf),
    /// Private key of the authority: to be kept offline.
    pub authority_key: PathBuf,
    /// Whether the holder key was made here, and not taken over.
    pub holder_key_is_new: bool,
}

/// Why no node was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The folder is not empty. Nothing was changed.
    #[error("文件夹 {0} 不是空的，未作任何改动 / the folder {0} is not empty: nothing was changed", .directory.display())]
    NotEmpty {
        /// The folder.
        directory: PathBuf,
    },
    /// Not an origin, or not one that names keys: it has a space or a plus.
    #[error("`{origin}` cannot be the origin of a log")]
    Origin {
        /// The text.
        origin: String,
    },
    /// The name, or a folder's, would not fit into the configuration.
    #[error("names must not hold quotation marks, backslashes or control characters")]
    Name,
    /// The configuration that follows from the options would be refused.
    #[error("the options make no usable configuration")]
    Config(#[from] ConfigError),
    /// A key file was not made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate was not made.
    #[error(transparent)]
    Certificate(#[from] IssueError),
    /// A certificate just made cannot be read.
    #[error(transparent)]
    NotACertificate(#[from] NotACertificate),
    /// A certificate given cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A file given, or the member's description, cannot be read.
    #[error("无法读取 / cannot read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The high-water file was not made.
    #[error(transparent)]
    HighWater(#[from] HighWaterError),
    /// The record key just made is none, which its making rules out.
    #[error("the record key is not valid")]
    RecordKey,
    /// The member's description cannot be written as JSON.
    #[error("cannot describe the member")]
    Member(#[from] serde_json::Error),
    /// The file system failed.
    #[error("cannot write {}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes a node in a new folder. TLS keys come from the cryptographic library's own generator,
/// all others from `rng`. What a failure leaves behind is incomplete (the configuration comes
/// last) and is to be deleted.
pub fn init(
    options: &InitOptions,
    rng: &mut dyn CryptoRng,
    now: SystemTime,
) -> Result<InitReport, InitError> {
    let InitOptions {
        directory,
        region,
        name,
        origin,
        grpc,
        http,
        ..
    } = options;
    let is_plain = |text: &str| !text.contains(|c: char| c == '"' || c == '\\' || c.is_control());
    // Where a working directory is, the configuration does not say.
    let state = options.state.as_ref().map(std::path::absolute).transpose();
    let state = state.map_err(|source| io_error(directory, source))?;
    let state = state.as_deref().map_or(Some(""), Path::to_str);
    let Some(state) = state.filter(|state| is_plain(state) && is_plain(name)) else {
        return Err(InitError::Name);
    };
    let text = |issuer| {
        config::render(&Values {
            region: *region,
            name,
            origin,
            state,
            grpc: *grpc,
            http: *http,
            issuer,
        })
    };
    // Before anything is written: the same check that the node makes when it starts.
    let config = Config::parse(&text(SpkiSha256([0; 32])), directory)?;
    make_empty(directory)?;
    make_empty(&config.data_dir)?;

    let keys = make_keys(&config, options, rng)?;
    let host = options.host();
    let authority = Authority::new(&format!("Huren {region}"), now)?;
    let (dns, addresses) = names_of(&host);
    let node = authority.node(&format!("Huren {region} node"), &dns, &addresses, now)?;
    let issuer = authority.client(&format!("Huren {region} issuer"), now)?;
    write_public(&config.tls.ca, authority.own().certificate_pem())?;
    let authority_key = config.tls.ca.with_extension("key");
    write_private(&authority_key, authority.own().key_pem())?;
    write_pair(&node, &config.tls.certificate, &config.tls.key)?;
    let clients = directory.join("clients");
    let issuer_files = (clients.join("issuer.crt"), clients.join("issuer.key"));
    write_pair(&issuer, &issuer_files.0, &issuer_files.1)?;

    let reach = member::Reach {
        grpc: endpoint(&host, grpc.port()),
        http: endpoint(&host, http.port()),
        tls_key: SpkiSha256::of(node.certificate())?,
        tls_ca: authority.own().certificate_pem(),
    };
    let member = member::describe(options, &keys, &reach)?;
    write_public(
        &directory.join(MEMBER),
        &(serde_json::to_string_pretty(&member)? + "\n"),
    )?;
    // From the first moment on: a node whose mark is missing has lost it, and signs nothing.
    config.trust.roots.parent().map_or(Ok(()), make_directory)?;
    let nothing = Head {
        size: 0,
        root: empty_root(),
    };
    HighWater::open(&config.high_water)?.write(origin, &nothing)?;
    let path = directory.join(CONFIG);
    write_public(&path, &text(SpkiSha256::of(issuer.certificate())?))?;
    Ok(InitReport {
        config: path,
        member,
        issuer: issuer_files,
        authority_key,
        holder_key_is_new: options.holder_key.is_none(),
    })
}

fn make_keys(
    config: &Config,
    options: &InitOptions,
    rng: &mut dyn CryptoRng,
) -> Result<MemberKeys, InitError> {
    make_directory(&config.keys_dir)?;
    let mut make =
        |purpose: Purpose| keys::create(&purpose.file_in(&config.keys_dir), purpose, rng);
    let made = MemberKeys {
        log: make(Purpose::Log)?,
        witness: make(Purpose::Witness)?,
        mirror: make(Purpose::Mirror)?,
        record: make(Purpose::record(options.record_algorithm))?,
        answer: make(Purpose::Answer)?,
    };
    make(Purpose::AtRest)?;
    make(Purpose::Index)?;
    match &options.holder_key {
        Some(key) => keys::store(&config.trust.holder_key, key)?,
        None => drop(keys::create(
            &config.trust.holder_key,
            Purpose::Holder,
            rng,
        )?),
    }
    Ok(made)
}

/// A host in a certificate: always with the machine's own names, so that the operator's tool
/// can check a node from the machine that it runs on.
fn names_of(host: &str) -> (Vec<String>, Vec<IpAddr>) {
    let mut dns = vec!["localhost".to_owned()];
    let mut addresses = vec![IpAddr::from([127, 0, 0, 1])];
    match host.parse() {
        Ok(address) if !addresses.contains(&address) => addresses.push(address),
        Ok(_) => {}
        Err(_) if !dns.iter().any(|name| name == host) => dns.push(host.to_owned()),
        Err(_) => {}
    }
    (dns, addresses)
}

fn endpoint(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(address) => format!("https://{}", SocketAddr::from((address, port))),
        Err(_) => format!("https://{host}:{port}"),
    }
}

fn make_empty(directory: &Path) -> Result<(), InitError> {
    make_directory(directory)?;
    let mut content = fs::read_dir(directory).map_err(|source| io_error(directory, source))?;
    match content.next() {
        None => Ok(()),
        Some(_) => Err(InitError::NotEmpty {
            directory: directory.to_owned(),
        }),
    }
}

fn make_directory(path: &Path) -> Result<(), InitError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| io_error(path, source))
}

fn write_pair(issued: &Issued, certificate: &Path, key: &Path) -> Result<(), InitError> {
    write_public(certificate, issued.certificate_pem())?;
    write_private(key, issued.key_pem())
}

fn write_private(path: &Path, text: &str) -> Result<(), InitError> {
    path.parent().map_or(Ok(()), make_directory)?;
    keys::write_new(path, 0o600, text.as_bytes()).map_err(|source| io_error(path, source))
}

fn write_public(path: &Path, text: &str) -> Result<(), InitError> {
    path.parent().map_or(Ok(()), make_directory)?;
    keys::write_new(path, 0o644, text.as_bytes()).map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: io::Error) -> InitError {
    InitError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
