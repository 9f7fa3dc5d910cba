//! Root keys in files, encrypted with a passphrase: PKCS #8 (RFC 5958) under PBES2 with scrypt
//! (RFC 8018, RFC 7914), which `openssl pkey` opens as well. The file says the public key too,
//! and what is decrypted must be the key to it: PBES2 does not authenticate by itself.

use std::{
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Subcommand;
use ed25519_dalek::SigningKey;
use huren_core::note::{KeyName, NoteSigner, VerifierKey};
use huren_node::keys::{self, Purpose};
use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rand::Rng as _;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Passphrase, Told, files};

/// 根密钥 / root keys.
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// 生成一名保管人的根密钥（口令加密） / make one custodian's root key, encrypted
    ///
    /// 每名保管人在自己的离线机器上执行，把公钥交给起草人。/ Each custodian does this on an offline
    /// machine of their own, and gives the public key to whoever drafts the list.
    New {
        /// 密钥名，如 huren.example/root/zj-1 / name of the key
        #[arg(long)]
        name: KeyName,
        /// 密钥文件 / file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// 口令 / passphrase
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// 显示公钥，不需口令 / show the public key; needs no passphrase
    Show {
        /// 密钥文件 / the key file
        file: PathBuf,
    },
}

/// The first line of the encrypted key.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Before the public key in a file.
const PUBLIC: &str = "# public ";

pub(super) fn run(command: &KeyCommand) -> Result<Told> {
    match command {
        KeyCommand::New {
            name,
            out,
            passphrase,
        } => {
            let chosen = passphrase.choose(name.as_str())?;
            let public = create(out, name.clone(), &chosen)?;
            Ok(Told {
                text: format!(
                    "已写入 written to {}（口令加密 encrypted）\n公钥 public key:\n{public}\n\
                     离线保管此文件，口令另行保管 / keep the file offline, and the passphrase apart from it\n",
                    out.display()
                ),
                json: json!({"out": out, "public_key": public.to_string()}),
            })
        }
        KeyCommand::Show { file } => {
            let public = public_key(&files::read(file)?).with_context(|| {
                format!(
                    "不是加密的根密钥 / no encrypted root key: {}",
                    file.display()
                )
            })?;
            Ok(Told {
                text: format!("{public}\n"),
                json: json!({"public_key": public.to_string()}),
            })
        }
    }
}

/// Makes a root key and writes it encrypted, with mode 0600, to a file that does not exist yet.
pub(super) fn create(path: &Path, name: KeyName, passphrase: &str) -> Result<VerifierKey> {
    let mut seed = Zeroizing::new([0; 32]);
    rand::rng().fill(seed.as_mut());
    let key = SigningKey::from_bytes(&seed);
    let pem = key
        .to_pkcs8_encrypted_pem(passphrase, LineEnding::LF)
        .map_err(|error| anyhow!("加密失败 / encryption failed: {error}"))?;
    let public = NoteSigner::new(name, key).verifier_key().clone();
    let text = format!(
        "# Huren 信任根密钥，口令加密；离线保管 / root key of the trust list, encrypted; keep it offline\n\
         {PUBLIC}{public}\n{}",
        *pem
    );
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = file.with_context(|| {
        format!(
            "密钥从不覆盖 / a key is never overwritten: {}",
            path.display()
        )
    })?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    Ok(public)
}

fn public_key(text: &str) -> Option<VerifierKey> {
    let line = text.lines().find_map(|line| line.strip_prefix(PUBLIC))?;
    line.parse().ok()
}

/// Opens a key again that was made a moment ago, so that what was written is known to open.
pub(super) fn reopen(path: &Path, public: &VerifierKey, passphrase: &str) -> Result<NoteSigner> {
    let key = decrypt(&files::read(path)?, passphrase).with_context(|| {
        format!(
            "写入的密钥无法打开 / the key does not open: {}",
            path.display()
        )
    })?;
    Ok(NoteSigner::new(public.name().clone(), key))
}

fn decrypt(text: &str, passphrase: &str) -> Option<SigningKey> {
    let begin = text.find(ENCRYPTED)?;
    SigningKey::from_pkcs8_encrypted_pem(&text[begin..], passphrase.as_bytes()).ok()
}

/// Opens a root key that is one of `roots` (verifier keys); its name is the one that it has there.
/// A key that was made for a demo is not encrypted.
pub(super) fn open(path: &Path, roots: &[String], passphrase: &Passphrase) -> Result<NoteSigner> {
    let text = Zeroizing::new(files::read(path)?);
    let shown = path.display();
    let key = if text.contains(ENCRYPTED) {
        let passphrase = passphrase.ask(&shown.to_string())?;
        decrypt(&text, &passphrase).with_context(|| {
            format!("[ROOT_KEY_PASSPHRASE] 口令不对或文件损坏 / wrong passphrase, or the file is damaged: {shown}")
        })?
    } else {
        SigningKey::from_bytes(keys::load(path, Purpose::Root)?.expose())
    };
    let held = key.verifying_key();
    if public_key(&text).is_some_and(|public| public.public_key() != &held) {
        bail!(
            "文件损坏：私钥与公钥不符 / the file is damaged: its two keys do not belong together"
        );
    }
    let mut roots = roots
        .iter()
        .filter_map(|root| root.parse::<VerifierKey>().ok());
    let root = roots.find(|root| *root.public_key() == held).with_context(|| {
        format!("[SIGNATURE_NOT_A_ROOT] 既不是现有根密钥，也不是新根密钥 / no root key, old or new: {shown}")
    })?;
    Ok(NoteSigner::new(root.name().clone(), key))
}
