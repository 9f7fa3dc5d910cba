//! `huren receipt`.

use std::{
    io::{Cursor, Read as _, Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use huren_core::{
    receipt::{self, Checked, ReceiptError},
    trust::{RootKeys, TrustChain},
};
use huren_node::{http::check::CheckPage, startup::split_lists};
use serde_json::json;
use zip::ZipArchive;

/// Longest receipt that is read out of an archive, in bytes.
const MAX_RECEIPT: u64 = 1 << 20;

/// 核验回执 / receipts.
#[derive(Subcommand, Debug)]
pub enum ReceiptCommand {
    /// 离线核验回执，只需信任根公钥 / check a receipt offline, with the root keys alone
    ///
    /// 退出码 / exit codes: 0 真实 genuine, 1 不真实 not genuine, 2 无法判定 cannot tell.
    Verify {
        /// 回执文件，或装有多份回执的 ZIP（网页批量核验所得） / the receipt, or a ZIP of receipts, as the
        /// page for whole lists gives it
        file: PathBuf,
        /// 信任根公钥文件 / file of root keys
        #[arg(long, value_name = "ROOTS")]
        trust: PathBuf,
        /// 较新的信任清单：据此判断此后才截止的密钥 / newer trust lists, which may have closed keys
        /// since the receipt was given
        #[arg(long, value_name = "LISTS")]
        lists: Option<PathBuf>,
    },
    /// 写出验真网页：单个文件，断网可用，与节点的 /check 相同 / write the page that checks receipts in a
    /// browser: one file, needs no network, the same as a node's /check
    Page {
        /// 信任根公钥文件，写入网页 / file of root keys, which goes into the page
        #[arg(long, value_name = "ROOTS")]
        trust: PathBuf,
        /// 网页写入此文件 / write the page to this file
        #[arg(long, value_name = "FILE", default_value = "huren-check.html")]
        out: PathBuf,
    },
}

/// Checks a receipt offline.
pub fn run(command: &ReceiptCommand, json_out: bool) -> Result<ExitCode> {
    match command {
        ReceiptCommand::Verify { file, trust, lists } => {
            verify_receipt(file, trust, lists.as_deref(), json_out)
        }
        ReceiptCommand::Page { trust, out } => write_page(trust, out, json_out),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("无法读取 / cannot read {}", path.display()))
}

fn read_roots(path: &Path) -> Result<(String, RootKeys)> {
    let text = String::from_utf8(read(path)?)?;
    let roots = text.parse()?;
    Ok((text, roots))
}

/// Writes the page, with these root keys in it.
fn write_page(trust: &Path, out: &Path, json_out: bool) -> Result<ExitCode> {
    let (text, _) = read_roots(trust)?;
    let page = CheckPage::new(&text);
    std::fs::write(out, page.html())
        .with_context(|| format!("无法写入 / cannot write {}", out.display()))?;
    if json_out {
        writeln!(stdout(), "{:#}", json!({ "file": out }))?;
    } else {
        writeln!(
            stdout(),
            "验真网页已写入 / page written to {}",
            out.display()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn verify_receipt(
    file: &Path,
    trust: &Path,
    lists: Option<&Path>,
    json_out: bool,
) -> Result<ExitCode> {
    let (_, roots) = read_roots(trust)?;
    let known = match lists {
        None => None,
        Some(lists) => {
            let text = String::from_utf8(read(lists)?)?;
            let notes = split_lists(&text);
            let notes = notes.iter().map(|note| note.as_bytes());
            Some(TrustChain::verify(&roots, notes)?)
        }
    };
    let check = |receipt: &[u8]| match &known {
        None => receipt::verify(receipt, &roots),
        Some(known) => receipt::verify_known(receipt, &roots, known),
    };
    let bytes = read(file)?;
    if bytes.starts_with(b"PK") {
        return verify_archive(bytes, check, json_out);
    }
    let checked = check(&bytes);
    match (&checked, json_out) {
        (_, true) => writeln!(stdout(), "{:#}", result_json(&checked))?,
        (Ok(checked), false) => print_checked(checked)?,
        (Err(error), false) => writeln!(stdout(), "{}", refusal(error))?,
    }
    Ok(exit_code([&checked]))
}

/// Checks every receipt of an archive, a line for each.
fn verify_archive(
    bytes: Vec<u8>,
    check: impl Fn(&[u8]) -> Result<Checked, ReceiptError>,
    json_out: bool,
) -> Result<ExitCode> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).context("无法读取 ZIP / not a ZIP")?;
    let mut results = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at)?;
        let name = entry.name()?.escape_debug().to_string();
        let mut receipt = Vec::new();
        entry.by_ref().take(MAX_RECEIPT).read_to_end(&mut receipt)?;
        results.push((name, check(&receipt)));
    }
    if json_out {
        let results = results.iter().map(|(name, checked)| {
            let mut result = result_json(checked);
            result["file"] = json!(name);
            result
        });
        let results: Vec<_> = results.collect();
        writeln!(stdout(), "{:#}", json!({ "receipts": results }))?;
    } else {
        for (name, checked) in &results {
            let said = match checked {
                Ok(checked) => {
                    let number = checked
                        .certificate
                        .iter()
                        .find(|(name, _)| *name == "number");
                    let number = number.map_or("", |(_, number)| number);
                    let verdict = checked.assertion.verdict;
                    let (zh, en) = (verdict.zh(), verdict.en());
                    format!(
                        "真实 genuine: {number} {zh} {en}, {}",
                        checked.assertion.as_of_date
                    )
                }
                Err(error) => refusal(error),
            };
            writeln!(stdout(), "{name}: {said}")?;
        }
        let genuine = results
            .iter()
            .filter(|(_, checked)| checked.is_ok())
            .count();
        let of = results.len();
        writeln!(
            stdout(),
            "{of} 份中 {genuine} 份真实 / {genuine} of {of} are genuine"
        )?;
        if results.is_empty() {
            writeln!(
                stdout(),
                "ZIP 中没有任何文件，无法判定 / there is nothing in the ZIP: cannot tell"
            )?;
        }
    }
    // Nothing was shown to be genuine, which a script would take from 0.
    if results.is_empty() {
        return Ok(ExitCode::from(2));
    }
    Ok(exit_code(results.iter().map(|(_, checked)| checked)))
}

/// The gravest of several results: one that is not genuine, one that cannot be told.
fn exit_code<'a>(results: impl IntoIterator<Item = &'a Result<Checked, ReceiptError>>) -> ExitCode {
    let errors: Vec<&ReceiptError> = results
        .into_iter()
        .filter_map(|r| r.as_ref().err())
        .collect();
    ExitCode::from(match errors.as_slice() {
        [] => 0,
        errors if errors.iter().all(|error| error.is_undecided()) => 2,
        _ => 1,
    })
}

fn refusal(error: &ReceiptError) -> String {
    let verdict = match error.is_undecided() {
        true => "无法判定 cannot tell",
        false => "不真实 not genuine",
    };
    format!("{verdict}: {}: {} {error}", error.code(), error.zh())
}

fn result_json(checked: &Result<Checked, ReceiptError>) -> serde_json::Value {
    match checked {
        Ok(checked) => checked_json(checked),
        Err(error) => {
            let genuine = (!error.is_undecided()).then_some(false);
            let (code, zh) = (error.code(), error.zh());
            json!({"genuine": genuine, "code": code, "zh": zh, "en": error.to_string()})
        }
    }
}

fn checked_json(checked: &Checked) -> serde_json::Value {
    json!({
        "genuine": true,
        "proven": {
            "home": checked.home,
            "origin": checked.origin.as_str(),
            "index": checked.index,
            "size": checked.proven_size,
            "cosignatures": checked.cosignatures.iter()
                .map(|(by, time)| json!({"by": by, "time": time})).collect::<Vec<_>>(),
            "certificate": checked.certificate,
        },
        "asserted": checked.assertion,
    })
}

fn print_checked(checked: &Checked) -> Result<()> {
    let assertion = &checked.assertion;
    writeln!(stdout(), "真实 genuine")?;
    writeln!(
        stdout(),
        "已证明 proven: {} #{} ≤ {}",
        checked.origin,
        checked.index,
        checked.proven_size
    )?;
    for (by, time) in &checked.cosignatures {
        writeln!(stdout(), "  见证 cosigned by {by} @ {time}")?;
    }
    for (name, value) in checked.certificate.iter() {
        writeln!(stdout(), "  {name}: {value}")?;
    }
    writeln!(
        stdout(),
        "由 {} 断言 asserted by {}: {} {} ({}), {}",
        assertion.answered_by,
        assertion.answered_by,
        assertion.verdict.zh(),
        assertion.verdict.en(),
        assertion.as_of_date,
        assertion.time
    )?;
    for reason in &assertion.reasons {
        writeln!(stdout(), "  {}: {} {}", reason.code, reason.zh, reason.en)?;
    }
    writeln!(
        stdout(),
        "此回执只说明截至所列日志大小的情况。/ It speaks of the log sizes that it lists, and of nothing later."
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_archive_shows_nothing() {
        let empty = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let bytes = empty.finish().unwrap().into_inner();
        let check = |_: &[u8]| -> Result<Checked, ReceiptError> { unreachable!() };
        for json_out in [false, true] {
            let code = verify_archive(bytes.clone(), check, json_out).unwrap();
            assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)));
        }
    }
}
