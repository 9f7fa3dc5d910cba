//! Where passphrases come from: the terminal, or a file. Never an argument or the environment,
//! which other processes can see.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use zeroize::Zeroizing;

/// The shortest passphrase that a new key is protected with, in characters.
const SHORTEST: usize = 12;

/// Where to take a passphrase from.
#[derive(Args, Clone, Debug, Default)]
pub struct Passphrase {
    /// 口令文件（首行），缺省在终端询问 / file whose first line is the passphrase, for instance
    /// /dev/fd/3 [default: ask on the terminal]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl Passphrase {
    /// The passphrase of an existing key.
    pub(super) fn ask(&self, what: &str) -> Result<Zeroizing<String>> {
        let Some(path) = &self.passphrase_file else {
            let prompt = format!("{what} 的口令 / passphrase: ");
            return Ok(Zeroizing::new(rpassword::prompt_password(prompt)?));
        };
        let text = fs::read_to_string(path).map(Zeroizing::new);
        let text = text.with_context(|| format!("无法读取 / cannot read {}", path.display()))?;
        Ok(Zeroizing::new(
            text.lines().next().unwrap_or_default().to_owned(),
        ))
    }

    /// One for a new key: long enough, and on the terminal typed twice.
    pub(super) fn choose(&self, what: &str) -> Result<Zeroizing<String>> {
        let chosen = self.ask(what)?;
        if chosen.chars().count() < SHORTEST {
            bail!("口令至少 {SHORTEST} 个字符 / a passphrase has at least {SHORTEST} characters");
        }
        if self.passphrase_file.is_none() && self.ask("再次输入 again")? != chosen {
            bail!("两次输入不同 / the two differ");
        }
        Ok(chosen)
    }
}
