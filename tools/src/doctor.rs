//! `huren doctor`: what this program takes for facts, and which of it nobody has verified yet.

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
};

use anyhow::Result;
use huren_core::data::{self, DataFile};
use serde_json::json;

/// Carries out the command.
pub fn run(json_out: bool) -> Result<ExitCode> {
    // One that cannot be read is an error, whose exit code is 1; placeholders are notices.
    let files = data::check()?;
    if json_out {
        let value = json!({ "placeholders": count(&files), "files": files });
        writeln!(stdout(), "{value:#}")?;
    } else {
        for file in &files {
            print(file)?;
        }
        let (files, placeholders) = (files.len(), count(&files));
        writeln!(
            stdout(),
            "{files} 个数据文件均可读取，{placeholders} 处待核实 / \
             {files} tables can be read, {placeholders} placeholders are to be verified"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn count(files: &[DataFile]) -> usize {
    files.iter().map(|file| file.placeholders.len()).sum()
}

fn print(file: &DataFile) -> Result<()> {
    let mut out = stdout();
    writeln!(
        out,
        "{}  版本 version {}  条目 entries {}",
        file.file, file.version, file.entries
    )?;
    writeln!(out, "  来源 source: {}", file.source)?;
    for placeholder in &file.placeholders {
        writeln!(
            out,
            "  待核实 placeholder: {}: {} / {}",
            placeholder.about, placeholder.zh, placeholder.en
        )?;
    }
    Ok(())
}
