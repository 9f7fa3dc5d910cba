//! Root keys: made one at a time, and encrypted with a passphrase (age, scrypt) as long as they
//! are not in use.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use age::{
    scrypt,
    secrecy::{ExposeSecret as _, SecretString},
};
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use huren_core::note::{KeyName, NoteSigner};
use huren_node::keys::{self, Purpose, SecretKey};
use serde_json::json;
use zeroize::Zeroizing;

use super::files;

/// The first bytes of an age file (age-encryption.org/v1).
const AGE: &[u8] = b"age-encryption.org/v1\n";

/// Characters of a passphrase at least: scrypt makes guessing slow, not hopeless.
const SHORTEST: usize = 12;

/// What key to make.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// 密钥名称，如 huren.example/root/zj / name of the key: which keeper's it is
    #[arg(long)]
    pub name: KeyName,
    /// 写入此文件 / file to write, must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 口令 / passphrase
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// 口令从何而来 / where the passphrase comes from.
#[derive(Args, Clone, Debug)]
pub struct PassphraseArgs {
    /// 口令文件（首行）；默认在终端输入 / file with the passphrase on its first line; asked on the terminal by default
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    fn read(&self) -> Result<Option<SecretString>> {
        let Some(path) = &self.passphrase_file else {
            return Ok(None);
        };
        let text = Zeroizing::new(files::read(path)?);
        let line = text.lines().next().unwrap_or_default();
        Ok(Some(SecretString::from(line.to_owned())))
    }

    fn ask(&self) -> Result<SecretString> {
        match self.read()? {
            Some(passphrase) => Ok(passphrase),
            None => prompt("口令 / passphrase: "),
        }
    }

    fn choose(&self) -> Result<SecretString> {
        let passphrase = match self.read()? {
            Some(passphrase) => passphrase,
            None => {
                let first = prompt("新口令 / new passphrase: ")?;
                let again = prompt("再次输入 / once more: ")?;
                if first.expose_secret() != again.expose_secret() {
                    bail!("两次输入不同 / the two are not the same");
                }
                first
            }
        };
        if passphrase.expose_secret().chars().count() < SHORTEST {
            bail!("口令至少 {SHORTEST} 个字符 / a passphrase has at least {SHORTEST} characters");
        }
        Ok(passphrase)
    }
}

fn prompt(what: &str) -> Result<SecretString> {
    let typed = rpassword::prompt_password(what);
    let typed = typed.context(
        "没有终端可输入口令，请用 --passphrase-file / no terminal to ask on: give --passphrase-file",
    )?;
    Ok(SecretString::from(typed))
}

/// Makes a key and prints its public half.
pub(super) fn make(args: &KeyArgs, json_out: bool) -> Result<ExitCode> {
    let passphrase = args.passphrase.choose()?;
    let key = keys::generate(Purpose::Root, &mut rand::rng());
    let locked = age::encrypt(
        &scrypt::Recipient::new(passphrase),
        keys::to_text(&key).as_bytes(),
    )?;
    files::write(&args.out, 0o600, &locked)?;
    let signer = NoteSigner::from_seed(args.name.clone(), key.expose());
    let public = signer.verifier_key().to_string();
    if json_out {
        writeln!(stdout(), "{:#}", json!({"out": args.out, "key": public}))?;
    } else {
        writeln!(
            stdout(),
            "根密钥已加密写入 {out}，请离线保管；口令忘记则密钥作废\n  \
             the root key is in {out}, encrypted: keep it offline; without its passphrase it is lost\n\
             公钥（交给提案人） / its verifier key, for whoever makes the proposal:\n{public}",
            out = args.out.display()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a root key, asking for the passphrase if it is encrypted.
pub(super) fn load(path: &Path, passphrase: &PassphraseArgs) -> Result<SecretKey> {
    let content = std::fs::read(path).map(Zeroizing::new);
    let content = content.with_context(|| format!("无法读取 / cannot read {}", path.display()))?;
    if !content.starts_with(AGE) {
        return Ok(keys::load(path, Purpose::Root)?);
    }
    let identity = scrypt::Identity::new(passphrase.ask()?);
    let text = age::decrypt(&identity, &content).map_err(|_| {
        let path = path.display();
        anyhow!(
            "PASSPHRASE_WRONG: 口令不对，或文件已损坏 / \
             the passphrase is wrong, or the file is damaged: {path}"
        )
    })?;
    let text = Zeroizing::new(String::from_utf8(text).unwrap_or_default());
    Ok(keys::from_text(&text, path, Purpose::Root)?)
}
