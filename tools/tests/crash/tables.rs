//! What is imported.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use huren::{
    files::Encoding,
    generate::{self, GenArgs},
};
use huren_core::codes::Region;
use indicatif::ProgressBar;

/// One table of invented certificates, all different, handed out in parts.
pub(crate) struct Tables {
    folder: PathBuf,
    header: String,
    rows: std::vec::IntoIter<String>,
    parts: u32,
}

/// A part of the table in a file of its own.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) file: PathBuf,
    pub(crate) rows: u64,
}

/// A certificate that can be asked for.
pub(crate) struct Sample {
    pub(crate) number: String,
    pub(crate) name: String,
}

impl Part {
    /// Its first certificates whose numbers have the form of today, which name their province.
    pub(crate) fn samples(&self, count: usize) -> Result<Vec<Sample>> {
        let mut table = csv::Reader::from_path(&self.file)?;
        let header = table.headers()?.clone();
        let column = |name: &str| {
            let is_it = |title: &str| title.trim_start_matches('\u{feff}') == name;
            header.iter().position(is_it).context("a column")
        };
        let (number, name) = (column("证书编号")?, column("姓名")?);
        let mut samples = Vec::new();
        for row in table.records() {
            let row = row?;
            let cell = |at: usize| row.get(at).unwrap_or_default().to_owned();
            if samples.len() < count && cell(number).len() == 22 {
                samples.push(Sample {
                    number: cell(number),
                    name: cell(name),
                });
            }
        }
        ensure!(samples.len() == count, "too few rows to choose from");
        Ok(samples)
    }

    /// Where the client writes down what the node acknowledges.
    pub(crate) fn journal(&self) -> PathBuf {
        self.file.with_extension("journal")
    }
}

impl Tables {
    /// Invents certificates of Zhejiang.
    pub(crate) fn invent(folder: &Path, count: u64) -> Result<Self> {
        let whole = folder.join("certificates.csv");
        let args = GenArgs {
            region: Region::ZHEJIANG,
            count,
            seed: 1,
            faulty: "0%".parse().map_err(anyhow::Error::msg)?,
            out: Some(whole.clone()),
            dir: None,
            encoding: Encoding::Utf8,
            institutions: None,
            registers: None,
            statuses: 0,
            statuses_out: None,
        };
        generate::run(&args, &ProgressBar::hidden())?;
        let text = fs::read_to_string(&whole)?;
        let (header, rows) = text.split_once('\n').context("an empty table")?;
        let rows: Vec<String> = rows.split_inclusive('\n').map(str::to_owned).collect();
        Ok(Self {
            folder: folder.to_owned(),
            header: header.to_owned(),
            rows: rows.into_iter(),
            parts: 0,
        })
    }

    /// The next rows, which no other part has.
    pub(crate) fn part(&mut self, rows: u64) -> Result<Part> {
        self.parts += 1;
        let file = self.folder.join(format!("part-{}.csv", self.parts));
        let taken: Vec<String> = self.rows.by_ref().take(usize::try_from(rows)?).collect();
        ensure!(taken.len() as u64 == rows, "the table is used up");
        fs::write(&file, format!("{}\n{}", self.header, taken.concat()))?;
        Ok(Part {
            number: self.parts,
            file,
            rows,
        })
    }
}
