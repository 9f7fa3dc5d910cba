//! `huren privacy scan`: whether anything that a node writes or says holds names, ID numbers or
//! certificate numbers. What is found is never shown: its kind, its row and its place are.

mod search;
#[cfg(test)]
mod tests;
mod words;

use std::{
    fs::{self, File},
    io::{Cursor, Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::connect;

pub use search::{Leak, Search};
pub use words::{Row, Secret, Words};

/// Texts in one pass over everything: they bound the memory, at about 2 KiB each.
const AT_ONCE: usize = 50_000;

/// Places that are listed at most; all are counted.
const LISTED: usize = 1000;

/// What to search for, and where.
#[derive(Args, Debug)]
pub struct ScanArgs {
    /// 含姓名、证件号码、证书编号列的 CSV / tables with columns of names, ID numbers, certificate numbers
    #[arg(long, value_name = "CSV", required = true, num_args = 1.., action = clap::ArgAction::Append)]
    pub words: Vec<PathBuf>,
    /// 查找的文件或文件夹 / files and folders to search
    #[arg(required_unless_present = "url")]
    pub paths: Vec<PathBuf>,
    /// 查找的网址，可多次 / an address to search what is answered there, may be repeated
    #[arg(long, value_name = "URL")]
    pub url: Vec<String>,
    /// https 网址的签发机构（PEM） / authority of https addresses (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

impl Words {
    /// Searches, each of which takes some of the texts.
    pub fn searches(&self) -> impl Iterator<Item = Search> {
        self.chunks(AT_ONCE).map(Search::new)
    }
}

/// What is searched.
struct Source {
    name: String,
    content: Content,
}

enum Content {
    File(PathBuf),
    Said(bytes::Bytes),
}

pub(super) async fn run(args: &ScanArgs, json_out: bool) -> Result<ExitCode> {
    let mut words = Words::default();
    for table in &args.words {
        words.read(table)?;
    }
    if words.is_empty() {
        bail!("没有可查找的内容 / there is nothing to search for");
    }
    let mut sources = Vec::new();
    let own: Vec<PathBuf> = args
        .words
        .iter()
        .filter_map(|p| p.canonicalize().ok())
        .collect();
    let mut total = 0;
    for path in &args.paths {
        collect(path, &own, &mut sources, &mut total)?;
    }
    for url in &args.url {
        let said = connect::get(url, args.ca.as_ref()).await?;
        let said = said.with_context(|| format!("没有内容 / nothing there: {url}"))?;
        total += said.len() as u64;
        sources.push(Source {
            name: url.clone(),
            content: Content::Said(said),
        });
    }
    let passes = words.len().div_ceil(AT_ONCE) as u64;
    let style = ProgressStyle::with_template(
        "{bar:30} {decimal_bytes} / {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta}  {wide_msg}",
    )?;
    let progress = ProgressBar::new(total * passes).with_style(style);
    let (mut leaks, mut count) = (Vec::new(), 0u64);
    for search in words.searches() {
        for (at, source) in sources.iter().enumerate() {
            progress.set_message(source.name.clone());
            source.search(&search, &progress, |leak| {
                count += 1;
                if leaks.len() < LISTED {
                    leaks.push((at, leak));
                }
            })?;
        }
    }
    progress.finish_and_clear();
    let scanned = Scanned {
        words: words.len(),
        bytes: total,
        count,
        leaks: &leaks,
        sources: &sources,
    };
    scanned.report(json_out)?;
    Ok(ExitCode::from(u8::from(count > 0)))
}

/// Files below a path, without the tables that say what to search for.
fn collect(path: &Path, own: &[PathBuf], sources: &mut Vec<Source>, total: &mut u64) -> Result<()> {
    let cannot = || format!("无法读取 / cannot read {}", path.display());
    let about = fs::symlink_metadata(path).with_context(cannot)?;
    if about.is_dir() {
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(path).with_context(cannot)? {
            entries.push(entry.with_context(cannot)?.path());
        }
        entries.sort();
        for entry in entries {
            collect(&entry, own, sources, total)?;
        }
    } else if path.canonicalize().is_ok_and(|whole| own.contains(&whole)) {
        eprintln!(
            "跳过词表 / left out, as it says what to search for: {}",
            path.display()
        );
    } else if path.is_file() {
        *total += path.metadata().with_context(cannot)?.len();
        sources.push(Source {
            name: path.display().to_string(),
            content: Content::File(path.to_owned()),
        });
    }
    Ok(())
}

impl Source {
    fn search(
        &self,
        search: &Search,
        progress: &ProgressBar,
        found: impl FnMut(Leak),
    ) -> Result<()> {
        let read = |count| progress.inc(count as u64);
        match &self.content {
            Content::File(path) => {
                File::open(path).and_then(|file| search.stream(file, read, found))
            }
            Content::Said(said) => search.stream(Cursor::new(said), read, found),
        }
        .with_context(|| format!("无法读取 / cannot read {}", self.name))
    }
}

struct Scanned<'a> {
    words: usize,
    bytes: u64,
    count: u64,
    leaks: &'a [(usize, Leak)],
    sources: &'a [Source],
}

impl Scanned<'_> {
    fn report(&self, json_out: bool) -> Result<()> {
        let sources = self.sources.len();
        if json_out {
            let leaks = self.leaks.iter().map(|(at, leak)| {
                json!({"source": self.sources[*at].name, "byte": leak.at,
                       "kind": leak.kind.code(), "row": leak.row, "form": leak.form})
            });
            let value = json!({
                "words": self.words, "sources": sources, "bytes": self.bytes,
                "found": self.count, "leaks": leaks.collect::<Vec<_>>(),
            });
            writeln!(stdout(), "{value:#}")?;
            return Ok(());
        }
        for (at, leak) in self.leaks {
            writeln!(
                stdout(),
                "{}: 字节 byte {}: {} 第 {} 行 row ({})",
                self.sources[*at].name,
                leak.at,
                leak.kind.words(),
                leak.row,
                leak.form
            )?;
        }
        let what = if self.count == 0 {
            "未发现 nothing found".to_owned()
        } else {
            format!("发现 found {} 处 places", self.count)
        };
        writeln!(
            stdout(),
            "{what}：{} 个词 words，{sources} 个文件或网址 files and addresses，{} 字节 bytes",
            self.words,
            self.bytes
        )?;
        Ok(())
    }
}
