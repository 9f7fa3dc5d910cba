mod node;
mod sending;
mod tables;
mod workbooks;

use std::path::{Path, PathBuf};
use std::time::Duration;

use huren_core::codes::Region;
use tempfile::TempDir;

use super::*;
use crate::generate::{self, Fault, GenArgs, Summary};

/// Generated files, in a directory that is removed afterwards.
struct Files {
    directory: TempDir,
    summary: Summary,
}

impl Files {
    fn generate(count: u64, faulty: &str, encoding: Encoding) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let args = GenArgs {
            region: Region::ZHEJIANG,
            count,
            seed: 11,
            faulty: faulty.parse().unwrap(),
            out: Some(path("certificates.csv")),
            dir: None,
            encoding,
            institutions: Some(path("institutions.csv")),
            registers: None,
            statuses: count / 20,
            statuses_out: Some(path("statuses.csv")),
        };
        let summary = generate::run(&args, &ProgressBar::hidden()).unwrap();
        Self { directory, summary }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// How many generated rows have a fault that is seen without a node.
    fn locally_faulty(&self) -> u64 {
        let by_node = Fault::DuplicateNumber.expected_code();
        self.summary
            .faulty
            .iter()
            .filter(|(code, _)| **code != by_node)
            .map(|(_, n)| n)
            .sum()
    }

    fn found_by_node(&self) -> u64 {
        self.summary.faulty.values().sum::<u64>() - self.locally_faulty()
    }
}

fn args(file: &Path) -> ImportArgs {
    ImportArgs {
        file: file.to_owned(),
        region: Region::ZHEJIANG,
        kind: None,
        encoding: None,
        sheet: None,
        backfilled: false,
        witnessed: false,
        edition: 2022,
        check: false,
        rejects: None,
        journal: None,
        in_flight: 64,
        retry: Retry {
            attempts: 5,
            first_delay: Duration::from_millis(1),
            longest_delay: Duration::from_millis(8),
        },
    }
}

async fn checked(file: &Path) -> Report {
    check(&args(file), &ProgressBar::hidden()).await
}
