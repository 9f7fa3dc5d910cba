//! `huren import --watch`: files that are put into a folder, one after the other.
//!
//! A file's place says how far it has come: in the folder itself it waits, in `working` it is
//! being imported, in `done`, `rejected` or `refused` it is finished. It moves last, behind what
//! is written beside it, so that whoever is killed in between does the same once more; the node
//! answers again for what it has. Folders are looked at again and again rather than listened to,
//! because shares on a network tell nobody of changes.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Write as _, stdout};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use huren_proto::v1::issuance_service_client::IssuanceServiceClient;
use indicatif::ProgressBar;
use tokio::signal::unix::{SignalKind, signal};

use super::{ImportArgs, Report, run};
use crate::connect::Calls;

/// Where files are while they are imported, and afterwards.
const WORKING: &str = "working";
const DONE: &str = "done";
const REJECTED: &str = "rejected";
const REFUSED: &str = "refused";

/// Ends of names under which other programs write files that are not complete.
const UNFINISHED: [&str; 5] = ["part", "tmp", "crdownload", "filepart", "partial"];

/// Between the name of a file and what a result of it is; a file that is begun loses it.
const MARK: char = '+';

/// What stands beside a file, named after it.
const RESULT_ENDS: [&str; 5] = [
    "journal.jsonl",
    "rejects.xlsx",
    "rejects.csv",
    "rejects.more.csv",
    "report.txt",
];

/// A file's size and time.
type Look = (u64, SystemTime);

/// What became of a file.
enum Ended {
    /// It has moved to where it stays.
    Finished,
    /// It failed and is tried again, behind others.
    Failed,
    /// The node takes nothing at present.
    NodeAway,
}

/// A folder that is watched.
struct Folder {
    path: PathBuf,
    /// How long a file must not change before it counts as complete.
    interval: Duration,
    /// How each waiting file looked last, and since when.
    seen: BTreeMap<PathBuf, (Look, Instant)>,
    /// Files that were begun and failed, and when: others go before them.
    failed: BTreeMap<PathBuf, Instant>,
    /// Held as long as this is: two that watch one folder would work on the same file.
    _lock: File,
}

/// Imports what is put into `args.file`, a folder, until SIGTERM or Ctrl-C.
///
/// # Errors
/// If the folder cannot be worked with. What a file or the node lacks is no error: it is written
/// beside the file, or tried again.
pub async fn watch(
    client: IssuanceServiceClient<Calls>,
    args: &ImportArgs,
    interval: Duration,
    json_out: bool,
) -> Result<()> {
    let mut folder = Folder::open(&args.file, interval)?;
    let unheard = "无法接收信号 / signals cannot be heard";
    let mut terminate = signal(SignalKind::terminate()).context(unheard)?;
    tokio::select! {
        biased;
        // What is under way is left where it is, and done again at the next start.
        _ = terminate.recv() => Ok(()),
        ended = tokio::signal::ctrl_c() => ended.context(unheard),
        ended = async {
            loop {
                while let Some(file) = folder.next(Instant::now())? {
                    match import(&client, args, &file, json_out).await? {
                        Ended::Finished => drop(folder.failed.remove(&file)),
                        Ended::Failed => drop(folder.failed.insert(file, Instant::now())),
                        Ended::NodeAway => break,
                    }
                }
                tokio::time::sleep(interval).await;
            }
        } => ended,
    }
}

impl Folder {
    fn open(path: &Path, interval: Duration) -> Result<Self> {
        for place in [WORKING, DONE, REJECTED, REFUSED] {
            let made = fs::create_dir_all(path.join(place));
            made.with_context(|| format!("无法使用该文件夹 / cannot use {}", path.display()))?;
        }
        let lock = File::create(path.join(WORKING).join(".lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("已有程序在监视该文件夹 / another program watches this folder")
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(Self {
            path: path.to_owned(),
            interval,
            seen: BTreeMap::new(),
            failed: BTreeMap::new(),
            _lock: lock,
        })
    }

    /// The next file to import: one that was begun, or else the first complete one by name, or
    /// else the one that failed first, after a while.
    fn next(&mut self, now: Instant) -> io::Result<Option<PathBuf>> {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= self.interval;
        let mut begun = files(&self.path.join(WORKING))?;
        begun.retain(|file, _| !is_result(file));
        self.failed.retain(|file, _| begun.contains_key(file));
        if let Some(file) = begun.into_keys().find(|f| !self.failed.contains_key(f)) {
            return Ok(Some(file));
        }
        let mut waiting = BTreeMap::new();
        let mut settled = Vec::new();
        for (file, look) in files(&self.path)? {
            let before = self.seen.get(&file).filter(|(before, _)| *before == look);
            let since = before.map_or(now, |(_, since)| *since);
            // Two looks may be a moment apart, when an import has just ended.
            if before.is_some() && is_over(since) {
                settled.push(file.clone());
            }
            waiting.insert(file, (look, since));
        }
        let failed = self.failed.iter().filter(|(_, at)| is_over(**at));
        let failed = failed.min_by_key(|(_, at)| **at);
        let failed = failed.map(|(file, _)| file.clone());
        self.seen = waiting;
        for file in settled {
            match self.begin(&file) {
                // Somebody took it away after it was looked at.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                begun => return begun.map(Some),
            }
        }
        Ok(failed)
    }

    /// Moves a waiting file to where it is worked on, under a name that no other has had.
    fn begin(&self, file: &Path) -> io::Result<PathBuf> {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let stem = stem.replace(MARK, "-");
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        let extension = extension.replace(MARK, "-");
        let dot = if extension.is_empty() { "" } else { "." };
        let is_taken = |name: &str| {
            let mut places = [WORKING, DONE, REJECTED, REFUSED].iter();
            places.any(|place| self.path.join(place).join(name).exists())
        };
        let mut name = format!("{stem}{dot}{extension}");
        let mut again = 1u32;
        while is_taken(&name) {
            again += 1;
            name = format!("{stem}-{again}{dot}{extension}");
        }
        let place = self.path.join(WORKING).join(name);
        fs::rename(file, &place)?;
        Ok(place)
    }
}

/// Complete or not, the files in a folder that somebody means to be imported, by name.
fn files(folder: &Path) -> io::Result<BTreeMap<PathBuf, Look>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // One that was just taken away is not there.
        let Ok(data) = entry.metadata() else { continue };
        if data.is_file() && is_meant(&entry.path()) {
            files.insert(entry.path(), look_of(&data)?);
        }
    }
    Ok(files)
}

fn look_of(data: &Metadata) -> io::Result<Look> {
    Ok((data.len(), data.modified()?))
}

/// Hidden files, those of programs that are still writing, and Excel's marks of open workbooks
/// are left alone.
fn is_meant(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    let is_unfinished = UNFINISHED.contains(&extension.to_lowercase().as_str());
    !name.starts_with(['.', '~']) && !name.ends_with('~') && !is_unfinished
}

fn is_result(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().contains(MARK)
}

fn result_of(file: &Path, end: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!("{MARK}{end}"));
    file.with_file_name(name)
}

/// Imports a file and moves it if that is the end of it.
async fn import(
    client: &IssuanceServiceClient<Calls>,
    args: &ImportArgs,
    file: &Path,
    json_out: bool,
) -> Result<Ended> {
    let is_text = !super::rejects::is_workbook(file);
    let rejects = if is_text {
        "rejects.csv"
    } else {
        "rejects.xlsx"
    };
    let args = ImportArgs {
        file: file.to_owned(),
        rejects: Some(result_of(file, rejects)),
        journal: Some(result_of(file, "journal.jsonl")),
        ..args.clone()
    };
    let look = || fs::metadata(file).and_then(|data| look_of(&data)).ok();
    let before = look();
    let mut report = run(client.clone(), &args, &ProgressBar::hidden()).await;
    // Whoever had it open when it moved writes on. What was read is not what is there.
    let is_changed = before.is_none() || look() != before;
    if is_changed && !report.is_node {
        report.is_unreadable = false;
        report.failure = Some(
            "文件在导入期间有变化，稍后重新导入 / the file changed while it was imported, and is imported again"
                .to_owned(),
        );
    }
    say(&report, json_out)?;
    let place = match report.exit_code() {
        0 => DONE,
        3 => REJECTED,
        _ if report.is_unreadable => REFUSED,
        // Neither file nor rows are at fault: it stays and is tried again.
        _ if report.is_node => return Ok(Ended::NodeAway),
        _ => return Ok(Ended::Failed),
    };
    fs::write(result_of(file, "report.txt"), format!("{report}\n"))?;
    finish(file, place)?;
    Ok(Ended::Finished)
}

/// Moves results and then the file: until it has moved, it is imported again.
fn finish(file: &Path, place: &str) -> io::Result<()> {
    let working = file.parent().unwrap_or(Path::new("."));
    let place = working.with_file_name(place);
    let results = RESULT_ENDS.iter().map(|end| result_of(file, end));
    for from in results.chain([file.to_owned()]) {
        let to = place.join(from.file_name().unwrap_or_default());
        match fs::rename(&from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn say(report: &Report, json_out: bool) -> Result<()> {
    if json_out {
        writeln!(stdout(), "{}", serde_json::to_string(report)?)?;
    } else {
        writeln!(stdout(), "{report}\n")?;
    }
    Ok(())
}
